"""Records, for a golden's section `why`, the operations of a graph as Inductor lowers them, before it has kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from kernelsnap.capture import private
from kernelsnap.capture.read.host_expressions import DTYPES
from kernelsnap.capture.why.reasons import printable
from kernelsnap.model.why import Operation

#: Of a larger graph no operation is kept.
_MOST = 6000
#: An argument that is no tensor and no number is not longer than this.
_LONGEST = 400
#: Arguments of operations that say nothing of what is computed.
_LEFT_OUT = frozenset(["layout", "pin_memory", "requires_grad"])
_WRITTEN_KERNEL, _ITS_CONSTANTS = "kernel_idx", "constant_args_idx"


def lowered_operations(graph: Any) -> tuple[Operation, ...]:
    """The operations of a graph (`GraphLowering`), in its order; none of a graph that has too many."""
    found = tuple(_operations(graph.module, "")) if len(graph.module.graph.nodes) <= _MOST else ()
    return found if len(found) <= _MOST else ()


def _operations(module: Any, within: str) -> Iterator[Operation]:
    """The operations of a module; those of a graph that an operation is given come before it, with its name."""
    for node in module.graph.nodes:
        value = node.meta.get("val")
        if node.op == "get_attr":
            given = _attribute(module, node.target)
            if isinstance(given, torch.fx.GraphModule):
                yield from _operations(given, f"{within}{node.name}/")
            value = given if isinstance(given, torch.Tensor) else value
        expression = f"{_target(node)}({', '.join(_arguments(node, within))})"
        original = _operator_name(node.meta.get("original_aten")) if node.op == "call_function" else ""
        own = _operator_name(node.target) if node.op == "call_function" else ""
        result = _result(value, strides=node.op == "placeholder")
        yield Operation(within + node.name, printable(expression), result, "" if original == own else original)


def _attribute(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part)
    return module


def _target(node: Any) -> str:
    """What a node calls: `add.Tensor`, `prims::iota`; `input`, `constant` and `output` for the others."""
    if node.op != "call_function":
        return {"placeholder": "input", "get_attr": "constant"}.get(node.op, "output")
    if isinstance(node.target, private.OPERATOR.get()):
        namespace, _, name = str(node.target).partition(".")
        return (name if namespace == "aten" else f"{namespace}::{name}").removesuffix(".default")
    return str(getattr(node.target, "__name__", type(node.target).__name__))


def _operator_name(operator: Any) -> str:
    """`add` of `aten.add.Tensor`."""
    if isinstance(operator, private.OPERATOR.get()):
        return str(operator.overloadpacket.__name__)
    return operator if isinstance(operator, str) else str(getattr(operator, "__name__", ""))


def _arguments(node: Any, within: str) -> Iterator[str]:
    if node.op == "output":
        yield from (_text(value, within) for value in _listed(node.args[0]))
    elif node.op == "call_function":
        yield from (_text(value, within) for value in node.args)
        named = _with_written_kernel(node.kwargs) if _WRITTEN_KERNEL in node.kwargs else node.kwargs
        yield from (f"{name}={_text(value, within)}" for name, value in named.items() if name not in _LEFT_OUT)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _with_written_kernel(named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the call of a user's Triton kernel: itself and its constants in place of their numbers."""
    kernel = private.WRITTEN_KERNEL.get()(named[_WRITTEN_KERNEL])
    while not hasattr(kernel, "__name__"):  # an Autotuner has a JITFunction
        kernel = kernel.fn
    constants = private.CONSTANTS_OF_WRITTEN_KERNEL.get()(named[_ITS_CONSTANTS])
    return {**named, _WRITTEN_KERNEL: kernel.__name__, _ITS_CONSTANTS: constants}


def _text(value: Any, within: str) -> str:
    """An argument as a golden has it: `%mul` for what another operation makes."""
    if isinstance(value, torch.fx.Node):
        return f"%{within}{value.name}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(part, within) for part in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_text(part, within)}" for name, part in value.items()) + "}"
    if isinstance(value, torch.dtype):
        return _dtype(value)
    if isinstance(value, torch.device):
        return str(value.type)
    if value is None or isinstance(value, bool | int | float | complex | str):
        return repr(value)[:_LONGEST]
    if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool | torch.memory_format | torch.layout):
        return str(value)[:_LONGEST]
    return type(value).__name__


def _result(value: Any, strides: bool) -> str:
    """`f32[8, 16]`; those of several results one after the other, `-` for one that is not there."""
    if isinstance(value, torch.Tensor):
        shape = [str(size) for size in value.shape]
        text = f"{_dtype(value.dtype)}[{', '.join(shape)}]"
        steps = [str(step) for step in value.stride()] if strides and not value.is_sparse else []
        return text if not strides or steps == _contiguous(value) else f"{text} strides [{', '.join(steps)}]"
    if isinstance(value, list | tuple):
        return ", ".join(_result(part, strides=False) or "-" for part in value)
    return "" if value is None else type(value).__name__.removeprefix("Sym").lower()


def _contiguous(tensor: torch.Tensor) -> list[str]:
    found, step = [], 1
    for size in reversed(tensor.shape):
        found.append(str(step))
        step = step * size
    return found[::-1]


def _dtype(dtype: torch.dtype) -> str:
    name = str(dtype).removeprefix("torch.")
    return DTYPES.get(name, name)
