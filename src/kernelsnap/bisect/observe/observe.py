"""Runs cases at one step, in a process and with a folder for goldens of their own, and returns what they generate.

`observe` runs one node id; `observe_cases` runs many cases together, in one run of pytest.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe.forked import StepProcesses
from kernelsnap.bisect.observe.process import DISK_FULL, error_line, run_command
from kernelsnap.bisect.observe.recorder import CASES, REPORT, SETTINGS, RunReport, read_report
from kernelsnap.errors import GoldenError
from kernelsnap.golden import toolchain
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.sharing import head_of
from kernelsnap.golden.store import golden_files, golden_text
from kernelsnap.golden.toolchain import golden_names
from kernelsnap.golden.variants import split_name
from kernelsnap.golden.why_section import without_why
from kernelsnap.model.golden import Golden

#: The beginning of every run of pytest, after the interpreter; and what is added to most.
PYTEST = ("-m", "pytest", "-q", "-p", "kernelsnap.bisect.observe.recorder")
NO_CACHE = ("-p", "no:cacheprovider")
# Variables by which pytest describes the process that started us: they would be wrong in one that we start.
_NOT_PASSED_ON = ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")

_GOLDENS = "goldens"
_NOTHING_COMPARED = "the test compares nothing with kernel_snapshot"

#: Exit statuses of a user's script, as `git bisect run` reads them.
SKIP, FIRST_ABORT = 125, 128


@dataclass(frozen=True)
class Workspace:
    """Where a case runs at one step: a folder, an interpreter, and what else its process is given."""

    folder: Path  # the working directory
    python: str = sys.executable
    path: tuple[Path, ...] = ()  # folders to import from before all others
    settings: Mapping[str, Any] = field(default_factory=dict)  # of torch._inductor.config, and its neighbours: literals
    environment: Mapping[str, str] = field(default_factory=dict)  # more variables for its process
    plugins: tuple[str, ...] = ()  # more modules for pytest to load as plugins
    anew: bool = False  # whether the process has to start anew; else it may share imports with those of other steps


@dataclass(frozen=True)
class CaseFile:
    """A case and the test module that it is in."""

    name: str  # as its golden's header names it: a node id without the target
    file: str  # its test module, relative to the folder in which pytest runs


@dataclass(frozen=True)
class Job:
    """What runs at every step."""

    case: str  # a pytest node id
    tool: Path  # see `make_tool_folder`
    arguments: tuple[str, ...] = ()  # more arguments for pytest
    script: str = ""  # a command of the user's, whose exit status is the answer
    timeout: float = 1800.0  # seconds that a step may take
    processes: StepProcesses | None = None  # what starts the processes of steps that need not start anew


@dataclass(frozen=True)
class Observation:
    """What a case generated at a step, or why nothing is known of it."""

    goldens: Mapping[str, str] = field(default_factory=dict)  # the text of each golden, by its case and target
    failed: bool = False  # whether the test failed although its goldens were recorded
    status: int | None = None  # the exit status of the user's script
    skipped: str = ""  # why nothing is known
    toolchain: Mapping[str, str] = field(default_factory=dict)
    rootdir: str = ""

    @property
    def fingerprint(self) -> str:
        """Equal for two steps that generate the same; empty where nothing is known."""
        if self.skipped:
            return ""
        goldens = sorted((name, without_why(text)) for name, text in self.goldens.items())
        content = json.dumps([goldens, self.failed, self.status])
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def golden(self, name: str) -> Golden:
        """One of the goldens."""
        return parse(self.goldens[name], name)

    def as_json(self) -> dict[str, Any]:
        """The form in which it is kept."""
        return asdict(self)


def skipped(reason: str) -> Observation:
    """An observation without a result, for this reason."""
    return Observation(skipped=" ".join(reason.split()) or "no reason given")


def observe(job: Job, workspace: Workspace) -> Observation:
    """Run the case at a step. What goes wrong there is part of the observation; nothing is written to its folder.

    Raises:
        BisectError: the user's script asks to stop, by an exit status of 128 or more; or the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
        run = _run(job, workspace, Path(name), [job.case], {})
        seen = run if isinstance(run, Observation) else _of_node(run)
        if seen.skipped or not job.script:
            return seen
        environment = environment_of(job, workspace) | {"KERNELSNAP_GOLDENS": str(Path(name, _GOLDENS))}
        return _with_script(seen, job, workspace, environment)


