"""`kernelsnap why`: why two steps of a golden are not one kernel, and what else was decided. Needs no torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from kernelsnap.cli.show import add_which, goldens_called
from kernelsnap.errors import GoldenError
from kernelsnap.model.golden import Golden, Plan
from kernelsnap.model.why import Why
from kernelsnap.model.why_words import Step, all_reasons, steps_called, why_apart
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
        "why they are not one kernel, and what would have to change; without steps all of them. A step that runs again "
        "is k0@2.",
    )
    parser.add_argument("golden", metavar="GOLDEN", help="a .ksnap file, or the node id of a test")
    parser.add_argument("steps", metavar="STEP", nargs="*", help="two steps, as the plan calls them")
    add_which(parser)
    parser.set_defaults(command=_why)


def _why(options: argparse.Namespace) -> int:
    from kernelsnap.golden.format import parse
    from kernelsnap.golden.store import golden_text

    if len(options.steps) not in (0, 2) or len(set(options.steps)) != len(options.steps):
        raise GoldenError("name two different steps, or none: kernelsnap why GOLDEN k0 k1")
    files = goldens_called(options.golden, options)
    goldens = [parse(golden_text(file), str(file)) for file in files]
    if not options.steps and not any(golden.why for golden in goldens):
        raise _without(files[0])
    for number, (file, golden) in enumerate(zip(files, goldens, strict=True)):
        lines = list(_of_two(golden, file, *options.steps) if options.steps else _all(golden, file))
        if len(files) > 1:
            lines = [*([""] if number else []), f"# {file}", *lines]
        sys.stdout.writelines(f"{visible(line)}\n" for line in lines)
    return 0


def _all(golden: Golden, file: Path) -> Iterator[str]:
    if not golden.why:
        yield str(_without(file))
    for why in golden.why:
        yield from all_reasons(why.graph, why)


def _of_two(golden: Golden, file: Path, first: str, second: str) -> Iterator[str]:
    reasons = {why.graph: why for why in golden.why}
    steps = {plan.graph: steps_of(plan) for plan in golden.plan}
    lines = [
        line
        for graph, found in steps.items()
        for line in why_apart(graph, reasons.get(graph, Why(graph)), found, first, second)
    ]
    if not lines:
        there = [f"{graph}: {listed(steps_called(found), _NAMED)}" for graph, found in steps.items()]
        raise GoldenError(f"{file} has no graph with both {first} and {second}; there is {'; '.join(there)}")
    if not golden.why:
        lines.append(f"  {_without(file)}")
    yield from lines


def _without(file: Path) -> GoldenError:
    return GoldenError(
        f"{file} holds no reasons: an older kernelsnap recorded it. They are added by "
        "pytest --snapshot-update --kernelsnap-why"
    )


def steps_of(plan: Plan) -> tuple[Step, ...]:
    """The steps of a plan, with the user's names of tensors."""
    from kernelsnap.golden.user_names import as_named

    return tuple(
        Step(step.name, step.kind, step.sizes, step.reads, tuple(buffer.name for buffer in step.writes))
        for step in as_named(plan).steps
    )
