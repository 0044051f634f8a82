"""Reads trees of goldens from files and folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from kernelsnap.diff.sides.trees import (
    SUFFIXES,
    DiffInputError,
    Tree,
    folders_above,
    index_sidecars,
    path_of,
    recorded_with,
    target_of,
)
from kernelsnap.golden.files import read_bytes, read_text
from kernelsnap.golden.resources import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import Templates, templates_above
from kernelsnap.golden.variants import stem_of

#: How many folders above the one that was named may have the toolchain file of the goldens in it: `goldens/test_fusion`
#: is a folder of `goldens`.
_UP = 3
#: Folders that hold no goldens of the project: pytest's cache has those that are pending.
_SKIPPED = (".git", ".pytest_cache")


def folder(path: Path, label: str = "") -> Tree:
    """The goldens below a folder, which a report calls by its path or by a label."""
    found = list(_paths_below(str(path), ""))
    if not any(name.endswith(SUFFIX) for name in found):
        raise DiffInputError(f"{path}: there is no golden (*{SUFFIX}) below this folder")
    return files(path, found, label or str(path))


def files(path: Path, found: Iterable[str], label: str) -> Tree:
    """A tree of files below a folder: goldens, resources files and templates; with the templates of folders above."""
    root = str(path)
    ordered = sorted(found)
    goldens = dict.fromkeys((name for name in ordered if name.endswith(SUFFIX)), "")
    templates = {
        name: _read(f"{root}/{name}").decode("utf-8", "replace") for name in ordered if name.endswith(TEMPLATE_SUFFIX)
    }
    return Tree(
        label,
        goldens,
        partial(_read_below, root),
        Templates(templates_above(path) | templates),
        index_sidecars((name, "") for name in ordered if name.endswith(RESOURCES_SUFFIX)),
        versions_near(path, next(iter(goldens), "")),
    )


def single(path: Path, name: str) -> Tree:
    """One golden, under a name that both sides share."""
    near = [file for file in path.parent.iterdir() if file.name.endswith(RESOURCES_SUFFIX)]
    own = [file for file in near if stem_of(file.name) == stem_of(path.name)]
    return Tree(
        str(path),
        {name: ""},
        partial(_read_one, str(path)),
        Templates(templates_above(path.parent)),
        # The key of a resources file is its path, for it has the name of another golden.
        index_sidecars((path_of(stem_of(name), target_of(file.name)), str(file)) for file in own),
        versions_near(path.parent),
    )


def versions_near(path: Path, golden: str = "") -> partial[str]:
    """Reads what recorded a golden in a folder: from the folders between both, that folder, and some above it."""
    inside = (str(path / each) for each in folders_above(golden)[:-1])
    return partial(recorded_with, (*inside, str(path), *map(str, path.resolve().parents[:_UP])), _text_of)


def _text_of(path: str) -> str | None:
    """The text of a file; None where there is none."""
    try:
        return read_text(Path(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _paths_below(root: str, below: str) -> Iterator[str]:
    """The goldens, templates and resources files below a folder."""
    try:
        entries = list(os.scandir(f"{root}/{below}"))
    except OSError as error:
        raise DiffInputError(f"cannot read {root}/{below}: {error.strerror}") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED:
                yield from _paths_below(root, f"{below}{entry.name}/")
        elif entry.name.endswith(SUFFIXES):
            yield f"{below}{entry.name}"


def _read_below(root: str, name: str, _: str) -> bytes:
    return _read(f"{root}/{name}")


def _read_one(path: str, _name: str, key: str) -> bytes:
    return _read(key or path)


def _read(path: str) -> bytes:
    try:
        return read_bytes(Path(path))
    except OSError as error:
        raise DiffInputError(f"cannot read {path}: {error.strerror}") from error
