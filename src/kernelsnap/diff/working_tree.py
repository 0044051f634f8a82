"""The goldens as they are in the working tree of a repository now."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kernelsnap.diff.revisions import Blobs, GitError, git
from kernelsnap.diff.templates import Templates
from kernelsnap.diff.trees import DiffInputError, Tree, files
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.template_store import SUFFIX as TEMPLATE_SUFFIX

_SYMLINK, _SUBMODULE = "120000", "160000"


def working_tree(top: Path) -> Tree:
    """Files that git knows, and new ones that it does not ignore; those that a sparse checkout leaves out are as git
    knows them.

    Symbolic links are none, as they are none in a revision; nor is what stands in a submodule or another repository.

    Raises:
        DiffInputError: the repository has no working tree.
    """
    patterns = (f"*{SUFFIX}", f"*{TEMPLATE_SUFFIX}")
    try:
        listing = git(
            top, "ls-files", "-z", "-t", "--stage", "--cached", "--others", "--exclude-standard", "--full-name", "--",
            *patterns,
        )  # fmt: skip
    except GitError as error:
        raise DiffInputError(f"{top} has no working tree to compare with: give two revisions") from error
    entries = list(_entries(listing))
    present = {entry.name for entry in entries if _is_file(top / entry.name)}
    tree = files(top, present, "the working tree")
    absent = {entry.name: entry.blob for entry in entries if entry.is_left_out and entry.name not in present}
    if not absent:
        return tree
    read = _Files(top, Blobs(top))
    goldens = {name: blob for name, blob in absent.items() if name.endswith(SUFFIX)}
    texts = {name: read(name, blob).decode("utf-8", "replace") for name, blob in absent.items() if name not in goldens}
    return replace(
        tree, keys={**tree.keys, **goldens}, read=read, templates=Templates({**tree.templates.files, **texts})
    )


@dataclass(frozen=True)
class _Entry:
    name: str
    blob: str = ""  # "" for a file that git does not know
    is_left_out: bool = False


def _entries(listing: bytes) -> Iterator[_Entry]:
    """What `git ls-files -t --stage` says: `H 100644 ID 0<tab>NAME`, or `? NAME` of a file that it does not know."""
    for entry in filter(None, os.fsdecode(listing).split("\0")):
        tag, _, rest = entry.partition(" ")
        if tag == "?":
            yield _Entry(rest)
        else:
            head, _, name = rest.partition("\t")
            mode, blob, _ = head.split(" ")
            yield _Entry(name, blob, tag == "S" and mode not in (_SYMLINK, _SUBMODULE))


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # deleted, though git still knows it
        return False


@dataclass(frozen=True)
class _Files:
    """Reads what is in the working tree, and by the id of its blob what is not."""

    top: Path
    blobs: Blobs

    def __call__(self, name: str, blob: str) -> bytes:
        return self.blobs(name, blob) if blob else (self.top / name).read_bytes()
