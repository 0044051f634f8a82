"""Causes that concern reductions: persistent, looped, unrolled, cooperative, in two kernels; and over what."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes import line_forms
from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import Facts, KernelPair, Op
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.fusion import is_combined
from kernelsnap.diff.causes.reasons import reduction_hint
from kernelsnap.diff.match.items import EXTERN, Item, KernelRef
from kernelsnap.model.golden import Golden

#: The most common operations that reduce.
_REDUCING = frozenset(
    {"sum", "mean", "amax", "amin", "prod", "any", "all", "argmax", "argmin", "var", "var_mean", "std", "logsumexp"}
)
#: What else can make a reduction read its inputs in another direction.
_LAID_OUT = frozenset([Scope.LAYOUT, Scope.STRIDES, Scope.INPUT_STRIDES])
#: Inductor writes out reductions of fewer elements (`unroll_reductions_threshold`, 8 in torch 2.13).
_FEW = 8


def reduction_strategy(search: CauseSearch) -> Iterator[Finding]:
    """Persistent, looped, cooperative, or in two kernels."""
    facts = search.facts
    yield from _two_stages(facts)
    for pair in facts.changed:
        if any(is_combined(item) for item in (*pair.old, *pair.new)):
            continue  # its parts are named after one of them
        if pair.old and pair.new:
            before, after = pair.old[0].ref.kind, pair.new[0].ref.kind
            if not pair.one_to_one:
                yield from _of_one_reduction(pair)
                yield from _unrolled_in_part(pair)
                continue
            if before == after:
                continue
            reductions = sum("reduction" in kind for kind in (before, after))
            alone = all(other.one_to_one for other in facts.changed)
            unrolled = alone and "pointwise" in (before, after) and _writes_out(pair, facts)
            if reductions == 2 or (reductions == 1 and unrolled):
                yield Finding.of(pair, CauseName.REDUCTION_STRATEGY, f"{before} -> {after}")
        elif pair.item.ref.step < 0 and "multi_kernel(" in "".join(facts.host_codes):
            words = f"a kernel to choose from at run time is {pair.pair.status}"
            yield Finding.of(pair, CauseName.REDUCTION_STRATEGY, words, words)


def _writes_out(pair: KernelPair, facts: Facts) -> bool:
    """Whether the one of two kernels that is pointwise writes out what the other one reduces, as often."""
    old, new = pair.old[0], pair.new[0]
    reduced = [_reducing(item) for item in (old, new)]
    if old.ops != new.ops and (len(reduced[0]) != len(reduced[1]) or not reduced[0]):
        return False
    pointwise, side = (old, 0) if old.ref.kind == "pointwise" else (new, 1)
    reads = {name for step in pointwise.steps for name in step.reads}
    feeding = [
        item
        for graph in facts.graphs
        for item in (graph.old, graph.new)[side]
        if item.ref.graph == pointwise.ref.graph and any(b.name in reads for step in item.steps for b in step.writes)
    ]
    return not any("reduction" in item.ref.kind and _reducing(item) == reduced[side] for item in feeding)


def _reducing(item: Item) -> list[str]:
    return sorted(aten for _, aten in item.ops if aten in _REDUCING)


def _of_one_reduction(pair: KernelPair) -> Iterator[Finding]:
    """The one reduction among kernels that were split or merged, done in another way."""
    kinds = [{item.ref.kind for item in side if "reduction" in item.ref.kind} for side in (pair.old, pair.new)]
    if len(kinds[0]) == len(kinds[1]) == 1 and kinds[0] != kinds[1]:
        yield Finding.of(pair, CauseName.REDUCTION_STRATEGY, f"{min(kinds[0])} -> {min(kinds[1])}")


def _unrolled_in_part(pair: KernelPair) -> Iterator[Finding]:
    """A reduction of few elements that is written out in a kernel of one side, and one of its own on the other."""
    if any(item.ref.kind == EXTERN for item in (*pair.old, *pair.new)):
        return  # a library does not write out its reductions
    ops = [{op for item in side for op in item.ops} for side in (pair.old, pair.new)]
    few = [any(_reduces_few(item) for item in side) for side in (pair.old, pair.new)]
    if ops[0] == ops[1] and few[0] != few[1]:
        words = f"a reduction of few elements is {'' if few[0] else 'no longer '}unrolled"
        yield Finding.of(pair, CauseName.REDUCTION_STRATEGY, words, words)


def _reduces_few(item: Item) -> bool:
    sizes = [size for step in item.steps for name, size in step.sizes if name.startswith("r")]
    return "reduction" in item.ref.kind and any(size.isdecimal() and int(size) <= _FEW for size in sizes)


def _two_stages(facts: Facts) -> Iterator[Finding]:
    """Reductions that are done in two kernels on one side only."""
    changed = {pair.place for pair in facts.changed}
    for graph in facts.graphs:
        old, new = _second_stages(graph.old), _second_stages(graph.new)
        sides = (
            (new, old, facts.of_new, facts.of_old, "split into two kernels"),
            (old, new, facts.of_old, facts.of_new, "no longer split into two kernels"),
        )
        for here, there, pair_of, pair_there, words in sides:
            kept = {pair_there[second].place for second in there}
            for second, first in here.items():
                pair = pair_of[second]
                combined = any(is_combined(item) for item in (*pair.old, *pair.new))
                if pair.place in changed - kept and not combined:
                    about = [pair_of[first]]
                    yield Finding.of(
                        pair,
                        CauseName.REDUCTION_STRATEGY,
                        f"reduction {words}",
                        words,
                        scope=Scope.STAGES,
                        nearby=about,
                    )


def more_kernels(facts: Facts) -> int:
    """How many generated kernels there are more than before, both stages of a reduction counted as one."""
    return sum(
        sign * (sum(item.ref.kind != EXTERN for item in items) - len(_second_stages(items)))
        for graph in facts.graphs
        for sign, items in ((1, graph.new), (-1, graph.old))
    )


def _second_stages(items: tuple[Item, ...]) -> dict[KernelRef, KernelRef]:
    """Reductions of what another kernel of the same operation has reduced in part, each with that kernel."""
    found = {}
    reductions = [item for item in items if "reduction" in item.ref.kind]
    writers: dict[str, list[Item]] = {}
    for item in reductions:
        for name in {buffer.name for step in item.steps for buffer in step.writes}:
            writers.setdefault(name, []).append(item)
    for item in reductions:
        others = [other for step in item.steps for name in step.reads for other in writers.get(name, ())]
        first = next((other for other in others if other is not item and _reduces_further(item, other)), None)
        if first:
            found[item.ref] = first.ref
    return found


def _reduces_further(item: Item, other: Item) -> bool:
    """Whether it does no more than to reduce what another has written, of operations that this one has begun.

    It reads nothing that the other reads too: that would be the next step of a computation, not the rest of the same.
    """
    read, read_by_other = ({name for step in one.steps for name in step.reads} for one in (item, other))
    written = {buffer.name for step in other.steps for buffer in step.writes}
    if not read & written or read & read_by_other:
        return False
    return any(source for source, _ in item.sources & other.sources) or (
        read <= written and item.sources <= other.sources
    )


def reduced(search: CauseSearch) -> Iterator[Finding]:
    """A kernel that reduces over another dimension of the same tensors.

    Where that shows in what the program returns, it is another shape; else it is another operation.
    """
    if search.attended:
        return
    facts = search.facts
    shapes = any(finding.cause == CauseName.SHAPES for finding in search.found)
    cause = CauseName.SHAPES if shapes else CauseName.OPERATIONS
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
                yield Finding.of(
                    pair,
                    cause,
                    f"reduces over {sizes[1][0]} elements, was {sizes[0][0]}",
                    "reduced dimension",
                )


def turned(search: CauseSearch) -> Iterator[Finding]:
    """A kernel that reduces or scans over another dimension of as many elements: it reads its inputs across."""
    facts = search.facts
    for pair in facts.changed:
        if pair.one_to_one and pair.old[0].ref.kind == pair.new[0].ref.kind and any(pair.rows):
            sizes = [[step.sizes for step in side[0].steps] for side in (pair.old, pair.new)]
            steps = [_steps(side[0]) for side in (pair.old, pair.new)]
            given = all(_reads_inputs(side[0], graph) for side, graph in ((pair.old, facts.old), (pair.new, facts.new)))
            as_many = len(steps[0]) == len(steps[1]) > 0  # a second pass over the same input turns nothing
            if sizes[0] == sizes[1] and given and as_many and steps[0] != steps[1]:
                yield Finding.of(
                    pair, CauseName.OPERATIONS, "goes over another dimension", "turned", scope=Scope.TURNED
                )


def across(search: CauseSearch) -> Iterator[Finding]:
    """Expressions whose reductions go over the same tensors in another direction, as the compiler says."""
    facts = search.facts
    if any(f.scope in _LAID_OUT or f.cause == CauseName.SHAPES for f in search.found) or _other_strides(facts):
        return
    changed = facts.changed
    before, after = (
        _directions([item for pair in changed for item in side(pair)], golden)
        for side, golden in ((_old, facts.old), (_new, facts.new))
    )
    turned = {op for op, hints in before.items() if hints.isdisjoint(after.get(op, hints))}
    if turned:
        about = [pair for pair in changed if any(turned & _sources(item) for item in (*pair.old, *pair.new))]
        words = "the compiler says that it reduces in another direction"
        yield Finding.of(about[0], CauseName.OPERATIONS, words, "across", scope=Scope.ACROSS, nearby=about[1:])


def _directions(items: list[Item], golden: Golden) -> dict[Op, set[str]]:
    """For each operation that reduces tensors which no other generated kernel wrote, the directions it does it in."""
    made = {b.name for plan in golden.plan for step in plan.steps if step.kind != EXTERN for b in step.writes}
    found: dict[Op, set[str]] = {}
    for item in items:
        hint = reduction_hint(item, golden)
        if hint in ("inner", "outer") and not any(name in made for step in item.steps for name in step.reads):
            for source in _sources(item):
                found.setdefault(source, set()).add(hint)
    return found


def _sources(item: Item) -> set[Op]:
    return {op for op in item.ops if op[0]}


def _old(pair: KernelPair) -> tuple[Item, ...]:
    return pair.old


def _new(pair: KernelPair) -> tuple[Item, ...]:
    return pair.new


def _other_strides(facts: Facts) -> bool:
    """Whether host code checks tensors for other strides."""
    return any("assert_size_stride" in row for rows in facts.host_rows for row in rows)


def _steps(item: Item) -> tuple[str, ...]:
    """How far apart the elements of its inputs are that a kernel reduces or scans, for each load."""
    loads = [row.shape for row in item.normal_form.lines if line_forms.is_load(row.shape)]
    return tuple(sorted(step for load in loads for step in line_forms.reduction_steps(load)))


def _reads_inputs(item: Item, golden: Golden) -> bool:
    inputs = {buffer.name for plan in golden.plan if plan.graph == item.ref.graph for buffer in plan.inputs}
    return all(name in inputs for step in item.steps for name in step.reads)


def _reduction_and_all(item: Item) -> tuple[int, int]:
    reduction = everything = 1
    for name, size in item.steps[0].sizes if item.steps else ():
        if not size.isdecimal():
            return 1, 1
        everything *= int(size)
        if name.startswith("r"):
            reduction *= int(size)
    return reduction, everything


FAMILY = Family(
    kinds=(
        CauseKind(
            CauseName.REDUCTION_STRATEGY,
            "reduction strategy",
            "persistent, looped, unrolled, split, cooperative or multi-kernel",
            follows=frozenset([CauseName.IN_PLACING]),
            scopes={Scope.STAGES: frozenset([CauseName.IN_PLACING])},
            changes_plan=True,
            changes_numbers=True,
        ),
    ),
    finders={Phase.KERNELS: (reduced, reduction_strategy), Phase.CALLS: (turned, across)},
)
