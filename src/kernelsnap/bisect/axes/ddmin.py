"""Finds which of many differences matter together, by delta debugging with answers that may be unknown.

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002. Knows nothing of what a difference is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from kernelsnap.bisect.search import Answer


@dataclass(frozen=True)
class Minimal:
    """The differences that matter, and how sure that is."""

    members: tuple[int, ...]  # applied together they change the answer
    unsure: tuple[int, ...]  # members whose removal gives no answer, so that they may not matter
    complete: bool  # False where the limit ended it: there may be fewer


def minimize(
    count: int, ask: Callable[[frozenset[int]], Answer], limit: int | None = None, *, new: Answer = Answer.YES
) -> Minimal:
    """A minimal set of the differences 0 to `count` - 1 for which the answer is `new`: without any one it is not.

    Minimal, not the smallest: another set may do with fewer. The answer is known to be `new` for all of
    them, and another for none.

    Args:
        count: how many there are.
        ask: the answer with just these applied.
        limit: how many sets to ask at most.
        new: the answer to keep.
    """
    answers: dict[frozenset[int], Answer] = {}

    def holds(members: list[int]) -> bool:
        key = frozenset(members)
        if key not in answers:
            if limit is not None and len(answers) >= limit:
                raise _LimitError
            answers[key] = ask(key)
        return answers[key] is new

    members = list(range(count))
    parts = 2
    try:
        while len(members) > 1:
            chunks = _split(members, parts)
            smaller = next((chunk for chunk in chunks if holds(chunk)), None)
            if smaller is not None:
                members, parts = smaller, 2
                continue
            rests = [[member for member in members if member not in chunk] for chunk in chunks]
            rest = next((rest for rest in rests if holds(rest)), None) if parts > 2 else None
            if rest is not None:
                members, parts = rest, max(parts - 1, 2)
            elif parts >= len(members):
                break
            else:
                parts = min(2 * parts, len(members))
    except _LimitError:
        return Minimal(tuple(members), (), complete=False)
    unsure = [one for one in members if answers.get(frozenset(members) - {one}) is Answer.UNKNOWN]
    return Minimal(tuple(members), tuple(unsure), complete=True)


class _LimitError(Exception):
    """No more may be asked."""


def _split(members: list[int], parts: int) -> list[list[int]]:
    """The members in this number of parts, of nearly equal size."""
    edges = [len(members) * number // parts for number in range(parts + 1)]
    return [members[low:high] for low, high in pairwise(edges)]
