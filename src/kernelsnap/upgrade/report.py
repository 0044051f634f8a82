"""Writes an upgrade in Markdown and as JSON: its groups, which packages made each, what failed, and what to do next."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kernelsnap.bisect.report import row
from kernelsnap.diff.compare import Diff
from kernelsnap.report.diff_text import failure_lines
from kernelsnap.report.json_report import as_data
from kernelsnap.report.model import Report
from kernelsnap.report.visible import visible
from kernelsnap.report.words import beyond, effect, evidence, first_line, group_line, judged
from kernelsnap.shared.wording import counted, first_few, listed
from kernelsnap.upgrade.groups import CauseGroup
from kernelsnap.upgrade.state import Result

#: Lines of a diff, findings of a cause, and members of a group that the report shows; the page has all.
_LINES, _EVIDENCE, _MEMBERS = 60, 6, 8


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade changes."""

    moved: str  # `torch 2.13.0 -> 2.14.1, triton 3.7.1 -> 3.8.0`
    also: Sequence[str]  # other packages whose versions differ
    compared: int  # goldens
    groups: tuple[CauseGroup, ...]
    results: Sequence[Result]  # of the cases that were not compared, or failed for another reason, too
    report: Report
    command: str
    accept: tuple[str, ...]  # the command that accepts the rest; () where nothing can be accepted
    why_not: str = ""  # why nothing can be accepted
    moves: bool = False  # whether `toolchain.toml` still names the old versions

    @property
    def changed(self) -> int:
        """How many goldens change."""
        return sum(len(group.entries) for group in self.groups)

    @property
    def explained(self) -> int:
        """How many of these are in a group with a cause, and a package that brought it."""
        return sum(len(group.entries) for group in self.groups if group.explained)

    @property
    def failed(self) -> list[Result]:
        """The cases that failed, and not because a golden differs."""
        return [result for result in self.results if result.outcome != "skipped"]


def markdown(upgrade: Upgrade) -> str:
    """The report."""
    lines = [f"# Upgrade: {upgrade.moved}", "", _headline(upgrade), ""]
    if upgrade.groups:
        lines += [row(["", "goldens", "cause", "made by", "cost", "decided before"])]
        lines += [row(["---"] * 6), *(_row(number, group) for number, group in enumerate(upgrade.groups, 1)), ""]
    for number, group in enumerate(upgrade.groups, 1):
        lines += _group(number, group, upgrade.report.diffs)
    lines += _not_compared("Failed, and not because a golden differs", upgrade.failed)
    lines += _not_compared("Skipped", [result for result in upgrade.results if result.outcome == "skipped"])
    if upgrade.also:
        lines += [f"Other packages that differ between both environments: {listed(upgrade.also, 20)}.", ""]
    lines += _next(upgrade)
    return "\n".join(map(visible, lines)) + "\n"


def _headline(upgrade: Upgrade) -> str:
    if not upgrade.groups:
        return f"No golden changes, of {upgrade.compared} that were compared."
    read = sum(not group.is_settled for group in upgrade.groups)
    share = 100 * upgrade.explained / upgrade.changed
    return (
        f"{first_line(upgrade.report)}. {counted(read, 'group')} to read; {upgrade.explained} of {upgrade.changed} "
        f"({share:.0f} %) are in a group with a cause, made by packages that are known."
    )


def _row(number: int, group: CauseGroup) -> str:
    cost, decided = judged(group.cost) or "as before", str(group.line or "")
    return row([str(number), str(len(group.entries)), group.title, group.origin.words, cost, decided])


def _group(number: int, group: CauseGroup, diffs: Mapping[str, Diff]) -> Iterator[str]:
    yield from (f"## {number}. {group_line(group.title, len(group.entries), group.cost)}", "")
    yield from (f"Made by {group.origin.words}." if group.origin.known else f"Made by: {group.origin.words}.", "")
    if group.line:
        yield from (f"Decided before: {group.line}.", "")
    for found in group.groups:
        change = found.exemplar
        yield f"- {counted(len(found.members), 'golden')} `{found.fingerprint}`, as `{change.name}`: {effect(change)}"
        for cause in change.causes:
            yield from (f"  - {line}" for line in evidence(cause.findings, _EVIDENCE))
        for member in found.exceptions[:_MEMBERS]:
            yield f"  - the same in `{member.name}`, except for: {beyond(found, member)}"
    yield ""
    if (diff := diffs.get(group.exemplar.name)) is not None and not group.is_settled:
        shown = failure_lines(diff, color=False)
        more = [f"... {len(shown) - _LINES} more lines"] if len(shown) > _LINES else []
        yield from ("```diff", *shown[:_LINES], *more, "```", "")
    yield from (f"All: {', '.join(first_few([entry.name for entry in group.entries], _MEMBERS))}.", "")


def _not_compared(title: str, results: Sequence[Result]) -> Iterator[str]:
    if results:
        yield from (f"## {title}: {counted(len(results), 'case')}", "")
        reasons: defaultdict[str, list[str]] = defaultdict(list)
        for result in results:
            reasons[result.reason or "no reason given"].append(result.case)
        yield from (f"- {reason}: {', '.join(first_few(cases, _MEMBERS))}" for reason, cases in reasons.items())
        yield ""


def _next(upgrade: Upgrade) -> Iterable[str]:
    commit = f"{upgrade.command} --commit"
    if not upgrade.groups:
        left = f"To name the new versions in toolchain.toml, in a git commit:  {commit}" if upgrade.moves else ""
        return [upgrade.why_not or left or "Nothing is left to decide."]
    if not upgrade.accept:
        return [upgrade.why_not]
    review = ["kernelsnap", "review", *upgrade.accept[3:]]
    return [
        "Nothing of this is written to the goldens yet.",
        f"To decide group by group:  {shlex.join(review)}",
        f"To accept what is explained, a git commit for each cause:  {commit}",
        f"To accept all of it:  {shlex.join(upgrade.accept)}",
    ]


def data(upgrade: Upgrade) -> dict[str, Any]:
    """The report as data."""
    return {
        "moved": upgrade.moved,
        "also": list(upgrade.also),
        "compared": upgrade.compared,
        "changed": upgrade.changed,
        "explained": upgrade.explained,
        "groups": [_group_data(group) for group in upgrade.groups],
        "failed": [_result_data(result) for result in upgrade.failed],
        "skipped": [_result_data(result) for result in upgrade.results if result.outcome == "skipped"],
        "accept": list(upgrade.accept),
        "diff": as_data(upgrade.report),
    }


def _group_data(group: CauseGroup) -> dict[str, Any]:
    return {
        "causes": list(group.causes),
        "made by": group.origin.words,
        "explained": group.explained,
        "cost": group.cost.as_data(),
        "decided": str(group.line) if group.line else None,
        "groups": list(group.fingerprints),
        "goldens": [entry.golden for entry in group.entries],
    }


def _result_data(result: Result) -> dict[str, str]:
    return {"case": result.case, "reason": result.reason}
