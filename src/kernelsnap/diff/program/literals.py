"""Compares the arguments of two operations that are no tensors: numbers, switches, types and words."""

from __future__ import annotations

import re
from bisect import bisect
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isclose, sqrt

# f32   -1   1e-05   inf   True   'rand'   {BACKEND: ...
_TOKEN = re.compile(r"'[^']*'|\b(?:[bfiuc]\d+\w*|float8\w+)\b|-?\b(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|inf|nan)\b|\w+|\S")
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|inf|nan)\Z")
_DTYPE = re.compile(r"(?:[bfiuc]\d+\w*|float8\w+)\Z")
_LIST = re.compile(r"\[[^\[\]]*+\]")
_SWITCHES = frozenset(["True", "False"])


#: Half of the distance between two numbers of bfloat16, whose significand has 8 bits.
_ROUNDED = 2**-8
#: The greatest numbers of float16, of bfloat16 and float32 (which differ by less), and of float64.
_GREATEST = (65504.0, 3.4e38, 1.7976931348623157e308)


@dataclass(frozen=True)
class Difference:
    """What only one of two lists of arguments has."""

    numbers: bool
    switches: bool
    types: bool
    words: bool  # texts in quotes


def difference(old: str, new: str) -> Difference:
    """Which kinds of arguments only one of two lists has."""
    before, after = Counter(_TOKEN.findall(old)), Counter(_TOKEN.findall(new))
    tokens = {*(before - after), *(after - before)}
    return Difference(
        numbers=any(map(_NUMBER.match, tokens)),
        switches=not _SWITCHES.isdisjoint(tokens),
        types=any(map(_DTYPE.match, tokens)),
        words=any(token.startswith("'") for token in tokens),
    )


def lists(literals: str) -> list[str]:
    """The lists among arguments: "[3, 3]"."""
    return _LIST.findall(literals)


def length(literals: str) -> int:
    """How many words, numbers and signs arguments are made of."""
    return len(_TOKEN.findall(literals))


def other_numbers(old: str, new: str) -> list[tuple[str, str]]:
    """The numbers of a list that are others at the same place of another list."""
    pairs = zip(_TOKEN.findall(old), _TOKEN.findall(new), strict=False)
    return [(x, y) for x, y in pairs if x != y and _NUMBER.match(x) and _NUMBER.match(y)]


def others_neutral(old: str, new: str) -> bool:
    """Whether a number took the place of one with which there is nothing to compute, or such a one its place."""
    return any(float(number) in (0.0, 1.0) for pair in other_numbers(old, new) for number in pair)


def is_rounded(old: str, new: str) -> bool:
    """Whether two numbers are one number in two floating-point types: rounded, or the greatest one of its type."""
    x, y = float(old), float(new)
    greatest = all(any(isclose(abs(number), limit, rel_tol=_ROUNDED) for limit in _GREATEST) for number in (x, y))
    return isclose(x, y, rel_tol=_ROUNDED) or (greatest and (x < 0) == (y < 0))


def follow(old: str, new: str, factors: Iterable[float], known: Container[tuple[str, str]]) -> bool:
    """Whether all numbers that are others have changed by a factor of sizes, or as known ones did.

    A mean divides by a size; attention by its square root.
    """
    allowed = _allowed(frozenset(factors))
    for pair in other_numbers(old, new):
        x, y = map(float, pair)
        if pair not in known and not (x and _is_near(y / x, allowed)):
            return False
    return True


@lru_cache(maxsize=16)
def _allowed(factors: frozenset[float]) -> list[float]:
    """Factors of sizes, their roots, and the inverse of both, in order."""
    return sorted(f for factor in factors for f in (factor, 1 / factor, sqrt(factor), 1 / sqrt(factor)))


def _is_near(ratio: float, allowed: Sequence[float]) -> bool:
    at = bisect(allowed, ratio)
    return any(isclose(ratio, factor, rel_tol=1e-3) for factor in allowed[max(0, at - 1) : at + 1])
