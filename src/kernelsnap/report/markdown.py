"""The report as a comment on a pull request.

A service takes 65,536 characters in a comment (GitHub's limit), so detail is shed until it fits, in the order of
`_STEPS`: names of the other members of a group, lines of diffs, diffs from the last group on, evidence, then groups
from the last on. What was left out is always said, and how to see it.
"""

from __future__ import annotations

import html
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from kernelsnap.diff.causes.registry import CAUSES
from kernelsnap.diff.tree.group import Group
from kernelsnap.report import words
from kernelsnap.report.model import Report, View
from kernelsnap.report.visible import visible
from kernelsnap.shared.wording import counted

#: The first line: a bot finds its own comment by it, and replaces that.
MARKER = "<!-- kernelsnap diff -->"
LIMIT = 65_536
#: What a report leaves of it to the job that posts it, for a link to its run.
_ROOM = 1_000
_NAME, _LINE, _ERRORS = 200, 500, 20
#: A longer list of names is shown on request.
_UNFOLDED = 5
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Detail:
    """How much is shown."""

    members: int
    diff_lines: int
    diffs: int  # groups with a diff
    evidence: int
    groups: int


_STEPS = (
    _Detail(members=200, diff_lines=400, diffs=200, evidence=50, groups=200),
    _Detail(members=20, diff_lines=400, diffs=200, evidence=50, groups=200),
    _Detail(members=20, diff_lines=120, diffs=200, evidence=50, groups=200),
    _Detail(members=20, diff_lines=60, diffs=200, evidence=50, groups=200),
    *(_Detail(members=20, diff_lines=60, diffs=diffs, evidence=50, groups=200) for diffs in (100, 50, 20, 10, 5)),
    *(_Detail(members=20, diff_lines=60, diffs=5, evidence=evidence, groups=200) for evidence in (10, 3)),
    *(_Detail(members=5, diff_lines=60, diffs=5, evidence=3, groups=groups) for groups in (200, 100, 50, 20)),
    _Detail(members=2, diff_lines=30, diffs=1, evidence=1, groups=20),
    _Detail(members=0, diff_lines=0, diffs=0, evidence=1, groups=5),
    _Detail(members=0, diff_lines=0, diffs=0, evidence=0, groups=0),
)


def render(report: Report, _: View) -> str:
    """The report with as much detail as fits into a comment, whatever the view asks for."""
    return fitted(report, LIMIT - _ROOM)


def fitted(report: Report, limit: int) -> str:
    """The report with as much detail as fits below `limit` characters."""
    text = ""
    for detail in _STEPS:
        text = _Page(report, detail).text()
        if len(text) < limit:
            return text
    end = f"\n\nCut off at {limit} characters.{''.join(_end(report))}"
    return text[: max(0, limit - len(end) - 1)] + end


def _end(report: Report) -> Iterator[str]:
    """How to see all, and the command that makes the report again: in blocks, where no word of them is cut."""
    for purpose, options in (
        ("All of it, in a terminal", ("--full",)),
        (words.again(report).capitalize(), ("--format", "markdown")),
    ):
        command = visible(shlex.join(report.again(*options)))
        fence = _fence(command)
        yield f"\n\n{purpose}:\n\n{fence}sh\n{command}\n{fence}"
    if report.accept:
        yield f"\n\nTo accept it:\n\n```sh\n{shlex.join(report.accept)}\n```"
    yield "\n"


