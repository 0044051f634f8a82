"""Keeps other processes out of a tree of goldens while one changes it: pytest that records, `accept`, `prune`.

Whoever reads, changes and writes more than one file of a tree does so inside `tree_lock`:

    with tree_lock(goldens):
        ...

The lock is one of the operating system's (`flock`), on the folder of the goldens itself. It leaves no file behind, and
ends with its process, however that ends. A network file system (NFS) takes no such lock on a folder; there it is on a
file inside, `.kernelsnap/lock`, which git ignores. Where a file system cannot lock at all, a warning names it.

Reading alone needs no lock: each file is replaced as a whole.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kernelsnap.golden.files import write_error

#: Inside the goldens' folder, on a file system that locks no folders.
_FOLDER, _FILE = ".kernelsnap", "lock"
#: A flock of a folder on NFS fails with these, because there it is a lock for writing.
_ONLY_FILES = (errno.EBADF, errno.EINVAL, errno.EISDIR)
_CANNOT = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, *_ONLY_FILES)
#: After so many seconds of waiting, it is said what for.
_PATIENCE = 1.0
_PAUSE = 0.02

# One thread at a time; the trees that this process has locked. A forked child has its own process id, and no lock.
_threads = threading.RLock()
_held: set[tuple[int, str]] = set()


class UnlockedTreeWarning(UserWarning):
    """The goldens are on a file system without locks: two processes must not change them at the same time."""


@contextmanager
def tree_lock(goldens: Path) -> Iterator[None]:
    """Keep every other process from changing this tree of goldens inside the block; makes its folder.

    Waits until the tree is free, and after a second says so on standard error. Inside the block it may be taken again.

    Raises:
        GoldenWriteError: the folder cannot be made or opened.
    """
    with _threads:
        key = (os.getpid(), os.path.realpath(goldens))
        if key in _held:
            yield
            return
        try:
            descriptor = _locked(goldens)
        except OSError as error:
            raise write_error(goldens, error) from error
        _held.add(key)
        try:
            yield
        finally:
            _held.discard(key)
            if descriptor is not None:
                # Closing is not enough: a child that was forked meanwhile shares the lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)


def _locked(goldens: Path) -> int | None:
    """The open and locked file that keeps others out; None where the file system has no locks."""
    goldens.mkdir(parents=True, exist_ok=True)
    try:
        return _locked_file(goldens, goldens, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    try:
        return _locked_file(_lock_file(goldens), goldens, os.O_RDWR)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    warnings.warn(
        UnlockedTreeWarning(
            f"the file system of {goldens} has no locks: see to it that no other process records or accepts goldens "
            f"there until this one has ended"
        ),
        stacklevel=4,
    )
    return None


def _lock_file(goldens: Path) -> Path:
    folder = goldens / _FOLDER
    folder.mkdir(exist_ok=True)
    for name, text in ((".gitignore", "*\n"), (_FILE, "")):
        with suppress(FileExistsError), (folder / name).open("x", encoding="utf-8") as file:
            file.write(text)
    return folder / _FILE


def _locked_file(path: Path, goldens: Path, flags: int) -> int:
    """Open and lock a file or folder, once it is still the one at its path: it may have been replaced meanwhile."""
    while True:
        descriptor = os.open(path, flags)
        try:
            _wait(descriptor, goldens)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            path.mkdir(parents=True, exist_ok=True) if path == goldens else _lock_file(goldens)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _wait(descriptor: int, goldens: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                break
            time.sleep(_PAUSE)
    sys.stderr.write(f"kernelsnap: waiting for another process that changes the goldens in {goldens}\n")
    sys.stderr.flush()
    fcntl.flock(descriptor, fcntl.LOCK_EX)
