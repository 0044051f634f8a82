"""Makes the inputs of a graph on the GPU: random numbers of the shapes, strides and types that its golden has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kernelsnap.cost.host import LAYOUT_ASSERTIONS
from kernelsnap.errors import KernelsnapError
from kernelsnap.model.golden import Plan

# (tmp4 < 50257) in tl.device_assert((0 <= tmp4) & (tmp4 < 50257), "index out of bounds: 0 <= tmp4 < 50257")
_BOUND = re.compile(r" < (\d+)\)")
_TYPES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i64": "int64", "i32": "int32",
    "i16": "int16", "i8": "int8", "u8": "uint8", "b8": "bool", "f8e4m3fn": "float8_e4m3fn", "f8e5m2": "float8_e5m2",
}  # fmt: skip


class CannotRunError(KernelsnapError):
    """The code of a golden cannot be run, for the reason in the message."""


@dataclass(frozen=True)
class Input:
    """What one input of a graph is like."""

    name: str
    dtype: str  # as torch calls it
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def inputs_of(plan: Plan, host: str) -> list[Input]:
    """The inputs of a graph in the order in which its host code takes them.

    Raises:
        CannotRunError: a size is a symbol, or the golden does not have a type.
    """
    function = next((node for node in ast.walk(ast.parse(host)) if isinstance(node, ast.FunctionDef)), None)
    if function is None:
        raise CannotRunError("its host code has no function")
    layouts = dict(_layouts(function))
    known = {buffer.name: buffer for buffer in plan.inputs}
    found = []
    for name in _taken(function):
        buffer = known.get(name)
        if buffer is None or buffer.shape is None or buffer.dtype not in _TYPES:
            raise CannotRunError(f"the golden does not tell what its input {name} is")
        shape, stride = layouts.get(name) or (tuple(map(_number, buffer.shape)), ())
        found.append(Input(name, _TYPES[buffer.dtype], shape, stride or _contiguous(shape)))
    return found


def _number(size: str) -> int:
    if not size.isdecimal():
        raise CannotRunError(f"a size is the symbol {size}: the golden has no numbers to run it with")
    return int(size)


def _taken(function: ast.FunctionDef) -> Iterator[str]:
    """The names of `a, b = args`, the first line of the host code."""
    for node in function.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == "args":
            names = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else node.targets
            yield from (name.id for name in names if isinstance(name, ast.Name))
            return


def _layouts(function: ast.FunctionDef) -> Iterator[tuple[str, tuple[tuple[int, ...], tuple[int, ...]]]]:
    """Shape and stride of each name that an assertion of its layout is given."""
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Name(id=called), args=[ast.Name(id=name), shape, stride, *_]) if (
                called in LAYOUT_ASSERTIONS
            ):
                try:
                    yield name, (ast.literal_eval(shape), ast.literal_eval(stride))
                except ValueError:
                    raise CannotRunError(f"a size of {name} is a symbol: there are no numbers to run it with") from None


def _contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(1, size)
    return tuple(strides[::-1])


def bound_of(texts: Sequence[str]) -> int:
    """Below what whole numbers have to stay that kernels use as indexes; 1 where no kernel tells."""
    asserted = (line for text in texts for line in text.splitlines() if "device_assert(" in line)
    return min((int(number) for line in asserted for number in _BOUND.findall(line)), default=1)


def make(given: Input, bound: int) -> Any:
    """A tensor on the GPU: normal random numbers; whole numbers from 0 up to `bound`; booleans half and half."""
    import torch

    dtype = getattr(torch, given.dtype)
    length = 1 + sum((size - 1) * step for size, step in zip(given.shape, given.stride, strict=True))
    length = max(0, length) if all(given.shape) else 0
    if dtype.is_floating_point:
        made = torch.randn(length, device="cuda").to(dtype)
    else:
        made = torch.randint(0, 2 if dtype == torch.bool else bound, (length,), device="cuda").to(dtype)
    return made.as_strided(given.shape, given.stride)
