"""A test that was renamed or moved keeps its golden: what is pending for it takes the place of the old one."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from kernelsnap.golden.files import write_text
from kernelsnap.golden.resources import render_resources
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.resources import InstructionMix, KernelResources, Resources

TEST = """
    import pytest

    @pytest.mark.parametrize("size", [1, 2])
    def test_sizes(kernel_snapshot, golden, size):
        assert golden(lines=size) == kernel_snapshot

    def test_one(kernel_snapshot, golden):
        assert golden(lines=30) == kernel_snapshot
        assert golden(lines=40) == kernel_snapshot(name="again")

    def test_two(kernel_snapshot, golden):
        assert golden(lines=50) == kernel_snapshot
"""
TARGETS = ("--kernelsnap-target", "h100,a100")


def run(project, *arguments):
    """Pytest as a user starts it: with its cache."""
    return project.pytester.runpytest("-p", "no:hypothesispytest", *arguments)


@pytest.fixture
def recorded(project):
    project.test(TEST)
    project.record()
    return project


def moves(ask):
    """What is pending: for each golden the case that it is moved from."""
    return {entry["golden"]: entry["moved_from"] for entry in json.loads(ask("pending", "--json")[0])}


def test_a_renamed_test_keeps_its_golden(recorded, ask):
    before = recorded.names()
    text = recorded.golden("test_a/test_two.h100.ksnap").read_text()
    recorded.test(TEST.replace("test_two", "test_second"))
    result = run(recorded)
    result.assert_outcomes(failed=1, passed=3)
    result.stdout.fnmatch_lines(
        [
            "E * There is no golden yet: goldens/test_a/test_second.h100.ksnap",
            "E * goldens/test_a/test_two.h100.ksnap fits it best, whose test is gone: test_a.py::test_two. What was *",
            "E * If the test was renamed or moved, its golden moves with it, as `kernelsnap accept` will show.",
            "E * To record it:  kernelsnap accept test_a.py::test_second --target h100",
            "1 golden whose test is gone will be moved to what fits: kernelsnap pending",
        ]
    )
    out, err, status = ask("accept", "test_a.py::test_second", "--target", "h100")
    assert (err, status) == ("", 0)
    assert "  test_a.py::test_second (h100): moved from test_a.py::test_two; time, kernels and bytes as before\n" in out
    assert recorded.names() == sorted(name.replace("test_two", "test_second") for name in before)
    assert recorded.golden("test_a/test_second.h100.ksnap").read_text() == text.replace("test_two", "test_second")
    result = run(recorded)
    result.assert_outcomes(passed=4)
    assert "whose test is gone" not in result.stdout.str()


def test_a_module_a_parameter_and_a_second_assertion_that_were_renamed(recorded, ask):
    before = recorded.names()
    (recorded.root / "test_a.py").unlink()
    recorded.test(TEST.replace("[1, 2]", '[pytest.param(1, id="small"), pytest.param(2, id="large")]'), "sub/test_b.py")
    run(recorded).assert_outcomes(failed=4)
    found = moves(ask)
    assert found["sub/test_b/test_sizes[small].h100.ksnap"] == "test_a.py::test_sizes[1]"
    assert found["sub/test_b/test_sizes[large].h100.ksnap"] == "test_a.py::test_sizes[2]"
    assert found["sub/test_b/test_one.h100.ksnap"] == "test_a.py::test_one"
    # The first assertion failed: the second one was not reached.
    assert len(found) == 4
    assert ask("accept", "--cause", "moved")[2] == 0
    run(recorded).assert_outcomes(failed=1, passed=3)
    assert moves(ask) == {"sub/test_b/test_one@again.h100.ksnap": "test_a.py::test_one@again"}
    assert ask("accept", "--all")[2] == 0
    run(recorded).assert_outcomes(passed=4)
    assert len(recorded.names()) == len(before)
    assert not [name for name in recorded.names() if name.startswith("test_a/")]


def test_what_changed_as_well_is_compared_with_the_old_golden(recorded, ask):
    recorded.test(TEST.replace("test_two", "test_second"))
    recorded.compiler("2.0")
    result = run(recorded, "-k", "second")
    result.stdout.fnmatch_lines(
        ["E * test_a.py::test_two. What was generated differs from it:", "E *-*tl.store(in_ptr0, 1.0)"]
    )
    (entry,) = json.loads(ask("pending", "--json")[0])
    assert (entry["causes"][0], entry["layers"]) == ("moved", ["code"])
    assert len(entry["causes"]) == 2
    # What was moved and changed is not selected by either alone.
    assert ask("accept", "--cause", "moved")[2] == 2
    assert "tl.store(in_ptr, 1.0) -> tl.store(in_ptr, 2.0)" in ask("diff", "--failed", "--explain", "test_second")[0]
    assert ask("accept", "--all")[2] == 0
    assert not recorded.golden("test_a/test_two.h100.ksnap").exists()
    run(recorded, "-k", "second").assert_outcomes(passed=1, deselected=3)


def test_several_targets_that_share_a_golden(project, ask):
    project.test(TEST)
    run(project, "--snapshot-update", *TARGETS).assert_outcomes(passed=8)
    before = project.names()
    project.test(TEST.replace("test_two", "test_second"))
    run(project, *TARGETS).assert_outcomes(failed=2, passed=6)
    assert ask("accept", "--target", "h100")[2] == 0
    assert project.golden("test_a/test_two.a100.ksnap").read_text().split("\n")[2] == "target a100"
    assert project.golden("test_a/test_second.h100.ksnap").read_text().split("\n")[2] == "target h100"
    assert ask("accept", "--all")[1:] == ("", 0)
    assert project.names() == sorted(name.replace("test_two", "test_second") for name in before)
    run(project, *TARGETS).assert_outcomes(passed=8)


AGAIN = """
    def test_one(kernel_snapshot, golden):
        assert golden(lines=30) == kernel_snapshot(name="first")
        assert golden(lines=30, constant="7.0") == kernel_snapshot(name="again")
        assert golden(lines=60) == kernel_snapshot(name="last")
