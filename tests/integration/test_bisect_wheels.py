"""`kernelsnap bisect --axis PACKAGE=FIRST..LAST` on a small package whose wheels are made here."""

from __future__ import annotations

import contextlib
import json
import os
import random
import string
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kernelsnap.bisect.axes.installer import find_installer
from kernelsnap.cli.main import main

TEST = """
    import compilerlib

    def test_a(golden, kernel_snapshot):
        assert golden(constant=compilerlib.CONSTANT) == kernel_snapshot
"""


BISECT = (sys.executable, "-m", "kernelsnap", "bisect", "test_a.py::test_a", "--yes", "--json")
BISECT += ("--pytest=-p", "--pytest=no:hypothesispytest")


@pytest.fixture
def index(index):
    """Six versions: the constant changes in 1.4, 1.3 does not import, 1.5 is a nightly by its date."""
    for version, constant in {"1.0": "1.0", "1.1": "1.0", "1.2": "1.0", "1.4": "2.0", "1.5.dev20260101": "2.0"}.items():
        index.add("compilerlib", version, f"CONSTANT = {constant!r}\n")
    index.add("compilerlib", "1.3", "import missing_library\n")
    return index.folder


@pytest.fixture
def bisect(project, quick_steps, capsys):
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


def test_an_index_that_cannot_be_reached_is_told(index, bisect, monkeypatch, tmp_path):
    monkeypatch.delenv("PIP_NO_INDEX")
    for name, value in {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}.items():
        monkeypatch.setenv(name, value)
    Path(index).rename(Path(index).with_name("elsewhere"))
    status, _, err = bisect("--axis", "compilerlib=1.0..1.2", "--yes")
    assert status == 2
    assert "no versions of compilerlib are known: the index cannot be reached" in err
    assert made(tmp_path) == []


def test_an_index_that_is_gone_when_something_is_downloaded_is_told(index, bisect, monkeypatch, tmp_path):
    """Every version is listed, and none of them can be had."""
    names = [path.name for path in index.iterdir()]
    page = tmp_path / "links.html"
    page.write_text("".join(f'<a href="http://127.0.0.1:9/{name}">{name}</a>\n' for name in names))
    for name, value in {"PIP_FIND_LINKS": str(page), "PIP_RETRIES": "0"}.items():
        monkeypatch.setenv(name, value)
    status, _, err = bisect("--axis", "compilerlib=1.0..1.2", "--yes")
    assert status == 2
    assert "compilerlib==1.0 cannot be installed: the index cannot be reached. What was made before is kept" in err
    assert made(tmp_path) == []
    # It is no answer of that step: with the index there, the search goes on.
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    status, out, _ = bisect("--axis", "compilerlib=1.2..1.4", "--yes", "--json")
    assert json.loads(out)["changes"][0]["after"]["name"] == "1.4"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_and_what_was_half_made_is_removed(index, bisect, tmp_path, small_disk, monkeypatch):
    noise = "".join(random.Random(0).choices(string.printable[:90], k=2_000_000))
    with zipfile.ZipFile(index / "compilerlib-1.2-py3-none-any.whl", "a") as archive:
        archive.writestr("compilerlib_data.txt", noise)
    monkeypatch.setenv("KERNELSNAP_CACHE", str(small_disk))
    environments = small_disk / "bisect" / "environments"
    status, out, err = bisect("--axis", "compilerlib=1.0..1.2", "--yes", "--state", str(tmp_path / "state.json"))
    assert (status, out) == (2, "")
    assert "compilerlib==1.2 cannot be installed: the disk is full. What was made before is kept" in err
    assert [path.name for path in environments.iterdir() if path.is_dir()] in (
        [], [f"compilerlib-1.0-py{sys.version_info[0]}.{sys.version_info[1]}-layer"],
    )  # fmt: skip
    # With room there, the same command goes on.
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    words = ["--axis", "compilerlib=1.0..1.2", "--yes", "--state", str(tmp_path / "state.json")]
    status, _, err = bisect(*words)
    assert status == 2
    assert "the answer is no at both ends, 1.0 and 1.2" in err


def test_a_disk_that_is_full_while_a_step_records_is_no_answer_of_the_step(index, bisect, small_disk, monkeypatch):
    words = ["--axis", "compilerlib=1.2..1.4", "--yes", "--json"]
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(small_disk))
        with contextlib.suppress(OSError), (small_disk / "full").open("wb", buffering=0) as file:
            while file.write(bytes(2**12)):
                pass
        status, out, err = bisect(*words)
        assert (status, out) == (2, "")
        assert "the disk is full" in err or "No space left on device" in err
    status, out, _ = bisect(*words)
    assert json.loads(out)["changes"][0]["after"]["name"] == "1.4"


