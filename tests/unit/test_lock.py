"""requirements.lock: all that pyproject.toml asks for is in it, with hashes, and newer releases change nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from wheel_index import WheelIndex

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()

of_make = pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="holds for the environment that `make` sets up, not for this one"
)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("lock", ROOT / "tools" / "lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_that_pyproject_asks_for_is_locked_in_a_version_that_it_admits(tool):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*settings["build-system"]["requires"], *settings["project"]["dependencies"]]
    asked += [each for extra in settings["project"]["optional-dependencies"].values() for each in extra]
    locked = tool.read_lock(LOCK)
    for requirement in map(Requirement, asked):
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement} is not in requirements.lock: run `make lock KEEP=--keep`"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}, but {version} is locked"


def test_all_but_torch_has_hashes():
    unhashed = [line for line in LOCK.splitlines() if "==" in line and not line.endswith("\\")]
    assert [line.removeprefix("# without hashes: ").partition("==")[0] for line in unhashed] == ["torch"]
    assert LOCK.count("==") - 1 <= LOCK.count("--hash=sha256:")


def install_commands():
    """The lines with which `make` installs, as make prints them."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", ".venv/.installed"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [line for line in done.stdout.splitlines() if "pip install" in line]


def test_make_installs_from_the_lock_and_nothing_else():
    locked, torch, own = install_commands()
    assert locked.endswith(" --no-deps --require-hashes --requirement requirements.lock")
    assert torch.endswith(' requirements.lock)"')
    assert own.endswith(" --no-deps --no-build-isolation --editable .")


@of_make
def test_what_is_installed_is_what_the_lock_names(tool):
    assert tool.moved() == []


@of_make
def test_newer_releases_on_the_index_change_nothing(tmp_path):
    index = WheelIndex(tmp_path / "index")
    for name in ("transformers", "ruff", "pytest", "hypothesis"):
        index.add(name, "999.0", "")
    for line in install_commands()[:2]:
        command = f"{line.replace(' --quiet', '')} --no-index --find-links {index.folder} --dry-run"
        done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Requirement already satisfied" in done.stdout
        assert "Would install" not in done.stdout
