"""Runs of pytest in processes of their own that wait for no import: copies of one that has imported what they need.

For tests of what such a run does; one that captures is a copy of a process that has captured once. How a process starts
is what tests of the command line, of killed searches and of `ForkServer` itself are about: these start real ones.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from kernelsnap.bisect.observe import collect, forked, observe, process
from kernelsnap.bisect.observe.forked import ForkServer

#: What a run imports in a project whose golden differs.
COMPARING = (
    "kernelsnap.diff.compare",
    "kernelsnap.diff.tree.change",
    "kernelsnap.diff.tree.kept",
    "kernelsnap.diff.align.align",
    "kernelsnap.report.diff_text",
)
#: What a run imports in a project whose device is a stand-in, and in one that captures.
PLAIN = ("pytest", "kernelsnap.plugin.hooks", "kernelsnap.bisect.observe.recorder", "rich.console", *COMPARING)
TORCH = ("pytest", "kernelsnap.plugin.hooks", "torch", "torch._inductor.compile_fx", *COMPARING, "captured_once")


#: As they were before any test: a server lives on after the test that needed it first. What tests write is not kept
#: compiled (`tests/conftest.py`).
_FOLDER, _ENVIRONMENT = Path.cwd(), {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


class ForkedRuns:
    """The servers of a session, each started when it is first needed."""

    def __init__(self) -> None:
        self._servers: dict[Sequence[str], ForkServer] = {}

    def server(self, modules: Sequence[str]) -> ForkServer:
        """The server that has imported these."""
        if modules not in self._servers:
            path = os.pathsep.join([str(Path(__file__).parent), _ENVIRONMENT.get("PYTHONPATH", "")])
            environment = _ENVIRONMENT | {"PYTHONPATH": path}
            self._servers[modules] = ForkServer(sys.executable, _FOLDER, environment, modules)
        return self._servers[modules]

    def close(self) -> None:
        """End them."""
        for server in self._servers.values():
            server.close()

    def pytest(self, folder: Path, arguments: Sequence[str], modules: Sequence[str]) -> pytest.RunResult:
        """Run pytest in a folder; what it wrote to its standard error is among the lines of its output, too."""
        begun = time.monotonic()
        command = [sys.executable, "-m", "pytest", *arguments]
        status, output = self.server(modules).run(command, folder, os.environ, None)
        assert status is not None
        print(output)  # noqa: T201 - as pytester shows what a run has written
        lines = output.splitlines()
        return pytest.RunResult(status, lines, lines, time.monotonic() - begun)

    def step(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        timeout: float | None,
        *,
        alive: Path | None = None,
        start: Callable[[], process.Process] | None = None,
        modules: Sequence[str] = PLAIN,
    ) -> tuple[int | None, str]:
        """What takes the place of `run_command` in a bisection: it starts nothing anew but other interpreters."""
        if command[:3] == [sys.executable, "-m", "pytest"] and start is None:
            return self.server(modules).run(command, folder, environment, timeout, alive=alive)
        return process.run_command(command, folder, environment, timeout, alive=alive, start=start)


def replace_runs(monkeypatch: pytest.MonkeyPatch, run: Callable[..., tuple[int | None, str]]) -> None:
    """Let the steps of the bisections that follow be started by `run`."""
    for module in (collect, forked, observe):
        monkeypatch.setattr(module, "run_command", run)
