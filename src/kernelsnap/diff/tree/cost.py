"""What a change costs: the one measure by which reports call a golden worse or better, and put groups in order.

No report looks at a metric for that by itself, so another measure replaces this module and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

#: The metrics that decide, the weightiest first: a lighter one counts only where those before it did not move.
MEASURES = ("bytes accessed", "kernels", "spilled bytes", "spilled registers")

Verdict = Literal["worse", "better", "as before"]


@dataclass(frozen=True)
class Cost:
    """What one golden or several cost before and after, by measure, as far as it moved."""

    old: tuple[int, ...] = (0,) * len(MEASURES)
    new: tuple[int, ...] = (0,) * len(MEASURES)

    @property
    def more(self) -> tuple[int, ...]:
        """By how much each measure grew; what is larger is worse."""
        return tuple(new - old for old, new in zip(self.old, self.new, strict=True))

    @property
    def verdict(self) -> Verdict:
        """Whether it costs more than before."""
        decisive = next(filter(None, self.more), 0)
        return "worse" if decisive > 0 else "better" if decisive < 0 else "as before"

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """The measures that moved: name, before, after."""
        return (found for found in zip(MEASURES, self.old, self.new, strict=True) if found[1] != found[2])

    def as_data(self) -> dict[str, object]:
        """The same for JSON."""
        return {
            "verdict": self.verdict,
            "measures": [dict(zip(("name", "old", "new"), one, strict=True)) for one in self],
        }


def total(costs: Iterable[Cost]) -> Cost:
    """What all of them cost together."""
    found = list(costs)
    sides = ([cost.old for cost in found], [cost.new for cost in found])
    return Cost(*(tuple(map(sum, zip(*side, strict=True))) for side in sides)) if found else Cost()


def cost_of(metrics: Iterable[Sequence[Any]]) -> Cost:
    """The cost of one golden, from its metrics: name, old number, new number. A number that a side lacks is no cost."""
    moved = {name: (old, new) for name, old, new in metrics if None not in (old, new) and old != new}
    if not moved:
        return Cost()
    old, new = zip(*(moved.get(name, (0, 0)) for name in MEASURES), strict=True)
    return Cost(old, new)
