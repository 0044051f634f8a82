"""Finds where in a sequence of steps an answer changes. Knows nothing of what a step is, nor of how it is asked.

An answer is yes, no or unknown. Nothing is reported that was not asked: each `Transition` has a definite answer on
either side, and everything between the two is unknown. A search that asks few steps cannot see a change that landed
and was reverted between two of them; `SearchResult.untested` counts the steps it did not ask, and `Options.sweep` asks
more of them.

The number of steps asked, without unknown answers and with a single transition: both ends, then at most
ceil(log2(count - 1)).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from math import log2


class Answer(StrEnum):
    """Whether something is so."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Transition:
    """Where the answer changes, as narrowly as the answers allow."""

    before: int  # the last step known to have the old answer
    after: int  # the first step known to have the new one
    answer: Answer  # the new one
    repeats: int  # how often each of the two steps was asked again, and answered the same

    @property
    def candidates(self) -> range:
        """Every step that may have changed the answer."""
        return range(self.before + 1, self.after + 1)

    @property
    def certain(self) -> bool:
        """Whether a single step is left."""
        return len(self.candidates) == 1


@dataclass(frozen=True)
class SearchResult:
    """What a search found out."""

    transitions: tuple[Transition, ...]  # in the order of the steps
    answers: Mapping[int, Answer]  # by step: those asked, and those equal to one that was asked
    flaky: frozenset[int]  # steps that gave different answers to the same question; counted as unknown
    first: int  # the step that the search went back to
    untested: int  # steps from `first` on about which nothing is known
    evaluations: int  # how often a step was asked, repeats included
    complete: bool  # False where the limit ended it


@dataclass(frozen=True)
class Options:
    """How thorough a search is, and what it prefers."""

    repeats: int = 1  # how often the steps on both sides of a transition are asked again
    probes: tuple[int, ...] = ()  # more steps to ask, where a change is likely
    sweep: int = 0  # how many more steps to ask, spread over stretches that look constant
    limit: int | None = None  # ask no more than this in all
    offset: int = 0  # what to add to an index for its number on the whole line
    same: Callable[[int], Hashable] = field(default=int)  # steps for which it is equal are one: asked once
    cheap: Callable[[int], bool] = field(default=lambda index: False)  # steps that cost little to ask


class NoAnswerError(Exception):
    """An end of the sequence has no answer, so that nothing can be compared with it."""

    def __init__(self, index: int) -> None:
        """An error about this step."""
        super().__init__(index)
        self.index = index


def search(count: int, ask: Callable[[int], Answer], *, options: Options, start_known: bool = True) -> SearchResult:
    """Where the answers of the steps 0 to `count` - 1 change.

    The last step is asked first. If `start_known`, the other end is step 0; else the search goes back from the last
    step, in steps that double, to the first one with another answer.

    Raises:
        NoAnswerError: an end answered "unknown".
    """
    run = Search(count, options=options, start_known=start_known)
    while (index := run.next()) is not None:
        run.tell(index, ask(index))
    return run.found()


class Answers:
    """The answers so far. Steps that are equal have one answer, whichever of them was asked."""

    def __init__(self, count: int, same: Callable[[int], Hashable]) -> None:
        """Nothing was asked yet."""
        self.known: dict[int, Answer] = {}
        self.flaky: set[int] = set()  # steps that gave two answers
        self._same = same
        self._times: Counter[Hashable] = Counter()
        self._equal: defaultdict[Hashable, list[int]] = defaultdict(list)
        for index in range(count):
            self._equal[same(index)].append(index)

    @property
    def total(self) -> int:
        """How often any step was asked."""
        return self._times.total()

    def times(self, index: int) -> int:
        """How often a step was asked."""
        return self._times[self._same(index)]

    def add(self, index: int, answer: Answer) -> None:
        """Take an answer; a second one that differs from the first makes the step unknown for good."""
        equal = self._equal[self._same(index)]
        self._times[self._same(index)] += 1
        if self.known.get(index, answer) is not answer:
            answer = Answer.UNKNOWN
            self.flaky |= set(equal)
        self.known.update(dict.fromkeys(equal, answer))

    def changes(self, first: int) -> list[tuple[int, int]]:
        """From a step on, the neighbouring definite answers that differ."""
        definite = sorted(i for i, answer in self.known.items() if i >= first and answer is not Answer.UNKNOWN)
        return [(low, high) for low, high in pairwise(definite) if self.known[low] is not self.known[high]]

    def gaps(self, low: int, high: int) -> list[tuple[int, int]]:
        """The stretches between two steps where nothing was asked, each as the two known steps around it."""
        edges = [low, *sorted(index for index in self.known if low < index < high), high]
        return [(left, right) for left, right in pairwise(edges) if right - left > 1]


