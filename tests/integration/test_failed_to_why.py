"""From a failing test to knowing why, with the one command that the failure names."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from cli_process import run_command

SOURCE = Path(__file__).parents[2] / "src"
TEST = """
    def test_x(kernel_snapshot, golden):
        assert golden() == kernel_snapshot

    def test_y(kernel_snapshot, golden):
        assert golden(lines=4) == kernel_snapshot(name="why not")
"""
REAL = """
    import torch
    from kernelsnap import capture

    def block(x, w):
        return (x * w).{function}().sum(-1)

    def test_block(kernel_snapshot, kernel_device):
        x, w = (torch.randn(64, 1000, device=kernel_device) for _ in range(2))
        assert capture(block, x, w) == kernel_snapshot
"""


def run(project, *arguments):
    """Pytest as a user starts it: with its cache."""
    return project.pytester.runpytest("-p", "no:hypothesispytest", *arguments)


def named(result):
    """The commands that failures name."""
    lines = [line.removeprefix("E").strip() for line in result.outlines if "To see why:  " in line]
    return [line.removeprefix("To see why:  ") for line in lines]


def ask(command, cwd):
    """Standard output, standard error and status of a command as it was copied from a failure."""
    program, *words = shlex.split(command)
    assert program == "kernelsnap"
    found = run_command(*words, cwd=cwd)
    return found.stdout, found.stderr, found.returncode


@pytest.fixture
def failed(project):
    """A project whose two tests have just failed; what pytest said."""
    project.test(TEST)
    run(project, "--snapshot-update").assert_outcomes(passed=2)
    project.compiler("tl_math.sin(tmp0)")
    result = run(project)
    result.assert_outcomes(failed=2)
    return result


def test_the_command_of_a_failure_says_why(project, failed):
    first, second = named(failed)
    assert first == "kernelsnap diff --failed --explain test_a.py::test_x"
    assert second == "kernelsnap diff --failed --explain 'test_a.py::test_y@why not'"
    for command, case in ((first, "test_a.py::test_x"), (second, "test_a.py::test_y@why not")):
        out, err, status = ask(command, project.root)
        assert (err, status) == ("", 1)
        assert out.count("layers that differ: code") == 1
        assert out.endswith(f"\nTo accept:  {shlex.join(['kernelsnap', 'accept', case, '--target', 'h100'])}\n")
        assert case in out
        assert "because:" in out
        assert "inference k0: " in out
        assert "sin" in out


def test_all_that_failed_is_one_report(project, failed):
    out, err, status = ask("kernelsnap diff --failed", project.root)
    assert (err, status) == ("", 1)
    assert out.startswith("none worse; 2 goldens: 2 changed, 0 the same\n")
    assert "the same in 1 golden:" in out
    assert out.endswith("\nagain: kernelsnap diff --failed\naccept: kernelsnap accept --all\n")
    (project.root / "below").mkdir()
    assert ask("kernelsnap diff --failed", project.root / "below")[0].replace("../goldens", "goldens") == out


def test_it_names_the_line_of_the_test_and_everything_is_as_typed_in_the_folder_that_it_runs_in(project):
    project.test(TEST, "below/test_b.py")
    run(project, "--snapshot-update").assert_outcomes(passed=2)
    project.compiler("tl_math.sin(tmp0)")
    below = project.root / "below"
    project.pytester.chdir()
    os.chdir(below)
    result = run(project, "test_b.py")
    result.assert_outcomes(failed=2)
    assert named(result)[0] == "kernelsnap diff --failed --explain test_b.py::test_x"
    lines = [line.removeprefix("E").strip() for line in result.outlines]
    accept = "kernelsnap accept test_b.py::test_x --target h100"
    assert f"To accept:  {accept}" in lines
    out, err, status = ask(named(result)[0], below)
    assert (err, status) == ("", 1)
    assert out.startswith("../goldens/below/test_b/test_x.h100.ksnap\ntest: below/test_b.py::test_x\n")
    assert "\ncompared at test_b.py:2: assert golden() == kernel_snapshot\n" in out
    assert "-        tl.store(in_ptr0, 1.0)\n+        tl.store(in_ptr0, tl_math.sin(tmp0))\n" in out
    assert out.endswith(f"\nTo accept:  {accept}\n")
    project.test(TEST)
    os.chdir(project.root)
    run(project, "test_a.py").assert_outcomes(failed=2)
    assert ask("kernelsnap accept below/test_b.py::test_x", project.root)[0].count("test_b.py::test_x (h100)") == 1
    assert ask("kernelsnap accept test_b.py::test_y", below)[0].endswith("1 golden accepted, 2 still pending\n")
    assert ask("kernelsnap reject ../test_a.py::test_x", below)[0].startswith("1 golden rejected: ")


def test_what_passes_again_is_no_longer_told(project, failed):
    run(project, "--snapshot-update", "-k", "test_x").assert_outcomes(passed=1, deselected=1)
    assert ask("kernelsnap diff --failed", project.root)[0].startswith("none worse; 1 golden: 1 changed, 0 the same\n")
    project.compiler("1.0")
    run(project, "-k", "test_y").assert_outcomes(passed=1, deselected=1)
    out, err, status = ask("kernelsnap diff --failed", project.root)
    assert (out, status) == ("", 2)
    assert err.startswith("kernelsnap: .pytest_cache here or above holds no comparison that failed: run pytest first")


def test_targets_that_share_a_golden_are_kept_apart(project):
    project.test(TEST)
    run(project, "--snapshot-update", "--kernelsnap-target", "h100,a100").assert_outcomes(passed=4)
    assert len(project.names()) == 2
    project.compiler("2.0")
    run(project, "--kernelsnap-target", "h100,a100").assert_outcomes(failed=4)
    assert ask("kernelsnap diff --failed", project.root)[0].startswith("none worse; 2 goldens: 2 changed")


def test_workers_keep_what_failed_too(project):
    project.test(TEST)
    run(project, "--snapshot-update").assert_outcomes(passed=2)
    project.compiler("2.0")
    result = run(project, "-n", "2")
    result.assert_outcomes(failed=2)
    assert len(named(result)) == 2
    assert ask("kernelsnap diff --failed", project.root)[0].startswith("none worse; 2 goldens: 2 changed")


def test_a_cache_elsewhere_is_named_by_the_command(project):
    project.ini(cache_dir="of mine")
    project.test(TEST)
    run(project, "--snapshot-update").assert_outcomes(passed=2)
    project.compiler("2.0")
    command = named(run(project))[0]
    assert command == "kernelsnap diff '--failed=of mine' --explain test_a.py::test_x"
    assert "because:" in ask(command, project.root)[0]


def test_without_a_cache_no_command_is_named(project):
    project.test(TEST)
    project.record()
    project.compiler("2.0")
    result = project.run()  # with -p no:cacheprovider
    result.assert_outcomes(failed=2)
    assert named(result) == []
    result.stdout.fnmatch_lines(["E * To accept:  pytest test_a.py::test_x --snapshot-update"])


def test_a_cache_that_cannot_be_written_is_warned_of(project):
    project.test(TEST)
    run(project, "--snapshot-update").assert_outcomes(passed=2)
    project.compiler("2.0")
    (project.root / ".pytest_cache" / "d").mkdir(parents=True, exist_ok=True)
    kept = project.root / ".pytest_cache" / "d" / "kernelsnap"
    shutil.rmtree(kept, ignore_errors=True)
    kept.write_text("in the way")
    result = run(project)
    result.assert_outcomes(failed=2, warnings=3)
    assert named(result) == []
    result.stdout.fnmatch_lines(["*PytestCacheWarning: kernelsnap diff --failed will not find test_a.py::test_x: *"])


@pytest.mark.parametrize("others", [["old", "new"], ["--patch", "-"]])
def test_failed_stands_alone(project, failed, others):
    _, err, status = ask(shlex.join(["kernelsnap", "diff", "--failed=.pytest_cache", *others]), project.root)
    assert (err, status) == (
        "kernelsnap: give either a patch, or --failed, or two sides, not several of them\n",
        2,
    )


def test_really(project):
    """A user's first afternoon: record, change the program, read why the test fails."""
    pytest.importorskip("triton")
    (project.root / "conftest.py").unlink()
    project.test(REAL.format(function="relu"))
    project.subprocess_with_cache("-q", "--snapshot-update").assert_outcomes(passed=1)
    project.test(REAL.format(function="sigmoid"))
    result = project.subprocess_with_cache("-q")
    result.assert_outcomes(failed=1)
    (command,) = named(result)
    out, err, status = ask(command, project.root)
    assert (err, status) == ("", 1)
    # An estimate of the time may stand between: a sigmoid takes longer than a relu.
    assert re.search(r"^other operations(, est\. .*)?\s+\(the program computes something else\), because:", out, re.M)
    assert "gone: relu" in out
    assert "new: sigmoid" in out
    assert "\ncompared at test_a.py:9: assert capture(block, x, w) == kernel_snapshot\n" in out
    assert "\ninference k0 comes from:\n  test_a.py:5: return (x * w).sigmoid().sum(-1)\n" in out
    golden = next(project.goldens.rglob("*.ksnap")).read_text()
    assert "test_a.py:5" not in golden
