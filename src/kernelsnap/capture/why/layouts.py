"""Which operations want their inputs stored in another order, and what was copied or stored so for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.why.reasons import in_one_line

#: Of the operations that read a tensor no more are named.
_MOST = 2
_OUTPUT = "an output of the graph"


@dataclass
class Layouts:
    """What was heard of one graph."""

    #: By the buffer that is stored in another order than its own: which order, and for what.
    wanted: dict[str, str] = field(default_factory=dict)
    #: Whether convolutions run channels last, and why not.
    convolutions: list[str] = field(default_factory=list)


@contextlib.contextmanager
def listening_to_layouts(heard: Layouts) -> Iterator[None]:
    """Inside the block note which layouts are asked for; nothing, where this torch lacks what that needs."""
    if not all(name.is_there() for name in (*private.OF_LAYOUTS, private.LOWERED_NODE, private.GRAPH_BEING_LOWERED)):
        yield
        return
    lowered: Any = None
    call, require, decide = (name.get() for name in private.OF_LAYOUTS[:3])

    def call_function(graph: Any, *args: Any, **options: Any) -> Any:
        nonlocal lowered
        result = call(graph, *args, **options)
        lowered = private.LOWERED_NODE.of(graph)
        return result

    def require_strides(
        cls: Any, x: Any, order: Any = None, exact_strides: Any = None, allow_padding: bool = False
    ) -> Any:
        name, strides = _stored(x)
        found = require.__func__(cls, x, order, exact_strides, allow_padding)
        stored, wanted = _stored(found)
        copied = name is not None and stored != name
        text = _order(found.get_size(), wanted) or (_strides(wanted) if copied else "")
        if stored is not None and text and (copied or text != "contiguous"):
            was = f"; copied, what it reads is {_order(x.get_size(), strides) or _strides(strides)}" if copied else ""
            heard.wanted.setdefault(stored, in_one_line(f"{text}, for {_asking(lowered)}{was}"))
        return found

    def decide_layout(*args: Any, **options: Any) -> Any:
        said: list[str] = []

        def debug(sentence: str, *values: Any, **options: Any) -> None:
            said.append(sentence % values if values else sentence)

        with private.LOWERING_LOG.replaced(debug):
            decided = decide(*args, **options)
        _note(heard, decided, said, args[0], private.CONFIG.get())
        return decided

    with (
        private.OF_LAYOUTS[0].replaced(call_function),
        private.OF_LAYOUTS[1].replaced(classmethod(require_strides)),
        private.OF_LAYOUTS[2].replaced(staticmethod(decide_layout)),
    ):
        yield


def _stored(x: Any) -> tuple[str | None, Sequence[Any] | None]:
    """The name of the buffer that has a tensor, and its strides; None for what is not stored yet."""
    name = x.maybe_get_name() if private.IS_STORED.get()(x) else None
    return name, x.maybe_get_stride() if name else None


def _note(heard: Layouts, decided: bool, said: list[str], gm: Any, config: Any) -> None:
    """How the convolutions of a graph are laid out."""
    convolutions = (node for node in gm.graph.nodes if str(node.target) == "aten.convolution.default")
    if not any(node.args[1].meta["val"].dim() == 4 for node in convolutions):  # others keep their layout
        return
    if decided:
        heard.convolutions.append("channels last (layout_optimization is on)")
    elif not config.layout_optimization:
        heard.convolutions.append("as their inputs are (layout_optimization is off)")
    else:
        heard.convolutions.append(in_one_line(f"as their inputs are: {said[-1] if said else 'no reason was given'}"))


def _asking(lowered: Any) -> str:
    """The operation that wants the layout: the one that is being lowered; after it was, those that read its result."""
    node = private.LOWERED_NODE.of(private.GRAPH_BEING_LOWERED.get().graph)
    if node is None or node.op == "output":
        return _OUTPUT
    if node is not lowered:
        return _called(node)
    users = sorted(node.users, key=lambda user: user.op != "output")
    return " and ".join(dict.fromkeys(map(_called, users[:_MOST])))


def _called(node: Any) -> str:
    if node.op == "output":
        return _OUTPUT
    called = str(node.target)  # of a function it has the address
    return str(getattr(node.target, "__name__", "a call")) if called.startswith("<") else called


def _order(sizes: Sequence[Any], strides: Sequence[Any] | None) -> str:
    """The order of a dense tensor in words; "" for one that is not dense, or whose sizes are symbols."""
    if not strides or not _numbers(sizes, strides):
        return ""
    dims = [dim for dim in range(len(sizes)) if int(sizes[dim]) != 1]
    inner_first = sorted(dims, key=lambda dim: (int(strides[dim]), -dim))
    dense = 1
    for dim in inner_first:
        if int(strides[dim]) != dense:
            return ""
        dense *= int(sizes[dim])
    if inner_first == dims[::-1]:
        return "contiguous"
    channels_last = [dim for dim in (1, *range(len(sizes) - 1, 1, -1), 0) if dim in dims]
    if len(sizes) in (4, 5) and inner_first == channels_last:
        return "channels last"
    return f"dimensions in the order {' '.join(map(str, inner_first[::-1]))}"


def padded(node: Any) -> str:
    """How the rows of a buffer are padded; "" where they are not, or its sizes are symbols."""
    layout = getattr(node, private.LAYOUT_OF_NODE.name, None)
    sizes, strides = getattr(layout, "size", ()), getattr(layout, "stride", ())
    if type(layout) is not private.FIXED_LAYOUT.get() or not _numbers(sizes, strides):
        return ""
    dense = 1
    for size, stride in sorted(zip(map(int, sizes), map(int, strides), strict=True), key=lambda pair: pair[1]):
        if size > 1 and stride > dense > 1:
            return f"rows of {dense} elements are stored {stride} apart"
        dense *= size
    return ""


def _numbers(*many: Sequence[Any]) -> bool:
    return all(str(number).isdigit() for numbers in many for number in numbers)


def _strides(strides: Sequence[Any] | None) -> str:
    return f"of strides {' '.join(map(str, strides))}" if strides else "of another layout"
