"""The goldens of a case in the user's goldens folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kernelsnap.bisect.observe import Observation, texts_of
from kernelsnap.golden.format import parse
from kernelsnap.golden.store import golden_files, golden_text


def stored_goldens(folder: Path, seen: Observation) -> Observation | None:
    """The stored goldens of what an observation holds; None where one of them is missing."""
    texts = texts_of(parse(golden_text(path), str(path)) for path in stored_files(folder, seen))
    found = {name: text for name, text in texts.items() if name in seen.goldens}
    return Observation(found) if found and set(found) == set(seen.goldens) else None


def stored_files(folder: Path, seen: Observation) -> list[Path]:
    """The files of the cases that an observation holds."""
    cases = {seen.golden(name).case for name in seen.goldens}
    return [path for path in golden_files(folder) if _case(path) in cases]


def _case(path: Path) -> str:
    """The case that the second line of a golden names; the rest is not read."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines: Iterator[str] = (file.readline() for _ in range(2))
        return list(lines)[1].rstrip("\n").removeprefix("case ")
