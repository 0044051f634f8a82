"""Steps of a bisection whose process is not what is tested: they run in copies of one that has pytest already."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernelsnap.bisect.observe import collect, forked, observe, process

#: What a run of pytest imports in a project whose device is a stand-in.
MODULES = ("pytest", "kernelsnap.plugin.hooks", "kernelsnap.bisect.observe.recorder", "rich.console")


@contextmanager
def quick_runs() -> Iterator[object]:
    """What takes the place of `run_command`: it starts nothing anew but other interpreters."""
    server = forked.ForkServer(sys.executable, Path.cwd(), os.environ, MODULES)

    def run(
        command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float | None, **options: object
    ) -> tuple[int | None, str]:
        if command[:3] == [sys.executable, "-m", "pytest"] and "start" not in options:
            return server.run(command, folder, environment, timeout, **options)
        return process.run_command(command, folder, environment, timeout, **options)

    yield run
    server.close()


def replace_runs(monkeypatch: pytest.MonkeyPatch, run: object) -> None:
    """Let the steps that follow be started by `run`."""
    for module in (collect, forked, observe):
        monkeypatch.setattr(module, "run_command", run)
