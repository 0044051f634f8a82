"""How long it takes to compare many goldens: 10,000 that changed, 10,000 that did not; and large ones.

    python tools/benchmark_diff.py [--pairs 10000]

The pairs are made from the corpus: every copy of a golden has a number of its own in each kernel, so that no two
copies share a kernel's text, and one line of one kernel differs between the two sides, in one of several ways. Limits:
30 s and 1 GiB, all processes together, for those that changed, rendered for a terminal, in Markdown and as JSON; three
times `git diff --no-index --stat` for those that did not; a minute for one with a kernel of 20,000 lines. How long it
takes to match the kernels of deep models that are all of another type is printed side by side, without a limit.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kernelsnap.diff.match import similarity
from kernelsnap.diff.match.pairs import match
from kernelsnap.golden.store import golden_files, golden_text
from repeated_layers import in_another_type, repeated

ROOT = Path(__file__).parent.parent
KERNELSNAP = (sys.executable, "-m", "kernelsnap", "diff")


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


def mebibytes(process: int) -> float:
    """The memory of a process and its children, pages that several share counted once; 0 when it has ended."""
    total = 0
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for each in (process, *children):
            rows = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
            total += next(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    except (OSError, StopIteration):
        pass
    return total / 1024


def matching() -> None:
    """Twice the kernels, how many times as long; and where every pair of them is looked at instead."""
    before = 0.0
    for layers in (12, 25, 50, 100, 200):
        old = repeated(layers)
        new = in_another_type(old)
        start = time.perf_counter()
        match(old, new)
        seconds = time.perf_counter() - start
        grown = f", {seconds / before:.1f} times the half of them" if before else ""
        print(f"{len(old.config)} kernels of another type: matched in {seconds:.2f} s{grown}")
        before = seconds
        if layers == 50:
            usual, similarity.CLOSEST = similarity.CLOSEST, 10**9
            start = time.perf_counter()
            match(old, new)
            print(f"  every pair of them looked at: {(time.perf_counter() - start) / seconds:.1f} times as long")
            similarity.CLOSEST = usual


def main() -> int:
    """Run all; 1 if a limit is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=10_000)
    pairs = parser.parse_args().pairs
    broken = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / "changed", pairs, change=True)
        reports = ("--markdown", f"{folder}/report.md", "--json", f"{folder}/report.json")
        start = time.perf_counter()
        with subprocess.Popen(
            (*KERNELSNAP, f"{folder}/changed/old", f"{folder}/changed/new", *reports), stdout=subprocess.DEVNULL
        ) as process:
            memory = 0.0
            while process.poll() is None:
                memory = max(memory, mebibytes(process.pid))
                time.sleep(0.1)
        seconds, status = time.perf_counter() - start, process.returncode
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime
        print(f"{pairs} pairs that changed: {seconds:.1f} s ({cpu:.1f} s of processors), {memory:.0f} MiB")
        print(f"  status {status}, load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
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
    matching()
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
