"""Pending goldens in groups, the worst first, from their heads alone: nothing is compared again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kernelsnap.diff.tree.cost import Cost, total
from kernelsnap.diff.tree.group import Group, way
from kernelsnap.pending.entry import NEW, Pending
from kernelsnap.shared.wording import number_of_goldens


@dataclass(frozen=True)
class PendingGroup:
    """Pending goldens that changed in the same way."""

    members: tuple[Pending, ...]  # the exemplar first, then by name

    @property
    def exemplar(self) -> Pending:
        """The one that shows the change best."""
        return self.members[0]

    @property
    def fingerprint(self) -> str:
        """The group's name."""
        return self.exemplar.group

    @cached_property
    def as_group(self) -> Group:
        """The same for the sentences of reports."""
        usual = way(self.exemplar.change)
        changes = tuple(member.change for member in self.members)
        exceptions = tuple(change for change in changes if way(change) != usual)
        return Group(self.fingerprint, self.exemplar.change, changes, exceptions)

    @cached_property
    def cost(self) -> Cost:
        """What all members together cost more than before, or less; targets that share a golden count once."""
        return total(member.cost for member in {one.identity: one for one in self.members}.values())

    @property
    def size(self) -> int:
        """How many goldens it has."""
        return number_of_goldens(self.members)


def pending_groups(entries: Collection[Pending]) -> list[PendingGroup]:
    """The groups: those that cost most first, of equal ones the larger; what is new last."""
    found: defaultdict[str, list[Pending]] = defaultdict(list)
    for entry in entries:
        found[entry.group].append(entry)
    return sorted(map(_group, found.values()), key=_rank)


def _group(entries: list[Pending]) -> PendingGroup:
    ways = {entry.golden: _way(entry) for entry in entries}
    count = Counter(ways.values())
    usual = min(count, key=lambda kind: (-count[kind], repr(kind)))
    exemplar = min(
        (entry for entry in entries if ways[entry.golden] == usual), key=lambda entry: (entry.findings, entry.golden)
    )
    others = sorted((entry for entry in entries if entry is not exemplar), key=lambda entry: entry.golden)
    return PendingGroup((exemplar, *others))


def _way(entry: Pending) -> Hashable:
    """As `way` has it for a change: which way its metrics went, whatever the numbers."""
    moved = ((name, old is None or new is None or (new > old) - (new < old)) for name, old, new in entry.metrics)
    return entry.operations, tuple(moved)


def _rank(group: PendingGroup) -> tuple[Any, ...]:
    return NEW in group.exemplar.causes, group.cost.rank, -group.size, group.exemplar.golden
