"""Finds where two versions of a program begin to differ, so that what only follows from that is not called a cause.

A difference is an origin if what the operation is given did not change. All others follow from these: the sizes of
views where an input has another shape, what backward computes where forward computes something else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from kernelsnap.diff.causes.cause_names import CauseName, Mark, Scope
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.program.comparison import Comparison
from kernelsnap.diff.program.literals import follow, other_numbers
from kernelsnap.diff.program.values import INPUT, OUTPUT, Value

#: How near to an operation that one side alone has other differences follow from that.
_FAR = {CauseName.CONSTANTS: 1, CauseName.DTYPE: 2, CauseName.SHAPES: 2, CauseName.INDEXING: 2}

#: What makes the seeds of random numbers where they are to be those of eager mode.
_SEEDS = frozenset(["inductor_rand_eager_offsets"])

#: Of the arguments of an operation a text shows no more.
_LONGEST = 80


@dataclass(frozen=True)
class Origin:
    """A difference that follows from no other, with the values that it concerns, by place."""

    finding: Finding  # the kernels that it is about are not in it yet
    old: tuple[int, ...] = ()
    new: tuple[int, ...] = ()

    @property
    def cause(self) -> CauseName:
        """Its cause."""
        return self.finding.cause

    @classmethod
    def alone(cls, side: int, value: Value, cause: CauseName, words: str, scope: Scope | None = None) -> Origin:
        """A value that one side alone has: 0 is the old one."""
        sign = ("gone", "new")[side]
        marks = frozenset([Mark.NEW_OPERATION]) if side and cause == CauseName.OPERATIONS else frozenset[Mark]()
        if value.operator in _SEEDS:
            marks |= {Mark.DRAWN}
        old, new = ((value.place,) if side == which else () for which in (0, 1))
        return cls(Finding(cause, "", f"{sign}: {words}", f"{sign} {words}", scope, marks=marks), old, new)

    @classmethod
    def both(
        cls,
        a: Value,
        b: Value,
        cause: CauseName,
        words: str = "",
        scope: Scope | None = None,
        mark: Mark | None = None,
    ) -> Origin:
        """A value that both sides have, which is another; without words the words are its arguments."""
        words = words or f"{_called(a)} -> {_called(b)}"
        marks = frozenset[Mark]() if mark is None else frozenset([mark])
        return cls(Finding(cause, "", words, f"{a.operator} {cause}", scope, marks=marks), (a.place,), (b.place,))


def _called(value: Value) -> str:
    """What an operation is called with, a blank for each tensor: "mul(_, 2.0)"."""
    literals = value.literals.replace("%", "_")
    return f"{value.operator}({literals if len(literals) <= _LONGEST else literals[:_LONGEST] + '…'})"


def independent(found: Iterable[Origin], compared: Comparison) -> Iterator[Origin]:
    """Without what follows from an operation that one side alone has, or from other sizes."""
    known = list(found)
    operations = [origin for origin in known if origin.cause == CauseName.OPERATIONS]
    lone: tuple[set[int], set[int]] = set(), set()
    for side, value in compared.lone():
        lone[side].update([value.place] if value.computes else [])
    for origin in operations:
        lone[0].update(origin.old)
        lone[1].update(origin.new)
    _with_numbers_next_to_them(lone, known, compared)
    near = {
        far: [program.near(places, far) for program, places in zip(compared.programs, lone, strict=True)]
        for far in {*_FAR.values()}
    }
    along = {pair for origin in operations for pair in _numbers(origin, compared)}
    shapes = [origin for origin in known if origin.cause == CauseName.SHAPES]
    sizes = {pair for origin in shapes for pair in _numbers(origin, compared)}
    operators = {value.origin for _, value in compared.lone() if value.computes and value.is_decomposed}
    for origin in known:
        if origin.finding.scope == Scope.COUNT and operations and not _of_lists(origin, compared):
            continue
        if origin.cause in _FAR and origin.old and origin.new and _is_in(origin, near[_FAR[origin.cause]], compared):
            continue
        if origin.cause == CauseName.SHAPES and along.intersection(_numbers(origin, compared)):
            continue  # a softmax over another dimension takes its maximum along that, too
        of_both = origin.old and origin.new and origin.cause in (CauseName.SHAPES, CauseName.CONSTANTS)
        if of_both and _of_another_operator(origin, operators, compared):
            continue
        if origin.cause == CauseName.CONSTANTS:
            sized = shapes or _has_another_shape(origin, compared)
            if sized and follow(*_literals(origin, compared), compared.factors, sizes):
                continue
        yield origin


def _with_numbers_next_to_them(lone: tuple[set[int], set[int]], known: Iterable[Origin], compared: Comparison) -> None:
    """Add numbers that are others next to what one side alone has, and those next to these: one formula for another."""
    others: tuple[dict[int, int], dict[int, int]] = {}, {}  # both ways, the operations that have other numbers
    for origin in known:
        if origin.cause == CauseName.CONSTANTS and origin.old and origin.new:
            others[0][origin.old[0]], others[1][origin.new[0]] = origin.new[0], origin.old[0]
    edges = set(lone[0]), set(lone[1])
    while edges[0] or edges[1]:
        near = [program.near(edge, 1) for program, edge in zip(compared.programs, edges, strict=True)]
        found = {(at, others[0][at]) for at in near[0] & others[0].keys()}
        found |= {(others[1][at], at) for at in near[1] & others[1].keys()}
        edges = {a for a, _ in found}, {b for _, b in found}
        for side in (0, 1):
            lone[side].update(edges[side])
            for at in edges[side]:
                others[side].pop(at, None)


def _has_another_shape(origin: Origin, compared: Comparison) -> bool:
    old, new = compared.programs
    return old.values[origin.old[0]].shape != new.values[origin.new[0]].shape


def _of_lists(origin: Origin, compared: Comparison) -> bool:
    """Whether an input is one more, or less, in the lists that operations of both sides take."""
    users = [
        (at in known, program.values[at].operator)
        for program, known, places in zip(compared.programs, compared.known, (origin.old, origin.new), strict=True)
        for place in places
        for at in program.users.get(place, ())
    ]
    return bool(users) and all(known and operator.startswith(("_foreach", "cat")) for known, operator in users)


def _is_in(origin: Origin, near: list[set[int]], compared: Comparison) -> bool:
    """Whether it concerns an operation of a set of each side; inputs and outputs have none that they follow from."""
    return any(
        place in of_side and program.values[place].target not in (INPUT, OUTPUT)
        for program, places, of_side in zip(compared.programs, (origin.old, origin.new), near, strict=True)
        for place in places
    )


def _literals(origin: Origin, compared: Comparison) -> tuple[str, str]:
    old, new = compared.programs
    return old.values[origin.old[0]].literals, new.values[origin.new[0]].literals


def _numbers(origin: Origin, compared: Comparison) -> list[tuple[str, str]]:
    """The numbers in which an operation of both sides differs."""
    return other_numbers(*_literals(origin, compared)) if origin.old and origin.new else []


def _of_another_operator(origin: Origin, lone: Collection[str], compared: Comparison) -> bool:
    """Whether a value is of two operators, or of one of those of which one side alone has other parts."""
    old, new = compared.programs
    of = {old.values[origin.old[0]].origin, new.values[origin.new[0]].origin}
    return len(of) > 1 or not of.isdisjoint(lone)


def consequences(cause: CauseName, compared: Comparison) -> tuple[list[int], list[int]]:
    """The values of each side that are others because of a cause: by shape, by type, or by what forward computes."""
    if cause == CauseName.OPERATIONS:
        places: tuple[list[int], list[int]] = [], []
        for side, value in compared.lone():
            places[side].extend([value.place] if value.backward and value.computes else [])
        for a, b in compared.pairs:
            if a.backward and b.backward and a.literals != b.literals:
                places[0].append(a.place)
                places[1].append(b.place)
        return places
    if cause in (CauseName.SHAPES, CauseName.DTYPE):
        shapes = cause == CauseName.SHAPES
        others = [(a, b) for a, b in compared.pairs if (a.shape != b.shape if shapes else a.dtypes != b.dtypes)]
        return [a.place for a, _ in others], [b.place for _, b in others]
    return [], []
