"""Make a set of labelled pairs of goldens under tests/data/diff_pairs: two captures that really differ in one thing.

    python tools/make_diff_pairs.py SET FOLDER            with torch 2.13.0
    python tools/make_diff_pairs.py SET FOLDER            with torch 2.14.1: makes the sides that need it
    python tools/make_diff_pairs.py SET FOLDER --pack     into tests/data/diff_pairs/SET/pairs.tar.xz

SET is a module of tools/diff_pairs: `earlier`, ... What a careful reviewer says of each pair stands in
tests/data/diff_pairs/SET/labels.toml, written by hand; docs/contributing/labelling.md says how.
"""

from __future__ import annotations

import argparse
import importlib
import io
import sys
import tarfile
import tomllib
import traceback
from pathlib import Path

import torch
import torch._functorch.config

from diff_pairs.sides import Programs, Side
from kernelsnap import capture, virtual_device
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render

SETS = Path(__file__).parent.parent / "tests" / "data" / "diff_pairs"


def golden_text(programs: Programs, side: Side, case: str) -> str:
    """What one side generates."""
    inductor = {name: value for name, value in side.settings.items() if not name.startswith("functorch.")}
    functorch = {name.partition(".")[2]: v for name, v in side.settings.items() if name.startswith("functorch.")}
    torch.manual_seed(0)
    with virtual_device(side.target), torch._functorch.config.patch(functorch):
        function, arguments, options = programs[side.program]()
        captured = capture(function, *arguments, **options, config=inductor, allow_no_kernels=True)
    return render(build_golden(captured, case))


def make(programs: Programs, pairs: dict[str, tuple[Side, Side]], folder: Path) -> int:
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
                    made[str(side)] = golden_text(programs, side, "CASE")
            except Exception:
                failed += 1
                print(f"{name} {which}: {traceback.format_exc().strip().splitlines()[-1]}", flush=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[str(side)].replace("\ncase CASE\n", f"\ncase pairs::{name}\n", 1))
    return failed


def pack(folder: Path, into: Path) -> None:
    """All pairs that are labelled, in one archive that has the same bytes each time."""
    labels = tomllib.loads((into / "labels.toml").read_text())
    packed = into / "pairs.tar.xz"
    with tarfile.open(packed, "w:xz", preset=9) as archive:
        for path in sorted(folder.glob("*/*.ksnap")):
            if path.parent.name not in labels:
                continue
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"{path.parent.name}/{path.name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    print(f"{packed}: {packed.stat().st_size} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pack", action="store_true")
    options = parser.parse_args()
    if options.pack:
        pack(options.folder, SETS / options.set)
    else:
        module = importlib.import_module(f"diff_pairs.{options.set}")
        sys.exit(bool(make(module.PROGRAMS, module.PAIRS, options.folder)))
