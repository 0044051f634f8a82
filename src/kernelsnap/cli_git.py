"""`kernelsnap gitattributes`: let `git diff` show goldens as kernelsnap compares them."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kernelsnap.diff.revisions import blob, repository
from kernelsnap.diff.templates import Templates
from kernelsnap.diff.trees import DiffInputError, read_if_there
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.template_store import SUFFIX as TEMPLATE_SUFFIX

#: Line ends as they are written, and our driver for diffs of goldens. A template is read as the text that it is.
ATTRIBUTES = (f"*{SUFFIX} text eol=lf diff=kernelsnap", f"*{TEMPLATE_SUFFIX} text eol=lf")
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
        sys.stdout.write("\n".join(ATTRIBUTES) + f"\n# and: git config diff.kernelsnap.command '{_DRIVER}'\n")
        return 0
    top = repository(Path.cwd())
    path = top / ".gitattributes"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if missing := [line for line in ATTRIBUTES if line not in text.splitlines()]:
        start = text if text.endswith("\n") or not text else f"{text}\n"
        path.write_text(start + "".join(f"{line}\n" for line in missing), encoding="utf-8")
    subprocess.run(["git", "-C", str(top), "config", "diff.kernelsnap.command", _DRIVER], check=True)
    sys.stdout.write(
        f"{path}: {'; '.join(ATTRIBUTES)}\n`git diff` now shows goldens by kernel; `git diff --no-ext-diff` as text.\n"
    )
    return 0


def _driver(options: argparse.Namespace) -> int:
    from kernelsnap.report.git_driver import driver_text

    if len(options.arguments) < 7:
        raise DiffInputError("git-driver is called by git, with a path and both sides of it")
    path, old, _, _, new = options.arguments[:5]
    # git does not say which revision a side is of. The old one is mostly HEAD's, the new one mostly what is here; a
    # template that does not fit a side is not taken for it.
    top = Path.cwd()
    head, here = Templates(lambda name: blob(top, f"HEAD:{name}")), Templates(read_if_there)
    sys.stdout.write(driver_text(path, _text(old, path, (head, here)), _text(new, path, (here, head))))
    return 0


def _text(file: str, path: str, sides: Sequence[Templates]) -> str | None:
    """What a file of git's holds, which is a version of the golden at a path, with what its templates give."""
    if file in ("/dev/null", "nul"):
        return None
    content = Path(file).read_bytes()
    for templates in sides:
        content = templates.whole(path, content) or b""
    return content.decode("utf-8", "replace")
