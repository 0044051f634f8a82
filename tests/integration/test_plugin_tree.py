"""The tree of goldens that a run leaves: everything in it fits the rest, and nothing of a killed run is in it."""

from __future__ import annotations

from kernelsnap.golden.verify import TreeCheck


def test_names_that_no_file_has_as_they_are(project):
    project.test(
        """
        import pytest

        @pytest.mark.parametrize("x", ["a/b", "A@b", "\\n", "é", "x" * 300], ids=str)
        def test_x(kernel_snapshot, golden, x):
            assert golden() == kernel_snapshot
            assert golden() == kernel_snapshot
            assert golden() == kernel_snapshot(name="after Warmup@1")
        """,
        "kernels/test_a.py",
    )
    project.record()
    check = TreeCheck(project.goldens)
    # What a run with a stand-in for the compilers recorded names no versions of them.
    assert [problem for problem in check.problems if "toolchain.toml" not in problem] == []
    assert check.read["golden"] == 15


def test_what_a_killed_process_left_goes_with_the_next_recording(project):
    project.test("def test_x(kernel_snapshot, golden):\n    assert golden() == kernel_snapshot\n")
    project.record()
    left = project.goldens / "test_a" / ".0123456789abcdef.tmp"
    other = project.goldens / "test_a" / ".mine.tmp"
    for path in (left, other):
        path.write_text("half a go")
    assert project.run().ret == 0
    assert left.exists()
    project.record()
    assert not left.exists()
    assert other.exists()