@dataclass
class _Page:
    """One rendering; `left` counts what it leaves out."""

    report: Report
    detail: _Detail
    left: Counter[str] = field(default_factory=Counter)

    def text(self) -> str:
        lines = [*self._overview(), *self._metrics()]
        for place, group in enumerate(self._first("group", self.report.groups, self.detail.groups)):
            lines += self._group(group, place)
        if self.left:
            parts = (counted(number, noun) for noun, number in self.left.items())
            lines += ["", f"Left out to fit: {', '.join(parts)}."]
        return "\n".join(lines) + "".join(_end(self.report))

    def _first(self, noun: str, items: Iterable[_T], most: int) -> list[_T]:
        """The first of them; the others are counted as left out."""
        found = list(items)
        if len(found) > most:
            self.left[noun] += len(found) - most
        return found[:most]

    def _overview(self) -> Iterator[str]:
        report = self.report
        yield MARKER
        yield f"### kernelsnap: {words.first_line(report)}"
        yield ""
        for word, label, versions in zip(("old", "new"), (report.old, report.new), report.versions, strict=True):
            yield f"- {word}: {_code(label)}{f', recorded with {_code(versions)}' if versions else ''}"
        for sentence in filter(None, (words.renamed(report), words.no_metric(report))):
            yield f"- {sentence}"
        for what, reason in words.decisions(report):
            yield f"- {what}: {_code(reason)}"
        for changes in self._first("error", report.error_groups, _ERRORS):
            others = f" (the same in {counted(len(changes) - 1, 'golden')} more)" if len(changes) > 1 else ""
            yield f"- **error** {_code(changes[0].error)}{others}"
        if report.causes:
            yield from ("", "| cause | goldens | |", "| --- | ---: | --- |")
            for name, number in report.causes.items():
                yield f"| {CAUSES[name].title} | {number} | {CAUSES[name].meaning} |"

    def _metrics(self) -> Iterator[str]:
        if not self.report.metrics:
            return
        yield from ("", "| metric | goldens | total of changed | mean of all | mean of changed | worst | best |")
        yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
        extremes = []
        for metric in self.report.metrics:
            cells = [words.total(metric), words.mean(metric.mean_of_all), words.mean(metric.mean_of_changed)]
            for word, found in (("worst", metric.largest_loss), ("best", metric.largest_gain)):
                cells.append(words.mean(found[2] / found[1]) if found else "")
                if found:
                    extremes.append(f"- {metric.name}, {word}: {_code(found[0])}: {words.extreme(metric, found)}")
            yield f"| {metric.name} | {words.counts(metric)} | {' | '.join(cells)} |"
        if extremes:
            yield from ("", "<details><summary>Which goldens are the worst and the best</summary>", "")
            yield from extremes
            yield from ("", "</details>")

    def _group(self, group: Group, place: int) -> Iterator[str]:
        change = group.exemplar
        one_sided = change.status != "changed"
        heading = self.report.headings[group.fingerprint]
        title = html.escape(visible(words.group_line(heading, group.size, group.cost)))
        if not one_sided or len(group.members) == 1:
            title += f": <code>{html.escape(visible(change.name[:_NAME]))}</code>"
        yield from ("", f"<details{' open' if place == 0 else ''}><summary>{title}</summary>", "")
        if one_sided:
            yield from self._names(group)
        else:
            yield from self._changed(group, place)
        yield from ("", "</details>")

    def _changed(self, group: Group, place: int) -> Iterator[str]:
        change, detail = group.exemplar, self.detail
        yield from (f"`{group.fingerprint}` {words.effect(change)}", "")
        parts = self.report.by_part(change)
        yield from (f"- {_code(kernel)}" for kernel in words.kernel_times(parts, detail.evidence))
        for cause, time in words.causes_with_time(change, parts):
            if len(cause.findings) > detail.evidence:
                self.left["evidence line"] += len(cause.findings) - detail.evidence
            for title, line in words.cause_lines(cause, detail.evidence, time):
                yield f"- {title}: {_code(line)}"
        for member in self._first("name", group.exceptions, detail.members):
            yield f"- the same, except for this: {_code(member.name)}: {_code(words.beyond(group, member))}"
        if len(group.exceptions) > detail.members:
            yield f"- and {len(group.exceptions) - detail.members} more exceptions"
        yield from self._diff(change.name, place)
        others = [member for member in group.members if member is not change and member not in group.exceptions]
        if others:
            folded = len(others) > _UNFOLDED
            title = f"The same in {counted(len(others), 'golden')}:"
            yield from ("", f"<details><summary>{title}</summary>" if folded else title, "")
            yield from (f"- {_code(member.name)}" for member in self._first("name", others, detail.members))
            if len(others) > detail.members:
                yield f"- and {len(others) - detail.members} more"
            yield from ("", "</details>") if folded else ()

    def _names(self, group: Group) -> Iterator[str]:
        """The goldens that are new or gone; of one that was renamed, how it was called or is now."""
        for member in self._first("name", group.members, self.detail.members):
            also = self.report.called.get(member.name)
            yield f"- {_code(member.name)}{f', {_code(also)}' if also else ''}"
        if len(group.members) > self.detail.members:
            yield f"- and {len(group.members) - self.detail.members} more"

    def _diff(self, name: str, place: int) -> Iterator[str]:
        hunks = [hunk.to_read() for hunk in self.report.hunks.get(name, ())]
        lines = [visible(line) for hunk in hunks for line in (hunk.header, *hunk.lines)]
        if lines and place >= self.detail.diffs:
            self.left["diff"] += 1
        elif lines:
            shown = self._first("diff line", lines, self.detail.diff_lines)
            fence = _fence("\n".join(shown))
            yield from ("", f"{fence}diff", *shown, fence)
            if len(shown) < len(lines):
                yield f"{counted(len(lines) - len(shown), 'more line')} left out."


def _code(text: str) -> str:
    """Text that no renderer interprets, on one line."""
    text = visible(text.replace("\n", " "))
    text = text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"
    fence = _fence(text, shortest=1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _fence(text: str, shortest: int = 3) -> str:
    """Backquotes, more than follow each other anywhere in the text."""
    return "`" * max([shortest, *(len(run) + 1 for run in re.findall("`+", text))])
