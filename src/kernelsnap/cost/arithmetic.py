"""Arithmetic of kernels on stand-ins: operators and functions of each element, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kernelsnap.cost import operations as prices
from kernelsnap.cost.axes import Axes, chosen, combined, computed_once, equal_where, moved, spread
from kernelsnap.cost.blocks import (
    BYTES,
    Array,
    Block,
    Pointer,
    Shape,
    as_block,
    is_float,
    shared_shape,
    wider,
    wider_type,
)
from kernelsnap.cost.operations import Price
from kernelsnap.cost.program import Arguments, Program, Type
from kernelsnap.errors import CannotTellError

# A thread has as many neighbours of 32 bits, for they are loaded at once.
_MOST_AT_ONCE = 4

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mult": np.multiply, "BitAnd": np.bitwise_and, "BitOr": np.bitwise_or,
    "BitXor": np.bitwise_xor, "LShift": lambda a, b: a << np.minimum(b, 31), "RShift": np.right_shift,
    "Div": np.divide, "Mod": np.mod, "FloorDiv": np.floor_divide, "Pow": np.power,
}  # fmt: skip


_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "Lt": np.less, "LtE": np.less_equal, "Gt": np.greater, "GtE": np.greater_equal, "Eq": np.equal,
    "NotEq": np.not_equal,
}  # fmt: skip


def elementwise(
    program: Program, compute: Callable[..., Any], price: Price, given: Arguments, dtype: str = "", operator: str = ""
) -> Block:
    """A function of each element of some blocks; `operator` is its name where it is one of whole numbers."""
    blocks = [as_block(value) for value in given if not isinstance(value, str | Type) and value is not None]
    again = (operator or getattr(compute, "__code__", None) or compute, dtype, *map(id, blocks))
    if again in program.computed:
        return program.computed[again][1]  # type: ignore[no-any-return]
    first = blocks[0]
    kind = first.dtype
    for block in blocks[1:]:
        kind = wider_type(first.shape, kind, block.shape, block.dtype)
    shape = shared_shape(*[block.shape for block in blocks])
    axes = known_axes(operator, blocks, shape)
    pay(program, price, shape, kind, axes)
    numbers = [block.data for block in blocks if block.data is not None]
    data = _computed(compute, numbers) if len(numbers) == len(blocks) else None
    made = Block(shape, dtype or kind, data, max([block.depth for block in blocks]), axes)
    if data is None:
        program.computed[again] = blocks, made
    return made


def known_axes(operator: str, blocks: Sequence[Block], shape: Shape) -> Axes | None:
    """What Triton's compiler knows of the result of a function of each element."""
    if all(block.axes is None and block.shape == shape for block in blocks):
        return None
    over = [spread(block.axes, block.shape, shape) for block in blocks]
    if not operator or len(over) != 2 or any(is_float(block.dtype) for block in blocks):
        return equal_where(*over)
    a, b = over
    if operator in _EXTREMES:
        which = combined(_EXTREMES[operator], a, b, shape)
        return which and chosen(which, a, b)
    return combined(operator, a, b, shape) or equal_where(a, b)


# A minimum of Inductor's is a comparison and a choice.
_EXTREMES = {"maximum": "Gt", "minimum": "Lt"}


def _computed(compute: Callable[..., Any], numbers: list[Array]) -> Array | None:
    try:
        return np.asarray(compute(*numbers))
    except TypeError:  # an operator of whole numbers on others
        return None


def pay(program: Program, price: Price, shape: tuple[int, ...], dtype: str, axes: Axes | None = None) -> None:
    """Count instructions for a block; a single number is computed once, beside the others.

    A thread computes equal neighbours once, and the index of an element from that of its neighbour.
    """
    if not shape:
        return
    size = math.prod(shape)
    if axes is not None:
        size //= max(1, min(computed_once(axes), _MOST_AT_ONCE, size // program.trace.threads))
    if dtype == "fp64":
        program.trace.count("fp64", size, price.fp64)
        program.trace.count("issue", size, 0.2 * price.fp64)
        return
    if price.issue:
        program.trace.count("issue", size, price.issue)
    if price.sfu:
        program.trace.count("sfu", size, price.sfu)
    if price.alu:
        program.trace.count("alu", size, price.alu)


def binary_of_blocks(program: Program, operator: str, left: Any, right: Any) -> Any:
    """`left operator right`, of numbers, blocks and pointers."""
    if isinstance(right, Pointer):
        left, right = right, left
    if isinstance(left, Pointer):
        return _moved(program, left, as_block(right), operator)
    if not isinstance(left, Block) and not isinstance(right, Block):
        return _of_python(operator, left, right)
    if operator not in _OPERATORS:
        raise CannotTellError(f"an operator `{operator}` is not known")
    return elementwise(program, _OPERATORS[operator], _price(operator, left, right), [left, right],
                       operator=operator)  # fmt: skip


