"""`kernelsnap diff`: what changed between two goldens, trees, revisions, or in a patch. Needs no torch."""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kernelsnap.diff.sides.folders import folder, single
from kernelsnap.diff.sides.revisions import range_of, repository, revision, working_tree
from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.sides.trees import DiffInputError, Tree, nothing
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.estimates import MOST, estimated, read_measured, with_measurements
from kernelsnap.diff.tree.kept import Compared
from kernelsnap.diff.tree.many import compared
from kernelsnap.golden.files import replace_bytes
from kernelsnap.golden.store import SUFFIX
from kernelsnap.report.formats import FORMS, Form
from kernelsnap.report.model import Report, View, report_of
from kernelsnap.report.visible import reconfigure, shows_color, visible
from kernelsnap.shared.places import CACHE, below, from_here, to_here

if TYPE_CHECKING:
    from kernelsnap.pending.folder import PendingFolder

SAME, CHANGED, ERROR = 0, 1, 2
_INTERRUPTED = 130
#: What a patch may have at most, in bytes.
_PATCH = 256 << 20


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
    add_sides(parser)
    parser.add_argument(
        "--failed",
        metavar="CACHE",
        nargs="?",
        const="",
        help="what is pending because its test failed when pytest last ran it; CACHE: its cache_dir, if it has one",
    )
    names = [form.name for form in FORMS.values() if form.to_output]
    parser.add_argument("--format", choices=names, default=names[0])
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report to this file")
    for form in FORMS.values():
        if form.file_help:
            parser.add_argument(f"--{form.name}", type=Path, metavar="FILE", help=form.file_help)
    parser.add_argument("--full", action="store_true", help="leave nothing out; Markdown keeps its limit")
    parser.add_argument(
        "--explain", metavar="CASE[:KERNEL]", help="show all evidence for the golden whose path or case ends in CASE"
    )
    parser.add_argument(
        "--cost",
        action=argparse.BooleanOptionalAction,
        help="estimate how long the changed goldens take, or do not (default: where few changed, see the docs)",
    )
    parser.add_argument("--measured", type=Path, metavar="FILE", help="times that `kernelsnap time --output` measured")
    parser.add_argument("--jobs", type=_jobs, metavar="N", help="worker processes; all processors by default")
    parser.set_defaults(command=run)


