"""Causes that concern a program as a whole: its graphs, what it saves, the operations that it is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

from kernelsnap.diff.causes.backend import ATTENTION, ATTENTION_OP
from kernelsnap.diff.causes.facts import Facts, KernelPair, Op
from kernelsnap.diff.causes.fusion import LAYOUT_OPS, is_combined
from kernelsnap.diff.causes.kinds import Finding, said_by
from kernelsnap.diff.causes.tensors import tangents, types_of, user_graphs
from kernelsnap.diff.match.items import EXTERN, Item
from kernelsnap.golden.canonical import source_stem
from kernelsnap.model.golden import Golden

#: A matrix multiplication, and the one that adds to it.
_JOINED = {"mm": "addmm", "bmm": "baddbmm"}
_MATMULS = frozenset({"mm", "addmm", "bmm", "baddbmm", "add", "mul", "full", "clone"})
#: Operations that only change a type.
_CASTS = frozenset({"prims.convert_element_type", "_to_copy"})


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
    addition after it because its result is no longer saved. Of another program, it is seen by library calls of forward
    that backward runs again: Inductor never recomputes them of itself.
    """
    run = [{aten for _, aten in ops} for ops in facts.ops]
    sourced = [{source for source, _ in ops if source} for ops in facts.ops]
    for graph in facts.graphs:
        old, new = graph.old_plan, graph.new_plan
        if old is None or new is None or not new.graph.startswith("backward"):
            continue
        if types_of(old.inputs) == types_of(new.inputs) or tangents(old) != tangents(new) or _user_inputs_differ(facts):
            continue
        same = sourced[0] == sourced[1] and run[0] ^ run[1] <= _CASTS | _MATMULS
        saved = [Counter(buffer.dtype for buffer in plan.inputs) for plan in (old, new)]
        if saved[0] == saved[1] and _written_by_forward(facts.old) != _written_by_forward(facts.new):
            continue  # as many tensors of the same types: what is computed is of another shape
        if same or _recomputed_calls(facts.old) != _recomputed_calls(facts.new):
            fewer = "more is recomputed" if len(new.inputs) < len(old.inputs) else "more is saved"
            counts = f"{len(old.inputs)} -> {len(new.inputs)} tensors"
            yield Finding("partitioning", new.graph, f"backward takes {counts} from forward: {fewer}", fewer)


def _user_inputs_differ(facts: Facts) -> bool:
    return any(types_of(old.inputs) != types_of(new.inputs) for old, new in user_graphs(facts))


def _written_by_forward(golden: Golden) -> Counter[str]:
    """What forward writes, by type and shape."""
    forward = [plan for plan in golden.plan if not plan.graph.startswith("backward")]
    return Counter(str(replace(buffer, name="")) for plan in forward for step in plan.steps for buffer in step.writes)


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


def operations(facts: Facts, besides: Collection[int]) -> Iterator[Finding]:
    """Operations that only one side has, where they are no other way to run the same.

    Kernels whose code is the same compute the same, whatever the plan says of them. `besides`: pairs that are there for
    others, or in which a library call, a template or generated code took the place of another of them.
    """
    live = [pair for pair in facts.changed if pair.place not in besides]
    for pair in live:
        if _same_code(pair):
            yield from _provenance(pair)
    live = [pair for pair in live if not _same_code(pair)]
    if any(is_combined(item) for pair in live for item in (*pair.old, *pair.new)):
        return  # they do not say all of what they compute
    old, new = ({op for pair in live for item in side(pair) for op in _own_ops(facts, item)} for side in (_old, _new))
    gone, come = old - facts.ops[1], new - facts.ops[0]
    if not gone and {aten for _, aten in come} == {"clone"}:
        yield from _copied(facts)
        return
    for one, other, says in ((come, gone, "padding"), (gone, come, "no padding")):
        sources = {source for source, _ in facts.ops[one is gone]}
        atens = {aten for _, aten in one}
        padding = "constant_pad_nd" in atens and atens <= LAYOUT_OPS and {source for source, _ in one} <= sources
        if padding and not other:
            yield from (Finding("indexing", "", f"{says}: {_op(op)}", says, "layout") for op in sorted(one))
            return
    moved = _moved_to_library(facts)
    run = [{aten for _, aten in ops} for ops in facts.ops]
    for ops, others, side, sign in ((gone, run[1], _old, "gone"), (come, run[0], _new, "new")):
        for op in sorted(ops):
            of_torch = not op[0] and op[1] in LAYOUT_OPS  # no expression of the user, and it computes nothing
            if op[1] not in others and op[1] not in _CASTS and op[0] not in moved and not of_torch:
                about = tuple(pair.place for pair in live if any(op in facts.run_by(item) for item in side(pair)))
                yield Finding("operations", "", f"{sign}: {_op(op)}", f"{sign} {op[1]}", about=about)
    for source in sorted(moved):
        yield Finding("template", "", f"{source}: {moved[source]}", moved[source])
    if not moved:
        yield from _more_or_fewer(live)


