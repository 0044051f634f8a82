"""The goldens of one side of a comparison: a folder, a file, a git revision, the working tree, or one side of a patch.

A tree has the paths of its goldens and reads each of them when it is asked for. Worker processes are given trees and
paths, never contents, so that ten thousand goldens are neither in memory together nor sent from process to process.

Goldens may have sidecars: the resources files next to them, which become the last layer of their text in a comparison.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from kernelsnap.errors import GoldenError, GoldenFormatError, KernelsnapError
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.files import decoded
from kernelsnap.golden.format import UNREADABLE, parse, render
from kernelsnap.golden.resources import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.resources import named_like, parse_resources
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import Templates
from kernelsnap.golden.variants import split_name, stem_of
from kernelsnap.model.golden import RESOURCES, Golden
from kernelsnap.model.resources import Resources

#: What a golden is made of: itself, templates, resources.
SUFFIXES = (SUFFIX, TEMPLATE_SUFFIX, RESOURCES_SUFFIX)


class DiffInputError(KernelsnapError):
    """What is to be compared cannot be found or read."""


def _unknown() -> str:
    return ""


@dataclass(frozen=True)
class Tree:
    """The goldens of one side, by path. It can be pickled, so that workers read for themselves."""

    label: str  # what a report calls it
    # For each path the key that the golden is read by. Where a key is not empty, equal keys mean equal contents.
    keys: Mapping[str, str | bytes]
    read: Callable[[str, Any], bytes] = field(repr=False)  # the content of a path and its key
    templates: Templates = field(default_factory=Templates)
    sidecars: Sidecars = field(default_factory=dict, repr=False)  # the resources files, each with its key
    #: The versions that recorded the goldens, in words: "torch 2.13.0, triton 3.7.1"; "" if they are not known.
    recorded_with: Callable[[], str] = field(default=_unknown, repr=False)

    def content(self, name: str) -> bytes | None:
        """The content of a golden's file; None where there is none."""
        return self.read(name, self.keys[name]) if name in self.keys else None

    def resources(self, name: str) -> dict[str, bytes]:
        """The resources files of a golden, by target."""
        stem = stem_of(name)
        return {target: self.read(path_of(stem, target), key) for target, key in self.sidecars.get(stem, {}).items()}

    def only(self, names: Iterable[str]) -> Tree:
        """The tree without its other paths."""
        keys = {name: self.keys[name] for name in names if name in self.keys}
        stems = {stem_of(name) for name in keys} if self.sidecars else set()
        return replace(self, keys=keys, sidecars={stem: self.sidecars[stem] for stem in stems if stem in self.sidecars})


def nothing(label: str) -> Tree:
    """A tree without goldens, as `/dev/null` is one."""
    return in_memory(label, {})


def in_memory(label: str, contents: Mapping[str, bytes], resources: Mapping[str, bytes] | None = None) -> Tree:
    """Goldens that need no template, and resources files of them, by path."""
    return Tree(label, contents, _kept, sidecars=index_sidecars((resources or {}).items()))


def _kept(_: str, content: bytes) -> bytes:
    return content


def folders_above(golden: str) -> tuple[str, ...]:
    """The folders above a golden in its tree, the nearest first; the tree itself, "", is the last."""
    return tuple("" if str(folder) == "." else str(folder) for folder in PurePosixPath(golden).parents)


def recorded_with(folders: Iterable[str], text: Callable[[str], str | None]) -> str:
    """The versions in the first toolchain file of these folders, in words: "torch 2.13.0, triton 3.7.1".

    Args:
        folders: where the file may be, the nearest to the goldens first.
        text: the text of a file by its path; None where there is none.

    Returns:
        "" where no folder has such a file. A file that cannot be read does not prevent a report: it says so instead.
    """
    # Imported late: to read versions takes as long to load as all that compares goldens, and one report shows them.
    from kernelsnap.golden.toolchain import FILE, parse

    for folder in folders:
        path = f"{folder}/{FILE}" if folder else FILE
        try:
            content = text(path)
            if content is None:
                continue
            return str(parse(content, path))
        except GoldenError:
            return f"{path} cannot be read"
    return ""


#: A golden on both sides: its path, the old content and the new one; None where it does not exist.
Contents = tuple[str, bytes | None, bytes | None]


def digest_without_case(content: bytes) -> bytes:
    """A hash that is equal for two goldens that differ in the name of their test, and in names of the code, only."""
    try:
        golden = parse(content.decode("utf-8"))
    except (GoldenError, UnicodeDecodeError):
        return hashlib.sha256(content).digest()  # which is told elsewhere
    return hashlib.sha256(render(canonical(replace(golden, case="a::a", why=()))).encode()).digest()


#: The keys to read resources files by: by the stem that a file shares with its golden, then by target.
Sidecars = Mapping[str, Mapping[str, str | bytes]]


def target_of(path: str) -> str:
    """The target in the name of a resources file."""
    return split_name(path.rpartition("/")[2].removesuffix(RESOURCES_SUFFIX))[1]


def index_sidecars(files: Iterable[tuple[str, str | bytes]]) -> Sidecars:
    """The sidecars of a tree, from the paths and keys of its resources files."""
    found: dict[str, dict[str, str | bytes]] = {}
    for path, key in sorted(files, key=lambda item: item[0]):
        found.setdefault(stem_of(path), {})[target_of(path)] = key
    return found


def path_of(stem: str, target: str) -> str:
    """The path of a resources file."""
    return f"{stem}.{target}{RESOURCES_SUFFIX}"


def with_resources(name: str, content: bytes, files: Mapping[str, bytes]) -> bytes:
    """A golden with the resources of its targets at its end.

    Args:
        name: the golden's path.
        content: the golden, in format 1.
        files: its resources files, by target; those of targets that it is not for are left out.

    Returns:
        The golden as it is if it cannot be parsed: parsing it will name what is wrong. If a resources file cannot be
        read, or is of another case, a text whose parsing will name that.
    """
    try:
        golden = parse(content.decode("utf-8"), name)
    except (GoldenFormatError, UnicodeDecodeError):
        return content
    found = []
    for target in (golden.target, *golden.shared_with):
        if target in files:
            where = path_of(stem_of(name), target)
            try:
                found.append(_read(files[target], where, golden, target))
            except GoldenFormatError as error:
                # Before the reasons, which come last: they are left out.
                whole = render(replace(golden, why=())).removesuffix("\nend\n")
                return f"{whole}\n{RESOURCES}\n  {UNREADABLE}  {' '.join(str(error).split())}\n\nend\n".encode()
    resources = tuple(named_like(entry, golden) for entry in found if entry.entries)
    return render(replace(golden, resources=resources)).encode() if resources else content


def _read(content: bytes, where: str, golden: Golden, target: str) -> Resources:
    found = parse_resources(decoded(content, where, RESOURCES_SUFFIX), where)
    if (found.case, found.target) != (golden.case, target):
        raise GoldenFormatError(f"{where}:2: it names {found.case} for {found.target}, and its golden {golden.case}")
    return found
