"""The goldens of a case in the user's goldens folder."""

from __future__ import annotations

from pathlib import Path

from kernelsnap.bisect.observe.observe import Observation, texts_of
from kernelsnap.golden.format import parse
from kernelsnap.golden.sharing import head_of
from kernelsnap.golden.store import golden_files, golden_text


def stored_goldens(folder: Path, seen: Observation) -> Observation | None:
    """The stored goldens of what an observation holds; None where one of them is missing.

    Raises:
        GoldenError: one of them cannot be read.
    """
    texts = texts_of(parse(golden_text(path), str(path)) for path in stored_files(folder, seen))
    found = {name: text for name, text in texts.items() if name in seen.goldens}
    return Observation(found) if found and set(found) == set(seen.goldens) else None


def stored_files(folder: Path, seen: Observation) -> list[Path]:
    """The files of the cases that an observation holds."""
    cases = {seen.golden(name).case for name in seen.goldens}
    return [path for path in golden_files(folder) if head_of(path)[0] in cases]
