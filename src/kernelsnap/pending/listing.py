"""Pending goldens as text and as JSON: what `kernelsnap pending` prints, and what `kernelsnap accept` shows first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from kernelsnap.diff.tree.headings import Untitled, headings, titles
from kernelsnap.pending.entry import NEW, Pending
from kernelsnap.pending.groups import PendingGroup, pending_groups
from kernelsnap.pending.ledger import Ledger
from kernelsnap.pending.standing import State

#: How many members of a group are named.
NAMED = 10
#: Fields of a head that a reader has no use for.
_INSIDE = ("templates", "seen", "findings", "details", "sources", "line")


def title(entry: Pending) -> str:
    """The causes of a change as a reader knows them."""
    return titles(entry.causes)


def headings_of(groups: Iterable[PendingGroup]) -> dict[str, str]:
    """What each group is called, by its fingerprint; no two are called the same."""
    return headings(
        Untitled(group.fingerprint, title(group.exemplar), group.exemplar.details, group.exemplar.layers)
        for group in groups
    )


def group_line(group: PendingGroup, heading: str) -> str:
    """`fusion split: 12 goldens, est. 83 us -> 164 us  x1.97  slower, +4 800 B (+47.6 %)  [1a2b3c4d5e6f]`."""
    from kernelsnap.report import words

    return f"{words.group_line(heading, group.size, group.cost)}  [{group.fingerprint}]"


def listing(
    entries: Collection[Pending], states: Mapping[str, State], ledger: Ledger, most: int = NAMED
) -> Iterator[str]:
    """The pending goldens in groups, the worst first; of each group the first members by name."""
    groups = pending_groups(entries)
    called = headings_of(groups)
    for group in groups:
        yield group_line(group, called[group.fingerprint])
        if line := ledger.of(group.exemplar):
            yield f"  before: {line}"
        for member in group.members[:most]:
            yield f"  {_member(member, states.get(member.golden, 'pending'))}"
            yield from (f"    {line}" for line in both_sides(member))
        if len(group.members) > most:
            yield f"  and {len(group.members) - most} more"


def both_sides(entry: Pending) -> Iterator[str]:
    """What each side of a merge changed; nothing where no merge left the entry."""
    yield from (f"{side}: {what}" for side, what in zip(("ours", "theirs"), entry.merge, strict=False))


def _member(entry: Pending, state: State) -> str:
    from kernelsnap.report.words import effect

    moved = f"moved from {entry.moved_from}; " if entry.moved_from else ""
    moved = "a merge: theirs, in place of ours; " if entry.merge else moved
    cost = "" if NEW in entry.causes else f": {moved}{effect(entry.change)}"
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
