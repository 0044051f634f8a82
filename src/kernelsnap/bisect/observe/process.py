"""Runs another program to its end, or stops it with all that it started."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

#: The message of a program where the file system is full: the text of `errno.ENOSPC`.
DISK_FULL = os.strerror(errno.ENOSPC)
#: In place of a line of output, where there is none.
NO_OUTPUT = "it said nothing"


class Process(Protocol):
    """What is asked of a process that leads a session of its own."""

    pid: int
    returncode: int | None

    def communicate(self, *, timeout: float | None = None) -> tuple[str, object]:
        """Wait for its end; its output."""


def run_command(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    timeout: float | None,
    *,
    alive: Path | None = None,
    start: Callable[[], Process] | None = None,
) -> tuple[int | None, str]:
    """Run a command to its end; its exit status (None if it was stopped for taking too long) and output.

    Args:
        command, folder, environment: what to run, where and with which variables.
        timeout: seconds that it may take; None for any number.
        alive: a file whose every change gives it that time anew.
        start: starts it in another way than anew.

    Raises:
        OSError: it does not start.
    """
    process = start() if start else _start(command, folder, environment)
    begun = time.time()
    left = timeout
    try:
        while True:
            try:
                output, _ = process.communicate(timeout=left)
                break
            except subprocess.TimeoutExpired:
                changed = alive.stat().st_mtime if alive and alive.exists() else begun
                left = changed + timeout - time.time() if timeout is not None else None
                if left is not None and left <= 0:
                    raise
    except BaseException as error:
        kill(process)
        output, _ = process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return None, output
        raise
    return process.returncode, output


def _start(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    # A session of its own, so that what it started stops with it.
    return subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def ask_python(
    python: str, code: str, environment: Mapping[str, str], failed: Callable[[str], Exception], what: str
) -> str:
    """What code prints on a line after the word `kernelsnap`, run in an interpreter.

    Args:
        python, code, environment: what to run, in which interpreter and with which variables.
        failed: makes the error to raise where there is no such line.
        what: the beginning of its message, for an interpreter that starts.
    """
    try:
        status, output = run_command([python, "-c", code], Path.cwd(), environment, 300)
    except OSError as error:
        raise failed(f"{python} does not start: {error.strerror or error}") from None
    line = next((line for line in output.splitlines() if line.startswith("kernelsnap ")), None)
    if status or line is None:
        raise failed(f"{what}: {error_line(output)}")
    return line.removeprefix("kernelsnap ")


def kill(process: Process) -> None:
    """Kill a process that leads a session of its own, and all that it started there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def error_line(output: str) -> str:
    """The line of an output about what went wrong: the last one with an error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() and "traceback" not in line.lower()]
    return (errors or lines or [NO_OUTPUT])[-1][:300]
