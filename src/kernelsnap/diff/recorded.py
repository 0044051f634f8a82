"""What a side of a comparison was recorded with, in words: `torch 2.13.0, triton 3.7.1`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from kernelsnap.errors import GoldenError
from kernelsnap.golden.store import read_text
from kernelsnap.golden.toolchain import FILE, parse

#: So many folders above the one that was named are searched: `goldens/test_fusion` is a folder of `goldens`.
_UP = 3


def recorded_with(candidates: Iterable[str], read: Callable[[str], str | None]) -> str:
    """The versions in the first of these files that exists, "" if none does; `read` gives None for one that does not.

    A file that cannot be read is no reason to show no report: it is said instead of the versions.
    """
    for path in candidates:
        try:
            text = read(path)
            if text is None:
                continue
            versions = parse(text, path).versions
        except GoldenError:
            return f"{path} cannot be read"
        return ", ".join(f"{name} {version}" for name, version in versions.items())
    return ""


def above(golden: str) -> Iterator[str]:
    """Where the file of versions of a golden may stand in its tree, the nearest place first."""
    return (str(folder / FILE) for folder in PurePosixPath(golden).parents)


def around(path: Path, golden: str = "") -> str:
    """What the goldens below a folder were recorded with; `golden` is the path of one of them in it."""
    below = [str(path / place) for place in above(golden)] if golden else []
    folders = [path, *path.resolve().parents[:_UP]]
    return recorded_with([*below, *(str(folder / FILE) for folder in folders)], _text)


def _text(path: str) -> str | None:
    try:
        return read_text(Path(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
