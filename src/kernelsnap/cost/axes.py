"""Contiguity, divisibility and constancy of the integers in a block: they decide how wide its memory accesses are.

Triton's own analysis (`AxisInfo`), rule by rule: how many neighbours follow each other, what the first of them is a
multiple of, and how many are equal. Where it knows nothing, neighbouring threads do not get neighbouring addresses and
move one element at a time, whatever the addresses really are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

Shape = tuple[int, ...]
_MOST = 1 << 40


class Axes(NamedTuple):
    """Of each axis of a block; of a single number as of a block of one."""

    contiguity: Shape
    divisibility: Shape  # of the first of each run of neighbours
    constancy: Shape
    constant: int | None = None  # the number itself, if all are one that is known


def of_number(value: int) -> Axes:
    """Of one number that the compiler knows."""
    return Axes((1,), (power_of_two(value),), (1,), value)


def of_multiple(step: int) -> Axes:
    """Of one number that is not known, but is a multiple of this one."""
    return Axes((1,), (power_of_two(step),), (1,))


def of_range(start: int, stop: int) -> Axes:
    """Of `tl.arange(start, stop)`."""
    return Axes((stop - start,), (power_of_two(start),), (1,))


def power_of_two(value: int) -> int:
    """The largest power of two that divides a number."""
    return min(_MOST, value & -value) if value else _MOST


@lru_cache(maxsize=8192)
def spread(axes: Axes | None, old: Shape, new: Shape) -> Axes:
    """Of a block that is broadcast to another shape."""
    if axes is None:
        # Of what is unknown but one for all, at least that.
        ones = (1,) * max(1, len(new))
        old = (1,) * (len(new) - len(old)) + old
        return Axes(ones, ones, tuple(b if a == 1 else 1 for a, b in zip(old, new, strict=True)) or ones)
    if old == new:
        return axes
    if not old:
        rank = len(new)
        return Axes((1,) * rank, axes.divisibility * rank, new, axes.constant)
    missing = len(new) - len(old)
    old = (1,) * missing + old
    divisibility = (_of_new_axis(axes),) * missing + axes.divisibility
    return Axes(
        tuple(1 if a == 1 else c for a, c in zip(old, (1,) * missing + axes.contiguity, strict=True)),
        divisibility,
        tuple(b if a == 1 else c for a, b, c in zip(old, new, (1,) * missing + axes.constancy, strict=True)),
        axes.constant,
    )


def _of_new_axis(axes: Axes) -> int:
    if axes.constant is not None:
        return power_of_two(axes.constant)
    return math.gcd(*(1 if c > 1 else d for c, d in zip(axes.contiguity, axes.divisibility, strict=True)))


@lru_cache(maxsize=8192)
def with_new_axes(axes: Axes, places: tuple[bool, ...]) -> Axes:
    """Of a block that gets more axes of one element, where `places` has True; its own come where it has False."""
    kept = iter(zip(*axes[:3], strict=True))
    parts = [(1, _of_new_axis(axes), 1) if new else next(kept, (1, 1, 1)) for new in places]
    contiguity, divisibility, constancy = zip(*parts, strict=True)
    return Axes(contiguity, divisibility, constancy, axes.constant)


@lru_cache(maxsize=65536)
def combined(operator: str, left: Axes, right: Axes, shape: Shape) -> Axes | None:
    """Of `left operator right`, both of one shape; None where nothing is known."""
    rule = _RULES.get(operator)
    if rule is None:
        return None
    parts = [rule(_Axis.of(left, at), _Axis.of(right, at), size) for at, size in enumerate(shape or (1,))]
    contiguity, divisibility, constancy = zip(*parts, strict=True)
    return Axes(contiguity, divisibility, constancy, _constant(operator, left.constant, right.constant))


class _Axis(NamedTuple):
    contiguity: int
    divisibility: int
    constancy: int
    constant: int | None

    @classmethod
    def of(cls, axes: Axes, at: int) -> _Axis:
        return cls(axes.contiguity[at], axes.divisibility[at], axes.constancy[at], axes.constant)

    @property
    def of_any(self) -> int:
        """What each of them is a multiple of, not only the first of a run."""
        return 1 if self.contiguity > 1 else self.divisibility


_Rule = Callable[[_Axis, _Axis, int], tuple[int, int, int]]


def _constant(operator: str, left: int | None, right: int | None) -> int | None:
    if left is None or right is None or (operator in ("Mod", "FloorDiv") and not right):
        return None
    if operator in ("LShift", "RShift") and not 0 <= right < 40:
        return None
    made = _NUMBERS[operator](left, right) if operator in _NUMBERS else None
    return made if made is None or abs(made) < _MOST else None


_NUMBERS: Mapping[str, Callable[[int, int], int]] = {
    "Add": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mult": lambda a, b: a * b, "Mod": lambda a, b: a % b,
    "FloorDiv": lambda a, b: a // b, "BitAnd": lambda a, b: a & b, "BitOr": lambda a, b: a | b,
    "BitXor": lambda a, b: a ^ b, "LShift": lambda a, b: a << b, "RShift": lambda a, b: a >> b,
    "Lt": lambda a, b: int(a < b), "LtE": lambda a, b: int(a <= b), "Gt": lambda a, b: int(a > b),
    "GtE": lambda a, b: int(a >= b), "Eq": lambda a, b: int(a == b), "NotEq": lambda a, b: int(a != b),
}  # fmt: skip


def _sum(a: _Axis, b: _Axis, size: int) -> tuple[int, int, int]:
    contiguity = max(math.gcd(a.constancy, b.contiguity), math.gcd(a.contiguity, b.constancy))
    return contiguity, math.gcd(a.divisibility, b.divisibility), math.gcd(a.constancy, b.constancy)


def _difference(a: _Axis, b: _Axis, size: int) -> tuple[int, int, int]:
    return math.gcd(a.contiguity, b.constancy), *_sum(a, b, size)[1:]


def _product(a: _Axis, b: _Axis, size: int) -> tuple[int, int, int]:
    contiguity = max(a.contiguity if b.constant == 1 else 1, b.contiguity if a.constant == 1 else 1)
    left = a.divisibility if b.constant == 1 else a.of_any
    right = b.divisibility if a.constant == 1 else b.of_any
    return contiguity, min(_MOST, left * right), math.gcd(a.constancy, b.constancy)


def _quotient(a: _Axis, b: _Axis, size: int) -> tuple[int, int, int]:
    if b.constant == 1:
        return a.contiguity, a.divisibility, a.constancy
    constancy = math.gcd(a.constancy, b.constancy)
    if a.contiguity == size == b.constancy:
        constancy = max(constancy, math.gcd(a.contiguity, a.divisibility, b.divisibility))
    divisibility = a.divisibility if a.constant == 0 else 1
    if b.constant and b.constant & (b.constant - 1) == 0 and a.contiguity == 1:
        divisibility = max(1, a.divisibility // b.constant)
    return 1, divisibility, constancy


def _remainder(a: _Axis, b: _Axis, size: int) -> tuple[int, int, int]:
    contiguity = math.gcd(a.contiguity, a.divisibility, b.divisibility) if a.contiguity == size == b.constancy else 1
    divisibility = math.gcd(a.divisibility, b.divisibility) if b.constancy > 1 or size == 1 else 1
    return contiguity, divisibility, size if b.constant == 1 else math.gcd(a.constancy, b.constancy)


def _bits(a: _Axis, b: _Axis, size: int) -> tuple[int, int, int]:
    return 1, 1, math.gcd(a.constancy, b.constancy)


def _left_shift(a: _Axis, b: _Axis, size: int) -> tuple[int, int, int]:
    shift = min(40, max(0, b.constant or 0))
    kept = a.of_any if shift else a.divisibility
    return a.contiguity if b.constant == 0 else 1, min(_MOST, kept << shift), math.gcd(a.constancy, b.constancy)


def _right_shift(a: _Axis, b: _Axis, size: int) -> tuple[int, int, int]:
    shift = min(40, max(0, b.constant or 0))
    divisibility = 1 if b.constant is None else max(1, (a.of_any if shift else a.divisibility) >> shift)
    return a.contiguity if b.constant == 0 else 1, divisibility, math.gcd(a.constancy, b.constancy)


def _of_either(a: _Axis, b: _Axis) -> int:
    """What either is a multiple of."""
    if a.contiguity == b.contiguity:
        return math.gcd(a.divisibility, b.divisibility)
    return math.gcd(a.divisibility, b.divisibility, a.contiguity, b.contiguity)


def _comparison(with_left: bool) -> _Rule:
    """Where a mask changes: at multiples of what both sides are multiples of."""

    def rule(a: _Axis, b: _Axis, size: int) -> tuple[int, int, int]:
        constancy = math.gcd(a.constancy, b.constancy)
        run, fixed = (b, a) if with_left else (a, b)
        if fixed.constancy == size:
            constancy = max(constancy, math.gcd(run.contiguity, a.divisibility, b.divisibility))
        return 1, 1, constancy

    return rule


_RULES: Mapping[str, _Rule] = {
    "Add": _sum, "Sub": _difference, "Mult": _product, "FloorDiv": _quotient, "Mod": _remainder,
    **dict.fromkeys(("BitAnd", "BitOr", "BitXor", "Eq", "NotEq"), _bits),
    "LShift": _left_shift, "RShift": _right_shift,
    "Lt": _comparison(with_left=False), "GtE": _comparison(with_left=False),
    "Gt": _comparison(with_left=True), "LtE": _comparison(with_left=True),
}  # fmt: skip


@lru_cache(maxsize=8192)
def equal_where(*operands: Axes) -> Axes:
    """Of what is computed from blocks of one shape element by element: equal where all of them are."""
    ones = (1,) * len(operands[0].constancy)
    return Axes(
        ones, ones, tuple(math.gcd(*sizes) for sizes in zip(*(axes.constancy for axes in operands), strict=True))
    )


def computed_once(axes: Axes) -> int:
    """How many neighbouring elements a thread computes at once: equal ones, or each the one before plus one."""
    return max(*axes.contiguity, *axes.constancy)


@lru_cache(maxsize=8192)
def chosen(condition: Axes, left: Axes, right: Axes) -> Axes:
    """Of `tl.where(condition, left, right)`, all of one shape."""
    if condition.constant is not None:
        return left if condition.constant else right
    parts = []
    for at, same in enumerate(condition.constancy):
        a, b = _Axis.of(left, at), _Axis.of(right, at)
        parts.append((math.gcd(a.contiguity, b.contiguity, same), _of_either(a, b),
                      math.gcd(a.constancy, b.constancy, same)))  # fmt: skip
    contiguity, divisibility, constancy = zip(*parts, strict=True)
    return Axes(contiguity, divisibility, constancy, left.constant if left.constant == right.constant else None)


def moved(pointer: Axes, by: Axes, size: int, operator: str, shape: Shape) -> Axes | None:
    """Of an address plus or minus a number of elements of as many bytes; an address is a multiple of bytes."""
    in_bytes = tuple(min(_MOST, step * size) for step in by.divisibility)
    return combined(operator, pointer, Axes(by.contiguity, in_bytes, by.constancy), shape)
