"""`kernelsnap gitattributes`: let `git diff` show goldens as kernelsnap compares them."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from kernelsnap.diff.sides.revisions import blob, git, repository
from kernelsnap.diff.sides.trees import DiffInputError
from kernelsnap.errors import GoldenError, GoldenFormatError
from kernelsnap.golden.files import read_bytes, read_text, replace_bytes
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.resources import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.resources import parse_resources, render_resources
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.templates.folding import templates_named, unfolded
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import Templates, lookup_near, template_paths, templates_above
from kernelsnap.model.consistent import inconsistencies
from kernelsnap.report.visible import reconfigure, visible
from kernelsnap.shared.git import GitError, run_git

#: Line ends as they are written, and our driver for diffs of goldens. A template is read as the text that it is.
ATTRIBUTES = (
    f"*{SUFFIX} text eol=lf diff=kernelsnap merge=kernelsnap",
    f"*{TEMPLATE_SUFFIX} text eol=lf",
    f"*{RESOURCES_SUFFIX} text eol=lf merge=kernelsnap",
)
#: Where git does not call the driver (`git log -p` without --ext-diff), the kernel or layer in the header of each hunk.
_HEADING = "^ {0,2}[^ ].*$"


def _settings() -> dict[str, str]:
    """The settings of git: by this interpreter, for the environment of the next `git diff` may be another one."""
    driver = f"{shlex.quote(sys.executable)} -P -m kernelsnap git-driver"
    return {
        "diff.kernelsnap.command": driver,
        "diff.kernelsnap.xfuncname": _HEADING,
        "merge.kernelsnap.name": "goldens of kernelsnap: without markers of a conflict",
        "merge.kernelsnap.driver": f"{shlex.quote(sys.executable)} -P -m kernelsnap git-merge %O %A %B %P",
    }


def add_git(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands to the command line."""
    attributes = commands.add_parser("gitattributes", help="show goldens in `git diff` by kernel and cause")
    way = attributes.add_mutually_exclusive_group()
    way.add_argument("--install", action="store_true", help="write it into this repository")
    way.add_argument("--uninstall", action="store_true", help="take it out of this repository again")
    attributes.set_defaults(command=_attributes)
    # Called by git, for each file: path, old file, hex, mode, new file, hex, mode (and, for a rename, two more).
    driver = commands.add_parser("git-driver", help="what git calls for each golden (see gitattributes)")
    driver.add_argument("arguments", nargs=argparse.REMAINDER)
    driver.set_defaults(command=_driver)
    # Called by git, for each file that both sides of a merge changed.
    merge = commands.add_parser("git-merge", help="what git calls to merge goldens (see gitattributes)")
    for name in ("base", "ours", "theirs"):
        merge.add_argument(name, type=Path)
    merge.add_argument("path", type=PurePosixPath)
    merge.set_defaults(command=_merge)


def _attributes(options: argparse.Namespace) -> int:
    if options.install or options.uninstall:
        top = repository(Path.cwd())
        said = _install(top) if options.install else _uninstall(top)
    else:
        settings = (f"# and: git config {name} {shlex.quote(value)}" for name, value in _settings().items())
        said = "\n".join([*ATTRIBUTES, *settings])
    sys.stdout.write(f"{said}\n")
    return 0


def _install(top: Path) -> str:
    path = top / ".gitattributes"
    text = path.read_bytes() if path.exists() else b""
    if missing := [line for line in map(str.encode, ATTRIBUTES) if line not in text.splitlines()]:
        start = text if text.endswith(b"\n") or not text else text + b"\n"
        replace_bytes(path, start + b"".join(line + b"\n" for line in missing))
    for name, value in _settings().items():
        git(top, "config", name, value)
    said = f"{path}: {'; '.join(ATTRIBUTES)}\n`git diff` now shows goldens by kernel; so do `git show --ext-diff` and "
    said += "`git log -p --ext-diff`. As text: `git diff --no-ext-diff`. Taken back by --uninstall."
    golden = (git(top, "ls-files", "-z", f"*{SUFFIX}").split(b"\0")[0] or f"x{SUFFIX}".encode()).decode(
        errors="replace"
    )
    found = git(top, "check-attr", "diff", "--", golden).decode(errors="replace").strip()
    if not found.endswith(": kernelsnap"):
        said += f"\nAnother line of a .gitattributes wins, so git will not do it ({found})."
    return said


def _uninstall(top: Path) -> str:
    path = top / ".gitattributes"
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
        kept = b"".join(line for line in lines if line.strip().decode(errors="replace") not in ATTRIBUTES)
        if kept:
            replace_bytes(path, kept)
        else:
            path.unlink()
    for name in _settings():
        with suppress(GitError):  # it was not set
            git(top, "config", "--unset-all", name)
    return f"{path}: no line of kernelsnap is left; `git diff` shows goldens as text, and merges them so."


