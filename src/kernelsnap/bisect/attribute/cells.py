"""Runs cases in every cell of a table of factors, and keeps what each golden is in each cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from kernelsnap.bisect.attribute.attribution import Attribution, Cell, CellValue, CellValues, with_level
from kernelsnap.bisect.attribute.factors import Cells, Factor
from kernelsnap.bisect.many import SharedRuns
from kernelsnap.bisect.observe.observe import CaseFile, Job, Observation, skipped
from kernelsnap.bisect.observe.state import StateFile
from kernelsnap.diff.compare import Diff, compare
from kernelsnap.golden.build import TOTAL
from kernelsnap.golden.format import render_layer
from kernelsnap.model.golden import Golden


@dataclass(frozen=True)
class CellChange:
    """How a golden differs between two cells."""

    before: Cell
    after: Cell
    diff: Diff


@dataclass(frozen=True)
class GoldenTable:
    """One golden of a case in every cell."""

    name: str  # its case and target
    factors: tuple[Factor, ...]
    goldens: Mapping[Cell, Golden]  # of the cells that recorded it

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that it has."""
        return self.goldens[min(self.goldens)].layers

    @cached_property
    def _aligned(self) -> Mapping[Cell, Golden]:
        """The goldens under the names of one of them, so that a kernel that is new does not rename the others."""
        first = self.goldens[min(self.goldens)]
        return {cell: compare(first, golden).new for cell, golden in self.goldens.items()}

    def texts(self, layer: str) -> dict[Cell, str]:
        """The text of a layer in each cell."""
        return {cell: render_layer(golden, layer) for cell, golden in sorted(self._aligned.items())}

    @cached_property
    def by_layer(self) -> Mapping[str, Attribution]:
        """What each layer depends on, line by line."""
        return {
            layer: self._of({cell: Counter(text.splitlines()) for cell, text in self.texts(layer).items()})
            for layer in self.layers
        }

    @cached_property
    def by_metric(self) -> Mapping[str, Attribution]:
        """What each total depends on; only those that differ anywhere."""
        values = {cell: totals(golden) for cell, golden in self.goldens.items()}
        names = dict.fromkeys(name for numbers in values.values() for name in numbers)
        found = {
            name: self._of({cell: {name: numbers[name]} for cell, numbers in values.items() if name in numbers})
            for name in names
        }
        return {name: attribution for name, attribution in found.items() if attribution.differs}

    @cached_property
    def changes(self) -> tuple[CellChange, ...]:
        """What shows the changes: for each step of a factor, the first two neighbours that differ."""
        found: list[CellChange] = []
        for number, factor in enumerate(self.factors):
            for low in range(len(factor.levels) - 1):
                cells = [cell for cell in sorted(self.goldens) if cell[number] == low]
                found += self._first_change((cell, with_level(cell, number, low + 1)) for cell in cells)
        if not found:
            # No two neighbours are known: any two that differ.
            found += self._first_change((min(self.goldens), cell) for cell in sorted(self.goldens))
        return tuple(found)

    def _first_change(self, pairs: Iterable[tuple[Cell, Cell]]) -> Iterator[CellChange]:
        for before, after in pairs:
            if after in self.goldens and not (diff := compare(self.goldens[before], self.goldens[after])).same:
                yield CellChange(before, after, diff)
                return

    def _of(self, values: Mapping[Cell, CellValue]) -> Attribution:
        return Attribution(CellValues(tuple(len(factor.levels) for factor in self.factors), values))


def totals(golden: Golden) -> dict[str, int]:
    """The metrics of a golden as a whole."""
    return {metric.name: metric.value for metric in golden.metrics if metric.graph == TOTAL}


@dataclass(frozen=True)
class CaseTable:
    """What a case generates in every cell."""

    case: str
    factors: tuple[Factor, ...]
    seen: Mapping[Cell, Observation]

    @cached_property
    def missing(self) -> dict[Cell, str]:
        """The cells in which the case generates nothing, and why."""
        return {cell: seen.skipped for cell, seen in self.seen.items() if seen.skipped}

    @cached_property
    def tables(self) -> tuple[GoldenTable, ...]:
        """A table for each golden of the case."""
        names = dict.fromkeys(name for seen in self.seen.values() for name in seen.goldens)
        return tuple(
            GoldenTable(
                name,
                self.factors,
                {cell: seen.golden(name) for cell, seen in self.seen.items() if name in seen.goldens},
            )
            for name in names
        )

    @property
    def whole(self) -> bool:
        """Whether every cell has every golden."""
        return bool(self.tables) and all(len(table.goldens) == len(self.seen) for table in self.tables)


def observe_table(
    cells: Cells,
    job: Job,
    cases: Sequence[CaseFile],
    states: Mapping[str, StateFile],
    *,
    repeats: int,
    say: Callable[[str], None],
) -> list[CaseTable]:
    """Run every case in every cell, all cases of a cell together; what the states know already is not run again."""
    steps = {cells.step(cell).key: cell for cell in cells.all}
    runs = SharedRuns(lambda step: cells.prepare(steps[step.key]), job, cases, states)
    found: dict[str, dict[Cell, Observation]] = {case.name: {} for case in cases}
    for number, cell in enumerate(cells.all, 1):
        step = cells.step(cell)
        names = list(found)
        for attempt in range(1 + repeats):
            runs.make(step, dict.fromkeys(names, attempt))
            names = [name for name in names if not states[name].known(step.key)[0].skipped]
        for name, table in found.items():
            table[cell] = _agreed(states[name].known(step.key)[: 1 + repeats])
        silent = [table[cell].skipped for table in found.values() if table[cell].skipped]
        answered = f"{len(found) - len(silent)} of {len(found)} cases generate code"
        say(f"{number:3} of {len(cells.all)}  {step.name}  {answered}  {''.join(silent[:1])}".rstrip())
    return [CaseTable(case.name, cells.factors, found[case.name]) for case in cases]


def _agreed(seen: Sequence[Observation]) -> Observation:
    """What a case generates in a cell; nothing where it did not generate the same every time."""
    if len({observation.fingerprint for observation in seen}) > 1:
        return skipped("it did not generate the same when it was run again")
    return seen[0]
