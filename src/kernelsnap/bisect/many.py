"""One bisection for many cases: a step is made ready and run once for every case that its answer helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from kernelsnap.bisect.axis import Axis, SkipStepError, Step
from kernelsnap.bisect.errors import BisectError, NoChangeError
from kernelsnap.bisect.observe.observe import Case, Job, Place, observe_cases, skipped
from kernelsnap.bisect.observe.state import State
from kernelsnap.bisect.outcome import Outcome
from kernelsnap.bisect.question import Question
from kernelsnap.bisect.session import Bisection, Settings, nodes_of

_StepT = TypeVar("_StepT")
_AskedT = TypeVar("_AskedT", contravariant=True)


@dataclass(frozen=True)
class Result:
    """What became of one case."""

    case: str
    outcome: Outcome | None = None
    unchanged: str = ""  # why there is nothing to find, in words
    unknown: str = ""  # why nothing can be said
    toolchain: Mapping[str, str] = field(default_factory=dict)  # of the last step, where that is known


def result_of(case: str, error: BisectError) -> Result:
    """The result of a case whose bisection raised an error."""
    return Result(case, unchanged=str(error)) if isinstance(error, NoChangeError) else Result(case, unknown=str(error))


def bisect_cases(
    axis: Axis,
    job: Job,
    cases: Sequence[Case],
    question: Question,
    states: Mapping[str, State],
    settings: Settings,
) -> list[Result]:
    """Search an axis for what changed each case; the result of each, in their order.

    Each case's search says which step it would ask next. The one whose answer is worth most over all cases (see
    `Search.gain`) is run, for all cases to which it is worth anything. Each run is the next step of one of them, and
    narrows what is left of the others or leaves it, so that all together never need more runs than one by one.

    Raises:
        BisectError: there is nothing to search.
    """
    runs = Runs(axis.place, job, cases, states)
    nodes = nodes_of(axis)
    if question.condition and question.condition.needs_reference:
        runs.make(nodes[0][0] if settings.reference == "first" else nodes[-1][0], {case.name: 0 for case in cases})
    results: dict[str, Result] = {}
    searches: dict[str, Bisection] = {}
    quiet = replace(settings, say=lambda line: None)
    for case in cases:
        try:
            searches[case.name] = Bisection(axis, replace(job, case=case.name), question, states[case.name], quiet)
        except BisectError as error:
            results[case.name] = result_of(case.name, error)
    while searches:
        wanted: dict[str, Step] = {}
        for name, search in list(searches.items()):
            try:
                if (step := search.next()) is not None:
                    wanted[name] = step
                    continue
                results[name] = Result(name, search.outcome())
            except BisectError as error:
                results[name] = result_of(name, error)
            del searches[name]
        if not wanted:
            break
        step = most_helpful(wanted.values(), searches.values())
        helped = {name: search for name, search in searches.items() if search.gain(step) > 0}
        runs.make(step, {name: search.attempt(step) for name, search in helped.items()})
        answers = Counter(str(search.ask(step)) for search in helped.values())
        told = ", ".join(f"{count} {answer}" for answer, count in sorted(answers.items()))
        settings.say(f"{runs.count:3}  {step.name}  {len(helped)} cases: {told}  ({len(searches)} open)")
    last = nodes[-1][0].key
    toolchains = {case.name: states[case.name].known(last)[:1] for case in cases}
    return [replace(results[name], toolchain=seen[0].toolchain if seen else {}) for name, seen in toolchains.items()]


class Gains(Protocol[_AskedT]):
    """A search that says what an answer would be worth to it."""

    def gain(self, step: _AskedT, /) -> float:
        """From 0, for nothing, to 1."""


def most_helpful(wanted: Iterable[_StepT], searches: Collection[Gains[_StepT]]) -> _StepT:
    """The step, of those that some search wants, whose answer is worth most to all of them; the first of equals."""
    return max(dict.fromkeys(wanted), key=lambda step: sum(search.gain(step) for search in searches))


class Runs:
    """Runs cases together, and keeps what each generated in its own state."""

    def __init__(
        self,
        place: Callable[[Step], AbstractContextManager[Place]],
        job: Job,
        cases: Sequence[Case],
        states: Mapping[str, State],
    ) -> None:
        """Nothing was run yet."""
        self.count = 0
        self._place, self._job, self._states = place, job, states
        self._cases = {case.name: case for case in cases}

    def make(self, step: Step, wanted: Mapping[str, int]) -> None:
        """Observe a step for cases, each for the time of this number, where the states do not know it."""
        missing = [name for name, attempt in wanted.items() if not self._states[name].has(step.key, attempt)]
        if not missing:
            return
        self.count += 1
        try:
            with self._place(step) as place:
                seen = observe_cases(self._job, place, [self._cases[name] for name in missing])
        except SkipStepError as error:
            seen = {name: skipped(str(error)) for name in missing}
        for name in missing:
            self._states[name].add(step.key, seen[name])
