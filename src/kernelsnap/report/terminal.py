"""The report on many goldens for a terminal: in colours and to its width, or plain where there is none."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from rich.console import Console
from rich.text import Text

from kernelsnap.diff.causes.registry import CAUSES
from kernelsnap.diff.tree.cost import EFFECTS
from kernelsnap.diff.tree.group import Group
from kernelsnap.report import words
from kernelsnap.report.model import Report, View
from kernelsnap.report.visible import command_lines, folded, visible
from kernelsnap.shared.wording import counted

#: What is shown without `--full`; the rest is counted.
_GROUPS, _MEMBERS, _EVIDENCE, _LINES, _KERNELS = 20, 5, 4, 40, 4
_WIDTH = 80
#: A narrower terminal folds for itself.
_NARROWEST = 30
_STYLES = {"-": "red", "+": "green", "@": "cyan"}


def render(report: Report, view: View) -> str:
    """The report for the terminal of the view, whose width and colours are heeded, or else plain and 80 columns wide.

    So are COLUMNS, NO_COLOR and FORCE_COLOR.
    """
    plain = view.stream is None or bool(os.environ.get("NO_COLOR"))
    console = Console(
        file=view.stream or StringIO(),
        width=shutil.get_terminal_size().columns if view.stream else _WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        color_system=None if plain else "auto",
        force_terminal=False if plain else None,
    )
    with console.capture() as text:
        _print(report, view.full, console)
    return text.get()


def _print(report: Report, full: bool, console: Console) -> None:
    width = max(console.width, _NARROWEST)
    for line in _lines(report, full):
        for part in folded(visible(line.text), width, line.first, line.rest):
            console.print(Text(part, style=line.style), soft_wrap=True)
    command = map(shlex.quote, report.again(*(["--full"] if full else [])))
    for part in command_lines(command, width, f"{words.again(report)}: "):
        # Its words are as they are typed: one that cannot be shown cannot be typed either.
        console.print(Text(visible(part), style="dim"), soft_wrap=True)
    for part in command_lines(map(shlex.quote, report.accept), width, "accept: ") if report.accept else ():
        console.print(Text(visible(part), style="dim"), soft_wrap=True)


@dataclass(frozen=True)
class _ReportLine:
    """Text after `first`; the lines that it is folded into start with `rest`."""

    text: str
    first: str = ""
    rest: str = ""
    style: str = ""


_EMPTY = _ReportLine("")


def _indented(text: str, by: int, style: str = "") -> _ReportLine:
    return _ReportLine(text, " " * by, " " * (by + 2), style)


def _lines(report: Report, full: bool) -> Iterator[_ReportLine]:
    yield _ReportLine(words.first_line(report), style="bold")
    for word, label, versions in zip(("old", "new"), (report.old, report.new), report.versions, strict=True):
        yield _indented(f"{word}: {words.side(label, versions)}", 2)
    if sentence := words.renamed(report):
        yield _indented(sentence, 2)
    for what, reason in words.decisions(report):
        yield _indented(f"{what}: {reason}", 2)
    yield from _errors(report, full)
    if report.causes:
        yield _EMPTY
        yield _ReportLine("causes", style="bold")
        for name, number in report.causes.items():
            yield _ReportLine(f"{number:>5}  {CAUSES[name].title}: {CAUSES[name].meaning}", "  ", " " * 9)
    yield from _metrics(report, full)
    groups = report.groups if full else report.groups[:_GROUPS]
    for group in groups:
        yield _EMPTY
        yield from _group(report, group, full)
    if left := len(report.groups) - len(groups):
        yield _EMPTY
        yield _ReportLine(f"{counted(left, 'more group')} of changes: add --full to see all")
    yield _EMPTY


def _errors(report: Report, full: bool) -> Iterator[_ReportLine]:
    for changes in report.error_groups:
        name, error = report.shown(changes[0]), changes[0].error.removeprefix(changes[0].name)
        yield _indented(f"error: {name if error != changes[0].error else ''}{error}", 0, "bold red")
        shown = changes[1:] if full else changes[1 : _MEMBERS + 1]
        if shown:
            yield _indented(f"the same in {counted(len(changes) - 1, 'golden')}:", 2)
        yield from (_indented(report.shown(change), 4) for change in shown)
        if left := len(changes) - 1 - len(shown):
            yield _indented(f"and {left} more: add --full to see all", 4)


def _metrics(report: Report, full: bool) -> Iterator[_ReportLine]:
    if sentence := words.no_metric(report):
        yield _EMPTY
        yield _ReportLine(f"metrics: {sentence}", style="bold")
    if not report.metrics:
        return
    yield _EMPTY
    yield _ReportLine("metrics (totals over goldens that changed; geometric means of new/old)", style="bold")
    for metric in report.metrics:
        yield _indented(f"{metric.name}: {words.counts(metric)}; {words.total(metric)}", 2)
        extremes = (("worst", metric.largest_loss), ("best", metric.largest_gain))
        shares = "".join(f"; {word} {words.mean(found[2] / found[1])}" for word, found in extremes if found)
        means = f"mean of all {words.mean(metric.mean_of_all)}, of changed {words.mean(metric.mean_of_changed)}"
        yield _indented(f"{means}{shares}", 6)
        if full or metric.name in EFFECTS:
            for word, found in extremes:
                if found:
                    yield _indented(f"{word}: {found[0]}: {words.extreme(metric, found)}", 6)


def _group(report: Report, group: Group, full: bool) -> Iterator[_ReportLine]:
    change = group.exemplar
    line = words.group_line(report.headings[group.fingerprint], group.size, group.cost)
    yield _ReportLine(f"{line}  [{group.fingerprint}]", style="bold")
    if change.status != "changed":
        yield from _one_sided(report, group, full)
        return
    yield _indented(report.shown(change), 2)
    yield _indented(words.effect(change), 2)
    parts = report.by_part(change)
    for kernel in words.kernel_times(parts, None if full else _KERNELS):
        yield _indented(kernel, 4)
    for cause, time in words.causes_with_time(change, parts):
        for title, line in words.cause_lines(cause, len(cause.findings) if full else _EVIDENCE, time):
            yield _indented(f"{title}: {line}", 4)
    yield from _hunks(report, group, full)
    others = [member for member in group.members if member is not change and member not in group.exceptions]
    if others:
        yield _indented(f"the same in {counted(len(others), 'golden')}:", 2)
        yield from _names([report.shown(member) for member in others], full)
    for member in group.exceptions if full else group.exceptions[:_MEMBERS]:
        yield _indented(f"the same, except for this: {report.shown(member)}: {words.beyond(group, member)}", 2)
    if not full and len(group.exceptions) > _MEMBERS:
        yield _indented(f"and {len(group.exceptions) - _MEMBERS} more exceptions: add --full to see all", 2)


def _one_sided(report: Report, group: Group, full: bool) -> Iterator[_ReportLine]:
    """The goldens that are new or gone; of one that was renamed, how it is called on the other side."""
    called = {name: f" ({how})" for name, how in report.called.items()}
    yield from _names([f"{report.shown(member)}{called.get(member.name, '')}" for member in group.members], full, 2)


def _names(names: Sequence[str], full: bool, indent: int = 4) -> Iterator[_ReportLine]:
    for name in names if full else names[:_MEMBERS]:
        yield _indented(name, indent)
    if not full and len(names) > _MEMBERS:
        yield _indented(f"and {len(names) - _MEMBERS} more: add --full to see all", indent)


def _hunks(report: Report, group: Group, full: bool) -> Iterator[_ReportLine]:
    hunks = [hunk.to_read() for hunk in report.hunks.get(group.exemplar.name, ())]
    lines = [line for hunk in hunks for line in (hunk.header, *hunk.lines)]
    shown = lines if full else lines[:_LINES]
    for line in shown:
        # The lines that it is folded into are removed or added as it is.
        sign = line[0] if line[0] in "-+" else " "
        yield _ReportLine(line[1:], line[0], f"{sign}{' ' * 12}", _STYLES.get(line[0], ""))
    if len(shown) < len(lines):
        yield _indented(f"{len(lines) - len(shown)} more lines: add --full to see all", 2)
