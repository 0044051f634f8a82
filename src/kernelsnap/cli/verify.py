"""`kernelsnap verify-tree`: whether everything in a folder of goldens is read and fits the rest. Needs no torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kernelsnap.report.visible import visible
from kernelsnap.shared.wording import counted


def add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "verify-tree",
        help="check a whole folder of goldens: all is read, and fits the rest",
        description="Read every golden, template and resources file of a folder and its toolchain.toml, and check that "
        "they fit each other. Exit status: 0 all is right, 1 something is not.",
    )
    parser.add_argument("goldens", nargs="?", type=Path, default=Path("goldens"), help="the folder (default: goldens)")
    parser.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> int:
    from kernelsnap.golden.verify import GOLDEN, RESOURCES, TEMPLATE, TreeCheck

    check = TreeCheck(options.goldens)
    for problem in check.problems:
        sys.stdout.write(f"{visible(problem)}\n")
    counts = ", ".join(counted(check.read[kind], kind) for kind in (GOLDEN, TEMPLATE, RESOURCES))
    wrong = counted(len(check.problems), "problem") if check.problems else "all is right"
    sys.stdout.write(visible(f"{options.goldens}: {counts}: {wrong}") + "\n")
    return 1 if check.problems else 0
