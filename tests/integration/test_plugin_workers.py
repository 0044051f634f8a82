"""The same goldens under pytest-xdist."""

from __future__ import annotations

MANY = """
    import pytest

    @pytest.mark.parametrize("n", range(12))
    def test_x(kernel_snapshot, golden, n):
        assert golden(lines=n + 1) == kernel_snapshot

    @pytest.mark.xdist_group("one")
    def test_grouped(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
"""


def test_workers_write_what_one_process_writes(project):
    project.test(MANY)
    recorded = project.subprocess("--snapshot-update", "-n", "2")
    recorded.assert_outcomes(passed=13)
    recorded.stdout.fnmatch_lines(["13 snapshots generated."])
    workers = project.files()
    assert len(project.names()) == 13
    project.record()
    assert project.files() == workers
    project.subprocess("--snapshot-update", "-n", "2", "--dist", "loadgroup").assert_outcomes(passed=13)
    assert project.files() == workers
    project.compiler("2.0")
    failed = project.subprocess("-n", "2", "--dist", "loadgroup")
    failed.assert_outcomes(failed=13)
    failed.stdout.fnmatch_lines(["E * To accept:  pytest test_a.py::test_grouped --snapshot-update"])
    project.subprocess("--snapshot-update", "-n", "2").assert_outcomes(passed=13)
    changed = project.files()
    assert len([name for name in changed if changed[name] != workers[name]]) == 13
