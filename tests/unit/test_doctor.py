"""From what was found to what is said: the words, the status, and what to install."""

from __future__ import annotations

import re
import time
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from kernelsnap.cli import doctor as cli_doctor
from kernelsnap.doctor.check import Check, can_capture
from kernelsnap.doctor.torch_side import capture_check, torch_checks
from kernelsnap.golden.toolchain import Toolchain
from kernelsnap.targets.lookup import BUILT_IN, TARGETS


def listed(library, name, note="", missing=False):
    """A private name, as the probe reports it."""
    return {"library": library, "name": name, "note": note, "missing": missing, "absent": False}


RECORDED = Toolchain({"torch": "2.13.0", "triton": "3.7.1"})


@pytest.fixture
def facts(tmp_path):
    (tmp_path / "guard.so").touch()
    return {
        "torch": {"version": "2.13.0+cpu", "cuda": None, "hip": None},
        "triton": {"version": "3.7.1", "backends": ["amd", "nvidia"], "ptxas": ""},
        "private": {"names": [listed("torch", "torch._C._f"), listed("triton", "triton._C.g", "until 3.9")]},
        "gpu": {"names": []},
        "compiler": {"library": str(tmp_path / "guard.so"), "compiler": "c++"},
    }


@pytest.fixture
def cpu_wheel(monkeypatch):
    """What torch's CPU wheels ask for: no triton."""
    monkeypatch.setattr(metadata, "requires", lambda name: ["sympy>=1.13.3"])


@pytest.fixture
def cuda_wheel(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: ['triton~=3.8.0; platform_system == "Linux"'])


def checks(facts, recorded=RECORDED, started=0.0):
    return {check.name: check for check in torch_checks(facts, recorded, BUILT_IN, started)}


@pytest.mark.usefixtures("cpu_wheel")
def test_all_is_well(facts):
    found = checks(facts, started=time.time() + 60)
    assert {check.status for check in found.values()} == {"ok"}
    assert found["torch"].says == "2.13.0+cpu, CPU build"
    assert found["triton"].says == "3.7.1, the one of torch 2.13.0"
    assert found["targets"].says == ", ".join(TARGETS)
    assert "built before" in found["C++ compiler"].says
    assert "built before" not in checks(facts)["C++ compiler"].says


@pytest.mark.parametrize(
    ("torch", "status", "says"),
    [
        ({"error": "ModuleNotFoundError: No module named 'torch'"}, "missing", "cannot be imported: ModuleNotFound"),
        (
            {"version": "2.10.0", "cuda": None, "hip": None, "unsupported": "torch 2.10 is not"},
            "missing",
            "torch 2.10 is",
        ),
        (
            {"version": "2.16.0.dev20261129", "cuda": "13.2", "hip": None},
            "warning",
            "2.16.0.dev20261129 (CUDA 13.2 build) was never checked; 2.11 to 2.15 were",
        ),
        ({"version": "2.14.1+rocm7", "cuda": None, "hip": "7.0"}, "ok", "2.14.1+rocm7, ROCm 7.0 build"),
    ],
)
def test_torch(facts, torch, status, says):
    found = checks({**facts, "torch": torch})["torch"]
    assert found.status == status
    assert found.says.startswith(says)
    assert found.do == ("" if status == "ok" else "pip install torch==2.13.0 triton==3.7.1")


def test_without_goldens_a_torch_that_was_checked_is_proposed(facts):
    found = checks({**facts, "torch": {"error": "no torch"}}, Toolchain())
    assert found["torch"].do == "pip install 'torch==2.15.*' triton==3.9.0"
    assert list(found) == ["torch"]


@pytest.mark.usefixtures("cpu_wheel")
def test_a_triton_of_another_torch(facts):
    found = checks({**facts, "triton": {**facts["triton"], "version": "3.6.0"}})["triton"]
    assert (found.status, found.do) == ("warning", "pip install triton==3.7.1")
    assert found.says == "3.6.0; torch 2.13.0 goes with triton ==3.7.1"


