"""The difference of one golden as text: for a failing test, for `git diff` and for `kernelsnap diff --explain`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kernelsnap.diff.causes.registry import CAUSES
from kernelsnap.diff.compare import Diff, compare
from kernelsnap.diff.metrics import MetricDelta
from kernelsnap.diff.text.hunks import Hunk
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.estimates import time_by_part
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.build import TOTAL
from kernelsnap.golden.format import parse
from kernelsnap.model.golden import LAYERS, RESOURCES
from kernelsnap.report import words
from kernelsnap.report.headline import headline
from kernelsnap.report.visible import folded, visible
from kernelsnap.shared.wording import first_few, listed

_BOLD, _RED, _GREEN, _CYAN = "1", "31", "32", "36"
#: Findings shown for each cause in a failing test and in `git diff`; the hunks below them hold all.
_IN_FAILURE, _IN_GIT = 2, 3
#: Lines of the user's source that are shown for each kernel.
_SOURCES = 8
#: By the first character of a line, as git colours a diff (see color.diff in git-config).
_COLORS = {"-": _RED, "+": _GREEN, "@": _CYAN}
#: What a verdict is called, and its colour.


def failure_lines(diff: Diff, color: bool) -> list[str]:
    """What a failing test shows: the first layer that differs in words, metric deltas, then every hunk in full."""

    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text

    lines = [paint(visible(headline(diff)), _BOLD), *map(visible, _cause_lines(diff, _IN_FAILURE)), ""]
    lines += [
        paint(visible(line), code) for line, code in (*_metric_lines(diff.metrics), *_hunk_lines(diff, diff.hunks))
    ]
    return lines


def _hunk_lines(diff: Diff, hunks: Sequence[Hunk]) -> Iterator[tuple[str, str]]:
    """Hunks in full, below the headings of their layers, the first that differs first; each line with its colour."""
    first = [diff.first_layer] if diff.first_layer else []
    for layer in dict.fromkeys([*first, *LAYERS, RESOURCES]):
        found = [hunk.to_read() for hunk in hunks if hunk.layer == layer]
        if found:
            yield "", ""
            yield (layer if layer in diff.layers else f"{layer} (names only)"), _BOLD
            lines = (line for hunk in found for line in (hunk.header, *hunk.lines))
            yield from ((line, _COLORS.get(line[0], "")) for line in lines)


def _cause_lines(diff: Diff, most: int) -> Iterator[str]:
    """Each cause with its effect and first evidence: `cause: fusion split, +1 kernel, +400 B: k0 -> k0, k1`."""
    for cause in diff.causes:
        for title, line in words.cause_lines(cause, most):
            yield f"cause: {title}: {line}"


def _metric_lines(deltas: tuple[MetricDelta, ...]) -> Iterator[tuple[str, str]]:
    """The metrics that changed, in columns: the totals, then graph by graph."""
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
        yield f"{name:<{widths[0]}}  {old:>{widths[1]}} -> {new:>{widths[2]}}  {share:>{widths[3]}}".rstrip(), ""
    yield from ((f"{graph}: no metrics in the {side} golden", "") for graph, side in alone.items() if side)


def _only_in(deltas: tuple[MetricDelta, ...], graph: str) -> str:
    """Which golden has nothing for a graph: "old", "new", or "" if both have something."""
    found = [delta for delta in deltas if delta.graph == graph]
    return next((side for side in ("old", "new") if all(getattr(delta, side) is None for delta in found)), "")


def _columns(delta: MetricDelta) -> tuple[str, str, str, str]:
    name = delta.name if delta.graph == TOTAL else f"  {delta.name}"
    share = "" if delta.percent is None else words.percent(delta.percent)
    return name, words.value(delta.old, delta.unit), words.value(delta.new, delta.unit), share


def driver_text(
    path: str,
    old: str | None,
    new: str | None,
    *,
    target: str = "",
    modes: tuple[str, str] = ("", ""),
    color: bool = False,
) -> str:
    """The text for one file; None is a side on which it does not exist. What cannot be read is said to be so.

    `target` is the path of the new side where that is another one, and `modes` are those of the file if it changed.
    """
    head = [f"diff --kernelsnap a/{path} b/{target or path}"]
    if target not in ("", path):
        head += [f"rename from {path}", f"rename to {target}"]
    if any(modes):
        head += [f"old mode {modes[0]}", f"new mode {modes[1]}"]
    if old is None or new is None:
        sign, text = ("+", new or "") if old is None else ("-", old)
        head.append(f"{'new' if old is None else 'deleted'} golden")
        body = [f"{sign}{line}" for line in text.removesuffix("\n").split("\n")]
    else:
        try:
            body = list(_difference(path, old, new))
        except (KernelsnapError, SyntaxError) as error:
            body = [f"cannot be compared as a golden: {error}; see `git diff --no-ext-diff`"]
    lines = [(visible(line), _BOLD) for line in head] + [(visible(line), _COLORS.get(line[:1], "")) for line in body]
    return "".join(f"\x1b[{code}m{line}\x1b[m\n" if color and code else f"{line}\n" for line, code in lines)


def _difference(path: str, old: str, new: str) -> Iterator[str]:
    if old == new:
        return
    diff = compare(parse(old, f"a/{path}"), parse(new, f"b/{path}"))
    if diff.same:
        yield "only names differ"
        return
    yield from _cause_lines(diff, _IN_GIT)
    for hunk in diff.hunks:
        short = hunk.to_read()
        yield short.header
        yield from short.lines


def explanation(
    change: Change,
    diff: Diff | None,
    kernel: str = "",
    width: int = 80,
    line: str = "",
    sources: Mapping[str, Sequence[str]] | None = None,
    *,
    color: bool = False,
) -> str:
    """All that a failing test shows, with all evidence of each cause; with `kernel`, what is about that kernel only.

    Lines are folded at `width` characters; `line` is the line of the user's test that compared it, `sources` are
    the lines of the user's that each kernel comes from.
    """
    text = []
    for part, code in _explained(change, diff, kernel, line, sources or {}):
        for piece in _folded(visible(part), width, is_code=bool(code) and code in _COLORS.values()):
            text.append(f"\x1b[{code}m{piece}\x1b[0m\n" if color and code and piece else f"{piece}\n")
    return "".join(text)


def _folded(line: str, width: int, *, is_code: bool) -> list[str]:
    """A line in parts; those of a line of code that was removed or added are removed or added as it is."""
    if is_code and line[:1] in "-+":
        return folded(line[1:], width, line[0], f"{line[0]}{' ' * 12}")
    text = line.lstrip(" ")
    space = " " * (len(line) - len(text))
    return folded(text, width, space, f"{space}    ")


def _explained(
    change: Change, diff: Diff | None, kernel: str, line: str, sources: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    yield change.name, _BOLD
    if change.case:
        yield f"test: {change.case}", ""
        yield f"target: {' '.join((change.target, *change.shared_with))}", ""
    if line:
        yield f"compared at {line}", ""
    if diff is None:
        yield change.error or f"the golden is {change.status}", ""
        return
    yield headline(diff), _BOLD
    yield f"layers that differ: {', '.join(change.layers)}", ""
    yield f"kernels and library calls: {', '.join(f'{number} {status}' for status, number in change.kernels)}", ""
    yield f"effect of all causes together: {words.effect(change)}", ""
    hunks = [hunk for hunk in diff.hunks if not kernel or any(kernel in _called(where) for where in hunk.about)]
    if kernel and not hunks:
        there = {
            f"{plan.graph} {step.name}" for side in (diff.old, diff.new) for plan in side.plan for step in plan.steps
        }
        is_there = any(kernel in _called(place) for place in there)
        what = f"nothing differs in {kernel}" if is_there else f"there is no {kernel}"
        yield f"{what}; something differs in {listed(_places(diff.hunks), 20)}", ""
    for place in _places(hunks):
        if place in sources:
            yield "", ""
            yield f"{place} comes from:", ""
            yield from ((f"  {text}", "") for text in first_few(sources[place], _SOURCES))
    near = _same_pair(diff, kernel)
    parts = time_by_part(diff) if change.time.told else None
    yield from ((f"estimated: {text}", "") for text in words.kernel_times(parts, None))
    for cause, time in words.causes_with_time(change, parts):
        findings = [finding for finding in cause.findings if not kernel or not near.isdisjoint(_called(finding.where))]
        if findings:
            yield "", ""
            yield f"{words.titled(cause, time)} ({CAUSES[cause.name].meaning}), because:", ""
            yield from ((f"  {finding.where or 'golden'}: {finding.evidence}", "") for finding in findings)
    if not kernel:
        yield "", ""
        yield from _metric_lines(diff.metrics)
    yield from _hunk_lines(diff, hunks)


def _same_pair(diff: Diff, kernel: str) -> set[str]:
    """A kernel, and those that it was split from or merged with: evidence about one of them is about all."""
    names = ([f"{part.graph} {part.name}" for part in (*pair.old, *pair.new)] for pair in diff.pairs)
    return {kernel}.union(*(of for of in names if any(kernel in _called(name) for name in of)))


def _places(hunks: Iterable[Hunk]) -> list[str]:
    """What hunks are about."""
    return [place for place in dict.fromkeys(where for hunk in hunks for where in hunk.about) if place]


def _called(where: str) -> tuple[str, ...]:
    """How a user may call a place: `forward k1`, or `k1`."""
    return where, where.rpartition(" ")[2]
