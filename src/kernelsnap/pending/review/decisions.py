"""The decisions of a review: made one by one or for a group, undone, kept in a file, and carried out at the end.

A decision names the digest of what was shown: it holds for nothing that a newer run has put in its place.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from kernelsnap.pending.accept import Accepted, accept, decide, reject
from kernelsnap.pending.entry import Pending, PendingError
from kernelsnap.pending.folder import PendingFolder
from kernelsnap.pending.ledger import Ledger, Line, Verdict
from kernelsnap.shared.data_files import parsed_json, typed
from kernelsnap.shared.wording import number_of_goldens

#: In the folder of what is pending: a review that was interrupted.
FILE = "review.json"


@dataclass(frozen=True)
class Decision:
    """What becomes of one pending golden."""

    golden: str  # its path below the folder of the goldens
    digest: str
    decision: Verdict
    reason: str = ""
    for_now: bool = False

    @property
    def line(self) -> Line:
        """The same for the ledger."""
        return Line(self.decision, self.reason, self.for_now)


@dataclass
class Decisions:
    """The decisions so far, in steps that can be undone: those of one key belong together."""

    steps: list[tuple[Decision, ...]] = field(default_factory=list)

    @property
    def by_golden(self) -> Mapping[str, Decision]:
        """The last decision about each golden."""
        return {decision.golden: decision for step in self.steps for decision in step}

    def counted(self, entries: Collection[Pending]) -> dict[Verdict, int]:
        """About how many of these goldens each decision is; without zeros."""
        decided = self.by_golden
        found: defaultdict[Verdict, list[Pending]] = defaultdict(list)
        for entry in entries:
            if entry.golden in decided:
                found[decided[entry.golden].decision].append(entry)
        return {verdict: number_of_goldens(of) for verdict, of in found.items()}

    def decide(self, entries: Iterable[Pending], verdict: Verdict, reason: str = "", *, for_now: bool = False) -> None:
        """Decide about some goldens, as one step."""
        step = tuple(Decision(entry.golden, entry.digest, verdict, reason, for_now) for entry in entries)
        if step:
            self.steps.append(step)

    def undo(self) -> tuple[Decision, ...]:
        """Take the last step back; what it was."""
        return self.steps.pop() if self.steps else ()

    def valid(self, entries: Collection[Pending]) -> Decisions:
        """Those that are about what is pending now."""
        there = {(entry.golden, entry.digest) for entry in entries}
        kept = (tuple(one for one in step if (one.golden, one.digest) in there) for step in self.steps)
        return Decisions([step for step in kept if step])

    def to_json(self) -> str:
        """The text of a file of decisions."""
        return json.dumps({"steps": [[asdict(one) for one in step] for step in self.steps]}, indent=1) + "\n"


def parse_decisions(text: str, where: str) -> Decisions:
    """The decisions in a file: steps as `to_json` writes them, or a list `decisions`.

    Raises:
        PendingError: it is no such file; the message names `where`.
    """
    try:
        content = parsed_json(text)
        steps: Sequence[Any] = content["steps"] if "steps" in content else [content["decisions"]]
        return Decisions([tuple(typed(Decision, one) for one in step) for step in steps if step])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PendingError(
            f'{where}: not a file of decisions ({error!r}); expected {{"decisions": [{{"golden": "...", "digest": '
            f'"...", "decision": "accepted"}}]}}, with what kernelsnap review --json prints'
        ) from None


def checked(decisions: Decisions, entries: Collection[Pending]) -> Decisions:
    """Decisions that somebody made elsewhere, all of which have to be about what is pending now.

    Raises:
        PendingError: one of them is not.
    """
    there = {entry.golden: entry.digest for entry in entries}
    for one in decisions.by_golden.values():
        if one.golden not in there:
            raise PendingError(f"nothing was decided: nothing is pending for {one.golden}")
        if there[one.golden] != one.digest:
            raise PendingError(
                f"nothing was decided: what is pending for {one.golden} is no longer what was shown "
                f"(digest {one.digest}, now {there[one.golden]})"
            )
    return decisions


def carry_out(
    folder: PendingFolder, entries: Collection[Pending], decisions: Decisions, *, foreign: bool = False
) -> Accepted:
    """Accept and reject as was decided, and keep the reasons in the ledger.

    Raises:
        PendingError, GoldenError: what `accept` raises; nothing is accepted or rejected then.
    """
    by_golden = decisions.by_golden
    about: dict[Verdict, list[Pending]] = {verdict: [] for verdict in get_args(Verdict)}
    for entry in entries:
        if (one := by_golden.get(entry.golden)) and one.digest == entry.digest:
            about[one.decision].append(entry)

    def decided(ledger: Ledger) -> Ledger:
        for found in about.values():
            for entry in found:
                ledger = ledger.with_decisions([entry], by_golden[entry.golden].line, {})
        return ledger

    done = Accepted((), ())
    if about["accepted"]:
        done = accept(folder, about["accepted"], foreign=foreign, decided=decided)
    elif any(one.reason or one.for_now for one in by_golden.values()):
        decide(folder, [entry for found in about.values() for entry in found], decided)
    if not foreign:
        reject(folder, about["rejected"])
    return done
