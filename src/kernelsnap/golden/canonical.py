"""Gives a golden canonical names: kernels k0, k1, ... in launch order; buffers, temporaries, expressions by first use.

A golden on disk may have other names: when it was updated, its names were aligned with those of the golden before, so
that one inserted load is one added line. Comparing therefore starts here: two goldens are the same if and only if they
are equal after `canonical`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from kernelsnap.golden.user_names import distinct_names
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Code, Golden, KernelConfig, Plan, PlanStep
from kernelsnap.model.resources import Resources
from kernelsnap.model.why import Why, renamed
from kernelsnap.normalize.names import host_names, number_kernel_names, rename

HOST = "host"
# The names in a kernel that a user wrote are the user's: they stay as they are.
USER_TRITON = "user Triton"
# s0  u3  zf1: a size, or another number, that is known when the graph runs
_SIZE = re.compile(r"(?:s|u|zf|zuf)_?\d*\Z")
# softmax.1: the second softmax of its graph
_SOURCE_NUMBER = re.compile(r"\.\d+\Z")


def canonical(golden: Golden) -> Golden:
    """The golden with canonical names. Idempotent; renames only, so it never makes two different goldens equal."""
    for plan in golden.plan:
        golden = rename_graph(golden, plan.graph, kernel_names(golden, plan) | _buffer_names(golden, plan))
        golden = _number_kernels(golden, plan.graph)
    return replace(golden, plan=tuple(map(_number_sources, golden.plan)))


def source_stem(source: str) -> str:
    """What `canonical` keeps of the name of a source expression: `softmax` of `softmax.1`."""
    return _SOURCE_NUMBER.sub("", source)


def with_why(golden: Golden, why: tuple[Why, ...]) -> Golden:
    """The golden with reasons that have canonical names, under its own names."""
    plans = {plan.graph: plan for plan in golden.plan}

    def own(found: Why) -> Why:
        plan = plans.get(found.graph)
        if plan is None:
            return found
        names = kernel_names(golden, plan) | _buffer_names(golden, plan)
        return rename_why(found, {canonical_name: name for name, canonical_name in names.items()})

    return replace(golden, why=tuple(map(own, why)))


def _number_sources(plan: Plan) -> Plan:
    seen: Counter[str] = Counter()
    names: dict[str, str] = {}
    for source in (op.source for step in plan.steps for op in step.ops):
        if source not in names:
            stem = source_stem(source)
            names[source] = f"{stem}.{seen[stem]}" if seen[stem] else stem
            seen[stem] += 1
    return rename_sources(plan, names.__getitem__)


def rename_sources(plan: Plan, name: Callable[[str], str]) -> Plan:
    """The plan with every source expression under another name."""
    return replace(
        plan,
        steps=tuple(
            replace(step, ops=tuple(replace(op, source=name(op.source)) for op in step.ops)) for step in plan.steps
        ),
    )


def _buffer_names(golden: Golden, plan: Plan) -> dict[str, str]:
    """Canonical names for buffers: the plan's first, so that they do not depend on the rest of the host code."""
    plan_code = plan_as_host_code(plan)
    if "code" not in golden.layers:
        return host_names(plan_code)
    host = next((code.text for code in golden.code if code.graph == plan.graph and code.name == HOST), "")
    return host_names(host, first=plan_code)


def plan_as_host_code(plan: Plan) -> str:
    """A plan in the form of host code: the same names, first used in the same order."""
    given = (*plan.inputs, *plan.memory)
    inputs = "".join(f"{buffer.name}, " for buffer in given if buffer.name.isidentifier())
    lines = ["def call(self, args):", *([f"    {inputs[:-1]} = args"] if inputs else [])]
    for step in plan.steps:
        written = [buffer.name for buffer in step.writes if buffer.name.isidentifier()]
        targets = "".join(f"{name} = " for name in written)
        lines.append(f"    {targets}{step.name}({', '.join(filter(str.isidentifier, step.reads))})")
    # Sizes have their names from the code: a shape may use one before it is returned.
    returned = [name for name in plan.outputs if name.isidentifier() and not _SIZE.match(name)]
    outputs = "".join(f"{name}, " for name in returned)
    return "\n".join([*lines, f"    return ({outputs[:-1]})", ""])