"""


def test_a_renamed_assertion_keeps_its_golden(project, ask):
    project.test(AGAIN)
    project.record()
    before = project.names()
    text = project.golden("test_a/test_one@again.h100.ksnap").read_text()
    project.test(AGAIN.replace("again", "anew"))
    # Also where this test alone was asked for: its own source names its assertions.
    for arguments in ((), ("test_a.py::test_one",)):
        result = run(project, *arguments)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "E * There is no golden yet: goldens/test_a/test_one@anew.h100.ksnap",
                "E *test_one@again.h100.ksnap fits it best, whose assertion is gone: test_a.py::test_one@again. What *",
                "E * If the assertion was renamed or moved, its golden moves with it, as `kernelsnap accept` will *",
                "1 golden whose assertion is gone will be moved to what fits: kernelsnap pending",
            ]
        )
        assert moves(ask) == {"test_a/test_one@anew.h100.ksnap": "test_a.py::test_one@again"}
    out, err, status = ask("accept", "--cause", "moved")
    assert (err, status) == ("", 0)
    assert "  test_a.py::test_one@anew (h100): moved from test_a.py::test_one@again; time, kernels and bytes as" in out
    assert project.names() == sorted(name.replace("again", "anew") for name in before)
    assert project.golden("test_a/test_one@anew.h100.ksnap").read_text() == text.replace("@again", "@anew")
    result = run(project)
    result.assert_outcomes(passed=1)
    assert "is gone" not in result.stdout.str()


@pytest.mark.parametrize(
    ("old", "new", "former"),
    [
        ('kernel_snapshot(name="first")', "kernel_snapshot", "first"),
        ('name="first"', 'name="third", layers=("plan", "metrics", "config", "code")', "first"),
        ('name="again"', 'name=f"anew-{1}"', "again"),
        ('name="last"', 'name="first-of-all"', "last"),
    ],
)
def test_assertions_that_were_renamed_in_other_ways(project, ask, old, new, former):
    project.test(AGAIN)
    project.record()
    project.test(AGAIN.replace(old, new))
    run(project).assert_outcomes(failed=1)
    assert list(moves(ask).values()) == [f"test_a.py::test_one@{former}"]
    assert ask("accept", "--all")[2] == 0
    run(project).assert_outcomes(passed=1)
    assert len(project.names()) == 3


LAST = 'golden(lines=60) == kernel_snapshot(name="last")'


@pytest.mark.parametrize(
    "last",
    [
        # Its name is written out, put together, or may come from anywhere.
        LAST,
        'golden(lines=60) == kernel_snapshot(name=f"{1 and "l"}ast")'.replace('"l"', "'l'"),
        "(lambda snapshot: golden(lines=60) == snapshot(name='LAST'.lower()))(kernel_snapshot)",
        "golden(lines=60) == kernel_snapshot(name='LAST'.lower())",
        "golden(lines=60) == kernel_snapshot(**{'name': 'LAST'.lower()})",
    ],
)
def test_an_assertion_that_was_not_reached_keeps_its_golden(project, ask, last):
    project.test(AGAIN)
    project.record()
    project.golden("test_a/test_one@again.h100.ksnap").unlink()
    # What is new computes what the last assertion does.
    source = AGAIN.replace('30, constant="7.0"', "60").replace('"again"', '"new"')
    project.test(source.replace(LAST, last))
    result = run(project)
    result.stdout.fnmatch_lines(["E * There is no golden yet: goldens/test_a/test_one@new.h100.ksnap"])
    assert "fits it best" not in result.stdout.str()
    assert moves(ask) == {"test_a/test_one@new.h100.ksnap": ""}
    assert ask("accept", "--all")[2] == 0
    result = run(project)
    result.assert_outcomes(passed=1)
    assert "is gone" not in result.stdout.str()


NEW = """
    def test_new(kernel_snapshot, golden):
        assert golden(lines=51) == kernel_snapshot
