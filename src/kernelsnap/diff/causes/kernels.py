"""Causes that concern one kernel which is one on both sides: its iteration space, its layout, what it writes over."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from kernelsnap.diff.causes.backend import ATTENTION
from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import Facts, KernelPair
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family, Kinds, ShownByProgram
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.fusion import library_ops, only_copies
from kernelsnap.diff.match.items import Item

# tl.load(in_out_ptr0 + (x0), xmask)   tl.load(tl.make_block_ptr(in_out_ptr0, ...   tl.make_tensor_descriptor(...).load(
# An argument of that name may be written alone.
_READ_IN_PLACE = re.compile(
    r"\btl\.load\((?:tl\.make_\w+\()?(in_out_ptr\d+)\b|make_tensor_descriptor\((in_out_ptr\d+)\b[^\n]*\)\.load\("
)


def layout_copies(search: CauseSearch) -> Iterator[Finding]:
    """Kernels, new or gone, that only bring a tensor into the layout that a library call wants."""
    facts = search.facts
    extern = library_ops(facts)
    for pair in facts.changed:
        if pair.pair.status in ("new", "gone"):
            item = pair.item
            ops = set(item.ops)
            if item.ref.kind == "pointwise" and ops and (ops <= extern or (ops & extern and only_copies(item))):
                yield Finding.of(
                    pair,
                    CauseName.INDEXING,
                    f"layout copy is {pair.pair.status}",
                    f"copy {pair.pair.status}",
                    scope=Scope.LAYOUT,
                )


def tiling(search: CauseSearch) -> Iterator[Finding]:
    """Another iteration space for the same elements; for more or fewer of them, that is another shape."""
    facts = search.facts
    for pair in facts.changed:
        if not pair.one_to_one or pair.old[0].ref.kind != pair.new[0].ref.kind:
            continue
        old, new = pair.old[0], pair.new[0]
        before, after = ([step.sizes for step in item.steps] for item in (old, new))
        if before == after or not before or not after or ATTENTION in new.ref.kind or "template" in new.ref.kind:
            continue
        shown = [" ".join(f"{name} {size}" for name, size in sizes[0]) for sizes in (before, after)]
        names = [" ".join(name for name, _ in sizes[0]) for sizes in (before, after)]
        counts = _elements(old), _elements(new)
        other_elements = None not in counts and counts[0] != counts[1] and new.ref.kind == "pointwise"
        if not other_elements or names[0] != names[1]:
            yield Finding.of(pair, CauseName.TILING, " -> ".join(shown), " -> ".join(names))
        elif old.ops == new.ops:
            same = search.program is not None and not _is_of_other_shapes(pair, search.program)
            cause = CauseName.TILING if same else CauseName.SHAPES
            yield Finding.of(pair, cause, " -> ".join(shown), "elements")


def _is_of_other_shapes(pair: KernelPair, program: ShownByProgram) -> bool:
    """Whether what a kernel computes has other shapes; else it only goes over more or fewer elements for the same."""
    about = (other.about for other in program.findings if other.cause == CauseName.SHAPES)
    return any(not places or pair.place in places for places in about)


def _elements(item: Item) -> int | None:
    """How many elements a kernel computes; None where that is not a number."""
    sizes = [size for step in item.steps[:1] for _, size in step.sizes]
    return math.prod(map(int, sizes)) if sizes and all(size.isdecimal() for size in sizes) else None


def in_placing(search: CauseSearch) -> Iterator[Finding]:
    """Kernels that began, or ceased, to write over what they read."""
    facts = search.facts
    found: list[tuple[KernelPair, int, int]] = []
    for pair in facts.changed:
        if pair.one_to_one:
            before, after = (_in_place_arguments(item) for item in (pair.old[0], pair.new[0]))
            if before != after:
                found.append((pair, before, after))
    if not found:
        return
    totals = [sum(map(_in_place_arguments, items)) for items in _items(facts)]
    # Where none is left, of kernels that run over the same, it was switched off, and follows from nothing else.
    alike = all(_runs_over(pair.old[0]) == _runs_over(pair.new[0]) for pair, _, _ in found)
    scope = Scope.IN_PLACING_AT_ALL if 0 in totals and max(totals) > 1 and alike else None
    for pair, before, after in found:
        words = "won" if after > before else "lost"
        yield Finding.of(pair, CauseName.IN_PLACING, f"in-place arguments {before} -> {after}", words, scope=scope)


def _runs_over(item: Item) -> tuple[object, ...]:
    return item.ref.kind, [step.sizes for step in item.steps]


def _items(facts: Facts) -> tuple[list[Item], list[Item]]:
    return [item for pair in facts.pairs for item in pair.old], [item for pair in facts.pairs for item in pair.new]


def _in_place_arguments(item: Item) -> int:
    """Arguments that are read and written; a tensor that is given twice, to be read and to be written, is one too."""
    twice = {buffer.name for step in item.steps for buffer in step.writes if buffer.name in step.reads}
    if "tl.atomic_" in item.code:  # it reads what it adds to, and only that shows it
        twice.clear()
    read = _READ_IN_PLACE.findall(item.code) if "in_out_ptr" in item.code else ()
    return len({one or other for one, other in read}) + len(twice)


_FOLLOWS: Kinds = frozenset([CauseName.INDEXING, CauseName.METADATA, CauseName.UNKNOWN])
FAMILY = Family(
    kinds=(
        CauseKind(CauseName.TILING, "tiling", "the iteration space, or its order", changes_plan=True),
        CauseKind(
            CauseName.IN_PLACING,
            "in-placing",
            "whether a kernel writes over what it reads",
            follows=_FOLLOWS,
            scopes={Scope.IN_PLACING_AT_ALL: _FOLLOWS},
            changes_plan=True,
        ),
    ),
    finders={Phase.KERNELS: (layout_copies, tiling, in_placing)},
)
