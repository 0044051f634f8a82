"""The command line: a thin shell around the library. Bad input is one line on standard error, never a traceback."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from kernelsnap.cli import bisect as bisect_arguments
from kernelsnap.cli.bisect import add_attribute
from kernelsnap.cli.cost import add_cost
from kernelsnap.cli.diff import add_diff, without_paths
from kernelsnap.cli.doctor import add_doctor
from kernelsnap.cli.git_driver import add_git
from kernelsnap.cli.pending import add_pending
from kernelsnap.cli.prune import add_prune
from kernelsnap.cli.review import add_review
from kernelsnap.cli.show import add_show
from kernelsnap.cli.targets import add_targets
from kernelsnap.cli.upgrade import add_upgrade
from kernelsnap.cli.verify import add_verify
from kernelsnap.errors import KernelsnapError
from kernelsnap.report.visible import reconfigure, visible_lines
from kernelsnap.shared.internal_error import internal_error
from kernelsnap.shared.wording import own_version

#: Exit statuses of every command.
SAME, CHANGED, ERROR = 0, 1, 2
_DEBUG = "--debug"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status.

    What goes wrong is a short message: one line for an error that is documented, a few for one that nobody expected,
    whose trace `--debug` shows. What the encoding of an output does not have is written out.
    """
    if sys.stdout is None or sys.stderr is None:  # closed by the shell: `>&-`
        _say("standard output and standard error have to be open")
        return ERROR
    reconfigure(sys.stdout)
    reconfigure(sys.stderr)
    words, paths = without_paths(list(sys.argv[1:] if arguments is None else arguments))
    debug = _DEBUG in words
    words = [word for word in words if word != _DEBUG]
    try:
        options = _parser().parse_args(words, argparse.Namespace(words=words, paths=paths))
    except SystemExit as stop:
        raise SystemExit(bisect_arguments.usage_status(words, stop.code)) from None
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        status = command(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # What reads the output has seen enough, as in `| head`. It is flushed once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SAME
    except KernelsnapError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except Exception as error:  # a fault of kernelsnap
        if debug:
            raise
        message = "\n".join(internal_error(error, shlex.join(["kernelsnap", *words, *paths]), _DEBUG))
    _say(message)
    return ERROR


def _say(message: str) -> None:
    """Write an error to standard error, if there is one."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"kernelsnap: {visible_lines(message)}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kernelsnap",
        description="Golden files of the GPU code that torch.compile generates. Recording and checking goldens is "
        "pytest's part: see `pytest --help`, group kernelsnap.",
    )
    parser.add_argument(_DEBUG, action="store_true", help="show the trace of an internal error; anywhere in a command")
    parser.add_argument("--version", action="version", version=f"kernelsnap {own_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    add_show(commands)
    add_diff(commands)
    add_pending(commands)
    add_review(commands)
    add_git(commands)

    add_targets(commands)
    add_doctor(commands)
    add_verify(commands)
    add_prune(commands)
    add_cost(commands)

    bisect = commands.add_parser("bisect", help="find the commit, version or setting that changed a golden")
    bisect_arguments.add_arguments(bisect)
    add_attribute(commands)
    add_upgrade(commands)
    return parser
