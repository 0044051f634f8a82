"""The pytest plugin inside a step: applies the step's settings, and writes what becomes of each case to a file.

Loaded by name (`-p`) in the process that runs a step, and in the workers of pytest-xdist there, never elsewhere. It
imports no pytest: a plugin is any module with functions named after hooks. The file has a line of JSON per event, so
that a crash loses none; `read_report` reads it, in the process of the bisection.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsnap.golden.toolchain import installed
from kernelsnap.pending.entry import DIFFERS

#: The file to report to, the settings to compile with, and a file with the cases to run (all, where there is none).
REPORT, SETTINGS, CASES = "KERNELSNAP_BISECT_REPORT", "KERNELSNAP_BISECT_SETTINGS", "KERNELSNAP_BISECT_CASES"

#: What a setting's name may start with, and the module that it is then a setting of.
CONFIG_MODULES = {"dynamo.": "torch._dynamo.config", "functorch.": "torch._functorch.config"}
INDUCTOR = "torch._inductor.config"
#: What of torch later steps in this environment may find imported; it brings along all that a capture imports.
SHARED_IMPORTS = ("torch", "triton", "torch._inductor.compile_fx")
# This module is imported before any of the project. torch sets the one variable itself, pytest the other ones.
_ENVIRONMENT = dict(os.environ)
_SET_BY_OTHERS = ("TORCHINDUCTOR_CACHE_DIR", "PYTEST_")
# Goes with a test's reports from a worker to the controller: the case, and how many tests it has.
_PROPERTY = "kernelsnap-case"
_WORST = ["passed", "skipped", "failed"]


def pytest_configure(config: Any) -> None:
    """Take part in this run."""
    config.pluginmanager.register(_StepRecorder(config), "kernelsnap-bisect-recorder")


class _StepRecorder:
    def __init__(self, config: Any) -> None:
        self._config = config
        self._applied = contextlib.ExitStack()
        self._settings: dict[str, Any] = ast.literal_eval(os.environ.get(SETTINGS, "{}"))
        # A worker of pytest-xdist passes what it knows to the controller with its reports; the controller writes.
        self._report = None if hasattr(config, "workerinput") else os.environ.get(REPORT)
        self._write({"toolchain": installed(), "rootdir": str(config.rootpath)})

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        names = {item: self._case_name(item) for item in items}
        if CASES in os.environ:
            wanted = set(json.loads(Path(os.environ[CASES]).read_text(encoding="utf-8")))
            others = [item for item in items if names[item] not in wanted]
            items[:] = [item for item in items if names[item] in wanted]
            if others:
                self._config.hook.pytest_deselected(items=others)
        tests = Counter(names[item] for item in items)
        for item in items:
            name = names[item]
            item.user_properties.append((_PROPERTY, (name, tests[name]) if name else (item.nodeid, 1)))

    def pytest_collection_finish(self, session: Any) -> None:
        cases = {name: str(item.path) for item in session.items if (name := self._case_name(item))}
        self._write({"collected": list(cases.items()), "imported": self._shared_imports()})

    def pytest_runtest_setup(self, item: Any) -> None:
        self._write({"started": dict(item.user_properties)[_PROPERTY][0]})
        # Once a test runs, and not before: torch is imported by then, or is not needed.
        for name, value in self._settings.items():
            module, own = _config_of(name)
            config = importlib.import_module(module)
            known = config.get_config_copy()
            if own not in known:
                close = difflib.get_close_matches(own, known, n=1)
                raise AttributeError(f"this torch has no setting {name!r}" + (f", but {close[0]!r}" if close else ""))
            self._applied.enter_context(config.patch({own: value}))
        self._settings = {}

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._write({"about": report.nodeid, "message": _last_line(str(report.longrepr))})

    def pytest_runtest_logreport(self, report: Any) -> None:
        name, tests = dict(report.user_properties).get(_PROPERTY, (report.nodeid, 1))
        differs = report.when == "call" and DIFFERS in dict(report.user_properties)
        event = {"about": name, "tests": tests, "outcome": report.outcome, "when": report.when, "differs": differs}
        self._write(event if report.outcome == "passed" else event | {"message": _message(report)})

    def pytest_sessionfinish(self) -> None:
        self._write({"whole": True})

    def _case_name(self, item: Any) -> str:
        """What the goldens of a test are called, whatever its target; "" for a test that compares none."""
        if "kernel_snapshot" not in getattr(item, "fixturenames", ()):
            return ""
        # By the name of its entry point: nothing here imports the plugin.
        return str(self._config.pluginmanager.get_plugin("kernelsnap").case_of(item))

    def _shared_imports(self) -> list[str]:
        """What of torch is imported, if the project decided nothing that can matter to torch before that."""
        changed = {name for name, _ in os.environ.items() ^ _ENVIRONMENT.items()}
        if self._config.getoption("kernelsnap_virtual", None) or any(
            not name.startswith(_SET_BY_OTHERS) for name in changed
        ):
            return []
        return [name for name in SHARED_IMPORTS if getattr(sys.modules.get(name), "__file__", None)]

    def _write(self, event: dict[str, Any]) -> None:
        if self._report:
            with Path(self._report).open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")


def _config_of(name: str) -> tuple[str, str]:
    """The module of a setting, and its name there."""
    for prefix, module in CONFIG_MODULES.items():
        if name.startswith(prefix):
            return module, name.removeprefix(prefix)
    return INDUCTOR, name


def _message(report: Any) -> str:
    """Why a test failed or was skipped, in one line."""
    representation = report.longrepr
    if isinstance(representation, tuple):  # a skip: file, line, reason
        return str(representation[2])
    crash = getattr(representation, "reprcrash", None)
    text = crash.message if crash is not None else str(representation)
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")


def _last_line(text: str) -> str:
    """The last line, where an error has its message, without pytest's margin."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("E").strip() if lines else "no reason given"


