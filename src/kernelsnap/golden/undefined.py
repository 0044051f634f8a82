"""Goldens of targets that nobody can ask for: a project's own target, of which goldens stay when its table goes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from kernelsnap.golden import store
from kernelsnap.golden.sharing import head_of
from kernelsnap.targets.lookup import NATIVE, TargetTable

_SHOWN = 3


def undefined_targets(goldens: Path, table: TargetTable) -> tuple[str, ...]:
    """One sentence for each target that goldens below the folder name and the table lacks: which, and what to do.

    Raises:
        GoldenError: a golden cannot be read.
    """
    files: dict[str, list[str]] = {}
    for path in store.golden_files(goldens):
        for name in head_of(path)[1]:
            if name not in table.entries:
                files.setdefault(name, []).append(path.relative_to(goldens).as_posix())
    return tuple(_sentence(name, found) for name, found in sorted(files.items()))


def _sentence(name: str, files: Collection[str]) -> str:
    shown, rest = list(files)[:_SHOWN], len(files) - _SHOWN
    listed = ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
    return (
        f"goldens of the target '{name}', which is neither built in nor defined in pyproject.toml: {listed}. Define "
        f"it ([tool.kernelsnap.targets.{name}]), run such a GPU as {NATIVE}, or take the name out of their third line "
        f"and delete those of no other target"
    )
