"""A disk that is full, or cannot be written, at every single write of every command that writes: nothing is lost."""

from __future__ import annotations

import errno
import io
import re
import shutil
import subprocess
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import pytest

from attack.recorded_tree import RecordedTree
from faults import Faults, KilledError
from kernelsnap.cli.main import main
from kernelsnap.errors import GoldenWriteError, KernelsnapError
from kernelsnap.golden.files import replace_bytes, write_text
from kernelsnap.pending.accept import decide
from kernelsnap.pending.entry import PendingError
from kernelsnap.pending.ledger import Line
from kernelsnap.pending.review.decisions import FILE, Decisions
from kernelsnap.upgrade.state import Result, State

TESTS = ("test_x", "test_y", "test_z")
H100, A100 = ("test_x", "h100"), ("test_x", "a100")
BEFORE = {H100: 0, A100: 0, ("test_y", "h100"): 0, ("test_z", "l4"): 1}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A project with goldens, of which two are shared, a template, pending goldens, and a test that is gone."""
    tree = RecordedTree(tmp_path_factory.mktemp("original") / "project")
    tree.record({key: number for key, number in BEFORE.items() if number == 0})
    tree.record({("test_z", "l4"): 1})
    entries = [tree.pend(H100, 2), tree.pend(("test_y", "a100"), 3)]
    return tree, entries


@pytest.fixture
def project(original, tmp_path, monkeypatch):
    """Makes copies of it, each in the folder where the command runs."""
    tree, entries = original

    def copy():
        root = tmp_path / "project"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(tree.root, root, symlinks=True)
        again = RecordedTree(root)
        again.note_orphans(["test_z"])
        (root / "state").mkdir()
        (root / ".gitattributes").write_text("*.py text\n")
        monkeypatch.chdir(root)
        return again, entries

    return copy


def upgrade_state(tree):
    state = State(tree.root / "state", tree.root)
    state.add([Result("", "test_a.py::test_x", "compared", "", "0")])
    state.write_about({"identity": {}})


def decisions(tree, entries):
    made = Decisions()
    made.decide(entries, "accepted", "as meant")
    write_text(tree.folder.path / FILE, made.to_json())


def gitattributes(tree, way):
    subprocess.run(["git", "init", "-q", str(tree.root)], check=True)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        status = main(["gitattributes", f"--{way}"])
    assert (tree.root / ".gitattributes").read_text().startswith("*.py text\n")
    if status:
        assert status == 2
        raise KernelsnapError(said.getvalue())


NEW = {**BEFORE, H100: 2, ("test_y", "a100"): 3}
#: What each command does, and the goldens after it.
COMMANDS = {
    "update": (lambda tree, _: tree.record({H100: 2, A100: 2, ("test_y", "h100"): 2}),
               {**BEFORE, H100: 2, A100: 2, ("test_y", "h100"): 2}),
    "accept": (lambda tree, entries: tree.accept(entries, "as meant"), NEW),
    "reject": (lambda tree, entries: tree.reject(entries), BEFORE),
    "prune": (lambda tree, _: tree.prune(), {key: n for key, n in BEFORE.items() if key[0] != "test_z"}),
    "the ledger": (lambda tree, entries: decide(tree.folder, entries, lambda ledger: ledger.with_decisions(
        entries, Line("rejected", "no"), {})), BEFORE),
    "a run that fails": (lambda tree, _: tree.pend(("test_y", "h100"), 3), BEFORE),
    "the decisions of a review": (decisions, BEFORE),
    "gitattributes": (lambda tree, _: gitattributes(tree, "install"), BEFORE),
    "gitattributes, taken back": (lambda tree, _: gitattributes(tree, "uninstall"), BEFORE),
    "the state of an upgrade": (lambda tree, _: upgrade_state(tree), BEFORE),
}  # fmt: skip
KINDS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "killed": None}


def fail(tree, entries, command, kind, at):
    """Run a command that fails at one write: what it says, "" where it does not come that far."""
    with Faults(kind, at):
        try:
            command(tree, entries)
        except KilledError:
            return "killed"
        except KernelsnapError as error:
            return str(error)
        except OSError as error:
            # As the command line shows it.
            return f"{error.filename}: {error.strerror}"
    return ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_lost(project, command, kind):
    run, after = COMMANDS[command]
    tree, entries = project()
    with Faults(KINDS[kind]) as counted:
        run(tree, entries)
    assert tree.found(TESTS) == after
    assert counted.calls or kind == "full"
    allowed = {key: {BEFORE.get(key), after.get(key)} for key in {*BEFORE, *after}}
    for at in range(counted.calls):
        tree, entries = project()
        said = fail(tree, entries, run, KINDS[kind], at)
        # Some calls clear up, and are not needed.
        assert kind == "killed" or not said or re.search(re.escape(str(tree.root)) + "/?", said), said
        there = tree.found(TESTS)
        for key, numbers in allowed.items():
            assert there.get(key) in numbers, (at, key, there.get(key), said)
        # Now there is room again.
        with suppress(PendingError):  # the first attempt had come so far
            run(tree, entries)
        assert tree.found(TESTS) == after, (at, said)
        assert not tree.leftovers() or command in ("reject", "a run that fails"), (at, said)


def test_a_file_of_the_users_stays_what_it_is(tmp_path):
    path, link = tmp_path / "pyproject.toml", tmp_path / "link.toml"
    path.write_bytes(b"a = 1\r\n")
    path.chmod(0o751)
    link.symlink_to(path)
    replace_bytes(link, b"\xff")
    assert (path.read_bytes(), path.stat().st_mode & 0o777, link.is_symlink()) == (b"\xff", 0o751, True)
    replace_bytes(tmp_path / "new", b"x")
    replace_bytes(Path("/dev/null"), b"x")
    assert not Path("/dev/null").is_file()
    with Faults(errno.ENOSPC, 1), pytest.raises(GoldenWriteError, match="No space left"):
        replace_bytes(path, b"y" * 100)
    assert path.read_bytes() == b"\xff"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["link.toml", "new", "pyproject.toml"]
