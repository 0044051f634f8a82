"""Two estimates compared: how many times longer the new code takes, in an interval, and which limit decides."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from kernelsnap.cost.estimate import GoldenCost, StepCost

Direction = Literal["faster", "slower", "about the same", "cannot tell"]
#: A ratio nearer to 1 than this is no change.
SAME = 1.03


@dataclass(frozen=True)
class Comparison:
    """What a change costs; with `cannot tell` there are no numbers, and `reason` says why."""

    old: GoldenCost
    new: GoldenCost
    ratio: float  # new time over old
    low: float
    high: float
    direction: Direction
    reason: str

    def __str__(self) -> str:
        """One line: `est. 83 us -> 164 us  x1.97  slower (memory: 2.0 x the bytes)`."""
        if self.direction == "cannot tell":
            return f"est. cannot tell: {self.reason}"
        times = f"est. {micro(self.old.time)} -> {micro(self.new.time)}"
        return f"{times}  x{self.ratio:.2f}  {self.direction}" + (f" ({self.reason})" if self.reason else "")


def compare(old: GoldenCost, new: GoldenCost) -> Comparison:
    """The comparison of two estimates, for one GPU."""
    if unknown := old.unknown or new.unknown:
        return Comparison(old, new, 1.0, 0.0, math.inf, "cannot tell", unknown)
    if old.machine != new.machine:
        return Comparison(old, new, 1.0, 0.0, math.inf, "cannot tell", f"{old.machine} is not {new.machine}")
    ratio = new.time / old.time if old.time else math.inf
    gone, come = _differing(old.steps, new.steps)
    spread = math.hypot(_uncertainty(gone) / old.time, _uncertainty(come) / new.time) if old.time else 0.0
    direction: Direction = "about the same" if abs(math.log(ratio)) < math.log(SAME) else _direction(ratio)
    reason = "" if direction == "about the same" else _reason(gone, come)
    return Comparison(old, new, ratio, ratio / (1 + spread), ratio * (1 + spread), direction, reason)


def micro(time: float) -> str:
    """A time in words: `83 us`, `1.6 us`, `2.31 ms`."""
    if time >= 1000:
        return f"{time / 1000:.3g} ms"
    return f"{time:.1f} us" if time < 10 else f"{time:.0f} us"


def _direction(ratio: float) -> Direction:
    return "slower" if ratio > 1 else "faster"


def _differing(old: tuple[StepCost, ...], new: tuple[StepCost, ...]) -> tuple[list[StepCost], list[StepCost]]:
    """The steps of each side that the other does not have: what both have is as wrong on both."""
    keys = [Counter(_key(step) for step in side) for side in (old, new)]
    common = keys[0] & keys[1]
    return _without(old, common.copy()), _without(new, common.copy())


def _key(step: StepCost) -> tuple[object, ...]:
    return step.bound, round(step.time, 3), step.programs, round(step.dram_bytes)


def _without(steps: tuple[StepCost, ...], common: Counter[tuple[object, ...]]) -> list[StepCost]:
    left = []
    for step in steps:
        if common[_key(step)]:
            common[_key(step)] -= 1
        else:
            left.append(step)
    return left


def _uncertainty(steps: list[StepCost]) -> float:
    return math.sqrt(math.fsum((step.high - step.time) ** 2 for step in steps))


def _reason(gone: list[StepCost], come: list[StepCost]) -> str:
    """The limit that decides, and by how much what it counts has changed."""
    if not come or not gone or (abs(len(come) - len(gone)) > 2 and _small(gone) and _small(come)):
        return f"launches: {len(gone)} -> {len(come)}"
    slowest = max((*gone, *come), key=lambda step: step.time)
    if slowest.bound == "memory":
        return f"memory: {_times(sum(s.dram_bytes for s in come), sum(s.dram_bytes for s in gone))} the bytes"
    if slowest.bound == "L2":
        return f"L2: {_times(sum(s.l2_bytes for s in come), sum(s.l2_bytes for s in gone))} the sectors"
    return slowest.bound


def _small(steps: list[StepCost]) -> bool:
    return all(step.time < 5 for step in steps)


def _times(new: float, old: float) -> str:
    return f"{new / old:.1f} x" if old else "other"
