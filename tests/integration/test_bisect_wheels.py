"""`kernelsnap bisect --axis PACKAGE=FIRST..LAST` on a small package whose wheels are made here."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kernelsnap.cli import main

TEST = """
    import compilerlib

    def test_a(golden, kernel_snapshot):
        assert golden(constant=compilerlib.CONSTANT) == kernel_snapshot
"""


def wheel(folder, version, source):
    info = f"compilerlib-{version}.dist-info"
    files = {
        "compilerlib.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: compilerlib\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"compilerlib-{version}-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Six versions: the constant changes in 1.4, 1.3 does not import, 1.5 is a nightly by its date."""
    folder = tmp_path / "index"
    for version, constant in {"1.0": "1.0", "1.1": "1.0", "1.2": "1.0", "1.4": "2.0", "1.5.dev20260101": "2.0"}.items():
        wheel(folder, version, f"CONSTANT = {constant!r}\n")
    wheel(folder, "1.3", "import missing_library\n")
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KERNELSNAP_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def bisect(project, capsys):
    project.test(TEST)

    def bisect(*arguments):
        words = ["bisect", "test_a.py::test_a", "--repeats", "0", "--pytest=-p", "--pytest=no:hypothesispytest"]
        return main([*words, *arguments]), *capsys.readouterr()

    return bisect


def made(tmp_path):
    return sorted(path.name.split("-")[1] for path in (tmp_path / "cache").rglob("compilerlib-*-py3*") if path.is_dir())


def test_the_wheel_that_changed_it_is_found_and_environments_are_kept(index, bisect, tmp_path, project):
    before = project.files()
    status, out, err = bisect("--axis", "compilerlib=1.0..1.5.dev20260101", "--yes", "--json")
    assert status == 1, err
    report = json.loads(out)
    # 1.3 does not import: it may have changed it as well.
    assert [step["name"] for step in report["changes"][0]["candidates"]] == ["1.3", "1.4"]
    reasons = {step["name"]: step["reason"] for step in report["asked"]}
    assert (
        reasons["1.3"] == "compilerlib do not import together: ModuleNotFoundError: No module named 'missing_library'"
    )
    assert "will be installed below" in err
    assert project.files() == before

    # From there back: everything that is asked is there, and its answer too.
    environments = made(tmp_path)
    for path in index.iterdir():
        path.write_bytes(b"broken")
    status, out, _ = bisect("--axis", "compilerlib=1.0..1.5.dev20260101", "--yes", "--json")
    assert json.loads(out)["changes"] == report["changes"]
    assert made(tmp_path) == environments


def test_nothing_is_installed_without_asking(index, bisect, tmp_path):
    status, _, err = bisect("--axis", "compilerlib=1.0..1.2")
    assert status == 2
    assert "Say --yes to go on" in err
    assert made(tmp_path) == []


def test_prepared_environments_are_taken_as_they_are(index, bisect, tmp_path):
    given = []
    for version in ("1.0", "1.2", "1.4"):
        folder = tmp_path / f"env{version}"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        python = folder / "bin" / "python"
        site = next(folder.glob("lib/*/site-packages"))
        with zipfile.ZipFile(index / f"compilerlib-{version}-py3-none-any.whl") as archive:
            archive.extractall(site)
        given += ["--env", f"{version}={python}"]
    status, out, _ = bisect("--axis", "compilerlib=1.0..1.4", *given, "--json")
    assert status == 0
    (change,) = json.loads(out)["changes"]
    assert (change["before"]["name"], change["after"]["name"]) == ("1.2", "1.4")
    assert made(tmp_path) == []

    status, _, err = bisect("--axis", "compilerlib=1.0..", "--env", given[1].replace("1.0=", "9=", 1))
    assert status == 2
    assert "this interpreter has compilerlib 1.0" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--axis", "compilerlib=1.0..7.0"], "there is no compilerlib 7.0 to be had; there are 1.0"),
        (["--axis", "compilerlib=1.4..1.0"], "1.4 is newer than 1.0"),
        (["--axis", "compilerlib=1.0"], "expected PACKAGE=FIRST..LAST"),
        (["--axis", "compilerlib=one..two"], "'one' is no version"),
        (["--axis", "nosuchlib=1.0.."], "no versions of nosuchlib are known"),
        (["--axis", "compilerlib=1.0..", "--env", "1.0"], "expected VERSION=PYTHON"),
        (["--axis", "compilerlib=1.0..", "--env", "1.0=/nowhere/python"], "does not start"),
    ],
)
def test_bad_input_is_one_clear_message(index, bisect, arguments, says, tmp_path):
    status, out, err = bisect(*arguments, "--yes")
    assert (status, out) == (2, "")
    assert says in err
    assert made(tmp_path) == []


def test_an_index_that_cannot_be_reached_is_told(index, bisect, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    for name, value in {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}.items():
        monkeypatch.setenv(name, value)
    Path(index).rename(Path(index).with_name("elsewhere"))
    status, _, err = bisect("--axis", "compilerlib=1.0..1.2", "--yes")
    assert status == 2
    assert "no versions of compilerlib are known" in err
