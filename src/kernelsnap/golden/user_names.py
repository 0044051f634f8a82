"""The names that the user gave tensors, as a plan shows them.

A plan names an input once as the code does, `x: arg0 f32[64]`, and wherever else it occurs by the user's name alone.
In memory a step has the names of the code, and `Plan.names` what the user calls them: what compares goldens by their
code does not depend on the names of parameters. A name that the code uses for anything gets `#` at its end; all other
rules of names are those of `kernelsnap.capture.user_names`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Golden, Plan

_ALSO_IN_CODE = "#"
#: What a graph returns to the user: `output[0]`, `output[logits]`.
_RETURNED = "output["


def distinct_names(plan: Plan) -> Plan:
    """The plan with names that differ from those that the code uses; among each other they do."""
    if not plan.names:
        return plan
    taken, given = set(_code_names(plan)), dict(plan.names)
    names = []
    for code in dict.fromkeys(buffer.name for buffer in plan.inputs if buffer.name in given):
        name = given[code].removesuffix(_ALSO_IN_CODE)
        names.append((code, f"{name}{_ALSO_IN_CODE}" if name in taken else name))
    return replace(plan, names=tuple(names))


def results_of(outputs: Iterable[str], known: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """For each output of a graph what it is; `known` names buffers in the order of the outputs, not all of them."""
    left: defaultdict[str, deque[str]] = defaultdict(deque)
    for buffer, result in known:
        left[buffer].append(result)
    found = tuple(left[name].popleft() if left[name] else "" for name in outputs)
    return found if any(found) else ()


def returned_to_user(plan: Plan) -> list[Buffer]:
    """Those outputs of a graph that it returns to the user, and does not save for backward.

    Where it is not known what outputs are, those of an inference graph: of another one they are mixed.
    """
    known = plan.buffers
    results = plan.results or [_RETURNED if plan.graph.startswith("inference") else ""] * len(plan.outputs)
    named = zip(plan.outputs, results, strict=True)
    return [known[name] for name, result in named if result.startswith(_RETURNED) and name in known]


def _code_names(plan: Plan) -> Iterator[str]:
    yield from (buffer.name for buffer in (*plan.inputs, *plan.memory))
    yield from plan.outputs
    for step in plan.steps:
        yield from step.reads
        yield from (buffer.name for buffer in step.writes)


def without_names(golden: Golden) -> Golden:
    """The golden as one that was recorded before plans had the user's names."""
    return replace(golden, plan=tuple(replace(plan, names=(), results=()) for plan in golden.plan))


def has_names(golden: Golden) -> bool:
    """Whether a plan has a name that the user gave."""
    return any(plan.names or plan.results for plan in golden.plan)


def comparable_names(one: Golden, other: Golden) -> tuple[Golden, Golden]:
    """Both goldens; without the user's names where only one has any: the other was recorded before there were any."""
    if has_names(one) == has_names(other):
        return one, other
    return without_names(one), without_names(other)


def as_named(plan: Plan) -> Plan:
    """The plan with the user's names in place of those of the code, wherever a tensor occurs: to be shown."""
    names = dict(plan.names)
    steps = tuple(
        replace(
            step,
            reads=tuple(names.get(name, name) for name in step.reads),
            writes=tuple(replace(buffer, name=names.get(buffer.name, buffer.name)) for buffer in step.writes),
        )
        for step in plan.steps
    )
    return replace(
        plan,
        inputs=tuple(replace(buffer, name=names.get(buffer.name, buffer.name)) for buffer in plan.inputs),
        steps=steps,
        outputs=tuple(names.get(name, name) for name in plan.outputs),
        names=(),
    )
