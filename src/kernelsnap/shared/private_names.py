"""Private names of other libraries: where each one is, and in which releases of its library it exists.

kernelsnap reads and replaces parts of torch, triton, pytest, syrupy and pytest-xdist that any release may change. Each
of them is a `Name` in a table, and every use of it goes through that `Name`: a release without it fails with an error
that names it, and `kernelsnap doctor` lists what is missing. The tables are `virtual/private.py`, `virtual/patches.py`
and `virtual/caches.py`, `capture/private.py`, and `plugin/private.py`.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any
from unittest import mock

from packaging.version import Version

from kernelsnap.errors import UnsupportedLibraryError, UnsupportedTorchError, UnsupportedTritonError

_ERRORS = {"torch": UnsupportedTorchError, "triton": UnsupportedTritonError}
# Of pytest's and pytest-xdist's modules: the package that they are installed with.
_PACKAGES = {"_pytest": "pytest", "xdist": "pytest-xdist"}


@dataclass(frozen=True)
class Name:
    """One private name: where it lives (``module`` or ``module:Class``) and in which releases.

    `optional` says why a release may lack it without harm: what only a build with CUDA has, say. `on_instances` marks
    an attribute that only the instances of a class have, because its methods assign it.
    """

    owner: str
    name: str
    since: str | None = None
    until: str | None = None
    optional: str = ""
    on_instances: bool = False

    def __str__(self) -> str:
        """The name as one would write it in Python."""
        return f"{self.owner.replace(':', '.')}.{self.name}"

    @property
    def library(self) -> str:
        """The package that the name belongs to, as pip calls it."""
        module = self.owner.partition(":")[0].partition(".")[0]
        return _PACKAGES.get(module, module)

    def exists_in(self, release: Version) -> bool:
        """Whether this release of the library has the name: from `since` on and before `until`."""
        return (self.since is None or release >= Version(self.since)) and (
            self.until is None or release < Version(self.until)
        )

    def find_owner(self) -> Any:
        """The module, class or object that the name lives in. Raises the error of `missing` where there is none."""
        module, _, path = self.owner.partition(":")
        try:
            found = importlib.import_module(module)
            for part in path.split(".") if path else ():
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise missing(self) from error
        return found

    def get(self) -> Any:
        """What the name stands for now. Raises the error of `missing` where it stands for nothing."""
        owner = self.find_owner()
        try:
            return getattr(owner, self.name)
        except AttributeError as error:
            if not inspect.ismodule(owner):
                raise missing(self) from error
        try:
            return importlib.import_module(f"{owner.__name__}.{self.name}")
        except ImportError as error:
            raise missing(self) from error

    def of(self, instance: Any) -> Any:
        """The attribute of this name on an instance of the owner. Raises the error of `missing` where it has none."""
        try:
            return getattr(instance, self.name)
        except AttributeError as error:
            raise missing(self) from error

    @contextlib.contextmanager
    def replaced(self, value: object) -> Iterator[None]:
        """Let the name stand for another value inside the block. Raises the error of `missing` before it begins."""
        self.get()
        with mock.patch.object(self.find_owner(), self.name, value):
            yield

    def is_there(self) -> bool:
        """Whether the installed library has the name."""
        try:
            if not self.on_instances:
                self.get()
                return True
            owner = self.find_owner()
        except UnsupportedLibraryError:
            return False
        return hasattr(owner, self.name) or any(_assigns(cls, self.name) for cls in inspect.getmro(owner))


@functools.cache
def _assigns(cls: type, name: str) -> bool:
    """Whether a class declares an attribute, or one of its methods assigns it."""
    return name in vars(cls).get("__annotations__", {}) or any(
        step.opname == "STORE_ATTR" and step.argval == name
        for function in vars(cls).values()
        if inspect.isfunction(function)
        for step in dis.get_instructions(inspect.unwrap(function))
    )


def release_of(library: str) -> Version:
    """The installed release without local and development parts: 2.13.0 for torch ``2.13.0+cpu`` and its nightlies."""
    return Version(Version(_version(library)).base_version)


def _version(library: str) -> str:
    if library in _ERRORS:
        return str(importlib.import_module(library).__version__)
    return metadata.version(library)


def missing(name: Name) -> UnsupportedLibraryError:
    """The error for a name that the installed library does not have."""
    try:
        version = _version(name.library)
    except ImportError:
        version = "(not installed)"
    return _ERRORS.get(name.library, UnsupportedLibraryError)(
        f"{name.library} {version} has no {name}, which kernelsnap uses: this {name.library} is not supported yet"
    )


def require(*names: Name) -> None:
    """Raise the error of `missing` for the first of these names that the installed library lacks.

    For attributes of objects, which are reached without their `Name`: before anything begins, not in the middle.
    """
    for name in names:
        if is_missing(name):
            raise missing(name)


def is_missing(name: Name) -> bool:
    """Whether the installed release should have the name and lacks it."""
    try:
        expected = name.exists_in(release_of(name.library))
    except ImportError:
        return False  # a library that is not installed at all
    return expected and not name.optional and not name.is_there()


def names_in(table: Mapping[str, object]) -> Iterator[Name]:
    """The names among the variables of a module, alone or in tuples."""
    for value in table.values():
        if isinstance(value, Name):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Name))


def listed(names: Iterable[Name]) -> list[dict[str, Any]]:
    """Each name once, sorted, with what `kernelsnap doctor` reports of it: its library, and whether it is there."""
    return [
        {
            "library": name.library,
            "name": str(name),
            "note": _note(name),
            "missing": is_missing(name),
            "absent": bool(name.optional) and not name.is_there(),
        }
        for name in sorted({str(name): name for name in names}.values(), key=str)
    ]


def _note(name: Name) -> str:
    """In which releases a name is, and why it may be missing."""
    releases = [f"{word} {release}" for word, release in (("since", name.since), ("until", name.until)) if release]
    return ", ".join([*releases, *([name.optional] if name.optional else [])])
