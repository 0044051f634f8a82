"""The page of `kernelsnap cost`: a table of the slowest kernels, and how near each is to the roof.

The first plot is a roofline without units, so that kernels of all types of numbers have one roof. To the right is how
much a kernel computes for what it moves: the time that its instructions alone take, against that of its memory traffic
alone. Up is the part of the memory's bandwidth that it reaches. A kernel cannot be above the roof; what is below it is
held up by something else, such as latency. In the second plot a golden on the line takes what was estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kernelsnap.cost.estimate import StepCost
from kernelsnap.report.html.page import environment, policy, source
from kernelsnap.shared.wording import own_version

#: A kernel or library call, after the case of its golden.
Step = tuple[str, StepCost]
#: Pixels of a plot, and of its margins at the left and below.
WIDTH, HEIGHT, LEFT, BELOW = 560, 360, 64, 48
#: Points of one plot; the slowest come first.
MOST = 2000


@dataclass(frozen=True)
class Point:
    """A point of a plot, in pixels, and what is shown of it."""

    x: float
    y: float
    label: str
    sort: str


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where, in pixels, and its number."""

    at: float
    label: str


@dataclass(frozen=True)
class Plot:
    """A plot with logarithmic axes."""

    title: str
    across: str
    up: str
    points: tuple[Point, ...]
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    line: str  # the path of the roof, or of what is equal


@dataclass(frozen=True)
class _Axis:
    """Powers of ten from a pixel to another."""

    low: int
    high: int
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> tuple[Tick, ...]:
        return tuple(Tick(self.at(10.0**power), f"{10.0**power:g}") for power in range(self.low, self.high + 1))


def _axes(across: Iterable[float], up: Iterable[float]) -> tuple[_Axis, _Axis]:
    def powers(values: Iterable[float]) -> tuple[int, int]:
        found = [math.log10(value) for value in values]
        low = math.floor(min(found, default=0.0))
        return low, max(low + 1, math.ceil(max(found, default=0.0)))

    return _Axis(*powers(across), LEFT, WIDTH - 24), _Axis(*powers(up), HEIGHT - BELOW, 12)


def roofline(steps: Sequence[Step]) -> Plot:
    """How near each kernel is to what memory or its instructions allow; those that have both."""
    shown = [(case, step) for case, step in steps if step.time and step.memory_time and step.compute_time][:MOST]
    values = [(step.compute_time / step.memory_time, step.memory_time / step.time) for _, step in shown]
    furthest = max([10.0, *(across for across, _ in values)])
    x, y = _axes([*(across for across, _ in values), 0.1, furthest], [*(up for _, up in values), 1.0, 1 / furthest])
    points = tuple(
        Point(x.at(across), y.at(up), f"{_name(case, step)}: {step.time:.1f} us, {up:.0%} of the bandwidth", step.bound)
        for (across, up), (case, step) in zip(values, shown, strict=True)
    )
    roof = [(10.0**x.low, 1.0), (1.0, 1.0), (10.0**x.high, 10.0**-x.high)]
    return Plot(
        "How near to the roof", "time of instructions alone / time of memory alone", "part of the memory's bandwidth",
        points, x.ticks(), y.ticks(), _path((x.at(a), y.at(b)) for a, b in roof),
    )  # fmt: skip


def _name(case: str, step: StepCost) -> str:
    return f"{step.graph} {step.name} of {case}"


def against_measurement(goldens: Sequence[tuple[str, float, float]]) -> Plot:
    """Estimate and measurement of goldens: name and both times."""
    times = [time for _, *both in goldens for time in both]
    x, y = _axes(times, times)
    points = (
        Point(x.at(measured), y.at(time), f"{name}: estimated {time:.1f} us, measured {measured:.1f} us", "golden")
        for name, time, measured in goldens[:MOST]
    )
    ends = [(10.0**x.low, 10.0**x.low), (10.0**x.high, 10.0**x.high)]
    return Plot(
        "Estimate and measurement", "measured, us", "estimated, us", tuple(points), x.ticks(), y.ticks(),
        _path((x.at(a), y.at(b)) for a, b in ends),
    )  # fmt: skip


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def render_costs(steps: Sequence[Step], most: int, measured: Sequence[tuple[str, float, float]] = ()) -> str:
    """The page.

    Args:
        steps: all kernels and library calls that have an estimate, with their cases, the slowest first.
        most: how many of them the table has.
        measured: goldens with their estimate and what was measured, in microseconds.
    """
    style = source("page.css")
    return environment().get_template("cost.html.j2").render(
        steps=steps[:most],
        total=len(steps),
        plots=[roofline(steps), *([against_measurement(measured)] if measured else [])],
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        below=BELOW,
        style=Markup(style),
        policy=policy(style),
        version=own_version(),
    )  # fmt: skip
