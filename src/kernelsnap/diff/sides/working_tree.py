"""Reads the tree of goldens in the working tree of a repository."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kernelsnap.diff.sides.folders import files, versions_near
from kernelsnap.diff.sides.revisions import Blobs, git
from kernelsnap.diff.sides.sidecars import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.diff.sides.sidecars import index_sidecars
from kernelsnap.diff.sides.trees import SUFFIXES, DiffInputError, Tree
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import Templates
from kernelsnap.shared.git import GitError

_SYMLINK, _SUBMODULE = "120000", "160000"
#: The tags of `git ls-files -t` for a file whose content is that of its blob: in the working tree, or left out of it.
_AS_KNOWN = frozenset("HS")


def working_tree(top: Path) -> Tree:
    """Files that git knows, and new ones that it does not ignore.

    A file that did not change, or that a sparse checkout leaves out, is compared by the id of its blob, without being
    read. Symbolic links are no goldens, as they are none in a revision; nor are files of a submodule or of another
    repository.

    Raises:
        DiffInputError: the repository has no working tree.
    """
    try:
        blobs, others = _list_files(top)
    except GitError as error:
        raise DiffInputError(f"{top} has no working tree to compare with: give two revisions") from error
    present = [name for name in others if _is_file(top / name)]
    changed = files(top, present, "the working tree")
    read = _Reader(top, Blobs(top))
    goldens = {name: blob for name, blob in blobs.items() if name.endswith(SUFFIX)}
    templates = {name: blob for name, blob in blobs.items() if name.endswith(TEMPLATE_SUFFIX)}
    texts = {name: read(name, blob).decode("utf-8", "replace") for name, blob in templates.items()}
    resources = {**dict.fromkeys(present, ""), **blobs}
    keys = {**changed.keys, **goldens}
    return replace(
        changed,
        keys=keys,
        read=read,
        templates=Templates({**changed.templates.files, **texts}),
        sidecars=index_sidecars((name, key) for name, key in resources.items() if name.endswith(RESOURCES_SUFFIX)),
        recorded_with=versions_near(top, min(keys, default="")),
    )


def _list_files(top: Path) -> tuple[Mapping[str, str], list[str]]:
    """The blobs of the files that are as git knows them, by their paths; and the paths of all others."""
    ways = ("--stage", "--cached", "--modified", "--deleted", "--others", "--exclude-standard")
    listing = git(top, "ls-files", "-z", "-t", *ways, "--", *(f"*{suffix}" for suffix in SUFFIXES))
    tags: defaultdict[str, set[str]] = defaultdict(set)
    blobs: dict[str, str] = {}
    for entry in filter(None, os.fsdecode(listing).split("\0")):
        # `H 100644 ID 0<tab>PATH`, or `? PATH` of a file that git does not know
        tag, _, rest = entry.partition(" ")
        head, _, name = ("", "", rest) if tag == "?" else rest.partition("\t")
        tags[name].add(tag)
        if head:
            mode, blob, _ = head.split(" ")
            blobs[name] = "" if mode in (_SYMLINK, _SUBMODULE) else blob
    known = {name: blob for name, blob in blobs.items() if tags[name] <= _AS_KNOWN}
    return {name: blob for name, blob in known.items() if blob}, [name for name in tags if name not in known]


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # deleted, though git still knows it
        return False


@dataclass(frozen=True)
class _Reader:
    """Reads what git knows by the id of its blob, and the rest in the working tree."""

    top: Path
    blobs: Blobs

    def __call__(self, name: str, blob: str) -> bytes:
        return self.blobs(name, blob) if blob else (self.top / name).read_bytes()
