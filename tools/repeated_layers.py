"""Goldens of models as deep as one likes: the backward pass of one real layer, again and again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kernelsnap.golden.canonical import HOST, plan_as_host_code, rename_graph, rename_sources, source_stem
from kernelsnap.golden.format import parse
from kernelsnap.golden.store import golden_text
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Golden, Plan

LAYER = Path(__file__).parent.parent / "goldens" / "test_models" / "ModelTests.test_layer[qwen3].h100.ksnap"


def repeated(layers: int) -> Golden:
    """So many layers one after the other in one graph; every kernel has a line of its own, as if of other data."""
    layer = parse(golden_text(LAYER))
    plan = next(plan for plan in layer.plan if plan.graph == "backward")
    code = tuple(piece for piece in layer.code if piece.graph == plan.graph and piece.name != HOST)
    config = tuple(entry for entry in layer.config if entry.graph == plan.graph)
    one = replace(layer, plan=(plan,), metrics=(), config=config, code=code, choices=())
    copies = [_numbered(one, plan, number) for number in range(layers)]
    plans = [copy.plan[0] for copy in copies]
    whole = Plan(
        plan.graph,
        tuple(buffer for each in plans for buffer in each.inputs),
        tuple(step for each in plans for step in each.steps),
        tuple(output for each in plans for output in each.outputs),
    )
    pieces = [piece for copy in copies for piece in copy.code]
    host = replace(code[0], name=HOST, text=plan_as_host_code(whole))
    entries = [entry for copy in copies for entry in copy.config]
    return replace(one, plan=(whole,), config=tuple(entries), code=(*pieces, host))


def _numbered(layer: Golden, plan: Plan, number: int) -> Golden:
    names = [piece.name for piece in layer.code]
    names += [buffer.name for buffer in (*plan.inputs, *(buffer for step in plan.steps for buffer in step.writes))]
    copy = rename_graph(layer, plan.graph, {name: f"{name}_{number}" for name in names})
    own = f"    LAYER = {number}\n    @triton.jit\n"
    return replace(
        copy,
        plan=(rename_sources(copy.plan[0], lambda source: f"{source_stem(source)}.{number}" if source else ""),),
        code=tuple(replace(piece, text=piece.text.replace("    @triton.jit\n", own)) for piece in copy.code),
    )


def in_another_type(golden: Golden) -> Golden:
    """The same in half precision of the other kind."""

    def buffer(value: Buffer) -> Buffer:
        return replace(value, dtype="f16" if value.dtype == "bf16" else value.dtype)

    plans = [
        replace(plan, steps=tuple(replace(step, writes=tuple(map(buffer, step.writes))) for step in plan.steps))
        for plan in golden.plan
    ]
    code = [
        replace(piece, text=piece.text.replace("bfloat16", "float16").replace("bf16", "fp16")) for piece in golden.code
    ]
    return replace(golden, plan=tuple(plans), code=tuple(code))
