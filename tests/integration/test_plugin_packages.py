"""Packages whose code went into goldens: found, kept in `toolchain.toml`, and the first thing told where they differ.

Two versions of a small library are built as wheels; goldens are recorded under one and compared under the other.
"""

from __future__ import annotations

import os
import tomllib
import zipfile
from pathlib import Path

import pytest

from golden_project import notes
from kernelsnap.cli.main import main
from kernelsnap.doctor.check import Check
from kernelsnap.doctor.project import look_at
from kernelsnap.shared import distributions

TESTS = """
    from dataclasses import replace

    import pytest
    import modellib

    def of_library(golden):
        return replace(golden(constant=modellib.CONSTANT), files=(modellib.__file__, __file__, pytest.__file__))

    def test_one(kernel_snapshot, golden):
        assert of_library(golden) == kernel_snapshot

    def test_two(kernel_snapshot, golden):
        assert of_library(golden) == kernel_snapshot

    def test_without(kernel_snapshot, golden):
        assert golden(lines=4) == kernel_snapshot
"""
DIFFERS = "recorded with modellib 1.0, this is 2.0"
DOCTOR = "(`kernelsnap doctor` shows both ways out)"


class Library:
    """Versions of a library, one of which is installed for the runs of pytest that follow."""

    def __init__(self, project, index, monkeypatch) -> None:
        self._root, self._index, self._monkeypatch = project.root, index, monkeypatch
        self._path = os.environ.get("PYTHONPATH", "")

    def add(self, version: str, source: str) -> None:
        self._index.add("modellib", version, source)
        # As `pip install --target` does, which takes seconds.
        (wheel,) = self._index.folder.glob(f"modellib-{version}-*.whl")
        zipfile.ZipFile(wheel).extractall(self.folder(version))

    def folder(self, version: str) -> Path:
        return self._root.parent / f"modellib-{version}"

    def use(self, version: str) -> None:
        # For runs in processes of their own, and for those in this one.
        self._monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(self.folder(version)), self._path]))
        self._monkeypatch.syspath_prepend(self.folder(version))
        for cached in (
            distributions._owners, distributions._sites, distributions._names_of, distributions._version
        ):  # fmt: skip
            cached.cache_clear()


@pytest.fixture
def library(project, index, monkeypatch):
    return Library(project, index, monkeypatch)


@pytest.fixture
def recorded(project, library):
    """A project with goldens recorded under modellib 1.0, in an environment that has 2.0."""
    library.add("1.0", "CONSTANT = '1.0'\n")
    library.add("1.1", "CONSTANT = '1.0'\n")
    library.add("2.0", "CONSTANT = '2.0'\n")
    library.use("1.0")
    project.test(TESTS)
    project.test("def test_x(kernel_snapshot, golden):\n    assert golden() == kernel_snapshot", "test_b.py")
    project.run("--snapshot-update").assert_outcomes(passed=4)
    library.use("2.0")
    return project


def packages(project) -> dict[str, list[str]]:
    content = tomllib.loads((project.goldens / "toolchain.toml").read_text())
    assert set(content.get("packages", {})) <= {"modellib"}
    return content.get("packages", {}).get("modellib", {})


def test_only_goldens_that_need_the_package_name_it(recorded):
    assert packages(recorded) == {"1.0": ["test_a/test_one.*", "test_a/test_two.*"]}


def test_another_version_is_the_first_thing_told(recorded):
    result = recorded.run()
    result.assert_outcomes(failed=2, passed=2)
    headlines = [place for place, line in enumerate(result.outlines) if "assert capture == goldens" in line]
    assert len(headlines) >= 2
    told = [result.outlines[place + 1].split(maxsplit=1)[-1] for place in headlines if result.outlines[place][0] == "E"]
    assert told == [DIFFERS] * 2
    assert notes(result) == [f"{DIFFERS}: 2 goldens {DOCTOR}"]
    assert notes(recorded.run("test_b.py")) == []


def test_told_also_where_nothing_differs_and_where_the_test_breaks(recorded, library):
    library.use("1.1")
    result = recorded.run()
    result.assert_outcomes(passed=4)
    assert notes(result) == [f"recorded with modellib 1.0, this is 1.1: 2 goldens {DOCTOR}"]
    library.add("3.0", "")
    library.use("3.0")
    result = recorded.subprocess("-n", "2")
    result.assert_outcomes(failed=2, passed=2)
    sentence = "recorded with modellib 1.0, this is 3.0"
    result.stdout.fnmatch_lines(["E * AttributeError: *", f"E * {sentence}"])
    assert notes(result) == [f"{sentence}: 2 goldens {DOCTOR}"]


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_an_update_moves_the_version(recorded, options):
    recorded.subprocess("--snapshot-update", *options).assert_outcomes(passed=4)
    assert packages(recorded) == {"2.0": ["test_a/test_one.*", "test_a/test_two.*"]}
    assert notes(recorded.run()) == []


def test_an_update_of_some_goldens_moves_theirs(recorded):
    result = recorded.run("--snapshot-update", "test_a.py::test_one")
    assert notes(result) == [
        "goldens/toolchain.toml now names the toolchain of this run",
        f"{DIFFERS}: 1 golden not compared in this run",
    ]
    assert packages(recorded) == {"1.0": ["test_a/test_two.*"], "2.0": ["test_a/test_one.*"]}
    result = recorded.run()
    result.assert_outcomes(failed=1, passed=3)
    assert notes(result) == [f"{DIFFERS}: 1 golden {DOCTOR}"]
    # The others, by a run that sees nothing of the first.
    recorded.run("--snapshot-update", "test_a.py::test_two", "test_b.py")
    assert packages(recorded) == {"2.0": ["test_a/test_one.*", "test_a/test_two.*"]}


