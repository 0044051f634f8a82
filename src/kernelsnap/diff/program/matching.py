"""Matches the values of two versions of a program, although types, numbers or operations around them differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from kernelsnap.diff.program.values import INPUT, OUTPUT, TANGENT, Program, Value
from kernelsnap.diff.text.lines import common

#: For each value of the old program that the new one has, too, its place there.
Match = dict[int, int]
#: What is compared of a value itself.
_Local = Callable[[Value], Hashable]
#: From all of it to the operator alone.
_LOCAL: tuple[_Local, ...] = (
    lambda value: (value.target, value.literals, value.result),
    lambda value: (value.target, value.literals, value.is_size),
    lambda value: (value.operator, value.is_size),
)
_ENDS = frozenset([INPUT, OUTPUT, TANGENT])


def matched(old: Program, new: Program) -> Match:
    """The values that both programs have.

    First inputs and outputs; then what is made in the same way from the inputs, and what the outputs are made of in the
    same way: each time from what is equal in all to what has the same operators only. The rest is matched by its order.
    """
    found: Match = {}
    for target in sorted(_ENDS):
        found |= _ends(old, new, target, all_of_them=target != INPUT)
    for local in _LOCAL:
        for number in (_made_from, _used_for):
            numbers: dict[Hashable, int] = {}
            known = {place: place for place in found}, {new_place: place for place, new_place in found.items()}
            _pair(found, number(old, local, known[0], numbers), number(new, local, known[1], numbers))
        _grow(found, old, new, local)
        if local is _LOCAL[0]:
            found |= _ends(old, new, INPUT, all_of_them=True, known=found)
    for local in _LOCAL[1:]:
        _in_order(found, old, new, local)
        _grow(found, old, new, local)
    return found


def _ends(old: Program, new: Program, target: str, all_of_them: bool, known: Match | None = None) -> Match:
    """Inputs, gradients or outputs: those of one name, or the only ones of one type.

    All of them: then those of one type in their order, and then the rest.
    """
    found: Match = {}
    done = known or {}
    sides = [[v for v in program.values if v.target == target and not v.within] for program in (old, new)]
    sides = [_without(sides[0], done), _without(sides[1], {*done.values()})]
    for graph in dict.fromkeys(value.graph for value in sides[0]):
        left, right = ([v for v in side if v.graph == graph] for side in sides)
        if target == INPUT:
            by_name = {v.literals: v.place for v in right if not v.literals.isdecimal()}
            named = {v.place: by_name[v.literals] for v in left if v.literals in by_name}
            found |= named
            left, right = _without(left, named), _without(right, {*named.values()})
        if not all_of_them:
            types = [Counter(v.result for v in side) for side in (left, right)]
            lone = {v.result: v.place for v in right if types[0][v.result] == types[1][v.result] == 1}
            found |= {v.place: lone[v.result] for v in left if v.result in lone}
            continue
        alike = [(left[a], right[b]) for a, b in common([v.result for v in left], [v.result for v in right])]
        found |= {a.place: b.place for a, b in alike}
        left, right = _without(left, {a.place for a, _ in alike}), _without(right, {b.place for _, b in alike})
        waiting: dict[str, list[int]] = defaultdict(list)
        for value in right:
            waiting[value.result].append(value.place)
        turned = {v.place: waiting[v.result].pop(0) for v in left if waiting[v.result]}
        found |= turned
        left, right = _without(left, turned), _without(right, {*turned.values()})
        for kind in (True, False):
            ones, others = ([v for v in side if v.is_size == kind] for side in (left, right))
            if len(ones) == len(others):
                found |= {a.place: b.place for a, b in zip(ones, others, strict=True)}
    return found


def _without(values: Iterable[Value], places: Iterable[int]) -> list[Value]:
    known = frozenset(places)
    return [value for value in values if value.place not in known]


def _own(value: Value, local: _Local, ends: Match, by_use: bool) -> Hashable:
    """What a value is known by, what it takes and what takes it aside; an input that is not known by its type."""
    if value.target not in _ENDS:
        return local(value)
    if by_use and value.target == INPUT and value.place not in ends:
        return value.target, value.result
    return value.target, ends.get(value.place, value)


def _made_from(program: Program, local: _Local, ends: Match, numbers: dict[Hashable, int]) -> list[int]:
    """For each value a number that is equal for what is made from the inputs in the same way."""
    found: list[int] = []
    for value in program.values:
        key = _own(value, local, ends, by_use=False), tuple(found[operand] for operand in value.operands)
        found.append(numbers.setdefault(key, len(numbers)))
    return found


def _used_for(program: Program, local: _Local, ends: Match, numbers: dict[Hashable, int]) -> list[int]:
    """For each value a number that is equal for what the outputs are made of in the same way."""
    found = [0] * len(program.values)
    uses: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for value in reversed(program.values):
        key = _own(value, local, ends, by_use=True), tuple(sorted(uses[value.place]))
        number = found[value.place] = numbers.setdefault(key, len(numbers))
        for at, operand in enumerate(value.operands):
            uses[operand].append((number, at))
    return found


def _pair(found: Match, old: Sequence[int], new: Sequence[int]) -> None:
    """Match values with equal numbers, where both sides have equally many that are not matched."""
    sides: tuple[dict[int, list[int]], ...] = (defaultdict(list), defaultdict(list))
    for side, numbers, known in zip(sides, (old, new), ({*found}, {*found.values()}), strict=True):
        for place, number in enumerate(numbers):
            if place not in known:
                side[number].append(place)
    for number, places in sides[0].items():
        if len(places) == len(sides[1].get(number, ())):
            found.update(zip(places, sides[1][number], strict=True))


def _grow(found: Match, old: Program, new: Program, local: _Local) -> None:
    """Match what is made from values that are matched, and what matched values are made of, as far as it goes."""
    waiting = list(found.items())
    taken = set(found.values())

    def take(one: int, other: int) -> None:
        if one not in found and other not in taken and local(old.values[one]) == local(new.values[other]):
            found[one] = other
            taken.add(other)
            waiting.append((one, other))

    while waiting:
        one, other = waiting.pop()
        operands = old.values[one].operands, new.values[other].operands
        if len(operands[0]) == len(operands[1]):
            for a, b in zip(*operands, strict=True):
                take(a, b)
        users = old.users.get(one, ()), new.users.get(other, ())
        for a, b in common([local(old.values[u]) for u in users[0]], [local(new.values[u]) for u in users[1]]):
            take(users[0][a], users[1][b])


def _in_order(found: Match, old: Program, new: Program, local: _Local) -> None:
    """Match what is left by its order in the programs."""
    left, right = _without(old.values, found), _without(new.values, {*found.values()})
    for a, b in common([local(value) for value in left], [local(value) for value in right]):
        found[left[a].place] = right[b].place
