"""What `kernelsnap diff` compares: files, folders, revisions, a patch, or what pytest found to differ."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kernelsnap.diff.sides.folders import failed, folder, single
from kernelsnap.diff.sides.revisions import range_of, repository, revision
from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.sides.trees import DiffInputError, Tree, nothing
from kernelsnap.diff.sides.working_tree import working_tree
from kernelsnap.golden.store import SUFFIX


def sides_of(options: argparse.Namespace) -> Sides:
    """Both sides, as far as they are at the paths after `--`.

    Raises:
        DiffInputError: they are not given, do not exist, or cannot be read.
    """
    return _below(_both(options), options)


def _both(options: argparse.Namespace) -> Sides:
    if sum((bool(options.sides), options.patch is not None, options.failed is not None)) > 1:
        raise DiffInputError("give either a patch, or --failed, or two sides, not several of them")
    if options.failed is not None:
        return failed(options.failed, Path.cwd())
    if options.patch is not None:
        from kernelsnap.diff.sides.patches import patched

        top, here = _top_or_here(), Path.cwd()
        below = here.relative_to(top).as_posix() if here != top and here.is_relative_to(top) else ""
        return patched(_patch_text(options.patch), top, below)
    return Sides(*_trees(options.sides))


def _patch_text(name: str) -> str:
    if name == "-":
        return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return Path(name).read_bytes().decode("utf-8", "surrogateescape")


def _top_or_here() -> Path:
    try:
        return repository(Path.cwd())
    except DiffInputError:
        return Path.cwd()


def _trees(sides: Sequence[str]) -> tuple[Tree, Tree]:
    if len(sides) not in (1, 2):
        raise DiffInputError(
            "give two goldens, folders or revisions, one range (main..HEAD), --patch or --failed; "
            "what to compare of them comes after `--`: kernelsnap diff main..HEAD -- goldens/test_x"
        )
    if len(sides) == 2 and all(Path(side).exists() for side in sides):
        return _path_trees(*map(Path, sides))
    top = repository(Path.cwd())
    is_range = len(sides) == 1 and ".." in sides[0] and not Path(sides[0]).exists()
    trees = range_of(sides[0], top) if is_range else _revisions(sides, top)
    if not any(tree.keys for tree in trees):
        raise DiffInputError(f"neither {trees[0].label} nor {trees[1].label} holds a golden (*{SUFFIX})")
    return trees


def _revisions(sides: Sequence[str], top: Path) -> tuple[Tree, Tree]:
    """Two revisions, or one and the working tree."""
    found: list[Tree | None] = []
    for side in sides:
        try:
            found.append(revision(top, side))
        except DiffInputError:
            if not Path(side).exists():
                raise
            found.append(None)
    match found:
        case [Tree() as old]:
            return old, working_tree(top)
        case [Tree() as old, Tree() as new]:
            return old, new
        case [Tree(), None] | [None, Tree()]:
            place, name = sorted(sides, key=lambda side: not Path(side).exists())
            raise DiffInputError(
                f"{place} is a file or folder and {name} a revision: compare that with what is here now, "
                f"kernelsnap diff {name} -- {place}"
            )
    raise DiffInputError(f"{sides[0]}: one side is not enough; with a revision: kernelsnap diff HEAD -- {sides[0]}")


def _path_trees(old: Path, new: Path) -> tuple[Tree, Tree]:
    absent = [str(path) == os.devnull for path in (old, new)]
    if not any(absent) and old.is_dir() != new.is_dir():
        raise DiffInputError(f"{old} and {new}: one is a folder and the other is not")
    name = new.name if new.name.endswith(SUFFIX) else old.name
    first, second = (
        nothing(str(path)) if gone else folder(path) if path.is_dir() else single(path, name)
        for path, gone in zip((old, new), absent, strict=True)
    )
    return first, second


def _below(sides: Sides, options: argparse.Namespace) -> Sides:
    """The goldens at the paths after `--`: of two folders in both of them, else below the folder we are in."""
    if not options.paths:
        return sides
    trees = len(options.sides) == 2 and all(Path(side).exists() for side in options.sides)
    top = None if trees or options.failed is not None else _top_or_here()
    places = (os.path.relpath(place, top) if top else os.path.normpath(place) for place in options.paths)
    return sides.below([Path(place).as_posix() for place in places])
