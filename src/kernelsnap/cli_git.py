"""`kernelsnap gitattributes`: let `git diff` show goldens as kernelsnap compares them."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from kernelsnap.diff.revisions import repository
from kernelsnap.diff.trees import DiffInputError
from kernelsnap.golden.store import SUFFIX

#: Line ends as they are written, and our driver for diffs.
ATTRIBUTES = f"*{SUFFIX} text eol=lf diff=kernelsnap"
_DRIVER = "kernelsnap git-driver"


def add_git(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands to the command line."""
    attributes = commands.add_parser("gitattributes", help="show goldens in `git diff` by kernel and cause")
    attributes.add_argument("--install", action="store_true", help="write it into this repository")
    attributes.set_defaults(command=_attributes)
    # Called by git, for each file: path, old file, hex, mode, new file, hex, mode (and, for a rename, two more).
    driver = commands.add_parser("git-driver", help="what git calls for each golden (see gitattributes)")
    driver.add_argument("arguments", nargs="+")
    driver.set_defaults(command=_driver)


def _attributes(options: argparse.Namespace) -> int:
    if not options.install:
        sys.stdout.write(f"{ATTRIBUTES}\n# and: git config diff.kernelsnap.command '{_DRIVER}'\n")
        return 0
    top = repository(Path.cwd())
    path = top / ".gitattributes"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if ATTRIBUTES not in text.splitlines():
        path.write_text(
            f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{ATTRIBUTES}\n", encoding="utf-8"
        )
    subprocess.run(["git", "-C", str(top), "config", "diff.kernelsnap.command", _DRIVER], check=True)
    sys.stdout.write(
        f"{path}: {ATTRIBUTES}\n`git diff` now shows goldens by kernel; `git diff --no-ext-diff` as text.\n"
    )
    return 0


def _driver(options: argparse.Namespace) -> int:
    from kernelsnap.report.git_driver import driver_text

    if len(options.arguments) < 7:
        raise DiffInputError("git-driver is called by git, with a path and both sides of it")
    path, old, _, _, new = options.arguments[:5]
    sys.stdout.write(driver_text(path, _text(old), _text(new)))
    return 0


def _text(path: str) -> str | None:
    return None if path in ("/dev/null", "nul") else Path(path).read_bytes().decode("utf-8", "replace")
