"""The report of a bisection: ready to paste, and the same as data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from kernelsnap.bisect.outcome import AnswerChange, Asked, AxisStep, Outcome
from kernelsnap.bisect.predicate.question import Reply
from kernelsnap.bisect.report import case_json, case_markdown
from kernelsnap.bisect.search import Answer
from kernelsnap.diff.compare import compare
from kernelsnap.golden.format import parse

GOLDENS = Path(__file__).parents[2] / "goldens"
GOLDEN = parse(next(GOLDENS.rglob("FusionTests.test_softmax_inner.h100.ksnap")).read_text())
STEPS = [AxisStep(f"c{number}", f"t{number}", f"subject {number}") for number in range(5)]


def outcome(candidates, **changes):
    values = {
        "axis": "git",
        "case": "test_a.py::test_a",
        "question": "kernels > 1",
        "reference": "",
        "first": STEPS[0],
        "last": STEPS[4],
        "steps": 5,
        "nodes": 4,
        "changes": (AnswerChange(STEPS[1], candidates[-1], candidates, Answer.YES, 1, ()),),
        "asked": (
            Asked(STEPS[4], Reply(Answer.YES), "f1"),
            Asked(STEPS[0], Reply(Answer.NO), "f2"),
            Asked(STEPS[2], Reply(Answer.UNKNOWN, "a | in a reason"), ""),
            Asked(STEPS[3], Reply(Answer.YES), "f1"),
        ),
        "others": (),
        "untested": 0,
        "flaky": (),
        "complete": True,
        "toolchain": {"torch": "2.13.0"},
    }
    return Outcome(**(values | changes))


def test_a_single_culprit_is_the_heading():
    told = outcome((STEPS[2],))
    text = case_markdown(told, "kernelsnap bisect ...")
    assert told.certain
    assert text.startswith("# test_a.py::test_a\n\n## c2  subject 2\n")
    assert "`kernels > 1`: no at c1, yes at c2." in text
    assert "Both were asked 1 more time, and answered the same." in text
    assert "5 steps from c0 to c4, 1 of them equal to the one before; 4 asked." in text
    assert "- torch 2.13.0" in text
    assert text.endswith("```sh\nkernelsnap bisect ...\n```\n")


def test_steps_that_generate_the_same_have_the_same_letter():
    lines = case_markdown(outcome((STEPS[2],)), "").splitlines()
    assert [line for line in lines if line.startswith("| c")] == [
        "| c4 | yes | A | subject 4 |",
        "| c0 | no | B | subject 0 |",
        "| c2 | unknown |  | a &#124; in a reason |",
        "| c3 | yes | A | subject 3 |",
    ]


def test_all_candidates_are_named():
    told = outcome((STEPS[2], STEPS[3]))
    text = case_markdown(told, "")
    assert not told.certain
    assert "## One of 2 steps, c2 to c3\n\n- c2  subject 2\n- c3  subject 3\n" in text


def test_what_is_not_known_is_said():
    text = case_markdown(
        outcome((STEPS[2],), untested=7, complete=False, flaky=(STEPS[3],), others=((STEPS[3], STEPS[4]),)), ""
    )
    assert "7 were not asked: a change that landed and was reverted among them would not show." in text
    assert "The limit ended the search" in text
    assert "c3 answered differently when asked again" in text
    assert "What is generated also changed from c3 to c4" in text


def test_the_same_as_data():
    told = json.loads(case_json(outcome((STEPS[2],)), "the command"))
    assert told["changes"][0]["candidates"] == [{"name": "c2", "title": "subject 2"}]
    assert told["asked"][2] == {
        "name": "c2",
        "title": "subject 2",
        "answer": "unknown",
        "reason": "a | in a reason",
        "generates": "",
    }
    assert told["command"] == "the command"


def test_what_moved_besides_the_axis_is_said():
    change = AnswerChange(STEPS[1], STEPS[2], (STEPS[2],), Answer.YES, 0, (), ("torch 1 -> 2", "triton 3 -> 4"))
    text = case_markdown(outcome((STEPS[2],), changes=(change,)), "")
    assert "Between the two: torch 1 -> 2, triton 3 -> 4." in text
    assert "Neither was asked again." in text


def added(number):
    """The difference from a golden to the same with so many more bytes accessed."""
    metrics = tuple(replace(metric, value=metric.value + number) for metric in GOLDEN.metrics)
    return compare(GOLDEN, replace(GOLDEN, metrics=metrics))


def test_a_difference_that_was_shown_is_named():
    change = AnswerChange(STEPS[1], STEPS[2], (STEPS[2],), Answer.YES, 1, (added(2),), notes=("A note.",))
    again = replace(change, before=STEPS[3], after=STEPS[4], diffs=(added(2),))
    text = case_markdown(outcome((STEPS[2],), changes=(change, again), notes=("Not searched.",)), "")
    assert text.count("```diff") == 1
    assert "answered the same.\n\nA note.\n\nWhat is generated changes as with c2, above.\n" in text
    assert "\nNot searched.\n" in text
    other = replace(again, diffs=(added(3),))
    assert case_markdown(outcome((STEPS[2],), changes=(change, other)), "").count("```diff") == 2
