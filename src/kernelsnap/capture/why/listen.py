"""Listens to the decisions of a compile, and tells for each graph why its code is as it is."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from kernelsnap.capture.why.asked import settings_asked
from kernelsnap.capture.why.fired import Applied, listening_to_passes
from kernelsnap.capture.why.fusions import Fusions, Launched, Refusal, listening_to_fusions
from kernelsnap.capture.why.kernels import Heard, decided_about, listening_to_kernels
from kernelsnap.capture.why.layouts import Layouts, listening_to_layouts
from kernelsnap.capture.why.lowered import lowered_operations
from kernelsnap.capture.why.templates import about_flex, about_products, listening_to_flex, products_asked
from kernelsnap.model.capture import Call, Graph
from kernelsnap.model.why import SETTING, Apart, Decided, Fired, Operation, Reason, Why, numbered
from kernelsnap.virtual.sdpa import listening_to_choices

#: Of a graph no more pairs of steps are told; those where one writes what the other reads come first.
_MOST_PAIRS = 400
#: Of these a line has at most so many.
_IN_A_LINE = 8
_USER_KERNEL = "user Triton"


@dataclass(frozen=True)
class Decisions:
    """What was heard while one graph was compiled."""

    fusions: Fusions = field(default_factory=Fusions)
    kernels: Heard = field(default_factory=Heard)
    layouts: Layouts = field(default_factory=Layouts)
    attention: tuple[str, ...] = ()
    flex: tuple[str, ...] = ()
    fired: tuple[Fired, ...] = ()
    settings: tuple[str, ...] = ()  # those that are not as by default
    products: str = ""  # why matrix products are calls into libraries
    operations: tuple[Operation, ...] = ()  # as they were lowered


class Listener:
    """Hears what is decided about graphs, which are compiled one after the other."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._fusions, self._kernels, self._applied = Fusions(), Heard(), Applied()
        self._layouts = Layouts()
        self._attention: list[str] = []
        self._flex: list[str] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen inside the block."""
        with (
            listening_to_fusions(self._fusions),
            listening_to_kernels(self._kernels),
            listening_to_passes(self._applied),
            listening_to_layouts(self._layouts),
            listening_to_choices(self._attention.append),
            listening_to_flex(self._flex.append),
        ):
            yield

    def taken(self, graph: Any, devices: Collection[str]) -> Decisions:
        """What was heard since the last graph, about this one (`GraphLowering`), for devices of these types."""
        fusions = Fusions(dict(self._fusions.refusals), dict(self._fusions.launches))
        kernels = Heard(dict(self._kernels.splits), dict(self._kernels.tilings), dict(self._kernels.persistent))
        layouts = Layouts(dict(self._layouts.wanted), list(self._layouts.convolutions))
        attention, flex = (tuple(dict.fromkeys(said)) for said in (self._attention, self._flex))
        decisions = Decisions(
            fusions=fusions,
            kernels=kernels,
            layouts=layouts,
            attention=attention,
            flex=flex,
            fired=self._applied.taken(),
            settings=settings_asked(devices),
            products=products_asked(devices),
            operations=lowered_operations(graph),
        )
        for heard in (self._fusions, self._kernels, self._layouts):
            for kept in vars(heard).values():
                kept.clear()
        self._attention.clear()
        self._flex.clear()
        return decisions


def why_of(graph: Graph, decisions: Decisions) -> Why:
    """Why the code of a graph is as it is, from what was decided while it was compiled."""
    launched = _launched(graph, decisions.fusions)
    pairs, more = _pairs(graph) if launched else ([], 0)
    apart = tuple(_folded(graph, pairs, _refusals(decisions.fusions, launched)))
    of_graph = {
        SETTING: decisions.settings,
        "attention": decisions.attention,
        "flex": about_flex(decisions.flex, graph),
        "products": about_products(graph, decisions.products),
        "convolutions": dict.fromkeys(decisions.layouts.convolutions),
    }
    of_kernels = _decided(graph, launched, decisions)
    decided = (*(Decided("", what, text) for what, texts in of_graph.items() for text in texts), *of_kernels)
    return Why("", apart, decided, decisions.fired, more, tuple(_computed(graph, launched, decisions.operations)))


def _computed(graph: Graph, launched: Mapping[int, Launched], operations: Iterable[Operation]) -> Iterator[Operation]:
    """The operations with the kernels that compute them."""
    names = numbered(call.name for call in graph.calls)
    steps: dict[str, list[str]] = defaultdict(list)
    for index, of in sorted(launched.items()):
        for traced in of.traced:
            steps[traced].append(names[index])
    return (
        replace(operation, steps=tuple(steps.get(operation.name.rpartition("/")[2], ()))) for operation in operations
    )


def _launched(graph: Graph, fusions: Fusions) -> dict[int, Launched]:
    """What each launch is of, by its place among the calls of the graph."""
    launches: dict[str, list[int]] = defaultdict(list)
    for index, call in enumerate(graph.calls):
        if call.kind == "launch":
            launches[call.name].append(index)
    found: dict[int, Launched] = {}
    for name, places in launches.items():
        heard = fusions.launches.get(name, [])
        if len(heard) == len(places):
            found |= dict(zip(places, heard, strict=True))
    return found


def _refusals(fusions: Fusions, launched: Mapping[int, Launched]) -> dict[tuple[int, int], Refusal]:
    """The last refusal of each pair of launches."""
    place = {operation: index for index, of in launched.items() for operation in of.operations}
    found: dict[tuple[int, int], Refusal] = {}
    for (first, second), refusal in fusions.refusals.items():
        one, other = place.get(first), place.get(second)
        if one is None or other is None or one == other:
            continue
        key = min(one, other), max(one, other)
        # Both orders are tried: that one of them is impossible is no reason, if there is another.
        if refusal[0] is not Reason.ORDER or key not in found:
            found[key] = refusal
    return found


def _pairs(graph: Graph) -> tuple[list[tuple[int, int]], int]:
    """The pairs of launches that share a tensor, and how many are left out. Calls into libraries are never fused."""
    users: dict[str, list[int]] = defaultdict(list)
    for index, call in enumerate(graph.calls):
        if call.kind == "launch":
            for name in _touched(call):
                users[name].append(index)
    writes = [{buffer.name for buffer in call.writes} for call in graph.calls]
    shared: dict[tuple[int, int], bool] = {}
    for name, places in users.items():
        for one, other in combinations(places, 2):
            shared[one, other] = shared.get((one, other), False) or name in writes[one] or name in writes[other]
    depending = [pair for pair, depends in sorted(shared.items()) if depends]
    reading = [pair for pair, depends in sorted(shared.items()) if not depends]
    return sorted([*depending, *reading][:_MOST_PAIRS]), max(0, len(shared) - _MOST_PAIRS)


def _touched(call: Call) -> Iterable[str]:
    return dict.fromkeys([*call.reads, *(buffer.name for buffer in call.writes)])


def _folded(
    graph: Graph, pairs: Iterable[tuple[int, int]], refusals: Mapping[tuple[int, int], Refusal]
) -> Iterator[Apart]:
    """The pairs with their reasons, those of one reason together."""
    steps = numbered(call.name for call in graph.calls)
    written = {kernel.name for kernel in graph.kernels if kernel.kind == _USER_KERNEL}
    by_reason: dict[Refusal, list[tuple[str, str]]] = defaultdict(list)
    for one, other in pairs:
        refusal = refusals.get((one, other))
        if refusal is None and {graph.calls[one].name, graph.calls[other].name} & written:
            refusal = Reason.USER_KERNEL, "not tried: a Triton kernel that the user wrote"
        by_reason[refusal or (Reason.UNTRIED, "not tried")].append((steps[one], steps[other]))
    for (reason, text), found in by_reason.items():
        for start in range(0, len(found), _IN_A_LINE):
            yield Apart(tuple(found[start : start + _IN_A_LINE]), reason, text)


def _decided(graph: Graph, launched: Mapping[int, Launched], decisions: Decisions) -> Iterator[Decided]:
    first = {graph.calls[index].name: of for index, of in sorted(launched.items(), reverse=True)}
    for kernel in graph.in_launch_order:
        of = first.get(kernel.name)
        operations = sorted(of.operations, key=_number) if of else []
        yield from decided_about(kernel, operations, sorted(of.traced) if of else [], decisions.kernels)
        if of:
            wanted = sorted({decisions.layouts.wanted[name] for name in of.buffers & decisions.layouts.wanted.keys()})
            yield from (Decided(kernel.name, "layout", text) for text in wanted)
            yield from [Decided(kernel.name, "padding", of.padded)] if of.padded and not wanted else []


def _number(operation: str) -> tuple[int, str]:
    """`op2` goes before `op10`."""
    return len(operation), operation
