"""`kernelsnap attribute`: its options, as a typed request. It imports what the command does only when it is given."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kernelsnap.cli.bisect import finish, request_of


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
    keeps = parser.add_argument_group("state and report")
    keeps.add_argument(
        "--state", type=Path, metavar="FOLDER", help="where to keep what was seen, to go on after a kill"
    )
    keeps.add_argument("--fresh", action="store_true", help="forget what was seen before")
    keeps.add_argument("--json", action="store_true", help="the report as data")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from kernelsnap.bisect.attribute.factors import is_factor
    from kernelsnap.bisect.attribute.run import run_attribute
    from kernelsnap.bisect.request import AttributeRequest

    factors = tuple(filter(is_factor, options.given))
    cases = tuple(word for word in options.given if not is_factor(word))
    return finish(run_attribute, request_of(AttributeRequest, options, cases=cases, factors=factors))
