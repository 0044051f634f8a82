"""How long it takes to estimate the cost of 10,000 goldens.

    python tools/benchmark_cost.py [--goldens 10000]

The goldens are copies of the corpus. Every copy has a line of its own in each kernel, so that no two copies share a
kernel's text, and nothing that was estimated before helps. Limits: three minutes and 1 GiB, all processes together.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from benchmark_diff import ROOT, own
from kernelsnap.golden.store import golden_files, golden_text

_SECONDS, _KIB = 180, 1 << 20


def main() -> int:
    """Make the goldens, estimate them with the command, and print time and memory against their limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goldens", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _make(Path(folder), options.goldens)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        command = (sys.executable, "-m", "kernelsnap", "cost", folder)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.monotonic() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    limit = _SECONDS * options.goldens / 10_000
    counted = next(line for line in done.stdout.splitlines() if "kernels and calls of" in line)
    print(f"{counted}: {seconds:.1f} s ({processor:.1f} s of processor time), limit {limit:.0f} s")
    print(f"the largest process has {used.ru_maxrss / 1024:.0f} MiB")
    return int(seconds > limit or used.ru_maxrss > _KIB // 2)


def _make(folder: Path, number: int) -> None:
    sources = sorted(golden_files(ROOT / "goldens"))
    texts = {path: golden_text(path) for path in sources}
    for index, path in enumerate(islice(cycle(sources), number)):
        place = folder / f"copy{index // len(sources)}" / path.relative_to(ROOT / "goldens")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(own(texts[path], index), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
