"""A bisection along an axis: which step changed the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from kernelsnap.bisect.axis import Axis, Step
from kernelsnap.bisect.errors import BisectError, NoChangeError
from kernelsnap.bisect.observe.observe import Job, Observation
from kernelsnap.bisect.observe.state import State
from kernelsnap.bisect.outcome import Change, Outcome, diffs, moved
from kernelsnap.bisect.question import Question
from kernelsnap.bisect.search import Answer, Found, NoAnswerError, Options, Search, Transition
from kernelsnap.bisect.witness import Witness, no_answer


@dataclass(frozen=True)
class Settings:
    """How a bisection is made."""

    options: Options
    start_known: bool = True
    reference: str = "first"  # the end whose golden the others are compared with; "stored" for the one given
    stored: Callable[[Observation], Observation | None] = lambda seen: None  # the goldens in the user's tree
    say: Callable[[str], None] = lambda line: None


def bisect_axis(axis: Axis, job: Job, question: Question, state: State, settings: Settings) -> Outcome:
    """Search an axis for every step that changes the answer.

    Raises:
        BisectError: an end says nothing, the answer is the same everywhere, or there is nothing to search.
    """
    bisection = Bisection(axis, job, question, state, settings)
    while (step := bisection.next()) is not None:
        bisection.ask(step)
    return bisection.outcome()


class Bisection:
    """One case's search along an axis; whoever holds it decides which step is asked next."""

    def __init__(self, axis: Axis, job: Job, question: Question, state: State, settings: Settings) -> None:
        """Choose what conditions compare with: that step is looked at where the state does not know it.

        Raises:
            BisectError: there is nothing to search, or nothing to compare with.
        """
        self._axis, self._job, self._question = axis, job, question
        self._nodes = nodes = nodes_of(axis)
        self._witness = Witness(axis.place, job, question, state, settings.say)
        self._reference = self._witness.compare_with(settings.reference, nodes[0][0], nodes[-1][0], settings.stored)
        numbers = [number for number, node in enumerate(nodes) for _ in node]
        options = replace(
            settings.options,
            probes=tuple(dict.fromkeys(numbers[index] for index in axis.probes)),
            offset=axis.offset,
            same=lambda index: nodes[index][0].key,
            cheap=lambda index: axis.is_cheap(nodes[index][0]),
        )
        self._search = Search(len(nodes), options=options, start_known=settings.start_known)
        self._index = {node[0]: index for index, node in enumerate(nodes)}

    def next(self) -> Step | None:
        """The step to ask now; None where nothing is left to ask.

        Raises:
            BisectError: an end says nothing.
        """
        try:
            index = self._search.next()
        except NoAnswerError as error:
            step = self._nodes[error.index][0]
            raise BisectError(no_answer(step, self._witness.reason(step))) from None
        return None if index is None else self._nodes[index][0]

    def gain(self, step: Step) -> float:
        """What an answer of this step is worth; see `Search.gain`."""
        return self._search.gain(self._index[step])

    def attempt(self, step: Step) -> int:
        """How often the step was asked before."""
        return self._witness.attempt(step)

    def ask(self, step: Step) -> Answer:
        """Ask a step, and take its answer."""
        answer = self._witness.ask(step)
        self._search.tell(self._index[step], answer)
        return answer

    def outcome(self) -> Outcome:
        """What was found out.

        Raises:
            NoChangeError: the answer is the same everywhere.
            BisectError: a step answers now so, now so.
        """
        found, nodes, witness = self._search.found(), self._nodes, self._witness
        if not found.transitions and found.complete:
            raise _no_change(found, self._question, nodes)
        return Outcome(
            axis=self._axis.kind,
            case=self._job.case,
            question=self._question.text,
            reference=self._reference,
            first=nodes[found.first][0],
            last=self._axis.steps[-1],
            steps=sum(map(len, nodes[found.first :])),
            nodes=len(nodes) - found.first,
            changes=tuple(map(self._change, found.transitions)),
            asked=tuple(witness.asked),
            others=tuple(_others(found, nodes, witness)),
            untested=found.untested,
            flaky=tuple(nodes[index][0] for index in sorted(found.flaky)),
            complete=found.complete,
            toolchain=dict(witness.see(nodes[-1][0]).toolchain),
        )

    def _change(self, transition: Transition) -> Change:
        before, after = self._nodes[transition.before], self._nodes[transition.after]
        seen = self._witness.see(before[0]), self._witness.see(after[0])
        return Change(
            before=before[-1],
            after=after[0],
            candidates=tuple(self._nodes[index][0] for index in transition.candidates),
            answer=transition.answer,
            repeats=transition.repeats,
            diffs=tuple(diffs(*seen)),
            moved=moved(*seen),
        )


def nodes_of(axis: Axis) -> list[tuple[Step, ...]]:
    """The steps with those that are equal to the one before as one: only the first of them can have changed anything.

    Raises:
        BisectError: fewer than two are left.
    """
    nodes = [tuple(group) for _, group in groupby(axis.steps, key=lambda step: step.key)]
    if len(nodes) < 2:
        first, last = axis.steps[0], axis.steps[-1]
        raise BisectError(
            f"there is nothing to search: {len(axis.steps)} steps from {first.name} to {last.name}, and all are equal"
        )
    return nodes


def _others(found: Found, nodes: list[tuple[Step, ...]], witness: Witness) -> Iterator[tuple[Step, Step]]:
    """Where what is generated changes, and the answer does not."""
    generated = {entry.step.key: entry.fingerprint for entry in witness.asked if entry.fingerprint}
    known = [index for index in found.answers if nodes[index][0].key in generated]
    for before, after in pairwise(known):
        alike = found.answers[before] is found.answers[after]
        if alike and generated[nodes[before][0].key] != generated[nodes[after][0].key]:
            yield nodes[before][-1], nodes[after][0]


def _no_change(found: Found, question: Question, nodes: list[tuple[Step, ...]]) -> BisectError:
    if found.flaky:
        names = ", ".join(nodes[index][0].name for index in sorted(found.flaky))
        return BisectError(
            f"{names} answered differently when asked again: the case does not generate the same on every run"
        )
    first, last = nodes[found.first][0], nodes[-1][-1]
    more = (
        f". {found.untested} steps between were not asked: --sweep NUMBER asks some of them, for a change that landed "
        f"and was reverted"
    )
    answer = f"`{question.text}`: the answer is {found.answers[len(nodes) - 1]}"
    count = len(nodes) - found.first
    if not found.untested and count > 2:
        return NoChangeError(
            f"{answer} at all {count} steps from {first.name} to {last.name}: there is no change between them"
        )
    return NoChangeError(
        f"{answer} at both ends, {first.name} and {last.name}, so that there is no change to find between them"
        f"{more if found.untested else ''}"
    )
