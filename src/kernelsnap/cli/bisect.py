"""`kernelsnap bisect` and `kernelsnap attribute`: their options, as typed requests.

What they do is imported only when one of them is given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from kernelsnap.bisect.request import CasesRequest, Finished

_RequestT = TypeVar("_RequestT", bound="CasesRequest")

#: The exit status where the keyboard stopped a command.
INTERRUPTED = 130
_OVER_HELP = "lay this package of the checkout, such as torch, over the installed one: nothing is compiled"
_SETTINGS_HELP = "`defaults`, `defaults@PYTHON`, a TOML file, or NAME=VALUE; may be repeated"


def add_bisect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("bisect", help="find the commit, version or setting that changed a golden")
    parser.add_argument("cases", metavar="CASE", nargs="+", help="pytest node ids, test modules or folders")
    parser.add_argument("-k", dest="select", default="", metavar="EXPRESSION", help="of those, what pytest -k selects")
    parser.add_argument(
        "--axis", help="what to search: git, config, passes, or torch=2.11.0..2.14.1; without it, one is proposed"
    )
    asks = parser.add_argument_group("what is asked of each step")
    asks.add_argument(
        "--predicate", default="differs", metavar="TEXT",
        help='such as `differs`, `differs(plan)`, `kernels > 1`, `contains("online_softmax")` (default: differs)',
    )  # fmt: skip
    asks.add_argument("--script", default="", metavar="COMMAND", help="a command whose exit status answers: 0, 1, 125")
    asks.add_argument("--reference", choices=("first", "last", "stored"), help="the golden that others compare with")
    asks.add_argument("--goldens", type=Path, default=Path("goldens"), metavar="FOLDER", help="of the stored goldens")
    asks.add_argument("--target", metavar="NAME", help="the GPU to generate code for")
    asks.add_argument("--pytest", action="append", default=[], metavar="ARGUMENT", help="one more for pytest")
    asks.add_argument("--timeout", type=float, default=1800.0, metavar="SECONDS", help="of one step (default: 1800)")
    asks.add_argument("--python", default=sys.executable, help="the interpreter that runs the case")
    asks.add_argument("--exec", action="store_true", help="ask here and now only, and exit with 0, 1 or 125")
    git = parser.add_argument_group("axis git")
    git.add_argument("--range", default="HEAD", metavar="A..B", help="commits; `B` alone goes back from B by itself")
    git.add_argument("--repository", type=Path, default=Path(), metavar="FOLDER", help="where the commits are")
    git.add_argument("--build", default="", metavar="COMMAND", help="run in the checkout of each step")
    git.add_argument("--overlay", action="append", default=[], metavar="FILE", help="a file that every step gets")
    git.add_argument("--over", action="append", default=[], metavar="PACKAGE", help=_OVER_HELP)
    git.add_argument("--all-parents", action="store_true", help="also the commits that merges brought in")
    wheels = parser.add_argument_group("axis PACKAGE=FIRST..LAST")
    wheels.add_argument("--env", action="append", default=[], metavar="VERSION=PYTHON", help="a prepared environment")
    wheels.add_argument("--requirement", action="append", default=[], metavar="TEXT", help="also to be installed")
    wheels.add_argument("--yes", action="store_true", help="do not ask before environments are made")
    config = parser.add_argument_group("axis config")
    config.add_argument("--from", dest="old", action="append", default=[], metavar="SETTINGS", help=_SETTINGS_HELP)
    config.add_argument("--to", dest="new", action="append", default=[], metavar="SETTINGS", help="the other side")
    passes = parser.add_argument_group("axis passes")
    passes.add_argument(
        "--subsystem", action="append", default=[], metavar="NAME",
        help="search only this one, such as fusions or post_grad_passes; may be repeated",
    )  # fmt: skip
    search = parser.add_argument_group("how thorough")
    search.add_argument("--repeats", type=int, default=1, metavar="N", help="ask both sides of a change again")
    search.add_argument(
        "--sweep", type=int, default=0, metavar="N", help="ask N more steps where nothing seems to change"
    )
    search.add_argument("--limit", type=int, metavar="N", help="ask no more than N steps")
    keeps = parser.add_argument_group("state and report")
    keeps.add_argument("--state", type=Path, metavar="FILE", help="where to keep what was seen, to go on after a kill")
    keeps.add_argument("--fresh", action="store_true", help="forget what was seen before")
    keeps.add_argument("--shard", default="", metavar="I/N", help="only the I-th of N parts of the cases")
    keeps.add_argument("--merge", action="store_true", help="CASE are the --json reports of all shards: put together")
    keeps.add_argument("--json", action="store_true", help="the report as data")
    parser.set_defaults(command=_run)


def request_of(kind: type[_RequestT], options: argparse.Namespace, **more: Any) -> _RequestT:
    """The typed request that a command line makes: a field for each option, and those given here."""
    given: dict[str, Any] = vars(options) | more
    given = {field.name: given[field.name] for field in fields(kind)}
    given |= {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return kind(**given)


def finish(command: Callable[[_RequestT], Finished], request: _RequestT) -> int:
    """Run a command that keeps what it has seen, and print its report; its exit status."""
    try:
        finished = command(request)
    except KeyboardInterrupt:
        sys.stderr.write("stopped. What was seen is kept: the same command goes on from there\n")
        return INTERRUPTED
    sys.stdout.write(finished.report)
    return finished.status


def _run(options: argparse.Namespace) -> int:
    from kernelsnap.bisect.request import BisectRequest
    from kernelsnap.bisect.run import run_bisect

    return finish(run_bisect, request_of(BisectRequest, options))


def add_attribute(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("attribute", help="say which of several versions, settings or commits changed a case")
    parser.add_argument(
        "given", metavar="CASE|FACTOR", nargs="+",
        help="pytest node ids, modules or folders; and torch=2.13.0,2.14.1, config:max_fusion_size=1,64, git=v1.2,HEAD",
    )  # fmt: skip
    parser.add_argument(
        "-k", dest="select", default="", metavar="EXPRESSION", help="of the cases, what pytest -k selects"
    )
    parser.add_argument("--target", metavar="NAME", help="the GPU to generate code for")
    parser.add_argument("--pytest", action="append", default=[], metavar="ARGUMENT", help="one more for pytest")
    parser.add_argument("--timeout", type=float, default=1800.0, metavar="SECONDS", help="of one case (default: 1800)")
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="run each cell again (default: once)")
    versions = parser.add_argument_group("versions")
    versions.add_argument("--python", default=sys.executable, help="the interpreter that other packages are laid over")
    versions.add_argument("--requirement", action="append", default=[], metavar="TEXT", help="also to be installed")
    versions.add_argument(
        "--env", action="append", default=[], metavar="torch=VERSION=PYTHON", help="a prepared environment"
    )
    versions.add_argument("--yes", action="store_true", help="do not ask before versions are installed")
    git = parser.add_argument_group("commits")
    git.add_argument("--repository", type=Path, default=Path(), metavar="FOLDER", help="where the commits are")
    git.add_argument("--build", default="", metavar="COMMAND", help="run in the checkout of each commit")
    git.add_argument("--overlay", action="append", default=[], metavar="FILE", help="a file that every commit gets")
    git.add_argument("--over", action="append", default=[], metavar="PACKAGE", help=_OVER_HELP)
    keeps = parser.add_argument_group("state and report")
    keeps.add_argument(
        "--state", type=Path, metavar="FOLDER", help="where to keep what was seen, to go on after a kill"
    )
    keeps.add_argument("--fresh", action="store_true", help="forget what was seen before")
    keeps.add_argument("--json", action="store_true", help="the report as data")
    parser.set_defaults(command=_attribute)


def _attribute(options: argparse.Namespace) -> int:
    from kernelsnap.bisect.attribute.factors import is_factor
    from kernelsnap.bisect.attribute.run import run_attribute
    from kernelsnap.bisect.request import AttributeRequest

    factors = tuple(filter(is_factor, options.given))
    cases = tuple(word for word in options.given if not is_factor(word))
    return finish(run_attribute, request_of(AttributeRequest, options, cases=cases, factors=factors))
