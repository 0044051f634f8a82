"""`kernelsnap bisect` for many cases: steps are shared, each case gets its own culprit, and shards are put together."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from forked_runs import replace_runs
from kernelsnap.bisect import many
from kernelsnap.bisect.observe import process
from kernelsnap.cli.main import main

CASES = """
import os, pathlib
import pytest

HERE = pathlib.Path(__file__).parent

@pytest.mark.parametrize("name", ["a", "b", "c", "steady"])
def test_it(golden, kernel_snapshot, name):
    assert golden(constant=(HERE / f"constant_{name}").read_text()) == kernel_snapshot

def test_no_golden():
    assert True
"""
LATE = """
def test_late(golden, kernel_snapshot):
    assert golden(constant="1.0") == kernel_snapshot
"""
# The commit at which each constant changes.
CULPRITS = {"a": 5, "b": 5, "c": 11}
NAMES = [f"tests/test_many.py::test_it[{name}]" for name in ("a", "b", "c", "steady")]
LATE_NAME = "tests/test_late.py::test_late"


@pytest.fixture
def repository(project, repository, tmp_path, monkeypatch):
    monkeypatch.setenv("KERNELSNAP_CACHE", str(tmp_path / "cache"))
    files = {name: (project.root / name).read_text() for name in ("conftest.py", "pytest.ini")}
    files |= {"tests/test_many.py": CASES} | {f"tests/constant_{name}": "1.0" for name in ("a", "b", "c", "steady")}
    commits = [("start", files)]
    for number in range(1, 16):
        changed = {f"tests/constant_{name}": "2.0" for name, commit in CULPRITS.items() if commit == number}
        commits.append((f"change {number}", {**changed, "count": str(number)}))
    commits[-1][1]["tests/test_late.py"] = LATE
    repository.commit_all(commits)
    return repository


@pytest.fixture
def bisect(repository, quick_steps, capsys, tmp_path):
    def bisect(*arguments, state="states"):
        words = ["bisect", "--axis", "git", "--range", f"{repository.name(0)}..main", "--pytest=-p"]
        words += ["--pytest=no:hypothesispytest", "--state", str(tmp_path / state)]
        return main([*words, *arguments]), *capsys.readouterr()

    return bisect


def culprits(report):
    return {case["case"]: [change["after"]["title"] for change in case.get("changes", ())] for case in report["cases"]}


def test_each_case_gets_its_own_culprit_and_steps_are_shared(repository, bisect, tmp_path):
    log = tmp_path / "log"
    before = repository.everything()
    status, out, err = bisect("tests", "--json", "--build", f"git rev-parse HEAD >> {log}")
    report = json.loads(out)
    assert status == 1, err
    assert culprits(report) == {
        NAMES[0]: ["change 5"],
        NAMES[1]: ["change 5"],
        NAMES[2]: ["change 11"],
        NAMES[3]: [],
        LATE_NAME: [],
    }
    by_name = {case["case"]: case for case in report["cases"]}
    steady, late = by_name[NAMES[3]], by_name[LATE_NAME]
    assert "the answer is no at both ends" in steady["unchanged"]
    assert late["unknown"].endswith("there is no file tests/test_late.py")
    assert repository.everything() == before
    # Both ends, the middle, two and three more; and both sides of two changes again.
    builds = len(log.read_text().split())
    assert builds <= 2 + 1 + 3 + 3 + 4

    # The same as each alone, and found in the same state: nothing is built for it.
    for name in NAMES[:3]:
        word = name.replace("tests/test_many.py", "./tests/test_many.py")
        status, out, _ = bisect(word, "-k", "test_it", "--json", "--build", f"git rev-parse HEAD >> {log}")
        (alone,) = json.loads(out)["cases"]
        assert alone["changes"] == by_name[name]["changes"]
    assert len(log.read_text().split()) == builds


def test_shards_put_together_are_the_whole(repository, bisect, tmp_path, capsys):
    status, whole, _ = bisect("tests")
    _, data, _ = bisect("tests", "--json")
    files = []
    for number in (2, 1):
        _, out, _ = bisect("tests", "--shard", f"{number}/2", "--json", state=f"shard{number}")
        path = tmp_path / f"shard{number}.json"
        path.write_text(out)
        files.append(str(path))
    assert main(["bisect", "--merge", *files]) == status
    merged = capsys.readouterr().out
    # But for the commands, of which a shard has its own.
    assert merged.rpartition("```sh")[0] == whole.rpartition("```sh")[0]
    assert main(["bisect", "--merge", *files, "--json"]) == status
    merged, whole = json.loads(capsys.readouterr().out), json.loads(data)
    for case in (*merged["cases"], *whole["cases"]):
        # Which steps a case was asked besides depends on what the others needed.
        for name in ("asked", "untested"):
            case.pop(name, None)
    assert {**merged, "commands": []} == {**whole, "commands": []}

    assert main(["bisect", "--merge", files[0]]) == 2
    assert "shard 1/2 is missing" in capsys.readouterr().err
    assert main(["bisect", "--merge", files[0], files[0]]) == 2
    assert "shard 1/2 is missing" in capsys.readouterr().err
    (tmp_path / "other.json").write_text("{}")
    assert main(["bisect", "--merge", str(tmp_path / "other.json")]) == 2
    assert "is no report that" in capsys.readouterr().err


def test_a_case_that_ends_its_process_leaves_the_others_alone(repository, bisect):
    test = CASES.replace("    assert golden(", "    if name == 'b': os._exit(3)\n    assert golden(")
    (repository.root / "tests" / "test_many.py").write_text(test)
    status, out, _ = bisect("tests/test_many.py", "--overlay", "tests/test_many.py", "--json", "--repeats", "0")
    report = json.loads(out)
    assert status == 1
    assert list(culprits(report).values()) == [["change 5"], [], ["change 11"], []]
    assert "pytest ended with status 3 while the case ran" in report["cases"][1]["unknown"]


def test_xdist_spreads_the_cases_of_a_step(repository, bisect):
    pytest.importorskip("xdist")
    # The two commits of a change: each is a run with two workers.
    words = ("--range", f"{repository.name(4)}..{repository.name(5)}", "--pytest=-n2", "--json", "--repeats", "0")
    status, out, err = bisect("tests/test_many.py", *words)
    assert status == 0, err
    assert list(culprits(json.loads(out)).values()) == [["change 5"], ["change 5"], [], []]


def test_a_selection_of_cases(bisect):
    status, out, _ = bisect("tests", "-k", "test_it and c or late", "--json", "--repeats", "0")
    assert status == 1
    assert list(culprits(json.loads(out))) == [LATE_NAME, NAMES[2]]


@pytest.fixture
def too_long(tmp_path, monkeypatch):
    """A file: the test that makes it is what takes too long, however fast or slow the machine is."""
    stuck = tmp_path / "stuck"

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, **options):
            stuck.unlink(missing_ok=True)
            super().__init__(*arguments, **options)

        def communicate(self, input=None, timeout=None):  # noqa: A002
            while timeout is not None:
                try:
                    return super().communicate(input, 0.05)
                except subprocess.TimeoutExpired:
                    if stuck.exists():
                        raise
            return super().communicate(input)

    clock = SimpleNamespace(time=lambda: time.time() + (1e6 if stuck.exists() else 0))
    replace_runs(monkeypatch, process.run_command)
    monkeypatch.setattr(process.subprocess, "Popen", Popen)
    monkeypatch.setattr(process, "time", clock)
    return stuck


def test_a_case_that_takes_too_long_leaves_the_others_alone(repository, bisect, too_long):
    hangs = (
        f"    if name == 'b':\n        pathlib.Path({str(too_long)!r}).touch()\n        import signal; signal.pause()\n"
    )
    test = CASES.replace("    assert golden(", f"{hangs}    assert golden(")
    (repository.root / "tests" / "test_many.py").write_text(test)
    words = ("--overlay", "tests/test_many.py", "--json", "--repeats", "0", "--limit", "2", "--timeout", "6")
    _, out, _ = bisect("tests/test_many.py", *words)
    report = json.loads(out)
    assert "the case took longer than 6 seconds" in report["cases"][1]["unknown"]
    assert report["cases"][0]["asked"][0]["answer"] == "yes"


def test_killed_at_every_step_it_goes_on(repository, tmp_path):
    log = tmp_path / "log"
    # The second build of each run kills it.
    build = (
        f"git rev-parse HEAD >> {log}; echo >> {tmp_path}/$PPID; [ $(wc -l < {tmp_path}/$PPID) -lt 2 ] || kill -9 $PPID"
    )
    between = f"{repository.name(4)}..{repository.name(6)}"
    words = ["bisect", "tests/test_many.py", "--axis", "git", "--range", between, "--json"]
    words += ["--build", build, "--pytest=-p", "--pytest=no:hypothesispytest", "--repeats", "0"]
    command = [sys.executable, "-m", "kernelsnap", *words]
    kills = 0
    while (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
        assert done.returncode == -9, done.stderr
        kills += 1
    assert list(culprits(json.loads(done.stdout)).values()) == [["change 5"], ["change 5"], [], []]
    assert kills == 2
    # Each kill cost the build that it hit, and no other.
    builds = log.read_text().split()
    assert len(builds) == len(set(builds)) + kills


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere: there is no such file or folder"),
        (["tests", "-k", "nothing"], "tests with -k 'nothing' is no test with kernel_snapshot"),
        (["tests", "--shard", "3/2"], "expected I/N with I from 1 to N"),
        (["tests", "--script", "true"], "--script answers for one case"),
        (["tests", "--exec"], "--exec takes a single node id"),
        (["tests/test_late.py::test_late", "--shard", "1/0"], "expected I/N"),
    ],
)
def test_bad_input_is_one_clear_message(bisect, arguments, says):
    status, out, err = bisect(*arguments)
    assert (status, out) == (2, "")
    assert says in err


def test_a_module_that_does_not_collect_is_told(repository, bisect):
    (repository.root / "tests" / "test_broken.py").write_text("import nothing_like_it\n")
    status, _, err = bisect("tests")
    assert status == 2
    assert "tests/test_broken.py does not collect: ModuleNotFoundError" in err


def test_stopped_by_the_keyboard_it_says_how_to_go_on(bisect, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(many, "observe_cases", stop)
    status, out, err = bisect("tests")
    assert (status, out) == (130, "")
    assert "the same command goes on from there" in err
