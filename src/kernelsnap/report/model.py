"""What a report on many goldens holds, whatever form it is written in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TextIO

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.compare import Diff
from kernelsnap.diff.sides.trees import Contents
from kernelsnap.diff.text.hunks import Hunk
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.cost import Cost, Verdict, total
from kernelsnap.diff.tree.estimates import TimeByPart, time_by_part
from kernelsnap.diff.tree.group import Group, grouped
from kernelsnap.diff.tree.headings import Untitled, details, headings, titles
from kernelsnap.diff.tree.kept import Compared
from kernelsnap.diff.tree.many import renames
from kernelsnap.diff.tree.summary import MetricSummary, summarize
from kernelsnap.shared.places import below
from kernelsnap.shared.wording import number_of_goldens

# " (new):12: ": which side, and which line, of an error that several goldens share
_PLACE = re.compile(r"^(?: \(\w+\))?(?::\d+)?: ")


@dataclass(frozen=True)
class View:
    """How a report is to be written."""

    full: bool = False  # whether nothing is left out
    file: str = ""  # what the user calls the file that it is written to; "" for standard output
    stream: TextIO | None = None  # a terminal that it is written to: it has a width, and perhaps colours


@dataclass(frozen=True)
class Report:
    """Two sides compared."""

    old: str  # how the user named them
    new: str
    command: tuple[str, ...]  # what compares them again
    compared: int  # goldens of both sides together
    changes: tuple[Change, ...]  # by name
    groups: tuple[Group, ...]
    metrics: tuple[MetricSummary, ...]
    hunks: Mapping[str, tuple[Hunk, ...]] = field(repr=False)  # of the exemplars of the groups
    versions: tuple[str, str] = ("", "")  # what each side was recorded with: "torch 2.13.0, triton 3.7.1"; "" unknown
    renamed: Mapping[str, str] = field(default_factory=dict)  # of goldens that are gone and new: new names by old ones
    diffs: Mapping[str, Diff] = field(default_factory=dict, repr=False)  # the comparisons that were kept
    decided: Mapping[str, str] = field(default_factory=dict)  # what the ledger has about groups, by fingerprint
    for_now: tuple[str, ...] = ()  # what is accepted for now, with the reasons
    accept: tuple[str, ...] = ()  # the command that accepts the new side; () where nothing is pending
    places: tuple[str, str] = ("", "")  # the folders of both sides, for whoever reads this where it was made

    @property
    def same(self) -> int:
        """How many goldens are equal on both sides."""
        return self.compared - number_of_goldens(self.changes)

    def judged(self, verdict: Verdict) -> tuple[int, Cost]:
        """How many of the goldens that changed are worse, or better, and by how much all of them are."""
        found = [change for change in self.changes if change.status == "changed" and change.cost.verdict == verdict]
        return number_of_goldens(found), total(change.cost for change in found)

    @cached_property
    def headings(self) -> dict[str, str]:
        """What each group is called, by its fingerprint; no two are called the same."""
        return headings(
            Untitled(
                group.fingerprint,
                titles(group.exemplar.cause_names or (group.exemplar.status,)),
                details(finding for cause in group.exemplar.causes for finding in cause.findings),
                group.exemplar.layers,
            )
            for group in self.groups
        )

    def by_part(self, change: Change) -> TimeByPart | None:
        """The estimated time of a change by kernel and cause; None without an estimate, or if no hunks of it are shown.

        Its `Diff` is computed whole only for those that are.
        """
        if not change.time.told or not self.hunks.get(change.name):
            return None
        return self._by_part(change.name)

    @cached_property
    def _by_part(self) -> Callable[[str], TimeByPart]:
        return cache(lambda name: time_by_part(self.diffs[name]))

    @property
    def errors(self) -> tuple[Change, ...]:
        """The goldens that could not be read."""
        return tuple(change for change in self.changes if change.status == "unreadable")

    @property
    def error_groups(self) -> tuple[tuple[Change, ...], ...]:
        """The goldens that could not be read for the same reason together, in the order of their names."""
        found: defaultdict[str, list[Change]] = defaultdict(list)
        for change in self.errors:
            found[_PLACE.sub("", change.error.removeprefix(change.name))].append(change)
        return tuple(map(tuple, found.values()))

    @property
    def statuses(self) -> dict[str, int]:
        """How many goldens changed, are new, are gone, are unreadable; without zeros."""
        of = {
            status: number_of_goldens(change for change in self.changes if change.status == status)
            for status in ("changed", "new", "gone", "unreadable")
        }
        return {status: number for status, number in of.items() if number}

    @property
    def causes(self) -> dict[CauseName, int]:
        """In how many goldens each cause was found, in the order of the table; without zeros."""
        of = {
            name: number_of_goldens(change for change in self.changes if name in change.cause_names)
            for name in CauseName
        }
        return {name: number for name, number in of.items() if number}

    @cached_property
    def called(self) -> dict[str, str]:
        """Of goldens that were renamed, how each is called on the other side: `was a.ksnap`, `is now b.ksnap`."""
        pairs = self.renamed.items()
        return {new: f"was {old}" for old, new in pairs} | {old: f"is now {new}" for old, new in pairs}

    def shown(self, change: Change) -> str:
        """The file of a golden as it is called where the report was made, on the new side if that has it."""
        place = self.places[change.status != "gone"]
        return below(place, change.name) if place else change.name

    @property
    def reads_input(self) -> bool:
        """Whether what was compared came from standard input, and has to be given again."""
        return self.command[2:4] == ("--patch", "-")

    def again(self, *options: str) -> tuple[str, ...]:
        """The command that makes this report again with these options, word by word."""
        at = self.command.index("--") if "--" in self.command else len(self.command)
        return (*self.command[:at], *options, *self.command[at:])


def report_of(
    labels: tuple[str, str],
    command: Sequence[str],
    number: int,
    compared: Compared,
    contents: Mapping[str, Contents],
    shown: int | None = None,
    versions: tuple[str, str] = ("", ""),
    with_resources: Collection[str] = (),
) -> Report:
    """The report on `number` goldens that were compared, with the diffs of the exemplars of the `shown` first groups.

    `labels` are what the user calls the two sides. `contents` are both sides of each golden, by name: those that only
    one side has are read again, to find out what was renamed. `with_resources` names the goldens that have a resources
    file on both sides.
    """
    changes, diffs = compared.changes, compared.diffs
    groups = grouped(changes)
    hunks = {group.exemplar.name: _hunks(diffs, group.exemplar.name) for group in groups[:shown]}
    same_resources = len({*with_resources} - {change.name for change in changes})
    metrics = summarize(changes, number - len(changes), same_resources)
    ordered = tuple(sorted(changes, key=lambda change: change.name))
    renamed = renames(changes, contents)
    return Report(*labels, tuple(command), number, ordered, groups, metrics, hunks, versions, renamed, diffs)


def _hunks(diffs: MutableMapping[str, Diff], name: str) -> tuple[Hunk, ...]:
    """What differs in one golden; nothing for one that only one side has: a whole golden is no change to read."""
    if name not in diffs:
        return ()
    diff = diffs[name]
    found = diff.hunks
    diffs[name] = diff  # a page that shows the golden needs what was computed for its hunks
    return found
