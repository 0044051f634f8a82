"""The goldens of a case in the user's goldens folder."""

from __future__ import annotations

from pathlib import Path

from kernelsnap.bisect.observe import Observation
from kernelsnap.golden.store import golden_files, read_text


def stored_goldens(folder: Path, seen: Observation) -> Observation | None:
    """The stored goldens of what an observation holds; None where one of them is missing."""
    found: dict[str, str] = {}
    for path in golden_files(folder):
        with path.open(encoding="utf-8", errors="replace") as file:
            _, case, target = (file.readline().rstrip("\n") for _ in range(3))
        name = f"{case.removeprefix('case ')} {target.removeprefix('target ')}"
        if name in seen.goldens:
            found[name] = read_text(path)
    return Observation(found) if found and set(found) == set(seen.goldens) else None
