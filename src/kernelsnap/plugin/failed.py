"""A comparison that failed: its message, and what was generated as a pending golden, for `kernelsnap accept`."""

from __future__ import annotations

import linecache
import os
import shlex
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from kernelsnap.errors import KernelsnapError
from kernelsnap.golden import toolchain
from kernelsnap.golden.digests import digest_of, digest_of_file
from kernelsnap.golden.files import read_text
from kernelsnap.golden.store import Case, checked_text
from kernelsnap.golden.templates.folding import is_folded
from kernelsnap.golden.versions import compilers_here, differences
from kernelsnap.model.golden import Golden
from kernelsnap.pending.agreed import read_agreed
from kernelsnap.pending.entry import Pending, summary
from kernelsnap.pending.folder import PendingFolder
from kernelsnap.plugin.run import GoldenRun, in_ci
from kernelsnap.shared.places import CACHE, NAME, to_here

if TYPE_CHECKING:
    from kernelsnap.diff.tree.change import Change

OPTION = "--kernelsnap-pending"


@dataclass(frozen=True)
class FailedComparison:
    """A comparison that failed, in words."""

    headline: str  # follows pytest's `assert`
    lines: tuple[str, ...]
    head: Pending | None = None  # what changed, in short; None where nothing may be accepted


@dataclass(frozen=True)
class Failed:
    """What is kept of a comparison that failed."""

    case: Case
    target: str
    own: Path  # the file that the target's own golden has, or would have
    standing: Path  # the file that it was compared with
    change: Change
    golden: Golden  # what was generated, as it would be recorded
    old: str | None = None  # what it was compared with; None where there was no golden
    packages: Mapping[str, str] | None = None
    templates: Mapping[str, str] | None = None
    resources: str = ""  # what was compiled, where that is what changed
    old_resources: str = ""
    tools: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Commands:
    """What to type next; "" where nothing could be kept."""

    explain: str = ""
    accept: str = ""
    head: Pending | None = None


def folder_of(run: GoldenRun) -> PendingFolder | None:
    """Where pending goldens are kept; None where pytest runs without its cache (`-p no:cacheprovider`)."""
    cache = getattr(run.config, "cache", None)
    return None if cache is None else PendingFolder(Path(cache.mkdir(NAME)), run.config.rootpath)


def keep(run: GoldenRun, failed: Failed) -> Commands:
    """Keep what was generated as a pending golden; the commands that explain and accept it.

    Nothing is kept in CI, unless `--kernelsnap-pending` asks for it, and where pytest's cache cannot be written, of
    which it warns.
    """
    case, head = shown_case(run, str(failed.case)), None
    try:
        text = checked_text(failed.golden, failed.own)
        head = _entry(run, failed, text)
        folder = folder_of(run) if keeps_pending(run) else None
        if folder is None:
            return Commands(head=head)
        folder.write(head, text, failed.resources)
    except (OSError, KernelsnapError) as error:
        warnings.warn(
            pytest.PytestCacheWarning(f"kernelsnap diff --failed will not find {case}: {error}"), stacklevel=2
        )
        return Commands(head=head)
    place = cache_of(run, folder)
    explain = ["kernelsnap", "diff", f"--failed={place}" if place else "--failed", "--explain", case]
    return Commands(shlex.join(explain), accept_command(run, folder, case, "--target", failed.target), head)


def keeps_pending(run: GoldenRun) -> bool:
    """Whether what fails is kept: not in CI, unless that is asked for, and nowhere without a root to accept it in."""
    return (not in_ci() or bool(run.config.getoption(OPTION))) and not run.without_root


def cache_of(run: GoldenRun, folder: PendingFolder) -> str:
    """What commands have to call the cache, relative to where pytest was started; "" where they find it."""
    cache = folder.path.parent.parent
    usual = cache == run.config.rootpath / CACHE
    return "" if usual else os.path.relpath(cache, run.config.invocation_params.dir)


