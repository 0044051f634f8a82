"""Which installed package a Python file belongs to, from what installers leave behind (`importlib.metadata`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata
from importlib.metadata import Distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from kernelsnap.shared.data_files import parsed_json, parsed_toml


def installed_version(name: str) -> str:
    """The version of a package that is imported here; "" where there is none."""
    return _version(name, metadata.version)


# It stays the same while a process runs, and reading it takes milliseconds: a run asks for each golden. By the function
# that reads it, too, because that may be replaced.
@cache
def _version(name: str, read: Callable[[str], str]) -> str:
    try:
        return _public(read(name))
    except metadata.PackageNotFoundError:
        return ""


def packages_of(files: Iterable[str], project: Path) -> dict[str, str]:
    """The installed packages that these Python files belong to, by name, with their versions.

    Files of the project itself belong to none, and neither does the project where it is installed, as a copy or in
    place; what is not installed (the standard library, text given to `exec`) belongs to none.
    """
    own = _names_of(project)
    found = {}
    for file in files:
        for name, version in _owners(file):
            if name not in own:
                found[name] = version
    return dict(sorted(found.items()))


def _public(version: str) -> str:
    """A version without what tells builds of it apart: 2.13.0 for 2.13.0+cpu."""
    try:
        return Version(version).public
    except InvalidVersion:
        return ""


@cache
def _names_of(project: Path) -> frozenset[str]:
    """What the project in a folder is installed as."""
    names = {_name(found) for found in metadata.distributions() if _source(found) == project.resolve()}
    try:
        named = parsed_toml((project / "pyproject.toml").read_text(encoding="utf-8")).get("project", {}).get("name")
    except (OSError, ValueError):
        named = None
    return frozenset(names | ({canonicalize_name(named)} if isinstance(named, str) else set()))


@cache
def _owners(file: str) -> tuple[tuple[str, str], ...]:
    """The name and version of each package that claims a file: one, unless two installed the same file."""
    path = Path(file)
    sites, sources = _sites(), _installed_in_place()
    # The innermost: an environment is often inside the sources of what is installed in place there.
    folder = max(
        (it for it in {*sites, *sources} if path.is_relative_to(it)), key=lambda it: len(it.parts), default=None
    )
    if folder is None:
        return ()
    relative = path.relative_to(folder)
    claiming = sites.get(folder, {}).get(relative.parts[0].partition(".")[0], [])
    if len(claiming) > 1:  # parts of one namespace
        claiming = [found for found in claiming if relative.as_posix() in map(str, found.files or ())]
    if not claiming and folder in sources:
        claiming = [sources[folder]]
    return tuple((_name(found), _public(found.version)) for found in claiming)


@cache
def _sites() -> dict[Path, dict[str, list[Distribution]]]:
    """The packages in each folder that one imports from, by the names of the modules that they bring."""
    sites: dict[Path, dict[str, list[Distribution]]] = defaultdict(lambda: defaultdict(list))
    for found in metadata.distributions():
        for top in _tops(found):
            sites[Path(str(found.locate_file("")))][top].append(found)
    return sites


def _tops(distribution: Distribution) -> set[str]:
    # top_level.txt is of setuptools; other builders leave the list of files alone. Its text is read here, because
    # `Distribution.files` takes a second for all that comes with torch.
    tops = set((distribution.read_text("top_level.txt") or "").split())
    if tops:
        return tops
    # transformers/models/bert/modeling_bert.py,sha256=...,12345
    files = (line.partition(",")[0].strip('"') for line in (distribution.read_text("RECORD") or "").splitlines())
    return {file.partition("/")[0].removesuffix(".py") for file in files if file.endswith(".py")}


@cache
def _installed_in_place() -> dict[Path, Distribution]:
    """The packages that are imported from the folders of their sources (`pip install -e`)."""
    return {source: each for each in metadata.distributions() if (source := _source(each, editable=True))}


def _source(distribution: Distribution, *, editable: bool = False) -> Path | None:
    """The folder that a package was installed from; None where it came from an index or an archive."""
    try:
        origin = parsed_json(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return None
    folder = origin.get("dir_info")
    if folder is None or (editable and not folder.get("editable")):
        return None
    return Path(unquote(urlsplit(origin.get("url", "")).path)).resolve()


def _name(distribution: Distribution) -> str:
    return canonicalize_name(distribution.name)
