"""What the machine code of a capture needs, compared with the file beside its golden, or recorded there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kernelsnap.golden import store
from kernelsnap.golden.format import render
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.resources import (
    named_like,
    read_resources,
    render_resources,
    resources_path,
    same_resources,
    write_resources,
)
from kernelsnap.model.capture import Capture
from kernelsnap.model.resources import Resources
from kernelsnap.plugin import failed as pytest_failed
from kernelsnap.plugin.failed import FailedComparison
from kernelsnap.plugin.resources_run import INI, OPTION
from kernelsnap.plugin.run import GoldenRun, in_ci


@dataclass(frozen=True)
class Assertion:
    """One assertion of a test whose golden says the same as the capture."""

    case: str
    module: Path
    test: str
    own: Path  # the file that the target's own golden has, or would have
    standing: Callable[[], Path]  # finds the file that holds the golden
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

    new = replace(kernel_resources(capture), case=assertion.case)
    path = resources_path(assertion.own)
    old = read_resources(path, assertion.case, new.target)
    run.resources.remember(new)
    if same_resources(old, new) if old else not new.entries:
        return None
    if not assertion.keeps and (run.updates or (old is None and run.creates)):
        with tree_lock(run.goldens):
            write_resources(path, new, store.read_golden(assertion.standing(), assertion.case))
        run.resources.remember_written(new)
        return None
    options = [OPTION] if run.config.getoption(OPTION) and not run.config.getini(INI) else []
    command = run.update_command(assertion.module, assertion.test, assertion.asked_target, *options)
    if old is None:
        lines = [f"There is no resources file yet: {run.shown(path)}"]
        if in_ci() and not run.creates:
            lines.append("In CI nothing is recorded: record it on your machine and commit it.")
        return FailedComparison(f"capture == {run.shown(path)} (missing)", (*lines, f"To record it:  {command}"))
    return FailedComparison(f"capture == {run.shown(path)}", tuple(_told(run, assertion, old, new, command)))


def _told(run: GoldenRun, assertion: Assertion, old: Resources, new: Resources, command: str) -> list[str]:
    from kernelsnap.diff.compare import compare
    from kernelsnap.report.diff_text import failure_lines

    golden = store.read_golden(assertion.standing(), assertion.case)
    sides = [named_like(found, golden) for found in (old, new)]
    before, after = (replace(golden, resources=(found,)) for found in sides)
    lines = failure_lines(compare(before, after), run.color)
    if other := run.resources.other_tools(run.goldens):
        lines = [*lines, "", f"The resources were {other}"]
    if assertion.keeps:
        lines = [*lines, "", "The test is marked xfail: its resources file is never rewritten."]
    own, text = assertion.own.relative_to(run.goldens), render(golden)
    pytest_failed.keep(run.config, own, assertion.case, text, text)
    why = pytest_failed.keep(run.config, resources_path(own), assertion.case, *map(render_resources, sides))
    return [*lines, "", *([f"To see why:  {why}"] if why else []), f"To accept:  {command}"]