def _more_or_fewer(live: list[KernelPair]) -> Iterator[Finding]:
    """Operations that kernels run more often than before, or less, though not because they were split or merged.

    Of kernels that were split each may run what one did before: where there are fewer kernels, nothing runs more often.
    What one kernel lost and another won has moved.
    """
    alike = all(pair.one_to_one and len(pair.old[0].steps) == len(pair.new[0].steps) for pair in live)
    launches = [sum(len(item.steps) for pair in live for item in side(pair)) for side in (_old, _new)]
    moves: dict[str, Counter[bool]] = {}
    changed = [pair for pair in live if pair.one_to_one and any(pair.rows) and ATTENTION not in pair.item.ref.kind]
    for pair in changed:
        lost, won = pair.old[0].ops - pair.new[0].ops, pair.new[0].ops - pair.old[0].ops
        for won_it, ops in ((False, lost), (True, won)):
            for (_, aten), number in ops.items():
                moves.setdefault(aten, Counter())[won_it] += number
    about = tuple(pair.place for pair in changed if pair.old[0].ops != pair.new[0].ops)
    for aten in sorted(moves.keys() - _CASTS - LAYOUT_OPS):
        lost_times, won_times = moves[aten][False], moves[aten][True]
        more = won_times and not lost_times and (alike or launches[1] < launches[0])
        if more or (alike and lost_times and not won_times):
            says = f"{aten} {_times(won_times or lost_times)} {'more' if won_times else 'less'}"
            yield Finding("operations", "", says, f"other number of {aten}", about=about)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def joined_matmuls(facts: Facts) -> Iterator[Finding]:
    """Matrix multiplications that take up the addition beside them, or give it up: torch rewrites the graph."""
    sides = [Counter(item.ref.name.rpartition(".")[2] for item in side) for side in _library_calls(facts)]
    for one, other in _JOINED.items():
        more = sides[1][other] - sides[0][other]
        if more and more == sides[0][one] - sides[1][one]:
            says = f"{one} and add are one call" if more > 0 else f"{other} is {one} and add"
            yield Finding("operations", "", f"{says}, {_times(abs(more))}", says)


def _library_calls(facts: Facts) -> tuple[list[Item], list[Item]]:
    old, new = (
        [item for pair in facts.pairs for item in side(pair) if item.ref.kind == EXTERN] for side in (_old, _new)
    )
    return old, new


def _old(pair: KernelPair) -> tuple[Item, ...]:
    return pair.old


def _new(pair: KernelPair) -> tuple[Item, ...]:
    return pair.new


def _same_code(pair: KernelPair) -> bool:
    """Whether two kernels have the same code, or are the same call into a library."""
    if not pair.one_to_one:
        return False
    old, new = pair.old[0], pair.new[0]
    if EXTERN in (old.ref.kind, new.ref.kind):
        return old.ref.name == new.ref.name
    return bool(old.code) and old.shape == new.shape and old.normal_form.key == new.normal_form.key


def _own_ops(facts: Facts, item: Item) -> frozenset[Op]:
    """What a kernel computes; of an attention kernel what it does with the result: the rest makes its block mask."""
    if ATTENTION not in item.ref.kind:
        return facts.run_by(item)
    ops = [op for step in item.steps for op in step.ops]
    last = max((place for place, op in enumerate(ops) if ATTENTION_OP in op.aten), default=-1)
    return frozenset((source_stem(op.source), aten) for op in ops[last + 1 :] for aten in op.aten)


def _copied(facts: Facts) -> Iterator[Finding]:
    """Kernels that now bring a tensor into another layout."""
    for pair in facts.changed:
        item = pair.new[0] if pair.new else None
        for op in sorted(item.ops if item else ()):
            if op[1] == "clone" and not any(op in old.ops for old in pair.old):
                yield said_by(pair, "indexing", f"a copy into another layout: {_op(op)}", "copied", scope="layout")


def _provenance(pair: KernelPair) -> Iterator[Finding]:
    """A kernel of which the plan says other operations than before, and whose code is the same."""
    for op in sorted((pair.old[0].ops - pair.new[0].ops) + (pair.new[0].ops - pair.old[0].ops)):
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
