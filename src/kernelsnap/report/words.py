"""The sentences that reports of every form share: counts, causes, costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kernelsnap.diff.tree.cost import EFFECTS, Cost, Time
from kernelsnap.diff.tree.headings import titles
from kernelsnap.shared.wording import counted, first_few, micro, spaced

# What a list of pending goldens prints needs nothing of what compares them.
if TYPE_CHECKING:
    from kernelsnap.diff.causes.finding import Cause, Effect, Finding
    from kernelsnap.diff.tree.change import Change
    from kernelsnap.diff.tree.estimates import TimeByPart
    from kernelsnap.diff.tree.group import Group
    from kernelsnap.diff.tree.summary import Extreme, MetricSummary
    from kernelsnap.report.model import Report

#: Of the measures of a cost, what is not counted in what it is called.
_UNITS = {"bytes accessed": "B"}
#: Metrics of machine code in the effect of a change.
_AS_BEFORE = "est. as before"
_RESOURCES = ("registers", "spilled bytes", "spilled registers")


def value(number: int | None, unit: str) -> str:
    """`1 240 B`; `none` where there is no number."""
    return "none" if number is None else f"{spaced(number)} {unit}".rstrip()


def percent(change: float) -> str:
    """A change in percent, with as many digits as show that it is one: `+3.2 %`, `-0.008 %`."""
    near_nothing = 1e-6 < abs(change) < 0.05
    return f"{change:+.{-math.floor(math.log10(abs(change))) if near_nothing else 1}f} %"


def first_line(report: Report) -> str:
    """How many goldens are worse and by how much, then how many there are: the first line of every form of report.

    `1 worse: est. 83 us -> 164 us  x1.97  slower (memory: 2.0 x the sectors), +400 B (+47.6 %); 5 goldens: 1 changed`.
    """
    parts = [overview(report)]
    if "changed" in report.statuses:
        (worse, more), (better, less) = report.judged("worse"), report.judged("better")
        (unknown, _), (without, moved) = report.judged("cannot tell"), report.judged("not estimated")
        parts = [f"{spaced(worse)} worse: {judged(more)}"] if worse else ["none worse"] if not without else []
        parts += [f"{spaced(better)} better: {judged(less)}"] if better else []
        parts += [f"{spaced(unknown)} cannot be told"] if unknown else []
        parts += [", ".join(filter(None, (f"{spaced(without)} not estimated", amount(moved))))] if without else []
        parts.append(overview(report))
    return "; ".join(parts)


def amount(cost: Cost) -> str:
    """`+400 B (+47.6 %), +1 kernel`: by how much a cost grew or shrank, in each measure that moved."""
    parts = []
    for name, old, new in cost:
        share = f" ({percent(100 * (new - old) / old)})" if old else ""
        parts.append(f"{_more(new - old, _UNITS.get(name, name.removesuffix('s')))}{share}")
    return ", ".join(parts)


def _more(number: int, unit: str) -> str:
    """`+400 B`, `-2 kernels`."""
    plural = "s" if abs(number) != 1 and unit != "B" else ""
    return f"{number:+,} {unit}{plural}".replace(",", " ")


def overview(report: Report) -> str:
    """`5 goldens: 2 changed, 1 new, 2 the same`."""
    if not report.compared:
        return "0 goldens: nothing to compare"
    parts = [f"{spaced(number)} {status}" for status, number in report.statuses.items()]
    return f"{counted(report.compared, 'golden')}: {', '.join([*parts, f'{spaced(report.same)} the same'])}"


def side(label: str, versions: str) -> str:
    """`main (1a2b3c4d5), recorded with torch 2.13.0, triton 3.7.1`."""
    return f"{label}, recorded with {versions}" if versions else label


def renamed(report: Report) -> str:
    """What was renamed, in a sentence; "" if nothing was."""
    number = len(report.renamed)
    what = "1 golden only changed its name" if number == 1 else f"{spaced(number)} goldens only changed their names"
    return f"{what}: gone under the old one, new under the other" if number else ""


def decisions(report: Report) -> Iterator[tuple[str, str]]:
    """What was decided about groups of the report before, and what is accepted for now; each with its reason."""
    for group in report.groups:
        if group.fingerprint in report.decided:
            yield f"before, about group {group.fingerprint}", report.decided[group.fingerprint]
    yield from (("accepted for now", sentence) for sentence in report.for_now)


def no_metric(report: Report) -> str:
    """That nothing became better or worse, where goldens changed; "" elsewhere."""
    return "no metric changed" if "changed" in report.statuses and not report.metrics else ""


def again(report: Report) -> str:
    """The words before the command that makes the report again."""
    return "again, with the same patch on standard input" if report.reads_input else "again"


def group_line(heading: str, size: int, cost: Cost) -> str:
    """`fusion split: 12 goldens, est. 83 us -> 164 us  x1.97  slower, +4 800 B`; what did not move is not in it."""
    return ", ".join(filter(None, (f"{heading}: {counted(size, 'golden')}", judged(cost))))


def judged(cost: Cost) -> str:
    """`est. 83 us -> 164 us  x1.97  slower (memory), +400 B (+47.6 %)`; "" where nothing moved."""
    shown = cost.verdict in ("worse", "better", "cannot tell")
    return ", ".join(filter(None, (estimate(cost.time) if shown else "", amount(cost))))


def estimate(time: Time) -> str:
    """`est. 83 us -> 164 us  x1.97  slower (x1.70 to x2.28; memory: 2.0 x the sectors)`; "" without an estimate.

    Where it cannot be told, the reason stands in place of numbers. What was measured comes first.
    """
    measured = ""
    if time.old_measured:
        measured = f"measured {_times(time.old_measured, time.new_measured, time.direction)}"
    return "; ".join(filter(None, (measured, _estimate(time))))


def _estimate(time: Time) -> str:
    if not time.told:
        return f"est. cannot tell: {time.unknown}" if time.untold else ""
    if not time.new and not time.old:
        return _AS_BEFORE
    low, high = time.interval
    is_moved = time.estimated_direction != "about the same"
    why = [f"x{low:.2f} to x{high:.2f}"] if is_moved else []
    why += [time.reason] if time.reason and is_moved else []
    why += [f"{spaced(time.untold)} cannot be told"] if time.untold else []
    return f"est. {_times(time.old, time.new, time.estimated_direction)}" + (f" ({'; '.join(why)})" if why else "")


def _times(old: float, new: float, direction: str) -> str:
    times = f"{micro(old)} -> {micro(new)}"
    return f"{times}  x{new / old:.2f}  {direction}" if old and new else times


def effect(change: Change) -> str:
    """`kernels 1 -> 2, bytes accessed 840 -> 1 240 B`; what did not move is left out, what is missing is said.

    Registers and spills are included where goldens are compared with their resources.
    """
    told = estimate(change.time) if change.time.verdict != "not estimated" else ""
    parts = []
    for name in (*EFFECTS, *_RESOURCES):
        for delta in change.metrics:
            if delta.name == name and delta.old != delta.new:
                old = value(delta.old, "" if delta.new is not None else delta.unit)
                share = f" ({percent(delta.percent)})" if delta.percent is not None else ""
                parts.append(f"{name} {old} -> {value(delta.new, delta.unit)}{share}")
    if not parts and told == _AS_BEFORE:
        return "time, kernels and bytes as before"
    return ", ".join(filter(None, (told, *(parts or ["kernels and bytes as before"]))))


def beyond(group: Group, member: Change) -> str:
    """What a member of a group has that the exemplar does not, or the other way round: `bytes accessed 840 -> 1240`."""
    return ", ".join(group.beyond(member)) or effect(member)


def cost(effect: Effect) -> str:
    """`+1 kernel, +400 B`: what the kernels of a cause cost more than before; "" where that is nothing or not known."""
    parts = ((effect.kernels, "kernel"), (effect.bytes, "B"))
    return ", ".join(_more(number, unit) for number, unit in parts if number)


def causes_with_time(change: Change, parts: TimeByPart | None) -> Iterator[tuple[Cause, Time | None]]:
    """The causes of a change, each with what its kernels are estimated to take, where that is known."""
    times = parts.causes if parts else (None,) * len(change.causes)
    yield from zip(change.causes, times, strict=True)


def kernel_times(parts: TimeByPart | None, most: int | None) -> list[str]:
    """The estimated time of each kernel that changed; nothing where there is one alone, as that is the whole change."""
    moved = [kernel for kernel in parts.kernels if kernel.time.verdict != "as before"] if parts else []
    if parts is None or len(parts.kernels) < 2:
        return []
    moved.sort(key=lambda kernel: -abs(kernel.time.new - kernel.time.old))
    lines = [f"{kernel.names}: {estimate(kernel.time)}" for kernel in moved]
    return lines if most is None else first_few(lines, most)


def titled(cause: Cause, time: Time | None = None) -> str:
    """`fusion split, est. 12 us -> 30 us  x2.50  slower (memory), +1 kernel, +400 B`."""
    return ", ".join(filter(None, (titles((cause.name,)), cause_cost(cause, time))))


def cause_cost(cause: Cause, time: Time | None = None) -> str:
    """`est. 12 us -> 30 us  x2.50  slower (memory), +1 kernel, +400 B`; what did not move is left out."""
    taken = estimate(time) if time and time.verdict != "as before" else ""
    return ", ".join(filter(None, (taken, cost(cause.effect))))


def cause_lines(cause: Cause, most: int, time: Time | None = None) -> Iterator[tuple[str, str]]:
    """The first evidence of a cause, each with its title; the first one also has what the cause costs."""
    title = titled(cause, time)
    for line in evidence(cause.findings, most):
        yield title, line
        title = titles((cause.name,))


def evidence(findings: tuple[Finding, ...], most: int) -> list[str]:
    """The first findings, each with its place; the others counted."""
    lines = [f"{f.where}: {f.evidence}" if f.where not in ("", "host") else f.evidence for f in findings]
    return first_few(lines, most)


def mean(ratio: float | None) -> str:
    """A ratio as a change: `+3.2 %`."""
    return "no ratio" if ratio is None else percent(100 * (ratio - 1))


def extreme(metric: MetricSummary, found: Extreme) -> str:
    """`+200.0 %, 1 -> 3`."""
    _, old, new = found
    return f"{mean(new / old)}, {value(old, '')} -> {value(new, metric.unit)}"


def way(verdict: str, better: str) -> str:
    """`less` or `more`: which way a number went."""
    if verdict not in ("improved", "regressed"):
        return verdict
    return "more" if (verdict == "improved") == (better == "higher") else "less"


def counts(metric: MetricSummary) -> str:
    """`1 less, 2 more, 7 unchanged`: a number alone does not tell which is better, see `Cost`."""
    parts = [
        (metric.improved, way("improved", metric.better)),
        (metric.regressed, way("regressed", metric.better)),
        (metric.moved, "changed"),
        (metric.unchanged, "unchanged"),
        (metric.missing, "missing"),
    ]
    return ", ".join(f"{spaced(number)} {word}" for number, word in parts if number)


def total(metric: MetricSummary) -> str:
    """`840 -> 1 240 B`, over the goldens that changed."""
    return f"{value(metric.old_total, '')} -> {value(metric.new_total, metric.unit)}"
