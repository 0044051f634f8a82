"""Renders and parses golden files, without loss: their format 1.

    kernelsnap 1
    case tests/corpus/test_fusion.py::test_softmax_inner
    target h100

    plan
      inference  1 kernel  0 extern
        inputs  x: arg0 f32[10, 10]
        k0  persistent reduction  x 10  r0 10
          softmax = amax sub exp sum div
          reads  x
          writes  buf0 f32[10, 10]
        outputs  buf0

    metrics
      total
        kernels  1
      inference
        kernels  1

    config
      inference  k0
        launch  XBLOCK 1  warps 2  stages 1
        grid_type = 'Grid1D'

    code
      inference  k0
        def k0(in_ptr0, ...):
            ...

    end

A tensor has the name that the user gave it; where the graph takes it, the code's name for it stands behind the colon,
and `kernelsnap.golden.user_names` has the rules. More than four tensors of a kind stand in lines of their own:

        outputs
          grad(x): buf3
          ...

Two spaces indent a level; two or more spaces separate the fields of a line. A line holds one thing, so that a change of
one thing changes one line. The last line is `end`: a file without it was cut off.

A golden that other targets share names them all, its own first: `target h100 a100`.

Format 2 leaves out what the template of a kernel gives. It is turned into format 1 before it is parsed, and made of
format 1 when it is written (`kernelsnap.golden.templates.folding`).

A golden that is compared together with its resources has them at its end, under `resources`; its file never has.

What the compiler decided, and its reasons, come last, under `why`; `kernelsnap.golden.why_section` has the form.

A golden that leaves layers out names those it has below its target, `layers plan metrics`, and has no heading for the
others. A layer with a heading and no lines was recorded, and is empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden.choices import CHOICE, parse_choice, render_choice
from kernelsnap.golden.lines import Lines, parse_launch, render_launch
from kernelsnap.golden.resources import entry_lines, parse_entries
from kernelsnap.golden.templates.folding import FORMAT, is_folded, templates_named
from kernelsnap.golden.user_names import as_named
from kernelsnap.golden.why_section import parse_why, why_lines
from kernelsnap.model.capture import Buffer, FusedOp
from kernelsnap.model.golden import (
    LAYERS,
    RESOURCES,
    WHY,
    Code,
    Golden,
    KernelChoice,
    KernelConfig,
    Metric,
    Plan,
    PlanStep,
    only_layers,
)
from kernelsnap.model.metrics import METRIC
from kernelsnap.model.resources import Resources
from kernelsnap.normalize.meta import without_hints

#: Replaces resources whose file cannot be read, with the reason.
UNREADABLE = "unreadable"

_WHOLE = 1
#: Of more tensors than these, each has a line.
_IN_A_ROW = 4
_NAMED = ": "

# buf0 f32[64, 1]   |   buf0
_BUFFER = re.compile(r"(\S+)(?: (\w+)?(?:\[(.*)\])?)?\Z")
# softmax = amax sub exp sum div
_OP = re.compile(r"(.*?) = (.*)\Z", re.DOTALL)
# Operations that no expression of the user's became: what a graph pass or the autograd formulas made.
_NO_SOURCE = "(no source)"


def render(golden: Golden, in_a_row: float = _IN_A_ROW) -> str:
    """The text of a golden file; `parse` gives back an equal golden. More tensors than `in_a_row` have lines."""
    lines = [f"kernelsnap {_WHOLE}", f"case {golden.case}", f"target {' '.join([golden.target, *golden.shared_with])}"]
    if golden.layers != LAYERS:
        lines.append(f"layers {' '.join(golden.layers)}")
    for layer in golden.layers:
        lines += ["", layer, *(_plan(golden, in_a_row) if layer == "plan" else _RENDER[layer](golden))]
    if golden.resources:
        lines += ["", RESOURCES, *(line for found in golden.resources for line in entry_lines(found, found.target))]
    if golden.why:
        lines += ["", WHY, *why_lines(golden)]
    return "\n".join([*lines, "", "end"]) + "\n"


def render_layer(golden: Golden, layer: str) -> str:
    """The text of one layer, as in the file, without its heading."""
    return "".join(f"{line}\n" for line in _RENDER[layer](golden))


def _plan(golden: Golden, in_a_row: float = _IN_A_ROW) -> Iterator[str]:
    if golden.refusal:
        yield f"  refused  {golden.refusal}"
    for reason in golden.graph_breaks:
        yield f"  graph break  {reason}"
    for plan in golden.plan:
        kernels = sum(step.kind != "extern" for step in plan.steps)
        extern = len(plan.steps) - kernels
        yield f"  {plan.graph}  {kernels} kernel{'' if kernels == 1 else 's'}  {extern} extern"
        names, results = dict(plan.names), plan.results or ("",) * len(plan.outputs)
        inputs = [_with(names.get(buffer.name, ""), str(buffer)) for buffer in plan.inputs]
        yield from _row(4, "inputs", inputs, in_a_row)
        yield from _row(4, "memory", list(map(str, plan.memory)), in_a_row)
        plan = as_named(plan)
        for step in plan.steps:
            yield "    " + "  ".join([step.name, step.kind, *(f"{name} {size}" for name, size in step.sizes)])
            for op in step.ops:
                yield f"      {op.source or _NO_SOURCE} = {' '.join(op.aten)}"
            yield from _row(6, "reads", step.reads, in_a_row)
            yield from _row(6, "writes", list(map(str, step.writes)), in_a_row)
        yield from _row(4, "outputs", list(map(_with, results, plan.outputs)), in_a_row)


def _row(indent: int, key: str, values: Sequence[str], in_a_row: float) -> Iterator[str]:
    """`key` and its values in one line; of many each in its own, so that one more is one line more."""
    space = " " * indent
    if len(values) > in_a_row:
        yield f"{space}{key}"
        yield from (f"{space}  {value}" for value in values)
    elif values:
        yield f"{space}{key}  {'  '.join(values)}"


def _with(name: str, text: str) -> str:
    """`x: arg0 f32[64]`: what the user calls a tensor, and what the code does."""
    return f"{name}{_NAMED}{text}" if name else text


def _metrics(golden: Golden) -> Iterator[str]:
    graph = None
    for metric in golden.metrics:
        if metric.graph != graph:
            graph = metric.graph
            yield f"  {graph}"
        yield f"    {metric.name}  {metric.value}"


def _config(golden: Golden) -> Iterator[str]:
    for config in golden.config:
        yield f"  {config.graph}  {config.kernel}"
        for launch in config.configs:
            yield f"    launch  {render_launch(launch)}"
        for name, value in config.meta:
            yield f"    {name} = {value}"
    for choice in golden.choices:
        yield from render_choice(choice)


def _code(golden: Golden) -> Iterator[str]:
    for code in golden.code:
        yield f"  {code.graph}  {code.name}"
        # Not splitlines, which takes form feeds and Unicode's separators for line ends.
        for line in code.text.split("\n")[:-1]:
            yield f"    {line}" if line else ""


_RENDER: Mapping[str, Callable[[Golden], Iterator[str]]] = {
    "plan": _plan,
    "metrics": _metrics,
    "config": _config,
    "code": _code,
    WHY: why_lines,
}


def parse(text: str, where: str = "golden") -> Golden:
    """The golden in the text of a golden file.

    Raises:
        GoldenFormatError: the text is truncated, of another format, in a merge conflict, or not a golden; the message
            names `where` and the line.

    What an older kernelsnap recorded of a kernel's configuration and this one leaves out is not in the result.
    """
    if is_folded(text):
        named = ", ".join(sorted(templates_named(text)))
        raise GoldenFormatError(
            f"{where}:1: the templates that it was recorded with could not be put in: {named or 'it names none'}. Such "
            f"a file of the folder templates is missing or damaged, or has another text; restore both from version "
            f"control, or delete this golden and record it again with --snapshot-update"
        )
    lines = Lines(text, where, FORMAT)
    case = lines.take("case ")
    target, *others = targets = lines.take("target ").split(" ")
    if "" in targets or len(set(targets)) < len(targets):
        lines.fail("a golden names each of its targets once, its own first")
    layers = _parse_layers(lines)
    golden = Golden(case, target, (), (), (), (), layers=layers, shared_with=tuple(others))
    for layer in layers:
        lines.heading(layer)
        if layer == "plan":
            refusal = "".join(lines.fields("refused", indent=1))
            breaks = tuple(lines.fields("graph break", indent=1))
            golden = replace(golden, plan=tuple(_parse_plans(lines)), graph_breaks=breaks, refusal=refusal)
        elif layer == "metrics":
            golden = replace(golden, metrics=tuple(_parse_metrics(lines)))
        elif layer == "config":
            entries = tuple(_parse_configs(lines))
            golden = replace(
                golden,
                config=tuple(entry for entry in entries if isinstance(entry, KernelConfig)),
                choices=tuple(entry for entry in entries if isinstance(entry, KernelChoice)),
            )
        else:
            golden = replace(golden, code=tuple(_parse_code(lines)))
    if lines.at_heading(RESOURCES):
        golden = replace(golden, resources=tuple(_parse_resources(lines, golden)))
    if lines.at_heading(WHY):
        golden = replace(golden, why=tuple(parse_why(lines)))
    lines.end()
    # What parsing has no use for (a graph's counts, a repeated empty line) must be right too: one golden, one text.
    lines.check(_as_written(text, golden))
    return replace(golden, config=tuple(replace(entry, meta=without_hints(entry.meta)) for entry in golden.config))


def _parse_layers(lines: Lines) -> tuple[str, ...]:
    """All layers, or those that the header names."""
    for names in lines.while_starting("layers ", indent=0):
        layers = tuple(names.split(" ")[1:])
        if layers != only_layers(layers) or layers == LAYERS:
            lines.fail(f"`layers` names some of {', '.join(LAYERS)}, in this order and with the plan")
        return layers
    return LAYERS


def _parse_plans(lines: Lines) -> Iterator[Plan]:
    while (head := lines.at(indent=1)) is not None:
        given = [_named(text) for text in _values(lines, "inputs", indent=2)]
        inputs = tuple(_buffer(lines, text) for _, text in given)
        names = {name: buffer.name for (name, _), buffer in zip(given, inputs, strict=True) if name}
        memory = tuple(_buffer(lines, text) for text in _values(lines, "memory", indent=2))
        steps = []
        while (line := lines.at(indent=2, unless="outputs  ")) is not None:
            name, fields = _named_pair(lines, line)
            kind, *sizes = fields.split("  ")
            ops = []
            while (op := lines.at(indent=3, unless=("reads  ", "writes  "))) is not None:
                match = _OP.match(op) or lines.fail("an operation is written `source = aten aten`")
                source = "" if match.group(1) == _NO_SOURCE else match.group(1)
                ops.append(FusedOp(source, tuple(match.group(2).split())))
            reads = tuple(names.get(name, name) for name in _values(lines, "reads", indent=3))
            writes = tuple(_buffer(lines, text, names) for text in _values(lines, "writes", indent=3))
            steps.append(PlanStep(name, kind, tuple(_pair(lines, s) for s in sizes), tuple(ops), reads, writes))
        returned = [_named(text) for text in _values(lines, "outputs", indent=2)]
        outputs = tuple(names.get(name, name) for _, name in returned)
        results = tuple(result for result, _ in returned) if any(result for result, _ in returned) else ()
        named = tuple((code, name) for name, code in names.items())
        yield Plan(head.split("  ")[0], inputs, tuple(steps), outputs, memory, named, results)


def _values(lines: Lines, key: str, indent: int) -> tuple[str, ...]:
    if lines.at_line(key, indent):
        return tuple(iter(lambda: lines.at(indent + 1), None))
    return tuple(value for line in lines.fields(key, indent) for value in line.split("  "))


def _named(text: str) -> tuple[str, str]:
    """The name in front of a tensor, or "", and the rest."""
    name, found, rest = text.partition(_NAMED)
    return (name, rest) if found and " " not in name else ("", text)


def _parse_metrics(lines: Lines) -> Iterator[Metric]:
    while (graph := lines.at(indent=1)) is not None:
        while (line := lines.at(indent=2)) is not None:
            name, _, value = line.partition("  ")
            if name not in METRIC or not value.lstrip("-").isdecimal():
                lines.fail(f"not a metric: {line!r}")
            yield Metric(graph, name, lines.number(value, line))


def _parse_configs(lines: Lines) -> Iterator[KernelConfig | KernelChoice]:
    while (head := lines.at(indent=1)) is not None:
        graph, kernel = _named_pair(lines, head)
        if kernel.startswith(CHOICE):
            yield parse_choice(lines, graph, kernel.removeprefix(CHOICE))
            continue
        launches = tuple(parse_launch(lines, line) for line in lines.fields("launch", indent=2))
        meta = []
        while (line := lines.at(indent=2)) is not None:
            meta.append(_pair(lines, line, " = "))
        yield KernelConfig(graph, kernel, tuple(meta), launches)


def _parse_code(lines: Lines) -> Iterator[Code]:
    while (head := lines.at(indent=1)) is not None:
        graph, name = _named_pair(lines, head)
        yield Code(graph, name, lines.block(indent=2))


def _parse_resources(lines: Lines, golden: Golden) -> Iterator[Resources]:
    lines.heading(RESOURCES)
    for reason in lines.fields(UNREADABLE, indent=1):
        lines.fail(reason)
    entries = list(parse_entries(lines, " ".join([golden.target, *golden.shared_with])))
    for target in dict.fromkeys(target for target, _ in entries):
        yield Resources(target, tuple(entry for other, entry in entries if other == target), golden.case)


def _buffer(lines: Lines, text: str, names: Mapping[str, str] | None = None) -> Buffer:
    match = _BUFFER.match(text) or lines.fail(f"not a buffer: {text!r}")
    name, dtype, shape = match.groups()
    sizes = None if shape is None else tuple(shape.split(", ")) if shape else ()
    return Buffer((names or {}).get(name, name), dtype or "", sizes)


def _as_written(text: str, golden: Golden) -> str:
    """The golden's text, to compare with `text`: an older kernelsnap wrote any number of tensors in a row."""
    older = render(golden, in_a_row=math.inf)
    return older if text == older else render(golden)


def _named_pair(lines: Lines, text: str) -> tuple[str, str]:
    """Two fields, of which none is empty: a graph and a kernel, a kernel and its kind."""
    left, right = _pair(lines, text, "  ")
    if not left or not right or right[0] == " ":
        lines.fail(f"a name is missing: {text!r}")
    return left, right


def _pair(lines: Lines, text: str, separator: str = " ") -> tuple[str, str]:
    left, found, right = text.partition(separator)
    if not found:
        lines.fail(f"expected two fields: {text!r}")
    return left, right


__all__ = ["FORMAT", "GoldenFormatError", "parse", "render", "render_layer"]
