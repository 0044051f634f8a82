"""`kernelsnap bisect --axis config`: which settings matter, alone or only together."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kernelsnap.bisect import run
from kernelsnap.bisect.axes.config import differences, read_settings
from kernelsnap.bisect.errors import BisectError
from kernelsnap.cli.main import main
from watched_processes import WatchedProcesses

pytest.importorskip("triton")

SUM = """
    import torch
    from kernelsnap import capture

    def test_a(kernel_device, kernel_snapshot):
        x = torch.randn(128, 128, device=kernel_device)[:60, :50]
        assert capture(torch.sum, x) == kernel_snapshot
"""


@pytest.fixture
def bisect_many(project, quick_steps, tmp_path, capsys):
    def bisect_many(*arguments):
        words = ["bisect", "test_a.py", "--axis", "config", "--state", str(tmp_path / "states"), "--repeats", "0"]
        status = main([*words, "--pytest=-p", "--pytest=no:hypothesispytest", *arguments])
        return status, *capsys.readouterr()

    return bisect_many


def files(project):
    """Everything in the project, which is also the home folder here, with its caches."""
    return sorted(path for path in project.root.rglob("*") if ".cache" not in path.parts)


@pytest.fixture
def bisect(tmp_path, capsys):
    def bisect(*arguments):
        state = ("--state", str(tmp_path / "cache" / "state.json"), "--pytest=-p", "--pytest=no:hypothesispytest")
        status = main(["bisect", "test_a.py::test_a", "--axis", "config", *state, *arguments])
        return status, *capsys.readouterr()

    return bisect


@pytest.mark.starts_processes
def test_two_settings_that_matter_only_together(bisect, project, monkeypatch):
    processes = WatchedProcesses()
    monkeypatch.setattr(run, "StepProcesses", lambda: processes)
    (project.root / "conftest.py").unlink()
    project.test(SUM)
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
    # The first process imported torch, and one for all others: in both they generate the same.
    assert processes.shared == [(number > 0, ("torch", "triton", "torch._inductor.compile_fx")) for number in range(6)]
    assert report["asked"][0]["generates"] == report["asked"][3]["generates"]
    assert files(project) == before

    # Another question about the same settings is answered from what was seen.
    status, out, _ = bisect("--to", str(settings), "--repeats", "0", "--json", "--timeout", "0.001")
    assert status == 0
    # The first setting alone changes hints only, which no golden has.
    (change,) = json.loads(out)["changes"]
    assert change["after"]["name"] == "triton.prefer_nd_tiling=True with triton.tile_reductions=True"


def test_killed_at_every_step_it_goes_on_and_runs_nothing_twice(project, tmp_path, torch_of_settings):
    torch_of_settings(max_fusion_size=64, debug=False)
    log = tmp_path / "log"
    # The second step of each run kills it, by a signal that it cannot catch.
    project.test(f"""
        import os, pathlib
        import torch._inductor.config as config

        def test_a(golden, kernel_snapshot):
            log = pathlib.Path({str(log)!r})
            with log.open("a") as file:
                file.write(f"{{os.getppid()}}\\n")
            if log.read_text().split().count(str(os.getppid())) > 1:
                os.kill(os.getppid(), 9)
            assert golden(constant=str(config.max_fusion_size)) == kernel_snapshot
    """)
    words = ["bisect", "test_a.py::test_a", "--axis", "config", "--to", "max_fusion_size=63", "--to", "debug=True"]
    words += ["--state", str(tmp_path / "state.json"), "--json", "--repeats", "0", "--pytest=-p"]
    command = [sys.executable, "-m", "kernelsnap", *words, "--pytest=no:hypothesispytest"]
    kills = 0
    while (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
        assert done.returncode == -9, done.stderr
        kills += 1
    report = json.loads(done.stdout)
    assert report["changes"][0]["after"]["name"] == "max_fusion_size=63"
    assert kills == len({step["name"] for step in report["asked"]}) - 1
    assert len(log.read_text().split()) == 2 * kills + 1


def test_each_of_many_cases_has_its_own_setting(bisect_many, project, torch_of_settings):
    torch_of_settings(max_fusion_size=64, debug=False)
    project.test("""
        import torch._inductor.config as config

        def test_a(golden, kernel_snapshot):
            assert golden(constant=str(config.max_fusion_size)) == kernel_snapshot

        def test_b(golden, kernel_snapshot):
            assert golden(constant=str(config.debug)) == kernel_snapshot

        def test_c(golden, kernel_snapshot):
            assert golden(constant="1.0") == kernel_snapshot
    """)
    status, out, err = bisect_many("--to", "max_fusion_size=63", "--to", "debug=True", "--json")
    assert status == 0, err
    cases = json.loads(out)["cases"]
    assert [case["changes"][0]["after"]["name"] for case in cases[:2]] == ["max_fusion_size=63", "debug=True"]
    assert "so that there is no change to find" in cases[2]["unchanged"]


def test_an_unknown_setting_is_named(project, bisect, torch_of_settings):
    torch_of_settings(max_fusion_size=64)
    project.test("def test_a(golden, kernel_snapshot):\n    assert golden() == kernel_snapshot\n")
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
