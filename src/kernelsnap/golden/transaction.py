"""Changes many files of a tree of goldens together: all of them or none, also where the process is killed.

    with together(goldens) as tree:
        ...  # record in `tree` with the functions that record in `goldens`

`tree` is a second tree beside the first, of hard links: to write a file replaces the link and leaves the original. At
the end of the block, what differs is prepared, a journal is written, and the files are moved into place. A process that
is killed before the journal is complete has changed nothing; after that, `recover` moves what is left.

    .goldens.changing/tree/       the second tree
    .goldens.changing/old/        the files that are replaced or removed, to put them back where a move fails
    .goldens.changing/journal     each file that changes, and how the one before and the one after can be told
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kernelsnap.errors import GoldenError, GoldenWriteError
from kernelsnap.golden.files import flushed_together, read_text, write_error, write_text
from kernelsnap.golden.lock import tree_lock
from kernelsnap.shared.data_files import parsed_json

#: What a tree of goldens consists of.
SUFFIXES = (".ksnap", ".kres", ".ktemplate", ".toml")


#: Which file is at a path, and in which state: its inode, time and size. None where there is none.
_Identity = list[int] | None


class _Move(NamedTuple):
    """One file that changes: its path below the tree, and which file is there before and after."""

    name: str
    before: _Identity
    after: _Identity


@contextmanager
def together(goldens: Path) -> Iterator[Path]:
    """A tree with the files of this one; what the block changes in it is changed in this one at its end, as a whole.

    Keeps other processes out meanwhile. Where the block raises, nothing is changed.

    Raises:
        GoldenWriteError: the second tree cannot be made, or a file cannot be moved; nothing is changed then.
    """
    goldens = goldens.resolve()
    recover(goldens)
    try:
        with tree_lock(goldens):
            room = _room(goldens)
            shutil.rmtree(room, ignore_errors=True)  # of a process that was killed before its journal was complete
            try:
                with flushed_together():
                    tree = room / "tree" / goldens.name
                    linked = _linked(goldens, tree)
                    yield tree
                moves = list(_moves(goldens, tree, linked))
                _link(goldens, room / "old", [move.name for move in moves if move.before])
            except BaseException:
                shutil.rmtree(room, ignore_errors=True)
                raise
            if moves:
                write_text(room / "journal", json.dumps(moves, separators=(",\n", ": ")) + "\n")
                _finish(goldens, room, moves)
            # Where it cannot be removed, the next command finds all moves made, and removes it.
            shutil.rmtree(room, ignore_errors=True)
    except OSError as error:
        raise write_error(goldens, error) from error


def recover(goldens: Path) -> str:
    """Complete what a killed process had begun to change; what to tell the user, "" if there was nothing.

    Where files were changed by others since, those that had been moved are put back, and the others stay.

    Raises:
        GoldenError: the journal is not one that a command wrote.
    """
    goldens = goldens.resolve()
    room = _room(goldens)
    if not room.is_dir():
        return ""
    with tree_lock(goldens):
        moves = _journal(goldens, room / "journal")
        foreign = [move.name for move in moves if _identity(f"{goldens}/{move.name}") not in (move.before, move.after)]
        if foreign:
            _undo(goldens, room, moves)
            told = (
                f"goldens that an interrupted command had begun to change were put back: {foreign[0]} was changed since"
            )
        elif moves:
            _finish(goldens, room, moves)
            told = f"an interrupted command was completed: {len(moves)} files of {goldens.name}/ were written"
        else:
            told = ""
        shutil.rmtree(room, ignore_errors=True)
    return told


def _journal(goldens: Path, path: Path) -> list[_Move]:
    """What was to be moved; nothing where the process was killed before that was known.

    A repository may bring a journal of its own: what it names is a golden below the tree, or it is none.
    """
    try:
        moves = [_Move(*move) for move in parsed_json(read_text(path))]
        names = [PurePosixPath(move.name) for move in moves]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise GoldenError(f"{path} is no journal of kernelsnap ({error}): delete {path.parent}") from None
    for name in names:
        trees = (goldens, path.parent / "tree" / goldens.name)
        inside = all((tree / name.parent).resolve().is_relative_to(tree) for tree in trees)
        if ".." in name.parts or not inside or not name.name.endswith(SUFFIXES):
            raise GoldenError(f"{path} names {str(name)!r}, which is no file of goldens: delete {path.parent}")
    return moves


def _room(goldens: Path) -> Path:
    # Beside the goldens: on the same file system, and below the same folders, which may have templates.
    return goldens.with_name(f".{goldens.name}.changing")


def _linked(goldens: Path, tree: Path) -> dict[str, _Identity]:
    """Make the second tree; how each of its files can be told from another one of its name."""
    tree.mkdir(parents=True)
    write_text(tree.parents[1] / ".gitignore", "*\n")
    names = [name for name, _ in _files(goldens)]
    _link(goldens, tree, names)
    return {name: _identity(f"{tree}/{name}") for name in names}


def _link(source: Path, to: Path, names: Collection[str]) -> None:
    """Give these files of a folder a second name below another folder; copies, where the file system has no links."""
    for folder in {os.path.dirname(name) for name in names}:  # noqa: PTH120  ten thousand of them, as text
        (to / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            os.link(f"{source}/{name}", f"{to}/{name}", follow_symlinks=True)
        except OSError:
            shutil.copyfile(f"{source}/{name}", f"{to}/{name}")


def _files(tree: Path) -> Iterator[tuple[str, str]]:
    """The files of a tree, each with its path below it and its whole path."""
    start = len(str(tree)) + 1
    for folder, _, names in os.walk(tree):
        for name in names:
            if name.endswith(SUFFIXES):
                path = f"{folder}/{name}"
                yield path[start:], path


def _identity(path: Path | str) -> _Identity:
    try:
        status = os.stat(path)  # noqa: PTH116  ten thousand of them, as text
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [status.st_ino, status.st_mtime_ns, status.st_size]


def _moves(goldens: Path, tree: Path, linked: dict[str, _Identity]) -> Iterator[_Move]:
    there = set()
    for name, path in _files(tree):
        there.add(name)
        # It keeps its identity when it is moved.
        after = _identity(path)
        if linked.get(name) != after:
            yield _Move(name, _identity(f"{goldens}/{name}"), after)
    for name in linked.keys() - there:
        yield _Move(name, _identity(f"{goldens}/{name}"), None)


def _finish(goldens: Path, room: Path, moves: list[_Move]) -> None:
    """Move what has not been moved yet; where that fails, put everything back."""
    tree = room / "tree" / goldens.name
    try:
        for folder in {os.path.dirname(move.name) for move in moves if move.after}:  # noqa: PTH120
            (goldens / folder).mkdir(parents=True, exist_ok=True)
        for move in moves:
            place, new = f"{goldens}/{move.name}", f"{tree}/{move.name}"
            if not move.after:
                Path(place).unlink(missing_ok=True)
            elif os.path.exists(new):  # noqa: PTH110
                os.replace(new, place)  # noqa: PTH105
            elif _identity(place) != move.after:
                raise GoldenError(f"{new} is missing: it was to become {place}")
    except (OSError, GoldenError):
        # Any other end, such as Ctrl-C, is that of a killed process: `recover` completes it.
        try:
            _undo(goldens, room, moves)
        except OSError as error:
            raise GoldenWriteError(
                f"cannot write {goldens}: {error.strerror or error}. Some goldens are changed, and each is whole; the "
                f"next command that changes goldens there completes or undoes it"
            ) from error
        shutil.rmtree(room, ignore_errors=True)
        raise


def _undo(goldens: Path, room: Path, moves: list[_Move]) -> None:
    for move in moves:
        if _identity(f"{goldens}/{move.name}") == move.after:
            with suppress(FileNotFoundError):  # it has not been moved
                if move.before:
                    (room / "old" / move.name).replace(goldens / move.name)
                else:
                    (goldens / move.name).unlink()
