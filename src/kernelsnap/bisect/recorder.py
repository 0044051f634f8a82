"""The pytest plugin inside a step: applies the step's settings, and says what became of the case.

Loaded by name (`-p`) in the process that runs a step, never elsewhere. It imports no pytest: a plugin is any module
with functions named after hooks.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib
import json
import os
from pathlib import Path
from typing import Any

from kernelsnap.golden.toolchain import installed

#: The file to report to, and the settings to compile with.
REPORT, SETTINGS = "KERNELSNAP_BISECT_REPORT", "KERNELSNAP_BISECT_SETTINGS"

#: What a setting's name may start with, and the module that it is then a setting of.
CONFIG_MODULES = {"dynamo.": "torch._dynamo.config", "functorch.": "torch._functorch.config"}
INDUCTOR = "torch._inductor.config"


def pytest_configure(config: Any) -> None:
    """Take part in this run."""
    config.pluginmanager.register(_Recorder(config), "kernelsnap-bisect-recorder")


class _Recorder:
    def __init__(self, config: Any) -> None:
        self._config = config
        self._applied = contextlib.ExitStack()
        self._settings: dict[str, Any] = ast.literal_eval(os.environ.get(SETTINGS, "{}"))
        self._outcomes: dict[str, str] = {}
        self._messages: list[str] = []

    def pytest_runtest_setup(self, item: Any) -> None:
        # Once a test runs, and not before: torch is imported by then, or is not needed.
        for name, value in self._settings.items():
            module, _, own = _config_of(name)
            config = importlib.import_module(module)
            known = config.get_config_copy()
            if own not in known:
                close = difflib.get_close_matches(own, known, n=1)
                raise AttributeError(f"this torch has no setting {name!r}" + (f", but {close[0]!r}" if close else ""))
            self._applied.enter_context(config.patch({own: value}))
        self._settings = {}

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._messages.append(_last_line(str(report.longrepr)))

    def pytest_runtest_logreport(self, report: Any) -> None:
        worst = ["passed", "skipped", "failed"]
        before = self._outcomes.get(report.nodeid, "passed")
        self._outcomes[report.nodeid] = max(before, report.outcome, key=worst.index)
        if report.outcome != "passed":
            self._messages.append(_message(report))

    def pytest_sessionfinish(self, session: Any) -> None:
        if REPORT not in os.environ or hasattr(self._config, "workerinput"):
            return
        report = {
            "outcomes": self._outcomes,
            "messages": self._messages,
            "toolchain": dict(installed().versions),
            "rootdir": str(self._config.rootpath),
        }
        Path(os.environ[REPORT]).write_text(json.dumps(report), encoding="utf-8")


def _config_of(name: str) -> tuple[str, str, str]:
    """The module of a setting, its prefix, and its name there."""
    for prefix, module in CONFIG_MODULES.items():
        if name.startswith(prefix):
            return module, prefix, name.removeprefix(prefix)
    return INDUCTOR, "", name


def _message(report: Any) -> str:
    """Why a test failed or was skipped, in one line."""
    representation = report.longrepr
    if isinstance(representation, tuple):  # a skip: file, line, reason
        return str(representation[2])
    crash = getattr(representation, "reprcrash", None)
    text = crash.message if crash is not None else str(representation)
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")


def _last_line(text: str) -> str:
    """The last line, where an error says what it is, without pytest's margin."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("E").strip() if lines else "no reason given"
