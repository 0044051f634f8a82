"""How similar two kernels or library calls are that are not equal: a number from 0 to 1000; and which ones to compare.

Not every pair of them has to be looked at, by blocking, as in record linkage: only items that share a key (an
operation, a line of code, a type that they write) are compared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from kernelsnap.diff.match.items import EXTERN, Item, comparable_ops

_Key = TypeVar("_Key", bound=Hashable)


class Similarity:
    """Compares old items with new ones. A line that many have (every kernel computes an index) counts less."""

    def __init__(self, old: Sequence[Item], new: Sequence[Item]) -> None:
        """Weigh the lines of all items that will be compared."""
        lines = [Counter(row.shape for row in item.normal_form.lines) for item in (*old, *new)]
        everywhere = Counter(shape for counter in lines for shape in counter)
        weight = {shape: 1 / count for shape, count in everywhere.items()}
        compared = [_Profile(item, Bag(counter, weight)) for item, counter in zip((*old, *new), lines, strict=True)]
        self._old, self._new = compared[: len(old)], compared[len(old) :]

    def of(self, i: int, j: int) -> int:
        """The similarity of an old item and a new one, by their positions: from 0, nothing in common, to 1000.

        What neither of them has does not count.
        """
        old, new = self._old[i], self._new[j]
        points, most = 0.0, 0
        if old.item.ops or new.item.ops:
            points, most = points + 450 * _share_of_ops(old, new), most + 450
        if old.item.written or new.item.written:
            points, most = points + 200 * old.written.share(new.written), most + 200
        if old.extern and new.extern:
            points, most = points + 350 * (old.item.ref.name == new.item.ref.name), most + 350
        elif not old.extern and not new.extern:
            points, most = points + 250 * old.lines.share(new.lines), most + 250
            points, most = points + 100 * (old.item.shape == new.item.shape), most + 100
        return int(1000 * points / most) if most else 0


class Bag(Generic[_Key]):
    """A multiset with a weight for each element."""

    def __init__(self, things: Mapping[_Key, int], weight: Mapping[_Key, float] | None = None) -> None:
        """Sum up how often each element occurs, times its weight: 1 unless others are given."""
        self._things = things
        self._weights = {thing: weight[thing] if weight else 1.0 for thing in things}
        self.total = sum(count * self._weights[thing] for thing, count in things.items())

    def share(self, other: Bag[_Key]) -> float:
        """The weighted Dice coefficient: twice what both have, over the sum of what each has."""
        both = 0.0
        for thing, count in self._things.items():
            if count_there := other._things.get(thing, 0):
                both += min(count, count_there) * self._weights[thing]
        return 2 * both / (self.total + other.total) if both else 0.0


class _Profile:
    """An item with the weighted sets that it is compared by, made once."""

    def __init__(self, item: Item, lines: Bag[str]) -> None:
        self.item = item
        self.extern = item.ref.kind == EXTERN
        self.ops, self.written, self.lines = Bag(item.ops), Bag(item.written), lines


def _share_of_ops(old: _Profile, new: _Profile) -> float:
    if old.item.joined or new.item.joined:
        before, after = comparable_ops(old.item, new.item)
        # A combo kernel names each operation once: whether one item has all of the other can be seen, not how much.
        return float(bool(before and after) and (before <= after or after <= before))
    return old.ops.share(new.ops)


#: Of the items that share a key, this many are compared: the closest ones. A graph in which no more than these are left
#: to be paired is searched completely.
CLOSEST = 32


def blocking_keys(item: Item) -> Iterator[Hashable]:
    """All that can make an item similar to another, and the expressions it came from, which few others have.

    Two items that share no key have a similarity of 0.
    """
    yield "shape", item.shape
    yield from (("written", kind) for kind in item.written)
    yield from (("operation", aten) for _, aten in item.ops)
    yield from (("source", source) for source in (*item.ops, *item.sources))
    if item.ref.kind == EXTERN:
        yield "callee", item.ref.name
    yield from (("line", line.shape) for line in item.normal_form.lines)


class BlockingIndex:
    """Finds the positions of items by their keys."""

    def __init__(self, keys: Mapping[int, Iterable[Hashable]]) -> None:
        """Note for each position the keys of the item there."""
        self._positions: dict[Hashable, list[int]] = {}
        for position in sorted(keys):
            for key in set(keys[position]):
                self._positions.setdefault(key, []).append(position)

    def sharing(self, keys: Iterable[Hashable], near: float) -> list[int]:
        """The positions, rising, of the items that share one of these keys: for each key the `CLOSEST` to `near`.

        A key that nearly all have (every kernel computes an index) would otherwise make every pair a candidate; by a
        key that few have, an item is found at any distance.
        """
        found: set[int] = set()
        for key in keys:
            positions = self._positions.get(key, [])
            first = max(0, min(bisect_left(positions, near) - CLOSEST // 2, len(positions) - CLOSEST))
            found.update(positions[first : first + CLOSEST])
        return sorted(found)
