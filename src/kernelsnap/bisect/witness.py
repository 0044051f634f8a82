"""Asks steps, remembers what each generated, and says what it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

from kernelsnap.bisect.axis import SkipStepError, Step
from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe.observe import Job, Observation, Place, observe, skipped
from kernelsnap.bisect.observe.state import State
from kernelsnap.bisect.outcome import Asked
from kernelsnap.bisect.question import Question, reply
from kernelsnap.bisect.search import Answer


class Witness:
    """Puts one question to steps, each of which is made ready only where the state does not know it."""

    def __init__(
        self,
        place: Callable[[Step], AbstractContextManager[Place]],
        job: Job,
        question: Question,
        state: State,
        say: Callable[[str], None],
    ) -> None:
        """Nothing is asked yet."""
        self.asked: list[Asked] = []
        self._place, self._job, self._question, self._state, self._say = place, job, question, state, say
        self._attempts: Counter[str] = Counter()
        self._reference: Observation | None = None

    def see(self, step: Step, attempt: int = 0) -> Observation:
        """What the step generates, the first time or when run again."""

        def make() -> Observation:
            try:
                with self._place(step) as place:
                    return observe(self._job, place)
            except SkipStepError as error:
                return skipped(str(error))

        return self._state.observation(step.key, attempt, make)

    def attempt(self, step: Step) -> int:
        """How often the step was asked before."""
        return self._attempts[step.key]

    def ask(self, step: Step) -> Answer:
        """The step's answer; from a new run each time that it is asked again."""
        attempt = self._attempts[step.key]
        self._attempts[step.key] += 1
        seen = self.see(step, attempt)
        answered = reply(self._question, seen, self._reference)
        self.asked.append(Asked(step, answered, seen.fingerprint))
        again = "  asked again" if attempt else ""
        because = f"  {answered.reason}" if answered.reason else ""
        self._say(f"{len(self.asked):3}  {step.name}  {answered.answer}{again}{because}")
        return answered.answer

    def compare_with(
        self, choice: str, first: Step, last: Step, stored: Callable[[Observation], Observation | None]
    ) -> str:
        """Choose the golden that conditions compare with; what it is, in words, or "" where none is needed.

        Args:
            choice: "first" or "last", for what that step generates, or "stored".
            first, last: the ends.
            stored: the stored goldens of what an observation holds.

        Raises:
            BisectError: there is none.
        """
        condition = self._question.condition
        if condition is None or not condition.needs_reference:
            return ""
        step = first if choice == "first" else last
        seen = self.see(step)
        if seen.skipped:
            raise BisectError(no_answer(step, seen.skipped))
        if choice != "stored":
            self._reference = seen
            return f"what {step.name} generates"
        self._reference = stored(seen)
        if self._reference is None:
            raise BisectError(
                "the predicate compares with a golden, and the goldens folder has none of this case: record it, "
                "name its folder with --goldens, or compare with an end of the axis (--reference first or last)"
            )
        return "the golden in the goldens folder"

    def reason(self, step: Step) -> str:
        """Why a step that was asked gave no answer."""
        return next(asked.reply.reason for asked in self.asked if asked.step.key == step.key)


def no_answer(step: Step, reason: str) -> str:
    """What to tell the user about an end that says nothing."""
    return f"{step.name} says nothing, and it is an end that the others are compared with: {reason}"
