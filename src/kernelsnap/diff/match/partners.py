"""Which kernel or library call of one graph is which of another: pairs of one and one, by what they compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from kernelsnap.diff.match.assignment import best_pairs
from kernelsnap.diff.match.candidates import Index
from kernelsnap.diff.match.items import Item
from kernelsnap.diff.match.likeness import Likeness, traits
from kernelsnap.diff.text.lines import common

#: Two items less alike than this (of 1000) are not the same one changed: one is gone, the other new.
ALIKE = 300


def untouched(old: Sequence[Item], new: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """Positions of new kernels and old ones that are equal to the letter, name and all: most of a golden.

    Only those that are alone with what they compute on, so that their names do not decide which pairs are found: they
    would be paired by their meaning all the same, but to work that out their code has to be read.
    """
    alone_old, alone_new = (_unique([_outline(item) for item in side]) for side in (old, new))
    for key, j in alone_new.items():
        i = alone_old.get(key, -1)
        if i >= 0 and old[i].said == new[j].said:
            yield j, i


def _outline(item: Item) -> Hashable:
    """A part of the meaning of an item that is cheap to have."""
    return item.shape, item.sources


def partners(old: Sequence[Item], new: Sequence[Item], equal: Mapping[int, int]) -> dict[int, int]:
    """For positions of new items the position of the old one that is the same, by ever weaker evidence.

    `equal`: what is known to be the same already, from `untouched`.
    """
    equal_old = set(equal.values())
    partner = dict(
        _of_equal_keys(
            range(len(old)),
            range(len(new)),
            [_outline(item) if i in equal_old else (item.meaning, item.sources) for i, item in enumerate(old)],
            [_outline(item) if j in equal else (item.meaning, item.sources) for j, item in enumerate(new)],
        )
    )
    keys: tuple[Callable[[Item], Hashable], ...] = (
        lambda item: (item.part.kind, item.skeleton.key, item.shape),
        lambda item: (item.shape, item.sources),
        lambda item: (item.shape, frozenset(item.ops.items())),
    )
    for key in keys:
        left_old, left_new = _left(old, new, partner)
        partner.update(
            _of_equal_keys(left_old, left_new, [key(old[i]) for i in left_old], [key(new[j]) for j in left_new])
        )
    # Once, unless more items are left than are looked at for each: what was hidden by others may come into sight.
    while found := dict(_most_alike(old, new, partner)):
        partner.update(found)
    return partner


def _of_equal_keys(
    left_old: Sequence[int], left_new: Sequence[int], keys_old: Sequence[Hashable], keys_new: Sequence[Hashable]
) -> Iterator[tuple[int, int]]:
    """Items with equal keys: wherever they stand if the key is unique on both sides, else in order."""
    once_old, once_new = _unique(keys_old), _unique(keys_new)
    for key, y in once_new.items():
        if key in once_old:
            yield left_new[y], left_old[once_old[key]]
    for x, y in common(keys_old, keys_new):
        if keys_old[x] not in once_old or keys_old[x] not in once_new:
            yield left_new[y], left_old[x]


def _unique(keys: Sequence[Hashable]) -> dict[Hashable, int]:
    """The position of every key that occurs once."""
    count = Counter(keys)
    return {key: index for index, key in enumerate(keys) if count[key] == 1}


def _most_alike(old: Sequence[Item], new: Sequence[Item], partner: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Of the items still unpaired, the pairs that are most alike together; of equals, those that stand closest."""
    left_old, left_new = _left(old, new, partner)
    if not left_old or not left_new:
        return
    likeness = Likeness([old[i] for i in left_old], [new[j] for j in left_new])
    index = Index({column: traits(new[j]) for column, j in enumerate(left_new)})
    # More than all the distances of an assignment together: distance decides between equals only.
    unit = (len(old) * len(new)) ** 2 * min(len(left_old), len(left_new))

    def worth(row: int, i: int) -> Iterator[tuple[int, int]]:
        for column in index.sharing(traits(old[i]), near=row * len(left_new) / len(left_old)):
            alike = likeness.of(row, column)
            if alike >= ALIKE:
                # Squared, so that of two pairs that cross and two that do not the latter are worth more.
                apart = (i * len(new) - left_new[column] * len(old)) ** 2
                yield column, (alike - ALIKE + 1) * unit - apart

    for row, column in best_pairs([dict(worth(row, i)) for row, i in enumerate(left_old)]):
        yield left_new[column], left_old[row]


def _left(old: Sequence[Item], new: Sequence[Item], partner: dict[int, int]) -> tuple[list[int], list[int]]:
    paired = set(partner.values())
    return [i for i in range(len(old)) if i not in paired], [j for j in range(len(new)) if j not in partner]
