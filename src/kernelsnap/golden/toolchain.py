"""What a tree of goldens was recorded with: `toolchain.toml`, once for all of them.

    # What the goldens in this folder were recorded with. `pytest --snapshot-update` keeps it.
    format = 1
    torch = "2.13.0"
    triton = "3.7.1"

    [resources]
    ptxas = "12.8.93"
    triton = "3.7.1"

The table `resources` says what compiled the resources files of the tree, which may be recorded at another time.
Versions are public ones: 2.13.0 for 2.13.0+cpu, because the wheel's variant does not change the code.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from packaging.version import InvalidVersion, Version

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden import store

FILE = "toolchain.toml"
_FORMAT = 1

_COMMENT = "# What the goldens in this folder were recorded with. `pytest --snapshot-update` keeps it.\n"


@dataclass(frozen=True)
class Package:
    """A package that decides what code is generated."""

    name: str
    distributions: tuple[str, ...]  # the names it is published under, in order of preference
    shows: str = ""  # text in a golden's code that tells the golden needs it; "" if all goldens do


PACKAGES = (
    Package("torch", ("torch",)),
    Package("triton", ("triton", "pytorch-triton", "pytorch-triton-rocm")),
    Package("flash-attn-4", ("flash-attn-4",), shows="flash_attn"),
    # Changes the order of an einsum of three and more operands.
    Package("opt-einsum", ("opt-einsum",), shows="einsum"),
)


@dataclass(frozen=True)
class Toolchain:
    """The versions of the packages that decide what code is generated, and of what compiles it further."""

    versions: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)  # the compilers that the resources files are of

    def only(self, names: Collection[str]) -> Toolchain:
        """The same versions, of these packages only."""
        versions = {name: version for name, version in self.versions.items() if name in names}
        return replace(self, versions=versions)


def installed() -> Toolchain:
    """The toolchain of this Python environment. Imports none of it."""
    versions = {package.name: _version(package) for package in PACKAGES}
    return Toolchain({name: version for name, version in versions.items() if version})


def _version(package: Package) -> str:
    for distribution in package.distributions:
        try:
            return Version(metadata.version(distribution)).public
        except (metadata.PackageNotFoundError, InvalidVersion):
            continue
    return ""


def needed(code: str) -> set[str]:
    """The names of the packages that a golden with this code depends on."""
    return {package.name for package in PACKAGES if package.shows in code}


def read(goldens: Path) -> Toolchain | None:
    """The toolchain that a tree of goldens was recorded with; None where none is recorded.

    Raises:
        GoldenFormatError: the file is damaged, in a merge conflict, or of a newer format.
    """
    path = goldens / FILE
    try:
        text = store.read_text(path)
    except FileNotFoundError:
        return None
    return parse(text, str(path))


def parse(text: str, where: str) -> Toolchain:
    """The toolchain in the text of such a file.

    Raises:
        GoldenFormatError: the text is damaged, in a merge conflict, or of a newer format; the message names `where`.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GoldenFormatError(f"{where}: not TOML ({error}); restore it, or take one side of the conflict") from None
    format_ = content.pop("format", _FORMAT)
    if not isinstance(format_, int) or format_ > _FORMAT:
        raise GoldenFormatError(
            f"{where}: written in format {format_} by a newer kernelsnap; this one reads up to format {_FORMAT}"
        )
    resources = content.pop("resources", {})
    if not isinstance(resources, dict):
        raise GoldenFormatError(f"{where}: expected the table [resources], found resources = {resources!r}")
    for name, version in [*content.items(), *resources.items()]:
        if not isinstance(version, str):
            raise GoldenFormatError(f'{where}: expected `{name} = "version"`, found {version!r}')
    return Toolchain(content, resources)


def write(goldens: Path, toolchain: Toolchain) -> bool:
    """Record the toolchain of a tree of goldens; whether the file changed."""
    # Imported late: only writing needs it, and `kernelsnap doctor` says where it is missing.
    import tomli_w

    order = [package.name for package in PACKAGES]
    versions = {name: toolchain.versions[name] for name in order if name in toolchain.versions}
    content: dict[str, object] = {"format": _FORMAT, **versions}
    if toolchain.resources:
        content["resources"] = dict(sorted(toolchain.resources.items()))
    return store.write_text(goldens / FILE, _COMMENT + tomli_w.dumps(content))


def changed(recorded: Toolchain, present: Toolchain, names: Collection[str]) -> list[str]:
    """Those of the packages whose versions differ."""
    return [
        package.name
        for package in PACKAGES
        if package.name in names and recorded.versions.get(package.name) != present.versions.get(package.name)
    ]


def difference(recorded: Toolchain, present: Toolchain, names: Collection[str]) -> str:
    """One sentence on how two toolchains differ in these packages; "" where they do not."""
    differing = changed(recorded, present, names)
    if not differing:
        return ""
    return f"recorded with {_list(recorded, differing)}; this is {_list(present, differing)}"


def _list(toolchain: Toolchain, names: Collection[str]) -> str:
    return ", ".join(
        f"{name} {toolchain.versions[name]}" if name in toolchain.versions else f"no {name}" for name in names
    )
