"""`kernelsnap bisect --axis config`: which settings matter, alone or only together."""

from __future__ import annotations

import json

import pytest

from kernelsnap.bisect.config import differences, read_settings
from kernelsnap.bisect.errors import BisectError
from kernelsnap.cli import main

pytest.importorskip("triton")

SUM = """
    import torch
    from kernelsnap import capture

    def test_sum(kernel_device, kernel_snapshot):
        x = torch.randn(128, 128, device=kernel_device)[:60, :50]
        assert capture(torch.sum, x) == kernel_snapshot
"""


def files(project):
    """Everything in the project, which is also the home folder here, with its caches."""
    return sorted(path for path in project.root.rglob("*") if ".cache" not in path.parts)


@pytest.fixture
def bisect(project, tmp_path, capsys):
    (project.root / "conftest.py").unlink()
    project.test(SUM)

    def bisect(*arguments):
        state = ("--state", str(tmp_path / "cache" / "state.json"), "--pytest=-p", "--pytest=no:hypothesispytest")
        status = main(["bisect", "test_a.py::test_sum", "--axis", "config", *state, *arguments])
        return status, *capsys.readouterr()

    return bisect


def test_two_settings_that_matter_only_together(bisect, project):
    settings = project.root / "settings.toml"
    settings.write_text("max_fusion_size = 63\n[triton]\nprefer_nd_tiling = true\ntile_reductions = true\n")
    before = files(project)
    status, out, _ = bisect(
        "--from", "defaults", "--to", str(settings), "--predicate", "contains('R1_BLOCK')", "--repeats", "0", "--json"
    )
    assert status == 0
    report = json.loads(out)
    (change,) = report["changes"]
    assert change["after"]["name"] == "triton.prefer_nd_tiling=True with triton.tile_reductions=True"
    assert change["diffs"][0]["says"].startswith("plan differs")
    assert len(report["asked"]) == 6
    assert files(project) == before

    # Another question about the same settings is answered from what was seen.
    status, out, _ = bisect("--to", str(settings), "--repeats", "0", "--json", "--timeout", "0.001")
    assert status == 0
    assert json.loads(out)["changes"][0]["after"]["name"] == "triton.prefer_nd_tiling=True"


def test_an_unknown_setting_is_named(bisect):
    status, _, err = bisect("--to", "max_fusion_sice=1")
    assert status == 2
    assert "has no setting 'max_fusion_sice', but 'max_fusion_size'" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "defaults"], "the same settings"),
        (["--to", "max_fusion_size"], "expected `defaults`, a TOML file, or NAME=VALUE"),
        (["--to", "missing.toml"], "missing.toml: No such file"),
    ],
)
def test_bad_input_is_one_clear_message(bisect, arguments, says):
    status, out, err = bisect(*arguments)
    assert (status, out) == (2, "")
    assert says in err


def test_settings_are_read_from_files_and_words(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("a = 1\n[triton]\nb = true\n")
    assert read_settings([str(path), "a=2", "c=word", "d=(1, 'x')"]) == {
        "a": 2,
        "triton.b": True,
        "c": "word",
        "d": (1, "x"),
    }
    path.write_text("a = ")
    with pytest.raises(BisectError, match="not TOML"):
        read_settings([str(path)])


def test_what_one_side_leaves_at_its_default_is_a_difference():
    found = differences({"a": 1, "b": 2}, {"a": True, "b": 2, "c": 3})
    assert [str(difference) for difference in found] == ["a=True", "c=3"]
    assert [str(difference) for difference in differences({"a": 1}, {})] == ["a at its default"]
