"""The search along a line of steps in order, such as commits or versions, for one case or for many that share steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from kernelsnap.bisect.axis import Axis
from kernelsnap.bisect.errors import BisectError, NoChangeError
from kernelsnap.bisect.outcome import AnswerChange, AxisStep, Findings
from kernelsnap.bisect.search import Answer, NoAnswerError, Search, SearchResult, Transition
from kernelsnap.bisect.session import CaseSession


@dataclass(frozen=True, kw_only=True)
class LineAxis(Axis):
    """An axis whose steps are in one order, the oldest first."""

    steps: tuple[AxisStep, ...]
    offset: int  # the number of the first step on the whole line that this is a part of
    probes: tuple[int, ...] = ()  # steps where a change is likely, such as a revert

    @abstractmethod
    def is_cheap(self, step: AxisStep) -> bool:
        """Whether a step is ready already."""

    def search(self, session: CaseSession) -> Findings:
        """Halve the line, and ask both sides of each change again; see `kernelsnap.bisect.search`."""
        search = LineSearch(self, session)
        while (step := search.next()) is not None:
            search.ask(step)
        return search.findings()


class LineSearch:
    """One case's search along a line; whoever holds it decides which step is asked next.

    Steps that are equal to the one before (commits with the same tree) are one node: only its first step can have
    changed anything.
    """

    def __init__(self, axis: LineAxis, session: CaseSession) -> None:
        """Choose what conditions compare with: that step is run where the state does not know it.

        Raises:
            BisectError: there is nothing to search, or nothing to compare with.
        """
        self._axis, self._session = axis, session
        self._nodes = nodes = nodes_of(axis)
        session.compare_with(nodes[0][0], nodes[-1][0])
        numbers = [number for number, node in enumerate(nodes) for _ in node]
        options = replace(
            session.settings.options,
            probes=tuple(dict.fromkeys(numbers[index] for index in axis.probes)),
            offset=axis.offset,
            same=lambda index: nodes[index][0].key,
            cheap=lambda index: axis.is_cheap(nodes[index][0]),
        )
        self._search = Search(len(nodes), options=options, start_known=axis.start_known)
        self._index = {node[0]: index for index, node in enumerate(nodes)}

    def next(self) -> AxisStep | None:
        """The step to ask now; None where nothing is left to ask.

        Raises:
            BisectError: an end has no answer.
        """
        try:
            index = self._search.next()
        except NoAnswerError as error:
            raise self._session.no_answer(self._nodes[error.index][0]) from None
        return None if index is None else self._nodes[index][0]

    def gain(self, step: AxisStep) -> float:
        """How much an answer of this step helps; see `Search.gain`."""
        return self._search.gain(self._index[step])

    def ask(self, step: AxisStep) -> Answer:
        """Ask a step, and take its answer."""
        answer = self._session.ask(step)
        self._search.tell(self._index[step], answer)
        return answer

    def findings(self) -> Findings:
        """What was found out.

        Raises:
            NoChangeError: the answer is the same everywhere.
            BisectError: a step gives one answer, and another when asked again.
        """
        found, nodes = self._search.found(), self._nodes
        if not found.transitions and found.complete:
            raise self._no_change(found)
        return Findings(
            first=nodes[found.first][0],
            last=self._axis.steps[-1],
            steps=sum(map(len, nodes[found.first :])),
            nodes=len(nodes) - found.first,
            changes=tuple(map(self._change, found.transitions)),
            others=tuple(self._others(found)),
            untested=found.untested,
            flaky=tuple(nodes[index][0] for index in sorted(found.flaky)),
            complete=found.complete,
        )

    def _change(self, transition: Transition) -> AnswerChange:
        before, after = self._nodes[transition.before][-1], self._nodes[transition.after][0]
        candidates = tuple(self._nodes[index][0] for index in transition.candidates)
        return self._session.change(before, after, candidates, transition.answer, transition.repeats)

    def _others(self, found: SearchResult) -> Iterator[tuple[AxisStep, AxisStep]]:
        """Where what is generated changes, and the answer does not."""
        nodes = self._nodes
        generated = {entry.step.key: entry.fingerprint for entry in self._session.asked if entry.fingerprint}
        known = [index for index in found.answers if nodes[index][0].key in generated]
        for before, after in pairwise(known):
            same_answer = found.answers[before] is found.answers[after]
            if same_answer and generated[nodes[before][0].key] != generated[nodes[after][0].key]:
                yield nodes[before][-1], nodes[after][0]

    def _no_change(self, found: SearchResult) -> BisectError:
        nodes = self._nodes
        if found.flaky:
            names = ", ".join(nodes[index][0].name for index in sorted(found.flaky))
            return BisectError(
                f"{names} answered differently when asked again: the case does not generate the same on every run"
            )
        first, last = nodes[found.first][0].name, nodes[-1][-1].name
        count = len(nodes) - found.first
        answer = f"`{self._session.predicate.text}`: the answer is {found.answers[len(nodes) - 1]}"
        if not found.untested and count > 2:
            where = f"at all {count} steps from {first} to {last}"
            return NoChangeError(f"{answer} {where}: there is no change between them")
        more = (
            f". {found.untested} steps between were not asked: --sweep NUMBER asks some of them, for a change that "
            f"landed and was reverted"
        )
        return NoChangeError(
            f"{answer} at both ends, {first} and {last}, so that there is no change to find between them"
            f"{more if found.untested else ''}"
        )


def nodes_of(axis: LineAxis) -> list[tuple[AxisStep, ...]]:
    """The steps, with those that are equal to the one before in one node.

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
