"""Make the labelled pairs of goldens of tests/data/diff_pairs again: two captures that really differ in one thing.

    python tools/make_diff_pairs.py FOLDER [PAIR ...]     with torch 2.13.0
    python tools/make_diff_pairs.py FOLDER [PAIR ...]     with torch 2.14.1: makes the sides that need it
    python tools/make_diff_pairs.py FOLDER --compare      which of the pairs made are not those of the archive
    python tools/make_diff_pairs.py FOLDER --pack         into tests/data/diff_pairs/pairs.tar.xz

A PAIR may have wildcards: `third-*`. What each is made from, and what a careful reviewer says of it, is in
tests/data/diff_pairs/labels.toml, written by hand; docs/contributing/labelling.md says how.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
import torch._dynamo.config as dynamo
import torch._functorch.config as functorch

from diff_pairs.sides import PAIRS, Side, labelled_sides
from kernelsnap import capture, virtual_device
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render

ARCHIVE = PAIRS / "pairs.tar.xz"


def golden_text(side: Side, case: str) -> str:
    """What one side generates, with the compiler's reasons."""
    groups: dict[str, dict[str, Any]] = {"functorch": {}, "dynamo": {}, "torch": {}, "": {}}
    for name, value in side.settings.items():
        group, _, short = name.partition(".")
        known = group in groups
        groups[group if known else ""][short if known else name] = value
    torch.manual_seed(0)
    with ExitStack() as stack:
        stack.enter_context(virtual_device(side.target))
        stack.enter_context(functorch.patch(groups["functorch"]))
        stack.enter_context(dynamo.patch(groups["dynamo"]))
        stack.enter_context(_switched(**groups["torch"]))
        function, arguments, *options = side.make()
        captured = capture(function, *arguments, **dict(*options), config=groups[""], allow_no_kernels=True)
    return render(build_golden(captured, case))


@contextmanager
def _switched(float32_matmul_precision: str = "highest", deterministic_algorithms: bool = False) -> Iterator[None]:
    """The switches of torch as a whole, and afterwards as they are by default."""
    torch.set_float32_matmul_precision(float32_matmul_precision)
    torch.use_deterministic_algorithms(deterministic_algorithms)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.use_deterministic_algorithms(False)


def make(pairs: dict[str, tuple[Side, Side]], folder: Path) -> int:
    """Write every side of this torch; the number of those that failed."""
    failed = 0
    made: dict[str, str] = {}
    for name, sides in pairs.items():
        for which, side in zip(("old", "new"), sides, strict=True):
            path = folder / name / f"{which}.ksnap"
            if torch.__version__.partition("+")[0] != side.torch or path.exists():
                continue
            try:
                if str(side) not in made:
                    made[str(side)] = golden_text(side, "CASE")
            except Exception:
                failed += 1
                print(f"{name} {which}: {traceback.format_exc().strip().splitlines()[-1]}", flush=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[str(side)].replace("\ncase CASE\n", f"\ncase pairs::{name}\n", 1))
    return failed


def compare(folder: Path) -> int:
    """Print the sides that are not those of the archive; their number."""
    with tarfile.open(ARCHIVE) as archive:
        stored = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    made = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.glob("*/*.ksnap"))}
    others = [name for name, content in made.items() if stored.get(name) != content]
    print("\n".join([*others, f"{len(made) - len(others)} of {len(made)} are the same"]))
    return len(others)


def pack(pairs: dict[str, tuple[Side, Side]], folder: Path) -> None:
    """All pairs that are labelled, in one archive that has the same bytes each time."""
    with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
        for name in sorted(pairs):
            for path in sorted((folder / name).glob("*.ksnap")):
                content = path.read_bytes()
                entry = tarfile.TarInfo(f"{name}/{path.name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    print(f"{ARCHIVE}: {ARCHIVE.stat().st_size} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pairs", metavar="PAIR", nargs="*")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--pack", action="store_true")
    options = parser.parse_args()
    wanted = options.pairs or ["*"]
    chosen = {n: sides for n, sides in labelled_sides().items() if any(fnmatch(n, pattern) for pattern in wanted)}
    if options.pack:
        pack(chosen, options.folder)
    elif options.compare:
        sys.exit(bool(compare(options.folder)))
    else:
        sys.exit(bool(make(chosen, options.folder)))
