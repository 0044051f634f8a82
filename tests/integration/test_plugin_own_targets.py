"""Targets that the project under test defines are usable wherever a built-in one is."""

from __future__ import annotations

import pytest

TABLE = """
[tool.kernelsnap.targets.h100-pcie]
base = "h100"
device_name = "NVIDIA H100 PCIe"
multi_processor_count = 114
"""
PLAIN = """
    def test_x(kernel_snapshot, golden, kernel_device):
        assert kernel_device == "cuda"
        assert golden() == kernel_snapshot
"""
MARKED = """
    import pytest

    @pytest.mark.kernelsnap_target("h100", "h100-pcie")
    def test_x(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
"""


@pytest.fixture
def own(project):
    (project.root / "pyproject.toml").write_text(TABLE)
    project.test(PLAIN)
    return project


def test_on_the_command_line(own):
    own.record("--kernelsnap-target", "h100-pcie")
    assert own.names() == ["test_a/test_x.h100-pcie.ksnap"]
    own.run("--kernelsnap-target", "h100-pcie").assert_outcomes(passed=1)


def test_in_the_setting(own):
    own.ini(kernelsnap_target="h100-pcie")
    own.record()
    assert own.names() == ["test_a/test_x.h100-pcie.ksnap"]


def test_by_marker_and_shared_with_a_built_in_one(own):
    own.test(MARKED)
    own.record()
    assert own.names() == ["test_a/test_x.h100.ksnap"]
    assert "\ntarget h100 h100-pcie\n" in own.golden("test_a/test_x.h100.ksnap").read_text()
    own.run().assert_outcomes(passed=2)


def test_the_project_is_that_of_rootdir(own, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    own.run("--rootdir", str(own.root), "-c", str(own.root / "pytest.ini"), str(own.root), "--snapshot-update",
            "--kernelsnap-target", "h100-pcie").assert_outcomes(passed=1)  # fmt: skip
    assert own.names() == ["test_a/test_x.h100-pcie.ksnap"]


def test_rootdir_inside_the_project(own):
    inner = own.root / "inner"
    inner.mkdir()
    (own.root / "pytest.ini").rename(inner / "pytest.ini")
    (own.root / "conftest.py").rename(inner / "conftest.py")
    (own.root / "test_a.py").rename(inner / "test_a.py")
    (own.root / "constant").rename(inner / "constant")
    own.run(str(inner), "--snapshot-update", "--kernelsnap-target", "h100-pcie").assert_outcomes(passed=1)
    assert (inner / "goldens/test_a/test_x.h100-pcie.ksnap").exists()


def test_a_wrong_table_stops_the_run_before_any_test(own):
    (own.root / "pyproject.toml").write_text(TABLE.replace("114", '"114"'))
    result = own.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: *pyproject.toml: ?tool.kernelsnap.targets.h100-pcie? multi_processor_count: *"]
    )


def test_a_target_that_is_no_longer_defined_is_told(own):
    own.record("--kernelsnap-target", "h100,h100-pcie")
    (own.root / "pyproject.toml").unlink()
    result = own.run("--kernelsnap-target", "h100-pcie")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --kernelsnap-target: unknown target 'h100-pcie'*pyproject.toml*"])
    own.run("--kernelsnap-orphans").stdout.fnmatch_lines(
        ["goldens of the target 'h100-pcie', which is neither built in nor defined in pyproject.toml: test_a/test_x.*"]
    )


def test_goldens_of_a_target_that_is_defined_are_not_told(own):
    own.record("--kernelsnap-target", "h100,h100-pcie")
    assert "neither built in" not in own.run("--kernelsnap-orphans").stdout.str()
