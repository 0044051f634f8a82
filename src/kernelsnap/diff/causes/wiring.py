"""Finds kernels and library calls that did not change, but are given other tensors than before.

A tensor is known by what made it: an input by its position, another by the kernel that writes it and by what that is
given in turn. What a changed kernel writes is any tensor: of what that leads to, the change is the reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kernelsnap.diff.match.items import Item, KernelRef
from kernelsnap.diff.match.pairs import MatchedGraph
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Plan

#: A number for everything that makes a tensor, the same on both sides.
_Numbers = dict[Hashable, int]
#: What made a tensor; None for one that a changed kernel writes, or a new input.
_Made = Hashable | None


@dataclass(frozen=True)
class _Run:
    """One launch or call of what did not change: what it is, and what it is given."""

    place: int
    what: Hashable
    given: tuple[_Made, ...]


@dataclass(frozen=True)
class _Side:
    """One graph of a golden: what it runs, in which pair that is, and what its inputs are known by."""

    items: Sequence[Item]
    places: Mapping[KernelRef, int]
    inputs: Mapping[str, _Made]


def given_others(
    graphs: Sequence[MatchedGraph], of_old: Mapping[KernelRef, int], of_new: Mapping[KernelRef, int], changed: set[int]
) -> frozenset[int]:
    """The pairs, by place, that are the same on both sides and are given other tensors."""
    found: set[int] = set()
    for graph in graphs:
        if graph.old_plan and graph.new_plan:
            inputs = _inputs(graph)
            numbers: _Numbers = {}
            old, made = _runs(graph.old_plan, _Side(graph.old, of_old, inputs[0]), changed, numbers)
            new, _ = _runs(graph.new_plan, _Side(graph.new, of_new, inputs[1]), changed, numbers)
            found |= {run.place for run in _only_new(old, new) if all(one is None or one in made for one in run.given)}
    return frozenset(found)


def _inputs(graph: MatchedGraph) -> tuple[dict[str, _Made], dict[str, _Made]]:
    """What the inputs of a graph are known by: their positions, or, if they are in another order, their uses."""
    assert graph.old_plan
    assert graph.new_plan
    plans = ((graph.old_plan, graph.old), (graph.new_plan, graph.new))
    uses = [_uses(plan, items) for plan, items in plans]
    if Counter(uses[0].values()) == Counter(uses[1].values()):
        return uses[0], uses[1]
    if len(graph.old_plan.inputs) != len(graph.new_plan.inputs):
        return {}, {}
    old: dict[str, _Made] = {}
    new: dict[str, _Made] = {}
    for place, (before, after) in enumerate(zip(graph.old_plan.inputs, graph.new_plan.inputs, strict=True)):
        old[before.name] = new[after.name] = ("input", place) if _type(before) == _type(after) else None
    return old, new


def _uses(plan: Plan, items: Sequence[Item]) -> dict[str, _Made]:
    found: defaultdict[str, Counter[Hashable]] = defaultdict(Counter)
    for item in items:
        for step in item.steps:
            for position, name in enumerate(step.reads):
                found[name][_what(item), position] += 1
    return {b.name: ("input", _type(b), frozenset(found[b.name].items())) for b in plan.inputs}


def _what(item: Item) -> Hashable:
    """What a kernel or call does, as far as the plan tells."""
    return item.shape, frozenset(item.ops.items())


def _type(buffer: Buffer) -> Hashable:
    return buffer.dtype, buffer.shape


def _runs(plan: Plan, side: _Side, changed: set[int], numbers: _Numbers) -> tuple[list[_Run], set[_Made]]:
    """The launches and calls of what did not change, in order; and all that is known to be made."""
    by_step = {id(step): item for item in side.items for step in item.steps}
    made: dict[str, _Made] = dict(side.inputs)
    known = set(made.values())
    runs: list[_Run] = []
    for step in plan.steps:
        item = by_step[id(step)]
        place = side.places[item.ref]
        if place in changed:
            made |= dict.fromkeys((buffer.name for buffer in step.writes), None)
            continue
        run = _Run(place, _what(item), tuple(map(made.get, step.reads)))
        runs.append(run)
        for position, buffer in enumerate(step.writes):
            tainted = None in run.given
            key = run.what, run.given, position
            made[buffer.name] = None if tainted else numbers.setdefault(key, len(numbers))
            known.add(made[buffer.name])
    return runs, known


def _only_new(old: Sequence[_Run], new: Sequence[_Run]) -> Iterator[_Run]:
    """The runs of the new side to which none of the old side is the same as far as is known."""
    waiting: defaultdict[Hashable, list[_Run]] = defaultdict(list)
    for run in old:
        waiting[run.what].append(run)
    left = []
    for run in new:
        same = next((other for other in waiting[run.what] if other.given == run.given), None)
        if same:
            waiting[run.what].remove(same)
        else:
            left.append(run)
    for run in left:
        alike = next((other for other in waiting[run.what] if _may_be_same(other, run)), None)
        if alike:
            waiting[run.what].remove(alike)
        else:
            yield run


def _may_be_same(run: _Run, other: _Run) -> bool:
    pairs = zip(run.given, other.given, strict=False)
    return len(run.given) == len(other.given) and all(None in pair or pair[0] == pair[1] for pair in pairs)
