"""Checks that the plan, metrics and code of a golden agree, as they may not after git merged two versions by lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kernelsnap.model.dataflow import from_nowhere
from kernelsnap.model.golden import Golden

_TOTAL = "total"
_KERNELS, _EXTERN_CALLS = "kernels", "extern calls"


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