@dataclass(frozen=True)
class RunReport:
    """The events of one run."""

    toolchain: Mapping[str, str]
    rootdir: str
    collected: tuple[tuple[str, str], ...]  # (case, file) of every golden test, in order
    outcomes: Mapping[str, str]  # the worst of each case's tests, by case; by node id for a test that is no case
    messages: tuple[tuple[str, str], ...]  # (case or file, text), in the order in which they came
    broken: Mapping[str, str]  # the first message of a test that failed, and not because a golden differs, by case
    finished: frozenset[str]  # cases of which every test came to its end
    running: tuple[str, ...]  # cases with a test that started and did not come to its end
    whole: bool  # whether the run came to its end
    imported: tuple[str, ...]  # those of `SHARED_IMPORTS` that were imported when the first test began

    def message(self, name: str) -> str:
        """The first message about a case or file; "" where there is none."""
        return next((text for about, text in self.messages if about == name), "")


def read_report(path: Path) -> RunReport | None:
    """The events in a file, without a line that a kill cut off; None where the run did not come so far."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        events: list[dict[str, Any]] = [json.loads(line) for line in lines if line.endswith("\n")]
    except (OSError, ValueError):
        return None
    if not events:
        return None
    outcomes: dict[str, str] = {}
    ended: Counter[str] = Counter()
    tests: dict[str, int] = {}
    running: Counter[str] = Counter()
    messages = []
    broken: dict[str, str] = {}
    for event in events:
        match event:
            case {"started": name}:
                running[name] += 1
            case {"about": name, "outcome": outcome, "tests": count, "when": when}:
                outcomes[name] = max(outcomes.get(name, "passed"), outcome, key=_WORST.index)
                tests[name] = count
                ended[name] += when == "teardown"
                running[name] -= when == "teardown"
        if event.get("message"):
            messages.append((str(event["about"]), str(event["message"])))
        if event.get("outcome") == "failed" and not event["differs"]:
            broken.setdefault(str(event["about"]), str(event["message"]))
    return RunReport(
        toolchain=events[0]["toolchain"],
        rootdir=events[0]["rootdir"],
        collected=tuple((name, file) for event in events for name, file in event.get("collected", ())),
        outcomes=outcomes,
        messages=tuple(messages),
        broken=broken,
        finished=frozenset(name for name, count in tests.items() if ended[name] >= count),
        running=tuple(name for name, count in running.items() if count > 0),
        whole=any(event.get("whole") for event in events),
        imported=tuple(name for event in events for name in event.get("imported", ())),
    )
