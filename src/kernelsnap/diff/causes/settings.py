"""How a kernel is launched and what its heuristics are told: blocks, warps, options, hints."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelsnap.diff.causes.facts import KernelPair, read
from kernelsnap.diff.causes.kinds import Finding, said_by
from kernelsnap.diff.match.items import Item
from kernelsnap.golden.canonical import USER_TRITON

# BLOCK_M : tl.constexpr = 32   arg BLOCK  constexpr = 256
LAUNCHED_WITH = re.compile(r"\s*(?:\w+ : tl\.constexpr = |arg \w+  constexpr = )\d+\Z")
#: What heuristics are told that moves no instruction by itself; what is in no list is not known to be harmless.
_HINTS = re.compile(
    r"size_hints|tiling_scores|reduction_hint|tile_hint|grid_type|optimize_mem|uses|calls|atomic_add_found|"
    r"add_persistent_rblock|has_loadstore_with_contiguous_rdim|fixed_grid|extra_launcher_args|"
    r"declared_constexpr_names|custom_kernel|tma_min_block_sizes|autotune_hints|combo_grid_meta"
)
_LAUNCH = re.compile(
    r"max_autotune\w*|coordinate_descent\w*|triton\.\w+|num_warps|num_stages|num_ctas|persistent_reduction|"
    r"autotune_pointwise|configs|min_rblock|max_persistent_rblock|min_split_scan_rblock|dynamic_scale_rblock|multi_kernel\w*|"
    r"deterministic|batch_invariant"
)
#: Of those the ones that a setting decides, and not what the kernel does.
_SETTING = re.compile(
    r"autotune_pointwise|max_autotune\w*|coordinate_descent\w*|deterministic|batch_invariant|"
    r"triton\.(?!launch_cooperative_grid|native_matmul)\w+|min_split_scan_rblock|dynamic_scale_rblock|"
    r"assert_indirect_indexing"
)
#: How a template that is no attention is tiled, and what else its launch is made of.
_TILE = re.compile(r"template\.(?:BLOCK|GROUP)_\w+|template\.\w*(?:SPLIT|NUM_SMS)\w*")
_META = {"assert_indirect_indexing": "mask", "softmax_scale": "constants"}
_ATTENTION_META = re.compile(r"template\.\w+|block_size|score_mod\.\w+|mask_mod\.\w+|return_lse")


def options(pair: KernelPair) -> Iterator[Finding]:
    """What a setting tells the autotuner or the compiler of Triton, whatever the kernel does."""
    before, after = (_settings(side) for side in (pair.old, pair.new))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            says = f"{name} {before.get(name) or 'none'} -> {after.get(name) or 'none'}"
            yield said_by(pair, _META.get(name, "launch"), says, name, scope="setting")


def _settings(items: tuple[Item, ...]) -> dict[str, str]:
    """Those that all of some kernels are told."""
    told = [dict(item.config.meta) if item.config else {} for item in items]
    return {
        name: value
        for name, value in told[0].items()
        if _SETTING.fullmatch(name) and all(other.get(name) == value for other in told)
    }


def tiles(pair: KernelPair) -> Iterator[Finding]:
    """Block sizes that are written in the code: of a template, and of a kernel that the user wrote."""
    if pair.item.ref.kind in ("template", USER_TRITON):
        before, after = ([row for row in rows if LAUNCHED_WITH.match(row)] for rows in pair.rows)
        for old, new in zip(before, after, strict=False):
            yield said_by(pair, "launch", f"{read(old)} -> {read(new)}", "tile", scope="setting")


def launches(pair: KernelPair) -> Iterator[Finding]:
    """Blocks, warps, stages and options that only one side may be launched with."""
    before, after = pair.launches
    for sign, ours, others in (("gone", before, after), ("new", after, before)):
        for launch in ours:
            if launch not in others:
                blocks = " ".join(f"{name} {size}" for name, size in launch.blocks)
                shown = f"{blocks} warps {launch.num_warps} stages {launch.num_stages}".strip()
                options = " ".join(f"{name}={value}" for name, value in launch.options)
                yield said_by(pair, "launch", f"{sign}: {shown} {options}".rstrip(), f"{sign} {shown} {options}")
    if before != after and set(before) == set(after):
        yield said_by(pair, "launch", "candidates in another order", "order")


def hints(pair: KernelPair, attention: bool) -> Iterator[Finding]:
    """What the heuristics of a kernel are told, where it differs."""
    for name, (old, new) in pair.meta.items():
        if attention and _ATTENTION_META.fullmatch(name):
            cause = "attention"
        elif name in _META:
            cause = _META[name]
        elif _TILE.fullmatch(name):
            cause = "launch"
        else:
            cause = "launch" if _LAUNCH.fullmatch(name) else "metadata" if _HINTS.fullmatch(name) else "unknown"
        scope = "setting" if _SETTING.fullmatch(name) else "attention code" if cause == "attention" else ""
        yield said_by(pair, cause, f"{name} {old or 'none'} -> {new or 'none'}", name, scope=scope)
