"""Processes that capture cases, one case at a time, and what happens when one of them hangs or dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

#: Keys that ask for a fact about the device instead of a case.
FACTS = "facts:"
# A worker imports torch and starts CUDA before its first case.
_START_SECONDS = 90.0

Done = Callable[[str, dict[str, Any]], None]


@dataclass
class _Worker:
    process: Any
    connection: Connection
    key: str | None = None
    deadline: float = 0.0
    fresh: bool = True


def run_all(keys: list[str], target: str | None, workers: int, seconds: float, case_seconds: float, done: Done) -> None:
    """Run every key in `workers` processes; `done` gets each result, in the order in which they finish.

    A case that takes longer than `case_seconds`, or kills its process, has an error as its result, and the others go
    on in a new process. After `seconds` what is left is given up.
    """
    end = time.monotonic() + seconds
    waiting = list(reversed(keys))
    pool = [_start(target) for _ in range(min(workers, len(keys)))]
    try:
        while (waiting or any(worker.key for worker in pool)) and time.monotonic() < end:
            for worker in pool:
                if worker.key is None and waiting:
                    _give(worker, waiting.pop(), case_seconds)
            busy = [worker for worker in pool if worker.key]
            ready = wait([worker.connection for worker in busy], timeout=1.0)
            for worker in busy:
                if worker.connection in ready:
                    failure = _take(worker, done)
                elif time.monotonic() > worker.deadline:
                    failure = f"Timeout: no result after {case_seconds:.0f} s"
                else:
                    continue
                if failure:
                    if worker.key:
                        done(worker.key, {"error": failure, "traceback": ""})
                    worker.process.kill()
                    pool[pool.index(worker)] = _start(target)
    finally:
        for worker in pool:
            # Idle ones end by themselves when nobody asks any more.
            worker.connection.close()
            worker.process.join(0 if worker.key else 2)
            worker.process.kill()


def _start(target: str | None) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, target), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, key: str, case_seconds: float) -> None:
    worker.key = key
    worker.deadline = time.monotonic() + case_seconds + (_START_SECONDS if worker.fresh else 0.0)
    worker.fresh = False
    # A worker that is already dead is found when its answer is awaited.
    with contextlib.suppress(BrokenPipeError):
        worker.connection.send(key)


def _take(worker: _Worker, done: Done) -> str | None:
    """Hand on what the worker sent; what went wrong, if its process ended or is of no more use."""
    try:
        result = worker.connection.recv()
    except (EOFError, OSError):
        worker.process.join(5)
        return f"Crash: the process ended with status {worker.process.exitcode}"
    key, worker.key = worker.key, None
    if key is not None:
        done(key, result)
    # After a failed kernel every further call of that process fails as well.
    return "CUDA is broken in this process" if "CUDA error" in result.get("error", "") else None


def _serve(connection: Connection, target: str | None) -> None:
    """The body of a worker process."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.mkdtemp(prefix="fidelity-"))
    # Many workers share the processor.
    os.environ["OMP_NUM_THREADS"] = os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    # What libraries print must not hide what failed; every failure is in the result.
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (a stream, not a file's content)
        sys.stdout = sys.stderr = nowhere
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        import fidelity_capture
        from fidelity_recording import without_places

        capture = fidelity_capture.Capturer(target)
        while True:
            try:
                key = connection.recv()
            except EOFError:
                return
            start = time.monotonic()
            try:
                result = capture(key)
            except BaseException as error:
                result = {"error": _described(error), "traceback": without_places(traceback.format_exc())[-6000:]}
            result.setdefault("seconds", round(time.monotonic() - start, 2))
            connection.send(result)


def _described(error: BaseException) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"
