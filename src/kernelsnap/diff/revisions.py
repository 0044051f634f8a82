"""The goldens of a git revision, of the working tree, and of a patch."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from kernelsnap.diff.beside import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.diff.beside import beside
from kernelsnap.diff.templates import Templates
from kernelsnap.diff.trees import DiffInputError, Tree, above_in_tree, folder
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.template_store import SUFFIX as TEMPLATE_SUFFIX


def repository(below: Path) -> Path:
    """The top of the repository that a folder is in."""
    try:
        return Path(_git(below, "rev-parse", "--show-toplevel").decode().strip())
    except _GitError as error:
        raise DiffInputError(f"{below} is not in a git repository, so revisions cannot be compared here") from error


def revision(top: Path, name: str) -> Tree:
    """The goldens of a revision, all of them wherever in the repository they stand."""
    commit = commit_of(top, name)
    listing = _git(top, "ls-tree", "-r", "-z", "--full-tree", commit).decode("utf-8", "surrogateescape")
    blobs, templates, resources = {}, {}, {}
    for entry in filter(None, listing.split("\0")):
        head, _, path = entry.partition("\t")
        mode, kind, object_id = head.split(" ")
        if kind == "blob" and mode != "120000" and path.endswith(SUFFIX):
            blobs[path] = object_id
        elif kind == "blob" and mode != "120000" and path.endswith(TEMPLATE_SUFFIX):
            templates[path] = object_id
        elif kind == "blob" and mode != "120000" and path.endswith(RESOURCES_SUFFIX):
            resources[path] = object_id
    if not blobs:
        raise DiffInputError(f"{name}: this revision holds no golden (*{SUFFIX})")
    read = _Blobs(top)
    files = {path: read(path, blob_id).decode("utf-8", "replace") for path, blob_id in templates.items()}
    around = above_in_tree(next(iter(blobs)))
    found = beside(resources.items())
    return Tree(name, blobs, read, Templates(files), found, around, partial(_text, top, commit))


def _text(top: Path, commit: str, path: str) -> str | None:
    content = blob(top, f"{commit}:{path}")
    return None if content is None else content.decode("utf-8", "replace")


def commit_of(top: Path, name: str) -> str:
    """The commit that a name stands for."""
    try:
        return _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    except _GitError as error:
        raise DiffInputError(f"{name}: neither a file or folder nor a revision of {top}") from error


def working_tree(top: Path) -> Tree:
    """The goldens as they are in the working tree now."""
    return folder(top)


def range_of(text: str, top: Path) -> tuple[str, str]:
    """The two revisions of `old..new`; `old...new` starts where the two parted. A side left out is HEAD."""
    dots = "..." if "..." in text else ".."
    old, new = (side or "HEAD" for side in text.split(dots, 1))
    commits = commit_of(top, old), commit_of(top, new)
    if dots == "...":
        try:
            return _git(top, "merge-base", *commits).decode().strip(), new
        except _GitError as error:
            raise DiffInputError(f"{text}: the two revisions have no common ancestor") from error
    return old, new


def blob(top: Path, prefix: str) -> bytes | None:
    """The content of a blob, by a prefix of its id or as `commit:path`; None where the repository does not have it."""
    try:
        return _git(top, "cat-file", "blob", prefix)
    except _GitError:
        return None


class _GitError(Exception):
    pass


class _Blobs:
    """Reads blobs through one `git cat-file` process; starting one for each would take most of the time."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._process: subprocess.Popen[bytes] | None = None

    def __reduce__(self) -> tuple[type[_Blobs], tuple[Path]]:
        """Pickled without the running process: every worker has its own."""
        return _Blobs, (self._top,)

    def __call__(self, _: str, blob_id: str) -> bytes:
        """The content of a blob."""
        if self._process is None:
            command = ("git", "-C", str(self._top), "cat-file", "--batch")
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{blob_id}\n".encode())
        self._process.stdin.flush()
        head = self._process.stdout.readline().split()  # id, type, size
        if len(head) != 3:
            raise DiffInputError(f"git has lost the object {blob_id}: is the clone partial or damaged?")
        content = self._process.stdout.read(int(head[2]))
        self._process.stdout.read(1)
        return content

    def __del__(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()


def _git(where: Path, *arguments: str) -> bytes:
    command: Sequence[str] = ("git", "-C", str(where), *arguments)
    try:
        result = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise DiffInputError("git is not installed, and a revision was asked for") from error
    if result.returncode:
        raise _GitError(result.stderr.decode(errors="replace").strip())
    return result.stdout
