"""What a tree of goldens was recorded with, in one file for all of them: `toolchain.toml`.

    # What the goldens in this folder were recorded with. `pytest --snapshot-update` keeps it.
    format = 2
    torch = "2.13.0"
    triton = "3.7.1"

    [packages.transformers]
    "5.23.0" = [
        "test_models/*",
    ]

    [resources]
    ptxas = "12.8.93"
    triton = "3.7.1"
    # end

All goldens depend on torch and triton. `packages` are the others whose code went into goldens, with the goldens that
each went into: while only some of them are recorded again, a package has two versions.
The table `resources` names the compilers of the resources files of the tree, which may be recorded at another time.
Versions are public ones: 2.13.0 for 2.13.0+cpu, because the wheel's variant does not change the code.

A golden is named by the path of its target's own file below the goldens folder, without the ending:
`test_models/ModelTests.test_layer[bert].h100`, whether that file is there or the target shares another one. Of the
lines that are about a golden, the most specific one counts:

    test_models/ModelTests.test_layer[bert].h100     this golden
    test_models/ModelTests.test_layer[bert].*        all targets of the case
    test_models/*                                    all goldens of the test module

So two branches that add goldens to different modules, or to a module whose goldens all need the package, merge without
a conflict.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden import files, sharing, store
from kernelsnap.golden.variants import packages_in, split_name
from kernelsnap.shared.data_files import parsed_toml
from kernelsnap.shared.distributions import installed_version, packages_of

FILE = files.TOOLCHAIN
_FORMAT = 2
# The last line, without which a file was cut off. Format 1 had none.
_END = "# end\n"

_COMMENT = "# What the goldens in this folder were recorded with. `pytest --snapshot-update` keeps it.\n"

#: What every golden depends on, and the names that each is published under, in order of preference.
COMPILERS: Mapping[str, tuple[str, ...]] = {
    "torch": ("torch",),
    "triton": ("triton", "pytorch-triton", "pytorch-triton-rocm"),
}
#: Packages that no file traced by Dynamo belongs to, and the text in a golden that shows that it needs one.
SHOWN: Mapping[str, str] = {
    "flash-attn-4": "flash_attn",
    # Changes the order of an einsum of three and more operands.
    "opt-einsum": "einsum",
}
# Traced now and then, but nothing that is generated depends on their version.
_TOOLS = frozenset(("kernelsnap", "pytest", "pluggy", "syrupy"))


@dataclass(frozen=True)
class Toolchain:
    """The versions of the packages that decide what code is generated, and of what compiles it further."""

    versions: Mapping[str, str] = field(default_factory=dict)  # of what every golden depends on
    resources: Mapping[str, str] = field(default_factory=dict)  # the compilers that the resources files are of
    packages: Mapping[str, Lines] = field(default_factory=dict)  # the others, by name: which goldens need which version

    def packages_of(self, golden: str) -> dict[str, str]:
        """The packages that one golden needs besides torch and triton, and their versions when it was recorded."""
        found = {name: version_for(golden, versions) for name, versions in self._versions.items()}
        return {name: version for name, version in found.items() if version}

    @cached_property
    def _versions(self) -> dict[str, dict[str, str]]:
        """The version in each line about goldens, for each package."""
        return {
            name: {line: version for version, named in lines.items() for line in named}
            for name, lines in self.packages.items()
        }

    def of(self, golden: str) -> dict[str, str]:
        """Everything that one golden was recorded with."""
        return {**({} if is_variant(golden) else self.versions), **self.packages_of(golden)}

    def __str__(self) -> str:
        """What the tree was recorded with, in one line: `torch 2.13.0, triton 3.7.1, transformers 5.23.0`."""
        packages = {name: " and ".join(lines) for name, lines in sorted(self.packages.items())}
        return ", ".join(f"{name} {version}" for name, version in {**self.versions, **packages}.items())

    def with_packages(self, needed: Mapping[str, Mapping[str, str]]) -> Toolchain:
        """The same, with these packages and versions for each golden of the tree."""
        names = sorted({name for packages in needed.values() for name in packages})
        packages = {
            name: compact({golden: its[name] for golden, its in needed.items() if name in its}, needed)
            for name in names
        }
        return replace(self, packages=packages)


def installed() -> dict[str, str]:
    """The versions here of torch, triton and what only a golden's text shows. Imports none of it."""
    versions = {name: version_here(name) for name in (*COMPILERS, *SHOWN)}
    return {name: version for name, version in versions.items() if version}


def version_here(name: str) -> str:
    """The version of a package in this Python environment; "" where there is none."""
    return next(filter(None, map(installed_version, COMPILERS.get(name, (name,)))), "")


def packages_needed(text: str, files: Iterable[str], named: Iterable[str], project: Path) -> dict[str, str]:
    """The packages besides torch and triton whose code is in a golden, with their versions here.

    Args:
        text: the golden's own.
        files: the Python files that the golden comes from.
        named: more packages, which the project names.
        project: the folder of the user's project, which is none of them.
    """
    shown = {name: version_here(name) for name in (*named, *(name for name, mark in SHOWN.items() if mark in text))}
    apart = {*_TOOLS, *(name for names in COMPILERS.values() for name in names)}
    found = {**packages_of(files, project), **shown}
    return {name: version for name, version in sorted(found.items()) if version and name not in apart}


def difference(name: str, recorded: str, present: str) -> str:
    """How a package differs from what was recorded, in words; "" where it does not. A missing one has no version."""
    if recorded == present:
        return ""
    if not recorded:
        return f"recorded without {name}, this is {present}"
    return f"recorded with {name} {recorded}, {f'this is {present}' if present else 'which is not installed here'}"


