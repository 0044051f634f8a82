"""Kernels that were split or merged: the same operations in more kernels, or in fewer."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.backend import same_work
from kernelsnap.diff.causes.facts import Facts, KernelPair, Op
from kernelsnap.diff.causes.kinds import Finding, said_by
from kernelsnap.diff.match.items import EXTERN, Item
from kernelsnap.golden.canonical import USER_TRITON
from kernelsnap.model.golden import Golden

_TEMPLATE = "template"
#: The kind of a kernel that the program itself asked for: one operation on a list of tensors.
_FOREACH = "foreach"
#: Operations that only change a layout.
LAYOUT_OPS = frozenset({"constant_pad_nd", "slice", "cat", "full", "clone", "permute", "view", "expand", "t"})


def fusion(facts: Facts) -> Iterator[Finding]:
    """Kernels that were split or merged, or run more often, or less."""
    for pair in facts.changed:
        if pair.pair.status in ("split", "merged"):
            cause = "fusion-split" if pair.pair.status == "split" else "fusion-merge"
            sides = zip(pair.old_names, pair.old, strict=True), zip(pair.new_names, pair.new, strict=True)
            before, after = (", ".join(f"{name} ({item.ref.kind})" for name, item in side) for side in sides)
            yield said_by(pair, cause, f"{before} -> {after}", f"{len(pair.old)} -> {len(pair.new)}")
        elif pair.one_to_one and pair.item.ref.kind != EXTERN:
            before_runs, after_runs = len(pair.old[0].steps), len(pair.new[0].steps)
            if 0 < min(before_runs, after_runs) < max(before_runs, after_runs):
                cause = "fusion-split" if after_runs > before_runs else "fusion-merge"
                yield said_by(pair, cause, f"launches {before_runs} -> {after_runs}", "runs")
    yield from _combined(facts)
    yield from _with_templates(facts)
    yield from with_user_kernels(facts)
    yield from _repeated(facts)


def _with_templates(facts: Facts) -> Iterator[Finding]:
    """Kernels that a template took in, or gave up: where one took the place of a library call, and others are less."""
    for graph in facts.graphs:
        became = {
            pair.place: pair
            for old, new in same_work(graph)
            for pair in (facts.of_new[new.ref], facts.of_old[old.ref])
            if {_made(old), _made(new)} == {EXTERN, _TEMPLATE}
        }
        counts = len(graph.old), len(graph.new)
        parts = {item.ref for item in (*graph.old, *graph.new)}
        fused = any(pair.pair.status in ("split", "merged") for pair in facts.changed if pair.item.ref in parts)
        if became and counts[0] != counts[1] and not fused:
            cause = "fusion-merge" if counts[1] < counts[0] else "fusion-split"
            says = f"{counts[0]} kernels and library calls -> {counts[1]} with templates"
            first, *others = became.values()
            yield said_by(first, cause, says, "with templates", scope="into template", beside=others)


def with_user_kernels(facts: Facts) -> Iterator[Finding]:
    """Kernels that one which the user wrote took in, or gave up: new or gone, and next to one whose code changed."""
    written = [pair for pair in facts.changed if pair.one_to_one and pair.item.ref.kind == USER_TRITON]
    for pair in facts.changed:
        if pair.pair.status in ("new", "gone") and pair.item.ref.kind != EXTERN:
            beside = [other for other in written if any(other.rows) and facts.near(pair.place, other.place)]
            if beside:
                cause = "fusion-split" if pair.new else "fusion-merge"
                says = f"{pair.item.ref.kind} {pair.pair.status} beside a kernel of the user"
                yield said_by(pair, cause, says, says, beside=beside)


def _made(item: Item) -> str:
    return item.ref.kind if item.ref.kind in (EXTERN, _TEMPLATE) else "generated"


def _combined(facts: Facts) -> Iterator[Finding]:
    """Combo kernels that only one side has."""
    for pair in facts.changed:
        before, after = (any(is_combined(item) for item in side) for side in (pair.old, pair.new))
        if before != after:
            yield said_by(
                pair, "fusion-merge" if after else "fusion-split", f"{'' if after else 'no longer '}a combo kernel"
            )


def is_combo(item: Item) -> bool:
    """Whether a kernel does the work of several that have nothing to do with each other."""
    return item.config is not None and any(name == "combo_grid_meta" for name, _ in item.config.meta)


def is_combined(item: Item) -> bool:
    """Whether it was Inductor that put these into one kernel, and not the program."""
    return is_combo(item) and item.ref.kind != _FOREACH


def _repeated(facts: Facts) -> Iterator[Finding]:
    """Kernels, new or gone, that only run what other kernels of the other side run too: no operation is new or gone.

    Where fewer kernels run than before, none of them was split, however they are paired; nor merged where more run.
    """
    more = _launches(facts.new) - _launches(facts.old)
    run = [{aten for _, aten in ops} for ops in facts.ops]
    for pair in repeating(facts):
        # A tensor in another layout is read through a `clone` that only the plan knows of.
        said = {"clone"} if "reduction" in pair.item.ref.kind else set()
        if not {aten for _, aten in pair.item.ops} - said <= run[bool(pair.old)]:
            continue
        if (more >= 0 and pair.new) or (more <= 0 and pair.old):
            cause = "fusion-split" if pair.new else "fusion-merge"
            says = "runs operations of other kernels" if pair.new else "gone: other kernels run its operations"
            others = _running(facts, pair)
            yield said_by(pair, cause, f"{pair.item.ref.kind} {says}", f"kernel {pair.pair.status}", beside=others)


def _running(facts: Facts, pair: KernelPair) -> list[KernelPair]:
    """Pairs whose generated kernels of the other side run an operation of a kernel that is new or gone."""
    ops = facts.run_by(pair.item)
    return [
        other
        for other in facts.changed
        for item in (other.old if pair.new else other.new)
        if item.ref.kind != EXTERN and facts.run_by(item) & ops
    ]


def repeating(facts: Facts) -> Iterator[KernelPair]:
    """Generated kernels, new or gone, none of whose operations a library call runs."""
    extern = library_ops(facts)
    for pair in facts.changed:
        if pair.pair.status in ("new", "gone"):
            item = pair.item
            if item.ops and item.ref.kind != EXTERN and not set(item.ops) <= extern:
                yield pair


def _launches(golden: Golden) -> int:
    return sum(step.kind != EXTERN for plan in golden.plan for step in plan.steps)


def library_ops(facts: Facts) -> set[Op]:
    """The operations that library calls run, on either side."""
    sides = (item for pair in facts.pairs for item in (*pair.old, *pair.new) if item.ref.kind == EXTERN)
    return {op for item in sides for op in item.ops}


def part_of_fusion(pair: KernelPair, facts: Facts, graphs: set[str]) -> bool:
    """Whether another kernel, new or gone, does a part of this one's work, in a graph where fusion changed.

    That is one which runs the same operations and reads what it writes, or the other way round: `mean` as a sum in one
    kernel and a division in the next.
    """
    if not pair.one_to_one or pair.item.ref.graph not in graphs:
        return False
    for other in repeating(facts):
        item, mine = (other.new or other.old)[0], (pair.new if other.new else pair.old)[0]
        if item.ref.graph == mine.ref.graph and item.ops & mine.ops and item.exchanges(mine):
            return True
    return False
