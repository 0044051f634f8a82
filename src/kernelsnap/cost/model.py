"""From work and a machine to time: how long each limit alone would take, and how long all of them together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kernelsnap.cost.machine import Fitted, Machine
from kernelsnap.cost.work import Reread, Work

Bound = Literal["memory", "L2", "instructions", "tensor cores", "latency", "atomics", "launches"]
_MOST_PROGRAMS = 32  # that one multiprocessor takes at a time
_MOST_REGISTERS = 255
# Of shared memory, which is one memory with L1, what caches where kernels need little of it.
_L1 = 0.85
# With more waves than these, programs end at so many times that the multiprocessors stay full.
_FEW_WAVES = 4.0


@dataclass(frozen=True)
class Terms:
    """How long each limit alone would take, in microseconds."""

    limits: Mapping[Bound, float]
    dram_bytes: float
    l2_bytes: float
    products: bool = False  # whether it has matrix products of its own
    ends: float = 0.0  # while programs begin and end, when the multiprocessors are not full

    @property
    def bound(self) -> Bound:
        """The limit that takes longest."""
        return max(self.limits, key=lambda name: self.limits[name])

    def together(self, fitted: Fitted) -> float:
        """All limits at a time, which overlap in part."""
        limits, power = dict(self.limits), fitted.together
        if self.products:
            # A product waits for what is computed from the one before.
            power = fitted.together_dot
            limits["tensor cores"] += limits["instructions"]
        largest = max(limits.values())
        if largest <= 0:
            return self.ends
        return self.ends + largest * float(sum((value / largest) ** power for value in limits.values()) ** (1 / power))


@dataclass(frozen=True)
class Needs:
    """What the machine code of a kernel needs, where it was recorded."""

    registers: int  # of a thread
    shared: int  # bytes of a program


def terms(work: Work, machine: Machine, cached: Mapping[str, float] | None = None, needs: Needs | None = None) -> Terms:
    """The limits of a launch; `cached` has the part of each buffer that is in L2 before it begins."""
    fitted = machine.fitted
    at_once = resident(work, machine, needs) * machine.multiprocessors
    running = min(work.programs, at_once)
    busy = min(1.0, work.programs / machine.multiprocessors)
    dram = _dram_bytes(work, machine, running, cached or {})
    cycles = machine.multiprocessors * busy * machine.clock * 1e3  # clocks of all multiprocessors in a microsecond
    units = work.units
    l2 = _l2_bytes(work, machine, min(at_once / machine.multiprocessors, max(1.0, running / machine.multiprocessors)))
    waves = max(1.0, work.programs / at_once)
    life, ends = _life(work, machine)
    tail = (math.ceil(waves) - waves) * life * fitted.tail if 1.0 < waves < _FEW_WAVES else 0.0
    even = _evenness(work, machine)
    limits: dict[Bound, float] = {
        "memory": dram * _narrow(work, machine) / (machine.dram * fitted.dram * 1e6),
        "L2": max(l2 / (_l2_rate(work, fitted) * 1e6 * min(1.0, 1.5 * busy)), work.lines / (fitted.l1_rate * cycles)),
        "instructions": max(
            units.get("issue", 0.0) / (4 * fitted.issue * cycles),
            units.get("alu", 0.0) / (2 * fitted.issue * cycles),
            units.get("sfu", 0.0) / (0.5 * fitted.sfu * cycles),
            units.get("exchange", 0.0) * fitted.exchange / cycles,
            units.get("fp64", 0.0) * 32 / (machine.fp64_lanes * fitted.fp64 * cycles),
        ) * even,
        "tensor cores": _tensor(work, machine) * even / max(busy, 1e-9),
        "latency": max(waves * life - ends, work.programs / (fitted.launched * 1e3)),
        "atomics": _atomics(work, machine),
    }  # fmt: skip
    return Terms(limits, dram, l2, bool(work.flops), ends + tail)


def _evenness(work: Work, machine: Machine) -> float:
    """How much longer the last multiprocessor works than the mean, where there are few programs for each."""
    each = work.programs / machine.multiprocessors
    return math.ceil(each) / each if 1.0 < each < 8.0 else 1.0


def resident(work: Work, machine: Machine, needs: Needs | None = None) -> int:
    """How many programs one multiprocessor has at a time.

    Registers and shared memory are assumed from the size of the blocks where no file of resources has them.
    """
    threads = work.warps * 32
    each = needs.registers if needs else 24 + machine.fitted.registers * work.widest / threads
    registers = min(_MOST_REGISTERS, max(32, 8 * math.ceil(each / 8)))
    shared = needs.shared if needs else work.stages * _stage_bytes(work)
    limits = [_MOST_PROGRAMS, machine.threads // threads, machine.registers // (registers * threads)]
    if shared:
        limits.append(int(machine.shared // shared))
    return max(1, min(limits))


def _stage_bytes(work: Work) -> float:
    """Shared memory of one stage of a loop with matrix products."""
    return 0.0 if not work.dot_bytes else min(48 * 1024.0, work.dot_bytes / work.programs / max(1.0, work.turns))


def _dram_bytes(work: Work, machine: Machine, running: int, cached: Mapping[str, float]) -> float:
    each = sum(touched.read + touched.written for touched in work.touched) / work.programs
    total = 0.0
    for touched in work.touched:
        total += touched.read * (1 - cached.get(touched.buffer, 0.0)) + touched.written
        total += sum(reread.size * (1 - kept(_distance(reread, running, each), machine)) for reread in touched.rereads)
    return total


def _l2_bytes(work: Work, machine: Machine, running: float) -> float:
    """What goes from L2 to the multiprocessors; a small buffer that all programs read stays in L1.

    So does what a program reads a second time, if all that run on its multiprocessor fit.
    """
    total = 0.0
    moved = sum(touched.read + touched.written for touched in work.touched) / work.programs * running
    kept_in_l1 = min(1.0, max(0.0, 1.8 - moved / (machine.shared * _L1)))
    for touched in work.touched:
        once = touched.read + touched.written
        own = sum(reread.size for reread in touched.rereads if reread.between is None)
        again = max(0.0, touched.through - once - own * kept_in_l1)
        each = once / (machine.fitted.l1_kept * 1024)
        total += once * min(machine.multiprocessors, max(1.0, touched.through / max(once, 1.0))) if each < 1 else once
        total += again if each >= 2 else again * max(0.0, each - 1)
    return total


def _l2_rate(work: Work, fitted: Fitted) -> float:
    """TB/s from L2: more where warps ask for whole lines, and do not wait for products."""
    whole = sum(touched.through for touched in work.touched) / max(1.0, work.lines * 128)
    return fitted.l2_rate * (1.0 if work.flops else 1.0 + fitted.l2_whole * min(1.0, max(0.0, 2 * whole - 0.5)))


def _distance(reread: Reread, running: int, each: float) -> float:
    """Bytes that are moved between two reads of the same sector."""
    if reread.over:
        return reread.over
    programs = running if reread.between is None else max(0.0, reread.between - running)
    return programs * each


def kept(distance: float, machine: Machine) -> float:
    """The part that L2 still has after so many bytes."""
    share = distance / (machine.l2 * machine.fitted.l2_share)
    return min(1.0, max(0.0, 1.5 - share))


def _tensor(work: Work, machine: Machine) -> float:
    time = 0.0
    for kind, flops in work.flops.items():
        if kind == "fp32":
            time += flops / (machine.fp32 * machine.fitted.multiply * 1e6)
        else:
            rate = machine.tensor.get(kind, machine.tensor["tf32"])
            time += flops / (rate * machine.fitted.tensor * 1e6)
    return time


def _narrow(work: Work, machine: Machine) -> float:
    """How much longer memory takes where threads move one element at a time, and have fewer bytes under way."""
    return 1.0 + machine.fitted.narrow * max(0.0, 2 * work.narrow - 1)


def _life(work: Work, machine: Machine) -> tuple[float, float]:
    """How long one program lives if nothing but itself holds it up, and the part of it that is not in loops."""
    fitted = machine.fitted
    instructions = work.units.get("issue", 0.0) / work.programs / work.warps
    # A thread that has several elements works on one while another is not ready.
    independent = min(8.0 if work.flops else 4.0, max(1.0, work.widest / (work.warps * 32)))
    turn = fitted.dot_wait / max(1.0, work.stages - 0.5)
    if not work.flops:
        body = work.units.get("loop", 0.0) / work.programs / work.warps / max(1.0, work.turns)
        turn = fitted.loop_wait / (1.0 if work.element_loops else _unrolled(body, fitted))
    waits = work.waits * fitted.memory_wait + work.turns * turn
    # The warps of a program wait for each other's turn on the four schedulers of a multiprocessor.
    chain = instructions * max(work.warps / 4 / fitted.issue, fitted.chain / independent) / machine.clock / 1e3
    chain += fitted.serial * work.chain / machine.clock / 1e3
    life = fitted.program + waits + work.barriers * fitted.barrier + chain
    return life, life / max(1.0, work.turns)


def _unrolled(instructions: float, fitted: Fitted) -> float:
    """How many turns of a loop load at a time: ptxas unrolls a loop with a small body, read off what it generates."""
    return 1.0 + (fitted.unrolled - 1.0) / (1.0 + (instructions / fitted.small_body) ** 6)


def _atomics(work: Work, machine: Machine) -> float:
    if not work.atomics:
        return 0.0
    fitted = machine.fitted
    # One sector takes one operation of a warp after another.
    return max(work.atomics / (fitted.atomic_rate * 1e3), work.atomic_lanes / (fitted.atomic_lanes * 1e3),
               work.atomics / (fitted.atomic_same * 1e3 * max(1.0, work.atomic_sectors)))  # fmt: skip
