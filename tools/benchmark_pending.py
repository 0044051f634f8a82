"""How long it takes to list and to accept 10,000 pending goldens.

    python tools/benchmark_pending.py [--goldens 10000]

The goldens are made from the corpus, one of each target; every one of them has a pending golden in which one line
differs. Limits, on two cores: 1 s for `kernelsnap pending`, 10 s for `kernelsnap accept --all`. TMPDIR says where they
are; where a disk is mounted with `discard`, freeing the files that are replaced takes longer than all else.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark_diff import edited
from kernelsnap.diff.tree.change import change_of
from kernelsnap.golden.digests import digest_of
from kernelsnap.golden.store import Case, file_name, golden_files, golden_text
from kernelsnap.golden.toolchain import FILE
from kernelsnap.pending.entry import Pending, summary
from kernelsnap.pending.folder import BELOW, CACHE, HEAD, NAME, PENDING

ROOT = Path(__file__).parent.parent
MODULE = "test_many.py"


def make(project: Path, number: int) -> None:
    """Write the goldens and what is pending for them."""
    texts = [golden_text(path) for path in golden_files(ROOT / "goldens")]
    texts = [text for text in texts if len(text) < 50_000 and "\ncode\n" in text]
    folder = project / CACHE / BELOW / NAME
    (project / "goldens/test_many").mkdir(parents=True)
    (folder / PENDING / "test_many").mkdir(parents=True)
    (project / "goldens" / FILE).write_text('format = 1\ntorch = "1.0"\ntriton = "1.0"\n')
    changes: dict[int, dict[str, object]] = {}
    for index in range(number):
        case = Case(MODULE, f"test_copy[{index}]")
        head, _, rest = texts[index % len(texts)].partition("\n\n")
        old = f"{head.splitlines()[0]}\ncase {case}\ntarget h100\n\n{rest}"
        new = edited(old, index % len(texts))
        if index < len(texts):
            found = change_of("x", old.encode(), new.encode())
            changes[index] = summary(found) if found else {}
        name = f"test_many/{file_name(case, 'h100')}"
        path = project / "goldens" / name
        path.write_text(old)
        status = path.stat()
        entry = Pending(
            MODULE, case.test, "", "h100", "goldens", name, digest_of(new), digest_of(old), name,
            (status.st_size, status.st_mtime_ns), versions={"torch": "2.0", "triton": "2.0"},
            **changes[index % len(texts)],  # type: ignore[arg-type]
        )  # fmt: skip
        place = folder / PENDING / name
        place.write_text(new)
        place.with_suffix(HEAD).write_text(entry.to_json())


def timed(project: Path, *words: str) -> float:
    """The seconds that a command takes; printed with those of them in which it computed."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "kernelsnap", *words], cwd=project, env=environment, capture_output=True, text=True
    )
    if done.returncode == 2:
        raise SystemExit(done.stderr)
    taken, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    last = done.stdout.splitlines()[-1]
    print(f"{' '.join(words):<16}{taken:6.2f} s, user {user:.2f} s, system {system:.2f} s   {last}")
    return taken


def main() -> None:
    """Measure, and hold the limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goldens", type=int, default=10_000)
    options = parser.parse_args()
    compileall.compile_dir(ROOT / "src", quiet=1)  # as an installation does: it would be done anew for each command
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.goldens)
        slow = [timed(Path(folder), "pending") > 1.0, timed(Path(folder), "accept", "--all") > 10.0]
        assert 'torch = "2.0"' in (Path(folder) / "goldens" / FILE).read_text()
    if any(slow):
        raise SystemExit("over the limit")


if __name__ == "__main__":
    main()
