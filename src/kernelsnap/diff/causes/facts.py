"""What the finders of causes look at: two goldens, the pairs of their kernels, their buffers, operations and code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from kernelsnap.diff.align.naming import shown_names
from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.dataflow import Operands, Tensors, operands_of, tensors_of
from kernelsnap.diff.causes.settings import brought_by, changed_settings
from kernelsnap.diff.causes.wiring import given_others
from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, host_normal_form
from kernelsnap.diff.match.items import EXTERN, Item, KernelRef
from kernelsnap.diff.match.pairs import MatchedGraph, Pair
from kernelsnap.golden.canonical import HOST, USER_TRITON, source_stem
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.golden import Golden, Plan, PlanStep
from kernelsnap.normalize.names import rename

# tl.full([1, 1], 1e-06, tl.float32): a number of the program, not a block of them, nor one that an index needs
_NUMBER = re.compile(r"tl\.full\(\[1(?:, 1)*\], ([^,()]+|float\([^()]*\)), tl\.b?float\d+\)")
#: Numbers that any formula may begin to need.
_NEUTRAL = frozenset({"0", "1", "0.0", "1.0", "True", "False"})
#: For each graph, as the old golden calls it, the host code of both sides.
HostForms = dict[str, tuple[AlphaNormalForm, AlphaNormalForm]]
#: An operation: the expression that it came from, without its number, and what it is.
Op = tuple[str, str]
#: Operations that only change a type, and those that only change a layout.
CASTS = frozenset({"prims.convert_element_type", "convert_element_type", "_to_copy"})
#: What computes nothing: a call of a region that is compiled once, and one of the results of an operation.
NO_OPERATION = frozenset({"invoke_subgraph", "operator.getitem"})
LAYOUT_OPS = frozenset({"constant_pad_nd", "slice", "cat", "full", "clone", "permute", "view", "expand", "t"})


@dataclass(frozen=True)
class KernelPair:
    """What became of one kernel or library call, with all that the goldens say of it."""

    pair: Pair
    old: tuple[Item, ...]
    new: tuple[Item, ...]
    graph: str  # as the old golden calls it
    place: int  # among all pairs of a comparison: what it is known by, whatever kernels are called
    old_names: tuple[str, ...]  # what a report calls its parts: new kernels as their counterparts of the old golden
    new_names: tuple[str, ...]

    @property
    def name(self) -> str:
        """How a report calls it: `forward k1`."""
        return f"{self.graph} {(self.new_names or self.old_names)[0]}"

    @property
    def item(self) -> Item:
        """The kernel or call itself: the new one, or the old one of a pair that is gone."""
        return (self.new or self.old)[0]

    @property
    def one_to_one(self) -> bool:
        """Whether it is one kernel on both sides."""
        return len(self.old) == len(self.new) == 1

    @cached_property
    def rows(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Lines of code only one side has, names taken out: removed and added; of a pair of one kernel each."""
        if not self.one_to_one:
            return (), ()
        return changed_rows(self.old[0].normal_form, self.new[0].normal_form)

    @cached_property
    def meta(self) -> dict[str, tuple[str | None, str | None]]:
        """What Inductor gives the heuristics of a kernel, where it differs."""
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
    whole: Facts | None = field(default=None, repr=False)  # what these are a part of
    only: frozenset[int] = frozenset()  # of a part: its pairs, by place
    hosts: HostForms | None = field(default=None, repr=False)  # of a part: the lines of host code that concern it
    live: frozenset[int] = frozenset()  # those that it is about: the others are near them, and only looked at

    @cached_property
    def pairs(self) -> tuple[KernelPair, ...]:
        """What became of every kernel and library call, over all graphs."""
        if self.whole:
            return tuple(pair for pair in self.whole.pairs if pair.place in self.only)
        found: list[KernelPair] = []
        for graph in self.graphs:
            old = {item.ref: item for item in graph.old}
            new = {item.ref: item for item in graph.new}
            plan = graph.old_plan or graph.new_plan
            assert plan is not None
            for pair in graph.pairs:
                items = tuple(old[part] for part in pair.old), tuple(new[part] for part in pair.new)
                old_names = tuple(part.name for part in pair.old)
                new_names = tuple(self._shown.get((part.graph, part.name), part.name) for part in pair.new)
                found.append(KernelPair(pair, *items, plan.graph, len(found), old_names, new_names))
        return tuple(found)

    @cached_property
    def settings(self) -> Mapping[str, tuple[str, str]]:
        """The settings of the compiler that differ, with both values."""
        return self.whole.settings if self.whole else changed_settings(self.old, self.new)

    @cached_property
    def brought(self) -> frozenset[CauseName]:
        """The causes that settings bring which differ."""
        return brought_by(self.settings)

    @cached_property
    def certain(self) -> frozenset[CauseName]:
        """Of these, those of settings that bring nothing else."""
        return frozenset(cause for name in self.settings if len(causes := brought_by([name])) == 1 for cause in causes)

    @property
    def places(self) -> frozenset[int]:
        """What its pairs are known by."""
        return frozenset(pair.place for pair in self.pairs)

    def place_of(self, pair: Pair) -> int:
        """What a pair is known by."""
        return (self.of_new[pair.new[0]] if pair.new else self.of_old[pair.old[0]]).place

    def at(self, place: int) -> KernelPair:
        """The pair that is known by a place."""
        return (self.whole or self).pairs[place]

    @cached_property
    def _shown(self) -> dict[tuple[str, str], str]:
        if self.whole:
            return self.whole._shown
        return shown_names(self.old, self.new, (pair for graph in self.graphs for pair in graph.pairs))

    def operands(self, pair: KernelPair) -> tuple[Operands, Operands]:
        """What tensors the pointer arguments of a pair of kernels are; empty where the plan does not tell."""
        old, new = (
            operands_of(item, tensors) for item, tensors in zip((pair.old[0], pair.new[0]), self._tensors, strict=True)
        )
        return (old, new) if old and new else ({}, {})

    @cached_property
    def _tensors(self) -> tuple[Tensors, Tensors]:
        """For each step the tensors that it reads and writes, under names that are the same on both sides."""
        if self.whole:
            return self.whole._tensors
        old = tensors_of(self.graphs, {part: pair.place for part, pair in self.of_old.items()}, old=True)
        return old, tensors_of(self.graphs, {part: pair.place for part, pair in self.of_new.items()}, old=False)

    @cached_property
    def of_old(self) -> dict[KernelRef, KernelPair]:
        """The pair that a kernel or call of the old golden is in."""
        return {part: pair for pair in self.pairs for part in pair.pair.old}

    @cached_property
    def of_new(self) -> dict[KernelRef, KernelPair]:
        """The pair that a kernel or call of the new golden is in."""
        return {part: pair for pair in self.pairs for part in pair.pair.new}

    def near(self, one: int, other: int) -> bool:
        """Whether two pairs, by place, are the same, or exchange a buffer, directly or through a library call.

        Those of two graphs may: backward is made from forward, and takes what it saves.
        """
        return self.at(one).graph != self.at(other).graph or other in self.neighbourhood(one)

    def neighbourhood(self, place: int) -> frozenset[int]:
        """A pair and those of its graph that are near it."""
        found = {place} | self._neighbours[place]
        for other in self._neighbours[place]:
            if self.at(other).item.ref.kind == EXTERN:
                found |= self._neighbours[other]
        return frozenset(found)

    @cached_property
    def _neighbours(self) -> dict[int, set[int]]:
        if self.whole:
            return self.whole._neighbours
        found = {place: set(sources) for place, sources in self.sources.items()}
        for place, sources in self.sources.items():
            for source in sources:
                found[source].add(place)
        return found

    def feeding(self, place: int) -> frozenset[int]:
        """The pairs from which a kernel takes what it reads, and those that they take it from, on either side."""
        found: set[int] = set()
        waiting = [place]
        while waiting:
            for other in self.sources[waiting.pop()] - found:
                found.add(other)
                waiting.append(other)
        return frozenset(found - {place})

    @cached_property
    def sources(self) -> dict[int, set[int]]:
        """For each pair those that write what it reads, on either side."""
        if self.whole:
            return self.whole.sources
        found: dict[int, set[int]] = {pair.place: set() for pair in self.pairs}
        for side in ("old", "new"):
            writers: dict[tuple[str, str], set[int]] = {}
            for pair in self.pairs:
                for item in getattr(pair, side):
                    for step in item.steps:
                        for buffer in step.writes:
                            writers.setdefault((item.ref.graph, buffer.name), set()).add(pair.place)
            for pair in self.pairs:
                for item in getattr(pair, side):
                    for step in item.steps:
                        for name in step.reads:
                            found[pair.place] |= writers.get((item.ref.graph, name), set())
        return found

    @cached_property
    def changed(self) -> tuple[KernelPair, ...]:
        """Those that are not the same on both sides, or are given other tensors."""
        if self.whole:
            return tuple(pair for pair in self.whole.changed if pair.place in self.live)
        return tuple(pair for pair in self.pairs if _differs(pair) or pair.place in self.given_others)

    @cached_property
    def given_others(self) -> frozenset[int]:
        """Pairs, by place, that are the same on both sides, and are given other tensors than before."""
        if self.whole:
            return self.whole.given_others
        old, new = ({part: pair.place for part, pair in of.items()} for of in (self.of_old, self.of_new))
        return given_others(self.graphs, old, new, {pair.place for pair in self.pairs if _differs(pair)})

    @cached_property
    def fused_by_user(self) -> tuple[tuple[KernelPair, ...], ...]:
        """Kernels that one which the user wrote took in, or gave up; each with the kernels of the user.

        Those are new or gone, and exchange a buffer with a kernel of the user whose code changed.
        """
        written = [pair for pair in self.changed if pair.one_to_one and pair.item.ref.kind == USER_TRITON]
        found = []
        for pair in self.changed:
            if pair.pair.status in ("new", "gone") and pair.item.ref.kind != EXTERN:
                users = [other for other in written if any(other.rows) and self.near(pair.place, other.place)]
                if users:
                    found.append((pair, *users))
        return tuple(found)

    @cached_property
    def ops(self) -> tuple[frozenset[Op], frozenset[Op]]:
        """The operations of all graphs, before and after; how often each is computed does not matter."""
        old, new = (
            frozenset(op for step in _steps(golden) for op in self._ops_of(step)) for golden in (self.old, self.new)
        )
        return old, new

    def run_by(self, item: Item) -> frozenset[Op]:
        """The operations of one kernel or call, named so that they can be compared with any of the other golden."""
        return frozenset(op for step in item.steps for op in self._ops_of(step))

    def _ops_of(self, step: PlanStep) -> Iterator[Op]:
        return (("" if self._combined else source_stem(op.source), aten) for op in step.ops for aten in op.aten)

    @cached_property
    def _combined(self) -> bool:
        """Whether there are combo kernels, which name the expressions of all their parts together: "sin, cos"."""
        if self.whole:
            return self.whole._combined
        return any(", " in op.source for golden in (self.old, self.new) for step in _steps(golden) for op in step.ops)

    @cached_property
    def numbers(self) -> tuple[Counter[str], Counter[str]]:
        """The numbers that kernels compute with, before and after, each with how many kernels have it."""
        old = Counter(number for pair in self.pairs for item in pair.old for number in numbers_of(item))
        return old, Counter(number for pair in self.pairs for item in pair.new for number in numbers_of(item))

    @cached_property
    def host_rows(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Lines of host code that only one side has, names taken out."""
        removed: list[str] = []
        added: list[str] = []
        for old, new in self.host_forms.values():
            rows = changed_rows(old, new)
            removed += rows[0]
            added += rows[1]
        if self.whole:  # a line that concerns a part on one side only is no other line
            gone, come = map(Counter, self.whole.host_rows)
            return tuple((Counter(removed) & gone).elements()), tuple((Counter(added) & come).elements())
        return tuple(removed), tuple(added)

    @cached_property
    def host_reordered(self) -> bool:
        """Whether the host code of a graph holds the same lines in another order, or on other variables."""
        return any(old.key != new.key for old, new in self.host_forms.values())

    @cached_property
    def host_codes(self) -> tuple[str, str]:
        """The host code of all graphs, before and after; of a part that of the whole."""
        if self.whole:
            return self.whole.host_codes
        texts = list(self._host_texts.values())
        return "\n".join(old for old, _ in texts), "\n".join(new for _, new in texts)

    def is_call(self, place: int) -> bool:
        """Whether a pair is of library calls alone."""
        return all(item.ref.kind == EXTERN for item in (*self.at(place).old, *self.at(place).new))

    @cached_property
    def kernel_codes(self) -> tuple[str, str]:
        """The code of all kernels, before and after; of a part that of the whole."""
        if self.whole:
            return self.whole.kernel_codes
        old, new = (
            "\n".join(piece.text for piece in golden.code if piece.name != HOST) for golden in (self.old, self.new)
        )
        return old, new

    @cached_property
    def host_forms(self) -> HostForms:
        """The host code of each graph that both sides have, in normal form."""
        if self.hosts is not None:
            return self.hosts
        texts = self._host_texts.items()
        return {graph: (host_normal_form(old), host_normal_form(new)) for graph, (old, new) in texts}

    @cached_property
    def _host_texts(self) -> dict[str, tuple[str, str]]:
        """The host code of each graph that both sides have, kernels under the names that a report gives them."""
        found: dict[str, tuple[str, str]] = {}
        for graph in self.graphs:
            if graph.old_plan and graph.new_plan:
                names = {name: shown for (of, name), shown in self._shown.items() if of == graph.new_plan.graph}
                new = host_code(self.new, graph.new_plan)
                same = all(name == shown for name, shown in names.items())
                found[graph.old_plan.graph] = host_code(self.old, graph.old_plan), new if same else rename(new, names)
        return found


def _differs(pair: KernelPair) -> bool:
    return pair.pair.status not in ("unchanged", "renamed", "reordered")


def changed_rows(old: AlphaNormalForm, new: AlphaNormalForm) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines that only one of two pieces of code has, as often as it has them more; names and order do not matter."""
    return tuple((old.shapes - new.shapes).elements()), tuple((new.shapes - old.shapes).elements())


def _steps(golden: Golden) -> Iterator[PlanStep]:
    for plan in golden.plan:
        yield from plan.steps


def host_code(golden: Golden, plan: Plan) -> str:
    """The host code of a graph."""
    return next((piece.text for piece in golden.code if (piece.graph, piece.name) == (plan.graph, HOST)), "")


def numbers_of(item: Item) -> frozenset[str]:
    """The numbers of a kernel, but for the sizes of what it runs over and those that any formula needs."""
    sizes = {size for step in item.steps for _, size in step.sizes}
    known = sizes | {f"{size}.0" for size in sizes} | _NEUTRAL
    return _numbers(item.code) - known


@lru_cache(maxsize=4096)
def _numbers(code: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(code))
