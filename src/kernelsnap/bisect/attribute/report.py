"""Writes an attribution: which factor each layer's change comes from, in sentences, tables, diffs, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kernelsnap.bisect.attribute.attribution import Attribution, Cell, Verdict, with_level
from kernelsnap.bisect.attribute.cells import CaseTable, CellChange, GoldenTable, totals
from kernelsnap.bisect.attribute.factors import Factor
from kernelsnap.bisect.outcome import moved
from kernelsnap.bisect.report import diff_data, environment, letters, row
from kernelsnap.bisect.search import Answer
from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.report.diff_text import failure_lines

_MARKS = {Answer.YES: "changes", Answer.NO: "", Answer.UNKNOWN: "?"}


def markdown(cases: Sequence[CaseTable], command: str) -> str:
    """Each case with what its change comes from, its table and diffs; then the environment and the command."""
    lines: list[str] = []
    for case in cases:
        lines += [f"# {case.case}", ""]
        for table in case.tables:
            lines += _golden(case, table, several=len(case.tables) > 1)
        if not case.tables:
            lines += ["No cell generates anything.", ""]
        lines += [*_silent(case), *_besides(case)]
    lines += environment("Environment", _everywhere(cases), [command])
    return "\n".join(lines) + "\n"


def _golden(case: CaseTable, table: GoldenTable, *, several: bool) -> Iterator[str]:
    if several:
        yield from (f"## {table.name}", "")
    yield from (sentence for text in sentences(table) for sentence in (text, ""))
    yield from _cells(case, table)
    yield ""
    yield from _effects(table)
    yield ""
    shown: dict[tuple[str, ...], str] = {}
    for change in table.changes:
        heading, lines = _heading(table, change), failure_lines(change.diff, color=False)
        yield from (f"### {heading}", "")
        if (first := shown.setdefault(tuple(lines), heading)) != heading:
            yield from (f"The same as {first}.", "")
        else:
            yield from ("```diff", *lines, "```", "")


def _heading(table: GoldenTable, change: CellChange) -> str:
    """`torch 2.13.0 -> 2.14.1, with triton 3.7.1`."""
    before, after = change.before, change.after
    changed = [number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    steps = " and ".join(
        f"{level_name(table.factors[number], before[number])} -> {table.factors[number].levels[after[number]]}"
        for number in changed
    )
    held = cell_name(table.factors, before, changed[0]) if len(changed) == 1 < len(table.factors) else ""
    return f"{steps}, with {held}" if held else steps


def _cells(case: CaseTable, table: GoldenTable) -> Iterator[str]:
    """The whole table; equal layers have the same letter."""
    metrics = list(table.by_metric)
    letter = {layer: _letters(table, layer) for layer in table.layers}
    names = [factor.name for factor in table.factors]
    yield row([*names, *table.layers, *metrics])
    yield row(["---"] * (len(names) + len(table.layers) + len(metrics)))
    for cell in sorted(case.seen):
        levels = [factor.levels[level] for factor, level in zip(table.factors, cell, strict=True)]
        if cell not in table.goldens:
            yield row([*levels, *["?"] * (len(table.layers) + len(metrics))])
            continue
        values = totals(table.goldens[cell])
        yield row(
            [*levels, *(letter[layer][cell] for layer in table.layers), *(str(values.get(m, "")) for m in metrics)]
        )


def _effects(table: GoldenTable) -> Iterator[str]:
    """Main effects and interactions: of layers whether there are any, of metrics what they are."""
    layers, metrics = table.by_layer, table.by_metric
    yield row(["effect of", *table.layers, *metrics])
    yield row(["---"] * (1 + len(table.layers) + len(metrics)))
    for number, factor in enumerate(table.factors):
        for low in range(len(factor.levels) - 1):
            step = (low, low + 1)
            marks = [_MARKS[found.effect(number, step)] for found in layers.values()]
            numbers = [_span(found, number, step) for found in metrics.values()]
            yield row([f"{level_name(factor, low)} -> {factor.levels[low + 1]}", *marks, *numbers])
    for pair in next(iter(layers.values())).interactions:
        name = " x ".join(table.factors[number].name for number in pair)
        yield row([name, *(_MARKS[found.interactions[pair]] for found in (*layers.values(), *metrics.values()))])


def _span(found: Attribution, factor: int, step: tuple[int, int]) -> str:
    """What a factor adds to a metric: `+1`, or `0 to +2` where that depends on the others."""
    known = [sum(contrast.values()) for contrast in found.contrasts(factor, step) if contrast is not None]
    if not known:
        return "?"
    low, high = min(known), max(known)
    text = f"{low:+d}" if low == high else f"{low:+d} to {high:+d}"
    return text.replace("+0", "0")


def _silent(case: CaseTable) -> Iterator[str]:
    if case.missing:
        yield from ("Nothing is known of:", "")
        for cell, reason in sorted(case.missing.items()):
            yield f"- {cell_name(case.factors, cell)}: {reason}"
        yield ""


def _besides(case: CaseTable) -> Iterator[str]:
    """What a factor brought along: another version of a package that is no factor."""
    names = {factor.name for factor in case.factors}
    known = [cell for cell in sorted(case.seen) if cell not in case.missing]
    found: dict[str, list[str]] = {}
    for number, factor in enumerate(case.factors):
        for cell in known:
            other = with_level(cell, number, cell[number] + 1)
            if other in known:
                with_it = [text for text in moved(case.seen[cell], case.seen[other]) if text.split()[0] not in names]
                found |= {f"{level_name(factor, cell[number])} -> {factor.levels[other[number]]}": with_it}
    for step, texts in found.items():
        if texts:
            yield from (f"With {step} also: {', '.join(texts)}. What is said of the one may be the other's.", "")


def _everywhere(cases: Sequence[CaseTable]) -> dict[str, str]:
    """The versions that are the same in every cell."""
    found = [seen.toolchain.items() for case in cases for seen in case.seen.values() if not seen.skipped]
    return dict(item for item in (found[0] if found else ()) if all(item in items for items in found))


def _letters(table: GoldenTable, layer: str) -> dict[Cell, str]:
    """The same letter for cells in which a layer is the same."""
    texts = table.texts(layer)
    by_text = letters(texts.values())
    return {cell: by_text[text] for cell, text in texts.items()}


def table_data(cases: Sequence[CaseTable], command: str) -> dict[str, Any]:
    """What JSON holds of an attribution."""
    return {"cases": [_case(case) for case in cases], "command": command}


def _case(case: CaseTable) -> dict[str, Any]:
    return {
        "case": case.case,
        "factors": [{"kind": f.kind, "name": f.name, "levels": list(f.levels)} for f in case.factors],
        "cells": [
            {"levels": _levels(case.factors, cell), "unknown": seen.skipped, "toolchain": dict(seen.toolchain)}
            for cell, seen in sorted(case.seen.items())
        ],
        "goldens": [_table(table) for table in case.tables],
        "besides": [text for text in _besides(case) if text],
    }


def _table(table: GoldenTable) -> dict[str, Any]:
    letter = {layer: _letters(table, layer) for layer in table.layers}
    return {
        "golden": table.name,
        "says": sentences(table),
        "layers": {layer: _attribution(found, table.factors) for layer, found in table.by_layer.items()},
        "metrics": {name: _attribution(found, table.factors) for name, found in table.by_metric.items()},
        "cells": [
            {
                "levels": _levels(table.factors, cell),
                "layers": {layer: letter[layer][cell] for layer in table.layers},
                "metrics": totals(golden),
            }
            for cell, golden in sorted(table.goldens.items())
        ],
        "changes": [
            {
                "before": _levels(table.factors, change.before),
                "after": _levels(table.factors, change.after),
                **{key: data[key] for key in ("says", "causes", "lines")},
            }
            for change in table.changes
            for data in [diff_data(change.diff)]
        ],
    }


def _attribution(found: Attribution, factors: Sequence[Factor]) -> dict[str, Any]:
    return {
        "verdict": str(found.verdict),
        "effects": {factor.name: str(effect) for factor, effect in zip(factors, found.effects, strict=True)},
        "interactions": [
            {"factors": [factors[number].name for number in pair], "effect": str(effect)}
            for pair, effect in found.interactions.items()
        ],
        "together": [{factors[f].name: factors[f].levels[level] for f, level in one.items()} for one in found.together],
    }


def _levels(factors: Sequence[Factor], cell: Cell) -> dict[str, str]:
    return {factor.name: factor.levels[level] for factor, level in zip(factors, cell, strict=True)}


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
