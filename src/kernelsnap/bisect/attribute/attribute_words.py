"""What an attribution says, in words."""

from __future__ import annotations

from collections.abc import Sequence

from kernelsnap.bisect.attribute.attribute import GoldenTable
from kernelsnap.bisect.attribute.attribution import Attribution, Cell, Effect, Verdict
from kernelsnap.bisect.attribute.factors import Factor

# What is said of one layer, and of several.
_ONE = {"is": "is", "changes": "changes", "it": "it"}
_MANY = {"is": "are", "changes": "change", "it": "them"}
# What a layer's change is called, where these causes say so.
_BY_CAUSE = {
    ("plan", "fusion-split"): "fusion",
    ("plan", "fusion-merge"): "fusion",
    ("config", "launch"): "launch configuration",
}
_MOST_CELLS = 3


def sentences(table: GoldenTable) -> list[str]:
    """Where the change of each layer comes from; layers of which the same is true are told together."""
    told: dict[str, list[str]] = {}
    for layer in table.layers:
        told.setdefault(_predicate(table, table.layer(layer)), []).append(_subject(table, layer))
    return [
        f"The {listed(subjects)} {text.format(**(_ONE if len(subjects) == 1 else _MANY))}."
        for text, subjects in told.items()
    ]


def _subject(table: GoldenTable, layer: str) -> str:
    """What changes in a layer: `fusion` where that is what changed the plan."""
    causes = {cause.name for pair in changed_pairs(table) for cause in table.diff(*pair).causes}
    return next((word for (of, cause), word in _BY_CAUSE.items() if of == layer and cause in causes), layer)


def changed_pairs(table: GoldenTable) -> list[tuple[Cell, Cell]]:
    """Pairs of cells that show the changes: for each step of a factor, the first two neighbours that differ."""
    pairs = []
    for factor, values in enumerate(table.factors):
        for low in range(len(values.levels) - 1):
            cells = [cell for cell in sorted(table.goldens) if cell[factor] == low]
            neighbours = ((cell, (*cell[:factor], low + 1, *cell[factor + 1 :])) for cell in cells)
            pairs += [pair for pair in neighbours if pair[1] in table.goldens and not table.diff(*pair).same][:1]
    if not pairs and len(table.goldens) > 1:
        # No two neighbours are known: any two that differ.
        first = min(table.goldens)
        pairs = [(first, cell) for cell in sorted(table.goldens) if not table.diff(first, cell).same][:1]
    return pairs


def level_name(factor: Factor, level: int) -> str:
    """`torch 2.14.1`."""
    return f"{factor.name} {factor.levels[level]}"


def cell_name(factors: Sequence[Factor], cell: Cell, but: int | None = None) -> str:
    """`torch 2.14.1 with triton 3.8.0`, without one of the factors."""
    pairs = enumerate(zip(factors, cell, strict=True))
    return " with ".join(level_name(factor, level) for number, (factor, level) in pairs if number != but)


def _predicate(table: GoldenTable, found: Attribution) -> str:
    """A sentence without its subject; `{is}` and the like are for one subject or several."""
    factors = table.factors
    titles = [factors[number].title for number in found.changing]
    match found.verdict:
        case Verdict.NONE:
            return "{is} the same in every cell"
        case Verdict.ALONE:
            return f"{{is}} {titles[0]}'s: no other factor changes {{it}}"
        case Verdict.EACH:
            return f"{{changes}} with {listed(titles)}, each by itself"
        case Verdict.TOGETHER:
            sets = [
                listed([level_name(factors[number], level) for number, level in chosen.items()])
                for chosen in found.together
            ]
            none = "neither" if all(len(chosen) == 2 for chosen in found.together) else "none"
            return f"{{changes}} only with {', or with '.join(sets)} together: {none} of them changes {{it}} alone"
        case Verdict.MIXED:
            pairs = [
                f"what {factors[a].title} changes depends on {factors[b].title}"
                for (a, b), effect in found.interactions.items()
                if effect is Effect.YES
            ]
            return f"{{changes}} with {listed(titles)}, and not each by itself: {'; '.join(pairs)}"
        case Verdict.OPEN:
            return f"{_known(found, factors, titles)}, cannot be told: {_missing(table, found)}"


def _known(found: Attribution, factors: Sequence[Factor], titles: Sequence[str]) -> str:
    others = [factors[number].title for number, effect in enumerate(found.effects) if effect is Effect.UNKNOWN]
    if not found.differs:
        return f"{{is}} the same wherever known; whether {listed(others, 'or')} changes {{it}} elsewhere"
    if not titles:
        return f"{{changes}}, and whether with {listed(others, 'or')}"
    if others:
        return f"{{changes}} with {listed(titles)}; whether also with {listed(others, 'or')}"
    return f"{{changes}} with {listed(titles)}; whether each by itself"


def _missing(table: GoldenTable, found: Attribution) -> str:
    cells = [cell for cell in found.table.cells() if cell not in table.goldens]
    if len(cells) > _MOST_CELLS:
        return f"nothing is known of {len(cells)} cells"
    return f"nothing is known of {listed([cell_name(table.factors, cell) for cell in cells])}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return f" {last} ".join([*([", ".join(words[:-1])] if words[:-1] else []), *words[-1:]])
