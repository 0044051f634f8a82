"""Sidecars of goldens: the resources files next to them, which become the last layer of their text in a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden.format import UNREADABLE, parse, render
from kernelsnap.golden.resources_format import parse_resources
from kernelsnap.golden.resources_store import SUFFIX, named_like
from kernelsnap.golden.store import SUFFIX as GOLDEN_SUFFIX
from kernelsnap.model.golden import RESOURCES, Golden
from kernelsnap.model.resources import Resources

#: The keys to read resources files by: by the stem that a file shares with its golden, then by target.
Sidecars = Mapping[str, Mapping[str, str | bytes]]


def stem_of(path: str) -> str:
    """What the paths of all files of a case have in common: a path without target and suffix."""
    return path.rpartition(".")[0].rpartition(".")[0]


def target_of(path: str) -> str:
    """The target in the name of a resources file."""
    return path.removesuffix(SUFFIX).rpartition(".")[2]


def index_sidecars(files: Iterable[tuple[str, str | bytes]]) -> Sidecars:
    """The sidecars of a tree, from the paths and keys of its resources files."""
    found: dict[str, dict[str, str | bytes]] = {}
    for path, key in sorted(files, key=lambda item: item[0]):
        found.setdefault(stem_of(path), {})[target_of(path)] = key
    return found


def path_of(stem: str, target: str) -> str:
    """The path of a resources file."""
    return f"{stem}.{target}{SUFFIX}"


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
    except (GoldenFormatError, UnicodeDecodeError, SyntaxError):
        return content
    found = []
    for target in (golden.target, *golden.shared_with):
        if target in files:
            where = path_of(stem_of(name), target)
            try:
                found.append(_read(files[target], where, golden, target))
            except (GoldenFormatError, UnicodeDecodeError) as error:
                reason = f"{where}: not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
                end = f"\n{RESOURCES}\n  {UNREADABLE}  {' '.join(reason.split())}\n\nend\n"
                return content.removesuffix(b"\nend\n") + end.encode()
    resources = tuple(named_like(entry, golden) for entry in found if entry.entries)
    return render(replace(golden, resources=resources)).encode() if resources else content


def _read(content: bytes, where: str, golden: Golden, target: str) -> Resources:
    if b"\r\n" in content:
        raise GoldenFormatError(f"{where}:1: the file has Windows line ends (CRLF)")
    found = parse_resources(content.decode("utf-8"), where)
    if (found.case, found.target) != (golden.case, target):
        raise GoldenFormatError(f"{where}:2: it names {found.case} for {found.target}, and its golden {golden.case}")
    return found


__all__ = ["GOLDEN_SUFFIX", "SUFFIX", "Sidecars", "index_sidecars", "path_of", "stem_of", "target_of", "with_resources"]
