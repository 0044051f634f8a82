"""`kernelsnap time`: runs the code of goldens on the GPU that is there, both sides in turns, beside the estimate."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelsnap.cli.diff import CHANGED, ERROR, SAME, add_sides, sides_of
from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.sides.trees import DiffInputError
from kernelsnap.diff.tree.change import golden_of
from kernelsnap.diff.tree.estimates import FORMAT, time_of, with_measurement
from kernelsnap.model.golden import Golden
from kernelsnap.report import words
from kernelsnap.report.visible import visible
from kernelsnap.shared.wording import counted, micro

if TYPE_CHECKING:
    from kernelsnap.cost.estimate import StepCost
    from kernelsnap.cost.measure.goldens import Measured


def add_time(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "time",
        help="run the code of goldens on the GPU that is there, and measure both sides of what changed",
        description="Run the code of the goldens that differ between two goldens, folders or git revisions on the GPU "
        "of this machine, both sides in turns, L2 flushed before each run, and show what was measured beside the "
        "estimate. This executes the text of goldens: where a side is a revision or a patch, that needs --trust.",
        usage="%(prog)s [options] OLD [NEW] [-- PATH ...]",
    )
    add_sides(parser)
    parser.add_argument("--trust", action="store_true", help="run code that comes from another revision or a patch")
    parser.add_argument("--output", type=Path, metavar="FILE", help="keep what was measured, for `diff --measured`")
    parser.add_argument("--repetitions", type=int, default=11, metavar="N", help="runs of each side (default: 11)")
    parser.set_defaults(command=_time, failed=None)


def _time(options: argparse.Namespace) -> int:
    _check_trust(options)
    if options.repetitions < 3:
        raise DiffInputError("--repetitions: a median needs at least 3 runs")
    from kernelsnap.cost.measure.goldens import clocks, measure, where
    from kernelsnap.cost.measure.inputs import CannotRunError

    sides = sides_of(options)
    sys.stdout.write(f"on {visible(where())}; L2 flushed before each run, median of {options.repetitions}\n")
    kept: dict[str, Any] = {}
    found = failed = 0
    for name, old, new in _differing(sides):
        found += 1
        try:
            measured = measure(old, new, options.repetitions)
        except CannotRunError as error:
            failed += 1
            sys.stdout.write(f"{visible(f'{name}: not measured: {error}')}\n")
            continue
        kept[name] = {side: asdict(one) for side, one in zip(("old", "new"), measured, strict=True)}
        for line in _lines(name, (old, new), measured):
            sys.stdout.write(f"{visible(line)}\n")
        sys.stdout.flush()
    at = clocks()
    if options.output:
        content = {"format": FORMAT, "where": where(), "clocks": at, "goldens": kept}
        options.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    number = counted(found, "golden")
    sys.stdout.write(f"changed on both sides: {number}; measured: {found - failed}; at the end {at}\n")
    return ERROR if failed else CHANGED if found else SAME


def _check_trust(options: argparse.Namespace) -> None:
    """Refuse to run what may come from anybody, unless that is wanted.

    Raises:
        DiffInputError: a side is a revision, or comes from a patch.
    """
    here = options.patch is None and len(options.sides) == 2 and all(Path(side).exists() for side in options.sides)
    if not here and not options.trust:
        raise DiffInputError(
            "this runs code from goldens of another revision or a patch, with your rights: "
            "read them first, then give --trust"
        )


def _differing(sides: Sides) -> Iterator[tuple[str, Golden, Golden]]:
    for name in sides.may_differ():
        contents = sides.differing(name)
        if contents and contents[1] is not None and contents[2] is not None:
            old, new = golden_of(name, contents[1], "old"), golden_of(name, contents[2], "new")
            assert old
            assert new
            yield name, old, new


def _lines(name: str, goldens: tuple[Golden, Golden], measured: tuple[Measured, Measured]) -> Iterator[str]:
    time = with_measurement(time_of(*goldens), measured[0].total, measured[1].total)
    yield f"{name}: {words.estimate(time)}"
    for side, golden, one in zip(("old", "new"), goldens, measured, strict=True):
        spread = f"{micro(one.low)} to {micro(one.high)}"
        yield f"  {side}: {micro(one.total)} ({spread}), {len(one.kernels)} launch{'es' * (len(one.kernels) != 1)}"
        steps = iter(_estimates(golden, one))
        for graph, kernel, taken in one.kernels:
            yield f"    {graph} {kernel[:60]}: {micro(taken)}{next(steps)}"


def _estimates(golden: Golden, measured: Measured) -> Iterator[str]:
    """For each launch that was measured its estimate, where both are of one kernel, in words."""
    from kernelsnap.cost.estimate import estimate

    left: dict[tuple[str, str], list[StepCost]] = {}
    for step in estimate(golden).steps:
        left.setdefault((step.graph, step.name), []).append(step)
    for graph, kernel, _ in measured.kernels:
        if not left.get((graph, kernel)):
            yield ""
            continue
        step = left[graph, kernel].pop(0)
        yield f" (est. cannot tell: {step.unknown})" if step.unknown else f" (est. {micro(step.time)}, {step.bound})"
