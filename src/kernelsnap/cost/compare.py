"""Two estimates compared: how many times longer the new code takes, in an interval, and which limit decides."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kernelsnap.cost.estimate import GoldenCost, StepCost
from kernelsnap.shared.wording import Direction, direction, micro


@dataclass(frozen=True)
class Comparison:
    """What a change costs; with `cannot tell` there are no numbers, and `reason` says why."""

    old: GoldenCost
    new: GoldenCost
    ratio: float  # new time over old
    low: float
    high: float
    direction: Direction | Literal["cannot tell"]
    reason: str
    old_spread: float = 0.0  # how far off the steps may be that the other side does not have, in microseconds
    new_spread: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether both sides run the same, whatever it takes."""
        return self.low == self.high

    def __str__(self) -> str:
        """One line: `est. 83 us -> 164 us  x1.97  slower (memory: 2.0 x the sectors)`."""
        if self.direction == "cannot tell":
            return f"est. cannot tell: {self.reason}"
        if self.is_equal:
            return "est. as before"
        times = f"est. {micro(self.old.counted)} -> {micro(self.new.counted)}"
        return f"{times}  x{self.ratio:.2f}  {self.direction}" + (f" ({self.reason})" if self.reason else "")


def compare(old: GoldenCost, new: GoldenCost) -> Comparison:
    """The comparison of two estimates, for one GPU."""
    gone, come = _differing(old.steps, new.steps)
    # What is the same on both sides need not be known.
    unknown = next((f"{step.graph} {step.name}: {step.unknown}" for step in (*gone, *come) if step.unknown), "")
    unknown = unknown or next((side.unknown for side in (old, new) if side.unknown and not side.steps), "")
    if old.machine != new.machine:
        unknown = f"{old.machine} is not {new.machine}"
    if unknown:
        return Comparison(old, new, 1.0, 0.0, math.inf, "cannot tell", unknown)
    if not gone and not come:
        return Comparison(old, new, 1.0, 1.0, 1.0, "about the same", "")
    ratio = new.counted / old.counted
    spreads = uncertainty(gone), uncertainty(come)
    spread = math.hypot(spreads[0] / old.counted, spreads[1] / new.counted)
    way = direction(ratio, 1 + spread)
    reason = "" if way == "about the same" else reason_of(gone, come)
    if without := sum(bool(step.unknown) for step in new.steps):
        reason = f"{reason}, " * bool(reason) + f"without {without} calls that did not change and cannot be told"
    return Comparison(old, new, ratio, ratio / (1 + spread), ratio * (1 + spread), way, reason, *spreads)


def _differing(old: tuple[StepCost, ...], new: tuple[StepCost, ...]) -> tuple[list[StepCost], list[StepCost]]:
    """The steps of each side that the other does not have: what both have is as wrong on both."""
    keys = [Counter(_key(step) for step in side) for side in (old, new)]
    common = keys[0] & keys[1]
    return _without(old, common.copy()), _without(new, common.copy())


def _key(step: StepCost) -> tuple[object, ...]:
    if step.unknown:
        return ("unknown", id(step) if step.same is None else step.same)
    return step.bound, round(step.time, 3), step.programs, round(step.dram_bytes)


def _without(steps: tuple[StepCost, ...], common: Counter[tuple[object, ...]]) -> list[StepCost]:
    left = []
    for step in steps:
        if common[_key(step)]:
            common[_key(step)] -= 1
        else:
            left.append(step)
    return left


def uncertainty(steps: Iterable[StepCost]) -> float:
    """How far off the time of some steps may be, in microseconds."""
    return math.sqrt(math.fsum((step.high - step.time) ** 2 for step in steps))


def reason_of(gone: Sequence[StepCost], come: Sequence[StepCost]) -> str:
    """The limit that decides, and by how much what it counts has changed."""
    if not come or not gone or (abs(len(come) - len(gone)) > 2 and _small(gone) and _small(come)):
        return f"launches: {len(gone)} -> {len(come)}"
    slowest = max((*gone, *come), key=lambda step: step.time)
    if slowest.bound == "memory":
        return "memory" + _times(sum(s.dram_bytes for s in come), sum(s.dram_bytes for s in gone))
    if slowest.bound == "L2":
        return "L2" + _times(sum(s.l2_bytes for s in come), sum(s.l2_bytes for s in gone))
    return slowest.bound


def _small(steps: Sequence[StepCost]) -> bool:
    return all(step.time < 5 for step in steps)


def _times(new: float, old: float) -> str:
    """What was moved against before; nothing where that did not change, and something else is why."""
    ratio = new / old if old else 1.0
    return "" if f"{ratio:.1f}" == "1.0" else f": {ratio:.1f} x the sectors"
