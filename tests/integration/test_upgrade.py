"""`kernelsnap upgrade` between versions of two small packages whose wheels are made here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from git_repository import Repository
from kernelsnap.bisect.axes.environments import Environments
from kernelsnap.cli.main import main
from kernelsnap.pending.ledger import Line, read_ledger, write_ledger

TESTS = """
    from dataclasses import replace
    import pytest
    import compilerlib, launchlib
    from kernelsnap.model.capture import LaunchConfig
    from kernelsnap.model.golden import KernelConfig

    def launched(made):
        launch = LaunchConfig((("XBLOCK", 64),), launchlib.WARPS, 1)
        return replace(made, config=(KernelConfig("inference", "k0", (), (launch,)),))

    @pytest.mark.parametrize("lines", [1, 2, 3])
    def test_code(golden, kernel_snapshot, lines):
        assert golden(constant=compilerlib.CONSTANT, lines=lines) == kernel_snapshot

    def test_launch(golden, kernel_snapshot):
        assert launched(golden(constant="1.0")) == kernel_snapshot

    def test_both(golden, kernel_snapshot):
        assert launched(golden(constant=compilerlib.CONSTANT)) == kernel_snapshot

    def test_together(golden, kernel_snapshot):
        constant = "2.0" if compilerlib.CONSTANT == "2.0" and launchlib.WARPS == 4 else "1.0"
        assert golden(constant=constant) == kernel_snapshot

    def test_steady(golden, kernel_snapshot):
        with open("runs", "a") as file:
            file.write("run ")
        assert golden(constant="1.0") == kernel_snapshot

    def test_breaks(golden, kernel_snapshot):
        assert compilerlib.CONSTANT == "1.0", "no longer supported"
        assert golden(constant="1.0") == kernel_snapshot

    def test_skips(golden, kernel_snapshot):
        if compilerlib.CONSTANT != "1.0":
            pytest.skip("needs an older library")
        assert golden(constant="1.0") == kernel_snapshot
"""
OLD, NEW = ("compilerlib==1.0", "launchlib==2.0"), ("compilerlib==1.4", "launchlib==2.1")
QUICK = ("--pytest=-p", "--pytest=no:hypothesispytest", "--yes")


@pytest.fixture
def libraries(index, kept_environments):
    index.add("compilerlib", "1.0", "CONSTANT = '1.0'\n")
    index.add("compilerlib", "1.4", "CONSTANT = '2.0'\n")
    index.add("launchlib", "2.0", "WARPS = 2\n")
    index.add("launchlib", "2.1", "WARPS = 4\n")
    index.add("launchlib", "2.2", "import compilerlib\nassert compilerlib.CONSTANT != '1.0', 'too old'\nWARPS = 8\n")
    return index


@pytest.fixture
def recorded(project, libraries, quick_steps, tmp_path, monkeypatch):
    """The project with goldens of the old versions."""
    project.ini(kernelsnap_packages="compilerlib launchlib")
    project.test(TESTS)
    environments = Environments(tmp_path / "cache" / "bisect" / "environments")
    layers = [environments.make(*word.split("=="), None).path[0] for word in OLD]
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join(map(str, layers)), prepend=os.pathsep)
        done = project.subprocess("--snapshot-update")
    assert done.ret == 0, done.outlines
    (project.root / "runs").unlink()
    return project


@pytest.fixture
def upgrade(recorded, capsys):
    def upgrade(*arguments, old=OLD, new=NEW):
        words = ["upgrade", *(["--from", *old] if old else []), *(["--to", *new] if new else []), *QUICK, *arguments]
        return main(words), *capsys.readouterr()

    return upgrade


@pytest.fixture
def committed(recorded):
    """The project in a repository, with everything committed."""
    repository = Repository(recorded.root)
    (recorded.root / ".gitignore").write_text("runs\n.pytest_cache\n__pycache__\n.cache\n")
    for name, value in {"user.name": "T", "user.email": "t@t"}.items():
        repository.git("config", name, value)
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "The project")
    return repository


def made_by(report):
    """Which packages made each golden's change, by the test."""
    return {
        name.rpartition("/")[2].partition(".h100")[0]: group["made by"]
        for group in report["groups"]
        for name in group["goldens"]
    }


