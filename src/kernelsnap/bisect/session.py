"""One case asked along an axis: runs it at steps, remembers what it generated there, and builds the outcome.

Every axis asks through a `CaseSession`, whatever the order in which it asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.observe.observe import Job, Observation, Workspace, observe, skipped
from kernelsnap.bisect.observe.state import StateFile
from kernelsnap.bisect.outcome import AnswerChange, Asked, AxisStep, Findings, Outcome, diffs, moved
from kernelsnap.bisect.predicate.question import Predicate, reply
from kernelsnap.bisect.search import Answer, Options

#: Makes a step ready to run a case in.
Prepare = Callable[[AxisStep], AbstractContextManager[Workspace]]


@dataclass(frozen=True)
class Settings:
    """How a bisection is made."""

    options: Options
    reference: str = "first"  # the end whose golden the others are compared with; "stored" for the one given
    stored: Callable[[Observation], Observation | None] = lambda seen: None  # the goldens in the user's tree
    say: Callable[[str], None] = lambda line: None  # takes a line about each answer


class CaseSession:
    """Asks steps of one axis about one case. A step is made ready only where the state does not know it."""

    def __init__(
        self, axis: str, prepare: Prepare, job: Job, predicate: Predicate, state: StateFile, settings: Settings
    ) -> None:
        """Nothing is asked yet."""
        self.asked: list[Asked] = []
        self.predicate, self.settings = predicate, settings
        self._axis, self._prepare, self._job, self._state = axis, prepare, job, state
        self._attempts: Counter[str] = Counter()
        self._reference: Observation | None = None
        self._reference_words = ""

    def see(self, step: AxisStep, attempt: int = 0) -> Observation:
        """What the case generates at a step, in its first run or in a later one."""

        def make() -> Observation:
            try:
                with self._prepare(step) as workspace:
                    # A repeat shares nothing with the run before: what differs from process to process is to show.
                    return observe(self._job, replace(workspace, anew=workspace.anew or attempt > 0))
            except SkipStepError as error:
                return skipped(str(error))

        return self._state.observation(step.key, attempt, make)

    def attempt(self, step: AxisStep) -> int:
        """How often the step was asked before."""
        return self._attempts[step.key]

    def ask(self, step: AxisStep) -> Answer:
        """The step's answer; from a new run each time that it is asked again."""
        attempt = self._attempts[step.key]
        self._attempts[step.key] += 1
        seen = self.see(step, attempt)
        answered = reply(self.predicate, seen, self._reference)
        self.asked.append(Asked(step, answered, seen.fingerprint))
        again = "  asked again" if attempt else ""
        because = f"  {answered.reason}" if answered.reason else ""
        self.settings.say(f"{len(self.asked):3}  {step.name}  {answered.answer}{again}{because}")
        return answered.answer

    def compare_with(self, first: AxisStep, last: AxisStep) -> None:
        """Choose the golden that conditions compare with, where they do: that of an end, or the stored one.

        Raises:
            BisectError: there is none.
        """
        if not self.predicate.needs_reference:
            return
        step = first if self.settings.reference == "first" else last
        seen = self.see(step)
        if seen.skipped:
            raise self.no_answer(step, seen.skipped)
        if self.settings.reference != "stored":
            self._reference, self._reference_words = seen, f"what {step.name} generates"
            return
        self._reference, self._reference_words = self.settings.stored(seen), "the golden in the goldens folder"
        if self._reference is None:
            raise BisectError(
                "the predicate compares with a golden, and the goldens folder has none of this case: record it, "
                "name its folder with --goldens, or compare with an end of the axis (--reference first or last)"
            )

    def limit_left(self) -> int | None:
        """How many more steps may be asked; None for any number."""
        limit = self.settings.options.limit
        return None if limit is None else max(limit - len(self.asked), 0)

    def reason(self, step: AxisStep) -> str:
        """Why a step that was asked gave no answer."""
        return next(asked.reply.reason for asked in self.asked if asked.step.key == step.key)

    def no_answer(self, step: AxisStep, reason: str = "") -> BisectError:
        """The error about an end without an answer."""
        why = reason or self.reason(step)
        return BisectError(f"{step.name} gives no answer, and the other steps are compared with it: {why}")

    def change(
        self,
        before: AxisStep,
        after: AxisStep,
        candidates: tuple[AxisStep, ...],
        answer: Answer,
        repeats: int,
        notes: tuple[str, ...] = (),
    ) -> AnswerChange:
        """A change of the answer, with what differs between its two sides."""
        seen = self.see(before), self.see(after)
        return AnswerChange(before, after, candidates, answer, repeats, diffs(*seen), moved(*seen), notes)

    def outcome(self, findings: Findings) -> Outcome:
        """The findings of a search, with all that was asked."""
        return Outcome(
            **vars(findings),
            axis=self._axis,
            case=self._job.case,
            question=self.predicate.text,
            reference=self._reference_words,
            asked=tuple(self.asked),
            toolchain=dict(self.see(findings.last).toolchain),
        )
