"""Two goldens as the parts of one program, so that a test can make two unrelated changes at once.

The parts share their graphs and nothing else: the second part's kernels, tensors and expressions have names of their
own, as Inductor would number them, and its calls run after the first part's.
"""

from __future__ import annotations

import ast
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import labelled_pairs
from kernelsnap.diff.causes.tensors import is_tangent
from kernelsnap.golden.canonical import HOST, rename_graph, rename_sources, source_stem
from kernelsnap.model.golden import Code, Golden, KernelChoice, Metric, Plan
from kernelsnap.model.why import Operation, Why
from kernelsnap.normalize.names import host_candidates, host_locals

_T = TypeVar("_T")
# %mul_2, %sdpa_score0/add
_OPERAND = re.compile(r"%[\w./]+")


class NotComposableError(Exception):
    """The second golden has graphs or code for which the first one has no place."""


def composed(first: Golden, second: Golden) -> Golden:
    """A golden of the program that does what both do: the second one's graphs are appended to the first one's."""
    if first.target != second.target or first.layers != second.layers or first.refusal or second.refusal:
        raise NotComposableError("other targets or layers, or a refusal")
    plans = dict(_places(first, second))
    for plan in second.plan:
        second = _apart(second, plan, first, plans[plan.graph])
    second = _in_graphs(second, plans)
    return replace(
        first,
        plan=tuple(
            _appended(plan, second.plan, (_saved(first, plan.graph), _saved(second, plan.graph))) for plan in first.plan
        ),
        metrics=_added(first.metrics, second.metrics),
        config=(*first.config, *second.config),
        code=tuple(_code(first, second)),
        choices=tuple(_numbered((*first.choices, *second.choices))),
        graph_breaks=tuple(sorted((*first.graph_breaks, *second.graph_breaks))),
        why=tuple(_why(first, second)),
    )


def _places(first: Golden, second: Golden) -> Iterator[tuple[str, str]]:
    """For each graph of the second golden one of the first: of the same phase, in order; one place takes one graph."""
    free = [plan.graph for plan in first.plan]
    for plan in second.plan:
        phase = plan.graph.partition(".")[0]
        place = next((graph for graph in free if graph.partition(".")[0] == phase), None)
        if place is None:
            raise NotComposableError(f"no graph for {plan.graph}")
        free.remove(place)
        yield plan.graph, place


def _apart(golden: Golden, plan: Plan, other: Golden, place: str) -> Golden:
    """The golden with names in one graph that the place in the other golden does not have."""
    taken = set(host_locals(_host(other, place))) | {code.name for code in other.code if code.graph == place}
    taken |= {buffer.name for plan in other.plan if plan.graph == place for buffer in plan.buffers.values()}
    names: dict[str, str] = {}
    kernels = [code.name for code in golden.code if code.graph == plan.graph and code.name != HOST]
    local = host_locals(_host(golden, plan.graph)) - {"self", "args", "call"}
    for name in [*kernels, *sorted(local | set(plan.buffers))]:
        if name not in names:
            fresh = (f"{name.rstrip('0123456789')}{number}" for number in range(len(taken) + 1))
            names[name] = next(new for new in (fresh if name in kernels else host_candidates(name)) if new not in taken)
            taken.add(names[name])
    return rename_graph(golden, plan.graph, names)


def _host(golden: Golden, graph: str) -> str:
    return next(piece.text for piece in golden.code if (piece.graph, piece.name) == (graph, HOST))


def _in_graphs(golden: Golden, places: dict[str, str]) -> Golden:
    return replace(
        golden,
        plan=tuple(replace(plan, graph=places[plan.graph]) for plan in golden.plan),
        metrics=tuple(replace(metric, graph=places.get(metric.graph, metric.graph)) for metric in golden.metrics),
        config=tuple(replace(entry, graph=places[entry.graph]) for entry in golden.config),
        code=tuple(replace(piece, graph=places[piece.graph]) for piece in golden.code),
        choices=tuple(replace(choice, graph=places[choice.graph]) for choice in golden.choices),
        why=tuple(replace(why, graph=places[why.graph]) for why in golden.why),
    )


