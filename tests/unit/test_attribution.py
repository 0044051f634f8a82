"""Attribution: a change is never given to a factor that did not make it, whatever cells are missing."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kernelsnap.bisect.attribute.attribution import Attribution, CellValues, Verdict
from kernelsnap.bisect.search import Answer

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN

sizes = st.lists(st.integers(2, 3), min_size=1, max_size=3).map(tuple)
vector = st.dictionaries(st.sampled_from("abc"), st.integers(1, 2), max_size=3)


def cells_of(sizes):
    return list(product(*map(range, sizes)))


@st.composite
def tables(draw, values=vector):
    """Any values at all."""
    shape = draw(sizes)
    return CellValues(shape, {cell: draw(values) for cell in cells_of(shape)})


@st.composite
def sums(draw):
    """Each factor adds something of its own, whatever the others are; and which factors add different things."""
    shape = draw(sizes)
    parts = [[draw(vector) for _ in range(size)] for size in shape]
    values = {}
    for cell in cells_of(shape):
        total = {}
        for part, level in zip(parts, cell, strict=True):
            for name, number in part[level].items():
                total[name] = total.get(name, 0) + number
        values[cell] = total
    return CellValues(shape, values), [any(level != part[0] for level in part) for part in parts]


@st.composite
def with_holes(draw, table):
    kept = draw(st.sets(st.sampled_from(sorted(table.known))))
    return CellValues(table.sizes, {cell: table.known[cell] for cell in kept})


def square(v00, v01, v10, v11):
    """Two factors with two levels each; None where a cell is missing."""
    values = {(0, 0): v00, (0, 1): v01, (1, 0): v10, (1, 1): v11}
    return Attribution(CellValues((2, 2), {cell: {text: 1} for cell, text in values.items() if text is not None}))


@pytest.mark.parametrize(
    ("values", "verdict", "effects"),
    [
        ("aaaa", Verdict.NONE, (NO, NO)),
        ("aabb", Verdict.ALONE, (YES, NO)),
        ("abab", Verdict.ALONE, (NO, YES)),
        ("aaab", Verdict.TOGETHER, (YES, YES)),
        # Each changes something, and both together undo it.
        ("abba", Verdict.MIXED, (YES, YES)),
        ("aabc", Verdict.MIXED, (YES, YES)),
        # Four texts that have nothing in common: that one is the sum of two others cannot be said.
        ("abcd", Verdict.MIXED, (YES, YES)),
        ("aab_", Verdict.OPEN, (YES, UNKNOWN)),
        ("aaa_", Verdict.OPEN, (UNKNOWN, UNKNOWN)),
        ("a__b", Verdict.OPEN, (UNKNOWN, UNKNOWN)),
        ("a___", Verdict.OPEN, (UNKNOWN, UNKNOWN)),
        ("____", Verdict.OPEN, (UNKNOWN, UNKNOWN)),
        ("ab__", Verdict.OPEN, (UNKNOWN, YES)),
    ],
)
def test_two_factors(values, verdict, effects):
    found = square(*(None if value == "_" else value for value in values))
    assert (found.verdict, found.effects) == (verdict, effects)


def test_two_changes_of_different_lines_are_each_by_itself():
    values = {
        (a, b): {"torch new" if a else "torch old": 1, "triton new" if b else "triton old": 1}
        for a, b in cells_of((2, 2))
    }
    found = Attribution(CellValues((2, 2), values))
    assert found.verdict is Verdict.EACH
    assert found.interactions == {(0, 1): NO}


def test_only_together_names_the_levels():
    values = {cell: {"x": int(cell[0] == 2 and cell[2] == 1)} for cell in cells_of((3, 2, 2))}
    found = Attribution(CellValues((3, 2, 2), values))
    assert found.verdict is Verdict.TOGETHER
    assert found.together == ({0: 2, 2: 1},)
    assert found.effects == (YES, NO, YES)


@given(sums())
def test_a_change_that_depends_on_one_factor_is_attributed_to_it_alone(drawn):
    table, changing = drawn
    found = Attribution(table)
    assert [effect is YES for effect in found.effects] == changing
    assert UNKNOWN not in found.effects
    assert found.verdict is [Verdict.NONE, Verdict.ALONE, Verdict.EACH, Verdict.EACH][sum(changing)]
    assert set(found.interactions.values()) <= {NO}
    assert found.together == ()


@given(sums(), st.data())
def test_missing_cells_never_make_an_interaction_or_an_effect(drawn, data):
    table, changing = drawn
    found = Attribution(data.draw(with_holes(table)))
    for effect, changes in zip(found.effects, changing, strict=True):
        assert effect is not (NO if changes else YES)
    assert YES not in found.interactions.values()
    assert found.verdict not in (Verdict.TOGETHER, Verdict.MIXED)


@given(tables(), st.data())
def test_what_is_said_with_missing_cells_is_what_all_cells_say(table, data):
    whole, part = Attribution(table), Attribution(data.draw(with_holes(table)))
    for said, true in zip(part.effects, whole.effects, strict=True):
        assert said in (true, UNKNOWN)
    for pair, said in part.interactions.items():
        assert said in (whole.interactions[pair], UNKNOWN)
    assert part.verdict in (whole.verdict, Verdict.OPEN)
    assert set(map(str, part.together)) <= set(map(str, whole.together))
    assert not part.differs or whole.differs


@given(tables(), st.data())
def test_a_planted_interaction_is_said(table, data):
    assume(len(table.sizes) >= 2)
    shape = table.sizes
    flat = {cell: {} for cell in cells_of(shape)}
    corner = tuple(data.draw(st.integers(1, size - 1)) for size in shape)
    found = Attribution(CellValues(shape, flat | {corner: {"x": 1}}))
    assert found.verdict is Verdict.TOGETHER
    assert set(found.interactions.values()) == {YES}
    assert found.together == (dict(enumerate(corner)),)


@given(tables(st.sampled_from([{"x": 1}, {"y": 1}])))
def test_a_factor_without_an_effect_can_be_left_out(table):
    found = Attribution(table)
    for factor, effect in enumerate(found.effects):
        alike = all(
            table.known[cell] == table.known[(*cell[:factor], 0, *cell[factor + 1 :])] for cell in table.cells()
        )
        assert alike is (effect is NO)
    if found.verdict is Verdict.ALONE:
        (alone,) = found.changing
        by_level = {cell[alone]: value for cell, value in table.known.items()}
        assert all(by_level[cell[alone]] == value for cell, value in table.known.items())
