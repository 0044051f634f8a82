"""Causes that concern attention kernels: tiles, sparsity, `score_mod`, `mask_mod`, and the kernels made for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kernelsnap.diff.causes.backend import ATTENTION, same_backend, same_work
from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family, Kinds
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.tensors import tensor_changes, user_graphs
from kernelsnap.diff.match.items import Item
from kernelsnap.model.golden import Plan

#: What the plan calls the operation of an attention kernel.
ATTENTION_OP = "higher_order.flex_attention"
_OF_BACKWARD = "higher_order.flex_attention_backward"
#: Fields of an attention kernel's plan line that are about its launch, not about what it computes.
_LAUNCH_FIELDS = ("warps", "stages")
#: Those that follow from the shapes of what it is given.
_SHAPE_FIELDS = ("query_heads_per_kv_head", "divisible")
#: An attention kernel reads the query, the keys and the values first, then what its masks and score_mod need.
_ATTENDED = 3


def attention(search: CauseSearch) -> Iterator[Finding]:
    """Tiles, splits, sparsity, score_mod and mask_mod of attention kernels; shapes of what they attend to."""
    facts = search.facts
    shapes = list(_attended_tensors(facts))
    yield from shapes
    for graph in facts.graphs:
        for old, new in same_work(graph):
            if ATTENTION not in old.ref.kind or not same_backend(old, new):
                continue
            before, after = dict(old.steps[0].sizes), dict(new.steps[0].sizes)
            moved = [name for name in {**before, **after} if before.get(name) != after.get(name)]
            # Warps and stages are chosen with the tiles.
            tiled = any(name not in _LAUNCH_FIELDS for name in moved)
            for name in moved:
                cause = CauseName.LAUNCH if name in _LAUNCH_FIELDS else CauseName.ATTENTION
                follows = (shapes or tiled) if name in _LAUNCH_FIELDS else (shapes and name in _SHAPE_FIELDS)
                if not follows:
                    change = f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
                    yield Finding.of(facts.of_new[new.ref], cause, change, nearby=[facts.of_old[old.ref]])


def _attended_tensors(facts: Facts) -> Iterator[Finding]:
    """Shapes of what attention is given; not those of block masks, which are integers, nor of captured buffers."""
    for old, new in user_graphs(facts):
        if not any(ATTENTION in step.kind for plan in (old, new) for step in plan.steps):
            continue
        captured = _captured(old), _captured(new)
        before, after = (
            [buffer for buffer in plan.inputs if "f" in buffer.dtype and buffer.name not in names]
            for plan, names in zip((old, new), captured, strict=True)
        )
        if len(before) == len(after):
            yield from (f for f in tensor_changes("input", new.graph, before, after) if f.cause == CauseName.SHAPES)


def _captured(plan: Plan) -> set[str]:
    """What attention kernels read besides the query, the keys and the values."""
    steps = [step for step in plan.steps if ATTENTION in step.kind]
    attended = {name for step in steps for name in step.reads[:_ATTENDED]}
    return {name for step in steps for name in step.reads[_ATTENDED:]} - attended


def helpers(facts: Facts, attended: Collection[int]) -> frozenset[int]:
    """The kernels that are there for attention kernels that changed: pairs by their places.

    Those that make a block mask: they feed an attention kernel and compute integers alone; where they are new or gone,
    one of both is enough, as forward keeps a mask for backward's attention. And those that combine the splits of a
    decoding kernel.
    """
    feeding = frozenset[int]().union(*(facts.feeding(place) for place in attended))
    found: set[int] = set()
    for pair in facts.changed if attended else ():  # as they run: what reads the result of one comes after it
        if pair.place in attended:
            continue
        sources = facts.sources[pair.place]
        ops = {aten for item in (*pair.old, *pair.new) for _, aten in item.ops}
        combines = ATTENTION_OP in ops and sources & (found | set(attended))
        if combines or _OF_BACKWARD in ops:
            found.add(pair.place)
        elif pair.pair.status in ("new", "gone"):
            if pair.place in feeding or _integers(pair.item) or sources & found:
                found.add(pair.place)
        elif pair.place in feeding and all(map(_integers, (*pair.old, *pair.new))):
            found.add(pair.place)
    return frozenset(found)


def _integers(item: Item) -> bool:
    """Whether a kernel computes integers alone, as those do that make a block mask."""
    types = [buffer.dtype for step in item.steps for buffer in step.writes]
    return bool(types) and all(type_[:1] in ("i", "u", "b") and type_ != "bf16" for type_ in types)


_FOLLOWS: Kinds = frozenset(
    [
        CauseName.INDEXING,
        CauseName.MASK,
        CauseName.INTRINSIC,
        CauseName.CONSTANTS,
        CauseName.METADATA,
        CauseName.UNKNOWN,
    ]
)
FAMILY = Family(
    kinds=(
        CauseKind(
            CauseName.ATTENTION,
            "flash attention",
            "tiles, sparsity, score_mod or mask_mod of an attention kernel",
            follows=_FOLLOWS | {Scope.GRADIENTS},
            scopes={Scope.ATTENTION_CODE: _FOLLOWS},
            changes_plan=True,
        ),
    ),
    finders={Phase.RUNNERS: (attention,)},
)
