"""Finds operations that run in another kernel than before: the cause `op-moved`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import CASTS, LAYOUT_OPS, Facts, KernelPair, Op
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family, Kinds
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.operations import shown
from kernelsnap.diff.match.items import EXTERN, Item
from kernelsnap.model.golden import Golden


def moved_operations(search: CauseSearch) -> Iterator[Finding]:
    """Operations that one kernel lost and another, which stays one kernel too, has won.

    Where it was lost before a library call, that call takes something else: the operation is applied to other operands.
    """
    facts = search.facts
    if facts.ops[0] != facts.ops[1]:
        return
    lost: Counter[Op] = Counter()
    before_call: set[Op] = set()
    won: dict[Op, KernelPair] = {}
    for pair in facts.changed:
        if pair.one_to_one:
            gone = pair.old[0].ops - pair.new[0].ops
            lost += gone
            before_call |= {op for op in gone if op[1] not in CASTS | LAYOUT_OPS and _for_calls_alone(facts, pair)}
            won |= dict.fromkeys(pair.new[0].ops - pair.old[0].ops, pair)
    for op, pair in won.items():
        if op in before_call:
            words = f"{shown(op)} on the other side of a library call"
            yield Finding.of(pair, CauseName.OPERATIONS, words, "across a library call")
        elif lost[op]:
            yield Finding.of(pair, CauseName.OP_MOVED, f"{shown(op)} moved into it", "moved")


def _for_calls_alone(facts: Facts, pair: KernelPair) -> bool:
    """Whether library calls alone take what a kernel computes."""
    users = [place for place, sources in facts.sources.items() if pair.place in sources]
    calls = all(facts.at(place).item.ref.kind == EXTERN for place in users)
    sides = (facts.old, pair.old), (facts.new, pair.new)
    returned = any(_returned(golden, item) for golden, items in sides for item in items)
    return bool(users) and calls and not returned


def _returned(golden: Golden, item: Item) -> bool:
    """Whether a graph returns what a kernel writes."""
    written = {buffer.name for step in item.steps for buffer in step.writes}
    return any(written & {*plan.outputs} for plan in golden.plan if plan.graph == item.ref.graph)


_FOLLOWS: Kinds = frozenset(
    [
        CauseName.TILING,
        CauseName.IN_PLACING,
        CauseName.INDEXING,
        CauseName.MASK,
        CauseName.INTRINSIC,
        CauseName.CONSTANTS,
        CauseName.CACHING,
        CauseName.METADATA,
        CauseName.UNKNOWN,
        Scope.CAST,
    ]
)
FAMILY = Family(
    kinds=(
        CauseKind(
            CauseName.OP_MOVED,
            "operation moved",
            "an operation runs in another kernel",
            follows=_FOLLOWS,
            changes_plan=True,
        ),
    ),
    finders={Phase.KERNELS: (moved_operations,)},
)
