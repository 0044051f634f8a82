"""The end of a run of pytest: how many tests failed, for which causes, and what accepts each."""

from __future__ import annotations

import re
import shlex

import pytest

from kernelsnap.cli.main import main

TEST = """
    import pathlib
    import pytest
    from dataclasses import replace

    HERE = pathlib.Path(__file__).parent

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_same(kernel_snapshot, golden, size):
        assert golden(lines=size) == kernel_snapshot

    def test_worse(kernel_snapshot, golden):
        found = golden(lines=9)
        more = 1 if (HERE / "constant").read_text() == "1.0" else 3
        metrics = tuple(replace(m, value=more) if m.name == "bytes accessed" else m for m in found.metrics)
        assert replace(found, metrics=metrics) == kernel_snapshot

    @pytest.mark.xfail
    def test_expected(kernel_snapshot, golden):
        assert golden() == kernel_snapshot

    def test_new(kernel_snapshot, golden):
        if (HERE / "constant").read_text() == "1.0":
            pytest.skip("not there yet")
        assert golden() == kernel_snapshot

    def test_other():
        assert (HERE / "constant").read_text() == "1.0"
"""


@pytest.fixture
def changed(project):
    """A project in which the compiler has changed since it was recorded."""
    project.test(TEST)
    run(project, "--snapshot-update")
    project.compiler("tl_math.sin(tmp0)")
    return project


def run(project, *arguments):
    """Pytest as a user starts it: with its cache."""
    return project.pytester.runpytest("-p", "no:hypothesispytest", *arguments)


def summary(result):
    """The lines about failures."""
    lines = result.outlines
    start = next((at for at, line in enumerate(lines) if re.match(r"\d+ failures?, ", line)), len(lines))
    end = next((at for at in range(start + 1, len(lines)) if not lines[at].startswith("  ")), start + 1)
    return lines[start:end]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_failures_are_counted_by_cause_the_worst_first_each_with_what_accepts_it(changed, workers, monkeypatch, capsys):
    result = run(changed, *workers)
    result.assert_outcomes(failed=6, xfailed=1)
    head, *groups = summary(result)
    assert head == "5 failures, 3 causes, in 5 goldens; the worst first:"
    assert "1 golden, +2 B (+200.0 %):  kernelsnap accept --group " in groups[0]
    assert ": 3 goldens:  kernelsnap accept --group " in groups[1]
    assert groups[2].startswith("  new: 1 golden:  kernelsnap accept --group ")
    monkeypatch.chdir(changed.root)
    for line in groups:
        assert main(shlex.split(line.partition(":  kernelsnap ")[2])) == 0
    accepted = re.findall(r"^(\d goldens?) accepted", capsys.readouterr().out, re.MULTILINE)
    assert accepted == ["1 golden", "3 goldens", "1 golden"]
    run(changed).assert_outcomes(passed=5, failed=1, xfailed=1)


def test_targets_that_share_a_golden_fail_apart_and_are_one_golden(project):
    targets = ("--kernelsnap-target", "h100,a100")
    project.test("def test_x(kernel_snapshot, golden):\n        assert golden() == kernel_snapshot")
    run(project, "--snapshot-update", *targets).assert_outcomes(passed=2)
    project.compiler("2.0")
    head, group = summary(run(project, *targets))
    assert head == "2 failures, 1 cause, in 1 golden; the worst first:"
    assert ": 1 golden:  kernelsnap accept --group " in group


def test_what_is_pending_from_earlier_runs_is_counted_apart(changed):
    run(changed)
    head, group = summary(run(changed, "-k", "test_same and 2"))
    assert head == "1 failure, 1 cause, in 1 golden; the worst first:"
    assert ": 1 golden (and 2 of earlier runs):  kernelsnap accept --group " in group


def test_where_nothing_is_kept_nothing_accepts_it(changed, monkeypatch):
    monkeypatch.setenv("CI", "true")
    head, *groups = summary(run(changed))
    assert head.startswith("5 failures, 3 causes")
    assert not any("accept" in line for line in groups)
    assert any("accept" in line for line in summary(run(changed, "--kernelsnap-pending")))


def test_a_cache_elsewhere_is_named(changed):
    changed.ini(cache_dir="of mine")
    assert summary(run(changed))[1].endswith(" '--cache=of mine'")


def test_a_run_that_passes_counts_no_failure(changed):
    changed.compiler("1.0")
    assert summary(run(changed)) == []


SHARED = """
    import pytest

    @pytest.mark.kernelsnap_target("h100", "a100", "b200")
    @pytest.mark.parametrize("size", [1, 2])
    def test_same(kernel_snapshot, golden, size):
        assert golden(lines=size) == kernel_snapshot

    @pytest.mark.kernelsnap_target("h100", "a100")
    def test_apart(kernel_snapshot, golden, kernelsnap_lines):
        assert golden(lines=kernelsnap_lines) == kernel_snapshot

    @pytest.fixture
    def kernelsnap_lines(request):
        return 3 if "h100" in request.node.name else 4
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_goldens_are_counted_in_one_way_wherever_several_targets_share_one(project, monkeypatch, capsys, workers):
    """Files: in the end of each run, in a list of what is pending, and in what accepting it says."""

    def told(*arguments):
        lines = project.subprocess_with_cache(*arguments, *workers).outlines
        assert not [line for line in lines if "snapshot report" in line or re.search(r"\d snapshots? ", line)]
        return [line for line in lines if re.match(r"\d+ goldens? (unchanged|recorded|rewritten|failing)", line)]

    project.test(SHARED)
    assert told("--snapshot-update") == ["4 goldens recorded"]
    assert len(project.names()) == 4
    assert told() == ["4 goldens unchanged"]
    project.test(SHARED.replace("return 3 if", "return 5 if"))
    assert told("--snapshot-update") == ["3 goldens unchanged, 1 rewritten"]
    project.compiler("2.0")
    assert told("-k", "same") == ["2 goldens failing"]
    monkeypatch.chdir(project.root)
    assert main(["accept", "--all"]) == 0
    assert "2 goldens accepted" in capsys.readouterr().out
    assert told() == ["2 goldens unchanged, 2 failing"]
    assert len(project.names()) == 4


def test_snapshots_of_syrupys_own_are_still_counted_by_syrupy(project):
    project.test(SHARED + "\n    def test_text(snapshot):\n        assert 'text' == snapshot\n")
    result = project.run("--snapshot-update")
    result.stdout.fnmatch_lines(["4 goldens recorded", "*snapshot report summary*", "1 snapshot generated."])
    result = project.run()
    result.stdout.fnmatch_lines(["4 goldens unchanged", "*snapshot report summary*", "1 snapshot passed."])
