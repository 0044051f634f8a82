"""What all programs of one launch do together, from a few of them that were executed."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kernelsnap.cost.blocks import BYTES, Array
from kernelsnap.cost.interpret import run
from kernelsnap.cost.program import Program
from kernelsnap.cost.trace import SECTOR, Access, Trace, distinct
from kernelsnap.errors import CannotTellError

_MOST_PROBES = 14
# What a sector takes of which a few elements are written: it is read before.
_PARTLY_WRITTEN = 4.5
# And what each of these elements takes of what goes through L2, which writes no part of a sector at once.
_ELEMENT_WRITTEN = 3.0 * SECTOR
# Programs that run at a time, as most kernels have them.
_AT_A_TIME = 1024
# Of kernels whose programs take turns, so many rounds are executed.
_ROUNDS = 4
# Programs that are executed where they load different things.
_SPREAD = 16


@dataclass(frozen=True)
class Reread:
    """Bytes that are read again, after others were moved; between them are `between` programs, or all that run."""

    size: float
    between: float | None  # None: one pass of all programs that run at a time
    over: float = 0.0  # where it may be any address: the bytes of all of them


@dataclass(frozen=True)
class Touched:
    """What a launch moves of one buffer, in bytes."""

    buffer: str
    read: float  # each sector once
    written: float
    through: float  # what goes through L1, with all that is read again
    rereads: tuple[Reread, ...] = ()


@dataclass(frozen=True)
class Work:
    """The work of one launch."""

    programs: int
    warps: int  # of a program
    stages: int
    touched: tuple[Touched, ...]
    lines: float  # 128-byte lines that L1 is asked for
    units: Mapping[str, float]  # instructions of warps
    flops: Mapping[str, float]
    atomics: float  # sectors that they are sent to, each as often as it is
    atomic_sectors: float  # and how many sectors there are
    atomic_lanes: float
    waits: float  # of one program, for memory, outside of loops
    turns: float  # of its loops, that load
    barriers: float  # of one program
    chain: float  # clocks of one program in steps that need the one before
    widest: int  # elements of its largest block
    narrow: float  # of the bytes, those that threads move as single elements
    dot_bytes: float
    element_loops: bool  # whether a loop loads single elements, several of them a thread: it is not unrolled


@dataclass(frozen=True)
class Launch:
    """One kernel with one configuration, ready to be executed."""

    kernel: ast.FunctionDef
    functions: Mapping[str, ast.FunctionDef]
    arguments: Mapping[str, Any]
    grid: tuple[int, int, int]
    warps: int
    stages: int
    extents: Mapping[str, int]  # bytes of each buffer, as far as known
    loaded: Mapping[str, Any] = field(default_factory=dict)
    starts: tuple[int, ...] = (0,)  # programs from which on others do something else
    turns: int = 1  # kinds of programs that take turns


def work_of(launch: Launch) -> Work:
    """The work of a launch. Raises `CannotTellError`."""
    total = launch.grid[0] * launch.grid[1] * launch.grid[2]
    if total <= 0:
        raise CannotTellError("it is launched with no program")
    samples = _samples(launch, total)
    traces = {index: traced(launch, index) for index in samples}
    if total > len(samples) and any(not access.lanes for trace in traces.values() for access in trace.accesses):
        samples = _spread(total)  # what these leave out, others load: the parts of a `cat`, the inside of a padding
        traces = {index: traces.get(index) or traced(launch, index) for index in samples}
    weights = {index: samples[index] / total for index in samples}
    units, flops = _mean(traces, weights, "units", total), _mean(traces, weights, "flops", total)

    def sum_of(value: Any) -> float:
        return float(sum(value(traces[index]) * weights[index] for index in traces) * total)

    programs = _Programs(launch, total, {index: _Memory(traces[index].accesses) for index in traces}, weights)
    buffers = sorted({access.buffer for trace in traces.values() for access in trace.accesses})
    touched = tuple(_touched(programs, buffer) for buffer in buffers)
    atomics = [access for trace in traces.values() for access in trace.accesses if access.kind == "atomic"]
    return Work(
        programs=total,
        warps=launch.warps,
        stages=launch.stages,
        touched=touched,
        lines=sum_of(lambda trace: sum(trace.lines(a) * a.weight for a in trace.accesses)),
        units=units,
        flops=flops,
        atomics=sum_of(lambda t: sum(t.requests(a) * a.weight for a in t.accesses if a.kind == "atomic")),
        atomic_sectors=sum({a.buffer: _atomic_sectors(launch, a) for a in atomics}.values()),
        atomic_lanes=sum_of(lambda t: sum(a.lanes * a.weight for a in t.accesses if a.kind == "atomic")),
        waits=max(_waits(trace, False) for trace in traces.values()),
        turns=max(_waits(trace, True) for trace in traces.values()),
        barriers=max(trace.barriers for trace in traces.values()),
        chain=max(trace.chain for trace in traces.values()),
        widest=max(trace.widest for trace in traces.values()),
        narrow=_narrow(traces.values()),
        dot_bytes=sum_of(lambda trace: trace.dot_bytes),
        element_loops=any(a.by_elements(launch.warps * 32) for trace in traces.values() for a in trace.accesses),
    )


def _narrow(traces: Iterable[Trace]) -> float:
    """The part of the bytes that threads move one element at a time."""
    accesses = [access for trace in traces for access in trace.accesses]
    total = sum(access.sectors.size * access.weight for access in accesses)
    return sum(a.sectors.size * a.weight for a in accesses if a.narrow) / total if total else 0.0


def _atomic_sectors(launch: Launch, access: Access) -> float:
    return launch.extents.get(access.buffer, access.sectors.size * SECTOR) / SECTOR


def _samples(launch: Launch, total: int) -> dict[int, float]:
    """The programs to execute, each with how many it stands for."""
    if total <= 4:
        return dict.fromkeys(range(total), 1.0)
    if launch.turns > 1:
        rounds = max(1, launch.grid[0] // launch.turns)
        executed = sorted({part * rounds // _ROUNDS for part in range(_ROUNDS)})
        indexes = [r * launch.turns + kind for r in executed for kind in range(launch.turns)]
        return dict.fromkeys(indexes, total / len(indexes))
    found: dict[int, float] = {}
    ends = [*launch.starts[1:], launch.grid[0]]
    others = total // launch.grid[0]
    for start, end in zip(launch.starts, ends, strict=True):
        middle = start + (end - start) // 2
        chosen = {start, middle} if len(launch.starts) > 1 else {middle}
        if len(launch.starts) == 1:
            chosen |= {min(middle + 1, end - 1)}
            if others > 1:
                chosen |= {middle + launch.grid[0] * (others // 2)}
        for index in chosen:
            found[index] = found.get(index, 0.0) + (end - start) * others / len(chosen)
    return found


def _spread(total: int) -> dict[int, float]:
    """Programs all over the grid, at distances that are in step with no period of what they do (the golden ratio)."""
    indexes = {int(total * (part * 0.6180339887498949 % 1)) for part in range(1, _SPREAD + 1)}
    return dict.fromkeys(sorted(indexes), total / len(indexes))


def traced(launch: Launch, index: int) -> Trace:
    x, rest = index % launch.grid[0], index // launch.grid[0]
    ids = (x, rest % launch.grid[1], rest // launch.grid[1])
    trace = Trace(launch.warps * 32, launch.extents)
    run(Program(trace, launch.functions, ids, launch.grid, launch.loaded), launch.kernel, launch.arguments)
    trace.end()
    return trace


def _mean(traces: Mapping[int, Trace], weights: Mapping[int, float], name: str, total: int) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for index, trace in traces.items():
        for unit, value in getattr(trace, name).items():
            sums[unit] += value * weights[index] * total
    return dict(sums)


def _waits(trace: Trace, loops: bool) -> float:
    """How often a program waits for memory: once a turn, and once more where an address was loaded."""
    deepest: dict[tuple[tuple[int, int], ...], tuple[float, int]] = {}
    for access in trace.accesses:
        if access.kind != "store" and bool(access.turn) is loops:
            weight, depth = deepest.get(access.turn, (access.weight, 0))
            deepest[access.turn] = weight, max(depth, min(access.depth, 1 if loops else 2))
    return (0.0 if loops else trace.waits) + sum(weight * (1 + depth) for weight, depth in deepest.values())


class _Memory:
    """The sectors that one program touches, by buffer and by pass: a loop, or what is outside of loops."""

    def __init__(self, accesses: Sequence[Access]) -> None:
        self.reads: dict[str, dict[tuple[int, ...], tuple[float, Array]]] = {}
        self.writes: dict[str, dict[tuple[int, ...], tuple[float, Array]]] = {}
        self.scattered = {
            access.buffer for access in accesses if access.depth and 2 * access.sectors.size > access.lanes
        }
        self.partly: dict[str, float] = defaultdict(float)  # elements, by buffer
        for access in accesses:
            if access.partly:
                self.partly[access.buffer] += access.lanes * access.weight
        self.through: dict[tuple[str, str], float] = defaultdict(float)
        by_turn: dict[tuple[Any, ...], list[Access]] = defaultdict(list)
        for access in accesses:
            loops = tuple(loop for loop, _ in access.turn)
            by_turn[access.kind == "store", access.buffer, loops, access.turn].append(access)
        turns: dict[tuple[Any, ...], list[tuple[float, Array, float]]] = defaultdict(list)
        for (stores, buffer, loops, _), same in by_turn.items():
            sectors = _union([access.sectors for access in same])
            bursts = sum(access.bursts for access in same) / max(1, sum(access.sectors.size for access in same))
            turns[stores, buffer, loops].append((same[0].weight, sectors, bursts))
        for (stores, buffer, loops), parts in turns.items():
            footprint, sectors = _of_turns([(weight, touched) for weight, touched, _ in parts])
            self.through["writes" if stores else "reads", buffer] += footprint * SECTOR
            # Memory reads two sectors at a time; where one of them is not wanted, it is read all the same.
            footprint *= max(bursts for _, _, bursts in parts)
            (self.writes if stores else self.reads).setdefault(buffer, {})[loops] = footprint, sectors

    def once(self, side: str, buffer: str) -> tuple[float, float, Array]:
        """Of one buffer: bytes of sectors that are new to the program, bytes that it had before, the sectors."""
        new = again = 0.0
        seen: Array = np.empty(0, np.int64)
        for footprint, sectors in getattr(self, side).get(buffer, {}).values():
            share = 1.0
            if seen.size and sectors.size:
                share = 1.0 - np.isin(sectors, seen, assume_unique=True).mean()
            new += footprint * share
            again += footprint * (1 - share)
            seen = _union([seen, sectors])
        return new * SECTOR, again * SECTOR, seen


def _union(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else distinct(np.concatenate(parts))


def _of_turns(parts: Sequence[tuple[float, Array]]) -> tuple[float, Array]:
    """Sectors that a loop touches over all its turns, from those that were executed."""
    sizes = sum(sectors.size for _, sectors in parts)
    union = _union([sectors for _, sectors in parts])
    total = sum(weight * sectors.size for weight, sectors in parts)
    if len(parts) < 2 or not sizes:
        return total, union
    # 1 where each turn has sectors of its own, 0 where all have the same, which L1 keeps.
    new = max(0.0, (union.size / sizes * len(parts) - 1) / (len(parts) - 1))
    mean = sizes / len(parts)
    return mean + new * max(0.0, total - mean), union


@dataclass(frozen=True)
class _Programs:
    """The programs of a launch that were executed, and those that are executed to find out who reads the same."""

    launch: Launch
    total: int
    sampled: Mapping[int, _Memory]
    weights: Mapping[int, float]
    probed: dict[int, _Memory] = field(default_factory=dict)

    def memory(self, index: int) -> _Memory:
        """What a program touches; each is executed once, for all buffers."""
        found = self.sampled.get(index) or self.probed.get(index)
        if found is None:
            found = self.probed[index] = _Memory(traced(self.launch, index).accesses)
        return found


def _touched(programs: _Programs, buffer: str) -> Touched:
    read, read_rereads = _unique(programs, "reads", buffer)
    written, again = _unique(programs, "writes", buffer)
    through = sum(
        (memory.through["reads", buffer] + memory.through["writes", buffer]) * programs.weights[index]
        for index, memory in programs.sampled.items()
    )
    partly = sum(memory.partly[buffer] * programs.weights[index] for index, memory in programs.sampled.items())
    if partly:
        written *= _PARTLY_WRITTEN
        through += partly * _ELEMENT_WRITTEN
        read_rereads += [replace(one, size=one.size * _PARTLY_WRITTEN) for one in again]
    return Touched(buffer, read, written, through * programs.total, tuple(read_rereads))


def _unique(programs: _Programs, side: str, buffer: str) -> tuple[float, list[Reread]]:
    """Bytes of all programs together, each sector once, and what is read again."""
    once = {index: memory.once(side, buffer) for index, memory in programs.sampled.items()}
    each = sum(once[index][0] * programs.weights[index] for index in once)
    again = sum(once[index][1] * programs.weights[index] for index in once) * programs.total
    rereads = [Reread(float(again), None)] if again else []
    everything = each * programs.total
    known = programs.launch.extents.get(buffer)
    unique = everything if known is None else min(everything, max(SECTOR, known))
    if known is None and len(once) > 1:
        first, *others = (sectors for _, _, sectors in once.values())
        if first.size and all(other.size == first.size and (other == first).all() for other in others):
            unique = each
    if everything > unique * 1.02 and each:
        shared = everything - unique
        scattered = any(buffer in one.scattered for one in programs.sampled.values())
        if scattered:
            # Addresses inside a row, say, are read again by programs of the same row, which run at about the same time.
            spans = [float(sectors[-1] - sectors[0] + 1) for _, _, sectors in once.values() if sectors.size]
            rereads.append(Reread(float(shared), 0.0, min(float(unique), max(spans) * SECTOR * _AT_A_TIME)))
        elif side == "reads":
            rereads.append(Reread(float(shared), _between(programs, side, buffer, unique / each)))
    return unique, rereads


def _between(programs: _Programs, side: str, buffer: str, at_most: float) -> float:
    """How many programs are between two that touch the same sectors."""
    middle = min(programs.sampled)
    sectors = programs.sampled[middle].once(side, buffer)[2]
    distance = 1
    for _ in range(_MOST_PROBES):
        if middle + distance >= programs.total or not sectors.size:
            break
        other = programs.memory(middle + distance).once(side, buffer)[2]
        if np.isin(sectors, other, assume_unique=True).mean() > 0.2:
            return float(distance)
        distance *= 2
    return at_most


__all__ = ["BYTES", "Launch", "Reread", "Touched", "Work", "work_of"]
