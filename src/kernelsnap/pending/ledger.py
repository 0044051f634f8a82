"""The ledger of reasons: what was decided about changes, in one file beside the goldens, `ledger.toml`.

    1a2b3c4d5e6f.fusion-split = { decision = "accepted", reason = "torch 2.14 fuses less; #1234" }
    1a2b3c4d5e6f.launch = { decision = "accepted", for-now = true, reason = "until the autotuner is fixed" }

A line is about a group of changes, by its fingerprint, and one of its causes. It holds for every golden that changes in
this way, now or in another upgrade or rebase. Lines are sorted, one for each decision, so that branches merge; to be
asked again, delete the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden.files import read_text, write_text
from kernelsnap.pending.entry import MOVED, NEW, Pending, PendingError
from kernelsnap.shared.data_files import parsed_toml

FILE = "ledger.toml"
#: How many folders above the one that a command names may have the ledger: `goldens/test_fusion` is one of `goldens`.
_UP = 3
# What TOML takes as a key without quotes: fingerprints and causes are no others.
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_COMMENT = (
    "# What was decided about changes of these goldens, and why: a line for each group of changes and cause.\n"
    "# `kernelsnap accept --reason` and `kernelsnap review` write it. Delete a line to be asked again.\n"
)

#: accepted, rejected: it is not asked again. triaged: somebody knows of it, and it is still to be decided.
Verdict = Literal["accepted", "rejected", "triaged"]


@dataclass(frozen=True)
class Line:
    """One decision about one cause of a group of changes."""

    decision: Verdict
    reason: str = ""
    for_now: bool = False  # accepted, but every report lists it until it no longer is

    def __str__(self) -> str:
        """`accepted for now: until the autotuner is fixed`."""
        now = " for now" if self.for_now else ""
        return f"{self.decision}{now}: {self.reason or 'no reason given'}"


@dataclass(frozen=True)
class Ledger:
    """The decisions, by fingerprint and cause."""

    lines: Mapping[tuple[str, str], Line] = field(default_factory=dict)

    def about(self, group: str, causes: Collection[str]) -> Line | None:
        """What was decided about all causes of a group; None where one of them is open, or they were not alike.

        A golden that there was none of before, or that takes the place of another case's, is like no other: nothing is
        decided about it in advance.
        """
        found = [self.lines.get((group, cause)) for cause in causes]
        known = [line for line in found if line is not None]
        if (
            not causes
            or {NEW, MOVED} & {*causes}
            or len(known) < len(found)
            or len({line.decision for line in known}) != 1
        ):
            return None
        reasons = dict.fromkeys(line.reason for line in known if line.reason)
        return Line(known[0].decision, "; ".join(reasons), any(line.for_now for line in known))

    def of(self, entry: Pending) -> Line | None:
        """What was decided about the group of a pending golden."""
        return self.about(entry.group, entry.causes)

    def with_decisions(self, entries: Iterable[Pending], line: Line, reasons: Mapping[str, str]) -> Ledger:
        """With this decision about the groups of these; a reason by cause or by fingerprint goes before that of all.

        What has no reason leaves no line, unless it is for now.
        """
        lines = dict(self.lines)
        for group, cause in sorted({(entry.group, cause) for entry in entries for cause in entry.causes}):
            reason = _plain(reasons.get(cause) or _by_group(reasons, group) or line.reason)
            if cause not in (NEW, MOVED) and (reason or line.for_now):
                lines[group, cause] = replace(line, reason=reason)
        return Ledger(lines)

    def joined(self, other: Ledger) -> Ledger:
        """The decisions of both."""
        return Ledger({**self.lines, **other.lines})

    @property
    def for_now(self) -> tuple[str, ...]:
        """What is accepted for now, a sentence for each reason."""
        found: dict[str, list[str]] = {}
        for (group, cause), line in sorted(self.lines.items()):
            if line.for_now:
                found.setdefault(line.reason, []).append(f"{cause} [{group}]")
        return tuple(f"{reason or 'no reason given'}: {', '.join(names)}" for reason, names in found.items())


def _plain(reason: str) -> str:
    """A reason in one line, of characters that a file can hold."""
    return " ".join(reason.split()).encode("utf-8", "replace").decode()


def _by_group(reasons: Mapping[str, str], group: str) -> str:
    return next((reason for name, reason in reasons.items() if group.startswith(name)), "")


def read_ledger(goldens: Path) -> Ledger:
    """The ledger of a tree of goldens; an empty one where there is no file.

    Raises:
        GoldenFormatError: it is damaged, or in a merge conflict.
    """
    path = goldens / FILE
    try:
        return parse_ledger(read_text(path), str(path))
    except FileNotFoundError:
        return Ledger()


def ledger_near(root: Path, golden: str) -> Ledger:
    """The ledger of a golden at this path below a folder: of its own folder, or the nearest above it.

    Raises `GoldenFormatError` where it is damaged.
    """
    place = (root / golden).absolute()
    for folder in (*place.parents[: 1 + len(PurePosixPath(golden).parents) + _UP],):
        if (folder / FILE).is_file():
            return read_ledger(folder)
    return Ledger()


def parse_ledger(text: str, where: str) -> Ledger:
    """The ledger in a text. Raises `GoldenFormatError`, which names `where`."""
    try:
        content = parsed_toml(text)
    except ValueError as error:
        raise GoldenFormatError(f"{where}: not TOML ({error}); in a merge conflict, keep the lines of both") from None
    lines = {}
    for group, causes in content.items():
        for cause, found in causes.items() if isinstance(causes, dict) else [("", None)]:
            named = _BARE.fullmatch(group) and _BARE.fullmatch(cause)
            if not (named and isinstance(found, dict) and found.get("decision") in get_args(Verdict)):
                raise GoldenFormatError(
                    f'{where}: expected lines such as `fingerprint.cause = {{ decision = "accepted", reason = "" }}`, '
                    f"found {group}{f'.{cause}' if cause else ''}"
                )
            lines[group, cause] = Line(found["decision"], str(found.get("reason", "")), found.get("for-now") is True)
    return Ledger(lines)


def write_ledger(goldens: Path, ledger: Ledger) -> bool:
    """Write the ledger of a tree of goldens; whether the file changed. Raises `GoldenWriteError`."""
    return write_text(goldens / FILE, render_ledger(ledger))


def render_ledger(ledger: Ledger) -> str:
    """The text of the file; `parse_ledger` gives back an equal one."""
    return _COMMENT + "".join(f"{line}\n" for line in _rendered(ledger))


def _rendered(ledger: Ledger) -> Iterator[str]:
    for (group, cause), line in sorted(ledger.lines.items()):
        now = "for-now = true, " if line.for_now else ""
        reason = json.dumps(line.reason, ensure_ascii=False).replace("\x7f", "\\u007f")
        yield f'{group}.{cause} = {{ decision = "{line.decision}", {now}reason = {reason} }}'


def read_reasons(path: Path) -> dict[str, str]:
    """Reasons by cause or by fingerprint, from a file of TOML: `fusion-split = "torch 2.14 fuses less"`.

    Raises:
        PendingError: it is no such file.
    """
    try:
        found = parsed_toml(read_text(path))
    except ValueError as error:
        raise PendingError(f"{path}: not TOML: {error}") from None
    if not all(isinstance(reason, str) for reason in found.values()):
        raise PendingError(f'{path}: expected lines such as `fusion-split = "why"`, with a cause or a fingerprint')
    return found
