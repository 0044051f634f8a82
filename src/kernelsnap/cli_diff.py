"""`kernelsnap diff`: what changed between two goldens, trees, revisions, or in a patch. Needs no torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernelsnap.diff.change import Change
from kernelsnap.diff.many import changes_of
from kernelsnap.diff.revisions import range_of, repository, revision, working_tree
from kernelsnap.diff.trees import Contents, DiffInputError, Tree, differing, folder, single
from kernelsnap.golden.store import SUFFIX
from kernelsnap.report.model import Report, report_of

SAME, CHANGED, ERROR = 0, 1, 2
#: Groups whose diffs a report has without `--full`.
_SHOWN = {"terminal": 20, "markdown": 200, "json": 200}
#: What the extra `html` installs.
_HTML_PACKAGES = ("jinja2", "markupsafe", "pygments", "igraph")


def add_diff(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "diff",
        help="what changed between two goldens, trees or revisions, why, and what it costs",
        description="Compare two goldens, two folders, or two git revisions (OLD NEW, or OLD..NEW; OLD alone: with "
        "the working tree). Exit status: 0 the same, 1 changed, 2 error.",
    )
    parser.add_argument("sides", nargs="*", metavar="OLD NEW", help="files, folders, revisions, or one range")
    parser.add_argument("--patch", metavar="FILE", help="read a patch (`git diff`) instead; - is standard input")
    parser.add_argument("--format", choices=("terminal", "markdown", "json"), default="terminal")
    parser.add_argument("--output", type=Path, help="write the report to this file")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one HTML file, too")
    parser.add_argument("--full", action="store_true", help="leave nothing out")
    parser.add_argument(
        "--explain", metavar="CASE[:KERNEL]", help="show all evidence for the golden whose path or case ends in CASE"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Compare and report; the exit status."""
    if options.html and options.explain:
        raise DiffInputError("--explain prints its own report: give either it or --html")
    html_text = _html_report() if options.html else None
    sides = _inputs(options)
    changes = changes_of(sides.contents.values())
    status = ERROR if any(change.status == "unreadable" for change in changes) else CHANGED if changes else SAME
    if options.explain:
        sys.stdout.write(_explained(changes, options.explain))
        return status
    shown = None if options.full else _SHOWN[options.format]
    versions = (sides.old.recorded_with(), sides.new.recorded_with()) if html_text else ("", "")
    command = _command(options)
    report = report_of(
        sides.old.label, sides.new.label, command, sides.compared, changes, sides.contents, shown, versions
    )
    if html_text:
        text = html_text(report, sides.contents, str(options.html), options.full)
        options.html.write_text(text, encoding="utf-8", errors="backslashreplace")
    _write(report, options)
    for change in report.errors:
        sys.stderr.write(f"kernelsnap: {change.error}\n")
    return status


@dataclass(frozen=True)
class _Sides:
    """What is compared: how many goldens both sides have together, and those that are not byte-equal, by name."""

    old: Tree
    new: Tree
    compared: int
    contents: dict[str, Contents]


def _inputs(options: argparse.Namespace) -> _Sides:
    if options.patch is not None:
        if options.sides:
            raise DiffInputError("give either a patch or two sides, not both")
        from kernelsnap.diff.patches import patched

        found = {item[0]: item for item in patched(_patch_text(options.patch), _top_or_here())}
        old, new = (Tree(f"{when} the patch", {}, _no_file) for when in ("before", "after"))
        return _Sides(old, new, len(found), found)
    old, new = _trees(options.sides)
    found = {item[0]: item for item in differing(old, new)}
    return _Sides(old, new, len({*old.keys, *new.keys}), found)


def _no_file(name: str) -> bytes:
    raise DiffInputError(f"{name}: a patch holds no files")


def _html_report() -> Callable[[Report, Mapping[str, Contents], str, bool], str]:
    """What makes the HTML report. It needs packages that are not always there: said before anything is compared."""
    try:
        from kernelsnap.report.html.page import html_text
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _HTML_PACKAGES:
            raise
        raise DiffInputError(f"--html needs {package}: pip install 'kernelsnap[html]'") from error
    return html_text


def _patch_text(name: str) -> str:
    if name == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    return Path(name).read_bytes().decode("utf-8", "replace")


def _top_or_here() -> Path:
    try:
        return repository(Path.cwd())
    except DiffInputError:
        return Path.cwd()


def _trees(sides: Sequence[str]) -> tuple[Tree, Tree]:
    if len(sides) not in (1, 2):
        raise DiffInputError("give two goldens, folders or revisions, one range (main..HEAD), or --patch")
    paths = [Path(side) for side in sides]
    if len(sides) == 2 and all(path.exists() for path in paths):
        return _path_trees(paths[0], paths[1])
    top = repository(Path.cwd())
    if len(sides) == 1 and ".." in sides[0] and not paths[0].exists():
        old, new = range_of(sides[0], top)
        return revision(top, old), revision(top, new)
    if len(sides) == 1:
        return revision(top, sides[0]), working_tree(top)
    if any(path.exists() for path in paths) and not any(_is_revision(side, top) for side in sides):
        missing = next(side for side, path in zip(sides, paths, strict=True) if not path.exists())
        raise DiffInputError(f"{missing}: there is no such file or folder")
    return revision(top, sides[0]), revision(top, sides[1])


def _is_revision(name: str, top: Path) -> bool:
    try:
        return bool(revision(top, name))
    except DiffInputError:
        return False


def _path_trees(old: Path, new: Path) -> tuple[Tree, Tree]:
    if old.is_dir() != new.is_dir():
        raise DiffInputError(f"{old} and {new}: one is a folder and the other is not")
    if old.is_dir():
        return folder(old), folder(new)
    name = new.name if new.name.endswith(SUFFIX) else old.name
    return single(old, name), single(new, name)


def _command(options: argparse.Namespace) -> tuple[str, ...]:
    patch = ("--patch", options.patch) if options.patch is not None else ()
    return ("kernelsnap", "diff", *options.sides, *patch)


def _explained(changes: Sequence[Change], wanted: str) -> str:
    from kernelsnap.report.explain import explanation

    case, kernel = wanted, ""
    found = _named(changes, case)
    if not found and ":" in wanted:
        case, _, kernel = wanted.rpartition(":")
        found = _named(changes, case)
    if not found:
        raise DiffInputError(f"--explain {wanted}: no golden of this name changed")
    return "\n".join(explanation(change, kernel) for change in found)


def _named(changes: Sequence[Change], name: str) -> list[Change]:
    def matches(change: Change) -> bool:
        return change.name == name or change.name.endswith(f"/{name}") or change.case.endswith(name)

    return [change for change in changes if matches(change)]


def _write(report: Report, options: argparse.Namespace) -> None:
    # Imported late: one form is asked for, and rich alone takes longer to load than two equal trees to compare.
    from kernelsnap.report.json_report import json_text
    from kernelsnap.report.markdown import markdown
    from kernelsnap.report.overview import overview_text, write_overview

    if options.format == "terminal" and not options.output:
        write_overview(report, options.full)
        return
    if options.format == "terminal":
        text = overview_text(report, options.full)
    else:
        text = markdown(report) if options.format == "markdown" else json_text(report)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
