"""Both sides of a comparison: two trees of goldens, and for each path what they have there, complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from kernelsnap.diff.sides.trees import Contents, DiffInputError, Tree, with_resources
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.variants import stem_of


@dataclass(frozen=True)
class Sides(Mapping[str, Contents]):
    """Two trees: for each path that either has, the contents on both sides, which are read when they are asked for.

    Contents are complete: what a golden takes from a template is in them, and so are the resources of its sidecars.
    Goldens that are equal to the byte are never parsed.
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
        return self._complete(name, self.old.content(name), self.new.content(name))

    def _complete(self, name: str, old: bytes | None, new: bytes | None) -> Contents:
        return name, _complete(self.old, name, old), _complete(self.new, name, new)

    def __iter__(self) -> Iterator[str]:
        """The paths, sorted."""
        return iter(sorted({*self.old.keys, *self.new.keys}))

    def __len__(self) -> int:
        """How many paths there are."""
        return len({*self.old.keys, *self.new.keys})

    def may_differ(self) -> Iterator[str]:
        """The paths, sorted, without those whose contents are known to be equal without reading them."""
        for name in self:
            key = self.old.keys.get(name)
            same_key = bool(key) and key == self.new.keys.get(name)
            if not (same_key and self._same_templates and self._same_sidecars(name)):
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

    def below(self, paths: Sequence[str]) -> Sides:
        """Both trees with nothing but the goldens at these paths, each of a golden or of a folder, or a pattern.

        Raises:
            DiffInputError: there is no golden at one of the paths.
        """
        names: dict[str, list[str]] = {path: [name for name in self if is_below(name, path)] for path in paths}
        for path, found in names.items():
            if not found:
                raise nothing_at(path)
        return self.only([name for found in names.values() for name in found])

    def differing(self, name: str) -> Contents | None:
        """Both contents of one path; None where they are equal to the byte."""
        old, new = self.old.content(name), self.new.content(name)
        same_resources = self.old.resources(name) == self.new.resources(name)
        if old == new and self._same_templates and same_resources:
            return None
        found = self._complete(name, old, new)
        return None if found[1] == found[2] else found


def _complete(tree: Tree, name: str, content: bytes | None) -> bytes | None:
    """The content of a golden's file with what its templates give, and with its resources."""
    unfolded = tree.templates.unfold(name, content)
    resources = tree.resources(name)
    return with_resources(name, unfolded, resources) if unfolded and resources else unfolded


def is_below(name: str, path: str) -> bool:
    """Whether a golden's path is this one, of a golden or of a folder, or matches this pattern."""
    return path in ("", ".") or name == path or name.startswith(f"{path}/") or fnmatchcase(name, path)


def nothing_at(path: str) -> DiffInputError:
    """The error for a path at which nothing is compared."""
    return DiffInputError(f"{path}: neither side has a golden (*{SUFFIX}) there")
