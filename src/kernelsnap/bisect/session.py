"""A bisection along an axis: which step changed the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from kernelsnap.bisect.axis import Axis, Step
from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe import Job, Observation
from kernelsnap.bisect.outcome import Change, Outcome, diffs, moved
from kernelsnap.bisect.question import Question
from kernelsnap.bisect.search import Answer, Found, NoAnswerError, Options, Transition, search
from kernelsnap.bisect.state import State
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
    # Neighbouring steps that are equal: only the first of them can have changed anything.
    nodes = [tuple(group) for _, group in groupby(axis.steps, key=lambda step: step.key)]
    first, last = axis.steps[0], axis.steps[-1]
    if len(nodes) < 2:
        raise BisectError(
            f"there is nothing to search: {len(axis.steps)} steps from {first.name} to {last.name}, and all are equal"
        )
    witness = Witness(axis.place, job, question, state, settings.say)
    reference = witness.compare_with(settings.reference, nodes[0][0], nodes[-1][0], settings.stored)
    numbers = [number for number, node in enumerate(nodes) for _ in node]
    options = replace(
        settings.options,
        probes=tuple(dict.fromkeys(numbers[index] for index in axis.probes)),
        offset=axis.offset,
        same=lambda index: nodes[index][0].key,
        cheap=lambda index: axis.is_cheap(nodes[index][0]),
    )

    def ask(index: int) -> Answer:
        return witness.ask(nodes[index][0])

    try:
        found = search(len(nodes), ask, options=options, start_known=settings.start_known)
    except NoAnswerError as error:
        step = nodes[error.index][0]
        raise BisectError(no_answer(step, witness.reason(step))) from None
    if not found.transitions and found.complete:
        raise BisectError(_no_change(found, question, nodes))

    def change(transition: Transition) -> Change:
        before, after = nodes[transition.before], nodes[transition.after]
        seen = witness.see(before[0]), witness.see(after[0])
        return Change(
            before=before[-1],
            after=after[0],
            candidates=tuple(nodes[index][0] for index in transition.candidates),
            answer=transition.answer,
            repeats=transition.repeats,
            diffs=tuple(diffs(*seen)),
            moved=moved(*seen),
        )

    return Outcome(
        axis=axis.kind,
        case=job.case,
        question=question.text,
        reference=reference,
        first=nodes[found.first][0],
        last=last,
        steps=sum(map(len, nodes[found.first :])),
        nodes=len(nodes) - found.first,
        changes=tuple(map(change, found.transitions)),
        asked=tuple(witness.asked),
        others=tuple(_others(found, nodes, witness)),
        untested=found.untested,
        flaky=tuple(nodes[index][0] for index in sorted(found.flaky)),
        complete=found.complete,
        toolchain=dict(witness.see(nodes[-1][0]).toolchain),
    )


def _others(found: Found, nodes: list[tuple[Step, ...]], witness: Witness) -> Iterator[tuple[Step, Step]]:
    """Where what is generated changes, and the answer does not."""
    generated = {entry.step.key: entry.fingerprint for entry in witness.asked if entry.fingerprint}
    known = [index for index in found.answers if nodes[index][0].key in generated]
    for before, after in pairwise(known):
        alike = found.answers[before] is found.answers[after]
        if alike and generated[nodes[before][0].key] != generated[nodes[after][0].key]:
            yield nodes[before][-1], nodes[after][0]


def _no_change(found: Found, question: Question, nodes: list[tuple[Step, ...]]) -> str:
    if found.flaky:
        names = ", ".join(nodes[index][0].name for index in sorted(found.flaky))
        return f"{names} answered differently when asked again: the case does not generate the same on every run"
    first, last = nodes[found.first][0], nodes[-1][-1]
    return (
        f"`{question.text}`: the answer is {found.answers[len(nodes) - 1]} at both ends, {first.name} and {last.name}, "
        f"so that there is no change to find between them. {found.untested} steps between were not asked: "
        f"--sweep NUMBER asks some of them, for a change that landed and was reverted"
    )
