"""Causes that concern one kernel, or the few that it was split into or merged from."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kernelsnap.diff.causes.kinds import Finding
from kernelsnap.diff.facts import Facts, KernelPair, Op
from kernelsnap.diff.items import EXTERN, Item
from kernelsnap.diff.match import MatchedGraph
from kernelsnap.model import Golden

_ATTENTION = "attention"
#: Fields of an attention kernel's plan line that say how it is launched, not what it computes.
_LAUNCH_FIELDS = ("warps", "stages")


def backend(facts: Facts) -> Iterator[Finding]:
    """A library call, a template or generated code in place of another of them, for the same operations."""
    for graph in facts.graphs:
        for old, new in _same_work(graph):
            kinds = _backend(old), _backend(new)
            if kinds[0] != kinds[1]:
                yield Finding(
                    "template",
                    f"{new.part.graph} {new.part.name}",
                    f"{_what(old)} -> {_what(new)}",
                    f"{kinds[0]} -> {kinds[1]}",
                )


def _same_work(graph: MatchedGraph) -> Iterator[tuple[Item, Item]]:
    """Items of both sides that do the same: paired, or gone and new with a common operation that no other item has."""
    renamed = _names_changed(graph)
    parts = {part for pair in renamed for part in pair}
    old_items, new_items = (
        [item for item in items if item.part in parts or _backend(item) != "generated"]
        for items in (graph.old, graph.new)
    )
    for old in old_items:
        for new in new_items:
            attention = _ATTENTION in old.part.kind and _ATTENTION in new.part.kind
            direction = old.part.kind.partition(",")[0] == new.part.kind.partition(",")[0]
            library = {_backend(old), _backend(new)} == {"library", "template"} and bool(old.ops & new.ops)
            if (attention and direction) or library or (old.part, new.part) in renamed:
                yield old, new


def _names_changed(graph: MatchedGraph) -> set[tuple[object, object]]:
    """Library calls paired with another callee."""
    return {
        (pair.old[0], pair.new[0])
        for pair in graph.pairs
        if pair.old and pair.new and EXTERN in (pair.old[0].kind, pair.new[0].kind)
    }


def _backend(item: Item) -> str:
    kind = item.part.kind
    if kind == EXTERN:
        return "library"
    if _ATTENTION in kind:
        return kind.rpartition(", ")[2]
    return "template" if "template" in kind else "generated"


def _what(item: Item) -> str:
    return item.part.name if item.part.kind == EXTERN else item.part.kind


def attention(facts: Facts) -> Iterator[Finding]:
    """Tiles, sparsity, score_mod and mask_mod of attention kernels."""
    for graph in facts.graphs:
        for old, new in _same_work(graph):
            if _ATTENTION not in old.part.kind or _backend(old) != _backend(new):
                continue
            where = f"{new.part.graph} {new.part.name}"
            before, after = dict(old.steps[0].sizes), dict(new.steps[0].sizes)
            for name in {**before, **after}:
                if before.get(name) != after.get(name):
                    cause = "launch" if name in _LAUNCH_FIELDS else "attention"
                    change = f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
                    yield Finding(cause, where, change)


def fusion(facts: Facts) -> Iterator[Finding]:
    """Kernels that were split or merged."""
    for pair in facts.changed:
        if pair.pair.status in ("split", "merged"):
            cause = "fusion-split" if pair.pair.status == "split" else "fusion-merge"
            before, after = (", ".join(f"{i.part.name} ({i.part.kind})" for i in side) for side in (pair.old, pair.new))
            pattern = f"{len(pair.old)} -> {len(pair.new)}"
            yield Finding(cause, pair.name, f"{before} -> {after}", pattern)
    if {aten for _, aten in facts.ops[0]} == {aten for _, aten in facts.ops[1]}:
        yield from _repeated(facts)


def _repeated(facts: Facts) -> Iterator[Finding]:
    """Kernels, new or gone, that only run what other kernels of the other side run too: no operation is new or gone.

    Where fewer kernels run than before, none of them was split, however they are paired; nor merged where more run.
    """
    more = _launches(facts.new) - _launches(facts.old)
    for pair in repeating(facts):
        item = (pair.new or pair.old)[0]
        if (more >= 0 and pair.new) or (more <= 0 and pair.old):
            cause = "fusion-split" if pair.new else "fusion-merge"
            says = "runs operations of other kernels" if pair.new else "gone: other kernels run its operations"
            yield Finding(cause, pair.name, f"{item.part.name} ({item.part.kind}) {says}", f"kernel {pair.pair.status}")


def repeating(facts: Facts) -> Iterator[KernelPair]:
    """Generated kernels, new or gone, none of whose operations a library call runs."""
    extern = _library_ops(facts)
    for pair in facts.changed:
        if pair.pair.status in ("new", "gone"):
            item = (pair.new or pair.old)[0]
            if item.ops and item.part.kind != EXTERN and not set(item.ops) <= extern:
                yield pair


def _launches(golden: Golden) -> int:
    return sum(step.kind != EXTERN for plan in golden.plan for step in plan.steps)


def _library_ops(facts: Facts) -> set[Op]:
    sides = (item for pair in facts.pairs for item in (*pair.old, *pair.new) if item.part.kind == EXTERN)
    return {op for item in sides for op in item.ops}


def reduction_strategy(facts: Facts) -> Iterator[Finding]:
    """Persistent, looped, cooperative, or in two kernels."""
    for graph in facts.graphs:
        stages = [_second_stages(items) for items in (graph.old, graph.new)]
        if len(stages[0]) != len(stages[1]):
            item = next(iter(stages[0] or stages[1]))
            says = "split into two kernels" if len(stages[1]) > len(stages[0]) else "no longer split into two kernels"
            yield Finding("reduction-strategy", f"{item.part.graph} {item.part.name}", f"reduction {says}", says)
    for pair in facts.changed:
        if pair.old and pair.new:
            before, after = pair.old[0].part.kind, pair.new[0].part.kind
            if not pair.one_to_one or before == after:
                continue
            reductions = sum("reduction" in kind for kind in (before, after))
            alone = all(other.one_to_one for other in facts.changed)
            unrolled = alone and "pointwise" in (before, after) and pair.old[0].ops == pair.new[0].ops
            if reductions == 2 or (reductions == 1 and unrolled):
                yield Finding("reduction-strategy", pair.name, f"{before} -> {after}")
        elif (pair.new or pair.old)[0].part.step < 0 and "multi_kernel(" in facts.host_code:
            says = f"a kernel to choose from at run time is {pair.pair.status}"
            yield Finding("reduction-strategy", pair.name, says, says)


def _second_stages(items: tuple[Item, ...]) -> list[Item]:
    """Reductions of what another kernel of the same operation has reduced in part."""
    found = []
    for item in items:
        for other in items:
            reductions = "reduction" in item.part.kind and "reduction" in other.part.kind
            if item is not other and reductions and item.ops and _reads(item, other):
                same = set(item.sources) & set(other.sources) if item.sources else set()
                if same and set(item.ops) <= set(other.ops) | set(item.ops) and any(source for source, _ in same):
                    found.append(item)
                    break
    return found


def _reads(item: Item, other: Item) -> bool:
    written = {buffer.name for step in other.steps for buffer in step.writes}
    return any(name in written for step in item.steps for name in step.reads)


def layout_copies(facts: Facts) -> Iterator[Finding]:
    """Kernels, new or gone, that only bring a tensor into the layout that a library call wants."""
    extern = _library_ops(facts)
    for pair in facts.changed:
        if pair.pair.status in ("new", "gone"):
            item = (pair.new or pair.old)[0]
            if item.part.kind == "pointwise" and item.ops and set(item.ops) <= extern:
                yield Finding("indexing", pair.name, f"layout copy is {pair.pair.status}", f"copy {pair.pair.status}")


def tiling(facts: Facts) -> Iterator[Finding]:
    """Another iteration space for the same elements; for more or fewer of them, that is another shape."""
    for pair in facts.changed:
        kind = (pair.new or pair.old)[0].part.kind
        if pair.one_to_one and pair.old[0].part.kind == kind and _ATTENTION not in kind:
            before, after = ([step.sizes for step in item.steps] for item in (pair.old[0], pair.new[0]))
            if before != after and "template" not in kind:
                shown = [" ".join(f"{n} {s}" for n, s in sizes[0]) for sizes in (before, after) if sizes]
                names = [" ".join(n for n, _ in sizes[0]) for sizes in (before, after) if sizes]
                counts = [_elements(item) for item in (pair.old[0], pair.new[0])]
                if kind == "pointwise" and None not in counts and counts[0] != counts[1] and names[0] == names[-1]:
                    yield Finding("shapes", pair.name, " -> ".join(shown), "elements")
                else:
                    yield Finding("tiling", pair.name, " -> ".join(shown), " -> ".join(names))


def _elements(item: Item) -> int | None:
    """How many elements a kernel computes; None where that is not a number."""
    sizes = [size for step in item.steps[:1] for _, size in step.sizes]
    return math.prod(map(int, sizes)) if sizes and all(size.isdecimal() for size in sizes) else None


def in_placing(facts: Facts) -> Iterator[Finding]:
    """Kernels that began, or ceased, to write over what they read."""
    for pair in facts.changed:
        if pair.one_to_one:
            before, after = (_in_place_arguments(item) for item in (pair.old[0], pair.new[0]))
            if before != after:
                says = "won" if after > before else "lost"
                yield Finding("in-placing", pair.name, f"in-place arguments {before} -> {after}", says)


def _in_place_arguments(item: Item) -> int:
    """Arguments that are read and written; a tensor that is given twice, to be read and to be written, is one too."""
    twice = {buffer.name for step in item.steps for buffer in step.writes if buffer.name in step.reads}
    if "tl.atomic_" in item.code:  # it reads what it adds to, and nothing else says so
        twice.clear()
    return sum(line.startswith("arg in_out_ptr") for line in item.code.splitlines()) + len(twice)


def part_of_fusion(pair: KernelPair, facts: Facts, graphs: set[str]) -> bool:
    """Whether another kernel, new or gone, does a part of this one's work, in a graph where fusion changed.

    That is one which runs the same operations and reads what it writes, or the other way round: `mean` as a sum in one
    kernel and a division in the next.
    """
    if not pair.one_to_one or pair.name.split(" ")[0] not in graphs:
        return False
    for other in repeating(facts):
        item, mine = (other.new or other.old)[0], (pair.new if other.new else pair.old)[0]
        if item.part.graph == mine.part.graph and item.ops & mine.ops and item.exchanges(mine):
            return True
    return False


def explained(pair: KernelPair, findings: list[Finding]) -> bool:
    """Whether a finding names the kernel."""
    names = {f"{item.part.graph} {item.part.name}" for item in (*pair.old, *pair.new)}
    return any(finding.where in names for finding in findings)
