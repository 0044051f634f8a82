"""The search: never a wrong single culprit, and few questions."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.bisect.search import Answer, NoAnswerError, Options, Transition, search

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
LETTERS = {"y": YES, "n": NO, "?": UNKNOWN}

definite = st.sampled_from([YES, NO])
any_answer = st.sampled_from([YES, NO, UNKNOWN])
ended = st.builds(
    lambda first, middle, last: [first, *middle, last], definite, st.lists(any_answer, max_size=60), definite
)


def ask_all(answers, **options):
    asked = []

    def ask(index):
        asked.append(index)
        return answers[index]

    start_known = options.pop("start_known", True)
    found = search(len(answers), ask, options=Options(**options), start_known=start_known)
    assert found.evaluations == len(asked)
    return found, asked


def transitions(answers):
    """Every transition of answers that are all known."""
    known = [index for index, answer in enumerate(answers) if answer is not UNKNOWN]
    return [(low, high) for low, high in pairwise(known) if answers[low] is not answers[high]]


def pairs(found):
    return [(transition.before, transition.after) for transition in found.transitions]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("ny", [(0, 1)]),
        ("nnnnyyyy", [(3, 4)]),
        ("yyyn", [(2, 3)]),
        ("n???y", [(0, 4)]),
        ("nn?y", [(1, 3)]),
        ("nnnn", []),
        ("y", []),
    ],
)
def test_a_transition_stands_between_the_nearest_definite_answers(answers, expected):
    found, _ = ask_all([LETTERS[letter] for letter in answers])
    assert pairs(found) == expected
    assert found.complete


@given(st.integers(2, 3000), st.data(), definite, st.integers(0, 10_000))
def test_one_transition_is_found_in_log2_questions(count, data, first, offset):
    culprit = data.draw(st.integers(1, count - 1))
    other = NO if first is YES else YES
    found, asked = ask_all([first] * culprit + [other] * (count - culprit), repeats=0, offset=offset)
    assert found.transitions == (Transition(culprit - 1, culprit, other, 0),)
    assert found.transitions[0].certain
    assert len(asked) <= ceil(log2(count)) + 2
    assert set(asked[:2]) == {0, count - 1}


@given(ended)
def test_whatever_the_answers_no_transition_is_wrong_and_no_candidate_missing(answers):
    found, asked = ask_all(answers)
    assert set(pairs(found)) <= set(transitions(answers))
    if answers[0] is not answers[-1]:
        assert found.transitions
    assert found.untested == len(answers) - len(set(asked))
    assert all(count <= 2 for count in Counter(asked).values())


@given(ended)
def test_asking_every_step_reports_every_transition(answers):
    found, _ = ask_all(answers, sweep=len(answers))
    assert pairs(found) == transitions(answers)
    assert found.untested == 0


@given(ended, st.integers(2, 20))
def test_a_limit_leaves_more_candidates_never_fewer(answers, limit):
    found, asked = ask_all(answers, limit=limit)
    assert len(asked) <= limit
    for before, after in pairs(found):
        assert any(before <= low and high <= after for low, high in transitions(answers))
    if not found.complete and answers[0] is not answers[-1]:
        assert found.transitions


@given(ended, st.integers(1, 20))
def test_a_limit_also_ends_the_search_for_a_start(answers, limit):
    found, asked = ask_all(answers, limit=limit, start_known=False)
    assert len(asked) <= limit
    for before, after in pairs(found):
        assert any(before <= low and high <= after for low, high in transitions(answers))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=60), st.lists(definite, min_size=6, max_size=6))
def test_equal_steps_are_asked_once(nodes, meaning):
    answers = [meaning[node] for node in nodes]
    found, asked = ask_all(answers, same=lambda index: nodes[index], repeats=0)
    assert all(count == 1 for count in Counter(nodes[index] for index in asked).values())
    assert set(pairs(found)) <= set(transitions(answers))


def test_equality_alone_shows_a_landing_its_revert_and_its_second_landing():
    nodes = "AAAABBBAAAAABB"
    found, asked = ask_all([YES if n == "B" else NO for n in nodes], same=lambda i: nodes[i], repeats=0)
    assert pairs(found) == [(3, 4), (6, 7), (11, 12)]
    assert len(asked) == 2


@given(st.integers(3, 500), st.data())
def test_a_probe_shows_what_was_landed_and_reverted(count, data):
    landed = data.draw(st.integers(1, count - 2))
    reverted = data.draw(st.integers(landed + 1, count - 1))
    answers = [NO] * landed + [YES] * (reverted - landed) + [NO] * (count - reverted)
    found, _ = ask_all(answers, probes=(landed,))
    assert pairs(found) == [(landed - 1, landed), (reverted - 1, reverted)]


@given(st.integers(2, 3000), st.data())
def test_without_a_start_it_goes_back_in_doubling_steps(count, data):
    culprit = data.draw(st.integers(1, count - 1))
    found, asked = ask_all([NO] * culprit + [YES] * (count - culprit), start_known=False, repeats=0)
    assert pairs(found) == [(culprit - 1, culprit)]
    assert len(asked) <= 2 * ceil(log2(count - culprit + 1)) + 3


@given(ended)
def test_without_a_start_no_transition_is_wrong(answers):
    found, _ = ask_all(answers, start_known=False)
    assert set(pairs(found)) <= set(transitions(answers))


@given(st.integers(4, 300), st.data(), st.integers(1, 3))
def test_a_step_that_changes_its_answer_is_no_boundary(count, data, repeats):
    culprit = data.draw(st.integers(1, count - 1))
    flaky = data.draw(st.integers(1, count - 2))
    times = Counter()

    def ask(index):
        times[index] += 1
        truth = index >= culprit
        return YES if truth ^ (index == flaky and times[index] % 2 == 1) else NO

    found = search(count, ask, options=Options(repeats=repeats))
    assert found.transitions
    for transition in found.transitions:
        assert flaky not in (transition.before, transition.after)
        assert transition.repeats == repeats
        assert culprit in transition.candidates
    if times[flaky] > 1:
        assert found.flaky == {flaky}


@given(st.integers(2, 1000), st.data())
def test_cheap_steps_cost_no_expensive_ones(count, data):
    culprit = data.draw(st.integers(1, count - 1))
    cheap = data.draw(st.sets(st.integers(0, count - 1), max_size=20))
    answers = [NO] * culprit + [YES] * (count - culprit)
    found, asked = ask_all(answers, cheap=lambda index: index in cheap, repeats=0)
    assert pairs(found) == [(culprit - 1, culprit)]
    assert len(set(asked) - cheap) <= ceil(log2(count)) + 2


def test_a_cheap_step_near_the_middle_is_preferred():
    _, asked = ask_all([NO] * 50 + [YES] * 51, cheap=lambda index: index == 40)
    assert asked[2] == 40


def test_neighbouring_searches_ask_the_same_steps():
    def asked_from(start):
        answers = [YES if start + index >= 700 else NO for index in range(900 - start)]
        return {start + index for index in ask_all(answers, offset=start, repeats=0)[1][2:]}

    first, second = asked_from(100), asked_from(117)
    assert len(first & second) >= len(first) - 2


@pytest.mark.parametrize(("answers", "end"), [("nn?", 2), ("?ny", 0), ("?", 0)])
def test_an_end_without_an_answer_is_an_error(answers, end):
    with pytest.raises(NoAnswerError) as raised:
        ask_all([LETTERS[letter] for letter in answers])
    assert raised.value.index == end
