"""Accepts the groups of an upgrade, each as one git commit whose message has the cause and the reason."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kernelsnap.bisect.errors import BisectError
from kernelsnap.pending.accept import accept, move_versions
from kernelsnap.pending.folder import PendingFolder
from kernelsnap.pending.ledger import Ledger, Line
from kernelsnap.report.visible import visible
from kernelsnap.report.words import effect, evidence
from kernelsnap.shared.git import GitError, GitNotFoundError, run_git
from kernelsnap.shared.wording import counted
from kernelsnap.upgrade.groups import CauseGroup

#: How much evidence a message holds for each cause, and how long its first line is at most.
_EVIDENCE, _SUBJECT = 3, 100


@dataclass(frozen=True)
class Committer:
    """Commits goldens, and nothing else of the repository."""

    folder: PendingFolder
    goldens: Path
    moved: str  # `torch 2.13.0 -> 2.14.1`
    reason: str  # the user's, for every group that has none of its own
    reasons: Mapping[str, str]  # by cause or fingerprint
    command: str
    say: Callable[[str], None]

    def commit(self, groups: Sequence[CauseGroup], versions: Mapping[str, str]) -> int:
        """Accept and commit each group; then move `toolchain.toml`, where it still has to. How many commits there are.

        Raises:
            PendingError, GoldenError: a golden is no longer the one that was compared; nothing of its group is written.
            BisectError: git refused.
        """
        made, notes = 0, list[str]()
        for unit in units(groups):
            entries = [entry for group in unit for entry in group.entries]
            # What is told of goldens that are still to be accepted is told once, after the last ones.
            notes = [*accept(self.folder, entries, decided=partial(self._decided, unit)).notes]
            made += self._commit(*self._message(unit))
        for note in dict.fromkeys((*notes, *move_versions(self.folder, self.goldens, versions))):
            self.say(note)
        return made + self._commit(f"Goldens: recorded with {self.moved}", ["No golden changes by that."])

    def _decided(self, unit: Sequence[CauseGroup], ledger: Ledger) -> Ledger:
        """The ledger with the reasons of these groups."""
        for group in unit:
            line = Line("accepted", self.reason_of(group), bool(group.line and group.line.for_now))
            ledger = ledger if group.is_settled else ledger.with_decisions(group.entries, line, self.reasons)
        return ledger

    def reason_of(self, group: CauseGroup) -> str:
        """Why a group is accepted: as the ledger has it, as the user has it, else what brought it."""
        if group.line and group.line.reason:
            return group.line.reason
        named = (self.reasons.get(name, "") for name in (*group.fingerprints, *group.causes))
        return next(filter(None, named), self.reason) or f"{self.moved}: {group.title}"

    def _message(self, unit: Sequence[CauseGroup]) -> tuple[str, list[str]]:
        first, number = max(unit, key=lambda group: len(group.entries)), sum(len(group.entries) for group in unit)
        reasons = dict.fromkeys(map(self.reason_of, unit))
        body = [line for group in unit for line in self._about(group)]
        subject = f"Goldens: {first.title} by {first.origin.words}, {counted(number, 'golden')}"
        return subject, [*reasons, "", f"Upgrade: {self.moved}", *body, "", f"Made by: {self.command}"]

    def _about(self, group: CauseGroup) -> Iterator[str]:
        yield from ("", f"{group.title} by {group.origin.words}, {counted(len(group.entries), 'golden')}")
        yield f"Groups: {', '.join(group.fingerprints)}"
        yield f"Shown best by {group.exemplar.name}: {effect(group.exemplar)}"
        for cause in group.exemplar.causes:
            yield from (f"- {line}" for line in evidence(cause.findings, _EVIDENCE))

    def _commit(self, subject: str, body: Sequence[str]) -> bool:
        """Commit what changed in the goldens; whether anything did."""
        _git(self.folder.root, "add", "--all", "--", str(self.goldens))
        if not _git(self.folder.root, "status", "--porcelain", "--ignore-submodules=all", "--", str(self.goldens)):
            return False
        short = subject if len(subject) <= _SUBJECT else f"{subject[: _SUBJECT - 3]}..."
        message = "\n".join(map(visible, (short, "", *body)))
        _git(self.folder.root, "commit", "--quiet", "--no-gpg-sign", "--message", message, "--", str(self.goldens))
        self.say(f"committed: {short}")
        return True


def check_clean(root: Path, goldens: Path) -> None:
    """Refuse to begin where goldens have changes that are not committed.

    Raises:
        BisectError: they have, or there is no repository.
    """
    if (
        changed := _git(root, "status", "--porcelain", "--ignore-submodules=all", "--", str(goldens))
        .decode(errors="replace")
        .splitlines()
    ):
        raise BisectError(
            f"--commit: {goldens} has changes that are not committed ({visible(changed[0].strip())}): commit or "
            f"restore them first"
        )


def _git(root: Path, *arguments: str) -> bytes:
    try:
        return run_git(root, *arguments)
    except (GitError, GitNotFoundError) as error:
        raise BisectError(f"--commit: {shlex.join(['git', arguments[0]])}: {error}") from None


def units(groups: Sequence[CauseGroup]) -> list[list[CauseGroup]]:
    """The groups that are committed together: those whose goldens share a template that changed, which is one file."""
    found: list[tuple[set[str], list[CauseGroup]]] = []
    for group in groups:
        names = {name for entry in group.entries for name in entry.templates}
        shared = [unit for unit in found if unit[0] & names]
        found = [unit for unit in found if unit not in shared]
        found.append((names.union(*(unit[0] for unit in shared)), [*(g for unit in shared for g in unit[1]), group]))
    return [unit for _, unit in found]
