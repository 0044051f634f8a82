"""The command line: a thin shell around the library. Bad input is one line on standard error, never a traceback."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module

from kernelsnap.errors import KernelsnapError
from kernelsnap.report.visible import reconfigure, visible_lines
from kernelsnap.shared.wording import internal_error, own_version

#: Exit statuses of every command.
SAME, CHANGED, ERROR = 0, 1, 2
#: What makes `git bisect run` stop.
_ABORT = 128
_DEBUG = "--debug"
#: What adds commands, a function of a module of this package, and their names. Only the module of the command that is
#: asked for is imported: git calls some of them once for each golden.
_COMMANDS = {
    "show.add_show": ["show"],
    "why.add_why": ["why"],
    "diff.add_diff": ["diff"],
    "pending.add_pending": ["pending", "accept", "reject"],
    "review.add_review": ["review"],
    "git_driver.add_git": ["gitattributes", "git-driver", "git-merge"],
    "targets.add_targets": ["targets"],
    "doctor.add_doctor": ["doctor"],
    "verify.add_verify": ["verify-tree"],
    "prune.add_prune": ["prune"],
    "cost.add_cost": ["cost"],
    "time.add_time": ["time"],
    "bisect.add_bisect": ["bisect"],
    "bisect.add_attribute": ["attribute"],
    "upgrade.add_upgrade": ["upgrade"],
}


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
    if sys.stdin is None:  # closed by the shell, too: `<&-`; who asks it gets nothing
        sys.stdin = io.TextIOWrapper(io.BytesIO())
    words, paths = _without_paths(list(sys.argv[1:] if arguments is None else arguments))
    debug = _DEBUG in words
    words = [word for word in words if word != _DEBUG]
    try:
        options = _parser(words).parse_args(words, argparse.Namespace(words=words, paths=paths))
    except SystemExit as stop:
        # `git bisect run` takes most statuses for an answer.
        answers = "bisect" in words[:1] and "--exec" in words
        raise SystemExit(_ABORT if stop.code and answers else stop.code) from None
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


def _without_paths(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command line before `--`, and those after it, which say what of both sides is compared."""
    if words[:1] not in (["diff"], ["time"]) or "--" not in words:
        return list(words), []
    at = words.index("--")
    return list(words[:at]), list(words[at + 1 :])


def _say(message: str) -> None:
    """Write an error to standard error, if there is one."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"kernelsnap: {visible_lines(message)}", file=sys.stderr, flush=True)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command that the words name; of all commands where they name none."""
    parser = argparse.ArgumentParser(
        prog="kernelsnap",
        description="Golden files of the GPU code that torch.compile generates. Recording and checking goldens is "
        "pytest's part: see `pytest --help`, group kernelsnap.",
    )
    parser.add_argument(_DEBUG, action="store_true", help="show the trace of an internal error; anywhere in a command")
    parser.add_argument("--version", action="version", version=f"kernelsnap {own_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    for adder in [adder for adder, names in _COMMANDS.items() if words and words[0] in names] or _COMMANDS:
        module, _, function = adder.partition(".")
        getattr(import_module(f"kernelsnap.cli.{module}"), function)(commands)
    return parser
