"""What must hold for plans and goldens: each name comes from somewhere, and the parts agree. Imports no torch.

A golden's parts may not agree after git merged two versions of it line by line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Golden

_TOTAL = "total"
_KERNELS, _EXTERN_CALLS = "kernels", "extern calls"
# arg0 or buf1: one of several, by the branch that was taken.
_OR = " or "
# s0  u3  zf1  None  True: a size or another value that is no tensor.
_NO_TENSOR = re.compile(r"(?:(?:s|u|zf|zuf)_?\d*|None|True|False)\Z")


class Step(Protocol):
    """A step of a plan, or a call of a graph."""

    @property
    def name(self) -> str:
        """The kernel, or the callee."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of the buffers that it reads."""

    @property
    def writes(self) -> tuple[Buffer, ...]:
        """The buffers that it writes."""


def from_nowhere(given: Iterable[Buffer], steps: Iterable[Step], outputs: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each name that a step reads, or that the graph returns, though nothing above makes it: the step, and the name.

    `given` is what is there before anything runs: inputs, constants, allocated memory.
    """
    known = {buffer.name for buffer in given}
    for step in steps:
        yield from ((step.name, name) for name in step.reads if name not in known)
        known |= {buffer.name for buffer in step.writes}
    returned = (name for output in outputs for name in output.split(_OR))
    yield from (
        ("return", name) for name in returned if name.isidentifier() and not _NO_TENSOR.match(name) if name not in known
    )


def inconsistencies(golden: Golden) -> Iterator[str]:
    """What one part of a golden has otherwise than another, a sentence each."""
    launched, called = Counter[str](), Counter[str]()
    for plan in golden.plan:
        for step, name in from_nowhere((*plan.inputs, *plan.memory), plan.steps, plan.outputs):
            yield f"{plan.graph} {step}: it needs {name}, which nothing above makes"
        launched[plan.graph] = sum(step.kind != "extern" for step in plan.steps)
        called[plan.graph] = sum(step.kind == "extern" for step in plan.steps)
        if "code" in golden.layers:
            code = {piece.name for piece in golden.code if piece.graph == plan.graph}
            for missing in sorted({step.name for step in plan.steps if step.kind != "extern"} - code):
                yield f"{plan.graph} {missing}: the plan runs it, and there is no code of it"
    if "plan" in golden.layers and "metrics" in golden.layers:
        yield from _miscounted(golden, {_KERNELS: launched, _EXTERN_CALLS: called})


def _miscounted(golden: Golden, counted: dict[str, Counter[str]]) -> Iterator[str]:
    sums: Counter[str] = Counter()
    totals: dict[str, int] = {}
    for metric in golden.metrics:
        if metric.graph == _TOTAL:
            totals[metric.name] = metric.value
        else:
            sums[metric.name] += metric.value
        of_plan = counted.get(metric.name, Counter())
        expected = of_plan.total() if metric.graph == _TOTAL else of_plan[metric.graph]
        if metric.name in counted and metric.value != expected:
            yield f"{metric.graph} {metric.name}: the metrics have {metric.value}, and the plan {expected}"
    if sums:
        for name, value in totals.items():
            if value != sums[name]:
                yield f"{_TOTAL} {name}: it is {value}, and that of the graphs together {sums[name]}"
