"""Causes that concern how kernels are launched: blocks, warps, options, hints, and what max-autotune may choose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import Facts, KernelPair
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.line_forms import is_launched_with, read
from kernelsnap.diff.match.items import Item
from kernelsnap.golden.canonical import USER_TRITON
from kernelsnap.model.golden import Golden, KernelChoice

#: What moves no instruction by itself; what is in no list is not known to be harmless.
_HINTS = re.compile(r"grid_type|uses|calls|fixed_grid|combo_grid_meta|host_tma_descriptor_args")
_LAUNCH = re.compile(
    r"max_autotune\w*|coordinate_descent\w*|triton\.\w+|num_ctas|num_consumer_groups|num_buffers_warp_spec|"
    r"persistent_reduction|autotune_pointwise|min_[xr]block|strict_\w+_rblock|min_split_scan_rblock|"
    r"dynamic_\w+|multi_kernel\w*|deterministic|batch_invariant|mix_order_reduction_\w+|incremental_autotune|"
    r"spill_threshold|are_deterministic_algorithms_enabled|force_filter_reduction_configs"
)
#: Of those the ones that a setting decides, and not what the kernel does.
_SETTING = re.compile(
    r"autotune_pointwise|max_autotune\w*|coordinate_descent\w*|deterministic|batch_invariant|"
    r"triton\.(?!launch_cooperative_grid|native_matmul)\w+|min_split_scan_rblock|dynamic_\w+|"
    r"assert_indirect_indexing|incremental_autotune|spill_threshold|force_filter_reduction_configs"
)
#: How a template that is no attention is tiled, and what else its launch is made of.
_TILE = re.compile(r"template\.(?:BLOCK|GROUP)_\w+|template\.\w*(?:SPLIT|NUM_SMS)\w*")
# tl.load(in_ptr0 + (x0), None, cache_modifier='.cg')
_MODIFIER = re.compile(r"cache_modifier='[.\w]+'")
_META = {"assert_indirect_indexing": CauseName.MASK, "softmax_scale": CauseName.CONSTANTS}
_ATTENTION_META = re.compile(r"template\.\w+|block_size|score_mod\.\w+|mask_mod\.\w+|return_lse")


def options(pair: KernelPair) -> Iterator[Finding]:
    """What a setting tells the autotuner or the compiler of Triton, whatever the kernel does."""
    before, after = (_settings(side) for side in (pair.old, pair.new))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            words = f"{name} {before.get(name) or 'none'} -> {after.get(name) or 'none'}"
            yield Finding.of(pair, _META.get(name, CauseName.LAUNCH), words, name, scope=Scope.SETTING)


def cache_modifiers(pair: KernelPair, facts: Facts) -> Iterator[Finding]:
    """Modifiers of the cache that no kernel of the other side has, though it would have them under the same setting.

    Inductor gives them to pointwise kernels that load what another kernel has written and no third one reads.
    """
    sides = [{name for item in side for name in _MODIFIER.findall(item.code)} for side in (pair.old, pair.new)]
    codes = facts.kernel_codes
    lost, won = (sorted(name for name in sides[one] if name not in codes[1 - one]) for one in (0, 1))
    golden = facts.whole or facts
    if (lost and not _read_once(pair.new, golden.new)) or (won and not _read_once(pair.old, golden.old)):
        return
    if lost or won:
        words = f"cache modifier {', '.join(lost) or 'none'} -> {', '.join(won) or 'none'}"
        yield Finding.of(pair, CauseName.CACHING, words, "cache modifier", scope=Scope.SETTING)


def _read_once(items: Iterable[Item], golden: Golden) -> bool:
    """Whether a pointwise kernel among some reads a tensor that a kernel wrote, and that nothing else reads."""
    plans = {plan.graph: plan for plan in golden.plan}
    for item in (item for item in items if item.ref.kind == "pointwise"):
        steps = plans[item.ref.graph].steps
        written = {buffer.name for step in steps for buffer in step.writes}
        readers = Counter(name for step in steps for name in {*step.reads})
        if any(name in written and readers[name] == 1 for step in item.steps for name in step.reads):
            return True
    return False


def _settings(items: tuple[Item, ...]) -> dict[str, str]:
    """The settings that all of some kernels have."""
    metas = [dict(item.config.meta) if item.config else {} for item in items]
    return {
        name: value
        for name, value in metas[0].items()
        if _SETTING.fullmatch(name) and all(other.get(name) == value for other in metas)
    }


def tiles(pair: KernelPair) -> Iterator[Finding]:
    """Block sizes that are written in the code: of a template, and of a kernel that the user wrote."""
    if pair.item.ref.kind in ("template", USER_TRITON):
        before, after = ([row for row in rows if is_launched_with(row)] for rows in pair.rows)
        for old, new in zip(before, after, strict=False):
            yield Finding.of(pair, CauseName.LAUNCH, f"{read(old)} -> {read(new)}", "tile", scope=Scope.SETTING)


def launches(pair: KernelPair) -> Iterator[Finding]:
    """Blocks, warps, stages and options that only one side may be launched with."""
    before, after = pair.launches
    for sign, ours, others in (("gone", before, after), ("new", after, before)):
        for launch in ours:
            if launch not in others:
                blocks = " ".join(f"{name} {size}" for name, size in launch.blocks)
                shown = f"{blocks} warps {launch.num_warps} stages {launch.num_stages}".strip()
                options = " ".join(f"{name}={value}" for name, value in launch.options)
                yield Finding.of(
                    pair, CauseName.LAUNCH, f"{sign}: {shown} {options}".rstrip(), f"{sign} {shown} {options}"
                )
    if before != after and set(before) == set(after):
        yield Finding.of(pair, CauseName.LAUNCH, "candidates in another order", "order")


def hints(pair: KernelPair, attention: bool) -> Iterator[Finding]:
    """What Inductor gives the heuristics of a kernel, where it differs."""
    for name, (old, new) in pair.meta.items():
        cause = _cause_of_hint(name, attention)
        of_attention = Scope.ATTENTION_CODE if cause == CauseName.ATTENTION else None
        scope = Scope.SETTING if _SETTING.fullmatch(name) else of_attention
        yield Finding.of(pair, cause, f"{name} {old or 'none'} -> {new or 'none'}", name, scope=scope)


def _cause_of_hint(name: str, attention: bool) -> CauseName:
    if attention and _ATTENTION_META.fullmatch(name):
        return CauseName.ATTENTION
    if name in _META:
        return _META[name]
    if _TILE.fullmatch(name) or _LAUNCH.fullmatch(name):
        return CauseName.LAUNCH
    return CauseName.METADATA if _HINTS.fullmatch(name) else CauseName.UNKNOWN


def candidates(search: CauseSearch) -> Iterator[Finding]:
    """What max-autotune may choose from, where the same is taken: candidates that came, went or moved."""
    facts = search.facts
    follows = CauseName.ATTENTION in search.causes  # then so do the tiles that its own kernel may have
    old, new = (_by_graph(golden, follows) for golden in (facts.old, facts.new))
    for graph in dict.fromkeys([*old, *new]):
        for before, after in zip_longest(old.get(graph, []), new.get(graph, [])):
            if before is None or after is None:
                word = "new" if before is None else "gone"
                choice = before or after
                yield Finding(
                    CauseName.LAUNCH, graph, f"{word} choice of max-autotune: {choice.name}", f"{word} choice"
                )
            elif (before.shared, before.candidates) != (after.shared, after.candidates):
                yield Finding(
                    CauseName.LAUNCH, graph, f"candidates of {after.name}: {_moved(before, after)}", "candidates"
                )


def _by_graph(golden: Golden, but_attention: bool) -> dict[str, list[KernelChoice]]:
    found: dict[str, list[KernelChoice]] = {}
    for choice in (it for it in golden.choices if not (but_attention and "attention" in it.name)):
        found.setdefault(choice.graph, []).append(choice)
    return found


def _moved(before: KernelChoice, after: KernelChoice) -> str:
    sides = [
        Counter(
            (one.name, *sorted({*one.settings, *(choice.shared if one.settings else ())})) for one in choice.candidates
        )
        for choice in (before, after)
    ]
    gone, new = sides[0] - sides[1], sides[1] - sides[0]
    if gone or new:
        return f"{len(before.candidates)} -> {len(after.candidates)}, {new.total()} new, {gone.total()} gone"
    return "in another order"


FAMILY = Family(
    kinds=(
        CauseKind(
            CauseName.LAUNCH,
            "launch configuration",
            "blocks, warps, stages, or what the autotuner may try",
            scopes={Scope.SETTING: frozenset()},
        ),
        CauseKind(CauseName.METADATA, "metadata only", "hints and provenance; no launch and no instruction changed"),
    ),
    finders={Phase.AFTER: (candidates,)},
)
