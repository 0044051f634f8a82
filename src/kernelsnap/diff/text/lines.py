"""Compares two sequences of lines, in time that grows with their length whatever they contain.

`difflib` is quadratic where few lines are equal and worse where many are. Here equal ends are set aside, then lines
that occur once on both sides become anchors, as in patience diff. What is left between two anchors is small and gets
the shortest edit, or repeats itself: there runs of lines are anchors, or else the n-th occurrence of a line goes with
its n-th. The edit is always complete: applied to the old lines it gives the new ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import TypeVar

#: More edits than this between two anchors, and the shortest edit would take too long: its time is quadratic.
MOST_EDITS = 256
#: A bound on nested gaps; only texts made to defeat the anchors come near it.
_DEEPEST = 64

_Line = TypeVar("_Line", bound=Hashable)


def common(old: Sequence[_Line], new: Sequence[_Line]) -> list[tuple[int, int]]:
    """Positions of equal lines, both rising: a long (not always the longest) common subsequence."""
    numbers: dict[_Line, int] = {}
    a = [numbers.setdefault(line, len(numbers)) for line in old]
    b = [numbers.setdefault(line, len(numbers)) for line in new]
    found: list[tuple[int, int]] = []
    gaps = [(0, len(a), 0, len(b), 0)]
    while gaps:
        i, i_end, j, j_end, depth = gaps.pop()
        while i < i_end and j < j_end and a[i] == b[j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        while i < i_end and j < j_end and a[i_end - 1] == b[j_end - 1]:
            i_end, j_end = i_end - 1, j_end - 1
            found.append((i_end, j_end))
        if i == i_end or j == j_end:
            continue
        gap_a, gap_b = a[i:i_end], b[j:j_end]
        anchors, pairs = _split(gap_a, gap_b, deepest=depth >= _DEEPEST)
        found += [(i + x, j + y) for x, y in pairs]
        x_before, y_before = i, j
        for x, y in [*anchors, (i_end - i, j_end - j)] if anchors else ():
            gaps.append((x_before, i + x, y_before, j + y, depth + 1))
            x_before, y_before = i + x, j + y
    return sorted(found)


def edits(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """What turns `old` into `new`, a line at a time: (" ", "-" or "+", position in old, position in new).

    Where lines are replaced, the removed ones come first.
    """
    i = j = 0
    for i_next, j_next in [*common(old, new), (len(old), len(new))]:
        while i < i_next:
            yield "-", i, j
            i += 1
        while j < j_next:
            yield "+", i, j
            j += 1
        if i < len(old) and j < len(new):
            yield " ", i, j
            i, j = i + 1, j + 1


_Pairs = list[tuple[int, int]]


def _split(a: Sequence[int], b: Sequence[int], deepest: bool) -> tuple[_Pairs, _Pairs]:
    """Anchors between which to go on looking, or, where there are none, the pairs themselves."""
    if not deepest and (anchors := _unique(a, b, width=1)):
        return anchors, []
    if (shortest := _shortest_edit(a, b)) is not None:
        return [], shortest
    anchors = [] if deepest else _unique(a, b, width=4) or _unique(a, b, width=16)
    return (anchors, []) if anchors else ([], _nth_with_nth(a, b))


def _unique(a: Sequence[int], b: Sequence[int], width: int) -> list[tuple[int, int]]:
    """Runs of `width` lines that occur once on each side: the most of them that are in the same order."""
    once_a, once_b = _once(a, width), _once(b, width)
    return _rising([(once_a[run], j) for run, j in once_b.items() if run in once_a])


def _once(lines: Sequence[int], width: int) -> dict[Hashable, int]:
    """The position of each run of `width` lines that occurs once."""
    runs = lines if width == 1 else list(zip(*(lines[shift:] for shift in range(width)), strict=False))
    count: Counter[Hashable] = Counter(runs)
    return {run: index for index, run in enumerate(runs) if count[run] == 1}


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest choice of pairs, given by rising second position, whose first positions rise as well."""
    ends: list[int] = []  # smallest first position that ends a choice of each length
    at: list[int] = []  # which pair that is
    before: list[int] = []
    for index, (i, _) in enumerate(pairs):
        length = bisect_left(ends, i)
        before.append(at[length - 1] if length else -1)
        if length == len(ends):
            ends.append(i)
            at.append(index)
        else:
            ends[length], at[length] = i, index
    chosen = []
    index = at[-1] if at else -1
    while index >= 0:
        chosen.append(pairs[index])
        index = before[index]
    return chosen[::-1]


def _shortest_edit(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]] | None:
    """The longest common subsequence by Myers' greedy algorithm; None when it takes more than `MOST_EDITS` edits."""
    if abs(len(a) - len(b)) > MOST_EDITS:
        return None
    furthest = {1: 0}
    history: list[dict[int, int]] = []
    for edit in range(min(MOST_EDITS, len(a) + len(b)) + 1):
        history.append(dict(furthest))
        for diagonal in range(-edit, edit + 1, 2):
            down = diagonal == -edit or (diagonal != edit and furthest[diagonal - 1] < furthest[diagonal + 1])
            i = furthest[diagonal + 1] if down else furthest[diagonal - 1] + 1
            while i < len(a) and 0 <= i - diagonal < len(b) and a[i] == b[i - diagonal]:
                i += 1
            furthest[diagonal] = i
            if i >= len(a) and i - diagonal >= len(b):
                return _walk_back(history, len(a), len(b))
    return None


def _walk_back(history: Sequence[dict[int, int]], i: int, j: int) -> list[tuple[int, int]]:
    """The diagonal steps of the path to (i, j); `history` holds how far each diagonal was before each edit."""
    pairs = []
    for edit in range(len(history) - 1, -1, -1):
        furthest, diagonal = history[edit], i - j
        down = diagonal == -edit or (diagonal != edit and furthest[diagonal - 1] < furthest[diagonal + 1])
        came_from = diagonal + 1 if down else diagonal - 1
        i_before = furthest[came_from]
        j_before = i_before - came_from
        while i > i_before and j > j_before:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        i, j = i_before, j_before
    return pairs[::-1]


def _nth_with_nth(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs the n-th occurrence of a line with its n-th occurrence: the most of them that are in the same order."""
    positions: defaultdict[int, list[int]] = defaultdict(list)
    for index, line in enumerate(a):
        positions[line].append(index)
    seen: Counter[int] = Counter()
    pairs = []
    for j, line in enumerate(b):
        if seen[line] < len(positions.get(line, ())):
            pairs.append((positions[line][seen[line]], j))
            seen[line] += 1
    return _rising(pairs)
