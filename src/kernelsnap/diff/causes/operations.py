"""The cause that a program computes something else: operations that came or went, by plans and code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from kernelsnap.diff.causes.attention import ATTENTION_OP
from kernelsnap.diff.causes.backend import ATTENTION, other_libraries, other_reduction
from kernelsnap.diff.causes.cause_names import CauseName, Mark, Phase, Scope
from kernelsnap.diff.causes.facts import CASTS, LAYOUT_OPS, NO_OPERATION, Facts, KernelPair, Op
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family, Kinds
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.fusion import is_combined
from kernelsnap.diff.match.items import EXTERN, Item
from kernelsnap.golden.canonical import source_stem
from kernelsnap.model.golden import Golden

#: Softmax in one pass over its input, and what it is made of in two.
_ONE_PASS = "prims.prepare_softmax_online"
TWO_PASSES = frozenset({"amax", "sub", "exp", "sum", _ONE_PASS})
# torch.ops.aten._conj.default(arg1): a view with other values, which no kernel computes and the plan does not have
_LAZY = re.compile(r"\baten\.(?:_conj|_neg_view)\b")
#: A matrix multiplication, and the one that adds to it.
_JOINED = {"mm": "addmm", "bmm": "baddbmm"}


def operations(search: CauseSearch) -> Iterator[Finding]:
    """Operations that only one side has, unless a library call, a template or generated code merely changed places.

    Kernels whose code is the same compute the same, whatever operations the plan names for them.
    """
    facts = search.facts
    live = [pair for pair in facts.changed if pair.place not in search.helpers | replaced(search)]
    for pair in live:
        if _same_code(pair):
            yield from _provenance(pair)
    live = [pair for pair in live if not _same_code(pair)]
    if any(is_combined(item) for pair in live for item in (*pair.old, *pair.new)):
        return  # the plan does not list all that they compute
    calls = other_libraries(facts)
    old, new = (
        {op for pair in live for item in side(pair) for op in _own_ops(facts, item)} - others
        for side, others in zip((_old, _new), calls, strict=True)
    )
    gone, come = (_of_program(ops) for ops in (old - facts.ops[1], new - facts.ops[0]))
    if {aten for _, aten in gone ^ come} == {"cat"}:
        if not (gone and come):  # else only the expression is another: `stack` in place of `cat`
            yield from _joined_elsewhere(live, gone | come)
        gone = come = set()
    passes = softmax_passes(gone, come)
    if passes:
        yield from _softmax_in_passes(facts, live, gone, come)
        gone, come = ({op for op in ops if op[1] not in TWO_PASSES} for ops in (gone, come))
    if not gone and {aten for _, aten in come} == {"clone"}:
        yield from _copied(facts)
    elif padded := list(_padded(facts, gone, come)):
        yield from padded
    else:
        explained = {aten for _, aten in calls[0] | calls[1]} | (TWO_PASSES if passes else set())
        yield from _gone_and_new(facts, live, gone, come, explained)


def _of_program(ops: set[Op]) -> set[Op]:
    """The operations without those that only tell how Inductor calls a region, or takes one of several results."""
    return {op for op in ops if op[1] not in NO_OPERATION}


def _joined_elsewhere(live: list[KernelPair], cats: set[Op]) -> Iterator[Finding]:
    """A `cat` that only one side names: on the other one, kernels write their parts of the result in its place."""
    if all(pair.one_to_one for pair in live):
        for pair in live:
            if cats & {op for item in (*pair.old, *pair.new) for op in item.ops}:
                yield Finding.of(pair, CauseName.OP_MOVED, "tensors are joined in another kernel", "joined")


def softmax_passes(gone: set[Op], come: set[Op]) -> bool:
    """Whether softmax goes over its input once on one side and twice on the other."""
    one, other = ({aten for _, aten in ops} for ops in (gone, come))
    return (_ONE_PASS in one) != (_ONE_PASS in other) and "amax" in (other if _ONE_PASS in one else one)


def softmax_words(twice: bool) -> str:
    """What became of a softmax that goes over its input another number of times."""
    return f"softmax in {'two passes' if twice else 'one pass'} over its input"


def _softmax_in_passes(facts: Facts, live: list[KernelPair], gone: set[Op], come: set[Op]) -> Iterator[Finding]:
    twice = any(aten == _ONE_PASS for _, aten in gone)
    words = softmax_words(twice)
    for pair in live:
        runs = {aten for item in (*pair.old, *pair.new) for _, aten in facts.run_by(item)}
        if _ONE_PASS in runs or any(facts.run_by(item) & (gone | come) for item in (*pair.old, *pair.new)):
            yield Finding.of(pair, CauseName.OPERATIONS, words, words)


def other_operands(search: CauseSearch) -> Iterator[Finding]:
    """Kernels and calls that are the same and are given other tensors."""
    facts = search.facts
    for pair in facts.changed:
        if pair.place in facts.given_others:
            yield Finding.of(pair, CauseName.OPERATIONS, "the same on other tensors", "other tensors")


def replaced(search: CauseSearch) -> set[int]:
    """Pairs in which a library call, a template, generated code or a kernel of the user took another one's place."""
    facts = search.facts
    replaced = {place for f in search.found if f.cause == CauseName.TEMPLATE for place in f.about}
    attention = {place for place in search.attended if not facts.is_call(place)}
    return replaced - attention | {pair.place for fused in facts.fused_by_user for pair in fused}


