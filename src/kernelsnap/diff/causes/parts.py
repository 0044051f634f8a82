"""Divides a comparison into independent parts, each of which is explained by itself, so that no change hides another.

A part is about kernels that changed and have to do with each other (`links.py`). What lies between two parts did not
change: neither follows from the other. Each part is a comparison of its own: the lines of both plans that concern its
kernels and those next to them, the code of those kernels, and the statements of host code with their tensors. What no
changed kernel has to do with is a part, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import compress

from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.host_lines import HostLines
from kernelsnap.diff.causes.links import Links, connected
from kernelsnap.diff.match.items import Item
from kernelsnap.diff.match.pairs import MatchedGraph
from kernelsnap.diff.text.lines import common
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Golden, Plan

_Findings = tuple[Finding, ...]
#: Whether what has these owners, pairs by place, is in a part.
_Wanted = Callable[[Collection[int]], bool]


def parts(facts: Facts, of_stretch: Callable[[Facts], _Findings]) -> Iterator[tuple[Facts, _Findings]]:
    """The parts of a comparison: those of kernels that changed, then the rest.

    What `of_stretch` finds concerns all of a stretch of the program, which then stays one part.
    """
    changed = frozenset(pair.place for pair in facts.changed)
    if not changed:
        yield facts, of_stretch(facts)
        return
    links, divide = Links(facts), _Divide(facts)
    explained = changed
    for stretch in connected(facts.places, links.all):
        live = stretch & changed
        if found := of_stretch(divide.part(stretch, live, stretch)):
            explained |= stretch
            yield divide.part(stretch, live, stretch), found
            continue
        for cluster in links.clusters(live):
            near = frozenset[int]().union(*(facts.neighbourhood(place) for place in cluster))
            yield divide.part(near & stretch - changed | cluster, cluster, cluster), ()
    yield divide.rest(explained, owned=explained != changed), ()


class _Divide:
    """Takes parts out of a comparison."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._owners = _owners(facts, old=True), _owners(facts, old=False)
        for graph in facts.graphs:
            if graph.old_plan and graph.new_plan:
                self._share(graph.old_plan, graph.new_plan)
        self._graph_names = {
            g.old_plan.graph: (g.old_plan.graph, g.new_plan.graph) for g in facts.graphs if g.old_plan and g.new_plan
        }
        self._hosts = {
            graph: (
                HostLines(old, self._owners[0][graph]),
                HostLines(new, self._owners[1][self._graph_names[graph][1]]),
            )
            for graph, (old, new) in facts.host_forms.items()
        }

    def _share(self, old: Plan, new: Plan) -> None:
        """What a graph takes and returns has the same owners on both sides."""
        before, after = self._owners[0][old.graph], self._owners[1][new.graph]
        inputs = [[buffer.name for buffer in plan.inputs] for plan in (old, new)]
        alike = [(inputs[0][i], inputs[1][j]) for i, j in _alike(old.inputs, new.inputs)]
        outputs = [[plan.buffers.get(name) for name in plan.outputs] for plan in (old, new)]
        for name, other in (*alike, *((old.outputs[i], new.outputs[j]) for i, j in _alike(*outputs))):
            if both := before.get(name, set()) | after.get(other, set()):
                before[name] = after[other] = both

    def part(self, places: Collection[int], live: frozenset[int], about: frozenset[int]) -> Facts:
        """The part with some changed pairs; all pairs that are looked at for it, and the tensors of some of them."""
        return self._taken(places, live, lambda owners: not about.isdisjoint(owners))

    def rest(self, explained: frozenset[int], owned: bool) -> Facts:
        """The part about what no changed pair has to do with; what no pair at all has to do with, unless `owned`."""
        places = frozenset(pair.place for pair in self._facts.pairs) - explained
        return self._taken(places, frozenset(), lambda o: explained.isdisjoint(o) and (bool(o) or not owned))

    def _taken(self, places: Collection[int], live: frozenset[int], wanted: _Wanted) -> Facts:
        graphs = tuple(self._graph(graph, places, wanted) for graph in self._facts.graphs)
        if live:
            graphs = tuple(graph for graph in graphs if graph.pairs)
        old, new = (self._golden(side, graphs) for side in (0, 1))
        hosts = {graph: (old.about(wanted), new.about(wanted)) for graph, (old, new) in self._hosts.items()}
        return Facts(old, new, graphs, self._facts, frozenset(places), hosts, live)

    def _graph(self, graph: MatchedGraph, places: Collection[int], wanted: _Wanted) -> MatchedGraph:
        old = tuple(item for item in graph.old if self._facts.of_old[item.ref].place in places)
        new = tuple(item for item in graph.new if self._facts.of_new[item.ref].place in places)
        pairs = tuple(pair for pair in graph.pairs if self._facts.place_of(pair) in places)
        plans = self._plans(graph, (old, new), wanted)
        return MatchedGraph(plans[0], plans[1], old, new, pairs)

    def _plans(self, graph: MatchedGraph, items: tuple[tuple[Item, ...], ...], wanted: _Wanted) -> list[Plan | None]:
        """The lines of both plans that are about some items; a tensor is kept on both sides or on neither."""
        sides = graph.old_plan, graph.new_plan
        known = [self._owners_in(plan, side) for side, plan in enumerate(sides)]

        inputs = [
            tuple(b for b in plan.inputs if wanted(known[n](b.name))) if plan else () for n, plan in enumerate(sides)
        ]
        kept = [[wanted(known[n](output)) for output in plan.outputs] if plan else [] for n, plan in enumerate(sides)]
        steps = [{id(step) for item in side for step in item.steps} for side in items]
        return [
            plan
            and replace(
                plan,
                inputs=inputs[n],
                steps=tuple(step for step in plan.steps if id(step) in steps[n]),
                outputs=tuple(compress(plan.outputs, kept[n])),
                results=tuple(compress(plan.results, kept[n])),
            )
            for n, plan in enumerate(sides)
        ]

    def _owners_in(self, plan: Plan | None, side: int) -> Callable[[str], Collection[int]]:
        """For each tensor of a graph the pairs that have to do with it."""
        if plan is None:
            return lambda name: ()
        known = self._owners[side][plan.graph]
        host = next(
            (pair[side] for graph, pair in self._hosts.items() if self._graph_names[graph][side] == plan.graph), None
        )
        return lambda name: known.get(name) or (host.owners(name) if host else ())

    def _golden(self, side: int, graphs: tuple[MatchedGraph, ...]) -> Golden:
        plans = [graph.new_plan if side else graph.old_plan for graph in graphs]
        return replace((self._facts.old, self._facts.new)[side], plan=tuple(plan for plan in plans if plan))


def _alike(old: Sequence[Buffer | None], new: Sequence[Buffer | None]) -> Iterator[tuple[int, int]]:
    """The positions of tensors that are the same on both sides; where there are as many, whatever their types."""
    if len(old) == len(new):
        return zip(range(len(old)), range(len(new)), strict=True)
    kinds = [[t and (t.dtype, t.shape) for t in side] for side in (old, new)]
    return iter(common(*kinds))


def _owners(facts: Facts, old: bool) -> defaultdict[str, dict[str, set[int]]]:
    """For each graph the pairs that have to do with a kernel's name or a tensor, by that name."""
    found: defaultdict[str, dict[str, set[int]]] = defaultdict(dict)
    for pair in facts.pairs:
        for index, item in enumerate(pair.old if old else pair.new):
            names = found[item.ref.graph]
            tensors = (name for step in item.steps for name in (*step.reads, *(b.name for b in step.writes)))
            for name in ((pair.old_names if old else pair.new_names)[index], *tensors):
                names.setdefault(name, set()).add(pair.place)
    return found