def _appended(plan: Plan, others: Iterable[Plan], saved: tuple[int, int]) -> Plan:
    """One graph that runs what two do; `saved`: how many tensors the forward graph of each saves for backward.

    Those come last of what forward returns, and first of what backward takes.
    """
    for other in others:
        if other.graph == plan.graph:
            other = _after(plan, other)
            backward = plan.graph.startswith("backward")
            takes = [n if backward else len(one.inputs) for n, one in zip(saved, (plan, other), strict=True)]
            returns = [len(one.outputs) - (0 if backward else n) for n, one in zip(saved, (plan, other), strict=True)]
            return Plan(
                plan.graph,
                _joined(plan.inputs, other.inputs, takes),
                (*plan.steps, *other.steps),
                _joined(plan.outputs, other.outputs, returns),
            )
    return plan


def _after(plan: Plan, other: Plan) -> Plan:
    """The other plan with its expressions numbered after those of a plan."""
    used = {op.source for step in plan.steps for op in step.ops}
    numbers = Counter(source_stem(source) for source in used)
    return rename_sources(other, lambda source: f"{source_stem(source)}.{_number(source, numbers)}")


def _joined(first: tuple[_T, ...], second: tuple[_T, ...], places: Sequence[int]) -> tuple[_T, ...]:
    """The first items of both up to a place each, then the others of both."""
    return (*first[: places[0]], *second[: places[1]], *first[places[0] :], *second[places[1] :])


def _saved(golden: Golden, graph: str) -> int:
    backward = f"backward{graph.removeprefix('forward').removeprefix('backward')}"
    plan = next((plan for plan in golden.plan if plan.graph == backward), None)
    return sum(not is_tangent(buffer) for buffer in plan.inputs) if plan else 0


def _number(source: str, numbers: Counter[str]) -> int:
    """The number of an expression of the second part: its own, after those of the first."""
    stem = source_stem(source)
    return numbers[stem] + int(source.removeprefix(stem).lstrip(".") or 0)


def _added(first: Iterable[Metric], second: Iterable[Metric]) -> tuple[Metric, ...]:
    more = {(metric.graph, metric.name): metric.value for metric in second}
    return tuple(replace(m, value=m.value + more.get((m.graph, m.name), 0)) for m in first)


def _numbered(choices: Iterable[KernelChoice]) -> Iterator[KernelChoice]:
    seen: Counter[tuple[str, str]] = Counter()
    for choice in choices:
        stem = source_stem(choice.name)
        number = seen[choice.graph, stem]
        seen[choice.graph, stem] += 1
        yield replace(choice, name=f"{stem}.{number}" if number else stem)


def _code(first: Golden, second: Golden) -> Iterator[Code]:
    """The kernels of both, graph by graph, and one host code for each graph."""
    for plan in first.plan:
        pieces = [piece for golden in (first, second) for piece in golden.code if piece.graph == plan.graph]
        yield from (piece for piece in pieces if piece.name != HOST)
        hosts = [piece.text for piece in pieces if piece.name == HOST]
        if hosts:
            yield Code(plan.graph, HOST, hosts[0] if len(hosts) == 1 else _hosts(*map(_HostCode.of, hosts)))


def _why(first: Golden, second: Golden) -> Iterator[Why]:
    """The reasons of both, graph by graph; operations where both have them, with other names in the second part."""
    known = all(any(why.operations for why in golden.why) for golden in (first, second))
    others = {why.graph: why for why in second.why}
    for why in first.why:
        other = others.get(why.graph, Why(why.graph))
        theirs = (
            replace(op, name=_second(op.name), expression=_OPERAND.sub(_second, op.expression))
            for op in other.operations
        )
        operations = (*why.operations, *theirs)
        outputs = [op for op in operations if op.target == "output" and "/" not in op.name]
        returned = ", ".join(argument for op in outputs if (argument := op.expression[len("output(") : -1]))
        output = Operation("output", f"output({returned})", ", ".join(op.result for op in outputs))
        yield Why(
            why.graph,
            apart=(*why.apart, *other.apart),
            decided=(*why.decided, *other.decided),
            operations=(*(op for op in operations if op not in outputs), output) if known and operations else (),
        )


