"""The pytest plugin inside a step of the axis "passes": refuses what the step refuses, and tells what was decided.

Loaded by name (`-p`) beside `recorder`, in the process of a step, never elsewhere. It imports no pytest, and torch only
once a test runs.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from kernelsnap.bisect.axes.decisions import CUT, DECIDED, DECISIONS, Decided, Judge, cut_of


def pytest_configure(config: Any) -> None:
    """Take part in this run."""
    config.pluginmanager.register(_Recorder(Path(os.environ[DECISIONS])), "kernelsnap-bisect-passes-recorder")


class _Recorder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._judge = Judge(cut_of((folder / CUT).read_text(encoding="utf-8")))
        self._entered = contextlib.ExitStack()
        self._settings: dict[str, tuple[str, Any]] | None = None

    def pytest_runtest_setup(self, item: Any) -> None:
        if self._settings is not None:
            return
        from kernelsnap.capture.decisions import deciding, subsystems

        found = {subsystem.name: (subsystem.setting, subsystem.value) for subsystem in subsystems()}
        self._entered.enter_context(deciding(self._judge))
        self._settings = found

    def pytest_sessionfinish(self, session: Any) -> None:
        self._entered.close()
        if self._settings is not None:
            content = Decided(self._settings, self._judge.made).as_json()
            (self._folder / DECIDED).write_text(json.dumps(content), encoding="utf-8")
