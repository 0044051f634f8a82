"""Loads, stores and atomics of kernels on stand-ins, what addresses are made of, and conversions of types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelsnap.cost import operations as prices
from kernelsnap.cost.arithmetic import pay
from kernelsnap.cost.blocks import BYTES, Array, Block, Pointer, as_block, axes_of, drawn, is_float, shared_shape
from kernelsnap.cost.operations import Price
from kernelsnap.cost.program import Arguments, Named, PointerTo, Program, Type
from kernelsnap.cost.shapes import shape_of
from kernelsnap.cost.unknown import CannotTellError


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
        return Pointer(self.base.buffer, self.base.dtype, offset, self.base.depth)


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
    data = None if mask is None else mask.data
    program.trace.access("load", pointer, data)
    depth = max(pointer.depth, 0 if mask is None else mask.depth) + 1
    if pointer.buffer in program.loaded:
        return Block(shape, pointer.dtype, np.broadcast_to(np.asarray(program.loaded[pointer.buffer]), shape), depth)
    if is_float(pointer.dtype) or pointer.dtype == "i1":
        return Block(shape, pointer.dtype, None, depth)
    number = program.buffers.setdefault(pointer.buffer, len(program.buffers))
    return Block(shape, pointer.dtype, np.broadcast_to(drawn(pointer, number), shape), depth)


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
    program.trace.access("store", Pointer(pointer.buffer, pointer.dtype, offset, pointer.depth, pointer.opaque),
                         None if mask is None else mask.data)  # fmt: skip


def atomic(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.atomic_add(pointer, value, mask)` and the like."""
    pointer = given[0]
    mask = _mask(given[2] if len(given) > 2 else named.get("mask"))
    value = as_block(given[1])
    shape = shared_shape(pointer.shape, value.shape, () if mask is None else mask.shape)
    offset = np.broadcast_to(pointer.offset, shape)
    program.trace.access("atomic", Pointer(pointer.buffer, pointer.dtype, offset, pointer.depth, pointer.opaque),
                         None if mask is None else mask.data)  # fmt: skip
    return Block(shape, pointer.dtype, None, pointer.depth + 1)


def _pointer_to(pointer: Pointer, kind: Any) -> Pointer:
    """The same addresses, of elements of another type."""
    if not isinstance(kind, PointerTo):
        return pointer
    offset = pointer.offset * BYTES[pointer.dtype] // BYTES[kind.name]
    return Pointer(pointer.buffer, kind.name, offset, pointer.depth, pointer.opaque)


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
    opaque = axes_of(block.shape) if is_float(block.dtype) else block.opaque
    return Block(block.shape, kind.name, data, block.depth, opaque)


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
    pay(program, price, block.shape, "fp32")


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
