"""`kernelsnap review`: read what is pending, group by group, and decide; in a terminal, or as JSON in and out."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from kernelsnap.cli.pending import CHANGED, SAME, add_filters, folder_of, ledger_of, selected, show, states_of, waiting
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.files import read_text, replace_bytes
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.folder import PendingFolder
from kernelsnap.pending.groups import PendingGroup, pending_groups
from kernelsnap.pending.ledger import Verdict
from kernelsnap.pending.review.decisions import FILE, carry_out, checked, parse_decisions
from kernelsnap.report.visible import reconfigure
from kernelsnap.shared.wording import number_of_goldens


def add_review(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "review",
        help="read what failing tests generated, group by group, and decide",
        description="Show the groups of pending goldens, the worst first, and ask about each. Decisions are kept as "
        "they are made, and carried out at the end. Exit status: 0 nothing is left, 1 something is, 2 error.",
    )
    add_filters(parser)
    parser.add_argument("--json", action="store_true", help="print the groups, and ask nothing")
    parser.add_argument("--decisions", metavar="FILE", help="carry out the decisions in this file; - is standard input")
    parser.set_defaults(command=_review)


def _review(options: argparse.Namespace) -> int:
    with folder_of(options) as folder:
        there = waiting(folder)
        if folder is None or not there:
            print("[]" if options.json else "nothing is pending")
            return SAME
        entries = selected(options, folder, there, every=True)
        if options.json:
            print(json.dumps(_as_json(folder, entries), indent=2))
            return CHANGED
        if options.decisions:
            return _carry_out(options, folder, entries)
        return _in_terminal(options, folder, entries)


def _as_json(folder: PendingFolder, entries: Sequence[Pending]) -> list[dict[str, object]]:
    from kernelsnap.pending.listing import as_json

    ledger, states = ledger_of(folder, entries), states_of(folder, entries)
    found: list[dict[str, object]] = []
    for group in pending_groups(entries):
        line = ledger.of(group.exemplar)
        found.append(
            {
                "group": group.fingerprint,
                "causes": group.exemplar.causes,
                "cost": group.cost.as_data(),
                "decided": asdict(line) if line else None,
                "goldens": as_json(group.members, states),
            }
        )
    return found


def _carry_out(options: argparse.Namespace, folder: PendingFolder, entries: Sequence[Pending]) -> int:
    text = sys.stdin.read() if options.decisions == "-" else read_text(Path(options.decisions))
    decisions = checked(parse_decisions(text, options.decisions), entries)
    done = carry_out(folder, entries, decisions, foreign=bool(options.source))
    return _told(folder, done.notes, decisions.counted(entries), foreign=bool(options.source))


def _in_terminal(options: argparse.Namespace, folder: PendingFolder, entries: Sequence[Pending]) -> int:
    from kernelsnap.pending.review.keys import keys_of
    from kernelsnap.pending.review.session import Review, kept_decisions, run, with_ledger
    from kernelsnap.pending.sides import sides

    ledger = ledger_of(folder, entries)
    decisions, message = kept_decisions(folder, entries)
    if known := with_ledger(decisions, entries, ledger):
        message = f"{message}; " * bool(message) + f"{known} decided as in the ledger (u takes that back)"
    both = sides(folder, entries)
    review = Review(folder, pending_groups(entries), both, ledger, decisions, lambda group: _page(folder, group))
    review.message = message
    out = reconfigure(sys.stdout)

    def write(text: str) -> None:
        out.write(text)
        out.flush()

    def size() -> tuple[int, int]:
        found = shutil.get_terminal_size()
        return found.columns, found.lines

    with keys_of(sys.stdin) as keys:
        wanted = run(review, keys, write, size)
    if not wanted:
        show([f"{', '.join(review.summary())}; nothing is written yet. To resume: kernelsnap review"])
        return CHANGED
    done = carry_out(folder, entries, review.decisions, foreign=bool(options.source))
    (folder.path / FILE).unlink(missing_ok=True)
    return _told(folder, done.notes, review.decisions.counted(entries), foreign=bool(options.source))


def _told(folder: PendingFolder, notes: Sequence[str], count: Mapping[Verdict, int], *, foreign: bool) -> int:
    """Say what was done, and about how many goldens; the exit status."""
    left = 0 if foreign else number_of_goldens(folder.entries())
    said = [f"{number} {verdict}" for verdict, number in sorted(count.items())] or ["nothing decided"]
    show([*notes, ", ".join([*said, *([f"{left} still pending"] if left else [])])])
    return CHANGED if left else SAME


def _page(folder: PendingFolder, group: PendingGroup) -> str:
    """Write the HTML page of a group and open it; what to tell the reviewer."""
    from kernelsnap.diff.tree.many import compared
    from kernelsnap.pending.sides import joined
    from kernelsnap.report.formats import FORMS
    from kernelsnap.report.model import View, report_of

    path = folder.path / "review.html"
    both = joined(folder, group.members)
    try:
        render = FORMS["html"].load()
        found = compared(both, every=True)
        command = ("kernelsnap", "pending", "--group", group.fingerprint)
        versions = (both.old.recorded_with(), both.new.recorded_with())
        report = report_of((both.old.label, both.new.label), command, len(both), found, both, versions=versions)
        replace_bytes(path, render(report, View(file=str(path))).encode("utf-8", "backslashreplace"))
    except KernelsnapError as error:
        return str(error)
    opened = webbrowser.open(path.absolute().as_uri())
    return f"the page of this group: {shlex.quote(str(path))}{'' if opened else ' (no browser here)'}"