def _padded(facts: Facts, gone: set[Op], come: set[Op]) -> Iterator[Finding]:
    """Padding that came or went with nothing else: the same elements at other addresses."""
    for one, other, words in ((come, gone, "padding"), (gone, come, "no padding")):
        sources = {source for source, _ in facts.ops[one is gone]} | {f"{aten}_default" for _, aten in one}
        atens = {aten for _, aten in one}
        padding = "constant_pad_nd" in atens and atens <= LAYOUT_OPS and {source for source, _ in one} <= sources
        if padding and not other:
            for op in sorted(one):
                yield Finding(CauseName.INDEXING, "", f"{words}: {shown(op)}", words, Scope.LAYOUT)


def _gone_and_new(
    facts: Facts, live: list[KernelPair], gone: set[Op], come: set[Op], explained: set[str]
) -> Iterator[Finding]:
    """Operations that no kernel of the other side runs, those that moved into a library, and how often others run."""
    moved = _moved_to_library(facts)
    run = [{aten for _, aten in ops} for ops in facts.ops]
    added = frozenset([Mark.NEW_OPERATION])
    for ops, others, side, sign, marks in (
        (gone, run[1], _old, "gone", frozenset[Mark]()),
        (come, run[0], _new, "new", added),
    ):
        for op in sorted(ops):
            of_torch = not op[0] and op[1] in LAYOUT_OPS  # no expression of the user, and it computes nothing
            if op[1] not in others and op[1] not in CASTS and op[0] not in moved and not of_torch:
                about = tuple(pair.place for pair in live if any(op in facts.run_by(item) for item in side(pair)))
                words, pattern = f"{sign}: {shown(op)}", f"{sign} {op[1]}"
                yield Finding(CauseName.OPERATIONS, "", words, pattern, about=about, marks=marks)
    for source in sorted(moved):
        yield Finding(CauseName.TEMPLATE, "", f"{source}: {moved[source]}", moved[source])
    if not moved:
        yield from _more_or_fewer(live, explained)


def _more_or_fewer(live: list[KernelPair], explained: set[str]) -> Iterator[Finding]:
    """Operations that there are more of than before, or fewer, though not because kernels were split or merged.

    Of kernels that were split each may run what one did before: where there are fewer kernels, nothing runs more often.
    What several kernels compute for themselves is one operation of its expression.
    """
    alike = all(pair.one_to_one and len(pair.old[0].steps) == len(pair.new[0].steps) for pair in live)
    launches = [sum(len(item.steps) for pair in live for item in side(pair)) for side in (_old, _new)]
    changed = [pair for pair in live if pair.one_to_one and any(pair.rows) and ATTENTION not in pair.item.ref.kind]
    sides = [_number_of_each([item for pair in changed for item in side(pair)]) for side in (_old, _new)]
    about = tuple(pair.place for pair in changed if pair.old[0].ops != pair.new[0].ops)
    for aten in sorted({*sides[0], *sides[1]} - CASTS - LAYOUT_OPS - explained):
        more = sides[1][aten] - sides[0][aten]
        if (more and alike) or (more > 0 and launches[1] < launches[0]):
            words = f"{aten} {_times(abs(more))} {'more' if more > 0 else 'less'}"
            yield Finding(CauseName.OPERATIONS, "", words, f"other number of {aten}", about=about)


