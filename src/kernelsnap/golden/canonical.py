"""Canonical names: kernels k0, k1, ... in launch order per graph, buffers and temporaries by first use.

A golden on disk may carry other names: when it was updated, its names were aligned with those of the golden before, so
that one inserted load is one added line. Comparing therefore starts here: two goldens say the same if and only if they
are equal after `canonical`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kernelsnap.model import Buffer, Code, Golden, KernelConfig, Plan, Step
from kernelsnap.normalize.names import host_names, number_kernel_names, rename

HOST = "host"
# The names in a kernel that a user wrote are the user's: they stay as they are.
USER_TRITON = "user Triton"


def canonical(golden: Golden) -> Golden:
    """The golden with canonical names. Idempotent; renames only, so it never makes two different goldens equal."""
    for plan in golden.plan:
        golden = rename_graph(golden, plan.graph, kernel_names(golden, plan) | host_names(host_code(golden, plan)))
        golden = _number_kernels(golden, plan.graph)
    return golden


def host_code(golden: Golden, plan: Plan) -> str:
    """The host code of a graph; where the golden holds none, its plan as host code would say it."""
    texts = (code.text for code in golden.code if code.graph == plan.graph and code.name == HOST)
    return plan_as_host_code(plan) if "code" not in golden.layers else next(texts, "")


def plan_as_host_code(plan: Plan) -> str:
    """A plan in the form of host code: the same names, first used in the same order."""
    inputs = "".join(f"{buffer.name}, " for buffer in plan.inputs if buffer.name.isidentifier())
    lines = ["def call(self, args):", *([f"    {inputs[:-1]} = args"] if inputs else [])]
    for step in plan.steps:
        written = [buffer.name for buffer in step.writes if buffer.name.isidentifier()]
        targets = "".join(f"{name} = " for name in written)
        lines.append(f"    {targets}{step.name}({', '.join(filter(str.isidentifier, step.reads))})")
    outputs = "".join(f"{name}, " for name in plan.outputs if name.isidentifier())
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
    """Each kernel's canonical name: its place in the order of first launches; those never launched come last."""
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
    )


def _rename_plan(plan: Plan, names: Mapping[str, str]) -> Plan:
    def name(text: str) -> str:
        return names.get(text, text)

    def buffer(value: Buffer) -> Buffer:
        shape = None if value.shape is None else tuple(rename(size, names) for size in value.shape)
        return replace(value, name=name(value.name), shape=shape)

    def step(value: Step) -> Step:
        return replace(
            value,
            name=name(value.name),
            reads=tuple(map(name, value.reads)),
            writes=tuple(map(buffer, value.writes)),
        )

    return replace(
        plan,
        inputs=tuple(map(buffer, plan.inputs)),
        steps=tuple(map(step, plan.steps)),
        outputs=tuple(map(name, plan.outputs)),
    )
