"""The line diff: complete, short where it can be, and never slow."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.diff.text.lines import common, edits

LINES = st.lists(st.sampled_from(["a", "b", "c", "tmp0 = tmp1", ""]), max_size=40)


def apply(old, new):
    """Both sides put together again from the edits alone."""
    steps = list(edits(old, new))
    before = [old[i] for tag, i, _ in steps if tag != "+"]
    after = [new[j] if tag == "+" else old[i] for tag, i, j in steps if tag != "-"]
    return before, after


def changes(old, new):
    return sum(tag != " " for tag, _, _ in edits(old, new))


@given(LINES, LINES)
def test_the_edits_turn_old_into_new(old, new):
    assert apply(old, new) == (old, new)


@given(LINES, LINES)
def test_common_lines_are_equal_and_rise(old, new):
    pairs = common(old, new)
    assert all(old[i] == new[j] for i, j in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))


@given(st.lists(st.integers(0, 1000), max_size=60, unique=True), st.integers(0, 60))
def test_one_line_more_is_one_change(old, place):
    new = [*old[:place], -1, *old[place:]]
    assert changes(old, new) == 1
    assert changes(new, old) == 1


def test_removed_lines_come_before_those_in_their_place():
    assert [tag for tag, _, _ in edits(["a", "x", "y", "b"], ["a", "z", "b"])] == [" ", "-", "-", "+", " "]


def test_every_change_of_a_long_text_is_shown():
    old = [f"tmp{i} = tmp{i - 1} * tmp{i - 2}" for i in range(20_000)]
    new = list(old)
    for place in range(0, 20_000, 50):
        new[place] += " + 1"
    assert changes(old, new) == 800


def repetitive(seed):
    random.seed(seed)
    return random.choices("abcdef", k=20_000)


def thinned(lines, every):
    return [line for index, line in enumerate(lines) if index % every]


HARD = {
    "hundreds renumbered": (
        [f"tmp{i} = load" for i in range(20_000)],
        [f"tmp{i + (i > 9_000) * 40_000} = load" if i < 9_400 else f"tmp{i} = load" for i in range(20_000)],
    ),
    "all different": ([f"old {i}" for i in range(20_000)], [f"new {i}" for i in range(20_000)]),
    "reversed": ([str(i) for i in range(20_000)], [str(i) for i in range(20_000, 0, -1)]),
    "one line over and over": (["a"] * 20_000, ["a"] * 19_000 + ["b"] * 2_000),
    "few kinds of lines": (repetitive(1), thinned(repetitive(1), 50)),
    "nothing to hold on to": (repetitive(1), repetitive(2)),
}


@pytest.mark.parametrize(("old", "new"), HARD.values(), ids=HARD)
def test_hard_texts_do_not_hang(old, new):
    assert apply(old, new) == (old, new)


def test_repetitive_text_keeps_what_it_can():
    old = repetitive(1)
    assert changes(old, thinned(old, 50)) == 400
