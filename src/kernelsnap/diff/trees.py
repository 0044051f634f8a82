"""Where the two sides of a comparison come from: files and folders. Files that are byte-equal are never parsed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kernelsnap.diff.recorded import around
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.store import SUFFIX


class DiffInputError(KernelsnapError):
    """What is to be compared cannot be found or read."""


@dataclass(frozen=True)
class Tree:
    """The goldens of one side, by path: what tells two contents apart without reading them, and how to read one."""

    label: str
    keys: Mapping[str, str]  # path: the id of the content, or "" where only reading it tells
    read: Callable[[str], bytes] = field(repr=False)
    recorded_with: Callable[[], str] = field(default=lambda: "", repr=False)  # "torch 2.13.0"; "" if nothing says so


#: A file on both sides: its path, the old content and the new one; None where it does not exist.
Contents = tuple[str, bytes | None, bytes | None]


def folder(path: Path) -> Tree:
    """The goldens below a folder."""
    names = dict.fromkeys(sorted(_golden_names(str(path), "")), "")
    if not names:
        raise DiffInputError(f"{path}: there is no golden (*{SUFFIX}) below this folder")
    root = str(path)
    return Tree(root, names, lambda name: _read(f"{root}/{name}"), lambda: around(path, next(iter(names))))


def single(path: Path, name: str) -> Tree:
    """One golden, under a name that both sides share."""
    return Tree(str(path), {name: ""}, lambda _: _read(str(path)), lambda: around(path.parent))


def _golden_names(root: str, below: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(f"{root}/{below}"))
    except OSError as error:
        raise DiffInputError(f"cannot read {root}/{below}: {error.strerror}") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != ".git":
                yield from _golden_names(root, f"{below}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield f"{below}{entry.name}"


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise DiffInputError(f"cannot read {path}: {error.strerror}") from error
    try:
        parts = []
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    except OSError as error:
        raise DiffInputError(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def differing(old: Tree, new: Tree) -> Iterator[Contents]:
    """The files that are not byte-equal on both sides, sorted by path."""
    for name in sorted({*old.keys, *new.keys}):
        ids = old.keys.get(name), new.keys.get(name)
        if ids[0] and ids[0] == ids[1]:
            continue
        before = None if ids[0] is None else old.read(name)
        after = None if ids[1] is None else new.read(name)
        if before != after:
            yield name, before, after
