"""Picks which items to compare with which, so that not every pair of them has to be looked at.

This is blocking, as in record linkage: only items that share a key (an operation, a line of code, a type that they
write) are compared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping

from kernelsnap.diff.match.items import EXTERN, Item

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