def test_changes_are_split_by_package_and_nothing_of_the_project_is_written(upgrade, recorded, tmp_path):
    before = recorded.files()
    status, out, err = upgrade("--json")
    assert status == 1, err
    report = json.loads(out)
    assert made_by(report) == {
        "test_code[1]": "compilerlib",
        "test_code[2]": "compilerlib",
        "test_code[3]": "compilerlib",
        "test_launch": "launchlib",
        "test_both": "launchlib (config), compilerlib (code)",
        "test_together": "only compilerlib and launchlib together",
    }
    assert report["moved"] == "compilerlib 1.0 -> 1.4, launchlib 2.0 -> 2.1"
    assert (report["compared"], report["changed"], report["explained"]) == (7, 6, 6)
    assert [entry["case"] for entry in report["failed"]] == ["test_a.py::test_breaks"]
    assert "no longer supported" in report["failed"][0]["reason"]
    assert report["skipped"] == [{"case": "test_a.py::test_skips", "reason": "Skipped: needs an older library"}]
    assert recorded.files() == before
    assert "9 of 9 cases, 6 differ" in err

    # All is known: nothing is run again, and the last line is the command that accepts.
    page = tmp_path / "upgrade.html"
    status, out, err = upgrade("--html", str(page))
    assert "test_together" in page.read_text()
    assert (recorded.root / "runs").read_text() == "run "
    assert "# Upgrade: compilerlib 1.0 -> 1.4, launchlib 2.0 -> 2.1" in out
    command = out.splitlines()[-1].partition(":  ")[2].split()
    assert main(command[1:]) == 0
    assert recorded.files() != before


def test_each_cause_is_a_commit_and_the_tree_is_whole_after_each(upgrade, committed, recorded, capsys, tmp_path):
    status, out, err = upgrade("--commit", "--reason", "we want the new library")
    assert status == 1, err  # a test fails for another reason
    assert committed.git("status", "--porcelain") == ""
    subjects = committed.git("log", "--format=%s", "--reverse").splitlines()[1:]
    assert len(subjects) == len(set(subjects)) == 4
    assert "Goldens: constant by compilerlib, 3 goldens" in subjects
    for revision in committed.git("rev-list", "HEAD").split():
        tree = tmp_path / revision
        tree.mkdir()
        subprocess.run(
            ["tar", "-x", "-C", tree],
            input=subprocess.run(
                ["git", "archive", revision], cwd=committed.root, capture_output=True, check=True
            ).stdout,
            check=True,
        )
        assert main(["verify-tree", str(tree / "goldens")]) == 0, capsys.readouterr()
    capsys.readouterr()
    assert "we want the new library" in committed.git("log", "--format=%b", "-1")
    assert "we want the new library" in (recorded.goldens / "ledger.toml").read_text()
    # What was committed is what the new versions generate.
    status, out, _ = upgrade("--json", "-k", "not breaks and not skips")
    assert (status, json.loads(out)["changed"]) == (0, 0)


def test_what_was_decided_before_is_not_asked_again(upgrade, committed, recorded):
    report = json.loads(upgrade("--json")[1])
    by_cause = {tuple(group["causes"]): group for group in report["groups"]}
    ledger = read_ledger(recorded.goldens)
    lines = {
        (fingerprint, cause): Line(decision, why)
        for causes, decision, why in (
            (("launch",), "rejected", "too many warps"),
            (("constants",), "accepted", "known"),
        )
        for fingerprint in by_cause[causes]["groups"]
        for cause in causes
    }
    write_ledger(recorded.goldens, type(ledger)(lines))
    committed.git("add", "--all")
    committed.git("commit", "--quiet", "--message", "Decisions")
    status, out, err = upgrade("--commit")
    assert status == 1, err
    bodies = committed.git("log", "--format=%B")
    assert "known" in bodies
    assert "too many warps" not in bodies
    assert "rejected: too many warps" in out
    left = json.loads(upgrade("--json")[1])
    assert "test_launch" in made_by(left)
    assert not {"test_code[1]", "test_both"} & {*made_by(left)}


def test_what_cannot_be_told_apart_stays_pending(upgrade, committed, recorded):
    status, out, err = upgrade("--commit", "--json", "-k", "code or launch", new=("compilerlib==1.4", "launchlib==2.2"))
    assert status == 1, err
    assert "new launchlib, old compilerlib: " in err
    assert "too old" in err
    assert made_by(json.loads(out)) == {"test_launch": "not known: compilerlib or launchlib"}
    (subject,) = committed.git("log", "--format=%s", "HEAD^..").splitlines()
    assert subject == "Goldens: constant by compilerlib, 3 goldens"


