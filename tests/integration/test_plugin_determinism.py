"""`--kernelsnap-check-determinism`: two runs in processes with other hash seeds."""

from __future__ import annotations

TESTS = """
    def test_steady(kernel_snapshot, golden):
        assert golden() == kernel_snapshot

    def test_wobbles(kernel_snapshot, golden):
        assert golden(constant=str(hash("a"))) == kernel_snapshot
"""


def test_what_is_not_the_same_twice_is_named(project):
    project.test(TESTS)
    result = project.subprocess("-q", "--kernelsnap-check-determinism")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "with PYTHONHASHSEED=1, recorded in a folder of its own:",
            "2 goldens recorded",
            "with PYTHONHASHSEED=2, recorded in a folder of its own:",
            "test_a/test_wobbles.h100.ksnap: line *: 'tl.store(in_ptr0, *)' and 'tl.store(in_ptr0, *)'",
            "2 goldens generated with the hash seeds 1, 2: 1 of them are not the same twice",
        ]
    )
    assert not project.goldens.exists()
    result = project.subprocess("-q", "--kernelsnap-check-determinism", "-k", "steady")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["1 golden generated with the hash seeds 1, 2: the same twice"])


def test_a_run_that_fails_compares_nothing(project):
    project.test("def test_fails(): assert 0")
    result = project.subprocess("--kernelsnap-check-determinism")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["the run with PYTHONHASHSEED=1 failed: nothing was compared"])
