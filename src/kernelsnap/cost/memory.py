"""Loads, stores and atomics of kernels on stand-ins, what addresses are made of, and conversions of types."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelsnap.cost import operations as prices
from kernelsnap.cost.arithmetic import pay
from kernelsnap.cost.axes import Axes, equal_where, power_of_two, spread
from kernelsnap.cost.blocks import BYTES, Array, Block, Pointer, as_block, drawn, is_float, shared_shape
from kernelsnap.cost.operations import Price
from kernelsnap.cost.program import Arguments, Named, PointerTo, Program, Type
from kernelsnap.cost.shapes import shape_of
from kernelsnap.errors import CannotTellError


@dataclass(frozen=True, eq=False)
class _BlockPointer:
    """What `tl.make_block_ptr` gives: a block inside a matrix; where it begins can be moved."""

    base: Pointer
    strides: tuple[Any, ...]
    begin: tuple[Any, ...]
    shape: tuple[int, ...]

    def pointer(self) -> Pointer:
        offset: Array = np.asarray(self.base.offset)
        for axis, (step, begin, size) in enumerate(zip(self.strides, self.begin, self.shape, strict=True)):
            index = (_whole(begin) + np.arange(size)) * _whole(step)
            offset = offset + index.reshape([size if other == axis else 1 for other in range(len(self.shape))])
        return Pointer(self.base.buffer, self.base.dtype, offset, self.base.depth, self._axes(offset))

    def _axes(self, offset: Array) -> Axes:
        size, strides = BYTES[self.base.dtype], [_whole(step) for step in self.strides]
        first = math.gcd(*(step * size for step in strides if step != 1), int(offset.flat[0]) * size)
        return Axes(
            tuple(length if step == 1 else 1 for length, step in zip(self.shape, strides, strict=True)),
            (power_of_two(first),) * len(self.shape),
            tuple(1 if step else length for length, step in zip(self.shape, strides, strict=True)),
        )


def _whole(value: Any) -> int:
    return int(number_of(value))


def make_block_pointer(program: Program, given: Arguments, named: Named) -> _BlockPointer:
    """`tl.make_block_ptr(...)`."""
    keys = ("base", "shape", "strides", "offsets", "block_shape")
    values = dict(zip(keys, given, strict=False)) | named
    return _BlockPointer(values["base"], values["strides"], values["offsets"], shape_of(values["block_shape"]))


def advance(program: Program, given: Arguments, named: Named) -> _BlockPointer:
    """`tl.advance(pointer, offsets)`."""
    pointer, by = given[0], given[1] if len(given) > 1 else named["offsets"]
    begin = tuple(_whole(old) + _whole(step) for old, step in zip(pointer.begin, by, strict=True))
    return _BlockPointer(pointer.base, pointer.strides, begin, pointer.shape)


def load(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.load(pointer, mask)`."""
    pointer = given[0].pointer() if isinstance(given[0], _BlockPointer) else given[0]
    if not isinstance(pointer, Pointer):
        raise CannotTellError("it loads from something that is no address")
    mask = _mask(given[1] if len(given) > 1 else named.get("mask"))
    shape = shared_shape(pointer.shape, () if mask is None else mask.shape)
    program.trace.access("load", pointer, mask)
    depth = max(pointer.depth, 0 if mask is None else mask.depth) + 1
    axes = _equal(pointer, mask, shape)
    if pointer.buffer in program.loaded:
        return Block(shape, pointer.dtype, np.broadcast_to(np.asarray(program.loaded[pointer.buffer]), shape), depth,
                     axes)  # fmt: skip
    if is_float(pointer.dtype) or pointer.dtype == "i1":
        return Block(shape, pointer.dtype, None, depth, axes)
    number = program.buffers.setdefault(pointer.buffer, len(program.buffers))
    return Block(shape, pointer.dtype, np.broadcast_to(drawn(pointer, number), shape), depth, axes)


