"""What a change costs: the estimate by which reports call a golden worse or better, and put groups in order.

Metrics such as bytes and kernels are facts beside it: they decide nothing, except which of two goldens of equal rank
comes first. Where nothing was estimated, or nothing can be, there is no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any, Literal

from kernelsnap.shared.wording import Direction, direction

#: The metrics that a report shows with a cost, the weightiest first.
MEASURES = ("bytes accessed", "kernels", "spilled bytes", "spilled registers")
#: Those of them that are always shown.
EFFECTS = ("kernels", "bytes accessed")

Verdict = Literal["worse", "better", "as before", "cannot tell", "not estimated"]
# What a reviewer reads first: what is slower, then what may be.
_ORDER: Mapping[Verdict, int] = {"worse": 0, "cannot tell": 1, "not estimated": 1, "as before": 2, "better": 3}


@dataclass(frozen=True)
class Time:
    """The estimated time of one golden, or of several together, before and after, in microseconds."""

    old: float = 0.0
    new: float = 0.0
    old_spread: float = 0.0  # how far off the part of it may be that the other side does not have
    new_spread: float = 0.0
    reason: str = ""  # the limit that decides: `memory: 2.0 x the sectors`
    told: int = 0  # goldens with an estimate
    untold: int = 0  # goldens without one
    unknown: str = ""  # why there is none
    old_measured: float = 0.0  # on a GPU, of the goldens that were; 0 where none was
    new_measured: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Whether it takes longer than before: as it was measured, else as it is estimated."""
        if not self.told and not self.old_measured:
            return "cannot tell" if self.untold else "not estimated"
        if self.direction == "about the same":
            return "as before"
        return "worse" if self.ratio > 1 else "better"

    @property
    def direction(self) -> Direction:
        """The same in the words of reports, with how likely it is."""
        return direction(self.ratio) if self.old_measured else self.estimated_direction

    @property
    def estimated_direction(self) -> Direction:
        """The same of the estimates, whatever was measured."""
        return direction(self.estimated_ratio, self.interval[1] / self.estimated_ratio)

    @property
    def ratio(self) -> float:
        """New over old; 1 where neither side runs anything that changed."""
        if self.old_measured:
            return self.new_measured / self.old_measured
        return self.estimated_ratio

    @property
    def estimated_ratio(self) -> float:
        """The same of the estimates, whatever was measured."""
        return self.new / self.old if self.old and self.new else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """Within which the ratio of the estimates is expected."""
        spread = math.hypot(self.old_spread / self.old, self.new_spread / self.new) if self.old and self.new else 0.0
        return self.estimated_ratio / (1 + spread), self.estimated_ratio * (1 + spread)

    def as_data(self) -> dict[str, object]:
        """The same for JSON, with what follows from it."""
        low, high = self.interval
        return asdict(self) | {"ratio": round(self.ratio, 3), "interval": [round(low, 3), round(high, 3)]}


#: Where nothing was estimated.
NO_ESTIMATE = Time()
_TEXTS = tuple(field.name for field in fields(Time) if isinstance(field.default, str))
_NUMBERS = tuple(field.name for field in fields(Time) if field.name not in _TEXTS)
_FIELDS = {*_TEXTS, *_NUMBERS}


@dataclass(frozen=True)
class Cost:
    """What one golden or several cost before and after: the estimate, and the measures that moved."""

    old: tuple[int, ...] = (0,) * len(MEASURES)
    new: tuple[int, ...] = (0,) * len(MEASURES)
    time: Time = NO_ESTIMATE

    @property
    def more(self) -> tuple[int, ...]:
        """By how much each measure grew."""
        return tuple(new - old for old, new in zip(self.old, self.new, strict=True))

    @property
    def verdict(self) -> Verdict:
        """Whether it takes longer than before."""
        return self.time.verdict

    @property
    def rank(self) -> tuple[int, float, tuple[int, ...]]:
        """Its place in a list: what becomes slower by most first, then what cannot be told, what is faster last."""
        moved = self.time.new - self.time.old if self.verdict in ("worse", "better") else 0.0
        return _ORDER[self.verdict], -moved, tuple(-more for more in self.more)

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """The measures that moved: name, before, after."""
        return (found for found in zip(MEASURES, self.old, self.new, strict=True) if found[1] != found[2])

    def as_data(self) -> dict[str, object]:
        """The same for JSON."""
        estimated = self.verdict != "not estimated"
        return {
            "verdict": self.verdict,
            "time": self.time.as_data() if estimated else None,
            "measures": [dict(zip(("name", "old", "new"), one, strict=True)) for one in self],
        }


def total(costs: Iterable[Cost]) -> Cost:
    """What all of them cost together."""
    found = list(costs)
    sides = ([cost.old for cost in found], [cost.new for cost in found])
    old, new = (tuple(map(sum, zip(*side, strict=True))) if found else Cost().old for side in sides)
    return Cost(old, new, total_time([cost.time for cost in found]))


def total_time(times: Iterable[Time]) -> Time:
    """All of them together; the limit that decides is that of the largest change.

    Of goldens of which only some were measured there is no measured time of all.
    """
    found = [time for time in times if time is not NO_ESTIMATE]
    if not found:
        return NO_ESTIMATE
    of_both = [time for time in found if time.told or time.untold or time.old_measured]
    measured = of_both if all(time.old_measured for time in of_both) else []
    old, new, old_spread, new_spread, told, untold = (
        list(map(attrgetter(name), found)) for name in ("old", "new", "old_spread", "new_spread", "told", "untold")
    )
    return Time(
        math.fsum(old),
        math.fsum(new),
        math.hypot(*old_spread),
        math.hypot(*new_spread),
        max(found, key=lambda time: abs(time.new - time.old)).reason,
        sum(told),
        sum(untold),
        next((time.unknown for time in found if time.unknown), ""),
        math.fsum(time.old_measured for time in measured),
        math.fsum(time.new_measured for time in measured),
    )


def cost_of(metrics: Iterable[Sequence[Any]], time: Time) -> Cost:
    """The cost of one golden, from its estimate and its metrics: name, old number, new number.

    A number that a side lacks is no cost.
    """
    moved = {name: (old, new) for name, old, new in metrics if None not in (old, new) and old != new}
    if not moved:
        return Cost(time=time)
    old, new = zip(*(moved.get(name, (0, 0)) for name in MEASURES), strict=True)
    return Cost(old, new, time)


def time_from(data: object) -> Time:
    """What `asdict` made of a time; anything else counts as no estimate."""
    if not isinstance(data, dict) or data.keys() != _FIELDS:
        return NO_ESTIMATE
    # Ten thousand of them in a list of what is pending.
    for name in _TEXTS:
        if type(data[name]) is not str:
            return NO_ESTIMATE
    for name in _NUMBERS:
        if type(data[name]) not in (int, float) or not data[name] >= 0:
            return NO_ESTIMATE
    found = object.__new__(Time)
    vars(found).update(data)  # what the initializer of a frozen class does a field at a time
    return found
