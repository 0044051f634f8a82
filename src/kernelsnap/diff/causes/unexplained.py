"""What is left where no kernel shows a cause: tensors that the user calls something else, and the cause `unknown`."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.cause_names import CauseName, Phase
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.resources import recorded
from kernelsnap.model.golden import Plan


def unexplained(search: CauseSearch) -> Iterator[Finding]:
    """Machine code that one side alone recorded, inputs or names in another order, or that no cause was found."""
    facts = search.facts
    if resources := list(recorded(facts)):
        yield from resources
    elif operands := list(_exchanged(facts)):
        yield from operands
    elif not facts.changed and not any(facts.host_rows):
        words = "the plan names expressions in another order"
        yield Finding(CauseName.METADATA, "", words, "order of expressions")
    else:
        yield Finding(CauseName.UNKNOWN, "", "no cause was found for this change")


def renamed(search: CauseSearch) -> Iterator[Finding]:
    """Inputs at the same place and of the same type, under names that the other side does not have at all."""
    for graph, before, after in _inputs(search.facts):
        for old, new in zip(before, after, strict=True):
            if old != new and old not in after and new not in before:
                yield Finding(CauseName.METADATA, graph, f"{old} is now called {new}", "a tensor was renamed")


def _exchanged(facts: Facts) -> Iterator[Finding]:
    """The same kernels on inputs that changed places: `x - y` became `y - x`, and the code differs in nothing."""
    for graph, before, after in _inputs(facts):
        if before != after and sorted(before) == sorted(after) and not graph.startswith("backward"):
            moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
            words = ", ".join(f"{new} in place of {old}" for old, new in moved)
            yield Finding(CauseName.OPERATIONS, graph, f"other operands: {words}", "other operands")


def _inputs(facts: Facts) -> Iterator[tuple[str, list[str], list[str]]]:
    """The names of inputs of both sides, where these are as many and of the same types."""
    for graph in facts.graphs:
        old, new = graph.old_plan, graph.new_plan
        if old and new and _types(old) == _types(new):
            yield new.graph, _names(old), _names(new)


def _types(plan: Plan) -> list[tuple[str, tuple[str, ...] | None]]:
    return [(buffer.dtype, buffer.shape) for buffer in plan.inputs]


def _names(plan: Plan) -> list[str]:
    names = dict(plan.names)
    return [names.get(buffer.name, "") for buffer in plan.inputs]


FAMILY = Family(
    kinds=(CauseKind(CauseName.UNKNOWN, "unknown", "no cause explains it: read the diff"),),
    finders={Phase.TENSORS: (renamed,), Phase.UNEXPLAINED: (unexplained,)},
)
