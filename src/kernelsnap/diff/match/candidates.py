"""Which of many items could belong together, without looking at every pair of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping

#: Of the items that have one thing in common, so many are looked at: those that stand closest. A graph in which no
#: more than these are left to be paired is searched completely.
CLOSEST = 32


class Index:
    """Finds items, known by their places, by the things that they have."""

    def __init__(self, things: Mapping[int, Iterable[Hashable]]) -> None:
        """Note for each place what the item there has."""
        self._places: dict[Hashable, list[int]] = {}
        for place in sorted(things):
            for thing in set(things[place]):
                self._places.setdefault(thing, []).append(place)

    def sharing(self, things: Iterable[Hashable], near: float) -> list[int]:
        """The places of items that have one of these things: of those with the same, the `CLOSEST` to a place.

        In rising order. A thing that nearly all have (a kernel's index is computed in every kernel) would otherwise
        make every pair a candidate; by things that few have, an item is found wherever it stands.
        """
        found: set[int] = set()
        for thing in things:
            places = self._places.get(thing, [])
            first = max(0, min(bisect_left(places, near) - CLOSEST // 2, len(places) - CLOSEST))
            found.update(places[first : first + CLOSEST])
        return sorted(found)
