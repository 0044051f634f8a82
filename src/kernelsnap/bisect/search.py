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
    state = _State(count, ask, options)
    last = count - 1
    if state.ask(last) is Answer.UNKNOWN:
        raise NoAnswerError(last)
    state.first = 0 if start_known else state.go_back(last)
    if (state.known.get(state.first) or state.ask(state.first)) is Answer.UNKNOWN:
        raise NoAnswerError(state.first)
    state.finish()
    return state.found()


class _State:
    """What is known so far, and what to ask next."""

    def __init__(self, count: int, ask: Callable[[int], Answer], options: Options) -> None:
        self.known: dict[int, Answer] = {}
        self._ask = ask
        self._options = options
        self._asked: Counter[Hashable] = Counter()
        self._flaky: set[int] = set()
        self._complete = True
        self._swept = 0
        self.first = 0
        self._alike: defaultdict[Hashable, list[int]] = defaultdict(list)
        for index in range(count):
            self._alike[options.same(index)].append(index)

    @property
    def evaluations(self) -> int:
        return self._asked.total()

    def ask(self, index: int) -> Answer:
        """Ask a step; a second answer that differs from the first makes it unknown for good."""
        node = self._options.same(index)
        answer = self._ask(index)
        self._asked[node] += 1
        if self.known.get(index, answer) is not answer:
            answer = Answer.UNKNOWN
            self._flaky |= set(self._alike[node])
        self.known.update(dict.fromkeys(self._alike[node], answer))
        return answer

    def go_back(self, last: int) -> int:
        """The nearest of the steps 1, 2, 4, ... before the last with another answer; 0 where there is none."""
        distance = 1
        while last - distance > 0:
            index = last - distance
            answer = self.known.get(index) or self.ask(index)
            if answer not in (self.known[last], Answer.UNKNOWN):
                return index
            if self._exhausted():
                self._complete = False
                return last
            distance *= 2
        return 0

    def finish(self) -> None:
        """Ask until nothing is left to ask."""
        while (index := self._next()) is not None:
            if self._exhausted():
                self._complete = False
                return
            self.ask(index)

    def found(self) -> Found:
        known = {index: answer for index, answer in sorted(self.known.items()) if index >= self.first}
        count = max(known) + 1 - self.first
        transitions = tuple(
            Transition(low, high, self.known[high], min(map(self._times, (low, high))) - 1)
            for low, high in self._changes()
        )
        flaky = frozenset(self._flaky)
        return Found(transitions, known, flaky, self.first, count - len(known), self.evaluations, self._complete)

    def _exhausted(self) -> bool:
        return self._options.limit is not None and self.evaluations >= self._options.limit

    def _times(self, index: int) -> int:
        return self._asked[self._options.same(index)]

    def _next(self) -> int | None:
        for choose in (self._inside, self._again, self._probe, self._sweep):
            if (index := choose()) is not None:
                return index
        return None

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
        self._swept += 1
        return self._middle(*max(gaps, key=lambda gap: gap[1] - gap[0]))

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
