"""The goldens of this repository, each read and parsed once for all tests of a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kernelsnap.golden.format import parse
from kernelsnap.golden.store import golden_text
from kernelsnap.model.golden import Golden

FOLDER = Path(__file__).parents[2] / "goldens"


@cache
def names() -> list[str]:
    """The goldens by their paths below the folder, in order."""
    return sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.ksnap"))


@cache
def text(name: str) -> str:
    """What a golden holds, with what it takes from a template."""
    return golden_text(FOLDER / name)


def texts() -> list[str]:
    """What each golden holds, in the order of their names."""
    return [text(name) for name in names()]


@cache
def golden(name: str) -> Golden:
    """A golden, parsed."""
    return parse(text(name))
