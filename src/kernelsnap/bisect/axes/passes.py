"""The axis "passes": which FX pass, decomposition, pattern, lowering or fusion of the compiler changes the answer.

Each subsystem of the compiler is refused as a whole first. Where that changes the answer, its decisions are counted,
and the n-th is found with which the answer changes: the first n are made, and all that come later are refused.

Then it is asked whether that decision changes the answer by itself, or only together with others. The
n-th decision was found with all later ones refused. Refused alone, with every other free, it may still change the
answer: then it decides. Or others take its place, such as another fusion of the same nodes: then delta debugging finds
a minimal set among the first n decisions that gives the answer when all others are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self

from kernelsnap.bisect.axes.ddmin import minimize
from kernelsnap.bisect.axes.decisions import Cut, Decision, decision_name
from kernelsnap.bisect.axes.passes_compile import WHOLE, Compile
from kernelsnap.bisect.axis import Axis
from kernelsnap.bisect.errors import BisectError, NoChangeError
from kernelsnap.bisect.observe.observe import Workspace
from kernelsnap.bisect.observe.state import digest
from kernelsnap.bisect.outcome import AnswerChange, AxisStep, Findings
from kernelsnap.bisect.request import BisectRequest
from kernelsnap.bisect.search import Answer, NoAnswerError, SearchResult, Transition, search
from kernelsnap.bisect.session import CaseSession
from kernelsnap.shared.wording import first_few


@dataclass(frozen=True)
class _SearchedSubsystem:
    """A part of the compiler, and what it decides for the case."""

    name: str
    decisions: Sequence[Decision]
    off: AxisStep  # the step that refuses all of it
    setting: bool  # whether a setting refuses it, so that there is nothing to count

    def step(self, number: int) -> AxisStep:
        """The step at which the first `number` decisions are made, and all later ones are refused."""
        if number == 0:
            return self.off
        key = WHOLE.key if number == len(self.decisions) else Cut(self.name, first=number).key
        return AxisStep(decision_name(self.name, number), key, self.decisions[number - 1].words)

    def findings(self, **more: Any) -> Findings:
        """What was found out about it."""
        count = len(self.decisions)
        return replace(Findings(first=self.off, last=WHOLE, steps=count, nodes=count), **more)


@dataclass(frozen=True, kw_only=True)
class PassesAxis(Axis):
    """The decisions of one compile, subsystem by subsystem."""

    kind: ClassVar[str] = "passes"

    compiled: Compile
    chosen: tuple[str, ...]  # the subsystems to search; all of them if empty

    @classmethod
    def identity(cls, request: BisectRequest, test: Path) -> dict[str, str]:
        """The interpreter and the test."""
        return {"axis": "passes", "python": request.python, "test": digest(test)}

    @classmethod
    @contextmanager
    def opened(cls, request: BisectRequest, state: Path) -> Iterator[Self]:
        """The subsystems that `--subsystem` names."""
        log = state.with_suffix(".decisions.json")
        if request.fresh:
            log.unlink(missing_ok=True)
        # Without a subsystem there is no first step: conditions compare with the stored golden.
        yield cls(start_known=False, compiled=Compile(Path.cwd(), request.python, log), chosen=request.subsystem)

    def prepare(self, step: AxisStep) -> AbstractContextManager[Workspace]:
        """The user's own tree, in a process that refuses what the step refuses."""
        return self.compiled.prepare(step)

    def search(self, session: CaseSession) -> Findings:
        """Search one subsystem after another.

        Raises:
            NoChangeError: refusing any of them changes no answer.
            BisectError: the whole compile has no answer, a subsystem does not exist, or some of them could not be
                searched, and refusing the others changes no answer.
        """
        seen = session.see(WHOLE)
        if seen.skipped:
            raise session.no_answer(WHOLE, seen.skipped)
        subsystems = self._subsystems()
        if session.settings.reference == "first" and len(subsystems) > 1:
            raise BisectError("--reference first is what is generated without a subsystem: name one with --subsystem")
        session.compare_with(subsystems[0].off, WHOLE)
        answer = session.ask(WHOLE)
        if answer is Answer.UNKNOWN:
            raise session.no_answer(WHOLE)
        found = [self._search(subsystem, answer, session) for subsystem in subsystems]
        together = Findings(
            first=found[0].first if len(found) == 1 else AxisStep("nothing", ""),
            last=WHOLE,
            steps=sum(part.steps for part in found),
            nodes=sum(part.nodes for part in found),
            changes=tuple(chain.from_iterable(part.changes for part in found)),
            untested=sum(part.untested for part in found),
            flaky=tuple(chain.from_iterable(part.flaky for part in found)),
            complete=all(part.complete for part in found),
            notes=tuple(chain.from_iterable(part.notes for part in found)),
        )
        if not together.changes and together.complete:
            names = ", ".join(subsystem.name for subsystem in subsystems)
            same = f"`{session.predicate.text}`: the answer is {answer}, and stays so without any of {names}"
            # With a note there is a subsystem of which nothing is known.
            raise BisectError(" ".join([same, *together.notes])) if together.notes else NoChangeError(same)
        return together

    def _subsystems(self) -> list[_SearchedSubsystem]:
        """The subsystems to search: those that decide anything.

        Raises:
            BisectError: one does not exist, or none decides anything.
        """
        known = self.compiled.settings
        if unknown := [name for name in self.chosen if name not in known]:
            raise BisectError(f"--subsystem {unknown[0]}: this torch has {', '.join(known)}")
        found = []
        for name, (setting, value) in known.items():
            decisions = [Decision(setting, f"{setting} as it is")] if setting else self.compiled.decisions(name)
            if decisions and (name in self.chosen or not self.chosen):
                cut = Cut(settings={setting: value}) if setting else Cut(name, first=0)
                off = AxisStep(f"{setting}={value}" if setting else f"no {decision_name(name)}", cut.key)
                found.append(_SearchedSubsystem(name, decisions, off, bool(setting)))
        if not found:
            raise BisectError(
                f"{', '.join(self.chosen) or 'torch'} does nothing for this case: there is nothing to search"
            )
        return found

    def _search(self, subsystem: _SearchedSubsystem, answer: Answer, session: CaseSession) -> Findings:
        """Find the decisions of a subsystem that change the answer, which is `answer` when nothing is refused."""
        last = len(subsystem.decisions)
        if session.limit_left() == 0:
            note = f"{subsystem.name} was not searched: the limit ended the search before."
            return subsystem.findings(complete=False, notes=(note,))
        off = session.ask(subsystem.off)
        if off is answer:
            return subsystem.findings()
        if off is Answer.UNKNOWN and last == 1:
            return self._unsearched(subsystem, session)
        # Both ends were asked: only when asked again are they run again.
        ends = {0: off, last: answer}

        def ask(index: int) -> Answer:
            return ends.pop(index) if index in ends else session.ask(subsystem.step(index))

        options = replace(session.settings.options, limit=session.limit_left())
        try:
            found = search(last + 1, ask, options=options, start_known=off is not Answer.UNKNOWN)
        except NoAnswerError:
            return self._unsearched(subsystem, session)
        return subsystem.findings(
            changes=tuple(self._change(subsystem, transition, found, session) for transition in found.transitions),
            untested=found.untested,
            flaky=tuple(subsystem.step(index) for index in sorted(found.flaky)),
            complete=found.complete,
        )

    def _unsearched(self, subsystem: _SearchedSubsystem, session: CaseSession) -> Findings:
        why = session.reason(subsystem.off)
        note = f"{subsystem.name} was not searched: without it the case gives no answer ({why})."
        return subsystem.findings(notes=(note,))

    def _change(
        self, subsystem: _SearchedSubsystem, transition: Transition, found: SearchResult, session: CaseSession
    ) -> AnswerChange:
        notes: tuple[str, ...] = ()
        last = found.answers[len(subsystem.decisions)]
        if transition.certain and transition.answer is last and not subsystem.setting:
            done = subsystem.decisions[: transition.after]
            notes = alone(subsystem.name, done, transition.answer, self.compiled, session)
        before, after = subsystem.step(transition.before), subsystem.step(transition.after)
        candidates = tuple(map(subsystem.step, transition.candidates))
        return session.change(before, after, candidates, transition.answer, transition.repeats, notes)


