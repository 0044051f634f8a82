"""How long it takes to compare many goldens: 10,000 that changed, 10,000 that did not, and one of 20,000 lines.

    python tools/benchmark_diff.py [--pairs 10000]

The pairs are made from the corpus: every copy of a golden has a number of its own in each kernel, so that no two
copies share a kernel's text, and one line of one kernel differs between the two sides, in one of several ways. Limits:
30 s and 1 GiB for those that changed, three times `git diff --no-index --stat` for those that did not.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kernelsnap.golden.store import golden_files, golden_text

ROOT = Path(__file__).parent.parent
KERNELSNAP = (sys.executable, "-m", "kernelsnap.cli", "diff")


def own(text: str, number: int) -> str:
    """The golden as if of other data: a line of its own in every kernel."""
    return text.replace("    @triton.jit\n", f"    COPY = {number}\n    @triton.jit\n")


def edited(text: str, seed: int) -> str:
    """The golden with one change of one line of code."""
    choose = random.Random(seed)
    lines = text.split("\n")
    code = lines.index("code")
    places = [n for n in range(code, len(lines)) if lines[n].startswith("        tmp") and " = " in lines[n]]
    if not places:
        places = [n for n in range(code, len(lines)) if "= empty_strided" in lines[n]] or [code + 3]
    place = choose.choice(places)
    line = lines[place]
    for old, new in choose.sample(
        [("evict_last", "evict_first"), ("xmask", "None"), ("float32", "float16"), ("libdevice", "tl_math")], 4
    ):
        if old in line:
            lines[place] = line.replace(old, new)
            break
    else:
        left, equals, right = line.partition(" = ")
        lines[place] = f"{left}{equals}({right}) + 1.0" if equals else f"{line}"
    return "\n".join(lines)


def make(folder: Path, pairs: int, change: bool) -> None:
    """Two trees of so many goldens each."""
    goldens = (golden_text(path) for path in golden_files(ROOT / "goldens"))
    texts = [text for text in goldens if "\ncode\n" in text]
    for number in range(pairs):
        text = own(texts[number % len(texts)], number)
        for side in ("old", "new"):
            path = folder / side / f"module{number // 100}" / f"case{number}.h100.ksnap"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(edited(text, number) if change and side == "new" else text)


def timed(command: tuple[str, ...]) -> tuple[float, int]:
    """Seconds and exit status."""
    start = time.perf_counter()
    status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    return time.perf_counter() - start, status


def main() -> int:
    """Run all three; 1 if a limit is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=10_000)
    pairs = parser.parse_args().pairs
    broken = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / "changed", pairs, change=True)
        seconds, status = timed((*KERNELSNAP, f"{folder}/changed/old", f"{folder}/changed/new"))
        # The largest process; ru_maxrss counts KiB. Two workers and the parent run at once.
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime
        print(f"{pairs} pairs that changed: {seconds:.1f} s ({cpu:.1f} s of processors), status {status}")
        print(f"  {memory:.0f} MiB in the largest process")
        broken |= status != 1 or seconds > 30 * pairs / 10_000 or memory > 1024
        make(folder / "same", pairs, change=False)
        trees = (f"{folder}/same/old", f"{folder}/same/new")
        git = min(timed(("git", "diff", "--no-index", "--stat", *trees))[0] for _ in range(3))
        seconds, status = min(timed((*KERNELSNAP, *trees)) for _ in range(3))
        print(
            f"{pairs} pairs that did not: {seconds:.2f} s, git {git:.2f} s, ratio {seconds / git:.1f}, status {status}"
        )
        broken |= status != 0 or seconds > 3 * git
        seconds, status = timed((*KERNELSNAP, *long_pair(folder)))
        print(f"a kernel of 20,000 lines: {seconds:.1f} s, status {status}")
        broken |= status != 1 or seconds > 60
    return int(broken)


def long_pair(folder: Path) -> tuple[str, str]:
    """One golden with a kernel of 20,000 lines, and the same with a line inserted every 1,000."""
    text = next((ROOT / "goldens").rglob("*test_horizontal_reduction_pointwise.h100.ksnap")).read_text()
    head, store, rest = text.partition("        tl.store(")
    for side, every in (("old", 0), ("new", 1_000)):
        lines = []
        for number in range(5, 20_000):
            lines.append(f"        tmp{number} = tl_math.sin(tmp{number - 1}) + {number % 7}\n")
            if every and number % every == 0:
                lines.append(f"        tmp{number} = tl.sigmoid(tmp{number})\n")
        (folder / f"{side}.ksnap").write_text(head + "".join(lines) + store + rest)
    return f"{folder}/old.ksnap", f"{folder}/new.ksnap"


if __name__ == "__main__":
    sys.exit(main())
