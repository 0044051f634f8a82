"""How much alike two kernels or library calls are that are not equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from kernelsnap.diff.match.items import EXTERN, Item, comparable_ops

_Key = TypeVar("_Key", bound=Hashable)


class Likeness:
    """Compares old items with new ones; lines that many of them share (every kernel computes its index) say less."""

    def __init__(self, old: Sequence[Item], new: Sequence[Item]) -> None:
        """Weigh the lines of all items that will be compared."""
        lines = [Counter(row.shape for row in item.skeleton.rows) for item in (*old, *new)]
        everywhere = Counter(shape for counter in lines for shape in counter)
        weight = {shape: 1 / count for shape, count in everywhere.items()}
        compared = [_Compared(item, _Bag(counter, weight)) for item, counter in zip((*old, *new), lines, strict=True)]
        self._old, self._new = compared[: len(old)], compared[len(old) :]

    def of(self, i: int, j: int) -> int:
        """Of an old item and a new one, by their positions: from 0, nothing in common, to 1000.

        What neither has does not count.
        """
        old, new = self._old[i], self._new[j]
        points, most = 0.0, 0
        if old.item.ops or new.item.ops:
            points, most = points + 450 * _share_of_ops(old, new), most + 450
        if old.item.written or new.item.written:
            points, most = points + 200 * old.written.share(new.written), most + 200
        if old.extern and new.extern:
            points, most = points + 350 * (old.item.part.name == new.item.part.name), most + 350
        elif not old.extern and not new.extern:
            points, most = points + 250 * old.lines.share(new.lines), most + 250
            points, most = points + 100 * (old.item.shape == new.item.shape), most + 100
        return int(1000 * points / most) if most else 0


class _Bag(Generic[_Key]):
    """Things, each any number of times and with a weight."""

    def __init__(self, things: Mapping[_Key, int], weight: Mapping[_Key, float] | None = None) -> None:
        self._things = things
        self._weights = {thing: weight[thing] if weight else 1.0 for thing in things}
        self._total = sum(count * self._weights[thing] for thing, count in things.items())

    def share(self, other: _Bag[_Key]) -> float:
        """Twice what both have, over what each has."""
        both = 0.0
        for thing, count in self._things.items():
            if count_there := other._things.get(thing, 0):
                both += min(count, count_there) * self._weights[thing]
        return 2 * both / (self._total + other._total) if both else 0.0


class _Compared:
    """An item, with what it is compared by made ready once."""

    def __init__(self, item: Item, lines: _Bag[str]) -> None:
        self.item = item
        self.extern = item.part.kind == EXTERN
        self.ops, self.written, self.lines = _Bag(item.ops), _Bag(item.written), lines


def _share_of_ops(old: _Compared, new: _Compared) -> float:
    if old.item.joined or new.item.joined:
        before, after = comparable_ops(old.item, new.item)
        # Whether the one is a part of the other: how large a part, nothing says.
        return float(bool(before and after) and (before <= after or after <= before))
    return old.ops.share(new.ops)


def traits(item: Item) -> Iterator[Hashable]:
    """All that can make an item like another, and the expressions it came from, which few others have.

    Two items that have none in common have a likeness of 0.
    """
    yield "shape", item.shape
    yield from (("written", kind) for kind in item.written)
    yield from (("operation", aten) for _, aten in item.ops)
    yield from (("source", source) for source in (*item.ops, *item.sources))
    if item.part.kind == EXTERN:
        yield "callee", item.part.name
    yield from (("line", row.shape) for row in item.skeleton.rows)
