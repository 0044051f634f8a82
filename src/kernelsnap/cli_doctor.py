"""`kernelsnap doctor`: what this machine can do, and what to install."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kernelsnap.doctor.check import Check, can_capture

SCHEMA = 1
_WIDTH = 80
_STYLES = {"ok": "green", "warning": "yellow", "missing": "bold red"}


def add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "doctor",
        help="say what this machine can do, and what to install",
        description="Look at torch, triton, the compiler, pytest and the goldens of the project in this folder. Exit "
        "status: 0 goldens can be captured, 1 they cannot.",
    )
    parser.add_argument("--quick", action="store_true", help="capture nothing")
    parser.add_argument("--json", action="store_true", help="as data")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Look, and report; the exit status."""
    # Imported late: other commands must not wait for it.
    from kernelsnap.doctor.examine import examine

    checks = examine(Path.cwd(), quick=options.quick)
    if options.json:
        data = {
            "schema": SCHEMA,
            "can_capture": can_capture(checks),
            "checks": [dataclasses.asdict(check) for check in checks],
        }
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        _write(checks)
    return 0 if can_capture(checks) else 1


def _write(checks: Sequence[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", _WIDTH))
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    table = Table.grid(padding=(0, 2))
    for check in checks:
        table.add_row(Text(check.status, style=_STYLES[check.status]), check.name, Text(check.says, overflow="fold"))
        if check.do:
            table.add_row("", "", Text(check.do, style="bold", overflow="fold"))
    console.print(table)
    verdict = "Goldens can be captured here." if can_capture(checks) else "Goldens cannot be captured here."
    console.print(Text(verdict, style="bold"))
