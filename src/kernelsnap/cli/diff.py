"""`kernelsnap diff`: what changed between two goldens, trees, revisions, or in a patch. Needs no torch."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kernelsnap.cli.diff_sides import sides_of
from kernelsnap.diff.sides.trees import Contents, DiffInputError
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.many import changes_of
from kernelsnap.report.model import Report, report_of
from kernelsnap.report.visible import reconfigure, visible

SAME, CHANGED, ERROR = 0, 1, 2
_INTERRUPTED = 130
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
        "the working tree). After `--` stand files and folders: only they are compared. Exit status: 0 the same, "
        "1 changed, 2 error.",
        usage="%(prog)s [options] OLD [NEW] [-- PATH ...]",
    )
    parser.add_argument("sides", nargs="*", metavar="OLD NEW", help="files, folders, revisions, or one range")
    parser.add_argument("--patch", metavar="FILE", help="read a patch (`git diff`) instead; - is standard input")
    parser.add_argument(
        "--failed",
        metavar="CACHE",
        nargs="?",
        const="",
        help="the comparisons that failed when pytest last ran their tests; CACHE: its cache_dir, if it has one",
    )
    parser.add_argument("--format", choices=("terminal", "markdown", "json"), default="terminal")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report to this file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report in Markdown too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON too")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one HTML file, too")
    parser.add_argument("--full", action="store_true", help="leave nothing out; Markdown keeps its limit")
    parser.add_argument(
        "--explain", metavar="CASE[:KERNEL]", help="show all evidence for the golden whose path or case ends in CASE"
    )
    parser.add_argument("--jobs", type=_jobs, metavar="N", help="worker processes; all processors by default")
    parser.set_defaults(command=run)


def without_paths(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command line before `--`, and those after it, which say what of both sides is compared."""
    if words[:1] != ["diff"] or "--" not in words:
        return list(words), []
    at = words.index("--")
    return list(words[:at]), list(words[at + 1 :])


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Compare and report; the exit status."""
    reconfigure(sys.stdout)
    try:
        return _run(options)
    except KeyboardInterrupt:
        sys.stderr.write("kernelsnap: interrupted\n")
        return _INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    if options.explain and (options.markdown or options.json or options.html or options.output):
        raise DiffInputError("--explain prints its own report: give either it or files to write")
    for file in filter(None, (options.html, options.markdown, options.json, options.output)):
        if not file.parent.is_dir():  # said before anything is compared
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    html_text = _html_report() if options.html else None
    sides = sides_of(options)
    changes = changes_of(sides, options.jobs)
    status = ERROR if any(change.status == "unreadable" for change in changes) else CHANGED if changes else SAME
    if options.explain:
        text = _explained(changes, options.explain)
        _print(lambda: sys.stdout.write(text))
        return status
    forms = [options.format, *(name for name in ("markdown", "json") if getattr(options, name))]
    shown = None if options.full else max(_SHOWN[form] for form in forms)
    versions = (sides.old.recorded_with(), sides.new.recorded_with())
    command = _command(options)
    labels, both = (sides.old.label, sides.new.label), sides.with_resources
    report = report_of(*labels, command, len(sides), changes, sides, shown, versions, both)
    if html_text:
        text = html_text(report, sides, str(options.html), options.full)
        options.html.write_text(text, encoding="utf-8", errors="backslashreplace")
    _write(report, options)
    for same in report.error_groups:
        others = f" (and {len(same) - 1} more goldens)" if len(same) > 1 else ""
        sys.stderr.write(f"kernelsnap: {visible(same[0].error)}{others}\n")
    return status


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


def _command(options: argparse.Namespace) -> tuple[str, ...]:
    patch = ("--patch", options.patch) if options.patch is not None else ()
    failed = () if options.failed is None else (f"--failed={options.failed}" if options.failed else "--failed",)
    places = ("--", *options.paths) if options.paths else ()
    return ("kernelsnap", "diff", *options.sides, *patch, *failed, *places)


def _explained(changes: Sequence[Change], wanted: str) -> str:
    from kernelsnap.report.diff_text import explanation

    case, kernel = wanted, ""
    found = _named(changes, case)
    if not found and ":" in wanted:
        case, _, kernel = wanted.rpartition(":")
        found = _named(changes, case)
    if not found:
        raise DiffInputError(f"--explain {wanted}: no golden of this name changed")
    width = shutil.get_terminal_size().columns
    return "\n".join(explanation(change, kernel, width) for change in found)


def _named(changes: Sequence[Change], name: str) -> list[Change]:
    def matches(change: Change) -> bool:
        return change.name == name or change.name.endswith(f"/{name}") or change.case.endswith(name)

    return [change for change in changes if matches(change)]


def _write(report: Report, options: argparse.Namespace) -> None:
    for form in ("markdown", "json"):
        if file := getattr(options, form):
            file.write_text(_text(report, form, options.full), encoding="utf-8")
    if options.output:
        options.output.write_text(_text(report, options.format, options.full), encoding="utf-8")
    elif options.format == "terminal":
        from kernelsnap.report.terminal import write_overview

        _print(lambda: write_overview(report, options.full))
    else:
        text = _text(report, options.format, options.full)
        _print(lambda: sys.stdout.write(text))


def _print(write: Callable[[], object]) -> None:
    """Write to standard output, as far as it is read: `| head` is no error."""
    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes it once more at its end, and must not complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _text(report: Report, form: str, full: bool) -> str:
    # Imported late: one form is asked for, and rich alone takes longer to load than two equal trees to compare.
    if form == "markdown":
        from kernelsnap.report.markdown import markdown

        return markdown(report)
    if form == "json":
        from kernelsnap.report.json_report import json_text

        return json_text(report, full)
    from kernelsnap.report.terminal import overview_text

    return overview_text(report, full)
