"""Kills whole runs of pytest, with real captures, at a random moment, and looks at the goldens afterwards.

    python tools/attack/pytest_runs.py 100 --at-once 4

A project has tests whose functions are in one of two versions. A run records them, compares them (what differs becomes
pending), records them in two worker processes, or records one of them; it and all its processes get a SIGKILL within
the time that it usually takes. Each golden must be, to the byte, the one of one of the versions, and the tree must be
right but for unfinished files, which are gone after the next complete run.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kernelsnap.golden.files import is_leftover
from kernelsnap.golden.verify import TreeCheck
from kernelsnap.pending.folder import BELOW, CACHE, NAME, PendingFolder

SOURCES = Path(__file__).parents[2] / "src"
TESTS = """
import os
import pytest
import torch
from kernelsnap import capture

FUNCTIONS = (lambda x: (x.sin() + 1).softmax(-1), lambda x: (x.cos() * 2).sum(-1))

@pytest.mark.parametrize("rows", (64, 96, 128, 160))
def test_rows(kernel_snapshot, rows):
    x = torch.randn(rows, 128, device="cuda", requires_grad=True)
    assert capture(FUNCTIONS[int(os.environ["VERSION"])], x, backward=True) == kernel_snapshot
"""
RUNS = {
    "record": ("--snapshot-update",),
    "compare": (),
    "record in two processes": ("--snapshot-update", "-n", "2"),
    "record one": ("--snapshot-update", "-k", "96"),
}


class Project:
    """A project of its own, and the goldens of both versions of its functions."""

    def __init__(self, root: Path) -> None:
        """Record both versions."""
        self.root, self.goldens = root, root / "goldens"
        root.mkdir()
        (root / "test_a.py").write_text(TESTS)
        (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\nkernelsnap_target = "h100"\n')
        self.usual: dict[str, float] = {}
        self.versions = []
        for version in (0, 1):
            start = time.monotonic()
            if self.start("record", version).wait() != 0:
                raise SystemExit("the goldens could not be recorded")
            self.usual = dict.fromkeys(RUNS, time.monotonic() - start)
            self.versions.append(self.texts())

    def start(self, run: str, version: int) -> subprocess.Popen[bytes]:
        """Begin a run, in a group of processes of its own."""
        environment = {**os.environ, "VERSION": str(version), "PYTHONPATH": f"{SOURCES}:{os.environ.get('PYTHONPATH')}"}
        environment.pop("CI", None)
        plugins = ("-p", "kernelsnap.plugin.hooks") if "kernelsnap" not in _installed() else ()
        words = [sys.executable, "-m", "pytest", "-q", *plugins, *RUNS[run]]
        return subprocess.Popen(
            words, cwd=self.root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def texts(self) -> dict[str, bytes]:
        """Every golden that there is."""
        return {path.name: path.read_bytes() for path in self.goldens.rglob("*.ksnap")}

    def damage(self) -> list[str]:
        """What is wrong after a kill."""
        found = self.texts()
        names = {*self.versions[0], *found}
        wrong = [f"{name}: lost, torn or mixed" for name in sorted(names) if found.get(name) not in self._of(name)]
        wrong += [problem for problem in TreeCheck(self.goldens).problems if "a killed process left it" not in problem]
        PendingFolder(self.root / CACHE / BELOW / NAME, self.root).entries()
        return wrong

    def _of(self, name: str) -> list[bytes]:
        return [version[name] for version in self.versions if name in version]

    def leftovers(self) -> int:
        """How many files there are that should be there only while a run goes on."""
        return sum(is_leftover(path) for path in self.goldens.rglob("*"))


def _installed() -> set[str]:
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group="pytest11")}


def killed(root: Path, times: int, seed: int) -> Counter[str]:
    """Kill one run after the other in a project of its own."""
    seen: Counter[str] = Counter()
    chance, project = random.Random(seed), Project(root)
    for turn in range(times):
        run = list(RUNS)[turn % len(RUNS)]
        start = time.monotonic()
        process = project.start(run, chance.randrange(2))
        try:
            process.wait(chance.uniform(0.0, 1.1 * project.usual[run]))
            project.usual[run] = time.monotonic() - start
            seen["runs that ended before"] += 1
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            seen[f"SIGKILL in {run}"] += 1
        seen["kills after which an unfinished file was there"] += project.leftovers() > 0
        for problem in project.damage():
            seen[f"wrong: {problem}"] += 1
    if project.start("record", 1).wait() != 0 or project.texts() != project.versions[1] or project.leftovers():
        seen["wrong: the last run did not record everything as before, or left an unfinished file"] += 1
    return seen


def main() -> int:
    """Kill, and print what was seen; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("times", type=int)
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="projects side by side (1)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.at_once) as threads:
        each = -(-options.times // options.at_once)
        seeds = range(options.seed, options.seed + options.at_once)
        for found in threads.map(lambda seed: killed(Path(folder) / f"project-{seed}", each, seed), seeds):
            seen += found
    for what, number in sorted(seen.items()):
        sys.stdout.write(f"{number:6}  {what}\n")
    return int(any(number for what, number in seen.items() if what.startswith("wrong")))


if __name__ == "__main__":
    sys.exit(main())
