"""Sums up the metrics of many goldens: totals, geometric means, the best and the worst."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kernelsnap.diff.metrics import MetricDelta
from kernelsnap.diff.tree.change import Change
from kernelsnap.model.metrics import METRICS, MetricKind
from kernelsnap.model.resources import RESOURCE_METRICS

#: The name of a golden, its old number and its new one.
Extreme = tuple[str, int, int]


@dataclass(frozen=True)
class MetricSummary:
    """One metric over all goldens that were compared; goldens that are the same count as unchanged."""

    name: str
    unit: str
    better: Literal["lower", "higher", "neither"]
    improved: int
    regressed: int
    moved: int  # changed where neither way is better
    unchanged: int
    missing: int  # a side has no number: in no total and no mean
    old_total: int  # over goldens that changed and have the number on both sides
    new_total: int
    mean_of_all: float | None  # geometric mean of new / old; None where no ratio exists
    mean_of_changed: float | None
    zeros: int  # goldens whose number is, or becomes, 0: they have no ratio
    largest_gain: Extreme | None  # the extremes by ratio, where a way is better
    largest_loss: Extreme | None


def summarize(changes: Sequence[Change], same: int, same_resources: int = 0) -> tuple[MetricSummary, ...]:
    """Every metric that moved or is missing in a golden; `same` goldens did not change at all.

    So many of those have resources on both sides: `same_resources`. A golden that has none on either is missing in no
    number of them.
    """
    compared = [change for change in changes if change.status == "changed"]
    recorded = [change for change in compared if any(_delta(change, kind.name) for kind in RESOURCE_METRICS)]
    summaries = (
        *(_summary(kind, compared, same) for kind in METRICS),
        *(_summary(kind, recorded, same_resources) for kind in RESOURCE_METRICS),
    )
    return tuple(s for s in summaries if s.improved or s.regressed or s.moved or s.missing)


def _summary(kind: MetricKind, changes: Sequence[Change], same: int) -> MetricSummary:
    found = [(change.name, _delta(change, kind.name)) for change in changes]
    both = [(name, d, d.old, d.new) for name, d in found if d and d.old is not None and d.new is not None]
    verdicts = [delta.verdict for _, delta, _, _ in both]
    ratios = [(new / old, name, old, new) for name, _, old, new in both if old > 0 and new > 0]
    moved = [ratio for ratio in ratios if ratio[0] != 1]
    sign = -1 if kind.better == "higher" else 1
    by_loss = sorted(moved, key=lambda ratio: (sign * math.log(ratio[0]), ratio[1]))
    directed = by_loss and kind.better != "neither"
    return MetricSummary(
        kind.name,
        kind.unit,
        kind.better,
        improved=verdicts.count("improved"),
        regressed=verdicts.count("regressed"),
        moved=verdicts.count("changed"),
        unchanged=verdicts.count("unchanged") + same,
        missing=len(found) - len(both) if any(delta for _, delta in found) else 0,
        old_total=sum(old for _, _, old, _ in both),
        new_total=sum(new for _, _, _, new in both),
        mean_of_all=_mean((ratio[0] for ratio in ratios), len(ratios) + same),
        mean_of_changed=_mean((ratio[0] for ratio in moved), len(moved)),
        zeros=sum((old > 0) != (new > 0) for _, _, old, new in both),
        largest_gain=by_loss[0][1:] if directed and sign * math.log(by_loss[0][0]) < 0 else None,
        largest_loss=by_loss[-1][1:] if directed and sign * math.log(by_loss[-1][0]) > 0 else None,
    )


def _delta(change: Change, name: str) -> MetricDelta | None:
    return next((delta for delta in change.metrics if delta.name == name), None)


def _mean(ratios: Iterable[float], count: int) -> float | None:
    """The geometric mean of ratios, with 1 for those of `count` that are not given."""
    return math.exp(sum(map(math.log, ratios)) / count) if count else None
