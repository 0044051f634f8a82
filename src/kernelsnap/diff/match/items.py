"""What a graph runs: one item for each kernel and each call into a library, with what matching compares of it."""

from __future__ import annotations

import operator
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TypeVar

from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, kernel_normal_form
from kernelsnap.golden.canonical import HOST, USER_TRITON
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Golden, KernelConfig, Plan, PlanStep

_Key = TypeVar("_Key", bound=Hashable)

EXTERN = "extern"
# softmax.1: the second softmax of the graph. An expression inserted before it renumbers it.
_NUMBERED_SOURCE = re.compile(r"\.\d+\Z")
# Separates the expressions of a combo kernel.
_JOIN = ", "
# s77 in s77 + 1
_SYMBOL = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class KernelRef:
    """Names one kernel, or one call into a library, of one golden."""

    graph: str
    name: str  # "k0", or the callee of a call into a library
    kind: str  # a kernel's kind, or "extern"
    step: int  # where in the plan it first runs; -1 for a kernel that is never launched


@dataclass(frozen=True)
class Item:
    """A kernel, or a call into a library, with all that a golden has of it."""

    ref: KernelRef
    steps: tuple[PlanStep, ...]
    config: KernelConfig | None
    code: str

    @property
    def content(self) -> Hashable:
        """All that a golden has of it, to the letter, except its position."""
        return self.code, self.ref.kind, self.steps, self.config

    @cached_property
    def normal_form(self) -> AlphaNormalForm:
        """Its code in alpha-normal form; without lines for a call into a library."""
        return kernel_normal_form(self.code, self.ref.name, self.ref.kind != USER_TRITON)

    @cached_property
    def ops(self) -> Counter[tuple[str, str]]:
        """Its operations, each with the expression that it came from, that expression's number left out.

        Those of one launch: a kernel that runs more often is no other kernel.
        """
        return _most(
            Counter((_NUMBERED_SOURCE.sub("", op.source), aten) for op in step.ops for aten in op.aten)
            for step in self.steps
        )

    @cached_property
    def joined(self) -> bool:
        """Whether it names each operation once, with all its expressions, as a combo kernel (several in one) does."""
        return any(_JOIN in op.source for step in self.steps for op in step.ops)

    @cached_property
    def sources(self) -> frozenset[tuple[str, str]]:
        """Its operations with the full names of the expressions they came from."""
        return frozenset((op.source, aten) for step in self.steps for op in step.ops for aten in op.aten)

    @cached_property
    def written(self) -> Counter[str]:
        """Type and shape of the buffers that one launch writes."""
        return _most(Counter(map(_type, step.writes)) for step in self.steps)

    @cached_property
    def shape(self) -> Hashable:
        """What it computes over: kind (or callee), iteration space, types of buffers; no names."""
        kind = self.ref.name if self.ref.kind == EXTERN else self.ref.kind
        steps = tuple((step.sizes, len(step.reads), tuple(map(_type, step.writes))) for step in self.steps)
        return kind, steps

    @cached_property
    def meaning(self) -> Hashable:
        """Everything that a golden has of it except names: equal for two items that are unchanged."""
        config = self.config and (self.config.meta, self.config.configs)
        return self.shape, frozenset(self.ops.items()), self.normal_form.key, config

    def exchanges(self, other: Item) -> bool:
        """Whether one of two items of a graph reads what the other writes."""

        def read(item: Item) -> set[str]:
            return {name for step in item.steps for name in step.reads}

        def written(item: Item) -> set[str]:
            return {buffer.name for step in item.steps for buffer in step.writes}

        return bool(read(self) & written(other) or read(other) & written(self))


def comparable_ops(*compared: Item) -> Iterator[Counter[tuple[str, str]]]:
    """The operations of each item, as exactly as all of them have it.

    A combo kernel names each operation once: how often it occurs and from which expression is then left out for all.
    """
    if any(item.joined for item in compared):
        return (Counter({("", aten) for _, aten in item.ops}) for item in compared)
    return (item.ops for item in compared)


def items(golden: Golden, plan: Plan) -> list[Item]:
    """The items of one graph in the order in which they first run; kernels never launched come last."""
    code = {piece.name: piece.text for piece in golden.code if piece.graph == plan.graph and piece.name != HOST}
    config = {entry.kernel: entry for entry in golden.config if entry.graph == plan.graph}
    return [
        Item(part, steps, config.get(part.name), code.get(part.name, "") if part.kind != EXTERN else "")
        for part, steps in _parts(plan, list(code))
    ]


def _parts(plan: Plan, defined: list[str]) -> Iterator[tuple[KernelRef, tuple[PlanStep, ...]]]:
    launches: defaultdict[str, list[PlanStep]] = defaultdict(list)
    for step in plan.steps:
        if step.kind != EXTERN:
            launches[step.name].append(step)
    for index, step in enumerate(plan.steps):
        if step.kind == EXTERN:
            yield KernelRef(plan.graph, step.name, EXTERN, index), (step,)
        elif step.name in launches:
            yield KernelRef(plan.graph, step.name, step.kind, index), tuple(launches.pop(step.name))
    launched = {step.name for step in plan.steps if step.kind != EXTERN}
    for name in defined:
        if name not in launched:
            yield KernelRef(plan.graph, name, "not launched", -1), ()


def _most(counters: Iterable[Counter[_Key]]) -> Counter[_Key]:
    """Each element as often as in the counter that has it most often."""
    return reduce(operator.or_, counters, Counter())


def _type(buffer: Buffer) -> str:
    shape = "" if buffer.shape is None else ", ".join(_SYMBOL.sub("s", size) for size in buffer.shape)
    return f"{buffer.dtype}[{shape}]"
