"""The axis "passes": which FX pass, decomposition, pattern, lowering or fusion changes the answer.

Each subsystem of the compiler is refused as a whole first. Where that changes the answer, its decisions are counted,
and the n-th is found with which the answer changes: the first n stand, and all that come later are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernelsnap.bisect.axes.decisions import Cut, Decision
from kernelsnap.bisect.axes.passes_alone import alone
from kernelsnap.bisect.axes.passes_place import PLUGIN, WHOLE, Compile
from kernelsnap.bisect.axes.passes_words import name_of, step_name
from kernelsnap.bisect.axis import Step
from kernelsnap.bisect.errors import BisectError, NoChangeError
from kernelsnap.bisect.observe.observe import Job
from kernelsnap.bisect.observe.state import State
from kernelsnap.bisect.outcome import Change, Outcome, diffs
from kernelsnap.bisect.question import Question
from kernelsnap.bisect.search import Answer, Found, NoAnswerError, Transition, search
from kernelsnap.bisect.session import Settings
from kernelsnap.bisect.witness import Witness, no_answer


@dataclass(frozen=True)
class _Subsystem:
    """A part of the compiler, and what it does for the case."""

    name: str
    decisions: Sequence[Decision]
    off: Step  # the step that refuses all of it
    setting: bool  # whether that is done by a setting, so that there is nothing to count

    def step(self, number: int) -> Step:
        """The step at which the first decisions stand, so many."""
        if number == 0:
            return self.off
        key = WHOLE.key if number == len(self.decisions) else Cut(self.name, first=number).key
        return Step(step_name(self.name, number), key, self.decisions[number - 1].words)


@dataclass(frozen=True)
class _Part:
    """What was found out about one subsystem."""

    changes: tuple[Change, ...] = ()
    untested: int = 0
    flaky: tuple[Step, ...] = ()
    complete: bool = True
    note: str = ""


def bisect_passes(
    compiled: Compile, chosen: Sequence[str], job: Job, question: Question, state: State, settings: Settings
) -> Outcome:
    """Find the decisions of the compiler that change the answer.

    Args:
        compiled: the compile to search.
        chosen: the subsystems to search; all of them if empty.
        job: the case.
        question: what to ask.
        state: what was seen before.
        settings: how to search; its reference may be "first" (all of the subsystem refused) for a single subsystem.

    Raises:
        NoChangeError: refusing any of them changes no answer.
        BisectError: the case says nothing, a subsystem does not exist, or some of them could not be searched, and
            refusing the others changes no answer.
    """
    job = replace(job, arguments=("-p", PLUGIN, *job.arguments))
    witness = Witness(compiled.place, job, question, state, settings.say)
    seen = witness.see(WHOLE)
    if seen.skipped:
        raise BisectError(no_answer(WHOLE, seen.skipped))
    parts = _subsystems(compiled, chosen)
    if settings.reference == "first" and len(parts) > 1:
        raise BisectError("--reference first is what is generated without a subsystem: name one with --subsystem")
    reference = witness.compare_with(settings.reference, parts[0].off, WHOLE, settings.stored)
    answer = witness.ask(WHOLE)
    if answer is Answer.UNKNOWN:
        raise BisectError(no_answer(WHOLE, witness.reason(WHOLE)))
    found = [_search(part, answer, compiled, witness, settings) for part in parts]
    changes = tuple(change for part in found for change in part.changes)
    complete = all(part.complete for part in found)
    notes = tuple(part.note for part in found if part.note)
    if not changes and complete:
        names = ", ".join(part.name for part in parts)
        told = f"`{question.text}`: the answer is {answer}, and stays so without any of {names}"
        # With a note there is a part of which nothing is known.
        raise BisectError(" ".join([told, *notes])) if notes else NoChangeError(told)
    return Outcome(
        axis="passes",
        case=job.case,
        question=question.text,
        reference=reference,
        first=parts[0].off if len(parts) == 1 else Step("nothing", ""),
        last=WHOLE,
        steps=sum(len(part.decisions) for part in parts),
        nodes=sum(len(part.decisions) for part in parts),
        changes=changes,
        asked=tuple(witness.asked),
        others=(),
        untested=sum(part.untested for part in found),
        flaky=tuple(step for part in found for step in part.flaky),
        complete=complete,
        toolchain=dict(seen.toolchain),
        notes=notes,
    )


def _subsystems(compiled: Compile, chosen: Sequence[str]) -> list[_Subsystem]:
    """The subsystems to search: those that do anything."""
    known = compiled.settings
    if unknown := [name for name in chosen if name not in known]:
        raise BisectError(f"--subsystem {unknown[0]}: this torch has {', '.join(known)}")
    found = []
    for name in known:
        setting, value = known[name]
        decisions = [Decision(setting, f"{setting} as it is")] if setting else compiled.decisions(name)
        if decisions and (name in chosen or not chosen):
            cut = Cut(settings={setting: value}) if setting else Cut(name, first=0)
            off = Step(f"{setting}={value}" if setting else f"no {name_of(name)}", cut.key)
            found.append(_Subsystem(name, decisions, off, bool(setting)))
    if not found:
        raise BisectError(f"{', '.join(chosen) or 'torch'} does nothing for this case: there is nothing to search")
    return found


def _search(part: _Subsystem, answer: Answer, compiled: Compile, witness: Witness, settings: Settings) -> _Part:
    """Find the decisions of a subsystem that change the answer, which is `answer` when nothing is refused."""
    limit = settings.options.limit
    if limit is not None and len(witness.asked) >= limit:
        return _Part(complete=False, note=f"{part.name} was not searched: the limit ended the search before.")
    off = witness.ask(part.off)
    if off is answer:
        return _Part()
    last = len(part.decisions)
    if off is Answer.UNKNOWN and last == 1:
        return _Part(note=_nothing(part, witness))
    # Both ends were asked: only when asked again are they run again.
    ends = {0: off, last: answer}

    def ask(index: int) -> Answer:
        return ends.pop(index) if index in ends else witness.ask(part.step(index))

    options = replace(settings.options, limit=None if limit is None else max(limit - len(witness.asked), 0))
    try:
        found = search(last + 1, ask, options=options, start_known=off is not Answer.UNKNOWN)
    except NoAnswerError:
        return _Part(note=_nothing(part, witness))
    changes = tuple(_change(part, transition, found, compiled, witness, settings) for transition in found.transitions)
    return _Part(changes, found.untested, tuple(part.step(index) for index in sorted(found.flaky)), found.complete)


def _change(
    part: _Subsystem, transition: Transition, found: Found, compiled: Compile, witness: Witness, settings: Settings
) -> Change:
    before, after = part.step(transition.before), part.step(transition.after)
    decides = transition.certain and transition.answer is found.answers[len(part.decisions)]
    notes: tuple[str, ...] = ()
    if decides and not part.setting:
        done = part.decisions[: transition.after]
        notes = alone(part.name, done, transition.answer, compiled, witness, settings.options.limit)
    return Change(
        before=before,
        after=after,
        candidates=tuple(map(part.step, transition.candidates)),
        answer=transition.answer,
        repeats=transition.repeats,
        diffs=tuple(diffs(witness.see(before), witness.see(after))),
        notes=notes,
    )


def _nothing(part: _Subsystem, witness: Witness) -> str:
    return f"{part.name} was not searched: without it the case says nothing ({witness.reason(part.off)})."
