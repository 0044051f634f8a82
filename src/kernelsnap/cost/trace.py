"""What one program of a kernel did: which memory it touched, and how many instructions of which class it needed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kernelsnap.cost.blocks import BYTES, Array, Axes, Pointer

SECTOR = 32
_LINE = 128
# The part of a block from which on it counts as a whole.
_MOSTLY = 0.8
# How much longer memory takes for addresses that were loaded, of which each is in another row of it.
_SCATTERED = 1.55
#: Instructions of a warp, by the unit that executes them. `issue` counts all of them.
Unit = Literal["issue", "sfu", "fp64", "int", "memory", "atomic", "barrier"]


@dataclass(frozen=True)
class Access:
    """One load or store, as it was executed in one turn of its loop."""

    buffer: str
    kind: Literal["load", "store", "atomic"]
    turn: tuple[tuple[int, int], ...]  # the loops that it is in, each with the turn that was executed
    weight: float  # how many turns it stands for
    sectors: Array  # the numbers of the 32-byte sectors, each once
    lanes: int  # elements that were asked for
    lines: int  # 128-byte lines that the requests of all warps touch
    narrow: bool  # whether each thread moves single elements
    bursts: float  # sectors that memory gives: it reads two at a time
    depth: int = 0


@dataclass
class Trace:
    """What was counted of one program; `weight` is how often the current turn of the current loops is executed."""

    threads: int  # of the program
    accesses: list[Access] = field(default_factory=list)
    units: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    flops: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # of tensor cores, by type
    odd: bool = False  # whether a mask may end inside a vector of four elements
    waits: float = 0.0  # how often in its life it waits for memory
    barriers: float = 0.0  # and for its other warps
    chain: float = 0.0  # clocks of steps of which each needs the one before
    weight: float = 1.0
    turn: tuple[tuple[int, int], ...] = ()
    widest: int = 1  # elements of the largest block
    dot_bytes: float = 0.0

    def count(self, unit: Unit, elements: int, each: float = 1.0) -> None:
        """Count instructions for a block of as many elements; a small block is computed by all warps."""
        lanes = max(elements, self.threads)
        self.widest = max(self.widest, elements)
        self.units[unit] += self.weight * each * lanes / 32

    def access(self, kind: Literal["load", "store", "atomic"], pointer: Pointer, mask: Array | None) -> None:
        """Note the memory that a load or store touches."""
        offset = pointer.offset.astype(np.int64)
        seen = None
        if mask is not None and not mask.all():
            offset, seen = np.broadcast_arrays(offset, mask)
        size = BYTES[pointer.dtype]
        vector = vector_of(offset * size, size, mask if self.odd else None, pointer.opaque)
        lines = _lines(offset * size, size, seen, vector)
        address = (offset if seen is None else offset[seen]).ravel() * size
        sectors = distinct(address // SECTOR)
        self.accesses.append(
            Access(
                pointer.buffer,
                kind,
                self.turn,
                self.weight,
                sectors,
                int(address.size),
                lines,
                vector[1] == 1,
                _bursts(sectors, address.size, pointer.depth),
                pointer.depth,
            )
        )


def _bursts(sectors: Array, lanes: int, depth: int) -> float:
    """Sectors that memory has to give: two at a time, and more slowly where each element is somewhere else."""
    pairs = 2.0 * distinct(sectors // 2).size
    return pairs * _SCATTERED if depth and 2 * sectors.size > lanes else pairs


def vector_of(address: Array, size: int, mask: Array | None, opaque: Axes = frozenset()) -> tuple[int, int]:
    """The axis along which neighbouring threads have neighbouring elements, and how many a thread moves at once.

    Triton takes the axis along which addresses are contiguous; if none is, the first (`order` in its pass for
    coalescing). Of an `opaque` axis it does not know that, whatever the addresses are. A vector of 16 bytes begins at a
    multiple of 16, and has one mask.
    """
    for axis in range(address.ndim - 1, -1, -1):
        if address.shape[axis] > 1 and axis - address.ndim not in opaque:
            ends = np.take(address, [0, 1], axis=axis)
            if (ends[_at(axis, 1)] - ends[_at(axis, 0)] == size).mean() > _MOSTLY:
                if mask is not None and mask.ndim == address.ndim and mask.shape[axis] > 1:
                    return axis, 1
                starts = ends[_at(axis, 0)]
                aligned = (starts % 16 == 0).mean() > _MOSTLY
                return axis, max(1, 16 // size) if aligned else 1
    return 0, 1


def _at(axis: int, index: int) -> tuple[slice | int, ...]:
    return (slice(None),) * axis + (index,)


def _lines(address: Array, size: int, seen: Array | None, vector: tuple[int, int]) -> int:
    """128-byte lines that all requests of a block touch, each request by one warp."""
    fastest, width = vector
    if address.ndim > 1:
        address = np.moveaxis(address, fastest, -1)
        seen = None if seen is None else np.moveaxis(seen, fastest, -1)
    line = address.ravel() // _LINE
    group = np.arange(line.size) // (32 * width)
    if seen is not None:
        line, group = line[seen.ravel()], group[seen.ravel()]
    if not line.size:
        return 0
    least = int(line.min())
    return int(distinct(group * (int(line.max()) - least + 1) + (line - least)).size)


def distinct(values: Array) -> Array:
    """Each number once, in order: at once where they are in order, as addresses mostly are."""
    if values.size < 2:
        return values
    steps = np.diff(values)
    if (steps < 0).any():
        values = np.sort(values)
        steps = np.diff(values)
    return values[np.concatenate(([True], steps > 0))]
