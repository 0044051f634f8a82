"""Pairs the kernels and library calls of two graphs one to one, by what they compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from kernelsnap.diff.match.assignment import best_pairs
from kernelsnap.diff.match.items import Item
from kernelsnap.diff.match.similarity import BlockingIndex, Similarity, blocking_keys
from kernelsnap.diff.text.lines import common

#: Two items that are less similar than this (of 1000) are not the same one changed: one is gone, the other new.
LEAST_SIMILAR = 300


def untouched(old: Sequence[Item], new: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """Positions of new items and of old ones that are equal to the letter, their names included: most of a golden.

    This only saves time: their meaning would pair them too, but takes reading their code. Therefore only items that no
    other of their graph has the outline of: names must not decide which pairs are found.
    """
    single_old, single_new = (_unique([_outline(item) for item in side]) for side in (old, new))
    for key, j in single_new.items():
        i = single_old.get(key, -1)
        if i >= 0 and old[i].content == new[j].content:
            yield j, i


def _outline(item: Item) -> Hashable:
    """A part of the meaning of an item for which its code is not read."""
    return item.shape, item.sources


def match_items(old: Sequence[Item], new: Sequence[Item], equal: Mapping[int, int]) -> dict[int, int]:
    """For positions of new items the position of the old item that each is paired with, by ever weaker evidence.

    `equal`: pairs that are known already, from `untouched`.
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
        lambda item: (item.ref.kind, item.normal_form.key, item.shape),
        lambda item: (item.shape, item.sources),
        lambda item: (item.shape, frozenset(item.ops.items())),
    )
    for key in keys:
        left_old, left_new = _left(old, new, partner)
        partner.update(
            _of_equal_keys(left_old, left_new, [key(old[i]) for i in left_old], [key(new[j]) for j in left_new])
        )
    # One round is enough where few items are left. Of many, each is compared with the closest only: once those have
    # their partners, others are the closest.
    while found := dict(_most_similar(old, new, partner)):
        partner.update(found)
    return partner


def _of_equal_keys(
    left_old: Sequence[int], left_new: Sequence[int], keys_old: Sequence[Hashable], keys_new: Sequence[Hashable]
) -> Iterator[tuple[int, int]]:
    """Items with equal keys: anywhere if the key is unique on both sides, else in order."""
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


def _most_similar(old: Sequence[Item], new: Sequence[Item], partner: dict[int, int]) -> Iterator[tuple[int, int]]:
    """The matching of the items still unpaired that has the greatest sum of similarities; of equals, the closest."""
    left_old, left_new = _left(old, new, partner)
    if not left_old or not left_new:
        return
    similarity = Similarity([old[i] for i in left_old], [new[j] for j in left_new])
    index = BlockingIndex({column: blocking_keys(new[j]) for column, j in enumerate(left_new)})
    # More than all the distances of an assignment together: distance decides between equals only.
    unit = (len(old) * len(new)) ** 2 * min(len(left_old), len(left_new))

    def values(row: int, i: int) -> Iterator[tuple[int, int]]:
        for column in index.sharing(blocking_keys(old[i]), near=row * len(left_new) / len(left_old)):
            similar = similarity.of(row, column)
            if similar >= LEAST_SIMILAR:
                # Squared, so that two pairs that do not cross have a greater sum than two that do.
                apart = (i * len(new) - left_new[column] * len(old)) ** 2
                yield column, (similar - LEAST_SIMILAR + 1) * unit - apart

    for row, column in best_pairs([dict(values(row, i)) for row, i in enumerate(left_old)]):
        yield left_new[column], left_old[row]


def _left(old: Sequence[Item], new: Sequence[Item], partner: dict[int, int]) -> tuple[list[int], list[int]]:
    paired = set(partner.values())
    return [i for i in range(len(old)) if i not in paired], [j for j in range(len(new)) if j not in partner]
