"""Causes that concern a program's graphs: how it is cut into them, and what forward saves for backward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import prod

from kernelsnap.diff.causes.cause_names import CauseName, Phase
from kernelsnap.diff.causes.facts import CASTS, Facts, KernelPair
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.tensors import tangents, types_of, user_graphs
from kernelsnap.diff.match.items import EXTERN
from kernelsnap.golden.canonical import source_stem
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Golden, Plan

#: Operations between which torch chooses by what it saves: a multiplication takes up an addition, or gives it up.
_MATMULS = frozenset({"mm", "addmm", "bmm", "baddbmm", "add", "mul", "full", "clone"})


def graph_breaks(search: CauseSearch) -> Iterator[Finding]:
    """Other reasons to break the graph, or other graphs, of a stretch of the program that is cut in another way."""
    facts = search.facts
    cut = cut_otherwise(facts.whole or facts) & facts.places
    if cut:
        yield from (replace(finding, about=tuple(sorted(facts.places))) for finding in _breaks(facts, moved=True))


def other_breaks(search: CauseSearch) -> Iterator[Finding]:
    """Other reasons to break the graph, or other graphs, where no kernel shows it."""
    if not cut_otherwise(search.facts):
        yield from _breaks(search.facts, moved=False)


def _breaks(facts: Facts, moved: bool) -> Iterator[Finding]:
    before, after = Counter(facts.old.graph_breaks), Counter(facts.new.graph_breaks)
    for reason in (after - before).elements():
        yield Finding(CauseName.GRAPH_BREAKS, "", f"new graph break: {reason}", f"+{reason}")
    for reason in (before - after).elements():
        yield Finding(CauseName.GRAPH_BREAKS, "", f"gone graph break: {reason}", f"-{reason}")
    whole = facts.whole or facts
    graphs = [{plan.graph for plan in golden.plan} for golden in (whole.old, whole.new)]
    if before == after and graphs[0] != graphs[1]:
        yield Finding(
            CauseName.GRAPH_BREAKS, "", f"graphs {', '.join(sorted(graphs[1]))}, were {', '.join(sorted(graphs[0]))}"
        )
    elif before == after and moved:
        yield Finding(
            CauseName.GRAPH_BREAKS, "", "operations moved to another graph: a graph break is in another place"
        )


def cut_otherwise(facts: Facts) -> frozenset[int]:
    """The pairs, by place, that another cut of the program concerns: of graphs that only one side has, or that moved.

    What moved to another graph is lost in one, and won in another. Where neither side has graphs of its own, nor other
    reasons to break, a break may have moved: then operations go from a graph to another one of its kind.
    """
    alone = {
        plan.graph
        for g in facts.graphs
        for plan in (g.old_plan, g.new_plan)
        if plan and not (g.old_plan and g.new_plan)
    }
    same_breaks = not alone and facts.old.graph_breaks == facts.new.graph_breaks
    if same_breaks and not facts.old.graph_breaks:
        return frozenset()
    moves = {pair.place: _moves(pair) for pair in facts.changed}
    found = {pair.place for pair in facts.changed if pair.item.ref.graph in alone}
    for pair in facts.changed:
        near, far = (
            [
                moves[other.place]
                for other in facts.changed
                if (other.graph == pair.graph) == same and (not same_breaks or _kind(other) == _kind(pair))
            ]
            for same in (True, False)
        )
        if not alone and not same_breaks and pair.graph in _taking_others(facts):
            found.add(pair.place)  # what ran between graphs is now in one of them, or the other way round
        for mine, theirs in ((0, 1), (1, 0)):
            here, elsewhere = (frozenset[str]().union(*(move[theirs] for move in moved)) for moved in (near, far))
            if moves[pair.place][mine] & elsewhere and moves[pair.place][mine] <= elsewhere | here:
                found.add(pair.place)
    return frozenset(found)


def _taking_others(facts: Facts) -> set[str]:
    """The graphs that take tensors of other types or shapes than before, or another number of them."""
    return {old.graph for old, new in user_graphs(facts) if types_of(old.inputs) != types_of(new.inputs)}


def _kind(pair: KernelPair) -> str:
    """`forward` of `forward.1`."""
    return pair.graph.partition(".")[0]


def _moves(pair: KernelPair) -> tuple[frozenset[str], frozenset[str]]:
    """The operations that a pair lost, and those that it won; in another graph their expressions have other names."""
    before, after = (
        Counter(aten for item in side for op in item.ops.elements() for aten in op[1:]) for side in (pair.old, pair.new)
    )
    return frozenset(before - after), frozenset(after - before)


def partitioning(search: CauseSearch) -> Iterator[Finding]:
    """The same program with other tensors saved between forward and backward.

    The same: made from the same expressions. What they become may differ, where a matrix multiplication takes up the
    addition after it because its result is no longer saved. Of another program, it is seen by library calls of forward
    that backward runs again: Inductor never recomputes them of itself.
    """
    facts = search.facts
    run = [{aten for _, aten in ops} for ops in facts.ops]
    sourced = [{source for source, _ in ops if source} for ops in facts.ops]
    for graph in facts.graphs:
        old, new = graph.old_plan, graph.new_plan
        if old is None or new is None or not new.graph.startswith("backward"):
            continue
        given = _given(old), _given(new)
        if (
            (given[0] == given[1] and types_of(old.inputs) == types_of(new.inputs))
            or _shapes(old) != _shapes(new)
            or _user_inputs_differ(facts)
        ):
            continue
        shapes = [Counter(buffer.shape for buffer in plan.inputs) for plan in (old, new)]
        if shapes[0] == shapes[1] and given[0] == given[1]:
            continue  # the same tensors, of other types
        if _calls_of_forward(facts.old) != _calls_of_forward(facts.new):
            continue  # another program: what is saved never changes what forward has to compute
        same = sourced[0] == sourced[1] and run[0] ^ run[1] <= CASTS | _MATMULS
        saved = [Counter(buffer.dtype for buffer in plan.inputs) for plan in (old, new)]
        if (
            saved[0] == saved[1]
            and given[0] == given[1]
            and _written_by_forward(facts.old) != _written_by_forward(facts.new)
        ):
            continue  # as many tensors of the same types: what is computed is of another shape
        recomputed = _recomputed_calls(facts.old) != _recomputed_calls(facts.new)
        if same or recomputed or _unchanged_saved_otherwise(facts, len(old.outputs) == len(new.outputs)):
            fewer = "more is recomputed" if len(new.inputs) < len(old.inputs) else "more is saved"
            counts = f"{len(old.inputs)} -> {len(new.inputs)} tensors"
            yield Finding(CauseName.PARTITIONING, new.graph, f"backward takes {counts} from forward: {fewer}", fewer)


def _given(plan: Plan) -> Counter[tuple[str, ...] | None]:
    """The shapes of what backward is given that forward was given, too, as it is."""
    return Counter(buffer.shape for buffer in plan.inputs if buffer.name.startswith("primals"))


def _unchanged_saved_otherwise(facts: Facts, same_gradients: bool) -> bool:
    """Whether one side alone saves what a step of forward writes that did not change, and neither did what reads it."""
    changed = {pair.place for pair in facts.changed}
    saved = [
        {
            (plan.graph, name)
            for plan in golden.plan
            for name, what in zip(plan.outputs, plan.results, strict=False)
            if what.startswith("saved(")
        }
        for golden in (facts.old, facts.new)
    ]
    readers = _readers(facts, 0), _readers(facts, 1)
    for pair in facts.pairs if same_gradients else ():
        if pair.one_to_one and pair.place not in changed and not pair.graph.startswith("backward"):
            written = [
                [(item.ref.graph, b.name) for step in item.steps for b in step.writes]
                for item in (*pair.old, *pair.new)
            ]
            for old, new in zip(*written, strict=False):
                read_by = readers[0].get(old, set()), readers[1].get(new, set())
                if (
                    (old in saved[0]) != (new in saved[1])
                    and read_by[0] == read_by[1]
                    and read_by[0].isdisjoint(changed)
                ):
                    return True
    return False


def _readers(facts: Facts, side: int) -> dict[tuple[str, str], set[int]]:
    """For each tensor of a graph the pairs that read it, by place."""
    found: dict[tuple[str, str], set[int]] = {}
    for pair in facts.pairs:
        for item in pair.new if side else pair.old:
            for name in (name for step in item.steps for name in step.reads):
                found.setdefault((item.ref.graph, name), set()).add(pair.place)
    return found


def _shapes(plan: Plan) -> list[tuple[str, ...] | None]:
    """The shapes of the gradients that a graph is given."""
    return [buffer.shape for buffer in tangents(plan)]


def _user_inputs_differ(facts: Facts) -> bool:
    return any(types_of(old.inputs) != types_of(new.inputs) for old, new in user_graphs(facts))


def _written_by_forward(golden: Golden) -> Counter[tuple[str, tuple[str, ...] | int | None]]:
    """What forward writes, by type and number of elements."""
    forward = [plan for plan in golden.plan if not plan.graph.startswith("backward")]
    written = (buffer for plan in forward for step in plan.steps for buffer in step.writes)
    return Counter((buffer.dtype, _elements(buffer)) for buffer in written)


def _elements(buffer: Buffer) -> tuple[str, ...] | int | None:
    """How many elements a tensor has, however it is viewed; its shape where that is symbolic."""
    shape = buffer.shape
    return prod(map(int, shape)) if shape and all(map(str.isdecimal, shape)) else shape


def _calls_of_forward(golden: Golden) -> int:
    """How many library calls forward makes for expressions of the user."""
    forward = [plan for plan in golden.plan if plan.graph.startswith("forward")]
    return sum(step.kind == EXTERN and bool(step.ops) for plan in forward for step in plan.steps)


def _recomputed_calls(golden: Golden) -> bool:
    """Whether backward makes a library call of an expression of forward again."""
    calls = [
        (plan.graph.startswith("backward"), source_stem(op.source))
        for plan in golden.plan
        for step in plan.steps
        for op in step.ops
        if step.kind == EXTERN and op.source
    ]
    backward, forward = ({source for late, source in calls if late == side} for side in (True, False))
    return bool(backward & forward)


FAMILY = Family(
    kinds=(
        CauseKind(CauseName.GRAPH_BREAKS, "graph breaks", "the program is cut into other graphs", changes_plan=True),
        CauseKind(
            CauseName.PARTITIONING,
            "partitioning",
            "what forward saves for backward, and what backward recomputes",
            changes_plan=True,
        ),
    ),
    finders={Phase.STRETCH: (graph_breaks, partitioning), Phase.AFTER: (other_breaks,)},
)
