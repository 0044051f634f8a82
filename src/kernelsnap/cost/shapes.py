"""Making blocks and giving them other shapes, on stand-ins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kernelsnap.cost import operations as prices
from kernelsnap.cost.arithmetic import elementwise
from kernelsnap.cost.axes import Axes, chosen, of_range, spread, with_new_axes
from kernelsnap.cost.blocks import Block, Pointer, as_block, check_size, is_float, known, wider
from kernelsnap.cost.program import Arguments, Named, Program, Type
from kernelsnap.errors import CannotTellError


def arange(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.arange(start, stop)`."""
    start, stop = (int(as_block(value).data) for value in given[:2])  # type: ignore[arg-type]
    check_size((stop - start,))
    return known(np.arange(start, stop), "i32", of_range(start, stop))


def full(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.full(shape, value, dtype)`."""
    kind = given[2] if len(given) > 2 else named.get("dtype", Type("fp32"))
    value = as_block(given[1])
    shape = shape_of(given[0])
    data = None if value.data is None else np.broadcast_to(value.data, shape)
    return Block(shape, kind.name, data, 0, value.axes and spread(value.axes, value.shape, shape))


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
        return Pointer(value.buffer, value.dtype, np.broadcast_to(value.offset, shape), value.depth,
                       value.axes and spread(value.axes, value.shape, shape))  # fmt: skip
    block = as_block(value)
    if block.shape == shape:
        return block
    data = None if block.data is None else np.broadcast_to(block.data, shape)
    return Block(shape, block.dtype, data, block.depth, block.axes and spread(block.axes, block.shape, shape))


def where(program: Program, given: Arguments, named: Named) -> Any:
    """`tl.where(condition, a, b)`."""
    if any(isinstance(value, Pointer) for value in given):
        raise CannotTellError("an address is chosen by a condition")
    condition, left, right = map(as_block, given[:3])
    # A mask that follows from indexes alone and is true everywhere is one that the compiler drops.
    dropped = condition.data is not None and not condition.depth and bool(condition.data.all())
    price = prices.FREE if dropped else prices.CONDITION
    picked = elementwise(program, lambda c, a, b: np.where(c, a, b), price, [condition, left, right])
    axes = _picked(condition, left, right, picked.shape)
    return Block(picked.shape, wider(left, right), picked.data, picked.depth, axes)


def _picked(condition: Block, left: Block, right: Block, shape: tuple[int, ...]) -> Axes | None:
    if left.axes is None and right.axes is None:
        return None
    return chosen(*(spread(block.axes, block.shape, shape) for block in (condition, left, right)))


def reshaped(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.reshape(x, shape)`."""
    block = as_block(given[0])
    shape = shape_of(given[1]) if len(given) == 2 else shape_of(tuple(given[1:])) if len(given) > 2 else (block.size,)
    if math.prod(shape) != block.size:
        raise CannotTellError("a block is reshaped to another number of elements")
    return Block(shape, block.dtype, None if block.data is None else block.data.reshape(shape), block.depth)


def transposed(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.trans(x)`."""
    block = as_block(given[0])
    order = _order(given[1:], len(block.shape))
    data = None if block.data is None else block.data.transpose(order)
    return Block(tuple(block.shape[axis] for axis in order), block.dtype, data, block.depth)


def _order(given: Arguments, rank: int) -> tuple[int, ...]:
    values = given[0] if len(given) == 1 and isinstance(given[0], tuple) else tuple(given)
    return tuple(map(int, values)) or tuple(range(rank))[::-1]


def expanded(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.expand_dims(x, axis)`."""
    block = as_block(given[0])
    axis = int(given[1])
    shape = list(block.shape)
    place = axis if axis >= 0 else len(shape) + 1 + axis
    shape.insert(place, 1)
    axes = block.axes and with_new_axes(block.axes, tuple(at == place for at in range(len(shape))))
    return Block(tuple(shape), block.dtype, None if block.data is None else block.data.reshape(shape), block.depth,
                 axes)  # fmt: skip


def joined(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.join(a, b)`."""
    left, right = map(as_block, given[:2])
    return Block((*left.shape, 2), left.dtype, None, max(left.depth, right.depth))
