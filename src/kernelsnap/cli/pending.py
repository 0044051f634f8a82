"""`kernelsnap pending`, `accept`, `reject`: decide about what failing tests generated, with nothing compiled again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.golden.transaction import recover
from kernelsnap.model.golden import LAYERS, RESOURCES
from kernelsnap.pending.entry import MOVED, NEW, Pending, PendingError
from kernelsnap.pending.filters import Filter
from kernelsnap.pending.folder import PendingFolder, from_elsewhere, local
from kernelsnap.pending.ledger import FILE, Ledger, Line, Verdict, read_ledger, read_reasons
from kernelsnap.pending.standing import Standing, State
from kernelsnap.report.visible import reconfigure, visible
from kernelsnap.shared.places import CACHE, from_here
from kernelsnap.shared.processes import collecting_garbage_rarely
from kernelsnap.shared.wording import counted, number_of_goldens

if TYPE_CHECKING:
    from kernelsnap.pending.accept import Decided

SAME, CHANGED = 0, 1


def add_pending(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the command line."""
    pending = commands.add_parser(
        "pending",
        help="what failing tests generated in place of their goldens, in groups",
        description="List what failing tests generated: it can be accepted with nothing compiled again. Exit status: "
        "0 nothing is pending, 1 something is, 2 error.",
    )
    add_filters(pending)
    pending.add_argument("--json", action="store_true", help="as JSON, with the digest of each")
    pending.set_defaults(command=_pending)

    accept = commands.add_parser(
        "accept",
        help="write what failing tests generated into the goldens",
        description="Write pending goldens into the tree, all that are named or none: templates, resources files, "
        "shared targets and toolchain.toml are kept as `pytest --snapshot-update` keeps them.",
    )
    add_filters(accept)
    _add_reasons(accept)
    accept.add_argument(
        "--for-now", action="store_true", help="list it in every report, until its lines are taken out of the ledger"
    )
    accept.set_defaults(command=_accept)

    reject = commands.add_parser("reject", help="drop what failing tests generated; the goldens stay as they are")
    add_filters(reject, elsewhere=False)
    _add_reasons(reject)
    reject.set_defaults(command=_reject)


def _add_reasons(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help=f"why; kept in {FILE} beside the goldens")
    parser.add_argument(
        "--reasons", type=Path, metavar="FILE",
        help='TOML with reasons by cause or fingerprint: fusion-split = "torch 2.14 fuses less"',
    )  # fmt: skip


def _decided(options: argparse.Namespace, entries: Sequence[Pending], verdict: Verdict) -> Decided | None:
    """What becomes of the ledger by a command with reasons; None where it has none."""
    for_now = getattr(options, "for_now", False)
    if not (options.reason or options.reasons or for_now):
        return None
    reasons = read_reasons(options.reasons) if options.reasons else {}
    line = Line(verdict, options.reason, for_now)
    return lambda ledger: ledger.with_decisions(entries, line, reasons)


def add_filters(parser: argparse.ArgumentParser, *, elsewhere: bool = True) -> None:
    """Add the options that say which pending goldens are meant."""
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a node id, a part of one, or a pattern with * and ?")
    parser.add_argument("--target", action="append", default=[], metavar="NAME", help="only of this GPU")
    causes = ", ".join((*CauseName, NEW, MOVED))
    parser.add_argument(
        "--cause", action="append", default=[], choices=(*CauseName, NEW, MOVED), metavar="CAUSE",
        help=f"only what has no other cause than this: {causes}; may be repeated",
    )  # fmt: skip
    parser.add_argument("--group", action="append", default=[], metavar="FINGERPRINT", help="only of this group")
    parser.add_argument(
        "--layer", action="append", default=[], choices=(*LAYERS, RESOURCES), metavar="LAYER",
        help="only what differs in no other layer than this; may be repeated",
    )  # fmt: skip
    parser.add_argument("--except", dest="without", action="append", default=[], metavar="CASE", help="not this one")
    parser.add_argument("--all", action="store_true", help="everything that is pending")
    parser.add_argument("--cache", default="", metavar="FOLDER", help=f"pytest's cache_dir, if it is not {CACHE}")
    if elsewhere:
        parser.add_argument(
            "--from", dest="source", type=Path, metavar="FOLDER_OR_ZIP", help="what a run on another machine left"
        )


@contextmanager
def folder_of(options: argparse.Namespace) -> Iterator[PendingFolder | None]:
    """Where the pending goldens are that a command is about; None where pytest has kept nothing here."""
    if getattr(options, "source", None):
        with from_elsewhere(options.source, Path.cwd()) as folder:
            yield folder
    else:
        yield local(options.cache, Path.cwd())


