"""Record the pairs of functions that the cost estimate is fitted and checked on: both goldens, and both times.

    python tools/record_cost_pairs.py OUT.jsonl.xz [--set second] [--workers 14]
        [--minutes 9] [PAIR ...]                                              on a machine with a GPU
    python tools/record_cost_pairs.py OUT.jsonl.xz --virtual h200 [PAIR ...]                   goldens only, no times

First all sides are compiled, in parallel; then pairs are timed one after the other, while nothing else runs on the GPU.
A PAIR may have wildcards: `no_split.*`. Each line of the result is a golden by the name of its side, a pair with its
times, or, in the first line, the GPU with its clocks. What fails is in the result, with its error.
"""

from __future__ import annotations

import argparse
import json
import lzma
import multiprocessing
import subprocess
import sys
import time
from collections import defaultdict
from fnmatch import fnmatch
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from cost_pairs.pairs import SETS
from cost_pairs.record import serve
from cost_pairs.sides import Pair, Side

_CLOCKS = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,temperature.gpu"
# Of the whole time, the part in which sides may be compiled.
_COMPILING = 0.62
_LARGEST_GROUP = 20


def main() -> int:
    """Record what was asked for; the number of pairs that failed decides the status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("pairs", nargs="*", metavar="PAIR")
    parser.add_argument("--virtual", metavar="TARGET")
    parser.add_argument("--set", choices=SETS, default="first", help="which set of pairs (default: first)")
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--minutes", type=float, default=9.0)
    options = parser.parse_intermixed_args()
    wanted = options.pairs or ["*"]
    pairs = {
        name: pair for name, pair in SETS[options.set]().items() if any(fnmatch(name, pattern) for pattern in wanted)
    }
    run = _Run(options.workers, options.virtual, options.out, time.monotonic(), options.minutes * 60)
    run.compile(list(pairs.values()))
    if not options.virtual:
        run.time(list(pairs.values()))
    run.write()
    print(f"{len(run.goldens)} goldens, {sum('old' in entry for entry in run.timed)} pairs timed, {run.failed} failed")
    return min(run.failed, 1)


class _Run:
    """The workers, which side each of them has, and what came of it."""

    def __init__(self, workers: int, target: str | None, out: Path, start: float, seconds: float) -> None:
        self._out, self._start, self._seconds, self._target = out, start, seconds, target
        context = multiprocessing.get_context("spawn")
        self._connections = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            context.Process(target=serve, args=(theirs, target), daemon=True).start()
            theirs.close()
            self._connections.append(ours)
        self._where: dict[str, set[Any]] = defaultdict(set)  # side -> connections of the workers that have it
        self.goldens: dict[str, str] = {}
        self.timed: list[dict[str, Any]] = []
        self.failed = 0
        self._clocks = [self._asked_clocks()]

    def compile(self, pairs: list[Pair]) -> None:
        """Compile every side; sides that are in pairs with each other go to one worker."""
        waiting = _together(pairs)
        busy: dict[Any, list[Side]] = {connection: [] for connection in self._connections}
        asked: dict[Any, Side] = {}
        while self._left(_COMPILING):
            for connection, sides in busy.items():
                if connection not in asked:
                    if not sides and waiting:
                        sides.extend(waiting.pop())
                    if sides:
                        asked[connection] = sides.pop()
                        connection.send(("compile", asked[connection]))
            if not asked:
                break
            for connection in wait(list(asked), timeout=1.0):
                side, answer = asked.pop(connection), self._received(connection)
                if answer is None:
                    busy.pop(connection)
                elif "golden" in answer:
                    self.goldens[str(side)] = answer["golden"]
                    self._where[str(side)].add(connection)
                else:
                    self._fail(str(side), answer["error"])
        self._busy = set(asked)
        print(f"compiled {len(self.goldens)} sides in {time.monotonic() - self._start:.0f} s", flush=True)

    def time(self, pairs: list[Pair]) -> None:
        """Time one pair after the other."""
        dead: set[Any] = set()
        for index, pair in enumerate(pairs):
            connection = next(iter(self._where[str(pair.old)] & self._where[str(pair.new)] - dead), None)
            if connection is None:
                continue
            if connection in self._busy:  # what it still compiles is not waited for
                if not connection.poll(5):
                    continue
                self._received(connection)
                self._busy.discard(connection)
            if not self._left(1.0):
                break
            connection.send(("time", pair.old, pair.new))
            answer = self._received(connection, 30.0)
            if answer is None:
                dead.add(connection)
                self._fail(pair.name, "the worker ended or hung")
            elif "error" in answer:
                self._fail(pair.name, answer["error"])
            else:
                self.timed.append({"pair": pair.name, "sides": [str(pair.old), str(pair.new)], **answer})
            if index % 60 == 59:
                self._clocks.append(self._asked_clocks())
                self.write()
        self._clocks.append(self._asked_clocks())

    def write(self) -> None:
        """Write all that there is so far."""
        lines = [{"clocks": self._clocks}]
        lines += [{"side": side, "golden": golden} for side, golden in sorted(self.goldens.items())]
        text = "".join(json.dumps(line) + "\n" for line in [*lines, *self.timed])
        part = self._out.with_name(f"{self._out.name}.part")
        part.write_bytes(lzma.compress(text.encode(), preset=3))
        part.replace(self._out)

    def _received(self, connection: Any, seconds: float = 120.0) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] | None = connection.recv() if connection.poll(seconds) else None
        except (EOFError, OSError):
            return None
        return answer

    def _fail(self, what: str, error: str) -> None:
        self.failed += 1
        self.timed.append({"failed": what, "error": error})
        print(f"{what}: {error}", flush=True)

    def _left(self, share: float) -> bool:
        return time.monotonic() - self._start < self._seconds * share

    def _asked_clocks(self) -> str:
        if self._target:
            return "virtual"
        command = ["nvidia-smi", f"--query-gpu={_CLOCKS}", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _together(pairs: list[Pair]) -> list[list[Side]]:
    """The sides in groups for one worker each, so that both sides of each pair are in one; the largest group last."""
    groups: list[dict[str, Side]] = []
    open_groups: dict[str, dict[str, Side]] = {}  # by the sides that are in them
    for pair in pairs:
        both = {str(pair.old): pair.old, str(pair.new): pair.new}
        group = next((open_groups[name] for name in both if name in open_groups), None)
        if group is None or len(group) >= _LARGEST_GROUP:
            group = {}
            groups.append(group)
        group |= both
        open_groups |= dict.fromkeys(both, group)
    return sorted((list(group.values()) for group in groups), key=len)


if __name__ == "__main__":
    sys.exit(main())
