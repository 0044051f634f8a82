"""The folder of the pending goldens, in pytest's cache: finding it, reading it, writing to it."""

from __future__ import annotations

import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kernelsnap.golden.files import read_text, write_text
from kernelsnap.golden.resources import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.store import SUFFIX
from kernelsnap.pending.entry import Pending, PendingError, check, from_json
from kernelsnap.shared.data_files import parsed_json
from kernelsnap.shared.places import BELOW, CACHE, NAME, kept_by_pytest

PENDING = "pending"
COMPARED = "compared.json"
HEAD = ".json"
#: Names the project's root, relative to the folder.
ROOT = "root"


# What is unpacked of a zip file at most.
_MOST_FILES = 200_000
_LARGEST_ZIP = 2 << 30  # bytes


@dataclass(frozen=True)
class PendingFolder:
    """The pending goldens of a project, or those that another machine left."""

    path: Path  # has the folder `pending`, and what is known of the last runs
    root: Path  # of the project whose goldens they are

    def goldens(self, entry: Pending) -> Path:
        """The folder of the goldens that an entry belongs to."""
        return self.root / entry.goldens

    def text_path(self, entry: Pending) -> Path:
        """The file with what was generated."""
        return self.path / PENDING / entry.golden

    def resources_path(self, entry: Pending) -> Path:
        """The file with the resources, if they are what changed."""
        return self.text_path(entry).with_suffix(RESOURCES_SUFFIX)

    def entries(self) -> list[Pending]:
        """All heads, by the paths of their goldens. Raises `PendingError` where one cannot be read."""
        top = str(self.path / PENDING)
        found = [f"{folder}/{name}" for folder, _, names in os.walk(top) for name in names if name.endswith(HEAD)]
        return sorted(map(_head, found), key=lambda entry: entry.golden)

    def write(self, entry: Pending, text: str, resources: str = "") -> None:
        """Keep a pending golden, in place of the one before. Raises `GoldenWriteError`."""
        path = self.text_path(entry)
        path.with_suffix(HEAD).unlink(missing_ok=True)
        write_text(path, text)
        if resources:
            write_text(self.resources_path(entry), resources)
        else:
            self.resources_path(entry).unlink(missing_ok=True)
        write_text(self.path / ROOT, os.path.relpath(self.root, self.path) + "\n")
        write_text(path.with_suffix(HEAD), entry.to_json())

    def remove(self, golden: PurePosixPath | str, only: str = "") -> bool:
        """Drop what is pending for a golden, by its path; with `only`, if it still has this digest. Whether it did."""
        path = f"{self.path}/{PENDING}/{golden}"
        stem = path.removesuffix(SUFFIX)
        try:
            if only and _head(stem + HEAD).digest != only:
                return False
            os.unlink(stem + HEAD)  # noqa: PTH108  ten thousand of them, as text
        except FileNotFoundError:
            return False
        for left in (path, stem + RESOURCES_SUFFIX):
            with suppress(FileNotFoundError):
                os.unlink(left)  # noqa: PTH108
        return True

    def compared(self) -> dict[str, Any]:
        """What the last runs found to agree (see `kernelsnap.pending.agreed`); {} if there is nothing."""
        try:
            found = parsed_json(read_text(self.path / COMPARED))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_compared(self, found: dict[str, Any]) -> None:
        """Keep that. Raises `GoldenWriteError`."""
        write_text(self.path / COMPARED, json.dumps(found, sort_keys=True, separators=(",\n", ": ")) + "\n")


def _head(path: str) -> Pending:
    # Ten thousand of them; what is a pipe does not block.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise PendingError(f"{path}: no regular file; delete it, or run the test again")
        return from_json(os.read(file, status.st_size), path)
    finally:
        os.close(file)


def local(cache: str, start: Path) -> PendingFolder | None:
    """The folder of the project that `start` is in; None where its pytest has kept nothing.

    `cache` is pytest's cache folder; "" for the usual one in `start` or a folder above.
    """
    path = kept_by_pytest(Path(cache) if cache else None, start)
    if not path.is_dir():
        return None
    here = path.absolute().parents[2]
    try:
        root = Path(os.path.normpath((path / read_text(path / ROOT).strip()).absolute()))
    except FileNotFoundError:
        root = here
    # A project that was copied with its cache names the folder that it was copied from.
    moved = not cache and not path.absolute().is_relative_to(root)
    return PendingFolder(path, here if moved else root)


@contextmanager
def from_elsewhere(source: Path, start: Path) -> Iterator[PendingFolder]:
    """What another machine left: a folder, or a zip file of one, with `pending` somewhere in it.

    The project is the one that `start` is in: the nearest folder above that has the goldens.

    Raises:
        PendingError: there are no pending goldens in it, several folders of them, or the project is not found.
    """
    with tempfile.TemporaryDirectory(prefix="kernelsnap-") as unpacked:
        top = source
        if source.is_file():
            top = Path(unpacked)
            try:
                with zipfile.ZipFile(source) as archive:
                    _check_size(archive, source)
                    archive.extractall(top)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise PendingError(f"{source}: not a zip file that can be read ({error})") from None
        found = [Path(folder) for folder, names, _ in os.walk(top) if PENDING in names]
        found += [top.parent] if top.name == PENDING else []
        kept = [PendingFolder(path, start) for path in found if any((path / PENDING).rglob(f"*{HEAD}"))]
        if len(kept) != 1:
            what = "several folders with pending goldens: name one" if kept else "no pending goldens"
            raise PendingError(f"{source}: there are {what} (a folder `{PENDING}`, as in {CACHE}/{BELOW}/{NAME})")
        entries = kept[0].entries()
        for entry in entries:
            check(entry, f"{source}: {entry.golden}")
        yield PendingFolder(kept[0].path, _project(start, entries, source))


def _check_size(archive: zipfile.ZipFile, source: Path) -> None:
    files = archive.infolist()
    if len(files) > _MOST_FILES or sum(file.file_size for file in files) > _LARGEST_ZIP:
        raise PendingError(
            f"{source}: unpacked, it has more than {_MOST_FILES:,} files or {_LARGEST_ZIP >> 20} MiB, the most that is "
            f"taken from a zip file: unpack it yourself, and name the folder"
        )


def _project(start: Path, entries: Collection[Pending], source: Path) -> Path:
    trees = {entry.goldens for entry in entries}
    if any(PurePosixPath(tree).is_absolute() or ".." in PurePosixPath(tree).parts for tree in trees):
        raise PendingError(f"{source}: names goldens outside its project ({', '.join(sorted(trees))})")
    for folder in (start, *start.parents):
        if all((folder / tree).is_dir() for tree in trees):
            return folder
    raise PendingError(f"no folder {' or '.join(sorted(trees))} here or above: run this in the project of {source}")
