"""Compares the metrics of two goldens: each number on both sides, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kernelsnap.golden.build import TOTAL
from kernelsnap.model.golden import Golden
from kernelsnap.model.metrics import METRICS
from kernelsnap.model.resources import RESOURCE_METRICS, resource_values

Verdict = Literal["improved", "regressed", "changed", "unchanged"]


@dataclass(frozen=True)
class MetricDelta:
    """One metric on both sides. None for a side that does not have it, which is not 0."""

    graph: str  # "total" for the sum over all graphs
    name: str
    unit: str
    better: Literal["lower", "higher", "neither"]
    old: int | None
    new: int | None

    @property
    def verdict(self) -> Verdict:
        """Which way it moved; "changed" where neither way is better, or one side is missing."""
        if self.old == self.new:
            return "unchanged"
        if self.old is None or self.new is None or self.better == "neither":
            return "changed"
        return "improved" if (self.new < self.old) == (self.better == "lower") else "regressed"

    @property
    def percent(self) -> float | None:
        """The change relative to the old value; None if that is 0 or a side is missing."""
        return None if self.new is None or not self.old else 100 * (self.new - self.old) / self.old


def metric_deltas(old: Golden, new: Golden) -> tuple[MetricDelta, ...]:
    """Every metric that either golden has: the total first, then graph by graph, each in the order of `METRICS`.

    Metrics of its resources, where it has some, come after the others of the total.
    """
    before, after = _values(old), _values(new)
    graphs = dict.fromkeys(graph for graph, _ in [*after, *before])
    return tuple(
        MetricDelta(graph, kind.name, kind.unit, kind.better, before.get(key), after.get(key))
        for graph in graphs
        for kind in (*METRICS, *RESOURCE_METRICS)
        if (key := (graph, kind.name)) in before or key in after
    )


def _values(golden: Golden) -> dict[tuple[str, str], int]:
    resources = {(TOTAL, name): value for name, value in resource_values(golden.resources).items()}
    return {(metric.graph, metric.name): metric.value for metric in golden.metrics} | resources