def add_sides(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name what is compared, which `sides_of` reads."""
    parser.add_argument("sides", nargs="*", metavar="OLD NEW", help="files, folders, revisions, or one range")
    parser.add_argument("--patch", metavar="FILE", help="read a patch (`git diff`) instead; - is standard input")


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
    files = _files(options)
    if options.explain and files:
        raise DiffInputError("--explain prints its own report: give either it or files to write")
    for _, file in files:
        if not file.parent.is_dir():  # said before anything is compared
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    forms = {form.name: form for form in (FORMS[options.format], *(form for form, _ in files))}.values()
    for form in forms:
        if form.packages:
            form.load()  # what is not installed is said now, too
    sides = sides_of(options)
    found = compared(sides, options.jobs, every=bool(options.explain) or any(form.all_members for form in forms))
    changes = found.changes
    status = ERROR if any(change.status == "unreadable" for change in changes) else CHANGED if changes else SAME
    found = _estimated(found, sides, options)
    if options.explain:
        _print(_explained(found, options))
        return status
    report = report_of(
        (sides.old.label, sides.new.label),
        _command(options),
        len(sides),
        found,
        sides,
        shown=None if options.full else max(form.groups for form in forms),
        versions=(sides.old.recorded_with(), sides.new.recorded_with()),
        with_resources=sides.with_resources,
    )
    report = replace(_with_decisions(report, sides, options), places=_places(options))
    for form, file in files:
        text = form.load()(report, View(options.full, str(file)))
        replace_bytes(file, text.encode("utf-8", "backslashreplace"))
    if not options.output:
        _print(FORMS[options.format].load()(report, View(options.full, stream=sys.stdout)))
    for same in report.error_groups:
        others = f" (and {len(same) - 1} more goldens)" if len(same) > 1 else ""
        sys.stderr.write(f"kernelsnap: {visible(same[0].error)}{others}\n")
    return status


def _estimated(found: Compared, sides: Sides, options: argparse.Namespace) -> Compared:
    """With estimates where these are wanted: with `--cost`, or without either option where few goldens changed."""
    few = sum(change.status == "changed" for change in found.changes) <= MOST
    if options.cost or (options.cost is None and few):
        found = replace(found, changes=tuple(estimated(found.changes, sides, options.jobs)))
    if options.measured:
        found = replace(found, changes=with_measurements(found.changes, read_measured(options.measured)))
    return found


def _places(options: argparse.Namespace) -> tuple[str, str]:
    """The folders that the paths of both sides start from, relative to this one."""
    if options.failed is not None:
        folder = _pending(options.failed)
        goldens = os.path.relpath(folder.goldens(folder.entries()[0]))
        return goldens, goldens
    if len(options.sides) == 2 and all(Path(side).exists() for side in options.sides):
        old, new = (str(path if path.is_dir() else path.parent) for path in map(Path, options.sides))
        return old, new
    top = os.path.relpath(_top_or_here())
    return top, top


def _with_decisions(report: Report, sides: Sides, options: argparse.Namespace) -> Report:
    """The report with what the ledger beside the goldens has about its groups, and how to accept what is pending."""
    from kernelsnap.pending.ledger import ledger_near

    names = next(iter(sides), "")
    place = Path(options.sides[-1]) if len(options.sides) == 2 else Path()
    root = place if place.is_dir() and options.sides else _top_or_here()
    if options.failed is not None:
        folder = _pending(options.failed)
        entry = folder.entries()[0]
        root, names = folder.goldens(entry), entry.golden
    ledger = ledger_near(root, names)
    found = {g.fingerprint: ledger.about(g.fingerprint, g.exemplar.cause_names) for g in report.groups}
    decided = {fingerprint: str(line) for fingerprint, line in found.items() if line}
    return replace(report, decided=decided, for_now=ledger.for_now, accept=_accept_command(options))


def _accept_command(options: argparse.Namespace, *cases: str) -> tuple[str, ...]:
    """The command that accepts what the report shows; () where that is not pending."""
    if options.failed is None:
        return ()
    cache = (f"--cache={options.failed}",) if options.failed else ()
    return ("kernelsnap", "accept", *(cases or options.paths or ("--all",)), *cache)


def _files(options: argparse.Namespace) -> list[tuple[Form, Path]]:
    """The files that a report is written to, each with its form."""
    named = [(form, getattr(options, form.name)) for form in FORMS.values() if form.file_help]
    return [(form, file) for form, file in (*named, (FORMS[options.format], options.output)) if file]


def _command(options: argparse.Namespace) -> tuple[str, ...]:
    patch = ("--patch", options.patch) if options.patch is not None else ()
    failed = () if options.failed is None else (f"--failed={options.failed}" if options.failed else "--failed",)
    places = ("--", *options.paths) if options.paths else ()
    return ("kernelsnap", "diff", *options.sides, *patch, *failed, *places)


def _explained(compared: Compared, options: argparse.Namespace) -> str:
    from kernelsnap.report.diff_text import explanation

    folder = None if options.failed is None else _pending(options.failed)
    root = folder.root if folder else _top_or_here()
    found, kernel = _named(compared.changes, from_here(options.explain, root)), ""
    if not found and ":" in options.explain:
        case, _, kernel = options.explain.rpartition(":")
        found = _named(compared.changes, from_here(case, root))
    if not found:
        raise DiffInputError(f"--explain {options.explain}: no golden of this name changed")
    width, color = shutil.get_terminal_size().columns, shows_color(sys.stdout)
    entries = folder.entries() if folder else []
    lines = {entry.golden: f"{to_here(entry.module, root)}:{entry.line}" for entry in entries if entry.line}
    sources = {
        entry.golden: {kernel: list(map(_from_here, of)) for kernel, of in entry.sources.items()} for entry in entries
    }
    place = _places(options)[1]
    texts = [
        explanation(
            replace(change, name=below(place, change.name)),
            compared.diffs.get(change.name),
            kernel,
            width,
            lines.get(change.name, ""),
            sources.get(change.name),
            color=color,
        )
        for change in found
    ]
    if folder:
        commands = (_accept_command(options, to_here(change.case, root), *_targets(change)) for change in found)
        texts.append("".join(f"To accept:  {shlex.join(command)}\n" for command in commands))
    return "\n".join(texts)


def _from_here(line: str) -> str:
    """A line of the user's source, with its file as it is called here, if it is below this folder's parents."""
    file, _, rest = line.partition(":")
    return f"{os.path.relpath(file) if Path(file).is_relative_to(_top_or_here()) else file}:{rest}"


def _targets(change: Change) -> Iterator[str]:
    for target in (change.target, *change.shared_with):
        yield from ("--target", target)


def _named(changes: Sequence[Change], name: str) -> list[Change]:
    def matches(change: Change) -> bool:
        ends = change.name.endswith(f"/{name}") or name.endswith(f"/{change.name}")
        return ends or change.name == name or change.case.endswith(name)

    return [change for change in changes if matches(change)]


def _print(text: str) -> None:
    """Write to standard output, as far as it is read: `| head` is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes it once more at its end, and must not complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def sides_of(options: argparse.Namespace) -> Sides:
    """Both sides, as far as they are at the paths after `--`.

    Raises:
        DiffInputError: they are not given, do not exist, or cannot be read.
    """
    both = _both(options)
    return both if options.failed is not None else _below(both, options)


def _both(options: argparse.Namespace) -> Sides:
    if sum((bool(options.sides), options.patch is not None, options.failed is not None)) > 1:
        raise DiffInputError("give either a patch, or --failed, or two sides, not several of them")
    if options.failed is not None:
        return _failed(options.failed, options.paths)
    if options.patch is not None:
        from kernelsnap.diff.sides.patches import patched

        top, here = _top_or_here(), Path.cwd()
        below = here.relative_to(top).as_posix() if here != top and here.is_relative_to(top) else ""
        return patched(_patch_text(options.patch), top, below)
    return Sides(*_trees(options.sides))


def _failed(cache: str, paths: Sequence[str]) -> Sides:
    """What is pending at these paths: the goldens, and what pytest got instead when their tests last ran."""
    from kernelsnap.pending.sides import joined

    folder = _pending(cache)
    entries = folder.entries()
    goldens = folder.goldens(entries[0]).resolve()
    # As a report names them, below the folder of the goldens, or as they are typed here.
    typed = {path: Path(path).absolute() for path in paths}
    places = (path.relative_to(goldens) if path.is_relative_to(goldens) else Path(name) for name, path in typed.items())
    return joined(folder, entries, [place.as_posix() for place in places] or [""])


def _pending(cache: str) -> PendingFolder:
    """Where something is pending. Raises `DiffInputError` where nothing is."""
    from kernelsnap.pending.folder import local

    folder = local(cache, Path.cwd())
    if folder is None or not folder.entries():
        where = cache or f"{CACHE} here or above"
        raise DiffInputError(
            f"{where} holds no comparison that failed: run pytest first (not with -p no:cacheprovider); "
            f"with a cache_dir of its own, give that: --failed FOLDER"
        )
    return folder


def _patch_text(name: str) -> str:
    with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
        content = file.read(_PATCH + 1)
    if len(content) > _PATCH:
        raise DiffInputError(f"the patch {name} has more than {_PATCH >> 20} MiB: give the part with the goldens")
    return content.decode("utf-8", "surrogateescape")


def _top_or_here() -> Path:
    try:
        return repository(Path.cwd())
    except DiffInputError:
        return Path.cwd()


def _trees(sides: Sequence[str]) -> tuple[Tree, Tree]:
    if len(sides) not in (1, 2):
        raise DiffInputError(
            "give two goldens, folders or revisions, one range (main..HEAD), --patch or --failed; "
            "what to compare of them comes after `--`: kernelsnap diff main..HEAD -- goldens/test_x"
        )
    if len(sides) == 2 and all(Path(side).exists() for side in sides):
        return _path_trees(*map(Path, sides))
    top = repository(Path.cwd())
    is_range = len(sides) == 1 and ".." in sides[0] and not Path(sides[0]).exists()
    trees = range_of(sides[0], top) if is_range else _revisions(sides, top)
    if not any(tree.keys for tree in trees):
        raise DiffInputError(f"neither {trees[0].label} nor {trees[1].label} holds a golden (*{SUFFIX})")
    return trees


def _revisions(sides: Sequence[str], top: Path) -> tuple[Tree, Tree]:
    """Two revisions, or one and the working tree."""
    found: list[Tree | None] = []
    for side in sides:
        try:
            found.append(revision(top, side))
        except DiffInputError:
            if not Path(side).exists():
                raise
            found.append(None)
    match found:
        case [Tree() as old]:
            return old, working_tree(top)
        case [Tree() as old, Tree() as new]:
            return old, new
        case [Tree(), None] | [None, Tree()]:
            place, name = sorted(sides, key=lambda side: not Path(side).exists())
            raise DiffInputError(
                f"{place} is a file or folder and {name} a revision: compare that with what is here now, "
                f"kernelsnap diff {name} -- {place}"
            )
    raise DiffInputError(f"{sides[0]}: one side is not enough; with a revision: kernelsnap diff HEAD -- {sides[0]}")


def _path_trees(old: Path, new: Path) -> tuple[Tree, Tree]:
    absent = [str(path) == os.devnull for path in (old, new)]
    if not any(absent) and old.is_dir() != new.is_dir():
        raise DiffInputError(f"{old} and {new}: one is a folder and the other is not")
    name = new.name if new.name.endswith(SUFFIX) else old.name
    first, second = (
        nothing(str(path)) if gone else folder(path) if path.is_dir() else single(path, name)
        for path, gone in zip((old, new), absent, strict=True)
    )
    return first, second


def _below(sides: Sides, options: argparse.Namespace) -> Sides:
    """The goldens at the paths after `--`: of two folders in both of them, else below the folder we are in."""
    if not options.paths:
        return sides
    trees = len(options.sides) == 2 and all(Path(side).exists() for side in options.sides)
    top = None if trees else _top_or_here()
    places = (os.path.relpath(place, top) if top else os.path.normpath(place) for place in options.paths)
    return sides.below([Path(place).as_posix() for place in places])
