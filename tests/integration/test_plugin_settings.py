"""`--kernelsnap-config`: the goldens against another Inductor setting."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

TWO_OUTPUTS = """
    import torch
    from kernelsnap import capture

    def test_two_outputs(kernel_device, kernel_snapshot):
        x = torch.randn(10, 10, device=kernel_device)
        assert capture(lambda a: (a.sum(dim=1), a.cos()), x) == kernel_snapshot
"""


@pytest.fixture
def real(project):
    """A project whose device is the real virtual one."""
    (project.root / "conftest.py").unlink()
    project.test(TWO_OUTPUTS)
    return project


def test_a_setting_that_splits_a_fusion_is_shown_and_nothing_is_written(real):
    real.subprocess("--snapshot-update").assert_outcomes(passed=1)
    before = real.files()
    result = real.subprocess("--kernelsnap-config", "max_fusion_size=1", "--kernelsnap-config", "cpp.threads=2")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "plan differs" in text
    assert "1 kernel became 2" in text
    assert real.files() == before
    real.subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--kernelsnap-config", "max_fusion_size"], "expected NAME=VALUE"),
        (["--kernelsnap-config", "=1"], "expected NAME=VALUE"),
        (["--kernelsnap-config", "max_fusion_size=1", "--snapshot-update"], "only compares"),
    ],
)
def test_a_setting_that_cannot_be_applied_stops_the_run(project, arguments, says):
    project.test(TWO_OUTPUTS)
    result = project.subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert says in result.stderr.str()


def test_an_unknown_setting_names_the_closest_one(real):
    result = real.subprocess("--kernelsnap-config", "max_fusion_sice=1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*has no setting 'max_fusion_sice'; did you mean 'max_fusion_size'?"])


def test_a_setting_that_every_capture_has_otherwise_is_applied_or_refused(real):
    real.test(
        """
        import pytest
        import torch
        from kernelsnap import capture

        @pytest.mark.parametrize("config", [{}, {"shape_padding": False, "max_fusion_size": 64}])
        def test_product(kernel_device, kernel_snapshot, config):
            x = torch.randn(4095, 4095, device=kernel_device, dtype=torch.bfloat16)
            captured = capture(lambda x: (x @ x).relu(), x, config=config)
            assert captured == kernel_snapshot
        """
    )
    real.subprocess("--snapshot-update").assert_outcomes(passed=2)
    result = real.subprocess("--kernelsnap-config", "shape_padding=True")
    result.assert_outcomes(failed=2)
    assert result.stdout.str().count("CaptureError: shape_padding chooses which multiplications to pad by timing") >= 2