def _driver(options: argparse.Namespace) -> int:
    from kernelsnap.report.diff_text import driver_text

    if len(options.arguments) == 1:
        sys.stdout.write(f"* Unmerged path {visible(options.arguments[0])}\n")  # as git itself has it
        return 0
    if len(options.arguments) < 7:
        raise DiffInputError("git-driver is called by git, with a path and both sides of it")
    path, old, _, old_mode, new, _, new_mode = options.arguments[:7]
    target = options.arguments[7] if len(options.arguments) > 7 else path
    sides = [None if file in ("/dev/null", "nul") else read_bytes(Path(file)) for file in (old, new)]
    # git does not say which revision a side is of. The old one is mostly HEAD's, the new one mostly what is here; a
    # template that does not fit a side is not taken for it.
    head, here = _of_head(path, sides), Templates(templates_above(Path(target).parent))
    texts = [_text(content, path, order) for content, order in zip(sides, ((head, here), (here, head)), strict=True)]
    modes = (old_mode, new_mode) if None not in sides and old_mode != new_mode else ("", "")
    text = driver_text(path, *texts, target=target, modes=modes, color=_is_colored())
    try:
        reconfigure(sys.stdout).write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The pager was left: git would call it the death of its driver.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _merge(options: argparse.Namespace) -> int:
    """Merge two versions of a golden by their lines, if the result is one; keep both sides, in conflict, if not."""
    try:
        merged = run_git(Path.cwd(), "merge-file", "-p", "--", *map(str, (options.ours, options.base, options.theirs)))
        _check(merged.decode("utf-8"), options.path)
    except (GitError, GoldenError, UnicodeDecodeError):
        sys.stderr.write(f"{visible(str(options.path))}: both sides changed it, and their lines do not make one. ")
        sys.stderr.write(_both_sides(options) + "\n")
        return 1
    replace_bytes(options.ours, merged)
    return 0


def _both_sides(options: argparse.Namespace) -> str:
    """Keep their side as pending; what the user is to do."""
    from kernelsnap.pending.conflict import keep_theirs

    file, kept = "The file has our side, without markers", False
    if options.path.name.endswith(SUFFIX):
        # git calls its drivers at the top of the tree, where the path begins.
        path, here = str(options.path), lookup_near(Path(options.path))
        try:
            sides = (options.base, options.ours, options.theirs)
            kept = keep_theirs(Path(options.path), *(unfolded(read_text(side), here, path) for side in sides))
        except (GoldenError, OSError) as error:
            return f"{file}: record it with `pytest --snapshot-update`, then `git add` it. ({visible(str(error))})"
    if not kept:
        return f"{file}: record it with `pytest --snapshot-update`, then `git add` it."
    return (
        f"{file}, and theirs is pending. To decide: kernelsnap review. Or run its test: what it generates is pending "
        f"then, in place of theirs."
    )


def _check(text: str, path: PurePosixPath) -> None:
    """Raise `GoldenError` for a text that is not, to the letter, what kernelsnap writes for what it holds."""
    if path.name.endswith(RESOURCES_SUFFIX):
        written = render_resources(parse_resources(text, str(path)))
    else:
        # git calls its drivers at the top of the tree, where the path begins.
        text = unfolded(text, lookup_near(Path(path)), str(path))
        golden = parse(text, str(path))
        if any(inconsistencies(golden)):
            raise GoldenFormatError(f"{path}: its parts do not fit each other")
        written = render(golden)
    if written != text:
        raise GoldenFormatError(f"{path}: not what kernelsnap writes")


def _is_colored() -> bool:
    """Whether git colours its own output here: its settings decide, for a terminal or a pager."""
    if os.environ.get("NO_COLOR"):
        return False
    shown = sys.stdout.isatty() or "GIT_PAGER_IN_USE" in os.environ
    try:
        return git(Path.cwd(), "config", "--get-colorbool", "color.diff", str(shown).lower()) == b"true\n"
    except GitError:
        return False


def _of_head(path: str, sides: Sequence[bytes | None]) -> Templates:
    """The templates in HEAD that the versions of a golden name."""
    top = Path.cwd()  # git calls its drivers there
    names = {name for content in sides for name in templates_named((content or b"").decode("utf-8", "replace"))}
    found = {
        str(place): blob(top, f"HEAD:{place}") for name in names for place in template_paths(PurePosixPath(path), name)
    }
    return Templates({place: text.decode("utf-8", "replace") for place, text in found.items() if text is not None})


def _text(content: bytes | None, path: str, order: Sequence[Templates]) -> str | None:
    """The text of one version of the golden at a path, with what its templates give."""
    for templates in order:
        content = templates.unfold(path, content)
    return None if content is None else content.decode("utf-8", "replace")