@pytest.mark.usefixtures("cuda_wheel")
@pytest.mark.parametrize(("version", "status"), [("3.8.1", "ok"), ("3.8.0+git1", "ok"), ("3.7.1", "warning")])
def test_the_triton_that_torch_asks_for_counts(facts, version, status):
    found = checks({**facts, "triton": {**facts["triton"], "version": version}})["triton"]
    assert found.status == status


@pytest.mark.usefixtures("cpu_wheel")
def test_a_triton_that_nothing_is_known_of(facts):
    found = checks({**facts, "torch": {"version": "2.10.0", "cuda": None, "hip": None}})["triton"]
    assert found == Check("triton", "ok", "3.7.1, which one goes with torch 2.10.0 is not recorded")


@pytest.mark.usefixtures("cpu_wheel")
def test_no_triton(facts):
    found = checks({**facts, "triton": {"error": "ModuleNotFoundError: No module named 'triton'"}})
    assert (found["triton"].status, found["triton"].do) == ("missing", "pip install triton==3.7.1")
    assert found["targets"].says.startswith("cpu; not h100, ")


@pytest.mark.usefixtures("cpu_wheel")
def test_a_triton_without_amd(facts):
    found = checks({**facts, "triton": {**facts["triton"], "backends": ["nvidia"]}})["targets"]
    assert found.status == "warning"
    assert found.says.endswith("cpu; not mi300x, mi350: this triton lacks their backend")


@pytest.mark.usefixtures("cpu_wheel")
def test_no_compiler_names_what_to_install(facts):
    error = "CompilerMissingError: c++ cannot build it:\nno such header\ninstall a C++ compiler (Debian: apt-get x)"
    found = checks({**facts, "compiler": {"error": error}})["C++ compiler"]
    assert found.status == "warning"
    assert found.says.startswith("c++ cannot build it: no such header; gradients, ")
    assert found.do == "install a C++ compiler (Debian: apt-get x)"


@pytest.mark.usefixtures("cpu_wheel")
def test_private_names(facts):
    found = checks(facts)["torch internals"]
    assert (found.status, found.says) == ("ok", "private names: 1 of torch, 1 of triton: all there")
    assert found.details == ("torch._C._f", "triton._C.g (until 3.9)")


@pytest.mark.usefixtures("cpu_wheel")
def test_private_names_that_are_missing_are_named(facts):
    facts["private"]["names"][0]["missing"] = True
    found = checks(facts)["torch internals"]
    assert (found.status, found.says) == ("warning", "private names: 1 of torch, 1 of triton; not here: torch._C._f")
    assert found.details[0] == "torch._C._f: missing"
    assert found.do == "pip install torch==2.13.0 triton==3.7.1"


@pytest.mark.usefixtures("cpu_wheel")
def test_private_names_that_cannot_be_looked_at(facts):
    found = checks({**facts, "private": {"error": "ImportError: broken"}})["torch internals"]
    assert (found.status, found.says) == ("warning", "cannot be looked at: ImportError: broken")


def test_the_capture():
    captured = {"kernels": 1, "what": "forward", "unjudged": []}
    assert capture_check({"capture": captured}).says.endswith("forward: 1 kernel")
    newer = capture_check({"capture": {**captured, "unjudged": ["fact_of_a_newer_torch"]}})
    assert newer.status == "warning"
    assert "no golden shows: fact_of_a_newer_torch." in newer.says
    failed = capture_check({"capture": {"error": "RuntimeError: two\nlines"}})
    assert (failed.status, failed.says) == ("missing", "softmax for the h100: RuntimeError: two lines")


@pytest.mark.parametrize(("status", "possible"), [("ok", True), ("warning", True), ("missing", False)])
def test_only_what_is_missing_keeps_from_capturing(status, possible):
    assert can_capture([Check("a", "ok", ""), Check("b", status, "")]) is possible


def test_every_dependency_is_looked_for():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=!~\[ ]", requirement)[0].replace("-", "_") for requirement in project["dependencies"]]
    assert sorted(names) == sorted(cli_doctor._DEPENDENCIES)
