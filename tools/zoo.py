"""Capture modules that nobody wrote for kernelsnap, and write down what came of each: docs/zoo.md.

    python tools/zoo.py --kernelbench CHECKOUT [--once] [--workers 1] [--limit 600] [--again OUTCOME] [NAME ...]
    python tools/zoo.py --page docs/zoo.md

The zoo is the problems of KernelBench (levels 1 to 3, from a checkout of its repository), small configurations of
models of `transformers` and, where it is installed, small models of `timm`. Each is captured on a virtual GPU for
inference, and forward and backward for training, twice; its golden is rendered, read and compared with itself and with
that of the second capture, which `--once` leaves out.

Each capture has a process of its own, a copy of one that has torch imported, and a time limit. What is finished lies as
JSON in the folder of `--out`, and is not captured again when the command is repeated; `--again failed` does so for what
failed. A NAME limits the run to the modules whose name contains it. `--page` writes the page from what lies there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch
import torch._inductor.compile_fx
import transformers  # noqa: F401 (copied into each process)

import zoo_check
import zoo_modules
import zoo_page
from zoo_check import INFERENCE, TRAINING, Build

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class _Task:
    """One capture that is to be made, and the file for its result."""

    name: str
    phase: str
    build: Build
    result: Path


def main() -> int:
    """Run what is left to do, and print how it went; 0 if nothing failed."""
    options = _options()
    if options.page:
        options.page.write_text(zoo_page.page(read_results(options.out)))
        return 0
    zoo = zoo_modules.kernelbench(options.kernelbench) if options.kernelbench else {}
    zoo |= zoo_modules.transformers_models() | zoo_modules.timm_models()
    tasks = [
        _Task(name, phase, build, _result_file(options.out, name, phase))
        for name, build in zoo.items()
        for phase in options.phases
        if not options.names or any(part in name for part in options.names)
    ]
    left = [task for task in tasks if not task.result.exists() or _outcome(task.result) in options.again]
    print(f"{len(tasks)} captures, {len(tasks) - len(left)} made before")
    _warm_up(options.target)
    run(left, options)
    outcomes = Counter(_outcome(task.result) for task in tasks)
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    return 1 if outcomes["failed"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernelbench", type=Path, metavar="CHECKOUT", help="without it, the other models only")
    parser.add_argument("--target", default="h100")
    parser.add_argument("--once", action="store_true", help="without the second capture, in half the time")
    parser.add_argument("--phases", nargs="+", choices=[INFERENCE, TRAINING], default=[INFERENCE, TRAINING])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for one module in one phase")
    parser.add_argument("--again", nargs="*", default=[], metavar="OUTCOME", help="also repeat what ended so")
    parser.add_argument("--out", type=Path, default=Path("build") / "zoo", help="the folder of the results")
    parser.add_argument("--page", type=Path, help="only write this page, from the results")
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser.parse_args()


def _warm_up(target: str) -> None:
    """Let this process have what every capture needs, Inductor's patterns above all: its copies then have it, too."""
    for phase in (INFERENCE, TRAINING):
        zoo_check.check(lambda: (torch.nn.Linear(8, 8), (torch.ones(8, 8),), {}), phase, target)


def run(tasks: list[_Task], options: argparse.Namespace) -> None:
    """Make each capture in a process of its own; one that dies or takes too long has failed."""
    waiting, running = list(reversed(tasks)), {}
    while waiting or running:
        while waiting and len(running) < options.workers:
            task = waiting.pop()
            task.result.unlink(missing_ok=True)
            process = _FORK.Process(target=_make, args=(task, options.target, not options.once))
            process.start()
            running[process] = task, time.monotonic()
        wait([process.sentinel for process in running], timeout=1.0)
        for process, (task, begun) in list(running.items()):
            seconds = time.monotonic() - begun
            if process.is_alive() and seconds < options.limit:
                continue
            if process.is_alive():
                process.kill()
            process.join()
            del running[process]
            if not task.result.exists():
                status = f"its process ended with status {process.exitcode} after {seconds:.0f} s"
                _write(task, {"outcome": "failed", "reason": status, "seconds": round(seconds, 1)})
            result = json.loads(task.result.read_text())
            print(
                f"{task.name} {task.phase}: {result['outcome']} in {seconds:.0f} s {result.get('reason', '')}",
                flush=True,
            )


def _make(task: _Task, target: str, twice: bool) -> None:
    """The body of a process: what libraries print must not hide what failed, which is in the result."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (a stream, not a file's content)
        sys.stdout = sys.stderr = nowhere
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        torch.set_num_threads(1)
        _write(task, zoo_check.check(task.build, task.phase, target, twice=twice))
        # Exit handlers are those of the parent.
        os._exit(0)


def _write(task: _Task, result: dict[str, Any]) -> None:
    task.result.parent.mkdir(parents=True, exist_ok=True)
    partial = task.result.with_suffix(".partial")
    partial.write_text(json.dumps({"name": task.name, "phase": task.phase, **result}, indent=1))
    partial.replace(task.result)


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Every result in the folder."""
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))]


def _result_file(folder: Path, name: str, phase: str) -> Path:
    return folder / f"{name}.{phase}.json"


def _outcome(result: Path) -> str:
    return str(json.loads(result.read_text())["outcome"])


if __name__ == "__main__":
    sys.exit(main())
