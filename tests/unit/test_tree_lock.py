"""The lock of a tree of goldens: one process at a time changes it, and a killed one leaves nothing behind."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from kernelsnap.errors import GoldenWriteError
from kernelsnap.golden import lock
from kernelsnap.golden.lock import UnlockedTreeWarning, tree_lock

FORK = multiprocessing.get_context("fork")
ROUNDS = 200


def _count(tree, number):
    """Add to a number in a file, without any step that would be safe by itself."""
    for _ in range(number):
        with tree_lock(tree):
            value = int((tree / "count").read_text())
            (tree / "count").write_text(str(value + 1))


def _hold(tree, ready):
    with tree_lock(tree):
        ready.set()
        time.sleep(60)


def _taken(tree):
    """Whether another process holds the lock."""
    descriptor = os.open(tree, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_no_step_of_another_process_comes_in_between(tmp_path):
    (tmp_path / "count").write_text("0")
    workers = [FORK.Process(target=_count, args=(tmp_path, ROUNDS)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert (tmp_path / "count").read_text() == str(4 * ROUNDS)
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_no_step_of_another_thread_comes_in_between(tmp_path):
    (tmp_path / "count").write_text("0")
    threads = [threading.Thread(target=_count, args=(tmp_path, ROUNDS)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (tmp_path / "count").read_text() == str(4 * ROUNDS)


def test_it_may_be_taken_again_and_under_another_name_of_the_folder(tmp_path):
    tree, other = tmp_path / "goldens", tmp_path / "other"
    other.symlink_to(tree)
    with tree_lock(tree), tree_lock(other), tree_lock(tmp_path / "x" / ".." / "goldens"):
        assert _taken(tree)
    assert not _taken(tree)


def test_it_ends_with_the_outermost_block_also_by_an_error(tmp_path):
    with tree_lock(tmp_path):
        with tree_lock(tmp_path):
            pass
        assert _taken(tmp_path)
    assert not _taken(tmp_path)
    with pytest.raises(RuntimeError), tree_lock(tmp_path):
        raise RuntimeError
    assert not _taken(tmp_path)


def test_it_makes_the_folder(tmp_path):
    with tree_lock(tmp_path / "a" / "goldens"):
        assert (tmp_path / "a" / "goldens").is_dir()


def test_a_killed_process_leaves_no_lock_and_no_file(tmp_path):
    ready = FORK.Event()
    holder = FORK.Process(target=_hold, args=(tmp_path, ready))
    holder.start()
    assert ready.wait(60)
    assert _taken(tmp_path)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(60)
    with tree_lock(tmp_path):
        assert not list(tmp_path.iterdir())


def test_a_child_that_lives_on_does_not_keep_it(tmp_path):
    with tree_lock(tmp_path):
        child = FORK.Process(target=time.sleep, args=(60,))
        child.start()
    try:
        assert not _taken(tmp_path)
    finally:
        child.kill()
        child.join(60)


def test_after_a_second_it_says_what_it_waits_for(tmp_path):
    script = "from pathlib import Path; import kernelsnap.golden.lock as lock\n"
    script += f"with lock.tree_lock(Path({str(tmp_path)!r})): print('in')"
    with tree_lock(tmp_path):
        waiting = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        said = waiting.stderr.readline()
    output, _ = waiting.communicate(timeout=60)
    assert said == f"kernelsnap: waiting for another process that changes the goldens in {tmp_path}\n"
    assert output == "in\n"


def test_a_folder_that_was_replaced_while_waiting_is_locked_anew(tmp_path, monkeypatch):
    tree = tmp_path / "goldens"
    flock = fcntl.flock
    replaced = []

    def replacing(descriptor, how):
        flock(descriptor, how)
        if not replaced:
            replaced.append(tree.rename(tmp_path / "old"))

    monkeypatch.setattr(lock.fcntl, "flock", replacing)
    with tree_lock(tree):
        monkeypatch.undo()
        assert _taken(tree)
        assert not _taken(tmp_path / "old")
    assert not _taken(tree)


def _without_locks(monkeypatch, *, of_folders_only):
    flock = fcntl.flock

    def refusing(descriptor, how):
        if not of_folders_only or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF if of_folders_only else errno.ENOLCK, "no")
        flock(descriptor, how)

    monkeypatch.setattr(lock.fcntl, "flock", refusing)


def test_where_folders_cannot_be_locked_a_file_is_that_git_ignores(tmp_path, monkeypatch):
    _without_locks(monkeypatch, of_folders_only=True)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with tree_lock(tmp_path):
        assert _taken(tmp_path / ".kernelsnap" / "lock")
    assert not _taken(tmp_path / ".kernelsnap" / "lock")
    with tree_lock(tmp_path):
        pass
    status = subprocess.run(["git", "-C", tmp_path, "status", "--porcelain"], check=True, capture_output=True)
    assert not status.stdout


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    _without_locks(monkeypatch, of_folders_only=False)
    with pytest.warns(UnlockedTreeWarning, match=f"the file system of {tmp_path} has no locks"), tree_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GoldenWriteError, match="cannot write"), tree_lock(tmp_path / "file" / "goldens"):
        pass
