"""Causes that concern a golden as a whole: the graphs, what goes in and comes out, the operations of the program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from kernelsnap.diff.causes.kinds import Finding, said_by
from kernelsnap.diff.facts import Facts, KernelPair, Op
from kernelsnap.diff.items import EXTERN, Item
from kernelsnap.diff.lines import common
from kernelsnap.golden.canonical import source_stem
from kernelsnap.model import Buffer, Golden, Plan

#: Operations that only change a type or a layout.
_CASTS = frozenset({"prims.convert_element_type", "_to_copy"})
_LAYOUT = frozenset({"constant_pad_nd", "slice", "cat", "full", "clone", "permute", "view", "expand"})


def graph_breaks(facts: Facts) -> Iterator[Finding]:
    """Other reasons to break the graph, or other graphs."""
    before, after = Counter(facts.old.graph_breaks), Counter(facts.new.graph_breaks)
    for reason in (after - before).elements():
        yield Finding("graph-breaks", "", f"new graph break: {reason}", f"+{reason}")
    for reason in (before - after).elements():
        yield Finding("graph-breaks", "", f"gone graph break: {reason}", f"-{reason}")
    graphs = [{plan.graph for plan in golden.plan} for golden in (facts.old, facts.new)]
    if before == after and graphs[0] != graphs[1]:
        yield Finding("graph-breaks", "", f"graphs {', '.join(sorted(graphs[1]))}, were {', '.join(sorted(graphs[0]))}")


def partitioning(facts: Facts) -> Iterator[Finding]:
    """The same program with other tensors saved between forward and backward.

    The same: made from the same expressions. What they become may differ, where a matrix multiplication takes up the
    addition after it because its result is no longer saved.
    """
    sourced = [{source for source, _ in ops if source} for ops in facts.ops]
    for graph in facts.graphs:
        old, new = graph.old_plan, graph.new_plan
        if old is None or new is None or not new.graph.startswith("backward") or sourced[0] != sourced[1]:
            continue
        if _types(old.inputs) != _types(new.inputs) and not _user_inputs_differ(facts):
            fewer = "more is recomputed" if len(new.inputs) < len(old.inputs) else "more is saved"
            counts = f"{len(old.inputs)} -> {len(new.inputs)} tensors"
            yield Finding("partitioning", new.graph, f"backward takes {counts} from forward: {fewer}", fewer)


def _user_inputs_differ(facts: Facts) -> bool:
    return any(_types(old.inputs) != _types(new.inputs) for old, new in _user_graphs(facts))


def _user_graphs(facts: Facts) -> Iterator[tuple[Plan, Plan]]:
    for graph in facts.graphs:
        old, new = graph.old_plan, graph.new_plan
        if old and new and not new.graph.startswith("backward"):
            yield old, new


def _types(buffers: tuple[Buffer, ...]) -> Counter[tuple[str, tuple[str, ...] | None]]:
    return Counter((buffer.dtype, buffer.shape) for buffer in buffers)


def _outputs(plan: Plan) -> list[Buffer]:
    """What an inference graph returns; forward's outputs are mixed with what it saves."""
    known = {buffer.name: buffer for step in plan.steps for buffer in step.writes}
    known |= {buffer.name: buffer for buffer in plan.inputs}
    return [known[name] for name in plan.outputs if name in known] if plan.graph.startswith("inference") else []


def tensors(facts: Facts) -> Iterator[Finding]:
    """Number, shape and type of what the program takes and returns."""
    for old, new in _user_graphs(facts):
        for what, before, after in (
            ("input", list(old.inputs), list(new.inputs)),
            ("output", _outputs(old), _outputs(new)),
        ):
            if len(before) != len(after) and facts.ops[0] != facts.ops[1]:
                continue  # that is another program, and takes or returns what it needs
            yield from _tensor_changes(what, new.graph, before, after)


def attended_tensors(facts: Facts) -> Iterator[Finding]:
    """Shapes of the tensors that a program with attention takes; those of its block masks are integers."""
    for old, new in _user_graphs(facts):
        before, after = ([b for b in plan.inputs if "f" in b.dtype] for plan in (old, new))
        if len(before) == len(after):
            yield from (f for f in _tensor_changes("input", new.graph, before, after) if f.cause == "shapes")


def _tensor_changes(what: str, graph: str, before: list[Buffer], after: list[Buffer]) -> Iterator[Finding]:
    if Counter(_types(tuple(before))) == Counter(_types(tuple(after))):
        return
    kinds = [[(buffer.dtype, buffer.shape) for buffer in side] for side in (before, after)]
    kept = list(common(*kinds))
    olds = [buffer for index, buffer in enumerate(before) if index not in {i for i, _ in kept}]
    news = [buffer for index, buffer in enumerate(after) if index not in {j for _, j in kept}]
    for old, new in zip_longest(olds, news):
        if old is None or new is None:
            buffer = new or old
            yield Finding("shapes", graph, f"{what} {_type(buffer)} is {'new' if new else 'gone'}", f"{what} count")
            continue
        if old.shape != new.shape and (what == "input" or None not in (old.shape, new.shape)):
            yield Finding("shapes", graph, f"{what} {old} -> {_type(new)}", f"{what} shape")
        if old.dtype != new.dtype and old.dtype and new.dtype:
            yield Finding("dtype", graph, f"{what} {old} -> {_type(new)}", f"{what} {old.dtype} -> {new.dtype}")


def _type(buffer: Buffer) -> str:
    return str(replace(buffer, name="")).strip() or "without a type"


