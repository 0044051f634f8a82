"""Renders and parses the section `why` of a golden, its last: what the compiler decided, and its reasons.

    why
      forward
        apart  k0 k1, k0 k2  size  numel/rnumel mismatch (non-reduce) (100, 1), (10, 1)
        kernel  k0  reduction  persistent, hint inner, 10 rows of 10 elements
        graph  attention  flash: the inputs are half precision
        passes  remove_noop_ops 1  reorder_for_locality 1
        more  12
        op  add = add.Tensor(%arg0_1, 2.0)  f32[10]  k0 k1
        op  mul = mul.Tensor(%add, 0.5)  f32[10]  of gelu  k1

It is never compared: two goldens that differ in it only are equal, and a golden is not written anew for it. Names of
steps are not looked up in the plan, so that a merge by git of two changed goldens still gives one that is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.golden.lines import Lines
from kernelsnap.model.golden import WHY, Golden
from kernelsnap.model.why import FIRED, Apart, Decided, Fired, Operation, Reason, Why

_HEADING = f"\n\n{WHY}\n"
_APART, _KERNEL, _GRAPH, _MORE, _OP = "apart", "kernel", "graph", "more", "op"
_ORIGIN = "of "
_NO_RESULT = "-"


def without_why(text: str) -> str:
    """The text of a golden without the section: what is compared."""
    head, found, _ = text.rpartition(_HEADING)
    return f"{head}\n\nend\n" if found else text


def why_lines(golden: Golden) -> Iterator[str]:
    """The lines of the section, without its heading."""
    for why in golden.why:
        yield f"  {why.graph}"
        for apart in why.apart:
            pairs = ", ".join(" ".join(pair) for pair in apart.pairs)
            yield f"    {_APART}  {pairs}  {apart.reason}  {apart.text}"
        for decided in why.decided:
            about = f"{_KERNEL}  {decided.kernel}" if decided.kernel else _GRAPH
            yield f"    {about}  {decided.what}  {decided.text}"
        for fired in why.fired:
            yield f"    {'  '.join([fired.kind, *(f'{name} {times}' for name, times in fired.times)])}"
        if why.more:
            yield f"    {_MORE}  {why.more}"
        for op in why.operations:
            origin = [f"{_ORIGIN}{op.origin}"] if op.origin else []
            fields = [f"{op.name} = {op.expression}", op.result or _NO_RESULT, *origin, " ".join(op.steps)]
            yield f"    {_OP}  {'  '.join(filter(None, fields))}"


def parse_why(lines: Lines) -> Iterator[Why]:
    """The section, whose heading comes next. Raises `GoldenFormatError` for a line that is not one of it."""
    lines.heading(WHY)
    while (graph := lines.at(indent=1)) is not None:
        apart, decided, fired, operations, more = [], [], [], [], 0
        while (line := lines.at(indent=2)) is not None:
            key, _, rest = line.partition("  ")
            if key == _APART:
                apart.append(_parse_apart(lines, rest))
            elif key == _KERNEL:
                decided.append(Decided(*_fields(lines, rest, 3)))
            elif key == _GRAPH:
                decided.append(Decided("", *_fields(lines, rest, 2)))
            elif key in FIRED:
                fired.append(Fired(key, tuple(_counted(lines, field) for field in rest.split("  "))))
            elif key == _OP:
                operations.append(_parse_operation(lines, rest))
            elif key == _MORE:
                more = lines.number(rest, line)
            else:
                lines.fail(f"not a line of `{WHY}`: {line!r}")
        yield Why(graph, tuple(apart), tuple(decided), tuple(fired), more, tuple(operations))


def _parse_apart(lines: Lines, text: str) -> Apart:
    pairs, reason, words = _fields(lines, text, 3)
    if reason not in tuple(Reason):
        lines.fail(f"not a kind of reason: {reason!r}; there is {', '.join(Reason)}")
    return Apart(tuple(_pair(lines, pair) for pair in pairs.split(", ")), Reason(reason), words)


def _parse_operation(lines: Lines, text: str) -> Operation:
    made, result, *rest = [*text.split("  "), ""][:4] if "  " in text else lines.fail(f"expected 2 fields: {text!r}")
    name, equals, expression = made.partition(" = ")
    if not equals or not expression.endswith(")") or "(" not in expression:
        lines.fail(f"not an operation: {made!r}")
    origin = rest.pop(0).removeprefix(_ORIGIN) if rest[0].startswith(_ORIGIN) else ""
    steps = tuple(rest[0].split(" ")) if rest and rest[0] else ()
    return Operation(name, expression, "" if result == _NO_RESULT else result, origin, steps)


def _pair(lines: Lines, text: str) -> tuple[str, str]:
    first, _, second = text.partition(" ")
    if not first or not second or " " in second:
        lines.fail(f"not two steps: {text!r}")
    return first, second


def _counted(lines: Lines, text: str) -> tuple[str, int]:
    name, _, times = text.rpartition(" ")
    if not name:
        lines.fail(f"not a name and a number: {text!r}")
    return name, lines.number(times, text)


def _fields(lines: Lines, text: str, number: int) -> tuple[str, ...]:
    fields = text.split("  ", number - 1)
    if len(fields) != number or not all(fields):
        lines.fail(f"expected {number} fields: {text!r}")
    return tuple(fields)
