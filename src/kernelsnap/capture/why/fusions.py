"""Which fusions Inductor refuses and for which reason, and which nodes of its scheduler each launch is of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.why.reasons import SETTINGS, in_one_line, kind_of
from kernelsnap.model.why import Reason

#: Why two nodes were not fused: the kind, and Inductor's words.
Refusal = tuple[Reason, str]

_ALLOWED: Refusal = (Reason.ALLOWED, "can be fused; another fusion came first")
_NO_REASON: Refusal = (Reason.NO_REASON, "refused without a reason")


@dataclass(frozen=True)
class Launched:
    """The node of the scheduler that a launch is of."""

    operations: frozenset[str]  # its operations, as the scheduler calls them
    traced: frozenset[str]  # the nodes of the traced graph that they came from


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
    names = (private.REFUSED_FUSION, private.CAN_FUSE, private.KERNEL_CALL, private.CURRENT_NODE)
    if not all(name.is_there() for name in (*names, private.GRAPH_BEING_LOWERED, *private.OF_REFUSALS)):
        yield
        return
    refused, can_fuse, kernel_call = (name.get() for name in names[:3])
    latest: list[Refusal] = []

    def say(why: Any, sentence: str, *values: Any) -> Any:
        refusal = _refusal(sentence, values)
        latest.append(refusal)
        heard.refuse(_first(why.name1), _first(why.name2), refusal)
        return refused(why, sentence, *values)

    def asked(scheduler: Any, node1: Any, node2: Any, *args: Any, **options: Any) -> Any:
        latest.clear()
        allowed = can_fuse(scheduler, node1, node2, *args, **options)
        if node1 is not node2:
            said = latest[-1] if latest else _NO_REASON
            heard.refuse(_first(node1.get_name()), _first(node2.get_name()), _ALLOWED if allowed else said)
        return allowed

    def call(wrapper: Any, kernel_name: str, *args: Any, **options: Any) -> Any:
        node = private.CURRENT_NODE.of(private.GRAPH_BEING_LOWERED.get().graph.scheduler)
        heard.launches.setdefault(kernel_name, []).append(_launched(node))
        return kernel_call(wrapper, kernel_name, *args, **options)

    with (
        private.REFUSED_FUSION.replaced(say),
        private.CAN_FUSE.replaced(asked),
        private.KERNEL_CALL.replaced(call),
    ):
        yield


def _launched(node: Any) -> Launched:
    if node is None:
        return Launched(frozenset(), frozenset())
    parts = (part.node for part in node.get_nodes() if part.node is not None)
    traced = frozenset(origin.name for part in parts for origin in part.get_origins())
    return Launched(frozenset(node.get_operation_names()), traced)


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
