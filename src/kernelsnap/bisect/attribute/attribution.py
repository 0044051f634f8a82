"""Computes which of several factors a change comes from, by the full table of their levels. It knows nothing of torch.

A cell is the index of a level for each factor; its value is a vector of whole numbers: how often each line occurs in a
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

from kernelsnap.bisect.search import Answer

Cell = tuple[int, ...]
CellValue = Mapping[str, int]


class Verdict(StrEnum):
    """Where a change comes from."""

    NONE = "none"  # nothing changes it
    ALONE = "alone"  # one factor, whatever the others are
    EACH = "each"  # several factors, each by itself
    TOGETHER = "together"  # several, and none of them alone
    MIXED = "mixed"  # several, and what one changes depends on another
    OPEN = "open"  # it depends on cells that are missing


@dataclass(frozen=True)
class CellValues:
    """The values of the cells that have one."""

    sizes: tuple[int, ...]  # how many levels each factor has
    known: Mapping[Cell, CellValue]

    def cells(self) -> Iterator[Cell]:
        """Every cell, with or without a value; the last factor changes fastest."""
        return product(*map(range, self.sizes))

    def difference(self, plus: Iterable[Cell], minus: Iterable[Cell]) -> CellValue | None:
        """A contrast: the sum of some cells less that of others, without zeros; None where one has no value."""
        total: dict[str, int] = {}
        for sign, cell in chain(((1, cell) for cell in plus), ((-1, cell) for cell in minus)):
            if cell not in self.known:
                return None
            for name, number in self.known[cell].items():
                total[name] = total.get(name, 0) + sign * number
        return {name: number for name, number in total.items() if number}


@dataclass(frozen=True)
class Attribution:
    """What the values of a table depend on. A factor is an index."""

    values: CellValues

    @cached_property
    def effects(self) -> tuple[Answer, ...]:
        """For each factor, whether it changes the value anywhere."""
        return tuple(_any(self.contrasts(factor)) for factor in range(len(self.values.sizes)))

    def effect(self, factor: int, levels: tuple[int, int]) -> Answer:
        """Whether a factor changes the value between two of its levels."""
        return _any(self.contrasts(factor, levels))

    @cached_property
    def interactions(self) -> Mapping[tuple[int, int], Answer]:
        """For each pair of factors, whether what one changes depends on the other."""
        pairs = combinations(range(len(self.values.sizes)), 2)
        return {pair: _any(self._second_differences(*pair)) for pair in pairs}

    @cached_property
    def together(self) -> tuple[Mapping[int, int], ...]:
        """Smallest sets of factors, with their levels, that change the first cell's value, and no part of them does."""
        base = (0,) * len(self.values.sizes)
        found: list[dict[int, int]] = []
        for count in range(2, len(base) + 1):
            for factors in combinations(range(len(base)), count):
                for levels in product(*(range(1, self.values.sizes[factor]) for factor in factors)):
                    chosen = dict(zip(factors, levels, strict=True))
                    parts = chain.from_iterable(combinations(factors, size) for size in range(1, count))
                    silent = all(self._from_base({f: chosen[f] for f in part}) == {} for part in parts)
                    if silent and self._from_base(chosen):
                        found.append(chosen)
        return tuple(found)

    @cached_property
    def verdict(self) -> Verdict:
        """The whole in one word; OPEN unless every cell that it depends on has a value."""
        if Answer.UNKNOWN in self.effects:
            return Verdict.OPEN
        changing = self.changing
        if len(changing) < 2:
            return Verdict.ALONE if changing else Verdict.NONE
        kinds = set(self.interactions.values())
        if Answer.YES in kinds:
            alone = _any(self._from_base({f: level}) for f in changing for level in range(1, self.values.sizes[f]))
            return {Answer.YES: Verdict.MIXED, Answer.NO: Verdict.TOGETHER, Answer.UNKNOWN: Verdict.OPEN}[alone]
        return Verdict.OPEN if Answer.UNKNOWN in kinds else Verdict.EACH

    @property
    def changing(self) -> tuple[int, ...]:
        """The factors that have an effect."""
        return tuple(factor for factor, effect in enumerate(self.effects) if effect is Answer.YES)

    @property
    def differs(self) -> bool:
        """Whether any two cells with a value differ, whatever that comes from."""
        return any(left != right for left, right in pairwise(self.values.known.values()))

    def contrasts(self, factor: int, levels: tuple[int, int] | None = None) -> Iterator[CellValue | None]:
        """What a factor changes at each combination of the others, between two levels or between any two."""
        pairs = [levels] if levels else list(combinations(range(self.values.sizes[factor]), 2))
        for cell in self.values.cells():
            if cell[factor] == 0:
                for low, high in pairs:
                    yield self.values.difference([with_level(cell, factor, high)], [with_level(cell, factor, low)])

    def _second_differences(self, one: int, other: int) -> Iterator[CellValue | None]:
        for cell in self.values.cells():
            if cell[one] == cell[other] == 0:
                for a, b in combinations(range(self.values.sizes[one]), 2):
                    for m, n in combinations(range(self.values.sizes[other]), 2):
                        levels = product((a, b), (m, n))
                        corner = {(i, j): with_level(with_level(cell, one, i), other, j) for i, j in levels}
                        yield self.values.difference([corner[b, n], corner[a, m]], [corner[a, n], corner[b, m]])

    def _from_base(self, levels: Mapping[int, int]) -> CellValue | None:
        base = (0,) * len(self.values.sizes)
        cell = base
        for factor, level in levels.items():
            cell = with_level(cell, factor, level)
        return self.values.difference([cell], [base])


def with_level(cell: Cell, factor: int, level: int) -> Cell:
    """The cell with another level of one factor."""
    return (*cell[:factor], level, *cell[factor + 1 :])


def _any(contrasts: Iterable[CellValue | None]) -> Answer:
    """Whether one of the contrasts is not zero; unknown where none is, and some are unknown."""
    found: Sequence[CellValue | None] = list(contrasts)
    if any(found):
        return Answer.YES
    return Answer.UNKNOWN if None in found else Answer.NO
