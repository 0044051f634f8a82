"""Prints and asks on the terminal while a command works; its report is printed apart, at the end."""

from __future__ import annotations

import sys

from kernelsnap.bisect.errors import BisectError


def say(line: str) -> None:
    """Print a line about how far it is."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def agreement(what: str, *, yes: bool) -> None:
    """Ask whether something may be installed.

    Raises:
        BisectError: no, or there is nobody to ask.
    """
    if yes:
        say(what)
        return
    if not sys.stdin.isatty():
        raise BisectError(f"{what}. Say --yes to go on")
    sys.stderr.write(f"{what}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise BisectError("nothing was installed")
