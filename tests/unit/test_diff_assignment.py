"""The assignment is the best there is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.diff.match.assignment import best_pairs

#: For each row what its pairs with some of the columns are worth; often many are worth the same.
TABLES = st.lists(st.dictionaries(st.integers(0, 6), st.integers(1, 9)), max_size=7)


def best_sum(worth, taken=frozenset()):
    """By trying everything: a row goes without, or takes a column that no row before it has."""
    if not worth:
        return 0
    row, *others = worth
    return max(
        best_sum(others, taken),
        *(value + best_sum(others, taken | {column}) for column, value in row.items() if column not in taken),
        0,
    )


@given(TABLES)
def test_pairs_are_worth_most_together(worth):
    pairs = best_pairs(worth)
    assert sum(worth[row][column] for row, column in pairs) == best_sum(worth)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)


@given(TABLES, st.integers(2, 10**20))
def test_the_unit_of_worth_does_not_matter(worth, unit):
    scaled = [{column: value * unit for column, value in row.items()} for row in worth]
    assert best_pairs(scaled) == best_pairs(worth)


def test_greedy_would_take_the_wrong_pair():
    assert best_pairs([{0: 90, 1: 85}, {0: 88}]) == [(0, 1), (1, 0)]


def test_a_row_goes_without_where_another_makes_more_of_its_column():
    assert best_pairs([{0: 5}, {0: 9}, {0: 7}]) == [(1, 0)]


def test_what_is_worth_nothing_is_not_paired():
    assert best_pairs([{}, {1: 5}]) == [(1, 1)]
    assert best_pairs([]) == []
    assert best_pairs([{}, {}]) == []
