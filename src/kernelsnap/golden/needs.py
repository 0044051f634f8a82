"""Which goldens of a tree need a package, and in which version it was when they were recorded: in few lines.

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
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from packaging.version import InvalidVersion, Version

from kernelsnap.golden import sharing, store

#: Lines about goldens, by the version that they are about.
Lines = Mapping[str, tuple[str, ...]]


def golden_name(own: Path, goldens: Path) -> str:
    """The name of the golden whose target's own file would be this one."""
    return own.relative_to(goldens).as_posix().removesuffix(store.SUFFIX)


def golden_names(path: Path, goldens: Path) -> list[str]:
    """The names of the goldens in a file: one for each target that its head names."""
    case, _, own = golden_name(path, goldens).rpartition(".")
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
    return f"{golden.rpartition('/')[0]}/*", f"{golden.rpartition('.')[0]}.*", golden


def _age(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0")
