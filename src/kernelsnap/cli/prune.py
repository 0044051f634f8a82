"""`kernelsnap prune`: shows the goldens whose test or assertion is gone, and removes them on request, without torch."""

from __future__ import annotations

import argparse
import fnmatch
import os
import shlex
import sys
from pathlib import Path

from kernelsnap.errors import GoldenError
from kernelsnap.report.visible import visible


def add_prune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "prune",
        help="show the goldens whose test or assertion is gone, or remove them",
        description="Show the goldens, resources files and templates that belonged to no test in the last run of "
        "pytest that ran all tests and passed; with --remove, remove them. Kept is what changed since that run, and "
        "the golden of a target that the run had no test for.",
    )
    parser.add_argument("files", nargs="*", metavar="GLOB", help="only these, by path below the folder of the goldens")
    parser.add_argument("--remove", action="store_true", help="remove them; without it, nothing is changed")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="pytest's cache folder (default: here or above)")
    parser.set_defaults(command=_prune)


def _prune(options: argparse.Namespace) -> int:
    from kernelsnap.golden.prune import RECORD, read_record, removable, remove
    from kernelsnap.shared.places import kept_by_pytest

    record = read_record(kept_by_pytest(options.cache, Path.cwd()) / RECORD)
    found = [
        (orphan, kept)
        for orphan, kept in removable(record)
        if not options.files or any(fnmatch.fnmatchcase(orphan.file, glob) for glob in options.files)
    ]
    if options.files and not found:
        raise GoldenError(f"no golden whose test or assertion is gone fits {' '.join(options.files)}")
    free = [orphan for orphan, kept in found if not kept]
    removed = remove(record, free) if options.remove else []
    for orphan, kept in found:
        path = shlex.quote(os.path.relpath(Path(record.goldens) / orphan.file))
        what = "removed  " if orphan.file in removed else ""
        sys.stdout.write(f"{what}{visible(path)}" + (f"  # kept: {visible(kept)}" if kept else "") + "\n")
    if options.remove:
        sys.stdout.write(f"{len(removed)} files were removed\n")
    elif free:
        sys.stdout.write(f"{len(free)} files belong to no test: kernelsnap prune --remove removes them\n")
    else:
        sys.stdout.write("nothing can be removed\n")
    return 0
