"""Causes that concern the types in which a program computes: what it casts, and what the casts leave in its tensors.

Where a program is cut into other graphs, or other tensors are saved for backward, every kernel may be another one, and
all differences follow from that; not so the types. There the whole program is compared in place of its kernels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from kernelsnap.diff.causes import line_forms
from kernelsnap.diff.causes.backend import ATTENTION
from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import CASTS, LAYOUT_OPS, Facts, KernelPair, Op
from kernelsnap.diff.causes.family import CauseSearch, Family
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.operations import replaced
from kernelsnap.diff.match.items import EXTERN, Item
from kernelsnap.golden.canonical import source_stem
from kernelsnap.golden.user_names import returned_to_user
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Golden, Plan, PlanStep

#: Types that code may cast to and from though the program does not: what it loads and stores has them.
_USUAL = frozenset({"float32", "float16", "bfloat16"})
_USUAL_TYPES = frozenset({"f32", "f16", "bf16"})  # as plans call them
# float32, bfloat16, f32, bf16, float8e4nv, f8e4m3fn
_FLOATING = re.compile(r"(b?)f(?:loat)?(\d++)\w*+\Z")


def precision(search: CauseSearch) -> Iterator[Finding]:
    """Kernels that compute in other types because the program casts, or no longer: whatever else changed."""
    facts = search.facts
    pairs = [pair for pair in facts.changed if pair.place not in search.helpers | replaced(search)]
    alone = [pair for pair in pairs if not (pair.old and pair.new)]
    for group in (*([pair] for pair in pairs if pair.old and pair.new), alone):
        if not group:
            continue
        sides = _items(group)
        casts = [_casting(step for item in side for step in item.steps) for side in sides]
        types = [_types(side) for side in sides]
        rare = [{name for name in types_of if name not in _USUAL} for types_of in types]
        if types[0] != types[1] and (rare[0] != rare[1] or (casts[0] != casts[1] and group[0].one_to_one)):
            lost, won = (", ".join(sorted(types[one] - types[1 - one])) or "none" for one in (0, 1))
            yield Finding.of(group[0], CauseName.DTYPE, f"casts: {lost} -> {won}", "other casts", nearby=group[1:])
        elif casts[0] != casts[1] and group[0].one_to_one and (moved := _moved_cast(group[0])):
            yield Finding.of(group[0], CauseName.DTYPE, moved, "casts moved", scope=Scope.MOVED_CAST)


def _moved_cast(pair: KernelPair) -> str:
    """How a kernel of the same operations casts the result of another one than before; empty where it does not."""
    old, new = (line_forms.float_casts_of(side[0].code) for side in (pair.old, pair.new))
    before, after = (Counter(aten for _, aten in side[0].ops.elements()) for side in (pair.old, pair.new))
    if before != after or old == new or old.total() != new.total():
        return ""
    return _casts(old, new)


def _casts(old: Counter[tuple[str, str]], new: Counter[tuple[str, str]]) -> str:
    """The casts that only one side has, each with what it casts."""
    lost, won = (
        ", ".join(f"{of or 'a value'} to {to}" for to, of in sorted(one - other)) or "none"
        for one, other in ((old, new), (new, old))
    )
    return f"casts: {lost} -> {won}"


def _types(items: Iterable[Item]) -> Counter[str]:
    return line_forms.float_casts(item.code for item in items)


def _casting(steps: Iterable[PlanStep]) -> Counter[str]:
    """The expressions of kernels that do nothing but cast."""
    atens: dict[str, set[str]] = {}
    for op in (op for step in steps for op in step.ops if op.source):
        atens.setdefault(op.source, set()).update(op.aten)
    return Counter(source_stem(source) for source, all_atens in atens.items() if all_atens <= CASTS)


def precision_of_program(search: CauseSearch) -> Iterator[Finding]:
    """Programs that compute in other types, whatever became of their kernels: the first difference that is certain."""
    old, new = search.facts.old, search.facts.new
    words = (
        _other_types((old, new), _items(search.facts.pairs))
        or _other_inputs(old, new)
        or _other_results(_calls(old), _calls(new), "library calls")
        or _other_results(_returned(old), _returned(new), "results")
        or _other_casts(old, new)
    )
    if words:
        yield Finding(CauseName.DTYPE, "", words, "types of a program")


def hidden_precision(search: CauseSearch) -> Iterator[Finding]:
    """Types of a program whose change nothing named, because a library or a template took the place of its kernels."""
    if CauseName.DTYPE in search.causes:
        return
    old, new = search.facts.old, search.facts.new
    words = _other_types((old, new), _items(search.facts.pairs), usual=_USUAL_TYPES)
    if not words and CauseName.TEMPLATE in search.causes and CauseName.OPERATIONS not in search.causes:
        words = _other_casts(old, new)
    if not words and CauseName.OPERATIONS in search.causes:
        words = _same_operations_cast_otherwise(search.facts)
    if words:
        yield Finding(CauseName.DTYPE, "", words, "types of a program")


def _same_operations_cast_otherwise(facts: Facts) -> str:
    """How kernels that compute the same cast otherwise, though one is gone and the other new.

    What a library runs is no operation of the kernel that makes its input.
    """
    items = _items(facts.pairs)
    of_libraries = {op for side in items for item in side if item.ref.kind == EXTERN for op in facts.run_by(item)}
    sides = [
        _only_ones(
            (facts.run_by(item) - of_libraries, item)
            for item in side
            if item.code and item.ref.kind != EXTERN and ATTENTION not in item.ref.kind
        )
        for side in items
    ]
    for computed in sides[0]:  # in the order in which they run: of a set, evidence would depend on the hash seed
        if computed in sides[1]:
            old, new = (line_forms.float_casts_of(side[computed].code) for side in sides)
            if old.total() != new.total():
                return _casts(old, new)
    return ""


def _only_ones(items: Iterable[tuple[frozenset[Op], Item]]) -> dict[frozenset[Op], Item]:
    """Kernels by what they compute, casts and layouts aside; without those that compute nothing or the same."""
    found: dict[frozenset[Op], list[Item]] = {}
    for ops, item in items:
        computed = frozenset(op for op in ops if op[1] not in CASTS | LAYOUT_OPS)
        found.setdefault(computed, []).append(item)
    return {computed: same[0] for computed, same in found.items() if computed and len(same) == 1}


def _items(pairs: Iterable[KernelPair]) -> tuple[list[Item], list[Item]]:
    """The kernels and calls of both sides."""
    known = list(pairs)
    return [item for pair in known for item in pair.old], [item for pair in known for item in pair.new]


def _other_types(
    goldens: Sequence[Golden], sides: Sequence[Iterable[Item]], usual: frozenset[str] = frozenset()
) -> str:
    """Floating types that only one program has, in memory or in its kernels; but for the usual ones."""
    found = [
        (_in_memory(golden) | {_short(name) for name in _types(items)}) - usual
        for golden, items in zip(goldens, sides, strict=True)
    ]
    lost, won = (", ".join(sorted(found[one] - found[1 - one])) or "none" for one in (0, 1))
    return f"floating types: {lost} -> {won}" if lost != won else ""


def _in_memory(golden: Golden) -> set[str]:
    buffers = (buffer for plan in golden.plan for buffer in (*plan.inputs, *plan.buffers.values()))
    return {_short(buffer.dtype) for buffer in buffers if _FLOATING.match(buffer.dtype)}


def _other_inputs(old: Golden, new: Golden) -> str:
    """The first input, by the name that the user gave it, that has another type."""
    before, after = ({b.name: b.dtype for plan in _forward(g) for b in _named_inputs(plan)} for g in (old, new))
    changed = (name for name in before if after.get(name, before[name]) != before[name])
    return next((f"input {name} {before[name]} -> {after[name]}" for name in changed), "")


def _named_inputs(plan: Plan) -> Iterator[Buffer]:
    names = dict(plan.names)
    return (replace(buffer, name=names[buffer.name]) for buffer in plan.inputs if buffer.name in names)


#: Tensors by what makes them and their shapes, and by their types, too; each as often as there are such.
_Results = tuple[Counter[tuple[str, tuple[str, ...] | None]], Counter[str]]


def _calls(golden: Golden) -> _Results:
    """What library calls write."""
    written = [
        (step.name, b) for plan in golden.plan for step in plan.steps if step.kind == EXTERN for b in step.writes
    ]
    return _counted(written)


def _returned(golden: Golden) -> _Results:
    """What the last graph of the program returns."""
    return _counted(("", buffer) for plan in _forward(golden)[-1:] for buffer in returned_to_user(plan))


def _counted(tensors: Iterable[tuple[str, Buffer]]) -> _Results:
    known = [(name, buffer) for name, buffer in tensors if buffer.dtype]
    return Counter((name, buffer.shape) for name, buffer in known), Counter(
        f"{name} {replace(buffer, name='')}".strip() for name, buffer in known
    )


def _other_results(old: _Results, new: _Results, what: str) -> str:
    """The same tensors of other types."""
    if old[0] != new[0] or old[1] == new[1]:
        return ""
    lost, won = (", ".join(sorted(one - other)) for one, other in ((old[1], new[1]), (new[1], old[1])))
    return f"{what}: {lost} -> {won}"


def _other_casts(old: Golden, new: Golden) -> str:
    """Expressions that do nothing but cast: how many there are does not depend on the graphs that they are in."""
    before, after = (_casts_of(golden) for golden in (old, new))
    return f"casts of the program {before} -> {after}" if before != after else ""


def _casts_of(golden: Golden) -> int:
    return sum(_casting(plan.steps).total() for plan in _forward(golden))


def _forward(golden: Golden) -> list[Plan]:
    return [plan for plan in golden.plan if not plan.graph.startswith("backward")]


def _short(name: str) -> str:
    """A floating type as both plans and code call it: `bf16` for `bfloat16`, `f8` for every one of 8 bits."""
    found = _FLOATING.match(name)
    return f"{found[1]}f{found[2]}" if found else name


FAMILY = Family(
    kinds=(),
    finders={Phase.OPERATIONS: (precision,), Phase.TYPES: (precision_of_program,), Phase.AFTER: (hidden_precision,)},
)