def observe_cases(job: Job, workspace: Workspace, cases: Sequence[CaseFile]) -> dict[str, Observation]:
    """Run cases at a step together; what each generates, by its name.

    A case that ends the process leaves the others as they are: those that did not come to their turn run again.

    Raises:
        BisectError: the disk is full.
    """
    there = [case for case in cases if (workspace.folder / case.file).is_file()]
    seen = {case.name: skipped(f"there is no file {case.file}") for case in cases if case not in there}
    while left := [case for case in there if case.name not in seen]:
        with tempfile.TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
            wanted = Path(name, "cases.json")
            wanted.write_text(json.dumps([case.name for case in left]), encoding="utf-8")
            files = list(dict.fromkeys(case.file for case in left))
            run = _run(job, workspace, Path(name), ["--continue-on-collection-errors", *files], {CASES: str(wanted)})
        if isinstance(run, Observation):
            return seen | {case.name: run for case in left}
        seen |= _of_cases(run, left)
    return seen


@dataclass(frozen=True)
class PytestRun:
    """A run of pytest that got far enough to report something."""

    report: RunReport
    ended: str  # how it ended, where it did not come to its end
    output: str


@dataclass(frozen=True)
class _Recorded(PytestRun):
    """A run of pytest with a folder for goldens of its own."""

    goldens: Mapping[str, str]  # see `texts_of`
    packages: Mapping[str, Mapping[str, str]]  # see `_packages`

    def toolchain(self, goldens: Iterable[str]) -> dict[str, str]:
        """The versions of everything that these goldens were generated with."""
        needed = {name: version for golden in goldens for name, version in self.packages.get(golden, {}).items()}
        return {**self.report.toolchain, **needed}


def _run(
    job: Job, workspace: Workspace, work: Path, selection: Sequence[str], variables: Mapping[str, str]
) -> _Recorded | Observation:
    """Run pytest at a step, with a folder for what it writes; an observation without a result where it fails."""
    goldens = work / _GOLDENS
    arguments = (*NO_CACHE, "--snapshot-update", "-o", f"kernelsnap_goldens={goldens}")
    run = run_pytest(job, workspace, work / "report.jsonl", [*arguments, *job.arguments, *selection], variables)
    if isinstance(run, str):
        return skipped(run)
    try:
        texts = texts_of(parse(golden_text(path), str(path)) for path in golden_files(goldens))
        return _Recorded(run.report, run.ended, run.output, texts, _packages(goldens))
    except GoldenError as error:
        return skipped(str(error))


def run_pytest(
    job: Job, workspace: Workspace, path: Path, arguments: Sequence[str], variables: Mapping[str, str]
) -> PytestRun | str:
    """Run pytest at a step; why nothing is known of it where it reports nothing.

    Args:
        job, workspace: what to run, and where; the job's arguments for pytest are not added.
        path: the file that it reports to.
        arguments: of pytest.
        variables: more variables for its process.

    Raises:
        BisectError: the disk is full.
    """
    settings = repr(dict(workspace.settings))
    environment = environment_of(job, workspace) | {REPORT: str(path), SETTINGS: settings, **variables}
    command = [workspace.python, *PYTEST, *(f"-p{plugin}" for plugin in workspace.plugins), *arguments]
    try:
        run = run_command if workspace.anew or job.processes is None else job.processes.run
        status, output = run(command, workspace.folder, environment, job.timeout, alive=path)
    except OSError as error:
        return f"{workspace.python} does not start: {error.strerror or error}"
    if DISK_FULL in output:
        raise BisectError(
            f"the disk is full: a step cannot be recorded below {path.parent.parent}. What was seen before is kept; "
            f"make room there, or name another folder by TMPDIR, and give the same command again"
        )
    report = read_report(path)
    if report is not None and job.processes is not None:
        job.processes.remember(command, workspace.folder, environment, report.imported)
    if status is None and (report is None or not report.running):
        return f"the case took longer than {job.timeout:g} seconds"
    if report is None:
        return f"pytest did not run: {error_line(output)}"
    if status is None:
        ended = f"the case took longer than {job.timeout:g} seconds"
    else:
        ended = "" if report.whole else f"pytest ended with status {status} while the case ran: {error_line(output)}"
    return PytestRun(report, ended, output)


