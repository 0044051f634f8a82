"""A review: goes through the groups, the worst first, and turns keys into decisions."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kernelsnap.diff.sides.sides import Sides
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.files import read_text, write_text
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.folder import PendingFolder
from kernelsnap.pending.groups import PendingGroup, pending_groups
from kernelsnap.pending.ledger import Ledger, Verdict
from kernelsnap.pending.listing import headings_of, title
from kernelsnap.pending.review.decisions import FILE, Decisions, parse_decisions
from kernelsnap.pending.review.keys import Keys
from kernelsnap.pending.review.screen import Difference, View, difference_of, screen
from kernelsnap.report.visible import visible
from kernelsnap.shared.wording import counted, number_of_goldens

#: Clears the screen, and what was scrolled out of it stays.
_CLEAR = "\x1b[H\x1b[2J"


@dataclass
class Review:
    """What is reviewed, and how far it has got."""

    folder: PendingFolder
    groups: Sequence[PendingGroup]
    sides: Sides
    ledger: Ledger
    decisions: Decisions
    page: Callable[[PendingGroup], str]  # writes the page of a group and opens it; what to tell the reviewer
    skipped: set[str] = field(default_factory=set)
    at: int = 0  # which line of what differs is shown first
    following: int = 0  # the same after the key d
    reason: str = ""
    for_now: bool = False
    message: str = ""

    @property
    def entries(self) -> list[Pending]:
        """All goldens that are reviewed, in the order in which they are shown."""
        return [member for group in self.groups for member in group.members]

    @cached_property
    def headings(self) -> dict[str, str]:
        """What each group is called, by its fingerprint."""
        return headings_of(self.groups)

    @property
    def current(self) -> tuple[PendingGroup, Pending] | None:
        """The next golden to decide about; None where there is none left."""
        decided = self.decisions.by_golden
        for group in self.groups:
            for member in group.members:
                if member.golden not in decided and member.golden not in self.skipped:
                    return group, member
        return None

    def decide(self, entries: Sequence[Pending], verdict: Verdict) -> None:
        """Decide about some goldens with the reason that was given, and keep it for a review that is resumed."""
        # A reason is for one decision.
        self.decisions.decide(entries, verdict, self.reason, for_now=self.for_now and verdict == "accepted")
        self.message = f"{counted(number_of_goldens(entries), 'golden')} {verdict}"
        self.reason, self.for_now, self.at = "", False, 0
        self.keep()

    def undecided(self, group: PendingGroup) -> list[Pending]:
        """The members of a group about which nothing is decided."""
        decided = self.decisions.by_golden
        return [member for member in group.members if member.golden not in decided]

    def keep(self) -> None:
        """Write the decisions down, so that a review that ends here can be resumed."""
        write_text(self.folder.path / FILE, self.decisions.to_json())

    def summary(self) -> list[str]:
        """What was decided, and about how many."""
        decided = self.decisions.by_golden
        left = number_of_goldens(entry for entry in self.entries if entry.golden not in decided)
        told = [f"{number} {verdict}" for verdict, number in sorted(self.decisions.counted(self.entries).items())]
        return [*told, *([f"{left} undecided"] if left else [])]


def kept_decisions(folder: PendingFolder, entries: Sequence[Pending]) -> tuple[Decisions, str]:
    """The decisions of a review that was interrupted, as far as they still hold, and what to tell the reviewer."""
    try:
        found = parse_decisions(read_text(folder.path / FILE), str(folder.path / FILE))
    except (FileNotFoundError, KernelsnapError):
        return Decisions(), ""
    valid = found.valid(entries)
    dropped = len(found.by_golden) - len(valid.by_golden)
    told = f"resumed: {counted(len(valid.by_golden), 'decision')} kept"
    return valid, told + (f", {dropped} dropped because their tests ran again" if dropped else "")


def with_ledger(decisions: Decisions, entries: Sequence[Pending], ledger: Ledger) -> int:
    """Decide as the ledger has it about what is undecided; about how many goldens."""
    decided = decisions.by_golden
    number = 0
    for group in pending_groups([entry for entry in entries if entry.golden not in decided]):
        line = ledger.of(group.exemplar)
        if line and line.decision != "triaged":
            # Without the reason, which the ledger has already.
            decisions.decide(group.members, line.decision)
            number += len(group.members)
    return number


def run(review: Review, keys: Keys, write: Callable[[str], None], size: Callable[[], tuple[int, int]]) -> bool:
    """Review until everything is decided or the reviewer stops; whether the decisions are to be carried out."""
    color = keys.is_terminal and not os.environ.get("NO_COLOR")
    while True:
        shown = review.current
        width, height = size()
        write(_CLEAR if keys.is_terminal else "\n")
        if shown is None:
            write(_end(review))
            key = keys.key()
            if key in ("w", "q"):
                return key == "w"
            _elsewhere(review, key)
            continue
        group, entry = shown
        difference = difference_of(review.sides, entry)
        text, review.following = screen(_view(review, group, entry), difference, width, height, color=color)
        write(text)
        key = keys.key()
        review.message = ""
        if key in ("w", "q"):
            return key == "w"
        _press(review, key, group, entry, difference, keys, write)


def _view(review: Review, group: PendingGroup, entry: Pending) -> View:
    decided = review.decisions.by_golden
    return View(
        group,
        review.headings[group.fingerprint],
        entry,
        (review.groups.index(group) + 1, len(review.groups)),
        (
            number_of_goldens(entry for entry in review.entries if entry.golden in decided),
            number_of_goldens(review.entries),
        ),
        review.at,
        review.ledger.of(entry),
        review.reason,
        review.for_now,
        review.message,
    )


def _end(review: Review) -> str:
    lines = [", ".join(review.summary()), "w write: accept and reject as decided", "u undo", "q quit, resume later"]
    if review.skipped:
        lines.insert(3, "s show again what was skipped")
    return "\n".join([*lines, *([review.message] if review.message else [])]) + "\n"


_VERDICTS: Mapping[str, tuple[Verdict, bool]] = {
    "a": ("accepted", False),
    "r": ("rejected", False),
    "A": ("accepted", True),
    "R": ("rejected", True),
    "t": ("triaged", True),
}


def _press(
    review: Review,
    key: str,
    group: PendingGroup,
    entry: Pending,
    difference: Difference,
    keys: Keys,
    write: Callable[[str], None],
) -> None:
    """Do what a key asks for about the golden that is shown."""
    if key in _VERDICTS:
        verdict, all_of_it = _VERDICTS[key]
        review.decide(review.undecided(group) if all_of_it else [entry], verdict)
    elif key == "s":
        review.skipped.add(entry.golden)
        review.at = 0
    elif key == "d":
        review.at = review.following
    elif key == "n":
        review.for_now = not review.for_now
    elif key == "m":
        write("reason: ")
        review.reason = keys.line()
    elif key == "e":
        with keys.paused():
            review.message = _edit(entry, difference)
    elif key == "o":
        with keys.paused():
            review.message = review.page(group)
    else:
        _elsewhere(review, key)


def _elsewhere(review: Review, key: str) -> None:
    """Do what a key asks for that is about no golden."""
    review.message = ""
    if key == "u":
        undone = review.decisions.undo()
        review.skipped -= {one.golden for one in undone}
        review.message = f"{counted(len(undone), 'decision')} undone" if undone else "there is nothing to undo"
        review.at = 0
        review.keep()
    elif key == "s":
        review.skipped.clear()
    elif key.strip():
        review.message = f"{visible(key)} is none of the keys"


def _edit(entry: Pending, difference: Difference) -> str:
    """Show the whole difference in the user's editor; what to tell the reviewer."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="kernelsnap-") as folder:
        path = Path(folder) / f"{entry.target}.diff"
        path.write_text("\n".join([entry.name, title(entry), "", *difference.lines, ""]), encoding="utf-8")
        try:
            status = subprocess.run([*editor, str(path)], check=False).returncode
        except OSError as error:
            return f"{editor[0]}: {error.strerror}; set EDITOR to an editor that is installed"
    return f"{editor[0]} ended with status {status}" if status else ""
