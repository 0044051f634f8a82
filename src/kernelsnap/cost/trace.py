"""What one program of a kernel did: which memory it touched, and how many instructions of which class it needed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kernelsnap.cost.axes import spread
from kernelsnap.cost.blocks import BYTES, Array, Block, Pointer

SECTOR = 32
_LINE = 128
# How much longer memory takes for addresses that were loaded, of which each is in another row of it.
_SCATTERED = 1.55
# Sectors between two of them, on the mean, from which on they are in other rows of memory.
_FAR = 16
# Instructions of each warp in which a program begins, for each load and store, and to convert an element's layout
# through shared memory: read off what ptxas generates.
_BEGINNING, _ADDRESS, _CONVERSION = 14.0, 2.0, 3.0
# An address has two words, and those of neighbouring rows go through the same banks of shared memory.
_POINTER = 6.0
#: Instructions of a warp, by the unit that executes them. `issue` counts all of them, `loop` those in loops;
#: `exchange` what goes from one thread to another.
Unit = Literal["issue", "loop", "alu", "sfu", "fp64", "exchange"]


Kind = Literal["load", "store", "atomic"]


@dataclass(frozen=True)
class Layout:
    """Which elements of a block a thread has."""

    shape: tuple[int, ...]
    order: tuple[int, ...]  # its axes, along which neighbouring threads are neighbours first
    width: int  # neighbouring elements of each thread, by the addresses
    vector: int  # elements that it moves at once
    same: int  # neighbours with one address, which a thread loads once


@dataclass(frozen=True, eq=False)
class Request:
    """The addresses of a load or store in bytes, which of them it asks for, and by which threads."""

    address: Array
    seen: Array | None
    layout: Layout


@dataclass(frozen=True)
class Access:
    """One load or store, as it was executed in one turn of its loop."""

    buffer: str
    kind: Kind
    turn: tuple[tuple[int, int], ...]  # the loops that it is in, each with the turn that was executed
    weight: float  # how many turns it stands for
    sectors: Array  # the numbers of the 32-byte sectors, each once
    lanes: int  # elements that were asked for
    bursts: float  # sectors that memory gives: it reads two at a time
    depth: int
    request: Request

    def by_elements(self, threads: int) -> bool:
        """Whether it is a load in a loop of which a thread has several elements, and loads each for itself."""
        several = math.prod(self.request.layout.shape) > threads and self.request.layout.same == 1
        return self.kind == "load" and bool(self.turn) and self.narrow and several

    @property
    def partly(self) -> bool:
        """Whether it writes a few elements of each sector, at addresses that were loaded."""
        return self.kind == "store" and self.depth > 0 and self.lanes < 4 * self.sectors.size

    @property
    def narrow(self) -> bool:
        """Whether each thread moves single elements."""
        return self.request.layout.vector == 1


@dataclass
class Trace:
    """What was counted of one program; `weight` is how often the current turn of the current loops is executed."""

    threads: int  # of the program
    extents: Mapping[str, int] = field(default_factory=dict)  # bytes of each buffer, as far as known
    accesses: list[Access] = field(default_factory=list)
    units: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    flops: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # of tensor cores, by type
    waits: float = 0.0  # how often in its life it waits for memory
    barriers: float = 0.0  # and for its other warps
    chain: float = 0.0  # clocks of steps of which each needs the one before
    weight: float = 1.0
    turn: tuple[tuple[int, int], ...] = ()
    widest: int = 1  # elements of the largest block
    dot_bytes: float = 0.0
    widths: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = field(default_factory=dict)  # by shape and order

    def count(self, unit: Unit, elements: int, each: float = 1.0) -> None:
        """Count instructions for a block of as many elements; a small block is computed by all warps."""
        lanes = max(elements, self.threads)
        self.widest = max(self.widest, elements)
        self.units[unit] += self.weight * each * lanes / 32
        if unit == "issue" and self.turn:
            self.units["loop"] += self.weight * each * lanes / 32

    def access(self, kind: Kind, pointer: Pointer, mask: Block | None) -> None:
        """Note the memory that a load or store touches."""
        seen = None if mask is None or mask.data is None or mask.data.all() else mask.data.astype(bool)
        address = pointer.offset.astype(np.int64) * BYTES[pointer.dtype]
        if pointer.depth and (extent := self.extents.get(pointer.buffer)):
            address %= extent  # what was loaded is some number; as an index it is inside
        if seen is not None:
            address, seen = np.broadcast_arrays(address, seen)
        touched = (address if seen is None else address[seen]).ravel()
        sectors = distinct(touched // SECTOR)
        layout = layout_of(kind, pointer, mask, address.shape or (1,))
        like = layout.shape, layout.order
        self.widths[like] = max(self.widths.get(like, 1), layout.width)
        self.accesses.append(
            Access(
                pointer.buffer,
                kind,
                self.turn,
                self.weight,
                sectors,
                int(touched.size),
                _bursts(kind, sectors, touched.size, pointer.depth),
                pointer.depth,
                Request(address, seen, layout),
            )
        )

    def end(self) -> None:
        """Count what every program has beside its text: its beginning, and layouts that are converted to each other."""
        for access in self.accesses:
            self.units["issue"] += self.threads / 32 * _ADDRESS * access.weight
        self.units["issue"] += self.threads / 32 * _BEGINNING
        for access in self.accesses:
            # Values come from loads to where they are stored, and so do addresses that were loaded.
            if access.kind == "load" and not access.depth:
                continue
            ends, shape = self.threads_of(access), access.request.layout.shape
            if any(
                other.kind == "load" and other.request.layout.shape == shape and self.threads_of(other) != ends
                and (access.kind != "load" or other.depth < access.depth)
                for other in self.accesses
            ):  # fmt: skip
                each = access.weight * max(math.prod(shape), self.threads) / 32
                words = _POINTER if access.kind == "load" else 1.0
                self.units["issue"] += min(words, 2.0) * each * _CONVERSION
                self.units["exchange"] += words * each
                self.barriers += access.weight * 2

    def threads_of(self, access: Access) -> tuple[tuple[int, ...], int]:
        """The order of the axes, and how many neighbours a thread has."""
        layout = access.request.layout
        each = min(self.widths[layout.shape, layout.order], max(1, math.prod(layout.shape) // self.threads))
        return layout.order, each if access.kind == "load" else min(each, layout.width)

    def along(self, shape: tuple[int, ...], axis: int | None) -> tuple[int, int]:
        """How many threads of a warp, and how many warps, have elements of one row along an axis of a block."""
        if axis is None:
            return 32, max(1, self.threads // 32)
        known = [(width, order) for (of, order), width in self.widths.items() if of == shape]
        width, order = max(known) if known else (1, tuple(range(len(shape)))[::-1])
        lanes, warps = 32, max(1, self.threads // 32)
        for at in order:
            size = max(1, shape[at] // (min(width, max(1, math.prod(shape) // self.threads)) if at == order[0] else 1))
            mine = min(lanes, size), min(warps, max(1, size // lanes))
            if at == axis % len(shape):
                return mine
            lanes, warps = lanes // mine[0], warps // mine[1]
        return 1, 1

    def lines(self, access: Access) -> float:
        """128-byte lines that the requests of all warps of a load or store touch, each request by one warp.

        Threads have as many neighbours as the widest access of the same shape and order gives them (Triton's pass for
        coalescing), but a store no more than one instruction moves.
        """
        _, each = self.threads_of(access)
        size = math.prod(access.request.layout.shape)
        copies = max(1.0, self.threads * each / max(1, size)) if access.kind == "load" else 1.0
        return copies * _touched_by_warps(access.request, each, _LINE)

    def requests(self, access: Access) -> float:
        """Sectors that an atomic is sent to: one for each that a warp touches."""
        return _touched_by_warps(access.request, self.threads_of(access)[1], SECTOR)


def _bursts(kind: Kind, sectors: Array, lanes: int, depth: int) -> float:
    """Sectors that memory has to give: two at a time, and more slowly where each element is somewhere else."""
    if kind != "load":
        return float(sectors.size)
    pairs = 2.0 * distinct(sectors // 2).size
    far = sectors.size > 1 and sectors[-1] - sectors[0] > _FAR * sectors.size
    return pairs * _SCATTERED if depth and 2 * sectors.size > lanes and far else pairs


def layout_of(kind: Kind, pointer: Pointer, mask: Block | None, shape: tuple[int, ...]) -> Layout:
    """How Triton lays out the threads of an access: from what it knows of the addresses, whatever they are.

    First comes the axis with most neighbours; where none has any, the first axis, as Triton does up to 3.6, with which
    all times were measured (3.7 takes the last). A vector of 16 bytes begins at a multiple of 16, and has one mask.
    """
    axes = spread(pointer.axes, pointer.shape, shape)
    order = tuple(sorted(range(len(shape)), key=lambda axis: -axes.contiguity[axis]))
    first, size = order[0], BYTES[pointer.dtype]
    width = min(max(1, axes.divisibility[first] // size), axes.contiguity[first], shape[first], 16 // size)
    vector = width
    if mask is not None:
        vector = min(vector, spread(mask.axes, mask.shape, shape).constancy[first])
    same = axes.constancy[first] if kind == "load" else 1
    return Layout(shape, order, max(1, width), max(1, vector), same)


def _touched_by_warps(request: Request, each: int, unit: int) -> int:
    """Lines or sectors that all requests of an access touch, each request by one warp."""
    layout = request.layout
    address, seen = (
        None if part is None else part.reshape(layout.shape).transpose(layout.order[::-1]).ravel()
        for part in (request.address, request.seen)
    )
    assert address is not None
    line = address // unit
    index = np.arange(line.size)
    same, vector = math.gcd(layout.same, each), min(layout.vector, each)
    if same > 1:
        once = index % same == 0
        line, index, seen = line[once], index[once], None if seen is None else seen[once]
    group = index // (32 * each) * (each // vector) + index % each // vector
    if seen is not None:
        line, group = line[seen], group[seen]
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
