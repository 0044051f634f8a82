"""Captures many functions in one process: its memory must stay flat, and nothing may be left in the temporary folder.

    python tools/attack/captures.py 1000

Forward and backward of functions of several shapes, one after the other. The memory after the first tenth, in which
caches fill, is compared with that of the last.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from pathlib import Path

#: What may come on top of the memory after the first tenth: a part of it. What leaks for each capture is more.
MOST = 0.10


def resident() -> int:
    """The memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    """Capture, and print the memory; 1 if it grew, or something was left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("times", type=int)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as folder:
        # Of torch itself: one folder, which every process of a user has in common.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        os.environ["TMPDIR"] = tempfile.tempdir = folder

        import torch
        from torch.nn import functional

        from kernelsnap import capture
        from kernelsnap.golden.build import build_golden
        from kernelsnap.golden.format import render
        from kernelsnap.targets.lookup import TARGETS
        from kernelsnap.virtual import virtual_device

        functions = (
            lambda x, w: functional.layer_norm(x, x.shape[-1:]).softmax(-1) * w,
            lambda x, w: functional.gelu(x @ w.T).sum(-1),
            lambda x, w: torch.cat([x.sin(), w.cos()]).cumsum(0),
        )
        memory, texts = [], set()
        with virtual_device(TARGETS["h100"]):
            for number in range(times):
                rows = 64 + 8 * (number % 10)
                x = torch.randn(rows, 128, device="cuda", requires_grad=True)
                w = torch.randn(rows, 128, device="cuda", requires_grad=True)
                found = capture(functions[number % 3], x, w, backward=True)
                texts.add(render(build_golden(found, f"test.py::test_{number % 30}")))
                if number % max(1, times // 20) == 0 or number == times - 1:
                    gc.collect()
                    memory.append(resident())
                    sys.stdout.write(f"{number + 1:6} captures, {memory[-1] >> 20} MiB\n")
                    sys.stdout.flush()
        left = sorted(path.name for path in Path(folder).iterdir())
        grown = memory[-1] / memory[len(memory) // 10] - 1
    sys.stdout.write(f"{len(texts)} different goldens of {min(times, 30)}; memory grew by {grown:.1%} ")
    sys.stdout.write(f"since the first tenth; left in the temporary folder: {', '.join(left) or 'nothing'}\n")
    return int(len(texts) != min(times, 30) or grown > MOST or bool(left))


if __name__ == "__main__":
    sys.exit(main())
