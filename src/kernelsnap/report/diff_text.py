"""The difference of one golden as text: for a failing test, for `git diff` and for `kernelsnap diff --explain`."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.registry import CAUSES
from kernelsnap.diff.compare import Diff, compare
from kernelsnap.diff.metrics import MetricDelta
from kernelsnap.diff.tree.change import Change
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.build import TOTAL
from kernelsnap.golden.format import parse
from kernelsnap.model.golden import LAYERS, RESOURCES
from kernelsnap.report import words
from kernelsnap.report.visible import folded, visible

_BOLD, _RED, _GREEN, _CYAN = "1", "31", "32", "36"
#: Findings shown for each cause in a failing test and in `git diff`; the hunks below them hold all.
_IN_FAILURE, _IN_GIT = 2, 3
#: By the first character of a line, as git colours a diff (see color.diff in git-config).
_COLORS = {"-": _RED, "+": _GREEN, "@": _CYAN}
#: What a verdict is called, and its colour.
_VERDICTS = {"regressed": ("worse", _RED), "improved": ("better", _GREEN), "changed": ("", "")}


def failure_lines(diff: Diff, color: bool) -> list[str]:
    """What a failing test shows: the first layer that differs in words, metric deltas, then every hunk in full."""

    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text

    lines = [paint(visible(words.headline(diff)), _BOLD), *map(visible, _cause_lines(diff, _IN_FAILURE)), ""]
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


def explanation(change: Change, kernel: str = "", width: int = 80) -> str:
    """The layers that differ, what became of the kernels, the effect, and each cause with everything it rests on.

    Lines are folded at `width` characters; with `kernel` the evidence is that of one kernel only.
    """
    return "".join(f"{part}\n" for line in _explained(change, kernel) for part in _folded(visible(line), width))


def _folded(line: str, width: int) -> list[str]:
    text = line.lstrip(" ")
    space = " " * (len(line) - len(text))
    return folded(text, width, space, f"{space}    ")


def _explained(change: Change, kernel: str) -> Iterator[str]:
    yield change.name
    if change.case:
        yield f"test: {change.case}"
        yield f"target: {' '.join((change.target, *change.shared_with))}"
    if change.status != "changed":
        yield change.error or f"the golden is {change.status}"
        return
    yield f"layers that differ: {', '.join(change.layers)}"
    yield f"kernels and library calls: {', '.join(f'{number} {status}' for status, number in change.kernels)}"
    yield f"effect of all causes together: {words.effect(change)}"
    named = dict.fromkeys(finding.where or "golden" for cause in change.causes for finding in cause.findings)
    if kernel and not any(kernel in _called(where) for where in named):
        yield f"no evidence is about {kernel}; there is some about: {', '.join(named)}"
    for cause in change.causes:
        findings = [finding for finding in cause.findings if not kernel or kernel in _called(finding.where)]
        if not findings:
            continue
        yield ""
        yield f"{words.titled(cause)} ({CAUSES[cause.name].meaning}), because:"
        for finding in findings:
            yield f"  {finding.where or 'golden'}: {finding.evidence}"


def _called(where: str) -> tuple[str, ...]:
    """How a user may call the place of a finding: `forward k1`, or `k1`."""
    return where, where.rpartition(" ")[2]