def _number_kernels(golden: Golden, graph: str) -> Golden:
    written = {
        step.name for plan in golden.plan if plan.graph == graph for step in plan.steps if step.kind == USER_TRITON
    }

    def number(code: Code) -> Code:
        if code.graph != graph or code.name == HOST or code.name in written:
            return code
        return replace(code, text=number_kernel_names(code.text))

    return replace(golden, code=tuple(map(number, golden.code)))


def kernel_names(golden: Golden, plan: Plan) -> dict[str, str]:
    """Each kernel's canonical name: its number in the order of first launches; those never launched come last."""
    launched = [step.name for step in plan.steps if step.kind != "extern"]
    defined = [code.name for code in golden.code if code.graph == plan.graph and code.name != HOST]
    return {name: f"k{index}" for index, name in enumerate(dict.fromkeys(launched + defined))}


def rename_graph(golden: Golden, graph: str, names: Mapping[str, str]) -> Golden:
    """The golden with kernels and buffers of one graph renamed in every layer."""
    if all(old == new for old, new in names.items()):
        return golden

    def code(piece: Code) -> Code:
        if piece.graph != graph:
            return piece
        if piece.name == HOST:
            return replace(piece, text=rename(piece.text, names))
        name = names.get(piece.name, piece.name)
        return Code(graph, name, rename(piece.text, {piece.name: name}))

    def config(entry: KernelConfig) -> KernelConfig:
        return replace(entry, kernel=names.get(entry.kernel, entry.kernel)) if entry.graph == graph else entry

    return replace(
        golden,
        plan=tuple(_rename_plan(plan, names) if plan.graph == graph else plan for plan in golden.plan),
        config=tuple(config(entry) for entry in golden.config),
        code=tuple(code(piece) for piece in golden.code),
        resources=tuple(rename_resources(found, graph, names) for found in golden.resources),
        why=tuple(rename_why(why, names) if why.graph == graph else why for why in golden.why),
    )


def rename_why(why: Why, names: Mapping[str, str]) -> Why:
    """The reasons of a graph with its kernels, and the sizes that their texts name, renamed."""
    sizes = {old: new for old, new in names.items() if _SIZE.match(old)}
    why = renamed(why, names)
    return replace(
        why,
        apart=tuple(replace(apart, text=rename(apart.text, sizes)) for apart in why.apart),
        decided=tuple(replace(decided, text=rename(decided.text, sizes)) for decided in why.decided),
    )


def rename_resources(resources: Resources, graph: str, names: Mapping[str, str]) -> Resources:
    """The resources with the kernels of one graph renamed."""
    entries = (
        replace(entry, kernel=names.get(entry.kernel, entry.kernel)) if entry.graph == graph else entry
        for entry in resources.entries
    )
    return replace(resources, entries=tuple(entries))


def _rename_plan(plan: Plan, names: Mapping[str, str]) -> Plan:
    def name(text: str) -> str:
        # A size that a graph returns is an expression: s77 * s27.
        return names.get(text, text) if text.isidentifier() else rename(text, names)

    def buffer(value: Buffer) -> Buffer:
        shape = None if value.shape is None else tuple(rename(size, names) for size in value.shape)
        return replace(value, name=name(value.name), shape=shape)

    def step(value: PlanStep) -> PlanStep:
        return replace(
            value,
            name=name(value.name),
            reads=tuple(map(name, value.reads)),
            writes=tuple(map(buffer, value.writes)),
        )

    renamed = replace(
        plan,
        inputs=tuple(map(buffer, plan.inputs)),
        memory=tuple(map(buffer, plan.memory)),
        steps=tuple(map(step, plan.steps)),
        outputs=tuple(map(name, plan.outputs)),
        names=tuple((name(code), user) for code, user in plan.names),
    )
    return distinct_names(renamed)
