"""Groups goldens that changed in the same way, so that a reviewer reads each change once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kernelsnap.diff.metrics import MetricDelta
from kernelsnap.diff.tree.change import Change, Status
from kernelsnap.diff.tree.cost import Cost, total
from kernelsnap.shared.wording import number_of_goldens

_ORDER: Mapping[Status, int] = {"changed": 0, "new": 1, "gone": 2}


@dataclass(frozen=True)
class Group:
    """Goldens that changed in the same way."""

    fingerprint: str
    exemplar: Change  # the one that shows it best: the shortest to read
    members: tuple[Change, ...]  # all of them, by name
    exceptions: tuple[Change, ...]  # members whose plan or metrics changed in another way than those of most

    @cached_property
    def cost(self) -> Cost:
        """What all members together cost more than before, or less."""
        return total(member.cost for member in self.members)

    @property
    def size(self) -> int:
        """How many goldens it has."""
        return number_of_goldens(self.members)

    def beyond(self, member: Change) -> tuple[str, ...]:
        """What changed in a member and not in the exemplar, or the other way round: operations, then metrics."""
        return tuple(_beyond(self.exemplar, member))


def grouped(changes: Iterable[Change]) -> tuple[Group, ...]:
    """The changes in groups: those that cost most first, of equal ones the larger; goldens of one side only last.

    Unreadable goldens are in none.
    """
    members: defaultdict[str, list[Change]] = defaultdict(list)
    for change in changes:
        if change.status != "unreadable":
            members[change.fingerprint].append(change)
    groups = [_group(fingerprint, found) for fingerprint, found in members.items()]
    return tuple(sorted(groups, key=_rank))


def _rank(group: Group) -> tuple[Any, ...]:
    return _ORDER[group.exemplar.status], group.cost.rank, -group.size, group.exemplar.name


def _group(fingerprint: str, found: list[Change]) -> Group:
    found = sorted(found, key=lambda change: change.name)
    ways = Counter(map(way, found))
    usual = min(ways, key=lambda way: (-ways[way], repr(way)))
    ordinary = [change for change in found if way(change) == usual]
    exceptions = tuple(change for change in found if way(change) != usual)
    exemplar = min(ordinary, key=length)
    return Group(fingerprint, exemplar, tuple(found), exceptions)


def length(change: Change) -> tuple[int, str]:
    """How much there is to read about a change; then its name. The exemplar of a group is the shortest."""
    return sum(len(cause.findings) for cause in change.causes), change.name


def way(change: Change) -> Hashable:
    """Which way its plan and its metrics went, whatever the numbers: equal for members that are alike in all of it."""
    return tuple(sorted(change.operations)), tuple(sorted((delta.name, _direction(delta)) for delta in change.metrics))


def _direction(delta: MetricDelta) -> int:
    """-1, 0 or 1; 2 where a side has no number."""
    if delta.old is None or delta.new is None:
        return 2
    return (delta.new > delta.old) - (delta.new < delta.old)


def _beyond(exemplar: Change, member: Change) -> Iterator[str]:
    for operation in sorted(member.operations - exemplar.operations):
        yield f"operation {operation}"
    for operation in sorted(exemplar.operations - member.operations):
        yield f"no operation {operation}"
    usual = {delta.name: _direction(delta) for delta in exemplar.metrics}
    for delta in member.metrics:
        direction = _direction(delta)
        if direction != usual.get(delta.name, 0):
            numbers = (str(number) if number is not None else "none" for number in (delta.old, delta.new))
            yield f"{delta.name} {' -> '.join(numbers)}" if direction else f"{delta.name} as before"
