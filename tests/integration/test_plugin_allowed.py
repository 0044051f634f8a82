"""A test whose code is not the same twice may have one of several goldens, with a reason; no run adds one by itself."""

from __future__ import annotations

import pytest

from kernelsnap.cli.main import main

TEST = """
    import pytest

    @pytest.mark.kernelsnap_allowed(2, reason="the order of a set; upstream #1")
    def test_x(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
        assert golden(lines=20) == kernel_snapshot(name="again")
"""
FIRST, SECOND = "test_a/test_x.h100.ksnap", "test_a/test_x@or-2.h100.ksnap"
AGAIN, AGAIN_2 = "test_a/test_x@again.h100.ksnap", "test_a/test_x@again-or-2.h100.ksnap"


@pytest.fixture
def both(project):
    """A project whose test may generate 1.0 or 2.0."""
    project.test(TEST)
    project.compiler("1.0")
    project.record()
    project.compiler("2.0")
    project.record("--kernelsnap-allow")
    return project


def test_each_of_the_allowed_passes_and_nothing_else(both):
    assert both.names() == sorted((FIRST, SECOND, AGAIN, AGAIN_2))
    before = both.files()
    for constant in ("1.0", "2.0"):
        both.compiler(constant)
        result = both.run()
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(
            ["the goldens of 2 cases are one of several that are allowed: the order of a set; upstream #1"]
        )
        both.record()
    assert both.files() == before
    both.compiler("3.0")
    result = both.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * None of its 2 allowed goldens is the same; this is the closest.",
            "E *-*tl.store(in_ptr0, ?.0)",
            "E *+*tl.store(in_ptr0, 3.0)",
            "E * To allow it beside the others:  pytest test_a.py::test_x --kernelsnap-allow --snapshot-update",
        ]
    )


def test_an_update_replaces_one_and_adds_none(both):
    both.compiler("3.0")
    both.record()
    assert both.names() == sorted((FIRST, SECOND, AGAIN, AGAIN_2))
    both.run().assert_outcomes(passed=1)
    texts = [both.golden(name).read_text() for name in (FIRST, SECOND)]
    assert sum("3.0" in text for text in texts) == 1
    # There is no room for another one.
    both.compiler("4.0")
    result = both.run("--snapshot-update", "--kernelsnap-allow")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*there are 2 goldens, all that the marker kernelsnap_allowed allows: raise its number*"]
    )


def test_a_set_needs_a_number_and_a_reason(project):
    for marker, said in (
        ("(2)", "needs a reason"),
        ("(2, reason=' ')", "needs a reason"),
        ("(1, reason='why')", "takes the number of goldens"),
        ("(reason='why')", "takes the number of goldens"),
        ("(2, because='why')", "takes the number of goldens"),
    ):
        project.test(TEST.replace('(2, reason="the order of a set; upstream #1")', marker))
        result = project.run("--snapshot-update")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"*AllowedError: the marker kernelsnap_allowed {said}*"])
    assert project.names() == []


def test_what_a_test_may_no_longer_have_is_an_orphan(both):
    assert "is gone" not in both.run().stdout.str()
    both.test(TEST.replace('@pytest.mark.kernelsnap_allowed(2, reason="the order of a set; upstream #1")', ""))
    both.compiler("1.0")
    result = both.run("--kernelsnap-orphans")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["2 goldens whose assertion is gone:", f"  {AGAIN_2}*", f"  {SECOND}*"])


def test_the_closest_one_is_accepted(both, capsys, monkeypatch):
    both.test(TEST.replace("golden(lines=20)", "golden(lines=20, constant='5.0')"))
    both.pytester.runpytest("-p", "no:hypothesispytest").assert_outcomes(failed=1)
    monkeypatch.chdir(both.root)
    assert main(["accept", "--all"]) == 0
    assert "1 golden accepted" in capsys.readouterr().out
    assert len(both.names()) == 4
    assert main(["verify-tree", "goldens"]) == 0
    both.pytester.runpytest("-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_moving_the_toolchain_needs_no_golden_that_happens_not_to_be_generated(both):
    both.versions("torch=9.0", "triton=9.0")
    both.record()
    assert 'torch = "9.0"' in (both.goldens / "toolchain.toml").read_text()


def test_the_check_of_determinism_knows_what_is_allowed(project, monkeypatch):
    project.test("""
        import os
        import pytest

        @pytest.mark.kernelsnap_allowed(2, reason="the seed")
        def test_x(kernel_snapshot, golden):
            assert golden(constant=os.environ["PYTHONHASHSEED"]) == kernel_snapshot
    """)
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        project.record("--kernelsnap-allow")
    assert project.names() == sorted((FIRST, SECOND))
    result = project.subprocess("-q", "--kernelsnap-check-determinism")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["test_a/test_x.h100.ksnap: two of its allowed goldens", "1 golden generated *same twice"]
    )
