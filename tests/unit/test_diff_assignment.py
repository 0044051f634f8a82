"""The assignment is the best there is."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.diff.assignment import best_pairs


@st.composite
def tables(draw):
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return [[draw(st.integers(0, 9)) for _ in range(columns)] for _ in range(rows)]


def best_sum(worth):
    if len(worth) > len(worth[0]):
        worth = list(zip(*worth, strict=True))
    return max(
        sum(row[column] for row, column in zip(worth, columns, strict=True))
        for columns in permutations(range(len(worth[0])), len(worth))
    )


@given(tables())
def test_pairs_are_worth_most_together(worth):
    pairs = best_pairs(worth)
    assert sum(worth[row][column] for row, column in pairs) == best_sum(worth)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)


def test_greedy_would_take_the_wrong_pair():
    assert best_pairs([[90, 85], [88, 0]]) == [(0, 1), (1, 0)]


def test_what_is_worth_nothing_is_not_paired():
    assert best_pairs([[0, 0], [0, 5]]) == [(1, 1)]
    assert best_pairs([]) == []
    assert best_pairs([[], []]) == []
