"""What a review shows: the group, its causes and cost, one golden in full, and what the others have beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.tree.change import Change, change_of
from kernelsnap.pending.entry import NEW, Pending
from kernelsnap.pending.groups import PendingGroup
from kernelsnap.pending.ledger import Line
from kernelsnap.pending.listing import both_sides, group_line
from kernelsnap.report import words
from kernelsnap.report.visible import folded, visible
from kernelsnap.shared.wording import counted

_BOLD, _DIM, _RED, _GREEN, _CYAN = "1", "2", "31", "32", "36"
_COLORS = {"-": _RED, "+": _GREEN, "@": _CYAN}
#: Lines of evidence for each cause, and members of a group, that the head shows.
_EVIDENCE, _MEMBERS = 2, 3
#: Fewer lines of a difference than this are never shown, however low the terminal is.
_LEAST = 6
KEYS = (
    ("a", "accept"), ("r", "reject"), ("s", "skip"), ("A", "accept the group"), ("R", "reject the group"),
    ("d", "next difference"), ("u", "undo"), ("m", "give a reason"), ("n", "for now"), ("t", "triage the group"),
    ("e", "editor"), ("o", "page"), ("w", "write"), ("q", "quit, resume later"),
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """What differs in one golden, and where each difference begins."""

    change: Change | None
    lines: tuple[str, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """Where a review is."""

    group: PendingGroup
    heading: str  # what the group is called
    entry: Pending
    place: tuple[int, int]  # of the group, among how many
    decided: tuple[int, int]  # how many goldens, of how many
    at: int  # which line of what differs is shown first
    ledger: Line | None
    reason: str
    for_now: bool
    message: str


def difference_of(sides: Sides, entry: Pending) -> Difference:
    """Compare one pending golden with the golden as it is now."""
    contents = sides.differing(entry.golden)
    change = change_of(*contents) if contents else None
    if change is None:
        same = "nothing but the name of the test" if entry.moved_from else "the golden already has what was generated"
        return Difference(None, (same,), (0,))
    if change.diff is None:
        if change.error or contents is None or contents[2] is None:
            return Difference(change, (change.error,), (0,))
        text = contents[2].decode("utf-8", "replace").split("\n\n", 1)[1].rstrip("\n").split("\n")
        return Difference(change, tuple(f"+{line}" for line in text), (0,))
    lines: list[str] = []
    starts = []
    for hunk in change.diff.hunks:
        short = hunk.to_read()
        starts.append(len(lines))
        lines += [short.header, *short.lines]
    return Difference(change, tuple(lines), tuple(starts) or (0,))


def screen(view: View, difference: Difference, width: int, height: int, *, color: bool) -> tuple[str, int]:
    """The lines to print, no wider than the terminal and no more than fit on it; which line `d` shows first."""

    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text

    def fit(lines: Iterator[tuple[str, str]]) -> list[str]:
        return [paint(part, code) for text, code in lines for part in folded(visible(text), width, "", "    ")]

    head = fit(_head(view, difference))
    foot = [paint("─" * width, _DIM), *fit(_foot(view, width))]
    room = max(_LEAST, height - len(head) - len(foot) - 3)
    shown = difference.lines[view.at : view.at + room]
    number = sum(start <= view.at for start in difference.starts)
    lines = f"lines {view.at + 1} to {view.at + len(shown)} of {len(difference.lines)}"
    rule = f"── difference {number} of {len(difference.starts)}, {lines} ".ljust(width, "─")[:width]
    body = [paint(_cut(visible(line), width), _COLORS.get(line[:1], "")) for line in shown]
    return "\n".join([*head, paint(rule, _DIM), *body, *foot]) + "\n", _next(difference, view.at, len(shown))


def _next(difference: Difference, at: int, shown: int) -> int:
    """The next difference if it begins on what is shown, else the line after that; at the end the first line again."""
    following = (start for start in difference.starts if at < start <= at + shown)
    found = next(following, at + shown)
    return found if found < len(difference.lines) else 0


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _head(view: View, difference: Difference) -> Iterator[tuple[str, str]]:
    (number, groups), (decided, goldens) = view.place, view.decided
    yield f"group {number} of {groups} · {decided} of {goldens} goldens decided", _DIM
    yield group_line(view.group, view.heading), _BOLD
    yield view.entry.name, ""
    if view.entry.moved_from:
        yield f"  moved from {view.entry.moved_from}, which is gone", ""
    if view.entry.merge:
        yield "  a merge: accept takes their side, reject keeps ours, as it is now; git has it as resolved then", ""
        yield from ((f"  {line}", "") for line in both_sides(view.entry))
    change = difference.change
    if change and change.status == "changed":
        yield f"  {words.effect(change)}", ""
        for cause in change.causes:
            for title, line in words.cause_lines(cause, _EVIDENCE):
                yield f"  {title}: {line}", ""
    yield from ((f"  {text}", "") for text in _others(view))
    if view.ledger:
        yield f"  before: {view.ledger}", _CYAN


def _others(view: View) -> Iterator[str]:
    """What the other members of the group have beside what is shown."""
    group = view.group.as_group
    alike = len(view.group.members) - 1 - len(group.exceptions)
    if len(view.group.members) > 1 and NEW not in view.entry.causes:
        yield f"the group: {counted(alike + 1, 'golden')} alike, {len(group.exceptions)} with something else"
    for member in group.exceptions[:_MEMBERS]:
        yield f"  {member.case} ({member.target}): {words.beyond(group, member)}"
    if len(group.exceptions) > _MEMBERS:
        yield f"  and {len(group.exceptions) - _MEMBERS} more"


def _foot(view: View, width: int) -> Iterator[tuple[str, str]]:
    yield from _in_columns([f"{key} {what}" for key, what in KEYS], width)
    if view.reason or view.for_now:
        now = "for now; " if view.for_now else ""
        yield f"the next decision: {now}{view.reason}".rstrip("; "), _CYAN
    if view.message:
        yield view.message, _CYAN


def _in_columns(words_: Sequence[str], width: int) -> Iterator[tuple[str, str]]:
    line = ""
    for word in words_:
        if line and len(line) + len(word) + 2 > width:
            yield line, _DIM
            line = ""
        line += f"  {word}" if line else word
    yield line, _DIM
