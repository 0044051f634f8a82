"""Which fusions Inductor refuses and for which reason, and which nodes of its scheduler each launch is of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.why.layouts import padded
from kernelsnap.capture.why.reasons import SETTINGS, in_one_line, kind_of
from kernelsnap.model.why import Reason
from kernelsnap.shared.assigned import assigned

#: Why two nodes were not fused: the kind, and Inductor's words.
Refusal = tuple[Reason, str]

_ALLOWED: Refusal = (Reason.ALLOWED, "can be fused; another fusion came first")
_NO_REASON: Refusal = (Reason.NO_REASON, "refused without a reason")


@dataclass(frozen=True)
class Launched:
    """The node of the scheduler that a launch is of."""

    operations: frozenset[str]  # its operations, as the scheduler calls them
    buffers: frozenset[str]  # the buffers that they compute
    traced: frozenset[str]  # the nodes of the traced graph that they came from
    padded: str = ""  # how its buffers' rows are padded


@dataclass
class Fusions:
    """What was heard of one graph. Nodes are known by their first operation, which fusing does not change."""

    #: The last refusal of each pair of nodes, in the order in which they were asked about.
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    #: What each launch is of, by the kernel's name, in the order of the launches.
    launches: dict[str, list[Launched]] = field(default_factory=dict)

    def refuse(self, first: str, second: str, refusal: Refusal) -> None:
        """Note why two nodes were not fused; what was said before no longer counts."""
        key = first, second
        known = self.refusals.pop(key, None)
        # Both orders are tried: that one of them is impossible is no reason.
        self.refusals[key] = known if known and refusal[0] is Reason.ORDER else refusal


@contextlib.contextmanager
def listening_to_fusions(heard: Fusions) -> Iterator[None]:
    """Inside the block note what Inductor says about fusions; nothing, where this torch lacks what that needs."""
    names = (private.REFUSED_FUSION, private.CAN_FUSE, private.KERNEL_CALL, private.GROUP_CALL, private.CURRENT_NODE)
    if not all(name.is_there() for name in (*names, private.GRAPH_BEING_LOWERED, *private.OF_REFUSALS)):
        yield
        return
    refused, can_fuse, kernel_call, group_call = (name.get() for name in names[:4])
    latest: list[Refusal] = []
    group: ContextVar[Sequence[Any]] = ContextVar("group", default=())

    def say(why: Any, sentence: str, *values: Any) -> Any:
        refusal = _refusal(sentence, values)
        latest.append(refusal)
        heard.refuse(_first(why.name1), _first(why.name2), refusal)
        return refused(why, sentence, *values)

    def asked(scheduler: Any, node1: Any, node2: Any, *args: Any, **options: Any) -> Any:
        latest.clear()
        allowed = can_fuse(scheduler, node1, node2, *args, **options)
        if node1 is not node2:
            said = latest[-1] if latest else _without_words(node1, node2)
            heard.refuse(_first(node1.get_name()), _first(node2.get_name()), _ALLOWED if allowed else said)
        return allowed

    def call(wrapper: Any, kernel_name: str, *args: Any, **options: Any) -> Any:
        node = private.CURRENT_NODE.of(private.GRAPH_BEING_LOWERED.get().graph.scheduler)
        heard.launches.setdefault(kernel_name, []).append(_launched(group.get() or ([node] if node else [])))
        return kernel_call(wrapper, kernel_name, *args, **options)

    def call_of_group(kernels: Any, *args: Any, **options: Any) -> Any:
        with assigned(group, private.GROUPED_NODES.of(kernels)):
            return group_call(kernels, *args, **options)

    with (
        private.REFUSED_FUSION.replaced(say),
        private.CAN_FUSE.replaced(asked),
        private.KERNEL_CALL.replaced(call),
        private.GROUP_CALL.replaced(call_of_group),
    ):
        yield


def _launched(nodes: Sequence[Any]) -> Launched:
    parts = [part.node for node in nodes for part in node.get_nodes() if part.node is not None]
    traced = frozenset(origin.name for part in parts for origin in part.get_origins())
    operations = frozenset(name for node in nodes for name in node.get_operation_names())
    buffers = frozenset(buffer.get_name() for node in nodes for buffer in node.get_outputs())
    return Launched(operations, buffers, traced, next(filter(None, map(padded, parts)), ""))


def _without_words(node1: Any, node2: Any) -> Refusal:
    """The reason of a refusal that Inductor did not give: C++ kernels go over the same sizes, or are not fused."""
    sizes = [_loops(getattr(node, private.GROUP_OF_NODE.name, None)) for node in (node1, node2)]
    if all(sizes) and sizes[0] != sizes[1]:
        return Reason.SIZE, in_one_line(f"loops over other sizes: {sizes[0]}, {sizes[1]}")
    return _NO_REASON


def _loops(group: Any) -> str:
    """The sizes of the loops of a node on the CPU, those of a reduction last; "" for another."""
    return " ".join(str(part) for part in group[1]) if group and group[0].type == "cpu" else ""


def _first(node: str) -> str:
    """The first operation of a node: `op0` of `op0_op1`."""
    return node.partition("_")[0]


def _refusal(sentence: str, values: tuple[Any, ...]) -> Refusal:
    reason = kind_of(sentence)
    text = in_one_line(sentence % values if values else sentence)
    setting = SETTINGS.get(reason)
    if setting:
        text = f"{text} ({setting} {getattr(private.CONFIG.get(), setting)})"
    return reason, text