class Search:
    """A search that is given answers, whoever asks for them, so that several searches can share what is asked.

    Both ends come first (`_unanswered_end`); then, in this order, steps that narrow a transition, repeats of the steps
    on its sides, probes, and steps of the sweep (`_wanted`).
    """

    def __init__(self, count: int, *, options: Options, start_known: bool = True) -> None:
        """Nothing is known yet."""
        self._options = options
        self._answers = Answers(count, options.same)
        self._last = count - 1
        self._start_known = start_known
        self._first: int | None = None  # the other end, once both have answered
        self._swept: set[int] = set()  # steps that the sweep chose
        self._complete = True

    def next(self) -> int | None:
        """The step to ask now; None where nothing is left to ask.

        Raises:
            NoAnswerError: an end answered "unknown".
        """
        if self._first is None and (end := self._unanswered_end()) is not None:
            return end
        wanted = self._wanted()
        if wanted is not None and self._exhausted():
            self._complete = False
            return None
        return wanted

    def gain(self, index: int) -> float:
        """How much this step's answer helps now: 1 for the one to ask next, else the bits it is expected to give.

        An answer at a share p of a stretch that holds one change gives -p log2(p) - (1-p) log2(1-p) bits.
        """
        if index == self.next():
            return 1.0
        if self._first is None or index in self._answers.known:
            return 0.0
        for low, high in self._answers.changes(self._first):
            for left, right in self._answers.gaps(low, high):
                if left < index < right:
                    share = (index - left) / (right - left)
                    return -share * log2(share) - (1 - share) * log2(1 - share)
        return 0.0

    def tell(self, index: int, answer: Answer) -> None:
        """Take an answer."""
        self._answers.add(index, answer)

    def found(self) -> SearchResult:
        """What is known by now."""
        first = self._last if self._first is None else self._first
        answers = self._answers
        known = {index: answer for index, answer in sorted(answers.known.items()) if index >= first}
        return SearchResult(
            transitions=tuple(
                Transition(low, high, answers.known[high], min(answers.times(low), answers.times(high)) - 1)
                for low, high in answers.changes(first)
            ),
            answers=known,
            flaky=frozenset(answers.flaky),
            first=first,
            untested=max(known) + 1 - first - len(known),
            evaluations=answers.total,
            complete=self._complete,
        )

    def _unanswered_end(self) -> int | None:
        """An end to ask; None once both have answered."""
        if not self._answered(self._last):
            return self._last
        start = 0 if self._start_known else self._start()
        if not self._answered(start):
            return start
        self._first = start
        return None

    def _answered(self, end: int) -> bool:
        if self._answers.known.get(end) is Answer.UNKNOWN:
            raise NoAnswerError(end)
        return end in self._answers.known

    def _start(self) -> int:
        """Of the steps 1, 2, 4, ... before the last, the nearest that was not asked or answered otherwise; or 0."""
        known, back = self._answers.known, 1
        index = max(self._last - back, 0)
        while index > 0 and known.get(index) in (known[self._last], Answer.UNKNOWN):
            back *= 2
            index = max(self._last - back, 0)
        if index not in known and self._exhausted():
            self._complete = False
            return self._last
        return index

    def _exhausted(self) -> bool:
        return self._options.limit is not None and self._answers.total >= self._options.limit

    def _wanted(self) -> int | None:
        """The step to ask once both ends have answered."""
        for choose in (self._inside, self._again, self._probe, self._sweep):
            if (index := choose()) is not None:
                return index
        return None

    def _inside(self) -> int | None:
        """A step between two that answer differently."""
        for low, high in self._changes():
            if gaps := self._answers.gaps(low, high):
                return self._middle_of_longest(gaps)
        return None

    def _again(self) -> int | None:
        """A step next to a transition that was not asked often enough."""
        sides = (index for change in self._changes() for index in change)
        return next((index for index in sides if self._answers.times(index) <= self._options.repeats), None)

    def _probe(self) -> int | None:
        return next((index for index in self._options.probes if index not in self._answers.known), None)

    def _sweep(self) -> int | None:
        """The middle of the longest stretch that was not asked."""
        known = self._answers.known
        if sum(index in known for index in self._swept) >= self._options.sweep:
            return None
        gaps = self._answers.gaps(self._first or 0, max(known))
        if not gaps:
            return None
        index = self._middle_of_longest(gaps)
        self._swept.add(index)
        return index

    def _changes(self) -> list[tuple[int, int]]:
        return self._answers.changes(self._first or 0)

    def _middle_of_longest(self, gaps: Sequence[tuple[int, int]]) -> int:
        """The step that is best to ask: a cheap one near the middle of a gap, else the roundest that halves it well.

        Round numbers, so that a search over a neighbouring range asks the same steps and finds them built.
        """
        low, high = max(gaps, key=lambda gap: gap[1] - gap[0])
        size = high - low
        quarter = size // 4
        near = range(max(low + 1, low + quarter), min(high - 1, high - quarter) + 1)
        cheap = [index for index in near if self._options.cheap(index)]
        if cheap:
            return min(cheap, key=lambda index: abs(2 * index - low - high))
        # Neither side may be longer than this, or one step more than a plain halving would be needed.
        half = 1 << ((size - 1).bit_length() - 1)
        offset = self._options.offset
        return _roundest(high - half + offset, low + half + offset) - offset


def _roundest(low: int, high: int) -> int:
    """The number in a range, ends included, that the highest power of two divides."""
    for shift in range(high.bit_length(), 0, -1):
        number = high >> shift << shift
        if number >= low:
            return number
    return high
