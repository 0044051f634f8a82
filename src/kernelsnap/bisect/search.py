"""Where in a sequence of steps an answer changes. Knows nothing of what a step is, nor of how it is asked.

An answer is yes, no or unknown. What is told is only what was asked: each `Transition` has a definite answer on either
side, and everything between the two is unknown. A search that asks few steps cannot see a change that landed and was
reverted between two of them; `Found.untested` says how many it did not ask, and `Options.sweep` asks more of them.

The steps asked, without unknown answers and with a single transition: both ends, then at most ceil(log2(count - 1)).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from math import log2


class Answer(StrEnum):
    """What a step says to the question."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Transition:
    """A place where the answer changes, as narrow as the answers allow."""

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
class Found:
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
    probes: tuple[int, ...] = ()  # steps to ask besides, because something speaks for a change there
    sweep: int = 0  # how many steps to ask besides, spread over stretches that look constant
    limit: int | None = None  # ask no more than this in all
    offset: int = 0  # what to add to an index to number steps alike in neighbouring searches
    same: Callable[[int], Hashable] = field(default=int)  # steps for which it is equal are one: asked once
    cheap: Callable[[int], bool] = field(default=lambda index: False)  # steps that cost little to ask


class NoAnswerError(Exception):
    """An end of the sequence has no answer, so that nothing can be compared with it."""

    def __init__(self, index: int) -> None:
        """An error about this step."""
        super().__init__(index)
        self.index = index


def search(count: int, ask: Callable[[int], Answer], *, options: Options, start_known: bool = True) -> Found:
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


class Search:
    """A search that is told answers, whoever asks for them: several searches can so share what is asked."""

    def __init__(self, count: int, *, options: Options, start_known: bool = True) -> None:
        """Nothing is known yet."""
        self.known: dict[int, Answer] = {}
        self._options = options
        self._asked: Counter[Hashable] = Counter()
        self._flaky: set[int] = set()
        self._complete = True
        self._swept = 0
        self._sweeping: int | None = None
        self._last = count - 1
        self._first: int | None = 0 if start_known else None
        self._back = 1
        self._both_ends = False
        self._alike: defaultdict[Hashable, list[int]] = defaultdict(list)
        for index in range(count):
            self._alike[options.same(index)].append(index)

    @property
    def evaluations(self) -> int:
        """How many answers it was told."""
        return self._asked.total()

    def next(self) -> int | None:
        """The step to ask now; None where nothing is left to ask.

        Raises:
            NoAnswerError: an end answered "unknown".
        """
        if not self._both_ends and (end := self._end()) is not None:
            return end
        wanted = next((index for choose in self._choices() if (index := choose()) is not None), None)
        if wanted is None or not self._exhausted():
            return wanted
        self._complete = False
        return None

    def gain(self, index: int) -> float:
        """What this step's answer is worth now: 1 for the one to ask next, else the bits it is expected to give.

        An answer at a share p of a stretch that holds one change gives -p log2(p) - (1-p) log2(1-p) bits.
        """
        if index == self.next():
            return 1.0
        if not self._both_ends or index in self.known:
            return 0.0
        for low, high in self._changes():
            for left, right in self._gaps(low, high):
                if left < index < right:
                    share = (index - left) / (right - left)
                    return -share * log2(share) - (1 - share) * log2(1 - share)
        return 0.0

    def tell(self, index: int, answer: Answer) -> None:
        """Take an answer; a second one that differs from the first makes the step unknown for good."""
        if index == self._sweeping:
            self._swept, self._sweeping = self._swept + 1, None
        node = self._options.same(index)
        self._asked[node] += 1
        if self.known.get(index, answer) is not answer:
            answer = Answer.UNKNOWN
            self._flaky |= set(self._alike[node])
        self.known.update(dict.fromkeys(self._alike[node], answer))

    def found(self) -> Found:
        """What is known by now."""
        known = {index: answer for index, answer in sorted(self.known.items()) if index >= self.first}
        count = max(known) + 1 - self.first
        transitions = tuple(
            Transition(low, high, self.known[high], min(map(self._times, (low, high))) - 1)
            for low, high in self._changes()
        )
        flaky = frozenset(self._flaky)
        return Found(transitions, known, flaky, self.first, count - len(known), self.evaluations, self._complete)

    @property
    def first(self) -> int:
        """The step that the search went back to; the last one where it did not yet."""
        return self._last if self._first is None else self._first

    def _end(self) -> int | None:
        """An end to ask; None once both have answered."""
        self._first = self._start() if self._answered(self._last) and self._first is None else self._first
        for end in (self._last, self._first):
            if end is None:
                return self._last - self._back
            if not self._answered(end):
                return end
        self._both_ends = True
        return None

    def _answered(self, end: int) -> bool:
        if self.known.get(end) is Answer.UNKNOWN:
            raise NoAnswerError(end)
        return end in self.known

    def _start(self) -> int | None:
        """The nearest of the steps 1, 2, 4, ... before the last with another answer, or 0; None where one is to ask."""
        while (index := self._last - self._back) > 0:
            if index not in self.known:
                return None
            if self.known[index] not in (self.known[self._last], Answer.UNKNOWN):
                return index
            if self._exhausted():
                self._complete = False
                return self._last
            self._back *= 2
        return 0

    def _exhausted(self) -> bool:
        return self._options.limit is not None and self.evaluations >= self._options.limit

    def _times(self, index: int) -> int:
        return self._asked[self._options.same(index)]

    def _choices(self) -> tuple[Callable[[], int | None], ...]:
        return self._inside, self._again, self._probe, self._sweep

    def _definite(self) -> list[int]:
        known = self.known.items()
        return sorted(index for index, answer in known if index >= self.first and answer is not Answer.UNKNOWN)

    def _changes(self) -> Iterator[tuple[int, int]]:
        """Neighbouring definite answers that differ."""
        return ((low, high) for low, high in pairwise(self._definite()) if self.known[low] is not self.known[high])

    def _inside(self) -> int | None:
        """A step between two that answer differently."""
        for low, high in self._changes():
            gaps = self._gaps(low, high)
            if gaps:
                return self._middle(*max(gaps, key=lambda gap: gap[1] - gap[0]))
        return None

    def _again(self) -> int | None:
        """A step next to a transition that was not asked often enough."""
        for sides in self._changes():
            for index in sides:
                if self._times(index) <= self._options.repeats:
                    return index
        return None

    def _probe(self) -> int | None:
        return next((index for index in self._options.probes if index not in self.known), None)

    def _sweep(self) -> int | None:
        """The middle of the longest stretch that was not asked."""
        gaps = self._gaps(self.first, max(self.known)) if self._swept < self._options.sweep else []
        if not gaps:
            return None
        self._sweeping = self._middle(*max(gaps, key=lambda gap: gap[1] - gap[0]))
        return self._sweeping

    def _gaps(self, low: int, high: int) -> list[tuple[int, int]]:
        """The stretches without any answer, each as the two known steps around it."""
        edges = [low, *sorted(index for index in self.known if low < index < high), high]
        return [(left, right) for left, right in pairwise(edges) if right - left > 1]

    def _middle(self, low: int, high: int) -> int:
        """The step between two that is best to ask: a cheap one near the middle, else the roundest that halves well.

        Round numbers, so that a search over a neighbouring range asks the same steps and finds them built.
        """
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
