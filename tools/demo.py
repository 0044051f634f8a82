"""The main job, as a visitor sees it: check goldens of the corpus on a virtual H100, then change one Inductor setting.

    make demo

Left out is what takes longest: all models but one layer, and the FLASH backend of flex attention in all its variants.
`make corpus` checks these as well.

The second part is a real change of generated code: with `max_fusion_size=1` Inductor may not fuse two nodes into one
kernel. The goldens are not touched.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETTING = "max_fusion_size=1"
#: What is checked, for pytest's `-k`: it takes a third of the time of the whole corpus.
QUICK = "not TestFlexFlash and (not ModelTests or (test_layer and llama))"
CASE = "tests/corpus/test_fusion.py::FusionTests::test_horizontal_reduction_pointwise"


def run_pytest(*arguments: str) -> int:
    """Run pytest in the repository, show the command and its output, return its exit status."""
    command = ["pytest", *arguments]
    print(f"\n$ {shlex.join(command)}\n", flush=True)
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode


def main() -> int:
    """Both parts; status 0 if what is checked of the corpus passes and the change is seen."""
    print("1. Goldens of the corpus, compared with what torch.compile generates for an H100. No GPU is used.")
    print("   Whole models and variants of FlashAttention, which take minutes, are left out: `make corpus` checks all.")
    if run_pytest("tests/corpus", "-q", "-n", "2", "--dist", "worksteal", "--no-header", "-k", QUICK):
        print("\nWhat is generated differs from the goldens: see above.")
        return 1
    print(f"\n2. A codegen change: one case again, with torch._inductor.config.{SETTING}. It has to fail, like this:")
    if run_pytest(CASE, "-q", "--no-header", "--color=yes", "--kernelsnap-config", SETTING) != 1:
        print("\nThe change went unseen: that is a defect.")
        return 1
    print("\nThat is the review: what runs now, what it costs, then the code. Nothing was launched or written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
