"""The cause that something else runs an operation: a library call, a template or generated code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product

from kernelsnap.diff.causes.cause_names import CauseName, Mark, Phase, Scope
from kernelsnap.diff.causes.facts import Facts, Op
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family, Kinds
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.match.items import EXTERN, Item, KernelRef
from kernelsnap.diff.match.pairs import MatchedGraph

#: What is part of the kind of every attention kernel.
ATTENTION = "attention"
_SDPA = "_scaled_dot_product_"
_LIBRARY, _TEMPLATE = "library", "template"
# aten.scatter_reduce_.two(buf0, 0, arg1, arg2, reduce='amax')
_REDUCES = re.compile(r"\breduce='(?!sum)\w+'")


def backend(search: CauseSearch) -> Iterator[Finding]:
    """A library call, a template or generated code in place of another of them, for the same operations."""
    facts = search.facts
    for graph in facts.graphs:
        for old, new in same_work(graph):
            if finishes(old) != finishes(new):
                continue  # it is a part of the kernel of several stages, not what took its place
            kinds = _backend(old), _backend(new)
            other_call = kinds == (_LIBRARY, _LIBRARY) and old.ref.name != new.ref.name and _same_call(old, new)
            if kinds[0] != kinds[1] or other_call:
                pair, other = facts.of_new[new.ref], facts.of_old[old.ref]
                in_library = kinds[1] == _LIBRARY
                reduces = other_reduction(new if in_library else old, facts.host_codes[in_library])
                cause = CauseName.OPERATIONS if reduces else CauseName.TEMPLATE
                words, pattern = f"{_what(old)} -> {_what(new)}", f"{kinds[0]} -> {kinds[1]}"
                yield Finding.of(pair, cause, words, pattern, nearby=[other], marks=_marks(old, new))


def finishes(item: Item) -> bool:
    """Whether a call only clears or adds up what a kernel of several stages has in a workspace."""
    if item.ref.kind != EXTERN:
        return False
    names = [name for step in item.steps for name in (step.reads or [buffer.name for buffer in step.writes])]
    return bool(names) and all(name.startswith(("workspace", "semaphores")) for name in names)


def _same_call(old: Item, new: Item) -> bool:
    """Whether two library calls run the same operation; attention has one for each library."""
    attention = [{source for source, aten in item.ops if _SDPA in aten} - {""} for item in (old, new)]
    return bool(old.ops & new.ops or attention[0] & attention[1])


def _marks(old: Item, new: Item) -> frozenset[Mark]:
    attention = any(ATTENTION in _what(item) for item in (old, new))
    template = any(_backend(item) == _TEMPLATE for item in (old, new))
    return frozenset([Mark.ATTENTION] * attention + [Mark.TEMPLATE] * template)


def other_reduction(item: Item, host_code: str) -> bool:
    """Whether a library call reduces in a way that no generated kernel has: `scatter_reduce_.two(..., reduce='amax')`.

    Inductor adds, with atomics; what it cannot do it leaves to the library.
    """
    calls = [line for line in host_code.splitlines() if f"{item.ref.name}(" in line]
    return any(_REDUCES.search(line) for line in calls)


def other_libraries(facts: Facts) -> tuple[set[Op], set[Op]]:
    """What library calls ran that others took the place of: a kernel that they have to do with may name it, too."""
    whole = facts.whole or facts
    calls = [
        (old, new)
        for graph in whole.graphs
        for old, new in same_work(graph)
        if old.ref.kind == new.ref.kind == EXTERN and old.ref.name != new.ref.name and _same_call(old, new)
    ]
    before, after = ({op for pair in calls for op in whole.run_by(pair[side])} for side in (0, 1))
    return before, after


def same_work(graph: MatchedGraph) -> Iterator[tuple[Item, Item]]:
    """Items of both sides that do the same, where one is a library call, a template or an attention kernel.

    They are paired; or attention kernels that have no pair, or library calls of attention that have none; or a template
    of one side and a library call of the other with an operation in common, however they are paired.
    """
    old = {item.ref: item for item in graph.old}
    new = {item.ref: item for item in graph.new}
    found: dict[tuple[KernelRef, KernelRef], None] = {}
    for pair in graph.pairs:
        if pair.old and pair.new:
            kinds = pair.old[0].kind, pair.new[0].kind
            if EXTERN in kinds or all(ATTENTION in kind for kind in kinds):
                found[pair.old[0], pair.new[0]] = None
    left = [[part for part in side if ATTENTION in part.kind] for side in _unpaired(graph)]
    for before, after in product(*left):
        if ("backward" in before.kind) == ("backward" in after.kind):
            found[before, after] = None
    for before, after in product(*([part for part in side if _SDPA in part.name] for side in _unpaired(graph))):
        if _same_call(old[before], new[after]):
            found[before, after] = None
    found |= dict.fromkeys((before, after) for before, after in _with_template(graph.old, graph.new))
    found |= dict.fromkeys((before, after) for after, before in _with_template(graph.new, graph.old))
    for before, after in found:
        yield old[before], new[after]


def _unpaired(graph: MatchedGraph) -> tuple[list[KernelRef], list[KernelRef]]:
    return [pair.old[0] for pair in graph.pairs if not pair.new], [pair.new[0] for pair in graph.pairs if not pair.old]


def _with_template(calls: Sequence[Item], templates: Sequence[Item]) -> Iterator[tuple[KernelRef, KernelRef]]:
    """Library calls of one side, and templates of the other that run an operation of theirs."""
    by_op: dict[Op, list[KernelRef]] = {}
    for item in calls:
        if item.ref.kind == EXTERN:
            for op in item.ops:
                by_op.setdefault(op, []).append(item.ref)
    for item in templates:
        if _backend(item) == _TEMPLATE:
            for op in item.ops:
                for call in by_op.get(op, ()):
                    yield call, item.ref


def same_backend(old: Item, new: Item) -> bool:
    """Whether both are run by a library, or both by the same template, or both by generated code."""
    return _backend(old) == _backend(new)


def _backend(item: Item) -> str:
    """What runs an item; for an attention kernel the backend that flex attention calls it by."""
    kind = item.ref.kind
    if kind == EXTERN:
        return _LIBRARY
    if ATTENTION in kind:
        return kind.rpartition(", ")[2] + (" decoding" if "decoding" in kind else "")
    return _TEMPLATE if _TEMPLATE in kind else "generated"


def _what(item: Item) -> str:
    return item.ref.name if item.ref.kind == EXTERN else item.ref.kind


_OF_CALL: Kinds = frozenset(
    [
        CauseName.INDEXING,
        CauseName.MASK,
        CauseName.INTRINSIC,
        CauseName.CACHING,
        CauseName.LAUNCH,
        CauseName.METADATA,
        CauseName.UNKNOWN,
    ]
)
FAMILY = Family(
    kinds=(
        CauseKind(
            CauseName.TEMPLATE,
            "template or backend",
            "a library call, a Triton or CuteDSL template, or generated code",
            follows=frozenset(
                [
                    CauseName.IN_PLACING,
                    CauseName.INTRINSIC,
                    CauseName.LAUNCH,
                    CauseName.METADATA,
                    CauseName.UNKNOWN,
                    Scope.STRIDES,
                ]
            ),
            scopes={Scope.CALL: _OF_CALL},
            changes_plan=True,
            changes_numbers=True,
        ),
    ),
    finders={Phase.RUNNERS: (backend,)},
)