def _second(name: str | re.Match[str]) -> str:
    """The name of an operation of the second part, wherever it is: `%sdpa_score0/add`."""
    text = name if isinstance(name, str) else name[0]
    return "/".join(f"{part}_b" for part in text.split("/"))


@dataclass(frozen=True)
class _HostCode:
    """The host code of a graph in the parts that two of them are joined by."""

    before: tuple[str, ...]  # functions that `call` calls, and its head
    taken: str  # arg0, arg1
    checks: tuple[str, ...]  # what is done with the inputs before the device is entered
    entered: tuple[str, ...]  # with torch.cuda._DeviceGuard(0): ...
    body: tuple[str, ...]
    returned: str  # buf0, buf1
    after: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> _HostCode:
        lines = text.split("\n")
        try:
            head = next(n for n, line in enumerate(lines) if line.startswith("def call("))
            cleared = lines.index("    args.clear()", head)
            entered = next(n for n in range(cleared, len(lines)) if lines[n].startswith("    with torch."))
            end = next(n for n in range(entered, len(lines)) if lines[n].startswith("    return ("))
        except (StopIteration, ValueError) as error:
            raise NotComposableError("host code of another form") from error
        if cleared != head + 2 or not lines[head + 1].endswith(" = args"):
            raise NotComposableError("host code of another form")
        return cls(
            tuple(lines[: head + 1]),
            lines[head + 1].strip().removesuffix(" = args").rstrip(","),
            tuple(lines[cleared:entered]),
            tuple(lines[entered : entered + 2]),
            tuple(lines[entered + 2 : end]),
            lines[end].strip().removeprefix("return (").removesuffix(")").rstrip(", "),
            tuple(lines[end + 1 :]),
        )


def _hosts(first: _HostCode, second: _HostCode) -> str:
    """The host code that does what both do; it takes and returns tensors in the order of the plan."""
    taken = ", ".join(filter(None, (first.taken, second.taken)))
    returned = ", ".join(filter(None, (first.returned, second.returned)))
    text = "\n".join(
        [
            *second.before[:-1],
            *first.before,
            f"    {taken}{'' if ', ' in taken else ','} = args",
            *first.checks,
            *second.checks[1:],
            *first.entered,
            *first.body,
            *second.body,
            f"    return ({returned}, )" if returned else "    return ()",
            *first.after,
        ]
    )
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise NotComposableError("host code of another form") from error
    return text


@dataclass(frozen=True)
class Composition:
    """Two labelled pairs as one: two unrelated changes of one golden."""

    names: tuple[str, str]
    causes: frozenset[str]  # those of both, but for what is named only where nothing else is
    old: Golden
    new: Golden


#: Causes that are named only where nothing of a kernel's code or launches differs.
_HARMLESS = frozenset({"renumbering", "metadata"})
#: Goldens of a larger text are left out, so that thousands of compositions take minutes.
_LARGE = 75_000


def compositions(seed: int) -> Iterator[Composition]:
    """Labelled pairs with no cause in common, drawn at random, without end; pairs alone are explained rightly."""
    labels = labelled_pairs.labels()
    names = sorted(
        name
        for name, causes in labels.items()
        if not set(causes) <= _HARMLESS and len(labelled_pairs.sides()[name]["old"]) < _LARGE
    )
    choose = random.Random(seed)
    while True:
        one, other = choose.sample(names, 2)
        if set(labels[one]) & set(labels[other]) or not all(map(labelled_pairs.is_right, (one, other))):
            continue
        sides = labelled_pairs.goldens(one), labelled_pairs.goldens(other)
        with suppress(NotComposableError):
            old, new = (composed(sides[0][side], sides[1][side]) for side in (0, 1))
            yield Composition((one, other), frozenset({*labels[one], *labels[other]} - _HARMLESS), old, new)
