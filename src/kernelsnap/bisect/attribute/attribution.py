"""Which of several factors a change comes from, by the full table of their levels. Pure: it knows nothing of torch.

A cell is the number of a level for each factor; its value is a vector of whole numbers: how often each line stands in a
layer, or one metric. For two factors that are all that changes, with v(a, m) the value at their levels a and m:

    the main effect of the first      v(b, m) - v(a, m)
    the interaction of both           v(b, n) - v(a, n) - v(b, m) + v(a, m)

These are the contrasts of a factorial experiment (R. A. Fisher, "The Design of Experiments", 1935, chapter VI), but
nothing is averaged: what is generated has no noise, so that a factor has an effect if its contrast differs from zero
anywhere, and has none only if it is zero everywhere. A cell without a value makes what depends on it unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain, combinations, pairwise, product

Cell = tuple[int, ...]
Value = Mapping[str, int]


class Effect(StrEnum):
    """Whether something has an effect."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """Where a change comes from."""

    NONE = "none"  # nothing changes it
    ALONE = "alone"  # one factor, whatever the others are
    EACH = "each"  # several factors, each by itself
    TOGETHER = "together"  # several, and none of them alone
    MIXED = "mixed"  # several, and what one changes depends on another
    OPEN = "open"  # cells are missing without which it cannot be told


@dataclass(frozen=True)
class Table:
    """The values of the cells that have one."""

    sizes: tuple[int, ...]  # how many levels each factor has
    values: Mapping[Cell, Value]

    def cells(self) -> Iterator[Cell]:
        """Every cell, with or without a value; the last factor changes fastest."""
        return product(*map(range, self.sizes))

    def difference(self, plus: Iterable[Cell], minus: Iterable[Cell]) -> Value | None:
        """A contrast: the sum of some cells less that of others, without zeros; None where one has no value."""
        total: dict[str, int] = {}
        for sign, cell in chain(((1, cell) for cell in plus), ((-1, cell) for cell in minus)):
            if cell not in self.values:
                return None
            for name, number in self.values[cell].items():
                total[name] = total.get(name, 0) + sign * number
        return {name: number for name, number in total.items() if number}


@dataclass(frozen=True)
class Attribution:
    """What a table says. Factors are told by their numbers."""

    table: Table

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        """For each factor, whether it changes the value anywhere."""
        return tuple(_any(self.contrasts(factor)) for factor in range(len(self.table.sizes)))

    def effect(self, factor: int, levels: tuple[int, int]) -> Effect:
        """Whether a factor changes the value between two of its levels."""
        return _any(self.contrasts(factor, levels))

    @cached_property
    def interactions(self) -> Mapping[tuple[int, int], Effect]:
        """For each pair of factors, whether what one changes depends on the other."""
        pairs = combinations(range(len(self.table.sizes)), 2)
        return {pair: _any(self._second_differences(*pair)) for pair in pairs}

    @cached_property
    def together(self) -> tuple[Mapping[int, int], ...]:
        """Smallest sets of factors, with their levels, that change the first cell's value, and no part of them does."""
        base = (0,) * len(self.table.sizes)
        found: list[dict[int, int]] = []
        for count in range(2, len(base) + 1):
            for factors in combinations(range(len(base)), count):
                for levels in product(*(range(1, self.table.sizes[factor]) for factor in factors)):
                    chosen = dict(zip(factors, levels, strict=True))
                    parts = chain.from_iterable(combinations(factors, size) for size in range(1, count))
                    silent = all(self._from_base({f: chosen[f] for f in part}) == {} for part in parts)
                    if silent and self._from_base(chosen):
                        found.append(chosen)
        return tuple(found)

    @cached_property
    def verdict(self) -> Verdict:
        """The whole in one word; OPEN unless every cell that it depends on has a value."""
        if Effect.UNKNOWN in self.effects:
            return Verdict.OPEN
        changing = self.changing
        if len(changing) < 2:
            return Verdict.ALONE if changing else Verdict.NONE
        kinds = set(self.interactions.values())
        if Effect.YES in kinds:
            alone = _any(self._from_base({f: level}) for f in changing for level in range(1, self.table.sizes[f]))
            return {Effect.YES: Verdict.MIXED, Effect.NO: Verdict.TOGETHER, Effect.UNKNOWN: Verdict.OPEN}[alone]
        return Verdict.OPEN if Effect.UNKNOWN in kinds else Verdict.EACH

    @property
    def changing(self) -> tuple[int, ...]:
        """The factors that have an effect."""
        return tuple(factor for factor, effect in enumerate(self.effects) if effect is Effect.YES)

    @property
    def differs(self) -> bool:
        """Whether any two cells with a value differ, whatever that comes from."""
        return any(left != right for left, right in pairwise(self.table.values.values()))

    def contrasts(self, factor: int, levels: tuple[int, int] | None = None) -> Iterator[Value | None]:
        """What a factor changes at each combination of the others, between two levels or between any two."""
        pairs = [levels] if levels else list(combinations(range(self.table.sizes[factor]), 2))
        for cell in self.table.cells():
            if cell[factor] == 0:
                for low, high in pairs:
                    yield self.table.difference([_with(cell, factor, high)], [_with(cell, factor, low)])

    def _second_differences(self, one: int, other: int) -> Iterator[Value | None]:
        for cell in self.table.cells():
            if cell[one] == cell[other] == 0:
                for a, b in combinations(range(self.table.sizes[one]), 2):
                    for m, n in combinations(range(self.table.sizes[other]), 2):
                        corner = {(i, j): _with(_with(cell, one, i), other, j) for i in (a, b) for j in (m, n)}
                        yield self.table.difference([corner[b, n], corner[a, m]], [corner[a, n], corner[b, m]])

    def _from_base(self, levels: Mapping[int, int]) -> Value | None:
        base = (0,) * len(self.table.sizes)
        cell = base
        for factor, level in levels.items():
            cell = _with(cell, factor, level)
        return self.table.difference([cell], [base])


def _with(cell: Cell, factor: int, level: int) -> Cell:
    return (*cell[:factor], level, *cell[factor + 1 :])


def _any(contrasts: Iterable[Value | None]) -> Effect:
    """Whether one of the contrasts is not zero; unknown where none is, and some are unknown."""
    found: Sequence[Value | None] = list(contrasts)
    if any(found):
        return Effect.YES
    return Effect.UNKNOWN if None in found else Effect.NO