def _of_python(operator: str, left: Any, right: Any) -> Any:
    if isinstance(left, tuple | list) or isinstance(right, tuple | list | str) or isinstance(left, str):
        raise CannotTellError(f"an operator `{operator}` of something that is no number")
    if operator == "Pow" and not (abs(left) < 2**31 and abs(right) < 64):
        raise CannotTellError("a power of a number that is too large")
    if operator == "LShift" and not 0 <= right < 64:
        raise CannotTellError("a shift by a number that is too large")
    python: Mapping[str, Callable[[Any, Any], Any]] = {
        "Add": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mult": lambda a, b: a * b, "Div": lambda a, b: a / b,
        "Mod": lambda a, b: a % b, "FloorDiv": lambda a, b: a // b, "Pow": lambda a, b: a**b,
        "BitAnd": lambda a, b: a & b, "BitOr": lambda a, b: a | b, "BitXor": lambda a, b: a ^ b,
        "LShift": lambda a, b: a << b, "RShift": lambda a, b: a >> b,
    }  # fmt: skip
    result = python[operator](left, right)
    if isinstance(result, int) and abs(result) >= 2**63:
        raise CannotTellError("a number that is too large")
    return result


def _price(operator: str, left: Any, right: Any) -> Price:
    a, b = as_block(left), as_block(right)
    kind = wider(a, b)
    if kind == "i1":
        return prices.CONDITION
    if operator == "Div" and kind != "fp64" and 2 * b.size <= a.size:
        return prices.DIVISION_OF_SEVERAL
    if is_float(kind) or operator == "Div":
        return prices.FLOAT[operator]
    wide = kind in ("i64", "u64")
    if operator in ("Mod", "FloorDiv"):
        if b.size > 1 or b.depth:
            return prices.DIVISION_64 if wide else prices.DIVISION
        value = 0 if b.data is None else int(b.data.flat[0])
        if value > 0 and value & (value - 1) == 0:
            return prices.ONE
        return Price(prices.INTEGER[operator].issue + (prices.WIDE_DIVISION if wide else 0.0))
    price = Price(prices.WIDE) if wide else prices.INTEGER[operator]
    return price if operator == "Mult" else replace(price, alu=price.issue)


def _moved(program: Program, pointer: Pointer, by: Block, operator: str) -> Pointer:
    if operator not in ("Add", "Sub"):
        raise CannotTellError(f"an operator `{operator}` of an address")
    if by.data is None:
        raise CannotTellError("an address follows from a floating-point number")
    data = by.data if operator == "Add" else -by.data
    shape = shared_shape(pointer.shape, by.shape)
    by_axes = spread(by.axes, by.shape, shape)
    if shape:
        pay(program, prices.ADDRESS, shape, "i64", by_axes)
    axes = pointer.axes and moved(
        spread(pointer.axes, pointer.shape, shape), by_axes, BYTES[pointer.dtype], operator, shape
    )
    offset = pointer.offset + data.astype(np.int64)
    return Pointer(pointer.buffer, pointer.dtype, offset, max(pointer.depth, by.depth), axes)


def unary_of_block(program: Program, operator: str, value: Any) -> Any:
    """`-value`, `~value`, `not value`."""
    if not isinstance(value, Block):
        if not isinstance(value, int | float):
            raise CannotTellError(f"an operator `{operator}` of something that is no number")
        if operator == "Not":
            return not value
        if operator == "Invert" and isinstance(value, int):
            return ~value
        return -value if operator == "USub" else value
    if operator == "Not" or (operator == "Invert" and value.dtype == "i1"):
        return elementwise(program, lambda a: np.logical_not(a), prices.ONE, [value], "i1")
    compute = {"USub": np.negative, "Invert": np.invert, "UAdd": np.positive}[operator]
    return elementwise(program, compute, prices.FLOAT[operator], [value])


def compared(program: Program, operator: str, left: Any, right: Any) -> Any:
    """`left < right` and the like."""
    if operator in ("Is", "IsNot"):
        return (left is right) is (operator == "Is")
    if not isinstance(left, Block) and not isinstance(right, Block):
        if isinstance(left, Type | tuple) or isinstance(right, Type | tuple):
            return (left == right) is (operator == "Eq")
        return bool(_COMPARISONS[operator](left, right))
    return elementwise(program, _COMPARISONS[operator], prices.CONDITION, [left, right], "i1", operator)