def _number_of_each(items: list[Item]) -> Counter[str]:
    """How often the expressions of some kernels have each operation; what has no expression counts in each kernel."""
    of_expressions: Counter[tuple[str, str, str]] = Counter()
    found: Counter[str] = Counter()
    for item in items:
        own: Counter[tuple[str, str, str]] = Counter()
        for op in (op for step in item.steps[:1] for op in step.ops):
            if op.source:
                own.update((item.ref.graph, op.source, aten) for aten in op.aten)
            else:
                found.update(op.aten)
        of_expressions |= own
    for (_, _, aten), number in of_expressions.items():
        found[aten] += number
    return found


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def joined_matmuls(search: CauseSearch) -> Iterator[Finding]:
    """Matrix multiplications that take up the addition after them, or give it up: torch rewrites the graph."""
    facts = search.facts
    sides = [Counter(item.ref.name.rpartition(".")[2] for item in side) for side in _library_calls(facts)]
    for one, other in _JOINED.items():
        more = sides[1][other] - sides[0][other]
        if more and more == sides[0][one] - sides[1][one]:
            words = f"{one} and add are one call" if more > 0 else f"{other} is {one} and add"
            yield Finding(CauseName.OPERATIONS, "", f"{words}, {_times(abs(more))}", words)


def counted_rewrites(search: CauseSearch) -> Iterator[Finding]:
    """Library calls whose operations are gone or new, where only one side counted a rewrite of the graph."""
    facts = search.facts
    whole = facts.whole or facts
    sides = [_rewrites(golden) for golden in (whole.old, whole.new)]
    calls = [{aten for item in side for _, aten in item.ops} for side in _library_calls(facts)]
    run = [{aten for _, aten in ops} for ops in facts.ops]
    replaced = any(f.cause == CauseName.TEMPLATE for f in search.found)
    if replaced and sides[0] != sides[1] and (calls[0] - run[1] or calls[1] - run[0]):
        lost, won = (", ".join(sorted(sides[one] - sides[1 - one])) or "none" for one in (0, 1))
        words = f"torch rewrites the graph: {lost} -> {won}"
        yield Finding(CauseName.OPERATIONS, "", words, words)


def _rewrites(golden: Golden) -> set[str]:
    """The rewrites of a program's graphs that Inductor counts by name: `decompose_mm`."""
    return {name for why in golden.why for fired in why.fired if fired.kind == "counters" for name, _ in fired.times}


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
    over = [(item.ref.kind, [step.sizes for step in item.steps]) for item in (old, new)]
    return bool(old.code) and over[0] == over[1] and old.normal_form.key == new.normal_form.key


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
            if op[1] != "clone" or any(op in old.ops for old in pair.old):
                continue
            lazy = [len(_LAZY.findall(code)) for code in facts.host_codes]
            if pair.item.ref.kind == EXTERN and lazy[0] < lazy[1]:
                yield Finding.of(pair, CauseName.OPERATIONS, f"a conjugate or negative: {shown(op)}", "conjugate")
            else:
                words = f"a copy into another layout: {shown(op)}"
                yield Finding.of(pair, CauseName.INDEXING, words, "copied", scope=Scope.LAYOUT)


def _provenance(pair: KernelPair) -> Iterator[Finding]:
    """A kernel for which the plan names other operations than before, and whose code is the same."""
    for op in sorted(_of_program({*(pair.old[0].ops - pair.new[0].ops), *(pair.new[0].ops - pair.old[0].ops)})):
        yield Finding.of(pair, CauseName.METADATA, f"provenance: {shown(op)}", "provenance")


