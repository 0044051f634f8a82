"""One file for all targets for which the same code is generated.

A golden's file is named after one target and names in its head all that share it: `target h100 a100`. A target reads
its own file if there is one, else the file that names it. Recording adds a target to the file that says the same, and
writes a file of its own where none does. A target whose code changes leaves the file to those that still share it:
what stands there for them is never rewritten on another target's behalf.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kernelsnap.errors import GoldenError, GoldenPathError
from kernelsnap.golden import store
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.store import SUFFIX, Case
from kernelsnap.model.golden import Golden


def standing_path(folder: Path, case: Case, target: str) -> Path:
    """The file that holds the golden of a case for a target; where there is none, the file that would be its own.

    Raises:
        GoldenError: a file of the case, of another target, cannot be read.
    """
    own = _own(folder, case, target)
    if own.is_file():
        return own
    return next((path for path in _files(folder, case) if target in head_of(path)[1]), own)


def head_of(path: Path) -> tuple[str, tuple[str, ...]]:
    """The case and the targets that a golden's head names; no targets where it names none.

    Raises:
        GoldenError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            _, case, targets = (file.readline().rstrip("\n") for _ in range(3))
    except OSError as error:
        raise GoldenError(f"cannot read {path}: {error.strerror or error}") from error
    named = targets.removeprefix("target ").split(" ") if targets.startswith("target ") else []
    return case.removeprefix("case "), tuple(named)


def write_for_target(folder: Path, case: Case, golden: Golden) -> None:
    """Record the golden of a case for its target, in a file of its own or in the one of a target that says the same.

    Each step leaves every target with its content: a run that is killed in between loses nothing.

    Raises:
        GoldenError: a file of the case could not be read or written.
        OSError: its folder could not be made or locked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        own = _own(folder, case, golden.target)
        others = {path: store.read_golden(path, str(case)) for path in _files(folder, case) if path != own}
        same = next((path for path, other in others.items() if _says_the_same(other, golden)), None)
        if same is not None and golden.target not in others[same].shared_with:
            _write(same, others[same], (*others[same].shared_with, golden.target))
        if own.is_file():
            _leave_to_heirs(folder, case, store.read_golden(own, str(case)))
        if same is None:
            _write(own, golden, ())
        else:
            # What it held for this target stands in the other file now, and this one would be read first.
            own.unlink(missing_ok=True)
        for path, other in others.items():
            if path != same and golden.target in other.shared_with:
                _write(path, other, tuple(target for target in other.shared_with if target != golden.target))


def _says_the_same(other: Golden, golden: Golden) -> bool:
    return canonical(replace(other, target=golden.target, shared_with=())) == canonical(replace(golden, shared_with=()))


def _leave_to_heirs(folder: Path, case: Case, golden: Golden) -> None:
    """Hand a golden that its target gives up to those that share it, in a file of the first of them."""
    heirs = [target for target in golden.shared_with if not _own(folder, case, target).is_file()]
    if heirs:
        _write(_own(folder, case, heirs[0]), replace(golden, target=heirs[0]), tuple(heirs[1:]))


def _write(path: Path, golden: Golden, shared_with: tuple[str, ...]) -> None:
    store.write_golden(path, replace(golden, shared_with=shared_with))


def _files(folder: Path, case: Case) -> Iterator[Path]:
    """The files of a case, of whatever target, sorted."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        target = path.name.removesuffix(SUFFIX).rpartition(".")[2]
        try:
            own = _own(folder, case, target)
        except GoldenPathError:
            continue  # no golden of ours
        if path == own and path.is_file():
            yield path


def _own(folder: Path, case: Case, target: str) -> Path:
    return folder / store.file_name(case, target)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other workers out: two targets of a case may be recorded at once, and both change the file they share."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