def _packages(goldens: Path) -> dict[str, dict[str, str]]:
    """The packages that each golden of a folder needs besides torch and triton, by its case and target."""
    recorded = toolchain.read(goldens) or toolchain.Toolchain()
    return {
        f"{head_of(path)[0]} {split_name(name)[1]}": recorded.packages_of(name)
        for path in golden_files(goldens)
        for name in golden_names(path, goldens)
    }


def _of_node(run: _Recorded) -> Observation:
    """The observation from a run of one node id: all that it recorded is of one case."""
    report = run.report
    if run.ended:
        return skipped(run.ended)
    if run.goldens:
        failed = "failed" in report.outcomes.values()
        return Observation(run.goldens, failed, None, "", run.toolchain(run.goldens), report.rootdir)
    messages = [text for _, text in report.messages]
    if report.outcomes:
        return skipped(messages[0] if messages else _NOTHING_COMPARED)
    return skipped(f"the case does not collect: {messages[0] if messages else error_line(run.output)}")


def _of_cases(run: _Recorded, cases: Sequence[CaseFile]) -> dict[str, Observation]:
    """The observation of each case in a run: of one of them at least, of all if the run came to its end."""
    report = run.report
    seen = {}
    for case in cases:
        if not run.ended or case.name in report.finished:
            seen[case.name] = _of_case(run, case)
        elif case.name in report.running:
            seen[case.name] = skipped(run.ended)
    return seen or {case.name: skipped(run.ended) for case in cases}


def _of_case(run: _Recorded, case: CaseFile) -> Observation:
    report = run.report
    # A test's further assertions add their number or name.
    own = {
        name: text
        for name, text in run.goldens.items()
        if (golden := name.rpartition(" ")[0]) == case.name or golden.startswith(f"{case.name}@")
    }
    if own:
        failed = report.outcomes.get(case.name) == "failed"
        return Observation(own, failed, None, "", run.toolchain(own), report.rootdir)
    if case.name in report.outcomes:
        return skipped(report.message(case.name) or _NOTHING_COMPARED)
    module = case.name.partition("::")[0]
    reason = report.message(module) or next((text for _, text in report.messages), "there is no such test")
    return skipped(f"the case does not collect: {reason}")


def environment_of(job: Job, workspace: Workspace) -> dict[str, str]:
    """The variables of a process that runs in a workspace."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    before = environment.get("PYTHONPATH")
    parts = [str(job.tool), *map(str, workspace.path), *([before] if before else [])]
    return environment | {"PYTHONPATH": os.pathsep.join(parts), "PYTHONDONTWRITEBYTECODE": "1", **workspace.environment}


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


def _with_script(seen: Observation, job: Job, workspace: Workspace, environment: Mapping[str, str]) -> Observation:
    status, output = run_command(["/bin/sh", "-c", job.script], workspace.folder, environment, job.timeout)
    if status is None:
        return skipped(f"the script took longer than {job.timeout:g} seconds")
    if status == SKIP:
        return skipped(f"the script exited with {SKIP}: {error_line(output)}")
    if status >= FIRST_ABORT or status < 0:
        raise BisectError(f"the script asked to stop, with exit status {status}: {error_line(output)}")
    return Observation(seen.goldens, seen.failed, status, "", seen.toolchain, seen.rootdir)
