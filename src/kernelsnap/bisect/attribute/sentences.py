"""The sentences of an attribution: which factor each layer's change comes from."""

from __future__ import annotations

from collections.abc import Sequence

from kernelsnap.bisect.attribute.attribution import Attribution, Cell, Verdict
from kernelsnap.bisect.attribute.cells import GoldenTable
from kernelsnap.bisect.attribute.factors import Factor
from kernelsnap.bisect.search import Answer
from kernelsnap.diff.causes.cause_names import CauseName

# The words of a sentence about one layer, and about several.
_ONE = {"is": "is", "changes": "changes", "it": "it"}
_MANY = {"is": "are", "changes": "change", "it": "them"}
# What a layer's change is called, where it has one of these causes.
_BY_CAUSE = {
    ("plan", CauseName.FUSION_SPLIT): "fusion",
    ("plan", CauseName.FUSION_MERGE): "fusion",
    ("config", CauseName.LAUNCH): "launch configuration",
}
_MOST_CELLS = 3


def sentences(table: GoldenTable) -> list[str]:
    """Where the change of each layer comes from; layers with the same answer share a sentence."""
    said: dict[str, list[str]] = {}
    for layer, found in table.by_layer.items():
        said.setdefault(_predicate(table, found), []).append(_subject(table, layer))
    return [
        f"The {listed(subjects)} {text.format(**(_ONE if len(subjects) == 1 else _MANY))}."
        for text, subjects in said.items()
    ]


def _subject(table: GoldenTable, layer: str) -> str:
    """What changes in a layer: `fusion` where that is what changed the plan."""
    causes = {cause.name for change in table.changes for cause in change.diff.causes}
    return next((word for (of, cause), word in _BY_CAUSE.items() if of == layer and cause in causes), layer)


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
                if effect is Answer.YES
            ]
            return f"{{changes}} with {listed(titles)}, and not each by itself: {'; '.join(pairs)}"
        case Verdict.OPEN:
            return f"{_known(found, factors, titles)}, cannot be told: {_missing(table, found)}"


def _known(found: Attribution, factors: Sequence[Factor], titles: Sequence[str]) -> str:
    others = [factors[number].title for number, effect in enumerate(found.effects) if effect is Answer.UNKNOWN]
    if not found.differs:
        return f"{{is}} the same wherever known; whether {listed(others, 'or')} changes {{it}} elsewhere"
    if not titles:
        return f"{{changes}}, and whether with {listed(others, 'or')}"
    if others:
        return f"{{changes}} with {listed(titles)}; whether also with {listed(others, 'or')}"
    return f"{{changes}} with {listed(titles)}; whether each by itself"


def _missing(table: GoldenTable, found: Attribution) -> str:
    cells = [cell for cell in found.values.cells() if cell not in table.goldens]
    if len(cells) > _MOST_CELLS:
        return f"nothing is known of {len(cells)} cells"
    return f"nothing is known of {listed([cell_name(table.factors, cell) for cell in cells])}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return f" {last} ".join([*([", ".join(words[:-1])] if words[:-1] else []), *words[-1:]])