def read(goldens: Path) -> Toolchain | None:
    """The toolchain that a tree of goldens was recorded with; None where none is recorded.

    Raises:
        GoldenFormatError: the file is damaged, in a merge conflict, or of a newer format.
    """
    path = goldens / FILE
    try:
        text = files.read_text(path)
    except FileNotFoundError:
        return None
    return parse(text, str(path))


def parse(text: str, where: str) -> Toolchain:
    """The toolchain in the text of such a file.

    Raises:
        GoldenFormatError: the text is damaged, in a merge conflict, or of a newer format; the message names `where`.
    """
    try:
        content = parsed_toml(text)
    except ValueError as error:
        raise GoldenFormatError(f"{where}: not TOML ({error}); restore it, or take one side of the conflict") from None
    format_ = content.pop("format", None)
    if type(format_) is not int or format_ < 1:
        raise GoldenFormatError(
            f"{where}: it does not begin with `format = {_FORMAT}`; restore it from version control"
        )
    if format_ > _FORMAT:
        raise GoldenFormatError(
            f"{where}: written in format {format_} by a newer kernelsnap; this one reads up to format {_FORMAT}"
        )
    if format_ > 1 and not text.endswith(f"\n{_END}"):
        raise GoldenFormatError(
            f"{where}: the file is cut off: its last line must be `{_END.strip()}`; restore it from version control"
        )
    resources, packages = content.pop("resources", {}), content.pop("packages", {})
    if not isinstance(resources, dict):
        raise GoldenFormatError(f"{where}: expected the table [resources], found resources = {resources!r}")
    for name, version in [*content.items(), *resources.items()]:
        if not isinstance(version, str):
            raise GoldenFormatError(f'{where}: expected `{name} = "version"`, found {version!r}')
    return Toolchain(content, resources, _packages(packages, where))


def _packages(tables: Any, where: str) -> dict[str, Lines]:
    for name, lines in tables.items() if isinstance(tables, dict) else [("NAME", tables)]:
        if not isinstance(lines, dict) or not all(_is_list(named) for named in lines.values()):
            raise GoldenFormatError(
                f'{where}: expected [packages.{name}] with `"version" = ["module/*"]`, found {lines!r}'
            )
        named = [line for version in lines.values() for line in version]
        (line, times), *_ = Counter(named).most_common(1) or [("", 0)]
        if times > 1:
            raise GoldenFormatError(f"{where}: [packages.{name}] has {line} twice; leave it with one version")
    return {name: {version: tuple(named) for version, named in lines.items()} for name, lines in tables.items()}


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def write(goldens: Path, toolchain: Toolchain) -> bool:
    """Record the toolchain of a tree of goldens; whether the file changed."""
    # Imported late: only writing needs it, and `kernelsnap doctor` says where it is missing.
    import tomli_w

    versions = {name: toolchain.versions[name] for name in COMPILERS if name in toolchain.versions}
    content: dict[str, object] = {"format": _FORMAT, **versions}
    if toolchain.packages:
        content["packages"] = {
            name: {version: sorted(named) for version, named in lines.items()}
            for name, lines in sorted(toolchain.packages.items())
        }
    if toolchain.resources:
        content["resources"] = dict(sorted(toolchain.resources.items()))
    return files.write_text(goldens / FILE, _COMMENT + tomli_w.dumps(content) + _END)


#: Lines about goldens, by the version that they are about.
Lines = Mapping[str, tuple[str, ...]]


def golden_name(own: Path, goldens: Path) -> str:
    """The name of the golden whose target's own file would be this one."""
    return own.relative_to(goldens).as_posix().removesuffix(store.SUFFIX)


def is_variant(golden: str) -> bool:
    """Whether a golden, by its name, is for some releases of torch or triton: its name has these, and no file."""
    return bool(packages_in(split_name(golden)[1]))


def golden_names(path: Path, goldens: Path) -> list[str]:
    """The names of the goldens in a file: one for each target that its head names. Raises what `head_of` raises."""
    case, own = split_name(golden_name(path, goldens))
    return [f"{case}.{target}" for target in sharing.head_of(path)[1] or (own,)]


def version_for(golden: str, versions: Mapping[str, str]) -> str:
    """The version that a golden was recorded with, from the version in each line; "" where no line is about it."""
    return next((versions[line] for line in reversed(_lines_about(golden)) if line in versions), "")


def compact(versions: Mapping[str, str], there: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The fewest lines from which `version_for` gives each golden its version again.

    Args:
        versions: the version for each golden that needs the package.
        there: all goldens of the tree.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for version, line in _compact(versions, there, depth=0, inherited=""):
        found[version].append(line)
    return {version: tuple(sorted(found[version])) for version in sorted(found, key=_age)}


def _compact(
    versions: Mapping[str, str], there: Collection[str], depth: int, inherited: str
) -> Iterator[tuple[str, str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for golden in there:
        groups[_lines_about(golden)[depth]].append(golden)
    for line, goldens in groups.items():
        needed = Counter(versions.get(golden, "") for golden in goldens)
        if set(needed) == {inherited}:
            continue
        common = inherited
        if "" not in needed:
            common = max(needed, key=lambda version: (needed[version], _age(version)))
            if common != inherited:
                yield common, line
        if len(needed) > 1:
            yield from _compact(versions, goldens, depth + 1, common)


def _lines_about(golden: str) -> tuple[str, str, str]:
    """The lines that are about a golden, from the least specific on."""
    return f"{golden.rpartition('/')[0]}/*", f"{split_name(golden)[0]}.*", golden


def _age(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0")
