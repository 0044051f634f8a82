"""Sentences that reports in every form share."""

from __future__ import annotations

from kernelsnap.diff.causes.kinds import CAUSE, Finding
from kernelsnap.diff.change import Change
from kernelsnap.diff.group import EFFECTS, Group
from kernelsnap.diff.summary import MetricSummary
from kernelsnap.report.model import Report

#: What a report says of the effect of a change on machine code.
_RESOURCES = ("registers", "spilled bytes", "spilled registers")


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 golden`, `2 goldens`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")


def overview(report: Report) -> str:
    """`5 goldens: 2 changed, 1 new, 2 the same`."""
    parts = [f"{number} {status}" for status, number in report.statuses.items()]
    return f"{counted(report.compared, 'golden')}: {', '.join([*parts, f'{report.same} the same'])}"


def cause_titles(change: Change) -> str:
    """The causes of a change as a reader knows them; for a golden of one side only what became of it."""
    if change.status in ("new", "gone"):
        return f"golden is {change.status}"
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
                unit = f" {delta.unit}" if delta.unit else ""
                old, new = ("none" if v is None else f"{v:,}".replace(",", " ") for v in (delta.old, delta.new))
                parts.append(f"{name} {old} -> {new}{unit}")
    return ", ".join(parts) or "kernels and bytes as before"


def evidence(findings: tuple[Finding, ...], most: int) -> list[str]:
    """The first findings, each with its place; the others counted."""
    lines = [f"{f.where}: {f.evidence}" if f.where not in ("", "host") else f.evidence for f in findings]
    shown = lines[:most]
    return [*shown, f"and {len(lines) - most} more"] if len(lines) > most else shown


def mean(ratio: float | None) -> str:
    """A ratio as a change: `+3.2 %`."""
    return "no ratio" if ratio is None else f"{100 * (ratio - 1):+.1f} %"


def counts(metric: MetricSummary) -> str:
    """`1 better, 2 worse, 7 unchanged`."""
    parts = [
        (metric.improved, "better"),
        (metric.regressed, "worse"),
        (metric.moved, "changed"),
        (metric.unchanged, "unchanged"),
        (metric.missing, "missing"),
    ]
    return ", ".join(f"{number} {word}" for number, word in parts if number)


def total(metric: MetricSummary) -> str:
    """`840 -> 1 240 B`, over the goldens that changed."""
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{metric.old_total:,} -> {metric.new_total:,}{unit}".replace(",", " ")
