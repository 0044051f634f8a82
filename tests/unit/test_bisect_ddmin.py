"""Delta debugging: what matters together is found, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.bisect.axes.ddmin import minimize
from kernelsnap.bisect.search import Answer


def answering(rule, unknown=frozenset()):
    asked = []

    def ask(members):
        assert members not in asked, "asked twice"
        asked.append(members)
        if hash(tuple(sorted(members))) % 7 in unknown:
            return Answer.UNKNOWN
        return Answer.YES if rule(members) else Answer.NO

    return ask, asked


@given(st.integers(1, 40), st.data())
def test_what_is_needed_is_what_is_found(count, data):
    needed = frozenset(data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=4)))
    ask, asked = answering(lambda members: needed <= members)
    found = minimize(count, ask)
    assert found.members == tuple(sorted(needed))
    assert found.complete
    assert not found.unsure
    assert len(asked) <= count**2 + 3 * count


@given(st.integers(1, 12), st.lists(st.frozensets(st.integers(0, 11), min_size=1, max_size=4), min_size=1, max_size=3))
def test_without_any_one_member_the_answer_is_another(count, ways):
    def rule(members):
        return len(members) == count or any(way <= members for way in ways)

    ask, _ = answering(rule)
    found = frozenset(minimize(count, ask).members)
    assert rule(found)
    assert len(found) == 1 or not any(rule(found - {one}) for one in found)


@given(st.integers(2, 12), st.data(), st.frozensets(st.integers(0, 6), max_size=4))
def test_unknown_answers_are_told_and_lose_nothing(count, data, unknown):
    needed = frozenset(data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=3)))
    ask, _ = answering(lambda members: needed <= members, unknown)
    found = minimize(count, ask)
    assert needed <= set(found.members)
    assert set(found.members) - needed <= set(found.unsure)


@given(st.integers(2, 12), st.data(), st.integers(0, 5))
def test_a_limit_leaves_more_never_less(count, data, limit):
    needed = frozenset(data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=3)))
    ask, asked = answering(lambda members: needed <= members)
    found = minimize(count, ask, limit)
    assert needed <= set(found.members)
    assert len(asked) <= limit
    assert not found.complete or set(found.members) == needed
