"""Where the two sides of a comparison come from: files and folders. Files that are byte-equal are never parsed.

A tree is read a file at a time, where it is needed: worker processes get trees and names, never contents, so ten
thousand goldens are neither in memory together nor sent from process to process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

from kernelsnap.diff.sides.sidecars import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.diff.sides.sidecars import Sidecars, index_sidecars, path_of, stem_of, target_of, with_resources
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.store import SUFFIX, read_text
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import Templates, templates_above

#: What a golden is made of: itself, templates, resources.
SUFFIXES = (SUFFIX, TEMPLATE_SUFFIX, RESOURCES_SUFFIX)
#: So many folders above the one that was named may say what recorded the goldens in it: `goldens/test_fusion` is a
#: folder of `goldens`.
_UP = 3
#: Folders that hold no goldens of anyone's: pytest's cache has those that failed.
_SKIPPED = (".git", ".pytest_cache")


class DiffInputError(KernelsnapError):
    """What is to be compared cannot be found or read."""


def _nothing(_: str) -> None:
    return None


@dataclass(frozen=True)
class Tree:
    """The goldens of one side, by path. It can be pickled: workers read for themselves."""

    label: str
    keys: Mapping[str, str | bytes]  # path: what tells two contents apart without reading them; "" if only reading does
    read: Callable[[str, Any], bytes] = field(repr=False)  # from a path and its key
    templates: Templates = field(default_factory=Templates)
    sidecars: Sidecars = field(default_factory=dict, repr=False)  # the resources files, each with its key
    around: tuple[str, ...] = ()  # folders where it may be said what recorded the goldens, the nearest first
    text: Callable[[str], str | None] = field(default=_nothing, repr=False)  # what stands at a path in these folders

    def content(self, name: str) -> bytes | None:
        """What stands at a path; None where nothing does."""
        return self.read(name, self.keys[name]) if name in self.keys else None

    def resources(self, name: str) -> dict[str, bytes]:
        """The resources files beside a golden, by target."""
        stem = stem_of(name)
        return {target: self.read(path_of(stem, target), key) for target, key in self.sidecars.get(stem, {}).items()}

    def recorded_with(self) -> str:
        """The versions that recorded the goldens, in words: "torch 2.13.0, triton 3.7.1"; "" if nothing says so."""
        # Imported late: to read versions takes as long to load as all that compares goldens, and one report shows them.
        from kernelsnap.diff.sides.recorded import recorded_with

        return recorded_with(self.around, self.text)

    def only(self, names: Iterable[str]) -> Tree:
        """The tree without its other paths."""
        keys = {name: self.keys[name] for name in names if name in self.keys}
        stems = {stem_of(name) for name in keys} if self.sidecars else set()
        return replace(self, keys=keys, sidecars={stem: self.sidecars[stem] for stem in stems if stem in self.sidecars})


#: A file on both sides: its path, the old content and the new one; None where it does not exist.
Contents = tuple[str, bytes | None, bytes | None]


def digest_without_case(content: bytes) -> bytes:
    """A hash that is equal for two goldens that differ in nothing except the name of their test."""
    # The line that names the test is above the first empty line.
    head, _, rest = content.partition(b"\n\n")
    kept = [line for line in head.split(b"\n") if not line.startswith(b"case ")]
    return hashlib.sha256(b"\n".join([*kept, b"", rest])).digest()


def folder(path: Path, label: str = "") -> Tree:
    """The goldens below a folder, which a report calls by its path or by a label."""
    found = list(_names(str(path), ""))
    if not any(name.endswith(SUFFIX) for name in found):
        raise DiffInputError(f"{path}: there is no golden (*{SUFFIX}) below this folder")
    return files(path, found, label or str(path))


def files(path: Path, found: Iterable[str], label: str) -> Tree:
    """The goldens among some files below a folder, with the resources and templates among them and templates above."""
    root = str(path)
    ordered = sorted(found)
    names = dict.fromkeys((name for name in ordered if name.endswith(SUFFIX)), "")
    below = [name for name in ordered if name.endswith(TEMPLATE_SUFFIX)]
    texts = {name: _read(f"{root}/{name}").decode("utf-8", "replace") for name in below}
    templates = Templates(templates_above(path) | texts)
    resources = index_sidecars((name, "") for name in ordered if name.endswith(RESOURCES_SUFFIX))
    around = folders_around(path, next(iter(names), ""))
    return Tree(label, names, partial(_read_below, root), templates, resources, around, text_of)


def single(path: Path, name: str) -> Tree:
    """One golden, under a name that both sides share."""
    templates = Templates(templates_above(path.parent))
    own = stem_of(path.name)
    near = (file for file in path.parent.iterdir() if file.name.endswith(RESOURCES_SUFFIX))
    mine = (file for file in near if stem_of(file.name) == own)
    found = index_sidecars((path_of(stem_of(name), target_of(file.name)), str(file)) for file in mine)
    around = folders_around(path.parent)
    return Tree(str(path), {name: ""}, partial(_read_only, str(path)), templates, found, around, text_of)


def nothing(label: str) -> Tree:
    """No golden: what `/dev/null` stands for."""
    return in_memory(label, {})


def in_memory(label: str, contents: Mapping[str, bytes], resources: Mapping[str, bytes] | None = None) -> Tree:
    """Goldens that are not in files and leave nothing out, and resources files of theirs, by path."""
    return Tree(label, contents, _kept, sidecars=index_sidecars((resources or {}).items()))


def above_in_tree(golden: str) -> tuple[str, ...]:
    """The folders above a golden in its tree, the nearest first; the tree itself, "", is the last."""
    return tuple("" if str(folder) == "." else str(folder) for folder in PurePosixPath(golden).parents)


def folders_around(path: Path, golden: str = "") -> tuple[str, ...]:
    """The folders between a folder and a golden in it, the nearest to the golden first, the folder, and some above."""
    inside = (str(path / each) for each in above_in_tree(golden)[:-1])
    return (*inside, str(path), *map(str, path.resolve().parents[:_UP]))


def text_of(path: str) -> str | None:
    """What stands in a file; None where there is none."""
    try:
        return read_text(Path(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _names(root: str, below: str) -> Iterator[str]:
    """The goldens below a folder, their templates and their resources files."""
    try:
        entries = list(os.scandir(f"{root}/{below}"))
    except OSError as error:
        raise DiffInputError(f"cannot read {root}/{below}: {error.strerror}") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED:
                yield from _names(root, f"{below}{entry.name}/")
        elif entry.name.endswith(SUFFIXES):
            yield f"{below}{entry.name}"


def _is_below(name: str, place: str) -> bool:
    return place in ("", ".") or name == place or name.startswith(f"{place}/") or fnmatchcase(name, place)


def _kept(_: str, content: bytes) -> bytes:
    return content


def _read_below(root: str, name: str, _: str) -> bytes:
    return _read(f"{root}/{name}")


def _read_only(path: str, _name: str, key: str) -> bytes:
    """One file, whatever the name by which both sides know it; or the one that its key is the path of."""
    return _read(key or path)


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


@dataclass(frozen=True)
class Sides(Mapping[str, Contents]):
    """Two trees side by side: for each path that either has, what stands there on both sides; read when asked for.

    Contents are whole: what a golden leaves to the templates of its tree stands in it, and so do the resources that
    stand in files beside it.
    """

    old: Tree
    new: Tree

    @cached_property
    def _same_templates(self) -> bool:
        return self.old.templates == self.new.templates

    def __getitem__(self, name: str) -> Contents:
        """Both contents of one path."""
        if name not in self.old.keys and name not in self.new.keys:
            raise KeyError(name)
        return self._whole(name, self.old.content(name), self.new.content(name))

    def _whole(self, name: str, old: bytes | None, new: bytes | None) -> Contents:
        whole = (side.templates.whole(name, found) for side, found in ((self.old, old), (self.new, new)))
        before, after = (
            found and with_resources(name, found, near) if (near := side.resources(name)) else found
            for side, found in zip((self.old, self.new), whole, strict=True)
        )
        return name, before, after

    def __iter__(self) -> Iterator[str]:
        """The paths, sorted."""
        return iter(sorted({*self.old.keys, *self.new.keys}))

    def __len__(self) -> int:
        """How many paths there are."""
        return len({*self.old.keys, *self.new.keys})

    def may_differ(self) -> Iterator[str]:
        """The paths, sorted, without those whose contents are known to be equal without reading them."""
        for name in self:
            ids = self.old.keys.get(name), self.new.keys.get(name)
            if not ids[0] or ids[0] != ids[1] or not self._same_templates or not self._same_sidecars(name):
                yield name

    def _same_sidecars(self, name: str) -> bool:
        stem = stem_of(name)
        return self.old.sidecars.get(stem) == self.new.sidecars.get(stem)

    @property
    def with_resources(self) -> frozenset[str]:
        """The paths that have resources files on both sides."""
        stems = self.old.sidecars.keys() & self.new.sidecars.keys()
        return frozenset(name for name in self if stem_of(name) in stems) if stems else frozenset()

    def only(self, names: Sequence[str]) -> Sides:
        """Both trees without their other paths."""
        return Sides(self.old.only(names), self.new.only(names))

    def below(self, places: Sequence[str]) -> Sides:
        """Both trees without what stands elsewhere; a place is a path of a golden or of a folder, or a pattern of one.

        Raises:
            DiffInputError: a place holds no golden.
        """
        names: dict[str, list[str]] = {place: [name for name in self if _is_below(name, place)] for place in places}
        for place, found in names.items():
            if not found:
                raise DiffInputError(f"{place}: neither side has a golden (*{SUFFIX}) there")
        return self.only([name for found in names.values() for name in found])

    def differing(self, name: str) -> Contents | None:
        """Both contents of one path; None where they are byte-equal, templates included."""
        old, new = self.old.content(name), self.new.content(name)
        same_beside = self.old.resources(name) == self.new.resources(name)
        if old == new and self._same_templates and same_beside:
            return None
        found = self._whole(name, old, new)
        return None if found[1] == found[2] else found
