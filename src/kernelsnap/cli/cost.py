"""`kernelsnap cost`: what the kernels of goldens are estimated to take, the slowest first. Needs no torch, no GPU."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kernelsnap.errors import GoldenError
from kernelsnap.report.visible import visible
from kernelsnap.shared.processes import mapped

# With fewer goldens than these, processes cost more than they spare.
_FEW = 40


@dataclass(frozen=True)
class _Row:
    """A line of the table."""

    case: str
    step: str
    time: float
    bound: str
    memory: float  # what it would take if only memory held it up
    unknown: str = ""


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
    parser.set_defaults(command=_cost)


def _cost(options: argparse.Namespace) -> int:
    files = list(_files(options.paths or [Path("goldens")]))
    rows = [row for found in mapped(_rows, files, few=_FEW) for row in found]
    known = sorted((row for row in rows if not row.unknown), key=lambda row: -row.time)
    for line in _table(known[: options.most]):
        sys.stdout.write(f"{visible(line)}\n")
    reasons = Counter(row.unknown for row in rows if row.unknown)
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


def _rows(path: Path) -> list[_Row]:
    from kernelsnap.cost.estimate import estimate
    from kernelsnap.golden.format import parse
    from kernelsnap.golden.resources import read_resources, resources_path
    from kernelsnap.golden.store import golden_text

    golden = parse(golden_text(path), str(path))
    # Registers and shared memory are assumed where they were not recorded.
    recorded = read_resources(resources_path(path), golden.case, golden.target)
    cost = estimate(replace(golden, resources=(*golden.resources, recorded)) if recorded else golden)
    if not cost.steps:
        return [_Row(golden.case, "", 0.0, "", 0.0, cost.unknown)] if cost.unknown else []
    return [
        _Row(golden.case, f"{step.graph} {step.name}", step.time, step.bound, step.memory_time, step.unknown)
        for step in cost.steps
    ]


def _table(rows: list[_Row]) -> Iterator[str]:
    yield f"{'time':>9}  {'limit':<12}  {'memory alone':>12}  {'of that':>7}  kernel"
    for row in rows:
        share = f"{row.memory / row.time:.0%}" if row.time else ""
        yield f"{row.time:>6.1f} us  {row.bound:<12}  {row.memory:>9.1f} us  {share:>7}  {row.step}  {row.case}"
