"""The report on many goldens for a terminal: in colours and to its width, or plain where there is none."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.text import Text

from kernelsnap.diff.causes.kinds import CAUSE
from kernelsnap.diff.group import Group
from kernelsnap.report import phrases
from kernelsnap.report.model import Report

#: What is shown without `--full`; the rest is counted.
_GROUPS, _MEMBERS, _EVIDENCE, _LINES = 20, 5, 4, 40
_WIDTH = 80
_STYLES = {"-": "red", "+": "green", "@": "cyan"}


def write_overview(report: Report, full: bool, stream: TextIO | None = None) -> None:
    """Write the report to a stream, standard output by default."""
    stream = stream or sys.stdout
    terminal = stream.isatty()
    width = None if terminal else int(os.environ.get("COLUMNS", _WIDTH))
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)
    for line in _lines(report, full):
        console.print(line.wrapped(console.width) if isinstance(line, _Line) else line)


def overview_text(report: Report, full: bool = False) -> str:
    """The report as plain text of 80 columns."""
    stream = StringIO()
    console = Console(file=stream, width=_WIDTH, highlight=False, markup=False, emoji=False, color_system=None)
    for line in _lines(report, full):
        console.print(line.wrapped(console.width) if isinstance(line, _Line) else line)
    return stream.getvalue()


def _lines(report: Report, full: bool) -> Iterator[Text | _Line | str]:
    yield Text(phrases.overview(report), style="bold")
    for change in report.errors:
        yield _indented(f"error: {change.error}", 0, "bold red")
    if report.causes:
        yield ""
        yield Text("causes", style="bold")
        for name, number in report.causes.items():
            yield _indented(f"{number:>5}  {CAUSE[name].title}: {CAUSE[name].says}", 2)
    yield from _metrics(report)
    groups = report.groups if full else report.groups[:_GROUPS]
    for group in groups:
        yield ""
        yield from _group(report, group, full)
    if left := len(report.groups) - len(groups):
        yield ""
        yield Text(f"{phrases.counted(left, 'more group')} of changes: add --full to see all")
    yield ""
    yield Text("again: " + report.shell_command, style="dim", overflow="fold")


def _metrics(report: Report) -> Iterator[Text | _Line | str]:
    if not report.metrics:
        return
    yield ""
    yield Text("metrics (totals over goldens that changed; geometric means of new/old)", style="bold")
    for metric in report.metrics:
        means = f"mean {phrases.mean(metric.mean_of_all)} of all, {phrases.mean(metric.mean_of_changed)} of changed"
        style = "red" if metric.regressed and not metric.improved else "green" if metric.improved else ""
        yield _indented(f"{metric.name}: {phrases.counts(metric)}", 2, style)
        yield _indented(f"{phrases.total(metric)}; {means}", 6)
        for word, extreme in (("worst", metric.largest_loss), ("best", metric.largest_gain)):
            if extreme:
                yield _indented(f"{word}: {extreme[0]} {extreme[1]} -> {extreme[2]}", 6)


def _group(report: Report, group: Group, full: bool) -> Iterator[Text | _Line | str]:
    change = group.exemplar
    yield Text(f"{phrases.group_line(group)}  [{group.fingerprint}]", style="bold")
    yield _indented(change.name, 2)
    if change.status == "changed":
        yield _indented(phrases.effect(change), 2)
    for cause in change.causes:
        for line in phrases.evidence(cause.findings, 1000 if full else _EVIDENCE):
            yield _indented(f"{CAUSE[cause.name].title}: {line}", 4)
    yield from _hunks(report, group, full)
    others = [member for member in group.members if member is not change and member not in group.exceptions]
    if others:
        yield _indented(f"the same in {phrases.counted(len(others), 'golden')}:", 2)
        for member in others if full else others[:_MEMBERS]:
            yield _indented(member.name, 4)
        if not full and len(others) > _MEMBERS:
            yield _indented(f"and {len(others) - _MEMBERS} more: add --full to see all", 4)
    for member in group.exceptions if full else group.exceptions[:_MEMBERS]:
        yield _indented(f"except in its effect: {member.name}: {phrases.effect(member)}", 2)
    if not full and len(group.exceptions) > _MEMBERS:
        yield _indented(f"and {len(group.exceptions) - _MEMBERS} more exceptions: add --full to see all", 2)


def _hunks(report: Report, group: Group, full: bool) -> Iterator[Text | _Line | str]:
    hunks = [hunk.to_read() for hunk in report.hunks.get(group.exemplar.name, ())]
    lines = [line for hunk in hunks for line in (hunk.header, *hunk.lines)]
    shown = lines if full else lines[:_LINES]
    for line in shown:
        yield Text(line, style=_STYLES.get(line[:1], ""), overflow="fold")
    if len(shown) < len(lines):
        yield _indented(f"{len(lines) - len(shown)} more lines: add --full to see all", 2)


@dataclass(frozen=True)
class _Line:
    """Text at an indentation, which the lines that it is wrapped into keep."""

    text: str
    indent: int = 0
    style: str = ""

    def wrapped(self, width: int) -> Text:
        space = " " * self.indent
        hanging = space + "  "
        lines = textwrap.wrap(self.text, max(width, 20), initial_indent=space, subsequent_indent=hanging)
        return Text("\n".join(lines), style=self.style)


def _indented(text: str, by: int, style: str = "") -> _Line:
    return _Line(text, by, style)
