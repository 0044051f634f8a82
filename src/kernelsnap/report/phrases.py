"""Sentences that reports in every form share."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kernelsnap.diff.causes.kinds import CAUSE, Cause, Effect, Finding
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.group import EFFECTS, Group
from kernelsnap.diff.tree.summary import Extreme, MetricSummary
from kernelsnap.report.model import Report

#: What a report says of the effect of a change on machine code.
_RESOURCES = ("registers", "spilled bytes", "spilled registers")


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 golden`, `2 000 goldens`."""
    return f"{_number(number)} {noun}{'' if number == 1 else 's'}"


def value(number: int | None, unit: str) -> str:
    """`1 240 B`; `none` where there is no number."""
    return "none" if number is None else f"{_number(number)} {unit}".rstrip()


def percent(change: float) -> str:
    """A change in percent, with as many digits as show that it is one: `+3.2 %`, `-0.008 %`."""
    near_nothing = 1e-6 < abs(change) < 0.05
    return f"{change:+.{-math.floor(math.log10(abs(change))) if near_nothing else 1}f} %"


def _number(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def overview(report: Report) -> str:
    """`5 goldens: 2 changed, 1 new, 2 the same`."""
    if not report.compared:
        return "0 goldens: nothing to compare"
    parts = [f"{_number(number)} {status}" for status, number in report.statuses.items()]
    return f"{counted(report.compared, 'golden')}: {', '.join([*parts, f'{_number(report.same)} the same'])}"


def side(label: str, versions: str) -> str:
    """`main (1a2b3c4d5), recorded with torch 2.13.0, triton 3.7.1`."""
    return f"{label}, recorded with {versions}" if versions else label


def renamed(report: Report) -> str:
    """What was renamed, in a sentence; "" if nothing was."""
    number = len(report.renamed)
    what = "1 golden only changed its name" if number == 1 else f"{_number(number)} goldens only changed their names"
    return f"{what}: gone under the old one, new under the other" if number else ""


def no_metric(report: Report) -> str:
    """That nothing became better or worse, where goldens changed; "" elsewhere."""
    return "no metric changed" if "changed" in report.statuses and not report.metrics else ""


def again(report: Report) -> str:
    """What stands before the command that makes the report again."""
    return "again, with the same patch on standard input" if report.reads_input else "again"


def cause_titles(change: Change) -> str:
    """The causes of a change as a reader knows them; for a golden of one side only what became of it."""
    if change.status in ("new", "gone"):
        return change.status
    return ", ".join(CAUSE[name].title for name in change.cause_names)


def group_line(group: Group) -> str:
    """`fusion split: 12 goldens`."""
    return f"{cause_titles(group.exemplar)}: {counted(len(group.members), 'golden')}"


def effect(change: Change) -> str:
    """`kernels 1 -> 2, bytes accessed 840 -> 1 240 B`; what did not move is left out, what is missing is said.

    Registers and spills stand there, too, where goldens are compared with their resources.
    """
    parts = []
    for name in (*EFFECTS, *_RESOURCES):
        for delta in change.metrics:
            if delta.name == name and delta.old != delta.new:
                old = value(delta.old, "" if delta.new is not None else delta.unit)
                share = f" ({percent(delta.percent)})" if delta.percent is not None else ""
                parts.append(f"{name} {old} -> {value(delta.new, delta.unit)}{share}")
    return ", ".join(parts) or "kernels and bytes as before"


def cost(effect: Effect) -> str:
    """`+1 kernel, +400 B`: what the kernels of a cause cost more than before; "" where that is nothing or not known."""
    parts = []
    if effect.kernels:
        parts.append(f"{effect.kernels:+,} kernel{'' if abs(effect.kernels) == 1 else 's'}")
    if effect.bytes:
        parts.append(f"{effect.bytes:+,} B")
    return ", ".join(part.replace(",", " ") for part in parts)


def titled(cause: Cause) -> str:
    """`fusion split, +1 kernel, +400 B`."""
    return ", ".join(filter(None, (CAUSE[cause.name].title, cost(cause.effect))))


def cause_lines(cause: Cause, most: int) -> Iterator[tuple[str, str]]:
    """The first evidence of a cause, each with its title; what the cause costs stands in the first one only."""
    title = titled(cause)
    for line in evidence(cause.findings, most):
        yield title, line
        title = CAUSE[cause.name].title


def evidence(findings: tuple[Finding, ...], most: int) -> list[str]:
    """The first findings, each with its place; the others counted."""
    lines = [f"{f.where}: {f.evidence}" if f.where not in ("", "host") else f.evidence for f in findings]
    shown = lines[:most]
    return [*shown, f"and {len(lines) - most} more"] if len(lines) > most else shown


def mean(ratio: float | None) -> str:
    """A ratio as a change: `+3.2 %`."""
    return "no ratio" if ratio is None else percent(100 * (ratio - 1))


def extreme(metric: MetricSummary, found: Extreme) -> str:
    """`+200.0 %, 1 -> 3`."""
    _, old, new = found
    return f"{mean(new / old)}, {value(old, '')} -> {value(new, metric.unit)}"


def counts(metric: MetricSummary) -> str:
    """`1 better, 2 worse, 7 unchanged`."""
    parts = [
        (metric.improved, "better"),
        (metric.regressed, "worse"),
        (metric.moved, "changed"),
        (metric.unchanged, "unchanged"),
        (metric.missing, "missing"),
    ]
    return ", ".join(f"{_number(number)} {word}" for number, word in parts if number)


def total(metric: MetricSummary) -> str:
    """`840 -> 1 240 B`, over the goldens that changed."""
    return f"{value(metric.old_total, '')} -> {value(metric.new_total, metric.unit)}"
