"""Stand-ins for the values of a Triton kernel: blocks of numbers, and pointers.

What a kernel computes does not matter for its time; where it reads and writes does. So numbers that follow from the
index of a program are real, and a floating-point number that was loaded is unknown: of it only the shape is kept. A
whole number that was loaded may be an index: it is drawn from its address, so that one address holds one number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from kernelsnap.cost.axes import Axes, of_number
from kernelsnap.errors import CannotTellError

Array: TypeAlias = "np.ndarray[Any, Any]"
Shape: TypeAlias = tuple[int, ...]

#: The bytes of an element, by Triton's name of its type.
BYTES = {
    "i1": 1, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8,
    "fp8e4nv": 1, "fp8e5": 1, "fp8e4b8": 1, "fp8e5b16": 1, "fp16": 2, "bf16": 2, "fp32": 4, "fp64": 8,
}  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(BYTES)}
# The most elements that one block may have: a golden may ask for any number.
_MOST_ELEMENTS = 1 << 20


# Not frozen, as the others are: a frozen one takes three times as long to make, and an estimate makes thousands.
@dataclass(eq=False, slots=True)
class Block:
    """A block of numbers; `data` is None where they are unknown. `depth`: how many loads had to end before it."""

    shape: Shape
    dtype: str
    data: Array | None = None
    depth: int = 0
    axes: Axes | None = None  # what Triton's compiler knows of its whole numbers; None: nothing

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


@dataclass(eq=False, slots=True)
class Pointer:
    """Addresses inside one buffer, in elements."""

    buffer: str
    dtype: str  # of an element
    offset: Array
    depth: int = 0
    axes: Axes | None = None  # of the address in bytes

    @property
    def shape(self) -> Shape:
        """The shape of the block of addresses."""
        return tuple(self.offset.shape)


def is_float(dtype: str) -> bool:
    """Whether it is a floating-point type."""
    return dtype[0] in "fb"


def known(data: Any, dtype: str, axes: Axes | None = None) -> Block:
    """A block of these numbers."""
    array = np.asarray(data)
    return Block(check_size(array.shape), dtype, array, 0, axes)


def check_size(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape itself. Raises `CannotTellError` for one that is too large to be executed here."""
    if math.prod(shape) > _MOST_ELEMENTS:
        raise CannotTellError(f"a block of {'x'.join(map(str, shape))} elements is too large")
    return shape


def as_block(value: Any) -> Block:
    """A number of Python as a block; a block as it is."""
    if isinstance(value, Block):
        return value
    return _number(value) if type(value) in (int, float, bool) else _of_number(value)


def _of_number(value: Any) -> Block:
    if isinstance(value, bool | np.bool_):
        return Block((), "i1", np.asarray(bool(value)), 0, of_number(int(value)))
    if isinstance(value, int | np.integer):
        # Triton takes a small number for an i32.
        return Block((), "i32" if -(2**31) <= int(value) < 2**31 else "i64", np.asarray(int(value)), 0,
                     of_number(int(value)))  # fmt: skip
    if isinstance(value, float):
        return Block((), "fp32", np.asarray(value))
    raise CannotTellError(f"a {type(value).__name__} where a number was expected")


# Few numbers are written in kernels, and they come again in every statement.
_number = lru_cache(maxsize=4096, typed=True)(_of_number)


@lru_cache(maxsize=4096)
def shared_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that blocks of these shapes have together."""
    try:
        shape = [int(size) for size in np.broadcast_shapes(*shapes)]
    except ValueError:
        raise CannotTellError(f"blocks of shapes {' and '.join(map(str, shapes))} do not fit together") from None
    return check_size(tuple(shape))


def wider(left: Block, right: Block) -> str:
    """The type in which two blocks are computed; a number of Python takes the type of the other side."""
    return wider_type(left.shape, left.dtype, right.shape, right.dtype)


def wider_type(left_shape: Shape, left: str, right_shape: Shape, right: str) -> str:
    """The same of their shapes and types."""
    if left == right:
        return left
    if left_shape == () and right_shape != () and is_float(left) <= is_float(right):
        return right
    if right_shape == () and left_shape != () and is_float(right) <= is_float(left):
        return left
    return left if _RANK[left] >= _RANK[right] else right


def drawn(pointer: Pointer, buffer_id: int) -> Array:
    """Whole numbers that were not known: random ones, always the same for the same address."""
    mixed = np.atleast_1d(pointer.offset).astype(np.uint64) + np.uint64(buffer_id * 7919 + 1)
    mixed = mixed * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(34)).astype(np.int64).reshape(pointer.shape)
