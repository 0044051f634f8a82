"""Goldens whose test is gone are named on request, and never removed."""

from __future__ import annotations

import pytest

TWO = """
    import pytest

    def test_one(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
        assert golden() == kernel_snapshot(name="again")

    @pytest.mark.parametrize("n", [1, 2])
    def test_two(kernel_snapshot, golden, n):
        assert golden() == kernel_snapshot

    def test_skipped(kernel_snapshot, golden):
        if pytest.__name__ == "{}":
            pytest.skip()
        assert golden() == kernel_snapshot
"""


@pytest.fixture
def recorded(project):
    project.test(TWO)
    project.test(TWO, "test_b.py")
    project.record("--kernelsnap-target", "h100,a100")
    project.test(TWO.replace("[1, 2]", "[1]").replace("{}", "pytest"))
    (project.root / "test_b.py").unlink()
    return project


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_named_after_a_whole_run(recorded, options):
    before = recorded.files()
    result = recorded.subprocess("--kernelsnap-orphans", "--snapshot-update", *options)
    assert result.ret == 0
    start = result.outlines.index("6 goldens whose test is gone:")
    listed = result.outlines[start + 1 : start + 7]
    assert listed == sorted(
        ["  test_a/test_two[2].h100.ksnap"] + [f"  {name}" for name in recorded.names() if name.startswith("test_b/")]
    )
    assert recorded.files() == before


@pytest.mark.parametrize("options", [["-k", "one"], ["test_a.py"], ["--deselect", "test_a.py::test_one"]])
def test_not_looked_for_in_part_of_the_tests(recorded, options):
    result = recorded.run("--kernelsnap-orphans", *options)
    result.stdout.fnmatch_lines(["--kernelsnap-orphans: not looked for*"])


def test_not_looked_for_after_a_failure(recorded):
    recorded.compiler("2.0")
    recorded.run("--kernelsnap-orphans").stdout.fnmatch_lines(["--kernelsnap-orphans: not looked for*"])
