"""Finds the cases that a user means by node ids, test modules, folders, and a selection among them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kernelsnap.bisect.errors import BisectError, DoesNotCollectError
from kernelsnap.bisect.observe.observe import NO_CACHE, PYTEST, CaseFile, Job, Workspace, environment_of
from kernelsnap.bisect.observe.process import error_line, run_command
from kernelsnap.bisect.observe.recorder import REPORT, RunReport, read_report


def collect_cases(words: Sequence[str], selection: str, job: Job, workspace: Workspace) -> list[CaseFile]:
    """The golden tests that pytest finds for these words, in its order; each once, whatever its targets.

    Args:
        words: node ids, modules or folders, as pytest takes them.
        selection: an expression for pytest's `-k`; "" for all.
        job: what goes with every run of pytest.
        workspace: where to collect them.

    Raises:
        DoesNotCollectError: a word names nothing, a module does not collect or takes too long, or nothing is selected.
        BisectError: the interpreter does not start.
    """
    report = collection(words, selection, job, workspace)
    if report.messages:
        module, text = report.messages[0]
        raise DoesNotCollectError(f"{module} does not collect: {text}")
    return cases_of(report, workspace)


def collection(words: Sequence[str], selection: str, job: Job, workspace: Workspace) -> RunReport:
    """What pytest reports of collecting these words: its messages are about modules that do not collect.

    See `collect_cases` for the arguments, and for what is raised: there is no error for a single module.
    """
    with tempfile.TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
        path = Path(name, "report.jsonl")
        only = ["--collect-only", *(["-k", selection] if selection else [])]
        command = [workspace.python, *PYTEST, *NO_CACHE, *job.arguments, *only, *words]
        environment = environment_of(job, workspace) | {REPORT: str(path)}
        try:
            status, output = run_command(command, workspace.folder, environment, job.timeout, alive=path)
        except OSError as error:
            raise BisectError(f"{workspace.python} does not start: {error.strerror or error}") from None
        report = read_report(path)
    if status is None:
        raise DoesNotCollectError(f"{' '.join(words)}: pytest collects for longer than {job.timeout:g} seconds")
    if report is None or not (report.collected or report.messages):
        chosen = f" with -k {selection!r}" if selection else ""
        raise DoesNotCollectError(f"{' '.join(words)}{chosen} is no test with kernel_snapshot: {error_line(output)}")
    return report


def cases_of(report: RunReport, workspace: Workspace) -> list[CaseFile]:
    """The golden tests of a collection, in its order."""
    return [CaseFile(name, os.path.relpath(file, workspace.folder)) for name, file in report.collected]


def check_words(words: Sequence[str]) -> None:
    """Refuse words that name no file, before anything is made ready.

    Raises:
        BisectError: one does.
    """
    for word in words:
        if not Path(word.partition("::")[0]).exists():
            raise BisectError(f"{word}: there is no such file or folder")


def shard_of(cases: Sequence[CaseFile], text: str) -> list[CaseFile]:
    """The cases of shard `I/N`: every N-th from the I-th on, so that neighbours, which take equally long, are spread.

    Raises:
        BisectError: it is not of this form.
    """
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise BisectError(f"--shard {text}: expected I/N with I from 1 to N, such as 1/3")
    return list(cases[int(number) - 1 :: int(count)])
