"""What one step generates: the case runs in a process of its own and records into a folder of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.recorder import REPORT, SETTINGS
from kernelsnap.errors import GoldenError
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.store import golden_files, golden_text
from kernelsnap.model import Golden

_PLUGIN = "kernelsnap.bisect.recorder"
# What the process that started us was told about itself, and not about the one that we start.
_NOT_PASSED_ON = ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")

#: Exit statuses of a user's script, as `git bisect run` reads them.
SKIP, FIRST_ABORT = 125, 128


@dataclass(frozen=True)
class Place:
    """Where a case runs at one step."""

    folder: Path  # the working directory
    python: str = sys.executable
    path: tuple[Path, ...] = ()  # folders to import from before all others
    settings: Mapping[str, Any] = field(default_factory=dict)  # of torch._inductor.config, and its neighbours: literals
    environment: Mapping[str, str] = field(default_factory=dict)  # more variables for its process


@dataclass(frozen=True)
class Job:
    """What runs at every step."""

    case: str  # a pytest node id
    tool: Path  # see `make_tool_folder`
    arguments: tuple[str, ...] = ()  # more arguments for pytest
    script: str = ""  # a command of the user's, whose exit status is the answer
    timeout: float = 1800.0  # seconds that a step may take


@dataclass(frozen=True)
class Observation:
    """What a step generated, or why it says nothing."""

    goldens: Mapping[str, str] = field(default_factory=dict)  # the text of each golden, by its case and target
    failed: bool = False  # whether the test failed although its goldens were recorded
    status: int | None = None  # the exit status of the user's script
    skipped: str = ""  # why the step says nothing
    toolchain: Mapping[str, str] = field(default_factory=dict)
    rootdir: str = ""

    @property
    def fingerprint(self) -> str:
        """Equal for two steps that generate the same; empty for one that says nothing."""
        if self.skipped:
            return ""
        content = json.dumps([sorted(self.goldens.items()), self.failed, self.status])
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def golden(self, name: str) -> Golden:
        """One of the goldens."""
        return parse(self.goldens[name], name)

    def as_json(self) -> dict[str, Any]:
        """The form in which it is kept."""
        return asdict(self)


def skipped(reason: str) -> Observation:
    """An observation that says nothing, for this reason."""
    return Observation(skipped=" ".join(reason.split()) or "no reason given")


def observe(job: Job, place: Place) -> Observation:
    """Run the case at a step. What goes wrong there is part of the observation; nothing is written to the place.

    Raises:
        BisectError: the user's script asks to stop, by an exit status of 128 or more.
    """
    with tempfile.TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
        goldens, report = Path(name, "goldens"), Path(name, "report.json")
        environment = _environment(job, place) | {REPORT: str(report), SETTINGS: repr(dict(place.settings))}
        command = [
            place.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", _PLUGIN, "--snapshot-update",
            "-o", f"kernelsnap_goldens={goldens}", *job.arguments, job.case,
        ]  # fmt: skip
        try:
            status, output = run_command(command, place.folder, environment, job.timeout)
        except OSError as error:
            return skipped(f"{place.python} does not start: {error.strerror or error}")
        if status is None:
            return skipped(f"the case took longer than {job.timeout:g} seconds")
        seen = _read(goldens, report, output)
        if seen.skipped or not job.script:
            return seen
        environment["KERNELSNAP_GOLDENS"] = str(goldens)
        return _with_script(seen, job, place, environment)


def _environment(job: Job, place: Place) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    before = environment.get("PYTHONPATH")
    parts = [str(job.tool), *map(str, place.path), *([before] if before else [])]
    return environment | {"PYTHONPATH": os.pathsep.join(parts), "PYTHONDONTWRITEBYTECODE": "1", **place.environment}


def _read(goldens: Path, report: Path, output: str) -> Observation:
    """What the process left behind."""
    try:
        told = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return skipped(f"pytest did not run: {_error_line(output)}")
    messages: Sequence[str] = told["messages"]
    try:
        texts = texts_of(parse(golden_text(path), str(path)) for path in golden_files(goldens))
    except GoldenError as error:
        return skipped(str(error))
    if texts:
        failed = "failed" in told["outcomes"].values()
        return Observation(texts, failed, None, "", told["toolchain"], told["rootdir"])
    if told["outcomes"]:
        return skipped(messages[0] if messages else "the test compares nothing with kernel_snapshot")
    return skipped(f"the case does not collect: {messages[0] if messages else _error_line(output)}")


def texts_of(goldens: Iterable[Golden]) -> dict[str, str]:
    """The text of each golden by its case and target; one that several targets share is one for each of them."""
    shared: dict[str, str] = {}
    own: dict[str, str] = {}
    for golden in goldens:
        for target in (golden.target, *golden.shared_with):
            text = render(replace(golden, target=target, shared_with=()))
            # A target's own file goes before one that it shares.
            (own if target == golden.target else shared)[f"{golden.case} {target}"] = text
    return shared | own


def _with_script(seen: Observation, job: Job, place: Place, environment: Mapping[str, str]) -> Observation:
    status, output = run_command(["/bin/sh", "-c", job.script], place.folder, environment, job.timeout)
    if status is None:
        return skipped(f"the script took longer than {job.timeout:g} seconds")
    if status == SKIP:
        return skipped(f"the script exited with {SKIP}: {_error_line(output)}")
    if status >= FIRST_ABORT or status < 0:
        raise BisectError(f"the script asked to stop, with exit status {status}: {_error_line(output)}")
    return Observation(seen.goldens, seen.failed, status, "", seen.toolchain, seen.rootdir)


def run_command(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float | None
) -> tuple[int | None, str]:
    """Run a command to its end; its exit status (None if it was stopped for taking too long) and output."""
    # A session of its own, so that what it started stops with it.
    process = subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=timeout)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return None, output
        raise
    return process.returncode, output


def _error_line(output: str) -> str:
    """The line of an output that says what went wrong: the last one about an error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it said nothing"])[-1][:300]
