"""Pending goldens as text and as JSON: what `kernelsnap pending` prints, and what `kernelsnap accept` shows first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from kernelsnap.pending.entry import NEW, Pending
from kernelsnap.pending.groups import PendingGroup, pending_groups
from kernelsnap.pending.ledger import Ledger
from kernelsnap.pending.standing import State

#: How many members of a group are named.
NAMED = 10
#: Fields of a head that a reader has no use for.
_INSIDE = ("templates", "seen", "findings")


def title(entry: Pending) -> str:
    """The causes of a change as a reader knows them."""
    from kernelsnap.diff.causes.cause_names import CauseName
    from kernelsnap.diff.causes.registry import CAUSES

    known = set(map(str, CauseName))
    return ", ".join(CAUSES[CauseName(name)].title if name in known else name for name in entry.causes)


def group_line(group: PendingGroup) -> str:
    """`fusion split: 12 goldens  [1a2b3c4d5e6f]`."""
    from kernelsnap.report.words import counted

    return f"{title(group.exemplar)}: {counted(len(group.members), 'golden')}  [{group.fingerprint}]"


def listing(
    entries: Collection[Pending], states: Mapping[str, State], ledger: Ledger, most: int = NAMED
) -> Iterator[str]:
    """The pending goldens in groups, the worst first; of each group the first members by name."""
    for group in pending_groups(entries):
        yield group_line(group)
        if line := ledger.of(group.exemplar):
            yield f"  before: {line}"
        for member in group.members[:most]:
            yield f"  {_member(member, states.get(member.golden, 'pending'))}"
        if len(group.members) > most:
            yield f"  and {len(group.members) - most} more"


def _member(entry: Pending, state: State) -> str:
    from kernelsnap.report.words import effect

    cost = "" if NEW in entry.causes else f": {effect(entry.change)}"
    stale = "; its golden has changed since: run the test again" if state == "outdated" else ""
    return f"{entry.name}{cost}{stale}"


def as_json(entries: Collection[Pending], states: Mapping[str, State]) -> list[dict[str, Any]]:
    """Each pending golden, in the order of the worst groups first, with the digest that a decision has to name."""
    found = []
    for group in pending_groups(entries):
        for member in group.members:
            head = {name: value for name, value in asdict(member).items() if name not in _INSIDE}
            state = states.get(member.golden, "pending")
            found.append({"case": str(member.case), "digest": member.digest, "state": state, **head})
    return found