"""


def test_of_a_renamed_test_and_a_new_one_only_the_renamed_one_is_a_move(recorded, ask):
    # The new test comes first, and fits well.
    renamed = TEST.replace("test_two", "test_second")
    recorded.test(renamed.replace("    import pytest\n", f"    import pytest\n{NEW}"))
    run(recorded).assert_outcomes(failed=2, passed=3)
    assert moves(ask) == {"test_a/test_second.h100.ksnap": "test_a.py::test_two", "test_a/test_new.h100.ksnap": ""}
    assert ask("accept", "test_new", "test_second")[2] == 0
    run(recorded).assert_outcomes(passed=5)


def test_what_is_merely_new_is_no_move(recorded, ask):
    # Nothing is gone.
    recorded.test(TEST + NEW)
    result = run(recorded)
    assert "fits it best" not in result.stdout.str()
    assert moves(ask) == {"test_a/test_new.h100.ksnap": ""}
    # Where single tests were asked for, nobody knows what is gone.
    recorded.test(TEST.replace("test_two", "test_second"))
    assert "fits it best" not in run(recorded, "test_a.py::test_second").stdout.str()
    assert not any(moves(ask).values())


def test_a_test_that_came_back_keeps_its_golden(recorded, ask):
    recorded.test(TEST.replace("test_two", "test_second"))
    run(recorded)
    before = recorded.files()
    recorded.test(TEST)
    _, err, status = ask("accept", "--all")
    assert status == 2
    assert "the modules of tests that were gone were changed since (test_a.py::test_two)" in err
    assert recorded.files() == before


def test_workers_agree_on_who_is_moved(recorded, ask):
    recorded.test(TEST.replace("test_two", "test_second").replace("test_sizes", "test_numbers"))
    recorded.subprocess_with_cache("-n", "2").assert_outcomes(failed=3, passed=1)
    assert moves(ask) == {
        "test_a/test_second.h100.ksnap": "test_a.py::test_two",
        "test_a/test_numbers[1].h100.ksnap": "test_a.py::test_sizes[1]",
        "test_a/test_numbers[2].h100.ksnap": "test_a.py::test_sizes[2]",
    }


def test_git_sees_a_rename(recorded, ask):
    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, cwd=recorded.root, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("add", "goldens")
    git("commit", "-q", "-m", "goldens")
    recorded.test(TEST.replace("test_two", "test_second"))
    run(recorded)
    ask("accept", "--all")
    git("add", "-A", "goldens")
    status, *names = git("diff", "-M", "--cached", "--name-status").split()
    assert status.startswith("R")
    assert names == ["goldens/test_a/test_two.h100.ksnap", "goldens/test_a/test_second.h100.ksnap"]


def test_what_machine_code_needs_moves_too(recorded, ask):
    old, new = (recorded.golden(f"test_a/test_{name}.h100.kres") for name in ("two", "second"))
    entry = KernelResources(
        "inference",
        "k0",
        LaunchConfig((("XBLOCK", 64),), 2, 1),
        registers=22,
        instructions=InstructionMix(),
        stack=0,
        shared=0,
    )
    write_text(old, render_resources(Resources("h100", (entry,), "test_a.py::test_two")))
    text = old.read_text()
    recorded.test(TEST.replace("test_two", "test_second"))
    run(recorded)
    assert ask("accept", "--all")[1:] == ("", 0)
    assert new.read_text() == text.replace("test_two", "test_second")
    assert not old.exists()


def test_a_review_shows_where_it_comes_from(recorded, ask, monkeypatch):
    recorded.test(TEST.replace("test_two", "test_second"))
    run(recorded)
    monkeypatch.setattr(sys, "stdin", io.StringIO("r\nu\na\nw\n"))
    out, _, status = ask("review")
    assert status == 0
    assert "moved: 1 golden" in out
    assert "  moved from test_a.py::test_two, which is gone\n" in out
    assert "nothing but the name of the test\n" in out
    assert not recorded.golden("test_a/test_two.h100.ksnap").exists()
    run(recorded).assert_outcomes(passed=4)


@pytest.mark.parametrize(
    "change", ["../../precious.h100.ksnap", "test_a/test_one.h100.ksnap", "/test_a/test_two.ksnap"]
)
def test_a_move_that_names_another_file_is_refused(recorded, ask, change):
    recorded.test(TEST.replace("test_two", "test_second"))
    run(recorded)
    head = recorded.root / ".pytest_cache/d/kernelsnap/pending/test_a/test_second.h100.json"
    text = head.read_text()
    assert '"compared_with": "test_a/test_two.h100.ksnap"' in text
    head.write_text(text.replace('"compared_with": "test_a/test_two.h100.ksnap"', f'"compared_with": "{change}"'))
    before = recorded.files()
    _, err, status = ask("accept", "--all")
    assert status == 2
    assert f"{change} is no golden of test_a.py::test_two" in err
    assert recorded.files() == before


def test_the_old_golden_that_was_changed_since_is_kept(recorded, ask):
    recorded.test(TEST.replace("test_two", "test_second"))
    run(recorded)
    old = recorded.golden("test_a/test_two.h100.ksnap")
    old.write_text(old.read_text().replace("XBLOCK 64", "XBLOCK 128"))
    _, err, status = ask("accept", "--all")
    assert status == 2
    assert "1 goldens are no longer those that were compared" in err
    assert old.exists()


def test_a_move_that_another_machine_left(recorded, ask):
    recorded.test(TEST.replace("test_two", "test_second"))
    run(recorded)
    elsewhere = recorded.root / "left"
    (recorded.root / ".pytest_cache/d/kernelsnap").rename(elsewhere)
    out, err, status = ask("accept", "--from", "left", "--all")
    assert (err, status) == ("", 0)
    assert "moved from test_a.py::test_two" in out
    assert not recorded.golden("test_a/test_two.h100.ksnap").exists()
    # Once more: what it would move is not there any more, and what it brings is.
    _, err, status = ask("accept", "--from", "left", "--all")
    assert status == 0, err
    run(recorded).assert_outcomes(passed=4)
