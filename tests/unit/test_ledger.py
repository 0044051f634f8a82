"""The ledger of reasons: read, written, merged, and consulted."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.errors import GoldenFormatError
from kernelsnap.pending.entry import Pending, PendingError
from kernelsnap.pending.ledger import (
    FILE,
    Ledger,
    Line,
    parse_ledger,
    read_ledger,
    read_reasons,
    render_ledger,
    write_ledger,
)


def entry(group, *causes):
    return Pending("m.py", "t", "", "h100", "goldens", "m/t.h100.ksnap", "0", group=group, causes=causes)


LINES = {
    ("aa11", "fusion-split"): Line("accepted", "less fusion in 2.14"),
    ("aa11", "launch"): Line("accepted", "as the split", for_now=True),
    ("0e11", "tiling"): Line("rejected", "a bug: #12"),
    ("1234", "tiling"): Line("triaged"),
}


def test_the_file_has_a_sorted_line_for_each_decision(tmp_path):
    write_ledger(tmp_path, Ledger(LINES))
    text = (tmp_path / FILE).read_text()
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        '0e11.tiling = { decision = "rejected", reason = "a bug: #12" }',
        '1234.tiling = { decision = "triaged", reason = "" }',
        'aa11.fusion-split = { decision = "accepted", reason = "less fusion in 2.14" }',
        'aa11.launch = { decision = "accepted", for-now = true, reason = "as the split" }',
    ]
    assert read_ledger(tmp_path) == Ledger(LINES)
    assert read_ledger(tmp_path / "none") == Ledger()


@given(reason=st.text())
def test_any_reason_is_read_as_it_was_written(reason):
    ledger = Ledger().with_decisions([entry("aa", "launch")], Line("accepted", reason, for_now=True), {})
    assert parse_ledger(render_ledger(ledger), "") == ledger
    assert ledger.lines["aa", "launch"].reason == " ".join(reason.split()).encode("utf-8", "replace").decode()


def test_it_answers_for_a_group_with_all_of_its_causes():
    ledger = Ledger(LINES)
    assert ledger.of(entry("aa11", "fusion-split")) == Line("accepted", "less fusion in 2.14")
    both = Line("accepted", "less fusion in 2.14; as the split", for_now=True)
    assert ledger.of(entry("aa11", "fusion-split", "launch")) == both
    assert ledger.of(entry("aa11", "fusion-split", "host")) is None
    assert ledger.of(entry("bb", "fusion-split")) is None
    assert ledger.of(entry("aa11")) is None
    mixed = Ledger({**LINES, ("aa11", "host"): Line("rejected")})
    assert mixed.of(entry("aa11", "fusion-split", "host")) is None


def test_nothing_is_decided_in_advance_about_a_new_golden():
    ledger = Ledger().with_decisions([entry("ff", "new")], Line("accepted", "a reason"), {})
    assert ledger == Ledger()
    assert Ledger({("ff", "new"): Line("accepted")}).of(entry("ff", "new")) is None


def test_reasons_by_cause_or_group_go_before_that_of_all(tmp_path):
    path = tmp_path / "reasons.toml"
    path.write_text('launch = "of the cause"\naa = "of the group"\n')
    entries = [entry("aa11", "launch", "host"), entry("bb", "host"), entry("bb", "host")]
    ledger = Ledger().with_decisions(entries, Line("accepted", "of all"), read_reasons(path))
    assert {key: line.reason for key, line in ledger.lines.items()} == {
        ("aa11", "launch"): "of the cause",
        ("aa11", "host"): "of the group",
        ("bb", "host"): "of all",
    }
    assert Ledger().with_decisions(entries, Line("accepted"), {}) == Ledger()
    path.write_text("launch = 1")
    with pytest.raises(PendingError, match="expected lines such as"):
        read_reasons(path)


def test_what_is_accepted_for_now_is_listed():
    assert Ledger(LINES).for_now == ("as the split: launch [aa11]",)


@pytest.mark.parametrize(
    "text",
    [
        "<<<<<<< HEAD\n",
        'aa.tiling = "accepted"\n',
        'aa.tiling = { decision = "perhaps" }\n',
        "aa = 1\n",
        '"a b".tiling = { decision = "accepted" }\n',
        'aa.tiling = { decision = "accepted" }\naa.tiling = { decision = "rejected" }\n',
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(text):
    with pytest.raises(GoldenFormatError, match=r"x/ledger.toml"):
        parse_ledger(text, "x/ledger.toml")


def test_branches_that_decide_about_other_groups_merge(tmp_path):
    """Git keeps both lines, for they are not beside each other."""

    def git(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    lines = {(f"{number:x}0", "tiling"): Line("accepted", f"reason {number}") for number in range(1, 12)}
    git("init", "-q", "-b", "main")
    write_ledger(tmp_path, Ledger(lines))
    git("add", ".")
    git("commit", "-q", "-m", "start")
    git("checkout", "-q", "-b", "other")
    write_ledger(tmp_path, Ledger({**lines, ("15", "host"): Line("accepted", "of the branch")}))
    git("commit", "-q", "-am", "branch")
    git("checkout", "-q", "main")
    write_ledger(tmp_path, Ledger({**lines, ("95", "launch"): Line("rejected", "of main")}))
    git("commit", "-q", "-am", "main")
    git("merge", "-q", "other")
    merged = read_ledger(tmp_path).lines
    assert len(merged) == 13
    assert merged["15", "host"].reason == "of the branch"
    assert merged["95", "launch"].reason == "of main"
