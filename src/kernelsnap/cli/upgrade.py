"""`kernelsnap upgrade`: its options, as a typed request. What it does is imported only when it is given."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kernelsnap.cli.bisect import finish, request_of


def add_upgrade(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "upgrade",
        help="what other versions of torch, triton or another package change in all goldens, and which of them did it",
        description="Run the golden tests with other versions, group what changes by cause and by the package that "
        "made it, and report it; with --commit, accept what is explained as one git commit for each cause. Exit "
        "status: 0 nothing is left, 1 something changed and is not committed, or a test failed, 2 error.",
    )
    parser.add_argument("cases", metavar="CASE", nargs="*", help="node ids, modules or folders (default: all tests)")
    parser.add_argument("-k", dest="select", default="", metavar="EXPRESSION", help="of those, what pytest -k selects")
    what = "the Python of an environment, or exact versions such as torch==2.14.1 triton==3.8.0"
    parser.add_argument("--to", dest="new", nargs="+", default=[], metavar="ENV", help=f"upgrade to it: {what}")
    parser.add_argument(
        "--from", dest="old", nargs="+", default=[], metavar="ENV",
        help="upgrade from it (default: the goldens as they are)",
    )  # fmt: skip
    parser.add_argument("--target", metavar="NAME", help="the GPU to generate code for")
    parser.add_argument("--pytest", action="append", default=[], metavar="ARGUMENT", help="one more for pytest")
    parser.add_argument("--timeout", type=float, default=1800.0, metavar="SECONDS", help="of one case (default: 1800)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that environments are made of")
    parser.add_argument("--requirement", action="append", default=[], metavar="TEXT", help="also to be installed")
    parser.add_argument("--yes", action="store_true", help="do not ask before environments are made")
    accept = parser.add_argument_group("accepting")
    accept.add_argument("--commit", action="store_true", help="accept what is explained, a git commit for each cause")
    accept.add_argument("--reason", default="", metavar="TEXT", help="why; kept in ledger.toml and in the commits")
    accept.add_argument("--reasons", type=Path, metavar="FILE", help="TOML with reasons by cause or fingerprint")
    keeps = parser.add_argument_group("state and report")
    keeps.add_argument("--state", type=Path, metavar="FOLDER", help="where to keep what was found")
    keeps.add_argument("--fresh", action="store_true", help="forget what was found before")
    keeps.add_argument("--shard", default="", metavar="I/N", help="only the I-th of N parts of the cases")
    keeps.add_argument(
        "--merge", nargs="+", type=Path, default=[], metavar="FOLDER", help="put the states of all shards together"
    )
    keeps.add_argument("--json", action="store_true", help="the report as data")
    keeps.add_argument("--html", type=Path, metavar="FILE", help="write the comparison as one HTML file, too")
    parser.set_defaults(command=_upgrade)


def _upgrade(options: argparse.Namespace) -> int:
    from kernelsnap.bisect.request import UpgradeRequest
    from kernelsnap.upgrade.run import run_upgrade

    return finish(run_upgrade, request_of(UpgradeRequest, options))