def test_shards_together_are_one_run(upgrade, recorded, tmp_path):
    whole = json.loads(upgrade("--json")[1])
    states = [tmp_path / "one", tmp_path / "two"]
    for number, state in enumerate(states, 1):
        status, out, err = upgrade("--shard", f"{number}/2", "--state", str(state))
        assert status == 1, err
        assert f"kernelsnap upgrade --merge {state} ..." in out
    status, _, err = upgrade("--merge", str(states[0]), old=(), new=())
    assert status == 2
    assert "the shards 2/2 are missing" in err
    status, out, err = upgrade("--merge", *map(str, states), "--json", old=(), new=())
    assert status == 1, err
    merged = json.loads(out)
    for name in ("groups", "failed", "skipped", "compared", "changed", "explained", "moved"):
        assert merged[name] == whole[name], name
    # What is merged can be accepted.
    assert main(merged["accept"][1:]) == 0


def test_a_run_that_is_killed_goes_on_where_it_was(recorded, tmp_path, monkeypatch, capsys):
    marker = tmp_path / "stop"
    marker.touch()
    (recorded.root / "test_b.py").write_text(
        "import os, pathlib, time, pytest\n"
        "@pytest.mark.parametrize('number', range(20))\n"
        "def test_n(golden, kernel_snapshot, number):\n"
        f"    while number == 17 and pathlib.Path({str(marker)!r}).exists():\n"
        "        time.sleep(0.05)\n"
        "    with open('runs', 'a') as file:\n"
        "        file.write(f'{number} ')\n"
        "    assert golden(constant='1.0') == kernel_snapshot\n"
    )
    state = tmp_path / "state"
    words = ["upgrade", "test_b.py", "--from", *OLD, "--to", *NEW, *QUICK, "--state", str(state)]
    process = subprocess.Popen(
        [sys.executable, "-m", "kernelsnap", *words], cwd=recorded.root, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    results = state / "results.jsonl"
    until = time.monotonic() + 120
    while not (results.exists() and results.read_text().count("\n") >= 16):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    marker.unlink()
    assert main([*words, "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["groups"][0]["goldens"]) == 20
    runs = (recorded.root / "runs").read_text().split()
    assert [runs.count(str(number)) for number in range(16)] == [1] * 16


def test_goldens_of_other_versions_are_recorded_first_and_only_reported(upgrade, committed, recorded):
    before = recorded.files()
    old = ("compilerlib==1.4", "launchlib==2.0")
    status, out, err = upgrade("--json", old=old)
    assert status == 1, err
    report = json.loads(out)
    assert made_by(report) == {"test_launch": "launchlib", "test_both": "launchlib", "test_together": "launchlib"}
    assert report["moved"] == "launchlib 2.0 -> 2.1"
    assert report["accept"] == []
    status, _, err = upgrade("--commit", old=old)
    assert status == 2
    assert "recorded with other versions than --from has" in err
    assert recorded.files() == before


def test_changes_that_are_not_committed_are_no_part_of_a_commit(upgrade, committed, recorded):
    ledger = recorded.goldens / "ledger.toml"
    ledger.write_text("")
    status, _, err = upgrade("--commit")
    assert status == 2
    assert "has changes that are not committed" in err
    ledger.unlink()
    (recorded.root / "notes.txt").write_text("mine\n")
    committed.git("add", "notes.txt")
    upgrade("--commit")
    assert committed.git("status", "--porcelain") == "A  notes.txt\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--to is missing"),
        (("--to", "compilerlib"), "--to compilerlib: expected the path of a Python, or exact versions"),
        (("--to", "compilerlib>=1.0"), "expected the path of a Python, or exact versions"),
        (("--to", "compilerlib==9.9"), "compilerlib==9.9 cannot be installed"),
        (("--to", "/nowhere/bin/python"), "expected the path of a Python, or exact versions"),
        (("no_such_test.py", "--to", *NEW), "no_such_test.py: there is no such file or folder"),
        (("--to", *NEW, "--shard", "3/2"), "--shard 3/2: expected I/N"),
        (("--merge", "."), "is the state of no upgrade"),
    ],
)
def test_bad_input_is_one_clear_message(upgrade, recorded, arguments, says):
    before = recorded.files()
    status, out, err = upgrade(*arguments, old=(), new=())
    assert (status, out) == (2, ""), err
    assert says in err
    assert recorded.files() == before


def test_nothing_is_installed_without_asking(recorded, tmp_path, capsys):
    assert main(["upgrade", "--to", "compilerlib==1.5"]) == 2
    assert "compilerlib==1.5 will be installed below" in capsys.readouterr().err
    assert not list((tmp_path / "cache").rglob("compilerlib-1.5*"))
