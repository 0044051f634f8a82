"""Budgets: numbers of a capture that no update of its golden changes."""

from __future__ import annotations

import pytest
import torch

from kernelsnap import capture, virtual_device
from kernelsnap.errors import BudgetError, BudgetExceededError
from kernelsnap.model import budget

pytest.importorskip("triton")


@pytest.fixture(scope="module")
def captured():
    """Two kernels around a library call."""
    with virtual_device("h100"):
        x = torch.randn(64, 64, device="cuda")
        return capture(lambda x: (x.sin() @ x).cos(), x)


def test_within_its_budgets(captured):
    with virtual_device("h100"), budget.observed() as uses:
        captured.check(kernels=2, library_calls=1, graphs=1, graph_breaks=0, bytes_accessed=10**6)
        captured.check(spills=0, registers=255, shared=0)
    assert [(use.budget, use.used) for use in uses if use.budget not in ("registers", "bytes_accessed")] == [
        ("kernels", 2),
        ("library_calls", 1),
        ("graphs", 1),
        ("graph_breaks", 0),
        ("spills", 0),
        ("shared", 0),
    ]
    assert not any(use.exceeded for use in uses)
    (registers,) = [use.used for use in uses if use.budget == "registers"]
    assert 0 < registers <= 255


def test_what_is_exceeded_is_named_with_the_kernels_and_the_plan(captured):
    with pytest.raises(BudgetExceededError) as error:
        captured.check(kernels=1, library_calls=1, registers=2)
    first, kernels, registers, *plan = str(error.value).splitlines()
    assert (first, kernels) == ("a budget is exceeded", "kernels: 2, at most 1")
    assert registers.startswith("registers: ")
    assert "at most 2: inference k0: " in registers
    assert ", inference k1: " in registers
    assert plan == str(captured).splitlines()
    assert len(plan) == 5
    assert plan[2].startswith("  k0(x) -> buf0 f32[64, 64]  # ")


def test_repr_and_str(captured):
    assert repr(captured) == "<capture for h100: kernels: 2, library calls: 1; inference>"
    assert str(captured).splitlines()[0] == repr(captured)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"kernel": 1}, "there is no budget of 'kernel': what can be limited is kernels, library_calls"),
        ({"kernels": "1"}, "a budget of kernels is a whole number of at least 0, not '1'"),
        ({"kernels": True}, "not True"),
        ({"spills": -1}, "not -1"),
    ],
)
def test_what_is_no_budget(captured, limits, message):
    with pytest.raises(BudgetError, match=message):
        captured.check(**limits)


def test_kernels_without_machine_code_have_no_registers():
    with virtual_device("cpu"):
        captured = capture(torch.sin, torch.randn(64))
        captured.check(kernels=1)
        with pytest.raises(BudgetError, match="inference k0 has no numbers of machine code: not compiled: a C"):
            captured.check(registers=64)


TESTS = """
    import pytest
    import torch
    from kernelsnap import capture

    @pytest.mark.kernelsnap_budget(kernels={marker})
    def test_marked(kernel_snapshot, kernel_device):
        assert capture(lambda x: (x.sin() @ x).cos(), torch.randn(64, 64, device=kernel_device)) == kernel_snapshot

        assert capture(torch.cos, torch.randn(64, device=kernel_device)) == kernel_snapshot(name="again")

    def test_in_the_test(kernel_snapshot, kernel_device):
        captured = capture(torch.sin, torch.randn(64, device=kernel_device))
        assert captured == kernel_snapshot
        captured.check(kernels={inside})
"""


def test_no_update_blesses_what_exceeds_a_budget(project):
    (project.root / "conftest.py").unlink()
    project.ini(
        kernelsnap_budgets="\n    test_a.py::test_m* library_calls=1\n    *@again graphs=1\n    nothing/* kernels=9"
    )
    project.test(TESTS.format(marker=1, inside=0))
    result = project.run("--snapshot-update", "--kernelsnap-budgets")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E * kernels: 2, at most 1 (@pytest.mark.kernelsnap_budget)", "E * k0(x) -> buf0 *"])
    result.stdout.fnmatch_lines(
        [
            "h100 test_a.py::test_in_the_test  kernels 1 of 0, 1 too many",
            "h100 test_a.py::test_marked  kernels 2 of 1, 1 too many  (@pytest.mark.kernelsnap_budget)",
            "kernelsnap_budgets: nothing/* kernels=9: no case of this run",
        ]
    )
    # The marker is checked before the golden, the assertion below the comparison after it.
    assert project.names() == ["test_a/test_in_the_test.h100.ksnap"]

    project.test(TESTS.format(marker=3, inside=1))
    result = project.run("--snapshot-update", "--kernelsnap-budgets")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "h100 test_a.py::test_in_the_test  kernels 1 of 1, 0 left",
            "h100 test_a.py::test_marked  library_calls 1 of 1, 0 left  (kernelsnap_budgets: test_a.py::test_m* lib*",
            "h100 test_a.py::test_marked@again  graphs 1 of 1, 0 left  (kernelsnap_budgets: [*]@again graphs=1)",
            "h100 test_a.py::test_marked  kernels 2 of 3, 1 left  (@pytest.mark.kernelsnap_budget)",
            "h100 test_a.py::test_marked@again  kernels 1 of 3, 2 left  (@pytest.mark.kernelsnap_budget)",
            "h100 test_a.py::test_marked@again  library_calls 0 of 1, 1 left  (kernelsnap_budgets: test_a.py::test_m*",
            "kernelsnap_budgets: nothing/* kernels=9: no case of this run",
        ]
    )
    assert "@again graphs=1: no case" not in result.stdout.str()
    assert len(project.names()) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [("test_a.py", "expected a glob of cases and limits"), ("test_a.py kernels=x", "not 'x'"), ("* warps=1", "warps")],
)
def test_a_wrong_setting_is_an_error_before_anything_runs(project, line, message):
    project.ini(kernelsnap_budgets=line)
    project.test(TESTS.format(marker=1, inside=1))
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])
