"""Keeps the comparisons that a report may still need, so that no pair of goldens is compared a second time.

Which goldens a report shows is known only when all are compared: the exemplar of each group. Until then, the shortest
change of each kind is kept and the others are let go. A page that shows other members too asks for all of them.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Hashable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field, replace

from kernelsnap.diff.compare import Diff
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.group import length, way


@dataclass
class PackedDiffs(MutableMapping[str, Diff]):
    """Comparisons by the name of their golden, each as a few kilobytes in place of some hundred."""

    _packed: dict[str, bytes] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Diff:
        """A comparison, made ready to use; with all that had been computed of it when it was stored."""
        found: Diff = pickle.loads(zlib.decompress(self._packed[name]))
        return found

    def __setitem__(self, name: str, diff: Diff) -> None:
        """Store a comparison, or store it again with what was computed of it since."""
        self._packed[name] = zlib.compress(pickle.dumps(diff), level=1)

    def __delitem__(self, name: str) -> None:
        """Let a comparison go."""
        del self._packed[name]

    def __iter__(self) -> Iterator[str]:
        """The names of the goldens."""
        return iter(self._packed)

    def __len__(self) -> int:
        """How many comparisons there are."""
        return len(self._packed)

    def move(self, name: str, to: PackedDiffs) -> None:
        """Hand a comparison over as it is."""
        to._packed[name] = self._packed.pop(name)


@dataclass(frozen=True)
class Compared:
    """Two sides compared: what changed, by path, and the comparisons that a report may show."""

    changes: tuple[Change, ...]
    diffs: MutableMapping[str, Diff] = field(repr=False)


@dataclass
class Keeper:
    """Collects changes, and decides whose comparison is kept: `every` one, or those that may become exemplars."""

    every: bool
    changes: list[Change] = field(default_factory=list)
    diffs: PackedDiffs = field(default_factory=PackedDiffs)
    _shortest: dict[tuple[str, Hashable], Change] = field(default_factory=dict)

    def add(self, change: Change) -> None:
        """Take a change whose comparison was just made."""
        diff, change = change.diff, replace(change, diff=None)
        self.changes.append(change)
        if diff and self._wants(change):
            self.diffs[change.name] = diff

    def join(self, changes: Iterable[Change], diffs: PackedDiffs) -> None:
        """Take what another process has collected."""
        for change in changes:
            self.changes.append(change)
            if change.name in diffs and self._wants(change):
                diffs.move(change.name, self.diffs)

    @property
    def compared(self) -> Compared:
        """All that was collected."""
        return Compared(tuple(self.changes), self.diffs)

    def _wants(self, change: Change) -> bool:
        """Whether to keep a comparison; the one that it replaces is let go."""
        if self.every:
            return True
        kind = change.fingerprint, way(change)
        best = self._shortest.get(kind)
        if best and length(best) < length(change):
            return False
        if best:
            del self.diffs[best.name]
        self._shortest[kind] = change
        return True