_MOST_REPLACEMENTS = 10


def alone(
    subsystem: str, decisions: Sequence[Decision], new: Answer, compiled: Compile, session: CaseSession
) -> tuple[str, ...]:
    """What the last of these decisions does by itself, in words.

    Args:
        subsystem: whose decisions they are.
        decisions: those up to the one with which the answer changes.
        new: the answer with it, which is also that of the whole compile.
        compiled: the compile that is searched.
        session: asks the steps.
    """
    name = decision_name(subsystem, len(decisions))
    if session.limit_left() == 0:
        return (f"Whether {name} decides alone was not asked: the limit ended the search.",)
    step = AxisStep(f"all but {name}", Cut(subsystem, refused=(decisions[-1].key,)).key)
    answer = session.ask(step)
    if answer is Answer.UNKNOWN:
        return (f"Refused alone, it gives no answer: {session.reason(step)}.",)
    others = f"every other {decision_name(subsystem)}"
    if answer is not new:
        return (f"It decides alone: without it, and with {others} free, the answer is {answer}.",)
    instead = "; ".join(first_few([one.words for one in compiled.instead(step, subsystem)], _MOST_REPLACEMENTS))
    because = f"others take its place ({instead})" if instead else "others have the same effect"
    return (
        f"It does not decide alone: without it, and with {others} free, the answer stays {answer}: {because}.",
        _together(subsystem, decisions, new, session),
    )


def _together(subsystem: str, decisions: Sequence[Decision], new: Answer, session: CaseSession) -> str:
    """A minimal set of the decisions that gives the answer, in words."""

    def ask(members: frozenset[int]) -> Answer:
        allowed = tuple(decisions[member].key for member in sorted(members))
        numbers = ", ".join(str(member + 1) for member in sorted(members))
        name = f"only {decision_name(subsystem)} {numbers}"
        return session.ask(AxisStep(name, Cut(subsystem, allowed=allowed).key))

    found = minimize(len(decisions), ask, session.limit_left(), new=new)
    sure = "A minimal set" if found.complete and not found.unsure else "The smallest set that was found"
    members = [f"- {decision_name(subsystem, member + 1)}: {decisions[member].words}" for member in found.members]
    return "\n".join([f"{sure} with which the answer is {new} when every other is refused:", "", *members])
