"""Goldens whose test, or assertion, is gone: what a whole and passing run of the tests found, and how it is removed.

Only a run of the tests knows which tests there are. It leaves a record, and `kernelsnap prune` removes what it
lists: nothing else, and nothing that was changed since.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from kernelsnap.errors import GoldenError
from kernelsnap.golden.digests import digest_of_file
from kernelsnap.golden.files import read_text, write_error, write_text
from kernelsnap.golden.lock import tree_lock
from kernelsnap.shared.data_files import parsed_json, typed
from kernelsnap.shared.places import is_possible

#: The record's name, in kernelsnap's folder of pytest's cache.
RECORD = "orphans.json"


@dataclass(frozen=True)
class Orphan:
    """A file that belongs to no test, and no golden, of the run that found it."""

    file: str  # below the folder of the goldens
    digest: str  # of its content
    #: The module of its case, below the project's root; "" for a template.
    module: str = ""
    #: Why it cannot be removed; "" if it can.
    kept: str = ""
    #: What of its case is gone: "test" or "assertion"; "" where another file is gone that it belongs to.
    gone: str = ""


@dataclass(frozen=True)
class OrphanRecord:
    """What one whole and passing run of the tests found."""

    root: str  # of the project
    goldens: str  # the folder of the goldens
    when: int  # the start of the run, in nanoseconds since the epoch
    orphans: tuple[Orphan, ...]


def write_record(path: Path, record: OrphanRecord) -> None:
    """Keep what a run found. Raises `GoldenWriteError`."""
    write_text(path, json.dumps(asdict(record), indent=1) + "\n")


def read_record(path: Path) -> OrphanRecord:
    """What the last whole and passing run found.

    Raises:
        GoldenError: there is no record, or it cannot be read.
    """
    try:
        return typed(OrphanRecord, parsed_json(read_text(path)))
    except FileNotFoundError:
        raise GoldenError(
            f"{path} is not there: run all tests with pytest first, for every target (not with -p no:cacheprovider)"
        ) from None
    except ValueError as error:
        raise GoldenError(f"{path} cannot be read ({error}): run all tests with pytest again") from None


def removable(record: OrphanRecord) -> Iterator[tuple[Orphan, str]]:
    """Each orphan that is still there, and why it is kept; "" where it can be removed."""
    goldens, root = Path(record.goldens), Path(record.root)
    for orphan in record.orphans:
        path = goldens / orphan.file
        if not is_possible(orphan.file) or not path.resolve().is_relative_to(goldens.resolve()):
            raise GoldenError(f"{orphan.file} is outside of {goldens}: run all tests with pytest again")
        if not path.is_file():
            continue
        module = root / orphan.module
        if digest_of_file(read_text(path)) != orphan.digest:
            yield orphan, "changed since that run"
        elif orphan.module and module.is_file() and module.stat().st_mtime_ns > record.when:
            yield orphan, f"{orphan.module} changed since that run"
        else:
            yield orphan, orphan.kept


def remove(record: OrphanRecord, orphans: Iterable[Orphan]) -> list[str]:
    """Remove the files of these orphans, and folders that are empty then; the names of the files.

    Raises:
        GoldenWriteError: one could not be removed; those before it are.
    """
    goldens, removed = Path(record.goldens), []
    chosen = {orphan.file for orphan in orphans}
    with tree_lock(goldens):
        for orphan, kept in list(removable(record)):
            if kept or orphan.file not in chosen:
                continue
            path = goldens / orphan.file
            try:
                path.unlink()
                removed.append(orphan.file)
                for folder in path.relative_to(goldens).parents:
                    if any((goldens / folder).iterdir()) or folder == Path():
                        break
                    (goldens / folder).rmdir()
            except OSError as error:
                raise write_error(path, error) from error
    return removed
