"""What each cause of a change costs: launches, and bytes of the buffers that its kernels read and write.

Each kernel that changed counts for one cause, the first that has a finding about it; a kernel without any, for the
first cause that is about the whole golden. So the launches of all causes add up to what the golden's moved by.

A plan gives the sizes of whole buffers; Inductor, which sees what of a buffer is read, counts fewer bytes for some
kernels. Bytes are reported where they add up to what Inductor counts, and else not: no report contradicts itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from kernelsnap.diff.causes.facts import Facts, KernelPair
from kernelsnap.diff.causes.finding import Cause, Effect
from kernelsnap.diff.match.items import EXTERN, Item
from kernelsnap.golden.build import TOTAL
from kernelsnap.model.capture import Buffer

# bf16, f32, uint64, b8, f8e4m3fn: the number is that of bits
_BITS = re.compile(r"(?:bf|f|c|i|u|uint|b)(\d+)(?:e\d.*)?\Z")


def with_effects(causes: Sequence[Cause], facts: Facts) -> tuple[Cause, ...]:
    """The causes, in the order of the table, each with its effect."""
    about = [{place for finding in cause.findings for place in finding.about} for cause in causes]
    whole = next((index for index, cause in enumerate(causes) if not all(f.about for f in cause.findings)), 0)
    pairs: list[list[KernelPair]] = [[] for _ in causes]
    for pair in facts.changed:
        pairs[next((index for index, places in enumerate(about) if pair.place in places), whole)].append(pair)
    buffers = _buffers(facts)
    costly = [index for index, own in enumerate(pairs) if own] or [whole]
    effects = _as_counted([_effect(own, buffers) for own in pairs], costly, facts)
    return tuple(replace(cause, effect=effect) for cause, effect in zip(causes, effects, strict=True))


def _as_counted(effects: Sequence[Effect], costly: Sequence[int], facts: Facts) -> Sequence[Effect]:
    """The effects with bytes that add up to what Inductor counted; those of the `costly` may be unknown."""
    old, new = (
        next((m.value for m in side.metrics if (m.graph, m.name) == (TOTAL, "bytes accessed")), None)
        for side in (facts.old, facts.new)
    )
    if old is None or new is None:
        return effects
    found = [effect.bytes for effect in effects]
    if None not in found and sum(filter(None, found)) == new - old:
        return effects
    alone = new - old if len(costly) == 1 else None
    return [replace(effect, bytes=alone) if index in costly else effect for index, effect in enumerate(effects)]


def _effect(pairs: Sequence[KernelPair], buffers: tuple[Buffers, Buffers]) -> Effect:
    kernels = 0
    moved: int | None = 0
    for pair in pairs:
        for sign, items, known in ((-1, pair.old, buffers[0]), (1, pair.new, buffers[1])):
            for item in items:
                kernels += sign * (len(item.steps) if item.ref.kind != EXTERN else 0)
                size = _bytes(item, known)
                moved = None if moved is None or size is None else moved + sign * size
    old, new = (tuple(item.ref for pair in pairs for item in getattr(pair, side)) for side in ("old", "new"))
    return Effect(kernels, moved, old, new)


#: For each graph the buffers whose type and shape its plan has, by name.
Buffers = dict[str, dict[str, Buffer]]


def _buffers(facts: Facts) -> tuple[Buffers, Buffers]:
    old = {graph.old_plan.graph: graph.old_plan.buffers for graph in facts.graphs if graph.old_plan}
    return old, {graph.new_plan.graph: graph.new_plan.buffers for graph in facts.graphs if graph.new_plan}


def _bytes(item: Item, known: Buffers) -> int | None:
    """Bytes that a kernel reads and writes, each buffer once in each launch; None where a size is not known."""
    total = 0
    for step in item.steps:
        read = [known[item.ref.graph].get(name) for name in dict.fromkeys(step.reads)]
        for buffer in (*read, *step.writes):
            size = buffer_bytes(buffer) if buffer else None
            if size is None:
                return None
            total += size
    return total


def buffer_bytes(buffer: Buffer) -> int | None:
    """The bytes of a dense buffer, elements times their size; None where type or shape is not known or dynamic."""
    bits = _BITS.match(buffer.dtype)
    if bits is None or buffer.shape is None or not all(size.isdecimal() for size in buffer.shape):
        return None
    return prod(map(int, buffer.shape)) * int(bits.group(1)) // 8
