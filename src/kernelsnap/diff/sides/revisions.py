"""Reads trees of goldens from git: from a revision, and from the working tree."""

from __future__ import annotations

import os
import stat
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kernelsnap.diff.sides.folders import files, versions_near
from kernelsnap.diff.sides.trees import SUFFIXES, DiffInputError, Tree, folders_above, index_sidecars, recorded_with
from kernelsnap.golden.files import LARGEST, read_bytes, too_large
from kernelsnap.golden.resources import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import Templates
from kernelsnap.shared.git import GitError, GitNotFoundError, git_command, git_environment, run_git

#: How many characters of its id name a commit.
_SHORT = 9
_SYMLINK, _SUBMODULE = "120000", "160000"
_DEEPEN = "git fetch --unshallow (in a workflow, actions/checkout with fetch-depth: 0)"


def repository(below: Path) -> Path:
    """The top of the repository that a folder is in; of a bare one, which has no working tree, its own folder."""
    try:
        if git(below, "rev-parse", "--is-bare-repository") == b"true\n":
            return Path(os.fsdecode(git(below, "rev-parse", "--absolute-git-dir").removesuffix(b"\n")))
        return Path(os.fsdecode(git(below, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
    except GitError as error:
        if "not a git repository" in str(error):
            raise DiffInputError(f"{below} is not in a git repository, so revisions cannot be compared here") from error
        raise DiffInputError(f"{below}: git says: {' '.join(str(error).split())}") from error


def revision(top: Path, name: str, label: str = "") -> Tree:
    """The goldens of a revision, in all folders of the repository; there may be none.

    A report calls it by its label, or else by its name, and by the commit that has this name now.
    """
    commit = commit_of(top, name)
    listing = git(top, "ls-tree", "-r", "-z", "--full-tree", commit).decode("utf-8", "surrogateescape")
    ids: dict[str, dict[str, str]] = {suffix: {} for suffix in SUFFIXES}
    for entry in filter(None, listing.split("\0")):
        head, _, path = entry.partition("\t")
        mode, kind, object_id = head.split(" ")
        suffix = next((suffix for suffix in SUFFIXES if path.endswith(suffix)), None)
        if suffix and kind == "blob" and mode != _SYMLINK:
            ids[suffix][path] = object_id
    blobs, templates, resources = (ids[suffix] for suffix in SUFFIXES)
    read = Blobs(top)
    texts = Templates({path: read(path, blob_id).decode("utf-8", "replace") for path, blob_id in templates.items()})
    versions = partial(recorded_with, folders_above(next(iter(blobs), "")), partial(_text, top, commit))
    short = commit[:_SHORT]
    label = label or name
    label = label if label.startswith(short) else f"{label} ({short})"
    return Tree(label, blobs, read, texts, index_sidecars(resources.items()), versions)


def _text(top: Path, commit: str, path: str) -> str | None:
    content = blob(top, f"{commit}:{path}")
    return None if content is None else content.decode("utf-8", "replace")


def commit_of(top: Path, name: str) -> str:
    """The commit of a name."""
    try:
        # Not NAME^{commit}: of `:/words`, all that follows is what is looked for.
        found = git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", name).decode().strip()
        return git(top, "rev-parse", "--verify", "--quiet", f"{found}^{{commit}}").decode().strip()
    except GitError as error:
        raise DiffInputError(f"{name}: neither a file or folder nor a revision of {top}{_hint(top, name)}") from error


def _hint(top: Path, name: str) -> str:
    """What may be wrong with a name that is no commit's."""
    if is_shallow(top):
        return f", which has only a part of its history: {_DEEPEN}"
    revision, colon, path = name.partition(":")
    return f"; a part of one is named so: kernelsnap diff {revision} -- {path}" if revision and colon and path else ""


def is_shallow(top: Path) -> bool:
    """Whether a clone lacks older commits."""
    return git(top, "rev-parse", "--is-shallow-repository") == b"true\n"


def range_of(text: str, top: Path) -> tuple[Tree, Tree]:
    """Both sides of `old..new`; of `old...new` the old side is their common ancestor. A side left out is HEAD."""
    dots = "..." if "..." in text else ".."
    old, new = (side or "HEAD" for side in text.split(dots, 1))
    if dots == "..":
        return revision(top, old), revision(top, new)
    try:
        base = git(top, "merge-base", commit_of(top, old), commit_of(top, new)).decode().strip()
    except GitError as error:
        why = f" in this clone, which has only a part of its history: {_DEEPEN}" if is_shallow(top) else ""
        raise DiffInputError(f"{text}: the two revisions have no common ancestor{why}") from error
    return revision(top, base, f"where {new} left {old}"), revision(top, new)


def blob(top: Path, prefix: str) -> bytes | None:
    """The content of a blob, by a prefix of its id or as `commit:path`; None where the repository does not have it."""
    try:
        if int(git(top, "cat-file", "-s", prefix)) > LARGEST:
            raise too_large(f"{prefix} (an object of git)")
        return git(top, "cat-file", "blob", prefix)
    except GitError:
        return None


class Blobs:
    """Reads blobs through one `git cat-file` process; starting one for each would take most of the time."""

    def __init__(self, top: Path) -> None:
        """Nothing is started before the first blob is asked for."""
        self._top = top
        self._process: subprocess.Popen[bytes] | None = None

    def __reduce__(self) -> tuple[type[Blobs], tuple[Path]]:
        """Pickled without the running process: every worker has its own."""
        return Blobs, (self._top,)

    def __call__(self, name: str, blob_id: str) -> bytes:
        """The content of a blob."""
        if self._process is None:
            command = [*git_command(self._top), "cat-file", "--batch"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=git_environment()
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{blob_id}\n".encode())
        self._process.stdin.flush()
        head = self._process.stdout.readline().split()  # id, type, size
        if len(head) != 3:
            raise DiffInputError(f"git has lost the object {blob_id}: is the clone partial or damaged?")
        if int(head[2]) > LARGEST:
            raise too_large(f"{name} (object {blob_id} of git)")
        content = self._process.stdout.read(int(head[2]))
        self._process.stdout.read(1)
        return content

    def __del__(self) -> None:
        """End the process."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()


def git(folder: Path, *arguments: str) -> bytes:
    """What git prints when it is run in a folder. Raises `GitError` where it refuses."""
    try:
        return run_git(folder, *arguments)
    except GitNotFoundError as error:
        raise DiffInputError("git is not installed, and a revision was asked for") from error


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
        return self.blobs(name, blob) if blob else read_bytes(self.top / name)
