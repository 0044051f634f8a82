"""What goes over an axis of a block: reductions, scans, sorts and matrix products, on stand-ins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from kernelsnap.cost import operations as prices
from kernelsnap.cost.arithmetic import pay
from kernelsnap.cost.blocks import BYTES, Block, as_block, shared_shape, wider
from kernelsnap.cost.operations import Price
from kernelsnap.cost.program import Arguments, Local, Named, Program
from kernelsnap.errors import CannotTellError

# Clocks of the steps of a scan across threads, of which each needs the one before.
_SCAN = 45.0
# Instructions of one step of a binary search.
_SEARCH = 10.0


def reduction(each: float, barriers: float = 1.0, results: int = 1) -> Callable[[Program, Arguments, Named], Any]:
    """Something that goes over one axis: instructions for each element of each operand, and waits for other warps."""

    def reduce(program: Program, given: Arguments, named: Named) -> Any:
        operands = given[0] if isinstance(given[0], tuple) else tuple(v for v in given if isinstance(v, Block))
        first = as_block(operands[0])
        axis = _axis(given, named)
        shape = _without(first.shape, axis, bool(named.get("keep_dims")))
        pay(program, Price(each, 0.0, each), first.shape, first.dtype)
        count = len(operands) if isinstance(given[0], tuple) else results
        _across_threads(program, first, axis, each, count)
        program.trace.barriers += program.trace.weight * barriers
        depth = max(as_block(operand).depth for operand in operands)
        made = tuple(
            Block(shape, as_block(operands[min(i, len(operands) - 1)]).dtype, None, depth) for i in range(count)
        )
        return made[0] if count == 1 and not isinstance(given[0], tuple) else made

    return reduce


def welford(program: Program, given: Arguments, named: Named) -> Any:
    """A mean and a variance of several: with a division for each, unless how many each is of is known."""
    known = as_block(given[2]).depth == 0
    return reduction(10.0 if known else 35.0, 3.0, 3)(program, given, named)


def _across_threads(program: Program, block: Block, axis: int | None, each: float, count: int) -> None:
    """What threads of a warp exchange: in each step a half of them gives its result to the other; then warps do."""
    trace = program.trace
    lanes, warps = trace.along(block.shape, axis)
    # The result of a matrix product has a row in four threads of a warp.
    lanes = min(4, lanes) if trace.flops else lanes
    results = max(1, block.size // (block.size if axis is None else block.shape[axis]))
    held = max(1.0, results * lanes * warps / trace.threads)
    steps = held * math.log2(lanes)
    every_warp = trace.weight * trace.threads / 32
    trace.units["issue"] += every_warp * (steps * (1 + each) + 10)
    trace.units["exchange"] += every_warp * (steps + (2 * held if warps > 1 else 0.0)) * count


def _axis(given: Arguments, named: Named) -> int | None:
    axis = named.get("axis", named.get("dim"))
    if axis is None:
        axis = next((value for value in given if type(value) is int), None)
    return axis


def _without(shape: tuple[int, ...], axis: int | None, kept: bool) -> tuple[int, ...]:
    if axis is None:
        return (1,) * len(shape) if kept else ()
    axis %= max(1, len(shape))
    return (*shape[:axis], *((1,) if kept else ()), *shape[axis + 1 :])


def combination(each: Price, results: int, clocks: float) -> Callable[[Program, Arguments, Named], Any]:
    """One step of a reduction that keeps several numbers, and the clocks until the next step can begin."""

    def combine(program: Program, given: Arguments, named: Named) -> Any:
        blocks = [value for value in given if isinstance(value, Block)]
        shape = shared_shape(*(block.shape for block in blocks))
        pay(program, each, shape, max((block.dtype for block in blocks), key=lambda kind: kind == "fp64"))
        depth = max(block.depth for block in blocks)
        program.trace.chain += program.trace.weight * clocks
        # How many elements there were so far does not depend on their values.
        counted = (depth, depth, blocks[3].depth if len(blocks) > 3 else depth)
        return tuple(Block(shape, blocks[0].dtype, None, counted[index]) for index in range(results))

    return combine


def scan(program: Program, given: Arguments, named: Named) -> Any:
    """`tl.associative_scan(x, axis, combine)`."""
    operands = given[0] if isinstance(given[0], tuple) else (given[0],)
    first = as_block(operands[0])
    combine = next((value for value in (*given, *named.values()) if isinstance(value, Local)), None)
    before = program.trace.units["issue"]
    if combine is not None and program.call is not None:
        program.call(combine, [as_block(operand) for operand in operands] * 2)
    else:
        pay(program, prices.ONE, first.shape, first.dtype)
    # Each thread goes over its elements twice: to sum them up, and when the sum of all before them is known.
    once = program.trace.units["issue"] - before
    axis = _axis(given[:2], named)
    rows = first.size // first.shape[axis or 0]
    lanes = min(32, first.shape[axis or 0])
    held = max(1.0, rows * lanes / program.trace.threads)
    each = once * 32 / max(first.size, program.trace.threads)
    steps = held * math.log2(max(2, lanes)) * (1 + each / program.trace.weight) + 36
    program.trace.units["issue"] += once + program.trace.weight * program.trace.threads / 32 * steps
    exchanged = held * math.log2(max(2, lanes)) * len(operands)
    program.trace.units["exchange"] += program.trace.weight * program.trace.threads / 32 * exchanged
    program.trace.barriers += 4 * program.trace.weight
    program.trace.chain += program.trace.weight * _SCAN
    made = tuple(Block(as_block(o).shape, as_block(o).dtype, None, as_block(o).depth) for o in operands)
    return made if isinstance(given[0], tuple) else made[0]


def sort(program: Program, given: Arguments, named: Named) -> Any:
    """A sort along the last axis."""
    blocks = [value for value in given if isinstance(value, Block)]
    stages = math.log2(max(2, blocks[0].shape[-1]))
    # A bitonic network: every element is exchanged in each of its steps.
    steps = stages * (stages + 1) / 2
    pay(program, Price(9.0 * steps), blocks[0].shape, "fp32")
    program.trace.barriers += program.trace.weight * steps / 2
    made = tuple(Block(block.shape, block.dtype, None, block.depth) for block in blocks[:2])
    return made if len(made) > 1 else made[0]


def search(program: Program, given: Arguments, named: Named) -> Block:
    """`bucketize_binary_search(values, boundaries, how many, ...)`: a load after the other, each from L1 or L2."""
    values = as_block(given[0])
    count = as_block(given[2]).data
    steps = math.ceil(math.log2(2 if count is None else max(2, int(count.flat[0]))))
    pay(program, Price(_SEARCH * steps), values.shape, "i32")
    program.trace.waits += program.trace.weight * steps / 4
    return Block(values.shape, "i64", None, values.depth + 1)


def dot(program: Program, given: Arguments, named: Named) -> Block:
    """`tl.dot(a, b, accumulator)`."""
    left, right = as_block(given[0]), as_block(given[1])
    if len(left.shape) != 2 or len(right.shape) != 2:
        raise CannotTellError("a product of blocks that are no matrices")
    (rows, inner), columns = left.shape, right.shape[1]
    kind = wider(left, right)
    if kind == "fp32":
        precise = named.get("input_precision", "ieee" if named.get("allow_tf32") is False else "tf32")
        kind = "fp32" if precise == "ieee" else "tf32"
    program.trace.flops[kind] += program.trace.weight * 2.0 * rows * inner * columns
    program.trace.dot_bytes += program.trace.weight * (rows + columns) * inner * BYTES[left.dtype]
    program.trace.widest = max(program.trace.widest, rows * columns)
    return Block((rows, columns), "fp32", None, max(left.depth, right.depth))


def select_one(program: Program, given: Arguments, named: Named) -> Block:
    """The one element that a mask picks."""
    made = reduction(2.0)(program, [given[0], named.get("dim", given[2] if len(given) > 2 else 0)], named)
    return Block(made.shape, made.dtype, None, made.depth)


def index_of(program: Program, given: Arguments, named: Named) -> Any:
    """The largest or least element, and where it is."""
    return reduction(6.0, 1.0, 2)(program, given, named)
