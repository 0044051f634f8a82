"""The compiler's reasons in golden files: written with the rest of a golden, and never a reason to write it."""

from __future__ import annotations

import pytest

from kernelsnap.golden.format import parse

TEST = """
    from dataclasses import replace
    from pathlib import Path
    from kernelsnap.model.why import Apart, Reason, Why

    def test_x(kernel_snapshot, golden):
        text = (Path(__file__).parent / "reason").read_text()
        why = (Why("inference", (Apart((("k0", "k1"),), Reason.SIZE, text),)),) if text else ()
        assert replace(golden(), why=why) == kernel_snapshot
"""
NAME = "test_a/test_x.h100.ksnap"


@pytest.fixture
def reasons(project):
    """A project whose compiler gives the reason in the file `reason`; it has a golden."""
    project.test(TEST)
    project.say = (project.root / "reason").write_text
    project.say("one is longer")
    project.record()
    return project


def stated(project):
    """The reason in the golden; "" without one."""
    why = parse(project.golden(NAME).read_text()).why
    return why[0].apart[0].text if why else ""


def test_a_reason_that_changes_fails_no_test_and_writes_no_file(reasons):
    assert stated(reasons) == "one is longer"
    before = reasons.files()
    for reason in ("other words", ""):
        reasons.say(reason)
        assert reasons.run().ret == 0
        reasons.record()
        assert reasons.files() == before


def test_a_golden_that_is_written_gets_the_reasons_of_now(reasons):
    reasons.say("other words")
    reasons.compiler("2.0")
    result = reasons.run()
    assert result.ret == 1
    assert "other words" not in result.stdout.str()
    reasons.record()
    assert stated(reasons) == "other words"


def test_a_golden_without_reasons_is_filled_in_where_that_is_asked_for(reasons):
    path = reasons.golden(NAME)
    whole = path.read_text()
    path.write_text(whole.replace(whole[whole.index("\nwhy\n") : whole.index("\nend\n")], ""))
    assert stated(reasons) == ""
    assert reasons.run().ret == 0
    reasons.record()
    assert stated(reasons) == ""
    reasons.record("--kernelsnap-why")
    assert path.read_text() == whole


def test_filling_in_needs_an_update(reasons):
    result = reasons.run("--kernelsnap-why")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--kernelsnap-why writes into goldens: give --snapshot-update, too"])


def test_a_golden_that_other_targets_share_keeps_its_reasons(reasons):
    reasons.say("of the a100")
    reasons.record("--kernelsnap-target", "a100")
    assert reasons.names() == [NAME]
    assert parse(reasons.golden(NAME).read_text()).shared_with == ("a100",)
    assert stated(reasons) == "one is longer"
    reasons.record("--kernelsnap-target", "h100,a100", "--kernelsnap-why")
    assert stated(reasons) == "of the a100"
