"""What the causes of a change are read from: both goldens, and what matching their kernels has found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kernelsnap.diff.items import Item
from kernelsnap.diff.match import MatchedGraph, Pair
from kernelsnap.diff.skeleton import Skeleton, host_skeleton
from kernelsnap.golden.canonical import HOST, source_stem
from kernelsnap.model import Buffer, Golden, LaunchConfig, Plan, Step

_MARK = re.compile(r"\0([^\0]*)\0")
#: An operation: the expression that it came from, without its number, and what it is.
Op = tuple[str, str]


@dataclass(frozen=True)
class KernelPair:
    """What became of one kernel or library call, with all that the goldens say of it."""

    pair: Pair
    old: tuple[Item, ...]
    new: tuple[Item, ...]

    @property
    def name(self) -> str:
        """How a report calls it: `forward k1`."""
        part = (self.pair.new or self.pair.old)[0]
        return f"{part.graph} {part.name}"

    @property
    def one_to_one(self) -> bool:
        """Whether it is one kernel on both sides."""
        return len(self.old) == len(self.new) == 1

    @cached_property
    def rows(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Lines of code only one side has, names taken out: removed and added; of a pair of one kernel each."""
        if not self.one_to_one:
            return (), ()
        return changed_rows(self.old[0].skeleton, self.new[0].skeleton)

    @cached_property
    def meta(self) -> dict[str, tuple[str | None, str | None]]:
        """What the heuristics were told, where it differs."""
        before, after = (dict(item.config.meta) if item.config else {} for item in (self.old[0], self.new[0]))
        return {
            name: (before.get(name), after.get(name))
            for name in {**before, **after}
            if before.get(name) != after.get(name)
        }

    @property
    def launches(self) -> tuple[tuple[LaunchConfig, ...], tuple[LaunchConfig, ...]]:
        """The candidate launches of both sides."""
        old, new = (item.config.configs if item.config else () for item in (self.old[0], self.new[0]))
        return old, new


@dataclass(frozen=True)
class Facts:
    """Two goldens and their matched graphs."""

    old: Golden
    new: Golden
    graphs: tuple[MatchedGraph, ...]

    @cached_property
    def pairs(self) -> tuple[KernelPair, ...]:
        """What became of every kernel and library call, over all graphs."""
        return tuple(pair for graph in self.graphs for pair in _kernel_pairs(graph))

    @cached_property
    def changed(self) -> tuple[KernelPair, ...]:
        """Those that are not the same on both sides."""
        return tuple(pair for pair in self.pairs if pair.pair.status not in ("unchanged", "renamed", "reordered"))

    @cached_property
    def ops(self) -> tuple[frozenset[Op], frozenset[Op]]:
        """The operations of all graphs, before and after; how often each is computed does not matter."""
        # A combo kernel names the expressions of all its parts together: "sin, cos" = sin cos.
        combo = any(", " in op.source for golden in (self.old, self.new) for step in _steps(golden) for op in step.ops)
        old, new = (
            frozenset(
                ("" if combo else source_stem(op.source), aten)
                for step in _steps(golden)
                for op in step.ops
                for aten in op.aten
            )
            for golden in (self.old, self.new)
        )
        return old, new

    @cached_property
    def host_rows(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Lines of host code that only one side has, names taken out."""
        removed: list[str] = []
        added: list[str] = []
        for old, new in self._host_texts():
            if old != new:
                rows = changed_rows(host_skeleton(old), host_skeleton(new))
                removed += rows[0]
                added += rows[1]
        return tuple(removed), tuple(added)

    @cached_property
    def host_reordered(self) -> bool:
        """Whether the host code of a graph holds the same lines in another order, or on other variables."""
        return any(old != new and host_skeleton(old).key != host_skeleton(new).key for old, new in self._host_texts())

    @property
    def host_code(self) -> str:
        """The host code of all graphs of both sides."""
        return "\n".join(text for texts in self._host_texts() for text in texts)

    def _host_texts(self) -> Iterator[tuple[str, str]]:
        """The host code of each graph that both sides have."""
        for graph in self.graphs:
            if graph.old_plan and graph.new_plan:
                yield _host(self.old, graph.old_plan), _host(self.new, graph.new_plan)


def read(row: str) -> str:
    """A line with marks in place of names, for a reader: `tmp = tl.load(in_ptr + (x), xmask)`."""
    return _MARK.sub(lambda mark: mark.group(1).replace("{}", ""), row).strip()


def changed_rows(old: Skeleton, new: Skeleton) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines that only one of two pieces of code has, as often as it has them more; names and order do not matter."""
    before, after = (Counter(row.shape for row in piece.rows if not row.signature) for piece in (old, new))
    return tuple((before - after).elements()), tuple((after - before).elements())


def buffers(plan: Plan) -> list[Buffer]:
    """What a graph takes, then what it returns, with type and shape where the plan says them."""
    known = {buffer.name: buffer for step in plan.steps for buffer in step.writes}
    known |= {buffer.name: buffer for buffer in plan.inputs}
    return [*plan.inputs, *(known[name] for name in plan.outputs if name in known)]


def _kernel_pairs(graph: MatchedGraph) -> Iterator[KernelPair]:
    old = {item.part: item for item in graph.old}
    new = {item.part: item for item in graph.new}
    for pair in graph.pairs:
        yield KernelPair(pair, tuple(old[part] for part in pair.old), tuple(new[part] for part in pair.new))


def _steps(golden: Golden) -> Iterator[Step]:
    for plan in golden.plan:
        yield from plan.steps


def _host(golden: Golden, plan: Plan) -> str:
    """The host code of a graph."""
    return next((piece.text for piece in golden.code if (piece.graph, piece.name) == (plan.graph, HOST)), "")