def fake_uv(folder, python):
    """Something that is called as uv is, notes what it is asked for, and kills who asked where it is told to."""
    folder.mkdir()
    path = folder / "uv"
    path.write_text(
        f"""#!{python}
import os, pathlib, signal, subprocess, sys
words = sys.argv[1:]
assert words[:2] == ["pip", "install"], words
here = pathlib.Path({str(folder)!r})
with (here / "log").open("a") as log:
    log.write(words[-1] + "\\n")
if (here / "kill").exists():
    (here / "kill").unlink()
    target = pathlib.Path(words[words.index("--target") + 1])
    target.mkdir()
    (target / "compilerlib.py").write_text("CONSTANT = ")
    os.kill(os.getppid(), signal.SIGKILL)
    sys.exit()
sys.exit(subprocess.call([{str(python)!r}, "-m", "pip", "--python", words[3], "install", *words[4:]]))
"""
    )
    path.chmod(0o755)
    return folder


def test_uv_installs_where_it_is_there_and_a_kill_leaves_nothing_half_made(index, bisect, tmp_path, monkeypatch):
    folder = fake_uv(tmp_path / "bin", sys.executable)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    words = [*BISECT, "--axis", "compilerlib=1.2..1.4", "--repeats", "0"]
    (folder / "kill").touch()
    killed = subprocess.run(words, check=False, capture_output=True)
    assert killed.returncode == -9
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert json.loads(done.stdout)["changes"][0]["after"]["name"] == "1.4", done.stderr
    log = (folder / "log").read_text().split()
    # What was half made is made anew, and nothing else twice.
    assert sorted(log) == ["compilerlib==1.2", "compilerlib==1.2", "compilerlib==1.3", "compilerlib==1.4"]


def test_killed_at_every_step_it_goes_on_and_makes_nothing_twice(index, bisect, tmp_path, project, monkeypatch):
    log = tmp_path / "log"
    project.test(
        TEST.replace(
            "    def test_a(golden, kernel_snapshot):\n",
            "    def test_a(golden, kernel_snapshot):\n"
            "        import os, pathlib\n"
            f"        log = pathlib.Path({str(log)!r})\n"
            "        with log.open('a') as file:\n"
            "            file.write(f'{os.getppid()}\\n')\n"
            "        if log.read_text().split().count(str(os.getppid())) > 1:\n"
            "            os.kill(os.getppid(), 9)\n",
        )
    )
    folder = fake_uv(tmp_path / "bin", sys.executable)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    words = [*BISECT, "--axis", "compilerlib=1.0..1.4"]
    kills = 0
    while (done := subprocess.run(words, check=False, capture_output=True, text=True)).returncode not in (0, 1):
        assert done.returncode == -9, done.stderr
        kills += 1
    (change,) = json.loads(done.stdout)["changes"]
    assert [step["name"] for step in change["candidates"]] == ["1.3", "1.4"]
    assert kills >= 3
    installed = (folder / "log").read_text().split()
    assert len(installed) == len(set(installed))


def test_an_end_that_says_nothing_and_one_that_says_the_same_are_told(index, bisect):
    status, _, err = bisect("--axis", "compilerlib=1.3..1.4", "--yes")
    assert status == 2
    assert "1.3 gives no answer, and the other steps are compared with it: compilerlib do not import" in err
    status, _, err = bisect("--axis", "compilerlib=1.0..1.2", "--yes", "--predicate", "kernels > 0")
    assert status == 2
    assert "the answer is yes at both ends, 1.0 and 1.2" in err


def test_what_pip_is_told_of_the_index_is_told_to_uv(monkeypatch, tmp_path):
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://example.org/simple\nextra-index-url = https://a.org https://b.org\n"
        "[install]\nfind-links =\n  /wheels\nno-index = false\nconstraint = /c.txt\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PATH", str(fake_uv(tmp_path / "bin", sys.executable)), prepend=":")
    index = find_installer().index
    pairs = set(zip(index[::2], index[1::2], strict=True))
    assert pairs >= {
        ("--index-url", "https://example.org/simple"),
        ("--extra-index-url", "https://a.org"),
        ("--extra-index-url", "https://b.org"),
        ("--find-links", "/wheels"),
        ("--constraints", "/c.txt"),
    }
    assert "--no-index" not in index
