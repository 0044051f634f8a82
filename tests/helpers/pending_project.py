"""A project with goldens and pending ones, made of labelled pairs: nothing is compiled, and no pytest is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import labelled_pairs
from kernelsnap.diff.tree.change import change_of
from kernelsnap.golden.digests import digest_of
from kernelsnap.golden.format import render
from kernelsnap.golden.store import Case, file_name
from kernelsnap.pending.entry import Pending, summary
from kernelsnap.pending.folder import BELOW, CACHE, HEAD, NAME, PENDING, PendingFolder

MODULE = "test_pairs.py"
VERSIONS = {"torch": "2.0", "triton": "2.0"}


def pairs(number: int, largest: int = 12_000) -> list[str]:
    """The first labelled pairs whose goldens are small."""
    sides = labelled_pairs.sides()
    small = (name for name in sorted(sides) if max(map(len, sides[name].values())) < largest)
    return [name for name, _ in zip(small, range(number), strict=False)]


def make_project(root: Path, names: list[str]) -> PendingFolder:
    """Write a golden and a pending golden for each pair; the case is called after it."""
    folder = PendingFolder(root / CACHE / BELOW / NAME, root)
    (root / "goldens/test_pairs").mkdir(parents=True, exist_ok=True)
    (folder.path / PENDING / "test_pairs").mkdir(parents=True, exist_ok=True)
    (root / "goldens/toolchain.toml").write_text('format = 1\ntorch = "1.0"\ntriton = "1.0"\n')
    for name in names:
        case = Case(MODULE, f"test_{name}")
        sides = [replace(golden, case=str(case), shared_with=()) for golden in labelled_pairs.goldens(name)]
        old, new = (render(replace(golden, target=sides[0].target)) for golden in sides)
        path = f"test_pairs/{file_name(case, sides[0].target)}"
        change = change_of(path, old.encode(), new.encode())
        if change is None:
            continue
        entry = Pending(
            MODULE, case.test, "", sides[0].target, "goldens", path, digest_of(new), digest_of(old), path,
            versions=VERSIONS, **summary(change),
        )  # fmt: skip
        (root / "goldens" / path).write_text(old)
        place = folder.text_path(entry)
        place.write_text(new)
        place.with_suffix(HEAD).write_text(entry.to_json())
    return folder
