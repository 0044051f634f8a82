"""Which decisions stand: the first ones, named ones, or all but named ones; and what a process reports about them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.bisect.axes.decisions import Cut, Decided, Decision, Judge, cut_of, decided_of, decision_name
from kernelsnap.shared.wording import first_few

WORDS = st.lists(st.sampled_from("abc"), max_size=12)


def judged(cut, words, subsystem="passes"):
    """The answers to decisions without keys, and the keys of those that stand."""
    judge = Judge(cut)
    answers = [judge(subsystem, "", word) for word in words]
    return answers, [decision.key for decision in judge.made[subsystem]]


@given(WORDS, st.integers(0, 12))
def test_counted_and_named_cuts_are_the_same(words, first):
    _, keys = judged(Cut(), words)
    assert len(set(keys)) == len(words)
    counted = judged(Cut("passes", first=first), words)
    assert counted == judged(Cut("passes", allowed=tuple(keys[:first])), words)
    assert counted == judged(Cut("passes", refused=tuple(keys[first:])), words)
    assert counted[0] == [index < first for index in range(len(words))]
    assert judged(Cut("passes", first=first), words, "lowerings")[0] == [True] * len(words)


@given(st.integers(0, 3), st.lists(st.sampled_from("abcd"), max_size=20))
def test_a_fusion_that_is_asked_for_again_is_the_same_one(first, asked):
    judge = Judge(Cut("fusions", first=first))
    answers = {}
    for key in asked:
        answer = judge("fusions", key, f"fuse {key}")
        assert answers.setdefault(key, answer) is answer
    assert sum(answers.values()) == min(first, len(answers))


@given(
    st.builds(
        Cut,
        subsystem=st.text(max_size=3),
        first=st.none() | st.integers(0, 99),
        allowed=st.none() | st.lists(st.text(max_size=3)).map(tuple),
        refused=st.lists(st.text(max_size=3)).map(tuple),
        settings=st.dictionaries(st.text(max_size=3), st.booleans() | st.integers()),
    )
)
def test_a_cut_is_known_by_its_key(cut):
    assert cut_of(cut.key) == cut


def test_what_is_reported_is_read_back():
    decided = Decided(
        {"cse": ("functorch.cse", False), "fusions": ("", None)},
        {"fusions": (Decision("graph 1: op0 op1", "fuse buf1 into buf0"),)},
    )
    assert decided_of(json.loads(json.dumps(decided.as_json()))) == decided


def test_words():
    assert decision_name("fusions", 7) == "fusion 7"
    assert decision_name("decomposition", 1) == "decomposition 1"
    assert decision_name("something_new", 2) == "something_new 2"
    assert first_few(["a", "b"], 2) == ["a", "b"]
    assert first_few(["a", "b", "c", "d"], 2) == ["a", "b", "and 2 more"]
