"""Causes that concern fusion, the same operations in more kernels or in fewer: split, merged, run more often."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes import line_forms
from kernelsnap.diff.causes.backend import same_work
from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import NO_OPERATION, Facts, KernelPair, Op
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family, Kinds
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.reasons import kept_apart
from kernelsnap.diff.match.items import EXTERN, Item
from kernelsnap.model.golden import Golden

_TEMPLATE = "template"
#: The kind of a kernel that the program itself asked for: one operation on a list of tensors.
_FOREACH = "foreach"


def fusion(search: CauseSearch) -> Iterator[Finding]:
    """Kernels that were split or merged, or run more often, or less."""
    facts = search.facts
    by_setting, apart = _limited(facts)
    told = False
    for pair in facts.changed:
        if _is_regrouped(pair):
            cause = CauseName.FUSION_SPLIT if pair.pair.status == "split" else CauseName.FUSION_MERGE
            sides = zip(pair.old_names, pair.old, strict=True), zip(pair.new_names, pair.new, strict=True)
            before, after = (", ".join(f"{name} ({item.ref.kind})" for name, item in side) for side in sides)
            scope = Scope.LIMIT if cause == by_setting and pair.place in apart else None
            told = told or scope is not None
            if scope is None and {EXTERN, _TEMPLATE} <= {*map(_made, (*pair.old, *pair.new))}:
                scope = Scope.INTO_TEMPLATE
            yield Finding.of(pair, cause, f"{before} -> {after}", f"{len(pair.old)} -> {len(pair.new)}", scope=scope)
        elif pair.one_to_one and EXTERN not in (pair.old[0].ref.kind, pair.new[0].ref.kind):
            before_runs, after_runs = len(pair.old[0].steps), len(pair.new[0].steps)
            if 0 < min(before_runs, after_runs) < max(before_runs, after_runs):
                cause = CauseName.FUSION_SPLIT if after_runs > before_runs else CauseName.FUSION_MERGE
                yield Finding.of(pair, cause, f"launches {before_runs} -> {after_runs}", "runs")
    yield from _combined(facts)
    yield from _with_templates(facts)
    yield from _with_user_kernels(facts)
    yield from _repeated(facts)
    if apart and not told:
        words = f"{'a' if by_setting == CauseName.FUSION_SPLIT else 'no'} setting keeps kernels apart"
        yield Finding(by_setting, "", words, words, scope=Scope.LIMIT, about=tuple(sorted(apart)))


def _is_regrouped(pair: KernelPair) -> bool:
    """Whether a kernel became several, or the other way round; library calls in its place are another backend."""
    several = max(pair.old, pair.new, key=len)
    return pair.pair.status in ("split", "merged") and any(item.ref.kind != EXTERN for item in several)


def _limited(facts: Facts) -> tuple[CauseName, frozenset[int]]:
    """The pairs whose kernels a setting keeps apart, or no longer, whatever else changed; and what that is."""
    more = _launches(facts.new) - _launches(facts.old)
    cause = CauseName.FUSION_SPLIT if more > 0 else CauseName.FUSION_MERGE
    return cause, kept_apart(facts, after=more > 0) if more else frozenset()


def _with_templates(facts: Facts) -> Iterator[Finding]:
    """Kernels that a template took in, or gave up: where one took the place of a library call, and others are less."""
    for graph in facts.graphs:
        became = {
            pair.place: pair
            for old, new in same_work(graph)
            for pair in (facts.of_new[new.ref], facts.of_old[old.ref])
            if {_made(old), _made(new)} == {EXTERN, _TEMPLATE}
        }
        counts = [
            sum(len(item.steps) for item in items if _made(item) == "generated") for items in (graph.old, graph.new)
        ]
        parts = {item.ref for item in (*graph.old, *graph.new)}
        fused = any(_is_regrouped(pair) for pair in facts.changed if pair.item.ref in parts)
        if became and counts[0] != counts[1] and not fused:
            cause = CauseName.FUSION_MERGE if counts[1] < counts[0] else CauseName.FUSION_SPLIT
            words = f"{counts[0]} kernels next to templates and library calls -> {counts[1]}"
            first, *others = became.values()
            yield Finding.of(first, cause, words, "with templates", scope=Scope.INTO_TEMPLATE, nearby=others)


def _with_user_kernels(facts: Facts) -> Iterator[Finding]:
    """Kernels that one which the user wrote took in, or gave up."""
    for pair, *users in facts.fused_by_user:
        cause = CauseName.FUSION_SPLIT if pair.new else CauseName.FUSION_MERGE
        words = f"{pair.item.ref.kind} {pair.pair.status} beside a kernel of the user"
        yield Finding.of(pair, cause, words, words, nearby=users)


def _made(item: Item) -> str:
    return item.ref.kind if item.ref.kind in (EXTERN, _TEMPLATE) else "generated"


def _combined(facts: Facts) -> Iterator[Finding]:
    """Combo kernels that only one side has."""
    for pair in facts.changed:
        before, after = (any(is_combined(item) for item in side) for side in (pair.old, pair.new))
        if before != after and not same_parts(pair):
            cause = CauseName.FUSION_MERGE if after else CauseName.FUSION_SPLIT
            yield Finding.of(pair, cause, "a combo kernel" if after else "no longer a combo kernel")


def is_combo(item: Item) -> bool:
    """Whether a kernel does the work of several that have nothing to do with each other."""
    return item.config is not None and any(name == "combo_grid_meta" for name, _ in item.config.meta)


def same_parts(pair: KernelPair) -> bool:
    """Whether both kernels of a pair do the same work of several."""
    return pair.one_to_one and is_combo(pair.old[0]) and is_combo(pair.new[0]) and pair.old[0].ops == pair.new[0].ops


def is_combined(item: Item) -> bool:
    """Whether it was Inductor that put these into one kernel, and not the program."""
    return is_combo(item) and item.ref.kind != _FOREACH


def _repeated(facts: Facts) -> Iterator[Finding]:
    """Kernels, new or gone, that only run what other kernels of the other side run too: no operation is new or gone.

    Where fewer kernels run than before, none of them was split, however they are paired; nor merged where more run.
    """
    more = _launches(facts.new) - _launches(facts.old)
    run = [{aten for _, aten in ops} for ops in facts.ops]
    for pair in (pair for pair in repeating(facts) if _made(pair.item) != _TEMPLATE):
        # A tensor in another layout is read through a `clone` that only the plan knows of.
        said = {"clone"} if "reduction" in pair.item.ref.kind else set()
        if not {aten for _, aten in pair.item.ops} - said - NO_OPERATION <= run[bool(pair.old)]:
            continue
        if (more >= 0 and pair.new) or (more <= 0 and pair.old):
            cause = CauseName.FUSION_SPLIT if pair.new else CauseName.FUSION_MERGE
            words = "runs operations of other kernels" if pair.new else "gone: other kernels run its operations"
            others = _running(facts, pair)
            yield Finding.of(pair, cause, f"{pair.item.ref.kind} {words}", f"kernel {pair.pair.status}", nearby=others)


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
            ops = set(item.ops)
            copies = ops <= extern or (ops & extern and only_copies(item))
            if ops and item.ref.kind != EXTERN and not copies:
                yield pair


def only_copies(item: Item) -> bool:
    """Whether a kernel does nothing but bring one tensor into another layout, whatever operations the plan names."""
    (reads, writes) = (
        {name for step in item.steps for name in step.reads},
        [b for step in item.steps for b in step.writes],
    )
    if item.ref.kind != "pointwise" or (len(reads), len(writes)) != (1, len(item.steps)):
        return False
    shapes = [line.shape for line in item.normal_form.lines]
    return any(map(line_forms.is_load, shapes)) and not any(map(line_forms.computes, shapes))


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


_FOLLOWS: Kinds = frozenset(
    [
        CauseName.TILING,
        CauseName.IN_PLACING,
        CauseName.INDEXING,
        CauseName.CACHING,
        CauseName.METADATA,
        Scope.CAST,
    ]
)
_ONLY_HERE: Kinds = frozenset([CauseName.TILING, CauseName.IN_PLACING])
FAMILY = Family(
    kinds=tuple(
        CauseKind(
            name,
            title,
            meaning,
            follows=_FOLLOWS,
            scopes={Scope.INTO_TEMPLATE: frozenset(), Scope.LIMIT: _FOLLOWS},
            only_here=_ONLY_HERE,
            changes_plan=True,
        )
        for name, title, meaning in (
            (CauseName.FUSION_SPLIT, "fusion split", "one kernel became several"),
            (CauseName.FUSION_MERGE, "fusion merged", "several kernels became one"),
        )
    ),
    finders={Phase.KERNELS: (fusion,)},
)
