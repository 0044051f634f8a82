"""`kernelsnap gitattributes`: let `git diff` show goldens as kernelsnap compares them."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from kernelsnap.diff.revisions import blob, repository
from kernelsnap.diff.templates import Templates, templates_above
from kernelsnap.diff.trees import DiffInputError
from kernelsnap.golden.folding import templates_named
from kernelsnap.golden.resources_store import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.template_store import places

#: Line ends as they are written, and our driver for diffs of goldens. A template is read as the text that it is.
ATTRIBUTES = (
    f"*{SUFFIX} text eol=lf diff=kernelsnap",
    f"*{TEMPLATE_SUFFIX} text eol=lf",
    f"*{RESOURCES_SUFFIX} text eol=lf",
)
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
    sides = [None if file in ("/dev/null", "nul") else Path(file).read_bytes() for file in (old, new)]
    # git does not say which revision a side is of. The old one is mostly HEAD's, the new one mostly what is here; a
    # template that does not fit a side is not taken for it.
    head, here = _of_head(path, sides), Templates(templates_above(Path(path).parent))
    texts = (_text(content, path, order) for content, order in zip(sides, ((head, here), (here, head)), strict=True))
    sys.stdout.write(driver_text(path, *texts))
    return 0


def _of_head(path: str, sides: Sequence[bytes | None]) -> Templates:
    """The templates in HEAD that the versions of a golden name."""
    top = Path.cwd()  # git calls its drivers there
    names = {name for content in sides for name in templates_named((content or b"").decode("utf-8", "replace"))}
    found = {str(place): blob(top, f"HEAD:{place}") for name in names for place in places(PurePosixPath(path), name)}
    return Templates({place: text.decode("utf-8", "replace") for place, text in found.items() if text is not None})


def _text(content: bytes | None, path: str, order: Sequence[Templates]) -> str | None:
    """The text of one version of the golden at a path, with what its templates give."""
    for templates in order:
        content = templates.whole(path, content)
    return None if content is None else content.decode("utf-8", "replace")