def accept_command(run: GoldenRun, folder: PendingFolder, *which: str) -> str:
    """The command that accepts some of what is pending."""
    place = cache_of(run, folder)
    return shlex.join(["kernelsnap", "accept", *which, *([f"--cache={place}"] if place else [])])


def _entry(run: GoldenRun, failed: Failed, text: str) -> Pending:
    there = failed.old is not None
    return Pending(
        module=failed.case.module,
        test=failed.case.test,
        assertion=failed.case.assertion,
        target=failed.target,
        goldens=os.path.relpath(run.goldens, run.config.rootpath),
        golden=failed.own.relative_to(run.goldens).as_posix(),
        text=digest_of(text),
        replaces=digest_of(failed.old) if failed.old is not None else "",
        compared_with=failed.standing.relative_to(run.goldens).as_posix() if there else "",
        seen=_seen(failed.standing) if there and failed.standing == failed.own else None,
        resources=digest_of_file(failed.resources) if failed.resources else "",
        replaces_resources=digest_of_file(failed.old_resources) if failed.old_resources else "",
        versions=compilers_here(),
        packages=dict(failed.packages or {}),
        templates=dict(failed.templates or {}),
        tools=dict(failed.tools or {}),
        line=_line_of(run.config.rootpath / failed.case.module),
        sources=_sources(failed.golden),
        **summary(failed.change),
    )


def shown_case(run: GoldenRun, case: str) -> str:
    """A case as messages name it: its file relative to the folder that pytest was started in."""
    return to_here(case, run.config.rootpath, run.config.invocation_params.dir)


def _sources(golden: Golden) -> dict[str, list[str]]:
    """The lines of the user's that each kernel and call comes from, by graph and name."""
    steps = ((f"{plan.graph} {step.name}", step) for plan in golden.plan for step in plan.steps)
    lines = ((name, list(dict.fromkeys(op.line for op in step.ops if op.line))) for name, step in steps)
    return {name: of for name, of in lines if of}


def _line_of(path: Path) -> str:
    """The line of the user's test module that compares just now, and its number."""
    frame: FrameType | None = sys._getframe()
    while frame and frame.f_code.co_filename != str(path):
        frame = frame.f_back
    return f"{frame.f_lineno}: {linecache.getline(str(path), frame.f_lineno).strip()}" if frame else ""


def _seen(path: Path) -> tuple[int, int] | None:
    """Size and time of a golden's file; None where a template decides, too, what it says."""
    if is_folded(read_text(path)):
        return None
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def forget(run: GoldenRun, golden: PurePath, case: str) -> None:
    """Drop what was kept of a comparison that no longer fails, and of its resources."""
    try:
        if folder := folder_of(run):
            folder.remove(golden.as_posix())
    except OSError as error:
        warnings.warn(pytest.PytestCacheWarning(f"kernelsnap diff --failed still finds {case}: {error}"), stacklevel=2)


def keep_agreed(run: GoldenRun) -> None:
    """Keep which goldens agreed in this run, for `kernelsnap accept`, where something is or may become pending."""
    if not run.compared or not keeps_pending(run):
        return
    versions = compilers_here()
    try:
        recorded = toolchain.read(run.goldens)
        compared = run.compared.values()
        settled = recorded and all(golden.agrees and not differences(recorded, golden) for golden in compared)
        if settled and not run.config.getoption(OPTION):
            return
        if folder := folder_of(run):
            agreed = read_agreed(folder, versions)
            agreed.goldens |= {key: golden for key, golden in run.compared.items() if golden.digest}
            agreed.resources |= run.resources.agreed
            agreed.tools |= run.resources.tools
            folder.write_compared(agreed.to_json())
    except (OSError, KernelsnapError) as error:
        warnings.warn(pytest.PytestCacheWarning(f"kernelsnap accept will not move versions: {error}"), stacklevel=2)
