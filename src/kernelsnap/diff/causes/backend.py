"""What runs an operation: a library call, a template, generated code; and how attention kernels are made."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import product

from kernelsnap.diff.causes.facts import Facts, Op
from kernelsnap.diff.causes.kinds import Finding, said_by
from kernelsnap.diff.causes.tensors import tensor_changes, user_graphs
from kernelsnap.diff.match.items import EXTERN, Item, KernelRef
from kernelsnap.diff.match.pairs import MatchedGraph
from kernelsnap.model.golden import Plan

ATTENTION = "attention"
_REDUCES = re.compile(r"\breduce='(?!sum)\w+'")
#: What the plan calls the operation of an attention kernel.
ATTENTION_OP = "higher_order.flex_attention"
_OF_BACKWARD = "higher_order.flex_attention_backward"
#: Fields of an attention kernel's plan line that say how it is launched, not what it computes.
_LAUNCH_FIELDS = ("warps", "stages")
#: Those that follow from the shapes of what it is given.
_SHAPE_FIELDS = ("query_heads_per_kv_head", "divisible")
#: An attention kernel reads the query, the keys and the values first, then what its masks and score_mod need.
_ATTENDED = 3


def backend(facts: Facts) -> Iterator[Finding]:
    """A library call, a template or generated code in place of another of them, for the same operations."""
    for graph in facts.graphs:
        for old, new in same_work(graph):
            kinds = _backend(old), _backend(new)
            other_call = kinds == ("library", "library") and old.ref.name != new.ref.name and old.ops & new.ops
            if kinds[0] != kinds[1] or other_call:
                pair, other = facts.of_new[new.ref], facts.of_old[old.ref]
                says, pattern = f"{_what(old)} -> {_what(new)}", f"{kinds[0]} -> {kinds[1]}"
                reduces = other_reduction(
                    new if kinds[1] == "library" else old, facts.host_codes[kinds[1] == "library"]
                )
                yield said_by(pair, "operations" if reduces else "template", says, pattern, beside=[other])


def other_reduction(item: Item, host_code: str) -> bool:
    """Whether a library call reduces in a way that no generated kernel has: `scatter_reduce_.two(..., reduce='amax')`.

    Inductor adds, with atomics; what it cannot do it leaves to the library.
    """
    calls = [line for line in host_code.splitlines() if f"{item.ref.name}(" in line]
    return any(_REDUCES.search(line) for line in calls)


def same_work(graph: MatchedGraph) -> Iterator[tuple[Item, Item]]:
    """Items of both sides that do the same, where one is a library call, a template or an attention kernel.

    They are paired; or attention kernels that have no pair; or a template of one side and a library call of the other
    with an operation in common, however they are paired.
    """
    old = {item.ref: item for item in graph.old}
    new = {item.ref: item for item in graph.new}
    found: dict[tuple[KernelRef, KernelRef], None] = {}
    for pair in graph.pairs:
        if pair.old and pair.new:
            kinds = pair.old[0].kind, pair.new[0].kind
            if EXTERN in kinds or all(ATTENTION in kind for kind in kinds):
                found[pair.old[0], pair.new[0]] = None
    left = [[part for part in side if ATTENTION in part.kind] for side in _unpaired(graph)]
    for before, after in product(*left):
        if ("backward" in before.kind) == ("backward" in after.kind):
            found[before, after] = None
    found |= dict.fromkeys((before, after) for before, after in _with_template(graph.old, graph.new))
    found |= dict.fromkeys((before, after) for after, before in _with_template(graph.new, graph.old))
    for before, after in found:
        yield old[before], new[after]


def _unpaired(graph: MatchedGraph) -> tuple[list[KernelRef], list[KernelRef]]:
    return [pair.old[0] for pair in graph.pairs if not pair.new], [pair.new[0] for pair in graph.pairs if not pair.old]


def _with_template(calls: Sequence[Item], templates: Sequence[Item]) -> Iterator[tuple[KernelRef, KernelRef]]:
    """Library calls of one side, and templates of the other that run an operation of theirs."""
    by_op: dict[Op, list[KernelRef]] = {}
    for item in calls:
        if item.ref.kind == EXTERN:
            for op in item.ops:
                by_op.setdefault(op, []).append(item.ref)
    for item in templates:
        if _backend(item) == "template":
            for op in item.ops:
                for call in by_op.get(op, ()):
                    yield call, item.ref


def _backend(item: Item) -> str:
    kind = item.ref.kind
    if kind == EXTERN:
        return "library"
    if ATTENTION in kind:
        return kind.rpartition(", ")[2] + (" decoding" if "decoding" in kind else "")
    return "template" if "template" in kind else "generated"


def _what(item: Item) -> str:
    return item.ref.name if item.ref.kind == EXTERN else item.ref.kind


def attention(facts: Facts) -> Iterator[Finding]:
    """Tiles, splits, sparsity, score_mod and mask_mod of attention kernels; shapes of what they attend to."""
    shapes = list(_attended_tensors(facts))
    yield from shapes
    for graph in facts.graphs:
        for old, new in same_work(graph):
            if ATTENTION not in old.ref.kind or _backend(old) != _backend(new):
                continue
            before, after = dict(old.steps[0].sizes), dict(new.steps[0].sizes)
            for name in {**before, **after}:
                cause = "launch" if name in _LAUNCH_FIELDS else "attention"
                # Warps and stages are chosen with the tiles.
                tiled = any(before.get(n) != after.get(n) for n in {**before, **after} if n not in _LAUNCH_FIELDS)
                follows = (cause == "launch" and (shapes or tiled)) or (bool(shapes) and name in _SHAPE_FIELDS)
                if before.get(name) != after.get(name) and not follows:
                    change = f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
                    yield said_by(facts.of_new[new.ref], cause, change, beside=[facts.of_old[old.ref]])


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
            yield from (f for f in tensor_changes("input", new.graph, before, after) if f.cause == "shapes")


def _captured(plan: Plan) -> set[str]:
    """What attention kernels read beside the query, the keys and the values."""
    steps = [step for step in plan.steps if ATTENTION in step.kind]
    attended = {name for step in steps for name in step.reads[:_ATTENDED]}
    return {name for step in steps for name in step.reads[_ATTENDED:]} - attended


def helpers(facts: Facts, attended: Collection[int]) -> frozenset[int]:
    """The kernels that are there for attention kernels that changed: pairs by their places.

    Those that make a block mask, and are new or gone: they feed an attention kernel, or compute integers alone, which
    forward keeps for backward's attention. And those that combine the splits of a decoding kernel.
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
            types = [buffer.dtype for step in pair.item.steps for buffer in step.writes]
            integers = bool(types) and all(type_[:1] in ("i", "u", "b") and type_ != "bf16" for type_ in types)
            if pair.place in feeding or integers or sources & found:
                found.add(pair.place)
    return frozenset(found)
