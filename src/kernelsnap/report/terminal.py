"""A diff on a terminal, and in the message of a failing test."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.compare import Diff
from kernelsnap.diff.metrics import MetricDelta
from kernelsnap.golden.build import TOTAL
from kernelsnap.model.golden import LAYERS, RESOURCES
from kernelsnap.report.phrases import cause_lines, percent, value
from kernelsnap.report.visible import visible
from kernelsnap.report.words import headline

_BOLD, _RED, _GREEN, _CYAN = "1", "31", "32", "36"
#: Evidence shown for each cause; the hunks below hold all of it.
_EVIDENCE = 2
_COLORS = {"-": _RED, "+": _GREEN, "@": _CYAN}
#: What a verdict is called, and its colour.
_VERDICTS = {"regressed": ("worse", _RED), "improved": ("better", _GREEN), "changed": ("", "")}


def failure_lines(diff: Diff, color: bool) -> list[str]:
    """What a failing test shows: the first layer that differs in words, metric deltas, then every hunk in full."""

    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text

    lines = [paint(visible(headline(diff)), _BOLD), *map(visible, _cause_lines(diff)), ""]
    lines += [paint(line, code) for line, code in _metric_lines(diff.metrics)]
    first = [diff.first_layer] if diff.first_layer else []
    for layer in dict.fromkeys([*first, *LAYERS, RESOURCES]):
        found = [hunk.to_read() for hunk in diff.hunks if hunk.layer == layer]
        if found:
            heading = layer if layer in diff.layers else f"{layer} (names only)"
            lines += ["", paint(heading, _BOLD)]
            text = (visible(line) for hunk in found for line in (hunk.header, *hunk.lines))
            lines += [paint(line, _COLORS.get(line[0], "")) for line in text]
    return lines


def _cause_lines(diff: Diff) -> Iterator[str]:
    """Each cause with its effect and first evidence: `cause: fusion split, +1 kernel, +400 B: k0 -> k0, k1`."""
    for cause in diff.causes:
        for title, line in cause_lines(cause, most=_EVIDENCE):
            yield f"cause: {title}: {line}"


def _metric_lines(deltas: tuple[MetricDelta, ...]) -> Iterator[tuple[str, str]]:
    """The metrics that changed, in columns; those of single graphs below the totals."""
    changed = [delta for delta in deltas if delta.verdict != "unchanged"]
    if not changed:
        yield "no metric changed", ""
        return
    alone = {delta.graph: _only_in(deltas, delta.graph) for delta in changed}
    rows = [(delta, _columns(delta)) for delta in changed if not alone[delta.graph]]
    widths = [max((len(columns[place]) for _, columns in rows), default=0) for place in range(4)]
    graph = TOTAL
    for delta, (name, old, new, share) in rows:
        if delta.graph != graph:
            graph = delta.graph
            yield graph, ""
        verdict, code = _VERDICTS[delta.verdict]
        text = f"{name:<{widths[0]}}  {old:>{widths[1]}} -> {new:>{widths[2]}}  {share:>{widths[3]}}  {verdict}"
        yield text.rstrip(), code
    yield from ((f"{graph}: no metrics in the {side} golden", "") for graph, side in alone.items() if side)


def _only_in(deltas: tuple[MetricDelta, ...], graph: str) -> str:
    """Which golden has nothing for a graph: "old", "new", or "" if both have something."""
    found = [delta for delta in deltas if delta.graph == graph]
    return next((side for side in ("old", "new") if all(getattr(delta, side) is None for delta in found)), "")


def _columns(delta: MetricDelta) -> tuple[str, str, str, str]:
    name = delta.name if delta.graph == TOTAL else f"  {delta.name}"
    share = "" if delta.percent is None else percent(delta.percent)
    return name, value(delta.old, delta.unit), value(delta.new, delta.unit), share