def selected(
    options: argparse.Namespace, folder: PendingFolder | None, there: Sequence[Pending], *, every: bool = False
) -> list[Pending]:
    """Those of the pending goldens that the options name; with `every`, all of them where none is named.

    Raises:
        PendingError: nothing is named, or nothing that is pending matches.
    """
    root = folder.root if folder else Path.cwd()
    wanted = Filter(
        tuple(from_here(case, root) for case in options.cases),
        tuple(options.target),
        tuple(options.cause),
        tuple(options.group),
        tuple(options.layer),
        tuple(from_here(case, root) for case in options.without),
    )
    if wanted.is_empty and not (options.all or every):
        raise PendingError("say which: a case, a pattern, --target, --cause, --group, --layer, or --all")
    if options.all and not wanted.is_empty:
        raise PendingError("--all names everything: give either it (with --except, if you like) or what is meant")
    return wanted.select(there)


def waiting(folder: PendingFolder | None) -> list[Pending]:
    """What is pending, once what a killed command had begun to accept has been completed."""
    entries = [] if folder is None else folder.entries()
    told = [recover(folder.root / goldens) for goldens in sorted({e.goldens for e in entries})] if folder else []
    for sentence in filter(None, told):
        print(f"kernelsnap: {visible(sentence)}", file=sys.stderr)
    return _swept(folder, entries, states_of(folder, entries)) if folder and any(told) else entries


def _swept(folder: PendingFolder, entries: Sequence[Pending], states: Mapping[str, State]) -> list[Pending]:
    """Those whose goldens do not have what was generated already; the others are dropped."""
    for entry in entries:
        if states[entry.golden] == "recorded":
            folder.remove(entry.golden, only=entry.digest)
    return [entry for entry in entries if states[entry.golden] != "recorded"]


def ledger_of(folder: PendingFolder, entries: Collection[Pending]) -> Ledger:
    """The ledger of the goldens that these belong to."""
    ledger = Ledger()
    for goldens in sorted({entry.goldens for entry in entries}):
        ledger = ledger.joined(read_ledger(folder.root / goldens))
    return ledger


def states_of(folder: PendingFolder, entries: Collection[Pending]) -> dict[str, State]:
    """What became of the golden of each since it was compared, by its path."""
    trees = {goldens: Standing(folder.root / goldens) for goldens in {entry.goldens for entry in entries}}
    return {entry.golden: trees[entry.goldens].state(entry, quick=True) for entry in entries}


def _pending(options: argparse.Namespace) -> int:
    from kernelsnap.pending.listing import as_json, listing

    with folder_of(options) as folder, collecting_garbage_rarely():
        there = waiting(folder)
        states = states_of(folder, there) if folder else {}
        if folder and not options.source:
            there = _swept(folder, there, states)
        if folder is None or not there:
            print("[]" if options.json else "nothing is pending: what a failing test generates is kept until it passes")
            return SAME
        entries = selected(options, folder, there, every=True)
        ledger = ledger_of(folder, there)
        if options.json:
            print(json.dumps(as_json(entries, states), indent=2))
            return CHANGED
        show(listing(entries, states, ledger))
        show([f"accepted for now: {sentence}" for sentence in ledger.for_now])
        show([f"{_counted(entries)} pending. To decide: kernelsnap review, or kernelsnap accept CASE"])
    return CHANGED


def _accept(options: argparse.Namespace) -> int:
    from kernelsnap.pending.accept import accept

    with folder_of(options) as folder, collecting_garbage_rarely():
        entries = selected(options, folder, waiting(folder))
        assert folder is not None
        show_what_is_written(folder, entries)
        decided = _decided(options, entries, "accepted")
        done = accept(folder, entries, foreign=bool(options.source), decided=decided)
        left = 0 if options.source else number_of_goldens(folder.entries())
    show([*done.notes, f"{_counted(done.written)} accepted{f', {left} still pending' if left else ''}"])
    return SAME


def show_what_is_written(folder: PendingFolder, entries: Sequence[Pending]) -> None:
    """Print what will be accepted."""
    from kernelsnap.pending.listing import listing

    show(listing(entries, states_of(folder, entries), ledger_of(folder, entries)))


def _reject(options: argparse.Namespace) -> int:
    from kernelsnap.pending.accept import decide, reject

    with folder_of(options) as folder:
        entries = selected(options, folder, waiting(folder))
        assert folder is not None
        if decided := _decided(options, entries, "rejected"):
            decide(folder, entries, decided)
        dropped = reject(folder, entries)
    show([f"{_counted(dropped)} rejected: the tests fail until they generate what is recorded again"])
    return SAME


def _counted(entries: Collection[Pending]) -> str:

    return counted(number_of_goldens(entries), "golden")


def show(lines: Iterator[str] | Sequence[str]) -> None:
    """Print lines in which foreign text may be."""
    reconfigure(sys.stdout)
    for line in lines:
        print(visible(line))
