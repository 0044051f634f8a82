"""Searches that share what is asked: each finds what it finds alone, and together they need no more runs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.many import CaseResult, most_helpful
from kernelsnap.bisect.observe.collect import shard_of
from kernelsnap.bisect.observe.observe import CaseFile
from kernelsnap.bisect.observe.recorder import read_report
from kernelsnap.bisect.report import all_found, as_json, many_data, many_markdown, merge
from kernelsnap.bisect.search import Answer, Options, Search, search

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN


def share(tables, options):
    """Search all tables of answers together; what was found of each, and how many runs it took."""
    searches = [Search(len(table), options=options) for table in tables]
    runs = 0
    while wanted := [step for run in searches if (step := run.next()) is not None]:
        step = most_helpful(wanted, [run.gain for run in searches])
        runs += 1
        for run, table in zip(searches, tables, strict=True):
            if run.gain(step) > 0:
                run.tell(step, table[step])
    return [run.found() for run in searches], runs


sizes = st.integers(2, 200)


@given(sizes, st.data(), st.integers(0, 2))
def test_each_case_has_the_culprit_that_it_has_alone_in_no_more_runs(count, data, repeats):
    culprits = data.draw(st.lists(st.integers(1, count - 1), min_size=1, max_size=6))
    tables = [[NO] * culprit + [YES] * (count - culprit) for culprit in culprits]
    options = Options(repeats=repeats)
    together, runs = share(tables, options)
    alone = [search(count, table.__getitem__, options=options) for table in tables]
    assert [case.transitions for case in together] == [case.transitions for case in alone]
    assert runs <= sum(case.evaluations for case in alone)
    # What is the same for all is run once.
    if len(set(culprits)) == 1:
        assert runs == alone[0].evaluations


@given(sizes, st.data())
def test_whatever_the_answers_no_case_gets_a_wrong_culprit(count, data):
    answers = st.lists(st.sampled_from([YES, NO, UNKNOWN]), min_size=count - 2, max_size=count - 2)
    ends = st.sampled_from([YES, NO])
    tables = [[data.draw(ends), *data.draw(answers), data.draw(ends)] for _ in range(data.draw(st.integers(1, 4)))]
    together, _ = share(tables, Options())
    for table, case in zip(tables, together, strict=True):
        for change in case.transitions:
            assert {table[change.before], table[change.after]} == {YES, NO}
            assert all(table[index] is UNKNOWN for index in range(change.before + 1, change.after))
        if table[0] is not table[-1]:
            assert case.transitions


@given(st.integers(1, 40), st.integers(1, 9))
def test_shards_hold_every_case_once(count, shards):
    cases = [CaseFile(str(number), "test_a.py") for number in range(count)]
    parts = [shard_of(cases, f"{number}/{shards}") for number in range(1, shards + 1)]
    assert sorted((case for part in parts for case in part), key=cases.index) == cases
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/", "-1/2"])
def test_a_shard_that_is_none_is_told(text):
    with pytest.raises(BisectError, match="expected I/N"):
        shard_of([], text)


def write(path, shard, cases, selected=("a", "b", "c"), **changes):
    results = [CaseResult(case, unchanged="the answer is no at both ends") for case in cases]
    values = {"axis": "torch=1..2", "question": "differs", "selected": selected, "shard": shard, "command": shard}
    path.write_text(as_json(many_data(results, **(values | changes))))
    return path


def test_shards_are_put_together_in_the_order_of_the_cases(tmp_path):
    parts = [write(tmp_path / "2", "2/2", ["b"]), write(tmp_path / "1", "1/2", ["a", "c"])]
    data = merge(parts)
    assert [case["case"] for case in data["cases"]] == ["a", "b", "c"]
    assert all_found(data)
    assert "| without a change | 3 |" in many_markdown(data)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (("2/2", ["b"], ("a", "b")), "has another selected"),
        (("1/2", ["b"]), "shard 1/2 is there more than once"),
        (("2/3", ["b"]), "shard 2/2 is missing"),
        (("2/2", []), "no shard has b"),
    ],
)
def test_shards_that_do_not_belong_together_are_refused(tmp_path, second, says):
    parts = [write(tmp_path / "1", "1/2", ["a", "c"]), write(tmp_path / "2", *second)]
    with pytest.raises(BisectError, match=says):
        merge(parts)


def test_a_report_cut_off_by_a_kill_tells_what_came_before(tmp_path):
    path = tmp_path / "report.jsonl"
    events = [
        {"toolchain": {}, "rootdir": "/"},
        {"started": "a"},
        *({"about": "a", "tests": 1, "outcome": "passed", "when": when} for when in ("setup", "call", "teardown")),
        {"started": "b"},
    ]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    path.write_text(lines + '{"about": "b", "outc')
    report = read_report(path)
    assert (report.finished, report.running, report.whole) == ({"a"}, ("b",), False)
    path.write_text("")
    assert read_report(path) is None