def _equal(pointer: Pointer, mask: Block | None, shape: tuple[int, ...]) -> Axes | None:
    """What is loaded is equal where the addresses are, and all or none of it is loaded."""
    if pointer.axes is None:
        return None
    address = spread(pointer.axes, pointer.shape, shape)
    return equal_where(address) if mask is None else equal_where(address, spread(mask.axes, mask.shape, shape))


def _over(pointer: Pointer, offset: Array) -> Axes | None:
    return pointer.axes and spread(pointer.axes, pointer.shape, tuple(offset.shape))


def _mask(value: Any) -> Block | None:
    return None if value is None else as_block(value)


def store(program: Program, given: Arguments, named: Named) -> None:
    """`tl.store(pointer, value, mask)`."""
    pointer = given[0].pointer() if isinstance(given[0], _BlockPointer) else given[0]
    if not isinstance(pointer, Pointer):
        raise CannotTellError("it stores to something that is no address")
    mask = _mask(given[2] if len(given) > 2 else named.get("mask"))
    value = as_block(given[1] if len(given) > 1 else named["value"])
    _convert(program, value, pointer.dtype)
    offset = np.broadcast_to(pointer.offset, shared_shape(pointer.shape, value.shape))
    whole = Pointer(pointer.buffer, pointer.dtype, offset, pointer.depth, _over(pointer, offset))
    program.trace.access("store", whole, mask)


def atomic(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.atomic_add(pointer, value, mask)` and the like."""
    pointer = given[0]
    mask = _mask(given[2] if len(given) > 2 else named.get("mask"))
    value = as_block(given[1])
    shape = shared_shape(pointer.shape, value.shape, () if mask is None else mask.shape)
    offset = np.broadcast_to(pointer.offset, shape)
    whole = Pointer(pointer.buffer, pointer.dtype, offset, pointer.depth, _over(pointer, offset))
    program.trace.access("atomic", whole, mask)
    return Block(shape, pointer.dtype, None, pointer.depth + 1)


def _pointer_to(pointer: Pointer, kind: Any) -> Pointer:
    """The same addresses, of elements of another type."""
    if not isinstance(kind, PointerTo):
        return pointer
    offset = pointer.offset * BYTES[pointer.dtype] // BYTES[kind.name]
    return Pointer(pointer.buffer, kind.name, offset, pointer.depth, pointer.axes)


def cast(program: Program, given: Arguments, named: Named) -> Any:
    """`x.to(dtype)`."""
    kind = given[1] if len(given) > 1 else named.get("dtype")
    if isinstance(given[0], Pointer):
        return _pointer_to(given[0], kind)
    if not isinstance(kind, Type):
        return given[0]
    block = as_block(given[0])
    _convert(program, block, kind.name)
    data = block.data
    if data is not None and is_float(block.dtype) and not is_float(kind.name):
        with np.errstate(all="ignore"):
            data = np.nan_to_num(data, posinf=0, neginf=0).astype(np.int64)
    kept = block.axes if is_float(block.dtype) is is_float(kind.name) else block.axes and equal_where(block.axes)
    return Block(block.shape, kind.name, data, block.depth, kept)


def _convert(program: Program, block: Block, dtype: str) -> None:
    if block.dtype == dtype or not block.shape or "i1" in (block.dtype, dtype):
        return
    kinds = (block.dtype, dtype)
    if any(kind.startswith("fp8") for kind in kinds):
        price = prices.CONVERSION_8
    elif "fp64" in kinds or ({"i64", "u64"} & set(kinds) and any(map(is_float, kinds))):
        price = prices.CONVERSION_64
    elif not any(map(is_float, kinds)):
        price = Price(0.5)
    else:
        price = prices.CONVERSION
    pay(program, price, block.shape, "fp32", block.axes)


def bitcast(program: Program, given: Arguments, named: Named) -> Any:
    """The same bits as another type."""
    block = as_block(given[0])
    return Block(block.shape, given[1].name, None if is_float(given[1].name) else block.data, block.depth)


def number_of(value: Any) -> float:
    """The one number that a value is."""
    data = as_block(value).data
    if data is None:
        raise CannotTellError("how often a loop is executed depends on its data")
    return float(data.flat[0])
