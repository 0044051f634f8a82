"""`kernelsnap doctor`: what this machine can do, and what to install."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from kernelsnap.doctor.check import Check, can_capture

SCHEMA = 1
#: What kernelsnap is installed with.
_DEPENDENCIES = ("jinja2", "numpy", "packaging", "pytest", "rich", "syrupy", "tomli_w", "unidiff")
# ANSI: green, yellow, bold red.
_COLORS = {"ok": "32", "warning": "33", "missing": "1;31"}


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
    parser.add_argument("--verbose", action="store_true", help="name everything that was looked at")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Look, and report; the exit status."""
    checks = _checks(quick=options.quick)
    if options.json:
        data = {
            "schema": SCHEMA,
            "can_capture": can_capture(checks),
            "checks": [dataclasses.asdict(check) for check in checks],
        }
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        _write(checks, verbose=options.verbose)
    return 0 if can_capture(checks) else 1


def _checks(*, quick: bool) -> Sequence[Check]:
    # Imported late: other commands must not wait for it, and some of it may not be there.
    try:
        for module in _DEPENDENCIES:
            importlib.import_module(module)
        from kernelsnap.doctor.examine import examine
    except ImportError as error:
        says = f"kernelsnap is run from its source, without what it depends on: {error}"
        return [Check("Python", "missing", says, "pip install kernelsnap")]
    return examine(Path.cwd(), quick=quick)


def _write(checks: Sequence[Check], *, verbose: bool) -> None:
    # Without rich, which may be among what is missing.
    colored = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size().columns
    statuses = max(len(check.status) for check in checks)
    names = max(len(check.name) for check in checks)
    for check in checks:
        head = f"{check.status:{statuses}}  {check.name:{names}}  "
        indent = " " * len(head)
        text = _wrapped(check.says, width, head, indent)
        if colored:
            text = text.replace(check.status, f"\x1b[{_COLORS[check.status]}m{check.status}\x1b[0m", 1)
        sys.stdout.write(text)
        if check.do:
            sys.stdout.write(_wrapped(check.do, width, indent, indent))
        if verbose:
            sys.stdout.writelines(f"{indent}{detail}\n" for detail in check.details)
    sys.stdout.write(f"Goldens {'can' if can_capture(checks) else 'cannot'} be captured here.\n")


def _wrapped(text: str, width: int, first: str, rest: str) -> str:
    # A path or a command is copied from here: it stays whole.
    lines = textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines) + "\n"
