"""What the machine code of a capture needs, compared with the file beside its golden, or recorded there.

Only where it is asked for: by `--kernelsnap-resources`, the setting `kernelsnap_resources`, or
`kernel_snapshot(resources=True)`. Otherwise such a file is not looked at, whatever is updated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kernelsnap.golden import store
from kernelsnap.golden.digests import digest_of_file
from kernelsnap.golden.files import read_text
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.resources import (
    named_like,
    read_resources,
    render_resources,
    resources_path,
    same_resources,
    write_resources,
)
from kernelsnap.golden.store import Case, golden_text
from kernelsnap.model.capture import Capture
from kernelsnap.model.golden import Golden
from kernelsnap.model.resources import Resources
from kernelsnap.plugin.failed import Commands, Failed, FailedComparison, keep
from kernelsnap.plugin.run import GoldenRun, in_ci

if TYPE_CHECKING:
    from kernelsnap.diff.compare import Diff

OPTION = "--kernelsnap-resources"
INI = "kernelsnap_resources"


@dataclass(frozen=True)
class Assertion:
    """One assertion of a test whose golden says the same as the capture."""

    case: Case
    module: Path
    test: str
    own: Path  # the file that the target's own golden has, or would have
    standing: Callable[[], Path]  # finds the file that holds the golden
    label: str  # the target, or its variant, that the golden is for
    asked_target: str | None  # the target that the update command has to name
    keeps: bool  # nothing is rewritten


def compare_resources(run: GoldenRun, assertion: Assertion, capture: Capture) -> FailedComparison | None:
    """Compile a capture's kernels, and compare or record what they need; None where it is as recorded.

    Raises:
        CaptureError: the kernels cannot be compiled here.
        GoldenError: the file cannot be read or written.
    """
    # Imported late: it imports torch, which a run without captures must not wait for.
    from kernelsnap.capture.machine_code.kernel_resources import kernel_resources

    case = str(assertion.case)
    new = replace(kernel_resources(capture), case=case, target=assertion.label)
    path = resources_path(assertion.own)
    old = read_resources(path, case, new.target)
    run.resources.remember(new)
    if same_resources(old, new) if old else not new.entries:
        if old:
            run.resources.remember_agreed(new, digest_of_file(read_text(path)))
        return None
    if not assertion.keeps and (run.updates or (old is None and run.creates)):
        with tree_lock(run.goldens):
            write_resources(path, new, store.read_golden(assertion.standing(), case))
        run.resources.remember_written(new)
        return None
    options = [OPTION] if run.config.getoption(OPTION) and not run.config.getini(INI) else []
    command = run.update_command(assertion.module, assertion.test, assertion.asked_target, *options)
    golden = store.read_golden(assertion.standing(), case)
    if old is None:
        lines = [f"There is no resources file yet: {run.shown(path)}"]
        if in_ci() and not run.creates:
            lines.append("In CI nothing is recorded: record it on your machine and commit it.")
        commands = _keep(run, assertion, golden, None, new)[0]
        lines.append(f"To record it:  {commands.accept or command}")
        return FailedComparison(f"capture == {run.shown(path)} (missing)", tuple(lines), commands.head)
    return _changed(run, assertion, golden, old, new, command)


def _changed(
    run: GoldenRun, assertion: Assertion, golden: Golden, old: Resources, new: Resources, command: str
) -> FailedComparison:
    from kernelsnap.report.diff_text import failure_lines

    commands, diff = _keep(run, assertion, golden, old, new)
    lines = failure_lines(diff, run.color)
    if other := run.resources.other_tools(run.goldens):
        lines = [*lines, "", f"The resources were {other}"]
    if assertion.keeps:
        lines = [*lines, "", "The test is marked xfail: its resources file is never rewritten."]
    why = [f"To see why:  {commands.explain}"] if commands.explain else []
    lines = [*lines, "", *why, f"To accept:  {commands.accept or command}"]
    path = run.shown(resources_path(assertion.own))
    return FailedComparison(f"capture == {path}", tuple(lines), commands.head)


def _keep(
    run: GoldenRun, assertion: Assertion, golden: Golden, old: Resources | None, new: Resources
) -> tuple[Commands, Diff]:
    """Keep the resources as pending, with the golden that they belong to; what they differ in."""
    from kernelsnap.diff.compare import compare
    from kernelsnap.diff.tree.change import changed

    golden = replace(golden, target=new.target, shared_with=())
    named = named_like(new, golden)
    before = replace(golden, resources=(named_like(old, golden),) if old else ())
    after = replace(golden, resources=(named,))
    diff = compare(before, after)
    if assertion.keeps:
        return Commands(), diff
    failed = Failed(
        assertion.case,
        new.target,
        assertion.own,
        assertion.standing(),
        changed(assertion.own.name, diff, after),
        golden,
        old=golden_text(assertion.standing()),
        resources=render_resources(named),
        old_resources=read_text(resources_path(assertion.own)) if old else "",
        tools=dict(new.tools),
    )
    return keep(run, failed), diff


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """Add the option and the setting."""
    group.addoption(
        OPTION,
        action="store_true",
        help="compile every kernel to machine code, and compare registers, spills and so on with the files beside the "
        "goldens; --snapshot-update records them",
    )
    parser.addini(INI, f"the same as {OPTION} in every run (default: false)", type="bool", default=False)


def are_asked_for(config: pytest.Config) -> bool:
    """Whether this run compares resources where a test does not say."""
    return bool(config.getoption(OPTION)) or bool(config.getini(INI))
