"""The report as a comment on a pull request.

A service takes 65,536 characters in a comment (GitHub's limit), so detail is shed until it fits, in this order: the
lines of the diffs of smaller groups, all diffs, names of the other members of a group, evidence, then groups from the
smallest. What was left out is always said, and how to see it.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from itertools import chain

from kernelsnap.diff.causes.kinds import CAUSE
from kernelsnap.diff.group import Group
from kernelsnap.report import phrases
from kernelsnap.report.model import Report

#: The first line: a bot finds its own comment by it, and replaces that.
MARKER = "<!-- kernelsnap diff -->"
LIMIT = 65_536
_NAME = 200


@dataclass(frozen=True)
class _Detail:
    """How much is shown."""

    groups: int
    diffs: int  # groups with a diff
    diff_lines: int
    members: int
    evidence: int


_STEPS = (
    _Detail(200, 200, 400, 200, 50),
    _Detail(200, 20, 120, 200, 20),
    _Detail(200, 5, 60, 50, 10),
    _Detail(100, 0, 0, 20, 5),
    _Detail(50, 0, 0, 5, 3),
    _Detail(20, 0, 0, 2, 1),
    _Detail(5, 0, 0, 0, 1),
)


def markdown(report: Report, limit: int = LIMIT) -> str:
    """The report with as much detail as fits below `limit` characters."""
    text = ""
    for detail in _STEPS:
        text = _render(report, detail)
        if len(text) < limit:
            return text
    end = f"\n\nCut off at {limit} characters. {_again(report)}\n"
    return text[: limit - len(end) - 1] + end


def _render(report: Report, detail: _Detail) -> str:
    lines = [MARKER, f"### kernelsnap: {_text(phrases.overview(report))}", ""]
    lines += [f"- **error** {_code(change.error)}" for change in report.errors[:20]]
    if len(report.errors) > 20:
        lines.append(f"- and {len(report.errors) - 20} more errors")
    if report.causes:
        lines += ["", "| cause | goldens | |", "| --- | ---: | --- |"]
        lines += [f"| {CAUSE[name].title} | {number} | {CAUSE[name].says} |" for name, number in report.causes.items()]
    if report.metrics:
        lines += ["", "| metric | goldens | total of changed | mean of all | mean of changed |"]
        lines += ["| --- | --- | ---: | ---: | ---: |"]
        for metric in report.metrics:
            cells = (phrases.total(metric), phrases.mean(metric.mean_of_all), phrases.mean(metric.mean_of_changed))
            lines.append(f"| {metric.name} | {phrases.counts(metric)} | {' | '.join(cells)} |")
    shown = report.groups[: detail.groups]
    lines += chain.from_iterable(_group(report, group, detail, n < detail.diffs) for n, group in enumerate(shown))
    left_out = _left_out(report, detail)
    lines += ["", *([f"Left out to fit: {', '.join(left_out)}."] if left_out else []), _again(report), ""]
    return "\n".join(lines)


def _again(report: Report) -> str:
    return f"All of it: {_code(f'{report.shell_command} --full')}"


def _left_out(report: Report, detail: _Detail) -> list[str]:
    left = []
    if len(report.groups) > detail.groups:
        left.append(phrases.counted(len(report.groups) - detail.groups, "group"))
    diffs = sum(bool(report.hunks.get(group.exemplar.name)) for group in report.groups)
    if diffs > detail.diffs:
        left.append(phrases.counted(diffs - detail.diffs, "diff"))
    return left


def _group(report: Report, group: Group, detail: _Detail, with_diff: bool) -> list[str]:
    change = group.exemplar
    title = html.escape(f"{phrases.group_line(group)}: {change.name[:_NAME]}")
    lines = ["", f"<details><summary>{title}</summary>", "", f"`{group.fingerprint}` {phrases.effect(change)}", ""]
    for cause in change.causes:
        for line in phrases.evidence(cause.findings, detail.evidence):
            lines.append(f"- {CAUSE[cause.name].title}: {_code(line)}")
    for member in group.exceptions[: detail.members]:
        lines.append(f"- except in its effect: {_code(member.name)}: {phrases.effect(member)}")
    others = [member for member in group.members if member is not change and member not in group.exceptions]
    if others:
        lines += ["", f"The same in {phrases.counted(len(others), 'golden')}:", ""]
        lines += [f"- {_code(member.name)}" for member in others[: detail.members]]
    hidden = max(0, len(others) - detail.members) + max(0, len(group.exceptions) - detail.members)
    if hidden:
        lines.append(f"- and {hidden} more")
    if with_diff:
        lines += _diff(report, change.name, detail.diff_lines)
    return [*lines, "", "</details>"]


def _diff(report: Report, name: str, most: int) -> list[str]:
    hunks = [hunk.to_read() for hunk in report.hunks.get(name, ())]
    lines = [line for hunk in hunks for line in (hunk.header, *hunk.lines)]
    if not lines:
        return []
    shown = lines[:most]
    fence = _fence("\n".join(shown))
    more = [f"{len(lines) - most} more lines are left out."] if len(lines) > most else []
    return ["", f"{fence}diff", *shown, fence, *more]


def _code(text: str) -> str:
    """Text that no renderer interprets, on one line."""
    text = text.replace("\n", " ")[:500]
    fence = _fence(text, shortest=1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _fence(text: str, shortest: int = 3) -> str:
    """Backquotes, more of them than stand together anywhere in the text."""
    longest = run = 0
    for char in text:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    return "`" * max(shortest, longest + 1)


def _text(text: str) -> str:
    return html.escape(text, quote=False)
