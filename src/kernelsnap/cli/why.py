"""`kernelsnap why`: why two steps of a golden are not one kernel, and what was decided about each. Needs no torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from kernelsnap.cli.show import add_which, goldens_called
from kernelsnap.errors import GoldenError
from kernelsnap.model.golden import Golden, Plan
from kernelsnap.model.why import Why
from kernelsnap.model.why_words import Step, reasons, steps_called
from kernelsnap.report.visible import visible
from kernelsnap.shared.wording import listed

#: How many steps an error names.
_NAMED = 12


def add_why(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "why",
        help="tell why two kernels of a golden are not one, and what would have to change",
        description="Print the compiler's reasons in goldens: of two steps (`why tests/test_a.py::test_b k0 k1`) "
        "why they are not one kernel, and what would have to change; of one step, all that was decided about it; "
        "without steps all of them. A step that runs again is k0@2.",
    )
    parser.add_argument("golden", metavar="GOLDEN", help="a .ksnap file, or the node id of a test")
    parser.add_argument("steps", metavar="STEP", nargs="*", help="two steps or one, as the plan calls them")
    add_which(parser)
    parser.set_defaults(command=_why)


def _why(options: argparse.Namespace) -> int:
    from kernelsnap.golden.format import parse
    from kernelsnap.golden.store import golden_text

    if len(options.steps) > 2 or len(set(options.steps)) != len(options.steps):
        raise GoldenError("name two different steps, one, or none: kernelsnap why GOLDEN k0 k1")
    files = goldens_called(options.golden, options)
    goldens = [parse(golden_text(file), str(file)) for file in files]
    if not options.steps and not any(golden.why for golden in goldens):
        raise _without(files[0])
    for number, (file, golden) in enumerate(zip(files, goldens, strict=True)):
        lines = list(_of_steps(golden, file, options.steps) if options.steps else _all(golden, file))
        if len(files) > 1:
            lines = [*([""] if number else []), f"# {file}", *lines]
        sys.stdout.writelines(f"{visible(line)}\n" for line in lines)
    return 0


def _all(golden: Golden, file: Path) -> Iterator[str]:
    if not golden.why:
        yield str(_without(file))
    steps = {plan.graph: steps_of(plan) for plan in golden.plan}
    for why in golden.why:
        yield from reasons(why.graph, why, steps.get(why.graph, ()))


def _of_steps(golden: Golden, file: Path, names: list[str]) -> Iterator[str]:
    recorded = {why.graph: why for why in golden.why}
    steps = {plan.graph: steps_of(plan) for plan in golden.plan}
    lines = [
        line
        for graph, found in steps.items()
        for line in reasons(graph, recorded.get(graph, Why(graph)), found, *names)
    ]
    if not lines:
        there = [f"{graph}: {listed(steps_called(found), _NAMED)}" for graph, found in steps.items()]
        raise GoldenError(f"{file} has no graph with {' and '.join(names)}; there is {'; '.join(there)}")
    if not golden.why:
        lines.append(f"  {_without(file)}")
    yield from lines


def _without(file: Path) -> GoldenError:
    return GoldenError(
        f"{file} holds no reasons: there are none, or an older kernelsnap recorded it. They are added by "
        "pytest --snapshot-update --kernelsnap-why"
    )


def steps_of(plan: Plan) -> tuple[Step, ...]:
    """The steps of a plan, with the user's names of tensors."""
    from kernelsnap.golden.user_names import as_named

    return tuple(
        Step(
            step.name,
            step.kind,
            step.sizes,
            step.reads,
            tuple(buffer.name for buffer in step.writes),
            tuple(name for op in step.ops for name in op.aten),
        )
        for step in as_named(plan).steps
    )
