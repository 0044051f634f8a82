"""Making blocks and giving them other shapes, on stand-ins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kernelsnap.cost import operations as prices
from kernelsnap.cost.arithmetic import elementwise
from kernelsnap.cost.blocks import Block, Pointer, as_block, axes_of, check_size, is_float, known, wider
from kernelsnap.cost.program import Arguments, Named, Program, Type
from kernelsnap.cost.unknown import CannotTellError


def arange(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.arange(start, stop)`."""
    start, stop = (int(as_block(value).data) for value in given[:2])  # type: ignore[arg-type]
    check_size((stop - start,))
    return known(np.arange(start, stop), "i32")


def full(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.full(shape, value, dtype)`."""
    kind = given[2] if len(given) > 2 else named.get("dtype", Type("fp32"))
    value = as_block(given[1])
    shape = shape_of(given[0])
    data = None if value.data is None else np.broadcast_to(value.data, shape)
    return Block(shape, kind.name, data)


def zeros(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.zeros(shape, dtype)`."""
    kind = given[1] if len(given) > 1 else named["dtype"]
    return Block(shape_of(given[0]), kind.name, None if is_float(kind.name) else np.zeros(shape_of(given[0]), np.int64))


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape that the text gives."""
    values = value if isinstance(value, tuple | list) else (value,)
    return check_size(tuple(int(as_block(size).data) for size in values))  # type: ignore[arg-type]


def spread_out(program: Program, given: Arguments, named: Named) -> Block | Pointer:
    """`tl.broadcast_to(x, shape)`."""
    value = given[0]
    shape = shape_of(given[1] if len(given) == 2 else tuple(given[1:]))
    if isinstance(value, Pointer):
        return Pointer(value.buffer, value.dtype, np.broadcast_to(value.offset, shape), value.depth, value.opaque)
    block = as_block(value)
    data = None if block.data is None else np.broadcast_to(block.data, shape)
    return Block(shape, block.dtype, data, block.depth, block.opaque)


def where(program: Program, given: Arguments, named: Named) -> Any:
    """`tl.where(condition, a, b)`."""
    if any(isinstance(value, Pointer) for value in given):
        raise CannotTellError("an address is chosen by a condition")
    condition, left, right = map(as_block, given[:3])
    picked = elementwise(program, lambda c, a, b: np.where(c, a, b), prices.CONDITION, [condition, left, right])
    return Block(picked.shape, wider(left, right), picked.data, picked.depth, picked.opaque)


def reshaped(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.reshape(x, shape)`."""
    block = as_block(given[0])
    shape = shape_of(given[1]) if len(given) == 2 else shape_of(tuple(given[1:])) if len(given) > 2 else (block.size,)
    if math.prod(shape) != block.size:
        raise CannotTellError("a block is reshaped to another number of elements")
    return Block(shape, block.dtype, None if block.data is None else block.data.reshape(shape), block.depth,
                 axes_of(tuple(shape)) if block.opaque else block.opaque)  # fmt: skip


def transposed(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.trans(x)`."""
    block = as_block(given[0])
    order = _order(given[1:], len(block.shape))
    data = None if block.data is None else block.data.transpose(order)
    return Block(tuple(block.shape[axis] for axis in order), block.dtype, data, block.depth, block.opaque)


def _order(given: Arguments, rank: int) -> tuple[int, ...]:
    values = given[0] if len(given) == 1 and isinstance(given[0], tuple) else tuple(given)
    return tuple(map(int, values)) or tuple(range(rank))[::-1]


def expanded(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.expand_dims(x, axis)`."""
    block = as_block(given[0])
    axis = int(given[1])
    shape = list(block.shape)
    shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, 1)
    return Block(tuple(shape), block.dtype, None if block.data is None else block.data.reshape(shape), block.depth,
                 axes_of(tuple(shape)) if block.opaque else block.opaque)  # fmt: skip


def joined(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.join(a, b)`."""
    left, right = map(as_block, given[:2])
    return Block((*left.shape, 2), left.dtype, None, max(left.depth, right.depth))