def _moved_to_library(facts: Facts) -> dict[str, str]:
    """Source expressions that a generated kernel ran on one side, and a library call alone on the other."""
    moved: dict[str, str] = {}
    for before, after, words in (
        (facts.old, facts.new, "a library call in place of a generated kernel"),
        (facts.new, facts.old, "a generated kernel in place of a library call"),
    ):
        library, was = _run_by(after, True), _run_by(before, True)
        # A generated kernel may name the call whose result it takes: that is no operation of its own.
        kept = {source for source, _ in _run_by(after, False) - library}
        sources = {source for source, _ in _run_by(before, False)} & {source for source, _ in library}
        moved |= {source: words for source in sources - kept - {source for source, _ in was} if source}
        called = _called_by_name(after) - _called_by_name(before)
        moved |= {op[0]: words for op in _run_by(before, False) - _run_by(after, False) if op[0] and op[1] in called}
    return moved


def _called_by_name(golden: Golden) -> set[str]:
    """The operations of library calls for which the plan names none: `index_put_` of `aten.index_put_`."""
    steps = [step for plan in golden.plan for step in plan.steps if step.kind == EXTERN and not step.ops]
    return {part for step in steps for part in step.name.split(".")}


def _run_by(golden: Golden, library: bool) -> set[Op]:
    """The operations that library calls run, or those that generated kernels do."""
    steps = [step for plan in golden.plan for step in plan.steps if (step.kind == EXTERN) == library]
    return {(source_stem(op.source), aten) for step in steps for op in step.ops for aten in op.aten}


def repeated_calls(search: CauseSearch) -> Iterator[Finding]:
    """Library calls that are new or gone, of which others are there: an operation that is run once more, or less."""
    facts = search.facts
    for pair in facts.changed:
        if pair.item.ref.kind == EXTERN and not pair.one_to_one:
            others = [item for other in facts.pairs for item in (other.old if pair.new else other.new)]
            again = any(item.ref.kind == EXTERN and item.ref.name == pair.item.ref.name for item in others)
            if again or other_reduction(pair.item, facts.host_codes[bool(pair.new)]):
                words = f"a library call is {pair.pair.status}"
                yield Finding.of(pair, CauseName.OPERATIONS, words, words)


def shown(op: Op) -> str:
    """An operation for a reader: `gelu = mul`."""
    return f"{op[0] or '(no source)'} = {op[1]}"


#: What no longer has to be explained in kernels that compute something else.
_FOLLOWS: Kinds = frozenset(
    [
        CauseName.FUSION_SPLIT,
        CauseName.FUSION_MERGE,
        CauseName.OP_MOVED,
        CauseName.TILING,
        CauseName.IN_PLACING,
        CauseName.INDEXING,
        CauseName.MASK,
        CauseName.CONSTANTS,
        CauseName.METADATA,
        CauseName.UNKNOWN,
        Scope.STRIDES,
        Scope.STAGES,
        Scope.CALL,
        Scope.COUNT,
        Scope.OUTPUT_SHAPE,
    ]
)
#: In how many stages a reduction goes over another dimension is chosen anew.
_FOLLOWS_TURN: Kinds = _FOLLOWS - {Scope.STAGES} | {CauseName.LAUNCH}
#: Neither how kernels are divided nor what they go over depends on what is computed of each element.
_FOLLOWS_POINTWISE: Kinds = _FOLLOWS - {
    CauseName.FUSION_SPLIT,
    CauseName.FUSION_MERGE,
    CauseName.TILING,
    CauseName.INDEXING,
    Scope.STRIDES,
    Scope.STAGES,
}
FAMILY = Family(
    kinds=(
        CauseKind(
            CauseName.OPERATIONS,
            "other operations",
            "the program computes something else",
            follows=_FOLLOWS,
            scopes={
                Scope.TURNED: frozenset(),
                Scope.ACROSS: _FOLLOWS_TURN,
                Scope.POINTWISE: _FOLLOWS_POINTWISE,
            },
            only_here=frozenset([Scope.STAGES]),
            changes_plan=True,
            changes_numbers=True,
        ),
    ),
    finders={
        Phase.OPERATIONS: (operations, other_operands),
        Phase.REWRITES: (joined_matmuls, counted_rewrites),
        Phase.CALLS: (repeated_calls,),
    },
)
