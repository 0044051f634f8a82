"""Compares two versions of a program, value by value: which values both have, which only one, and what differs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from math import prod

from kernelsnap.diff.program.matching import Match, matched
from kernelsnap.diff.program.values import (
    CONSTANT,
    FILLS,
    INPUT,
    MOVES,
    NOT_POINTWISE,
    OUTPUT,
    PRODUCTS,
    TANGENT,
    Program,
    Value,
)

#: In more parts than this a program is not divided.
_MOST_PARTS = 64
#: What a program takes, and what it returns.
_OUTSIDE = frozenset([INPUT, OUTPUT, TANGENT, CONSTANT])
_SIZE = re.compile(r"\b\d+\b")


class Comparison:
    """Two programs; a value of the old one is first wherever there are two."""

    def __init__(self, old: Program, new: Program) -> None:
        """Match the values of both."""
        self.programs = old, new
        self.match: Match = matched(old, new)
        self.known = self.match, {b: a for a, b in self.match.items()}
        self.pairs = [(old.values[a], new.values[b]) for a, b in sorted(self.match.items())]
        self.alone = tuple(
            [value for value in program.values if value.place not in known]
            for program, known in zip(self.programs, self.known, strict=True)
        )

    @cached_property
    def parts(self) -> list[Comparison]:
        """The same in parts that exchange no value; what both take from the outside is in each of them.

        What changed in one of them has nothing to do with what changed in another.
        """
        changed = self._changed
        found = [
            places
            for places in _components(self)
            if not (changed[0].isdisjoint(places[0]) and changed[1].isdisjoint(places[1]))
        ]
        return [self._part(*places) for places in found] if 1 < len(found) <= _MOST_PARTS else [self]

    @cached_property
    def _changed(self) -> tuple[set[int], set[int]]:
        """The places of each side with a value that one side alone has, or that is made or saved otherwise."""
        found = {v.place for v in self.alone[0]}, {v.place for v in self.alone[1]}
        for a, b in self.pairs:
            taken = [self.match.get(at) for at in a.operands] == [*b.operands]
            saved = (a.place in self.programs[0].saved) == (b.place in self.programs[1].saved)
            if not taken or not saved or (a.literals, a.result) != (b.literals, b.result):
                found[0].add(a.place)
                found[1].add(b.place)
        return found

    def _part(self, old: set[int], new: set[int]) -> Comparison:
        part = Comparison.__new__(Comparison)
        part.programs, part.match, part.known = self.programs, self.match, self.known
        part.pairs = [(a, b) for a, b in self.pairs if a.place in old]
        part.alone = tuple(
            [value for value in values if value.place in places]
            for values, places in zip(self.alone, (old, new), strict=True)
        )
        return part

    def lone(self) -> Iterator[tuple[int, Value]]:
        """The values that one side alone has, each with its side: 0 or 1."""
        for side, values in enumerate(self.alone):
            yield from ((side, value) for value in values)

    def attends(self, side: int, value: Value) -> bool:
        """Whether it is flex attention, or is there for its masks and scores alone."""
        return value.place in self.programs[side].attention

    def moves_only(self, side: int, value: Value) -> bool:
        """Whether a value has the elements of another one in other places, or some more that are filled in."""
        if value.operator != "cat":
            return value.operator in MOVES
        values = self.programs[side].values
        return sum(values[at].operator not in FILLS for at in value.operands) == 1

    def same_shapes_given(self, a: Value, b: Value) -> bool:
        """Whether two values take tensors of the same shapes."""
        old, new = (
            [program.values[at].shape for at in value.operands]
            for program, value in zip(self.programs, (a, b), strict=True)
        )
        return old == new

    def moved_alike(self, a: int, b: int) -> bool:
        """Whether the value at a place of each side is moved in the same way on the way from its source."""
        return self._moves[0][a] == self._moves[1][b]

    @cached_property
    def _moves(self) -> tuple[list[int], ...]:
        """For each value of each side a number, equal for those with the same moves between them and their sources."""
        numbers: dict[tuple[str, str, int], int] = {}
        found: tuple[list[int], ...] = ([], [])
        for program, moves in zip(self.programs, found, strict=True):
            for value in program.values:
                before = moves[value.operands[0]] if value.is_passed_on else 0
                is_move = value.is_passed_on and value.operator in MOVES
                key = value.operator, value.literals, before
                moves.append(numbers.setdefault(key, len(numbers) + 1) if is_move else before)
        return found

    @cached_property
    def for_other_products(self) -> frozenset[int]:
        """The views and moves of the old side between a tensor and a matmul that sums over another dimension.

        That one takes all of its operands with their dimensions in another order.
        """
        old = self.programs[0]
        found: set[int] = set()
        for a, b in self.pairs:
            if a.operator in PRODUCTS and b.operator in PRODUCTS:
                if any(self.moved_alike(x, y) for x, y in zip(a.operands, b.operands, strict=False)):
                    continue
                for value in map(old.values.__getitem__, a.operands):
                    while value.place not in found and (value.is_view or value.operator in MOVES):
                        found.add(value.place)
                        value = old.values[value.operands[0]] if value.operands else value
        return frozenset(found)

    @cached_property
    def only_pointwise(self) -> bool:
        """Whether what each side computes alone is computed of each element, and takes the place of such."""
        sides = [[value for value in values if value.computes and not value.backward] for values in self.alone]
        return all(sides) and all(
            value.operator not in NOT_POINTWISE and value.shape in {program.values[at].shape for at in value.operands}
            for program, values in zip(self.programs, sides, strict=True)
            for value in values
        )

    @cached_property
    def forward_changed(self) -> bool:
        """Whether forward differs in anything: backward follows from it."""
        if any(v.target in (INPUT, OUTPUT) or (v.computes and not v.backward) for _, v in self.lone()):
            return True
        forward = ((a, b) for a, b in self.pairs if not a.backward and not b.backward)
        return any(
            (a.literals, a.result, len(a.operands)) != (b.literals, b.result, len(b.operands)) for a, b in forward
        )

    def follows_forward(self, *values: Value) -> bool:
        """Whether values of backward may be others because forward is."""
        return all(value.backward for value in values) and self.forward_changed

    @cached_property
    def other_outputs(self) -> bool:
        """Whether the program returns tensors of other shapes, or another number of them."""
        return self._shapes(0, OUTPUT) != self._shapes(1, OUTPUT)

    @cached_property
    def other_inputs(self) -> bool:
        """Whether the program takes tensors of other shapes, or another number of them."""
        return self._shapes(0, INPUT) != self._shapes(1, INPUT)

    def _shapes(self, side: int, target: str) -> Counter[str]:
        values = [*(pair[side] for pair in self.pairs), *self.alone[side]]
        return Counter(v.shape for v in values if v.target == target and not v.within and not v.backward)

    @cached_property
    def factors(self) -> frozenset[float]:
        """By which factors sizes differ, and sizes with one more or less, and products of these.

        A variance divides by a size less one, a mean over pairs by both.
        """
        found: set[float] = set()
        for shapes in {(a.shape, b.shape) for a, b in self.pairs if a.shape != b.shape}:
            before, after = (list(map(int, _SIZE.findall(shape))) for shape in shapes)
            found.add(max(1, prod(after)) / max(1, prod(before)))
            for x, y in zip(before, after, strict=False):
                near = {(y + more) / (x + more) for more in (-1, 0, 1) if x + more > 0 and y + more > 0}
                found |= near | {one * other for one in near for other in near}
        return frozenset(found)

    @cached_property
    def saved_otherwise(self) -> frozenset[int]:
        """The values that one side alone saves for backward, by their place in the new program."""
        old, new = self.programs
        before = {b.place for a, b in self.pairs if a.place in old.saved}
        after = {b.place for _, b in self.pairs if b.place in new.saved}
        values = (new.values[place] for place in before ^ after)
        return frozenset(v.place for v in values if v.operator not in FILLS and v.target != INPUT and not v.is_size)

    @property
    def saves_others(self) -> bool:
        """Whether other values are saved for backward, those that one side alone has among them."""
        return {self.match.get(place) for place in self.programs[0].saved} != self.programs[1].saved


def _components(compared: Comparison) -> list[tuple[set[int], set[int]]]:
    """The places of each side in sets that values of the program connect, with what these take and return."""
    old, new = compared.programs
    offset = len(old.values)  # places of the new program come after those of the old one
    parent = list(range(offset + len(new.values)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    outside = [
        {value.place for value in program.values if value.target in _OUTSIDE or value.place in program.constant}
        for program in compared.programs
    ]
    for start, program, of_side in ((0, old, outside[0]), (offset, new, outside[1])):
        for value in program.values:
            for operand in value.operands:
                if value.place not in of_side and operand not in of_side:
                    parent[root(start + value.place)] = root(start + operand)
    for a, b in compared.match.items():
        if a not in outside[0] and b not in outside[1]:
            parent[root(a)] = root(offset + b)
    # What one side alone has may be the other one's in another form: by operator of the user, or as attention.
    first: dict[str, int] = {}
    for side, value in compared.lone():
        if value.place not in outside[side]:
            place = side * offset + value.place
            parent[root(place)] = root(first.setdefault(value.origin, place))
    flex = [side * offset + place for side, program in enumerate(compared.programs) for place in program.attention]
    for place in flex:
        parent[root(place)] = root(flex[0])
    found: dict[int, tuple[set[int], set[int]]] = {}
    for side, (start, program) in enumerate(((0, old), (offset, new))):
        for value in program.values:
            if value.place not in outside[side]:
                places = found.setdefault(root(start + value.place), (set(), set()))[side]
                places.add(value.place)
                places |= outside[side].intersection(program.next_to([value.place]))
    for of_old, of_new in found.values():
        both = {compared.match[a] for a in of_old if a in compared.match}
        of_old |= {compared.known[1][b] for b in of_new if b in compared.known[1]}
        of_new |= both
    # An input that is only returned, or not used, may have to do with any of them.
    for side, program in enumerate(compared.programs):
        left = {value.place for value in program.values}.difference(*(places[side] for places in found.values()))
        for sides in found.values():
            sides[side].update(left)
    return [*found.values()]
