"""`kernelsnap cost`: what the kernels of goldens are estimated to take, the slowest first. Needs no torch, no GPU."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kernelsnap.errors import GoldenError
from kernelsnap.report.visible import visible
from kernelsnap.shared.processes import mapped

if TYPE_CHECKING:
    from kernelsnap.cost.estimate import GoldenCost, StepCost

# With fewer goldens than these, processes cost more than they spare.
_FEW = 40


def add_cost(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "cost",
        help="estimate how long the kernels of goldens take, the slowest first",
        description="Estimate the time of every kernel and library call on the GPU that a golden is for, from the "
        "golden's text: which limit decides, and how far it is from the time that its memory traffic takes alone.",
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="goldens or folders (default: goldens)")
    parser.add_argument("--most", type=int, default=20, metavar="N", help="how many kernels to show (default: 20)")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the table, and how near each kernel is to the roof, as a page"
    )
    parser.add_argument(
        "--measured",
        type=Path,
        metavar="FILE",
        help="with --html: what `kernelsnap time --output` measured of the new side, in a plot with the estimates",
    )
    parser.set_defaults(command=_cost)


def _cost(options: argparse.Namespace) -> int:
    files = list(_files(options.paths or [Path("goldens")]))
    estimates = list(mapped(_estimated, files, few=_FEW))
    steps = [(case, step) for case, cost in estimates for step in _steps(cost)]
    known = sorted((it for it in steps if not it[1].unknown), key=lambda it: -it[1].time)
    if options.html:
        _write_page(options, zip(files, (cost.time for _, cost in estimates), strict=True), known)
    for line in _table(known[: options.most]):
        sys.stdout.write(f"{visible(line)}\n")
    reasons = Counter(step.unknown for _, step in steps if step.unknown)
    sys.stdout.write(
        f"{len(known)} kernels and calls of {len(files)} goldens; nothing can be said of {reasons.total()}\n"
    )
    for reason, count in reasons.most_common():
        sys.stdout.write(f"  {count}  {visible(reason)}\n")
    return 0


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    from kernelsnap.golden.store import SUFFIX, golden_files

    for path in paths:
        if path.is_dir():
            yield from golden_files(path)
        elif path.suffix == SUFFIX and path.exists():
            yield path
        else:
            raise GoldenError(f"{path}: there is no such golden or folder")


def _estimated(path: Path) -> tuple[str, GoldenCost]:
    """The case of a golden, and its estimate."""
    from kernelsnap.cost.estimate import estimate
    from kernelsnap.golden.format import parse
    from kernelsnap.golden.resources import read_resources, resources_path
    from kernelsnap.golden.store import golden_text

    golden = parse(golden_text(path), str(path))
    # Registers and shared memory are assumed where they were not recorded.
    recorded = read_resources(resources_path(path), golden.case, golden.target)
    return golden.case, estimate(replace(golden, resources=(*golden.resources, recorded)) if recorded else golden)


def _steps(cost: GoldenCost) -> Sequence[StepCost]:
    from kernelsnap.cost.estimate import StepCost

    if cost.unknown and not cost.steps:
        return [StepCost("", "", 0.0, "memory", 0.0, 0.0, unknown=cost.unknown)]
    return cost.steps


def _write_page(
    options: argparse.Namespace, times: Iterable[tuple[Path, float]], steps: Sequence[tuple[str, StepCost]]
) -> None:
    from kernelsnap.diff.tree.estimates import read_measured
    from kernelsnap.golden.files import write_text
    from kernelsnap.report.html.cost_page import render_costs

    measured = read_measured(options.measured) if options.measured else {}
    estimated = {path.as_posix(): time for path, time in times if time}
    both = [
        (name, time, new)
        for name, (_, new) in sorted(measured.items())
        for path, time in estimated.items()
        if path.endswith(f"/{name}")
    ]
    if measured and not both:
        raise GoldenError(f"{options.measured}: of none of these goldens, or of none that has an estimate")
    write_text(options.html, render_costs(steps, options.most, both))


def _table(steps: Sequence[tuple[str, StepCost]]) -> Iterator[str]:
    yield f"{'time':>9}  {'limit':<12}  {'memory alone':>12}  {'of that':>7}  kernel"
    for case, step in steps:
        share = f"{step.memory_time / step.time:.0%}" if step.time else ""
        numbers = f"{step.time:>6.1f} us  {step.bound:<12}  {step.memory_time:>9.1f} us  {share:>7}"
        yield f"{numbers}  {step.graph} {step.name}  {case}"
