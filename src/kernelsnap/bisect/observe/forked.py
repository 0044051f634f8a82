"""Runs steps that have the same environment in copies of one process that has imported torch: no step waits for that.

The first step in an environment runs in a process that starts anew, and reports what it had imported of torch before
its tests began. For the next ones a server (`fork_server`) imports the same, and makes a copy of itself for each.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kernelsnap.bisect.observe import fork_server
from kernelsnap.bisect.observe.process import run_command

#: Variables of a step's process that differ from step to step start with this; all others decide what it imports.
PER_STEP = "KERNELSNAP_BISECT_"


class ForkServerError(Exception):
    """A fork server does not start, or ended."""


class ForkServer:
    """A process that waits for commands. It ends when it is closed, or when the process that started it ends."""

    def __init__(self, python: str, folder: Path, environment: Mapping[str, str], modules: Iterable[str]) -> None:
        """Start it.

        Args:
            python, folder, environment: those of the commands that it is to run.
            modules: what to import, in this order.

        Raises:
            ForkServerError: it does not start, or cannot import that.
        """
        self._process = subprocess.Popen(
            [python, fork_server.__file__, *modules], cwd=folder, env=environment, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
        )  # fmt: skip
        self._received = b""
        try:
            ready = self.reply()
            if ready["failed"]:
                raise ForkServerError(ready["failed"])
        except BaseException:
            self.close()
            raise
        #: Modules that it has from a folder that is not the interpreter's: they may be others at another step.
        self.foreign: list[str] = ready["foreign"]

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        timeout: float | None,
        *,
        alive: Path | None = None,
    ) -> tuple[int | None, str]:
        """Run `python -m module ...` to its end: as `run_command` does it, in a copy of this process.

        Raises:
            ForkServerError: the server ended.
        """
        # In memory: that the disk is full is something that a step's output has to tell.
        with os.fdopen(os.memfd_create("kernelsnap-output"), "rb") as output:
            written = Path(f"/proc/{os.getpid()}/fd/{output.fileno()}")

            def start() -> _Copy:
                _, _, module, *arguments = command
                content = {"module": module, "arguments": arguments, "folder": str(folder)}
                self._request({**content, "environment": dict(environment), "output": str(written)})
                return _Copy(self, written)

            return run_command(command, folder, environment, timeout, alive=alive, start=start)

    def reply(self, timeout: float | None = None) -> dict[str, Any]:
        """Its next reply.

        Raises:
            ForkServerError: it ended.
            subprocess.TimeoutExpired: there is none after so many seconds.
        """
        assert self._process.stdout
        until = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._received:
            left = None if until is None else max(until - time.monotonic(), 0)
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise subprocess.TimeoutExpired(self._process.args, timeout or 0)
            if not (more := os.read(self._process.stdout.fileno(), 65536)):
                raise ForkServerError("the fork server ended")
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def _request(self, content: Mapping[str, Any]) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(content).encode() + b"\n")
        except OSError as error:
            raise ForkServerError(str(error)) from None

    def close(self) -> None:
        """End it; no command is running."""
        self._process.communicate()


class _Copy:
    """The process of one command, for `run_command`."""

    def __init__(self, server: ForkServer, output: Path) -> None:
        self._server, self._output = server, output
        self.pid: int = server.reply()["pid"]
        self.returncode: int | None = None

    def communicate(self, *, timeout: float | None = None) -> tuple[str, None]:
        """Wait for its end, and return its output.

        Raises:
            subprocess.TimeoutExpired: it is still running after so many seconds.
        """
        self.returncode = self._server.reply(timeout)["status"]
        return self._output.read_text(errors="replace"), None


class StepProcesses:
    """Runs the commands of steps, in copies of a server where it can."""

    def __init__(self) -> None:
        """Nothing was run yet."""
        self._modules: dict[object, Sequence[str]] = {}
        self._servers: dict[object, ForkServer] = {}

    def __enter__(self) -> Self:
        """Its servers end with the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them."""
        for server in self._servers.values():
            server.close()

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float, *, alive: Path
    ) -> tuple[int | None, str]:
        """Run `python -m module ...`; see `run_command`."""
        key = _environment_key(command, folder, environment)
        try:
            if self._modules.get(key) and key not in self._servers:
                self._servers[key] = ForkServer(command[0], folder, environment, self._modules[key])
                if foreign := self._servers[key].foreign:
                    raise ForkServerError(f"imported from elsewhere: {', '.join(foreign)}")
            if key in self._servers:
                return self._servers[key].run(command, folder, environment, timeout, alive=alive)
        except ForkServerError:
            # Every step runs without one as well.
            self._modules[key] = ()
            if server := self._servers.pop(key, None):
                server.close()
        return run_command(command, folder, environment, timeout, alive=alive)

    def remember(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], modules: Sequence[str]
    ) -> None:
        """Remember what a command that was run in a process of its own had imported when its tests began."""
        self._modules.setdefault(_environment_key(command, folder, environment), modules)


def _environment_key(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> object:
    """Equal for commands that can run in copies of one process."""
    return command[0], folder, frozenset(item for item in environment.items() if not item[0].startswith(PER_STEP))