def operations(facts: Facts) -> Iterator[Finding]:
    """Operations that only one side has, where they are no other way to run the same."""
    gone, come = facts.ops[0] - facts.ops[1], facts.ops[1] - facts.ops[0]
    if not gone and not come:
        yield from _provenance(facts)
    if {aten for _, aten in gone | come} <= _CASTS:
        return
    with_code = (
        "code" in facts.old.layers and "code" in facts.new.layers
    )  # without it, nothing shows that code is equal
    if with_code and not any(pair.rows != ((), ()) or not pair.one_to_one for pair in facts.changed):
        for op in sorted(gone | come):
            yield Finding("metadata", "", f"provenance: {_op(op)}", "provenance")
        return
    if not gone and {aten for _, aten in come} == {"clone"}:
        yield from _copied(facts)
        return
    if not gone and {aten for _, aten in come} <= _LAYOUT and {s for s, _ in come} <= {s for s, _ in facts.ops[0]}:
        yield from (Finding("indexing", "", f"padding: {_op(op)}", "padding") for op in sorted(come))
        return
    if not come and {aten for _, aten in gone} <= _LAYOUT and {s for s, _ in gone} <= {s for s, _ in facts.ops[1]}:
        yield from (Finding("indexing", "", f"no padding: {_op(op)}", "no padding") for op in sorted(gone))
        return
    moved = _moved_to_library(facts)
    for op in sorted(gone | come):
        if op[0] not in moved and op[1] not in _CASTS:
            sign = "new" if op in come else "gone"
            yield Finding("operations", "", f"{sign}: {_op(op)}", f"{sign} {op[1]}")
    for source in sorted(moved):
        yield Finding("template", "", f"{source}: {moved[source]}", moved[source])


def _copied(facts: Facts) -> Iterator[Finding]:
    """Kernels that now bring a tensor into another layout."""
    for pair in facts.changed:
        item = pair.new[0] if pair.new else None
        for op in sorted(item.ops if item else ()):
            if op[1] == "clone" and not any(op in old.ops for old in pair.old):
                yield said_by(pair, "indexing", f"a copy into another layout: {_op(op)}", "copied")


def _provenance(facts: Facts) -> Iterator[Finding]:
    """Kernels of which the plan says other operations than before, and whose code is the same."""
    for pair in facts.changed:
        if pair.one_to_one and pair.old[0].ops != pair.new[0].ops:
            old, new = pair.old[0], pair.new[0]
            if old.code and old.skeleton.key == new.skeleton.key and old.shape == new.shape:
                for op in sorted((old.ops - new.ops) + (new.ops - old.ops)):
                    yield said_by(pair, "metadata", f"provenance: {_op(op)}", "provenance")


def _moved_to_library(facts: Facts) -> dict[str, str]:
    """Source expressions that a generated kernel ran on one side, and a library call alone on the other."""
    moved: dict[str, str] = {}
    for before, after, says in (
        (facts.old, facts.new, "a library call in place of a generated kernel"),
        (facts.new, facts.old, "a generated kernel in place of a library call"),
    ):
        library, was = _run_by(after, True), _run_by(before, True)
        # A generated kernel may name the call whose result it takes: that is no operation of its own.
        kept = {source for source, _ in _run_by(after, False) - library}
        sources = {source for source, _ in _run_by(before, False)} & {source for source, _ in library}
        moved |= {source: says for source in sources - kept - {source for source, _ in was} if source}
    return moved


def _run_by(golden: Golden, library: bool) -> set[Op]:
    """The operations that library calls run, or those that generated kernels do."""
    steps = [step for plan in golden.plan for step in plan.steps if (step.kind == EXTERN) == library]
    return {(source_stem(op.source), aten) for step in steps for op in step.ops for aten in op.aten}


def reduced(facts: Facts) -> Iterator[Finding]:
    """A kernel that reduces over another dimension of the same tensors."""
    # Where that shows in what comes out, it is another shape.
    cause = "shapes" if any(finding.cause == "shapes" for finding in tensors(facts)) else "operations"
    for pair in facts.changed:
        if pair.pair.status == "changed" and pair.one_to_one:
            old, new = pair.old[0], pair.new[0]
            sizes = [_reduction_and_all(item) for item in (old, new)]
            if (
                sizes[0] != sizes[1]
                and sizes[0][1] == sizes[1][1]
                and 1 not in (sizes[0][0], sizes[1][0])
                and old.ops == new.ops
                and not any(other.pair.status in ("new", "gone", "split", "merged") for other in facts.changed)
            ):
                yield said_by(
                    pair,
                    cause,
                    f"reduces over {sizes[1][0]} elements, was {sizes[0][0]}",
                    "reduced dimension",
                )


def _reduction_and_all(item: Item) -> tuple[int, int]:
    reduction = everything = 1
    for name, size in item.steps[0].sizes if item.steps else ():
        if not size.isdecimal():
            return 1, 1
        everything *= int(size)
        if name.startswith("r"):
            reduction *= int(size)
    return reduction, everything


def moved_operations(facts: Facts) -> Iterator[Finding]:
    """Operations that one kernel lost and another, which stays one kernel too, has won."""
    if facts.ops[0] != facts.ops[1]:
        return
    lost: Counter[Op] = Counter()
    won: dict[Op, KernelPair] = {}
    for pair in facts.changed:
        if pair.one_to_one:
            lost += pair.old[0].ops - pair.new[0].ops
            won |= dict.fromkeys(pair.new[0].ops - pair.old[0].ops, pair)
    for op, pair in won.items():
        if lost[op]:
            yield said_by(pair, "op-moved", f"{_op(op)} moved into it", "moved")


def _op(op: Op) -> str:
    return f"{op[0] or '(no source)'} = {op[1]}"
