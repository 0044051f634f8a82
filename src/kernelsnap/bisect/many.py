"""One bisection for many cases: a step is made ready and run once, for every case that its answer helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from kernelsnap.bisect.errors import BisectError, NoChangeError, SkipStepError
from kernelsnap.bisect.line import LineAxis, LineSearch, nodes_of
from kernelsnap.bisect.observe.observe import CaseFile, Job, observe_cases, skipped
from kernelsnap.bisect.observe.state import StateFile
from kernelsnap.bisect.outcome import AxisStep, Outcome
from kernelsnap.bisect.predicate.question import Predicate
from kernelsnap.bisect.session import CaseSession, Prepare, Settings

_StepT = TypeVar("_StepT")


@dataclass(frozen=True)
class CaseResult:
    """What became of one case."""

    case: str
    outcome: Outcome | None = None
    unchanged: str = ""  # why there is nothing to find, in words
    unknown: str = ""  # why nothing can be said
    toolchain: Mapping[str, str] = field(default_factory=dict)  # of the last step, where that is known


def result_of(case: str, error: BisectError) -> CaseResult:
    """The result of a case whose bisection raised an error."""
    unchanged = isinstance(error, NoChangeError)
    return CaseResult(case, unchanged=str(error)) if unchanged else CaseResult(case, unknown=str(error))


def bisect_cases(
    axis: LineAxis,
    job: Job,
    cases: Sequence[CaseFile],
    predicate: Predicate,
    states: Mapping[str, StateFile],
    settings: Settings,
) -> list[CaseResult]:
    """Search an axis for what changed each case; the result of each, in their order.

    Each case's search has a step that it would ask next. The one whose answer helps most over all cases (see
    `Search.gain`) is run, for all cases that it helps at all. Each run is the next step of one of them, and narrows
    what is left of the others or leaves it, so that all together never need more runs than one by one.

    Raises:
        BisectError: there is nothing to search.
    """
    runs = SharedRuns(axis.prepare, job, cases, states)
    nodes = nodes_of(axis)
    if predicate.needs_reference:
        runs.make(nodes[0][0] if settings.reference == "first" else nodes[-1][0], {case.name: 0 for case in cases})
    results: dict[str, CaseResult] = {}
    searches: dict[str, LineSearch] = {}
    quiet = replace(settings, say=lambda line: None)
    sessions = {
        name: CaseSession(axis.kind, axis.prepare, replace(job, case=name), predicate, state, quiet)
        for name, state in states.items()
    }
    for name, session in sessions.items():
        try:
            searches[name] = LineSearch(axis, session)
        except BisectError as error:
            results[name] = result_of(name, error)
    while wanted := _next_steps(searches, sessions, results):
        step = most_helpful(wanted, [search.gain for search in searches.values()])
        helped = {name: search for name, search in searches.items() if search.gain(step) > 0}
        runs.make(step, {name: sessions[name].attempt(step) for name in helped})
        answers = Counter(str(search.ask(step)) for search in helped.values())
        counts = ", ".join(f"{count} {answer}" for answer, count in sorted(answers.items()))
        settings.say(f"{runs.count:3}  {step.name}  {len(helped)} cases: {counts}  ({len(searches)} open)")
    known = {case.name: states[case.name].known(nodes[-1][0].key)[:1] for case in cases}
    return [replace(results[name], toolchain=seen[0].toolchain if seen else {}) for name, seen in known.items()]


def _next_steps(
    searches: dict[str, LineSearch], sessions: Mapping[str, CaseSession], results: dict[str, CaseResult]
) -> list[AxisStep]:
    """The steps that the searches would ask next; one that is at its end goes from `searches` to `results`."""
    wanted = []
    for name, search in list(searches.items()):
        try:
            if (step := search.next()) is not None:
                wanted.append(step)
                continue
            results[name] = CaseResult(name, sessions[name].outcome(search.findings()))
        except BisectError as error:
            results[name] = result_of(name, error)
        del searches[name]
    return wanted


def most_helpful(wanted: Iterable[_StepT], gains: Collection[Callable[[_StepT], float]]) -> _StepT:
    """The step that helps all searches most, of those that some of them want; the first of equals.

    Args:
        wanted: the steps.
        gains: for each search, how much it gains from a step.
    """
    return max(dict.fromkeys(wanted), key=lambda step: sum(gain(step) for gain in gains))


class SharedRuns:
    """Runs several cases at a step together, and keeps what each generated in its own state."""

    def __init__(self, prepare: Prepare, job: Job, cases: Sequence[CaseFile], states: Mapping[str, StateFile]) -> None:
        """Nothing was run yet."""
        self.count = 0
        self._prepare, self._job, self._states = prepare, job, states
        self._cases = {case.name: case for case in cases}

    def make(self, step: AxisStep, wanted: Mapping[str, int]) -> None:
        """Run those cases at a step of which the states do not hold the run that is wanted.

        Args:
            step: where to run them.
            wanted: by case, the number of the run: 0 for the first at this step, 1 for its first repeat, ...
        """
        missing = [name for name, attempt in wanted.items() if not self._states[name].has(step.key, attempt)]
        if not missing:
            return
        self.count += 1
        try:
            with self._prepare(step) as workspace:
                # As in `CaseSession.see`: a repeat shares nothing with the run before.
                anew = workspace.anew or any(wanted[name] for name in missing)
                seen = observe_cases(self._job, replace(workspace, anew=anew), [self._cases[name] for name in missing])
        except SkipStepError as error:
            seen = {name: skipped(str(error)) for name in missing}
        for name in missing:
            self._states[name].add(step.key, seen[name])