def test_targets_that_share_a_file_keep_their_versions(recorded, library):
    library.use("1.0")
    both = ["test_a.py", "--kernelsnap-target", "h100,a100"]
    recorded.run("--snapshot-update", *both).assert_outcomes(passed=6)
    assert packages(recorded) == {"1.0": ["test_a/test_one.*", "test_a/test_two.*"]}
    library.use("1.1")
    recorded.run("--snapshot-update", "test_a.py::test_one", "--kernelsnap-target", "a100")
    assert recorded.golden("test_a/test_one.h100.ksnap").read_text().splitlines()[2] == "target h100 a100"
    assert packages(recorded) == {"1.0": ["test_a/test_one.h100", "test_a/test_two.*"], "1.1": ["test_a/test_one.*"]}


def test_new_goldens_only(recorded, library):
    library.use("1.1")
    source = "\n\ndef test_three(kernel_snapshot, golden):\n    assert of_library(golden) == kernel_snapshot\n"
    with (recorded.root / "test_a.py").open("a") as file:
        file.write(source)
    recorded.subprocess("--snapshot-update-new-only").assert_outcomes(passed=5)
    assert packages(recorded) == {"1.0": ["test_a/test_one.*", "test_a/test_two.*"], "1.1": ["test_a/test_three.*"]}


def test_a_record_without_packages_is_completed(recorded, library):
    library.use("1.0")
    path = recorded.goldens / "toolchain.toml"
    whole = path.read_text()
    path.write_text(whole.partition("\n[packages")[0] + "# end\n")
    assert notes(recorded.run()) == [
        "toolchain.toml does not name modellib for 2 goldens that need it: --snapshot-update adds it"
    ]
    recorded.run("--snapshot-update", "-k", "one")
    recorded.subprocess("--snapshot-update-new-only", "-k", "two or without")
    assert path.read_text() == whole


def test_a_golden_that_no_longer_needs_it_and_one_that_is_gone(recorded, library):
    library.use("1.0")
    path = recorded.root / "test_a.py"
    path.write_text(path.read_text().replace("files=(modellib.__file__, ", "files=("))
    recorded.golden("test_a/test_two.h100.ksnap").unlink()
    recorded.run("--snapshot-update", "-k", "one")
    assert packages(recorded) == {}


def test_a_project_names_more(recorded, library):
    library.use("1.0")
    recorded.ini(kernelsnap_packages="modellib")
    recorded.run("--snapshot-update").assert_outcomes(passed=4)
    assert packages(recorded) == {"1.0": ["test_a/*", "test_b/*"]}
    recorded.ini(kernelsnap_packages="modelib")
    result = recorded.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: kernelsnap_packages: no package modelib is installed here"])


def test_the_project_itself_is_no_package(recorded, library):
    library.use("1.0")
    (recorded.root / "pyproject.toml").write_text('[project]\nname = "ModelLib"\nversion = "1.0"\n')
    recorded.run("--snapshot-update").assert_outcomes(passed=4)
    assert packages(recorded) == {}


def doctor(project) -> list[Check]:
    """What `kernelsnap doctor` says of the package; the checks of the machine, which import torch, are not made."""
    return [check for check in look_at(project.root).checks if check.name == "modellib"]


def test_doctor_shows_both_ways_out(recorded, library):
    (found,) = doctor(recorded)
    way_out = "pip install modellib==1.0   or record again: pytest test_a.py --snapshot-update"
    assert found == Check("modellib", "warning", f"{DIFFERS}: 2 goldens", way_out)
    library.use("1.0")
    assert doctor(recorded) == []


def test_bisect_proposes_the_package(recorded, capsys):
    words = ["bisect", "test_a.py::test_one", "--pytest=-p", "--pytest=no:hypothesispytest"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "Because the golden was recorded with modellib 1.0, and this is 2.0:" in out
    assert " --axis modellib=1.0..2.0\n" in out


REAL = """
    import torch
    import modellib
    from kernelsnap import capture

    def test_block(kernel_snapshot, kernel_device):
        assert capture(modellib.block, torch.randn(64, 64, device=kernel_device)) == kernel_snapshot

    def test_plain(kernel_snapshot, kernel_device):
        assert capture(torch.sin, torch.randn(64, 64, device=kernel_device)) == kernel_snapshot
"""


def test_real_captures_under_two_versions_of_a_library(project, library):
    pytest.importorskip("triton")
    library.add("1.0", "def block(x):\n    return x.sin() + x.cos()\n")
    library.add("2.0", "def block(x):\n    return x.cos() + x.sin()\n")
    library.use("1.0")
    (project.root / "conftest.py").unlink()
    project.test(REAL)
    project.subprocess("--snapshot-update").assert_outcomes(passed=2)
    assert packages(project) == {"1.0": ["test_a/test_block.*"]}
    library.use("2.0")
    result = project.subprocess()
    result.assert_outcomes(failed=1, passed=1)
    headline = next(place for place, line in enumerate(result.outlines) if "assert capture == goldens" in line)
    assert result.outlines[headline + 1].split(maxsplit=1)[-1] == DIFFERS
    assert notes(result) == [f"{DIFFERS}: 1 golden {DOCTOR}"]
    # Only the order of two expressions has moved, and the headline claims no more than that.
    assert "inputs, buffers or outputs changed" not in result.stdout.str()
