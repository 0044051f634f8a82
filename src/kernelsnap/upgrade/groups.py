"""The changed goldens of an upgrade in groups to be read: those of the same causes, made by the same packages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.cost import Cost
from kernelsnap.diff.tree.group import Group, grouped
from kernelsnap.pending.entry import MOVED, NEW, Pending
from kernelsnap.pending.groups import PendingGroup
from kernelsnap.pending.ledger import Ledger, Line
from kernelsnap.pending.listing import title
from kernelsnap.upgrade.split import Origin


@dataclass(frozen=True)
class CauseGroup:
    """Goldens that changed for the same causes, which the same packages brought."""

    origin: Origin
    entries: tuple[Pending, ...]
    groups: tuple[Group, ...]  # of those that changed in the very same way, the largest first
    line: Line | None  # what the ledger has about all of them

    @property
    def causes(self) -> tuple[str, ...]:
        """The names of the causes, which all have in common."""
        return self.entries[0].causes

    @property
    def title(self) -> str:
        """The causes as a reader knows them."""
        return title(self.entries[0])

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The names of the groups in it."""
        return tuple(group.fingerprint for group in self.groups)

    @property
    def exemplar(self) -> Change:
        """The golden that shows the change best."""
        return self.groups[0].exemplar

    @property
    def explained(self) -> bool:
        """Whether there is a cause, and a package that brought it."""
        return self.origin.known and not {CauseName.UNKNOWN, NEW, MOVED} & {*self.causes}

    @property
    def accepts(self) -> bool:
        """Whether `--commit` takes it: it is explained, and nobody rejected it."""
        return self.explained and (self.line is None or self.line.decision != "rejected")

    @property
    def is_settled(self) -> bool:
        """Whether the ledger has that it was accepted: it is not to be read again."""
        return self.line is not None and self.line.decision == "accepted"

    @cached_property
    def cost(self) -> Cost:
        """What all its goldens together cost more than before, or less."""
        return PendingGroup(self.entries).cost


def cause_groups(
    entries: Sequence[Pending], changes: Sequence[Change], origins: Mapping[str, Origin], ledger: Ledger
) -> tuple[CauseGroup, ...]:
    """The groups, the costliest first, then the largest; what is settled by the ledger last.

    Args:
        entries: the pending goldens.
        changes: what changed in each.
        origins: which packages made the change of each, by its path.
        ledger: what was decided before.
    """
    by_path = {change.name: change for change in changes}
    found: defaultdict[tuple[Origin, tuple[str, ...], Line | None], list[Pending]] = defaultdict(list)
    for entry in entries:
        found[origins[entry.golden], entry.causes, ledger.of(entry)].append(entry)
    groups = (
        CauseGroup(origin, tuple(members), grouped(by_path[entry.golden] for entry in members), line)
        for (origin, _, line), members in found.items()
    )
    return tuple(sorted(groups, key=_rank))


def _rank(group: CauseGroup) -> tuple[Any, ...]:
    return group.is_settled, NEW in group.causes, group.cost.rank, -len(group.entries), group.exemplar.name
