"""Finds which changed kernels may share a cause: what may follow from one change, and what cannot.

Kernels that exchange a buffer do, directly or through a library call; a kernel that only one side has and one that only
the other has, where both read or feed the same; kernels that read an input which became another.

Forward and backward have no buffer in common by name. What forward saves is what backward takes, in the same order; and
a change of backward that takes nothing of that belongs to the nearest change of forward.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from kernelsnap.diff.causes.facts import Facts, KernelPair
from kernelsnap.diff.causes.fusion import is_combined
from kernelsnap.diff.causes.graphs import cut_otherwise
from kernelsnap.diff.causes.tensors import is_tangent, types_of
from kernelsnap.diff.match.items import Item
from kernelsnap.model.golden import Plan

#: For each pair, by place, those that it has to do with.
Edges = dict[int, set[int]]
_BACKWARD, _FORWARD = "backward", "forward"


def connected(places: Collection[int], edges: Edges) -> Iterator[frozenset[int]]:
    """The places in sets, each of which hangs together."""
    left = set(places)
    while left:
        found: set[int] = set()
        waiting = [min(left)]
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting += (edges.get(place, set()) & left) - found
        left -= found
        yield frozenset(found)


@dataclass(frozen=True)
class _Users:
    """The pairs that write and read the tensors of one golden, by graph and name."""

    writes: dict[tuple[str, str], set[int]]
    reads: dict[tuple[str, str], set[int]]

    @classmethod
    def of(cls, facts: Facts, old: bool) -> _Users:
        found = cls(defaultdict(set), defaultdict(set))
        for pair in facts.pairs:
            for item in pair.old if old else pair.new:
                for step in item.steps:
                    for buffer in step.writes:
                        found.writes[item.ref.graph, buffer.name].add(pair.place)
                    for name in step.reads:
                        found.reads[item.ref.graph, name].add(pair.place)
        return found

    def touching(self, graph: str, name: str) -> set[int]:
        """Those that write it; of an input those that read it."""
        return self.writes.get((graph, name)) or self.reads.get((graph, name), set())


class Links:
    """Which pairs of a comparison have to do with each other."""

    def __init__(self, facts: Facts) -> None:
        """Look for them in all graphs."""
        self._facts = facts
        self._live = frozenset(pair.place for pair in facts.changed)
        self._users = _Users.of(facts, True), _Users.of(facts, False)
        self._across: Edges = defaultdict(set)
        self._read: dict[tuple[int, int], set[int]] = {}
        for users, golden in zip(self._users, (facts.old, facts.new), strict=True):
            plans = {plan.graph: plan for plan in golden.plan}
            for graph, plan in plans.items():
                forward = plans.get(_FORWARD + graph.removeprefix(_BACKWARD)) if graph.startswith(_BACKWARD) else None
                if forward:
                    self._join_graphs(users, forward, plan)

    @cached_property
    def all(self) -> Edges:
        """What exchanges a buffer, or gives one to backward; of all pairs."""
        found: Edges = defaultdict(set)
        for place, sources in self._facts.sources.items():
            _join(found, [place], sources)
        for edges in (self._across, self._related):
            for place, others in edges.items():
                found[place] |= others
        return found

    @cached_property
    def _related(self) -> Edges:
        """Changed pairs that exchange no buffer, and may still come from one change."""
        found: Edges = defaultdict(set)
        for places in (*self._changed_inputs(), *self._replaced(), cut_otherwise(self._facts)):
            for one, other in combinations(sorted(places & self._live), 2):
                _join(found, [one], [other])
        return found

    def clusters(self, live: frozenset[int]) -> Iterator[frozenset[int]]:
        """Changed pairs in sets, each of which may come from one change."""
        edges: Edges = {
            place: set(self._facts.neighbourhood(place) | self._across[place] | self._related[place]) for place in live
        }
        found = list(connected(live, edges))
        for cluster in found:
            if all(self._facts.at(place).graph.startswith(_BACKWARD) for place in cluster):
                _join(edges, cluster, self._nearest(cluster, live - cluster))
        return connected(live, edges)

    def _join_graphs(self, users: _Users, forward: Plan, backward: Plan) -> None:
        tangents = [buffer.name for buffer in backward.inputs if is_tangent(buffer)]
        saved = [buffer.name for buffer in backward.inputs if not is_tangent(buffer)]
        count = len(forward.outputs) - len(saved)
        returned, kept = forward.outputs[: max(count, 0)], forward.outputs[max(count, 0) :]
        inputs = [buffer.name for buffer in forward.inputs]
        alike = (zip(kept, saved, strict=False), zip(returned, tangents, strict=False))
        for there, here in (*alike[0], *alike[1], *zip(inputs, backward.outputs, strict=False)):
            _join(self._across, users.touching(forward.graph, there), users.touching(backward.graph, here))

    def _changed_inputs(self) -> Iterator[set[int]]:
        """For each input of another type or shape than before, the pairs that read it."""
        for graph in self._facts.graphs:
            if graph.old_plan and graph.new_plan:
                plans = graph.old_plan, graph.new_plan
                types = [types_of(plan.inputs) for plan in plans]
                for side, plan in enumerate(plans):
                    others = types[side] - types[1 - side]
                    for buffer in plan.inputs:
                        if others[buffer.dtype, buffer.shape]:
                            yield set(self._users[side].reads.get((plan.graph, buffer.name), ()))

    def _replaced(self) -> Iterator[set[int]]:
        """Pairs that compute parts of one expression, or one of which took up what the other did."""
        pairs = [self._facts.at(place) for place in sorted(self._live)]
        sources = {pair.place: (_sources(pair.old), _sources(pair.new)) for pair in pairs}
        for pair, other in combinations(pairs, 2):
            if pair.graph == other.graph:
                statuses = {pair.pair.status: pair, other.pair.status: other}
                swapped = {"gone", "new"} == statuses.keys() and self._beside(statuses["gone"], statuses["new"])
                parts = any(a & b for a, b in zip(sources[pair.place], sources[other.place], strict=True))
                combined = _combines(pair, other) or _combines(other, pair)
                if parts or swapped or combined or self._took_up(pair, other) or self._took_up(other, pair):
                    yield {pair.place, other.place}

    def _beside(self, gone: KernelPair, new: KernelPair) -> bool:
        """Whether a pair that is gone and one that is new read the same, or are next to the same."""
        if self._facts.neighbourhood(gone.place) & self._facts.neighbourhood(new.place):
            return True
        return bool(self._inputs_read(gone, 0) & self._inputs_read(new, 1))

    def _took_up(self, lone: KernelPair, other: KernelPair) -> bool:
        """Whether a pair that is new or gone does of the same inputs what the other one does, too, or did."""
        side = lone.pair.status == "new"
        if lone.pair.status not in ("new", "gone") or not _atens(other.old) & _atens(other.new) & _atens([lone.item]):
            return False
        return bool(self._inputs_read(lone, side) & self._inputs_read(other, not side))

    def _inputs_read(self, pair: KernelPair, side: int) -> set[int]:
        """The inputs of its graph that it reads, by their positions."""
        if (pair.place, side) not in self._read:
            self._read[pair.place, side] = self._positions_read(pair, side)
        return self._read[pair.place, side]

    def _positions_read(self, pair: KernelPair, side: int) -> set[int]:
        graph = next(g for g in self._facts.graphs if g.old_plan and g.old_plan.graph == pair.graph)
        plan = graph.new_plan if side else graph.old_plan
        read = {name for item in (pair.new if side else pair.old) for step in item.steps for name in step.reads}
        return {place for place, buffer in enumerate(plan.inputs if plan else ()) if buffer.name in read}

    def _nearest(self, start: frozenset[int], goals: frozenset[int]) -> set[int]:
        """The pairs of other graphs among the goals to which the way is shortest."""
        graph = self._facts.at(min(start)).graph
        goals = frozenset(place for place in goals if self._facts.at(place).graph != graph)
        seen, border = set(start), set(start)
        while border and goals:
            if reached := border & goals:
                return {min(reached)}
            border = set[int]().union(*(self.all.get(place, set()) for place in border)) - seen
            seen |= border
        return set()


def _sources(items: Sequence[Item]) -> set[str]:
    """The expressions of the user that kernels compute something of."""
    return {op.source for item in items for step in item.steps for op in step.ops} - {""}


def _combines(pair: KernelPair, other: KernelPair) -> bool:
    """Whether a pair is a combo kernel on one side, with an operation that the other one lost or won."""
    if not any(is_combined(item) for item in (*pair.old, *pair.new)):
        return False
    moved = _atens(other.old) ^ _atens(other.new)
    return not moved.isdisjoint(_atens(pair.old) | _atens(pair.new))


def _atens(items: Sequence[Item]) -> set[str]:
    return {aten for item in items for _, aten in item.ops}


def _join(edges: Edges, ones: Iterable[int], others: Iterable[int]) -> None:
    others = list(others)
    for one in ones:
        for other in others:
            edges.setdefault(one, set()).add(other)
            edges.setdefault(other, set()).add(one)
