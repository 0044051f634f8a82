"""The same goldens under pytest-xdist."""

from __future__ import annotations

import pytest

MANY = """
    import pytest

    @pytest.mark.parametrize("n", range(12))
    def test_x(kernel_snapshot, golden, n):
        assert golden(lines=n + 1) == kernel_snapshot

    @pytest.mark.xdist_group("one")
    def test_grouped(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
"""


UNJUDGED = """
    from dataclasses import replace
    import pytest

    @pytest.mark.parametrize("name", ["fact_b", "fact_a", "fact_b"], ids="xyz")
    def test_x(kernel_snapshot, golden, name):
        assert replace(golden(), unjudged=(name,)) == kernel_snapshot
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "workers"])
def test_facts_that_nobody_judged_are_reported_once_and_are_in_no_golden(project, workers):
    project.test(UNJUDGED)
    result = project.subprocess("--snapshot-update", *workers)
    result.assert_outcomes(passed=3)
    assert result.stdout.str().count("fact_a") == 1
    result.stdout.fnmatch_lines(["*facts that kernelsnap does not know, and that no golden shows: fact_a, fact_b.*"])
    assert not any(b"fact_" in content for content, _ in project.files().values())


def test_workers_write_what_one_process_writes(project):
    project.test(MANY)
    recorded = project.subprocess("--snapshot-update", "-n", "2")
    recorded.assert_outcomes(passed=13)
    recorded.stdout.fnmatch_lines(["13 goldens recorded"])
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
