"""Groups goldens that changed in the same way, so that a reviewer reads each change once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kernelsnap.diff.tree.change import Change, Status

#: The metrics that show whether a change has the same effect in every golden of its group.
EFFECTS = ("kernels", "bytes accessed")

_ORDER: Mapping[Status, int] = {"changed": 0, "new": 1, "gone": 2}


@dataclass(frozen=True)
class Group:
    """Goldens that changed in the same way."""

    fingerprint: str
    exemplar: Change  # the one that shows it best: the shortest to read
    members: tuple[Change, ...]  # all of them, by name
    exceptions: tuple[Change, ...]  # members whose kernels or bytes moved another way than those of most


def grouped(changes: Iterable[Change]) -> tuple[Group, ...]:
    """The changes in groups, the largest first, goldens of one side only last; unreadable goldens are in none."""
    members: defaultdict[str, list[Change]] = defaultdict(list)
    for change in changes:
        if change.status != "unreadable":
            members[change.fingerprint].append(change)
    groups = [_group(fingerprint, found) for fingerprint, found in members.items()]
    return tuple(sorted(groups, key=_rank))


def _rank(group: Group) -> tuple[int, int, str]:
    return _ORDER[group.exemplar.status], -len(group.members), group.exemplar.name


def _group(fingerprint: str, found: list[Change]) -> Group:
    found = sorted(found, key=lambda change: change.name)
    ways = Counter(map(way, found))
    usual = min(ways, key=lambda way: (-ways[way], way))
    ordinary = [change for change in found if way(change) == usual]
    exceptions = tuple(change for change in found if way(change) != usual)
    exemplar = min(ordinary, key=length)
    return Group(fingerprint, exemplar, tuple(found), exceptions)


def length(change: Change) -> tuple[int, str]:
    """How much there is to read about a change; then its name. The exemplar of a group is the shortest."""
    return sum(len(cause.findings) for cause in change.causes), change.name


def way(change: Change) -> tuple[int, ...]:
    """Which way the effects went: -1, 0 or 1 each, 2 where a side has no number."""
    deltas = [change.delta(name) for name in EFFECTS]
    return tuple(2 if delta is None else (delta > 0) - (delta < 0) for delta in deltas)
