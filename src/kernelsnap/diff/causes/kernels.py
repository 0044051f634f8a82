"""Causes that concern one kernel, or the few that it was split into or merged from."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from kernelsnap.diff.causes.kinds import Finding, said_by
from kernelsnap.diff.facts import Facts, KernelPair, Op
from kernelsnap.diff.items import EXTERN, Item, Part
from kernelsnap.diff.match import MatchedGraph
from kernelsnap.model import Golden

_ATTENTION = "attention"
#: Fields of an attention kernel's plan line that say how it is launched, not what it computes.
_LAUNCH_FIELDS = ("warps", "stages")
#: What became of a reduction that is done in two kernels on one side only.
STAGES = ("split into two kernels", "no longer split into two kernels")


def backend(facts: Facts) -> Iterator[Finding]:
    """A library call, a template or generated code in place of another of them, for the same operations."""
    for graph in facts.graphs:
        for old, new in _same_work(graph):
            kinds = _backend(old), _backend(new)
            if kinds[0] != kinds[1]:
                pair, other = facts.of_new[new.part], facts.of_old[old.part]
                says, pattern = f"{_what(old)} -> {_what(new)}", f"{kinds[0]} -> {kinds[1]}"
                yield said_by(pair, "template", says, pattern, beside=[other])


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
            before, after = dict(old.steps[0].sizes), dict(new.steps[0].sizes)
            for name in {**before, **after}:
                if before.get(name) != after.get(name):
                    cause = "launch" if name in _LAUNCH_FIELDS else "attention"
                    change = f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
                    yield said_by(facts.of_new[new.part], cause, change, beside=[facts.of_old[old.part]])


def block_mask(facts: Facts, attended: Collection[int]) -> frozenset[int]:
    """The kernels, new or gone, that make the block masks of attention kernels: pairs by their places.

    They feed one, or they compute integers alone, which forward keeps for backward's attention.
    """
    feeding = frozenset[int]().union(*(facts.feeding(place) for place in attended))
    found: set[int] = set()
    for pair in facts.changed:  # in the order in which they run: what reads the result of one comes after it
        if attended and pair.pair.status in ("new", "gone"):
            types = [buffer.dtype for step in pair.item.steps for buffer in step.writes]
            integers = bool(types) and all(type_[:1] in ("i", "u", "b") and type_ != "bf16" for type_ in types)
            if pair.place in feeding or integers or facts.sources[pair.place] & found:
                found.add(pair.place)
    return frozenset(found)


def fusion(facts: Facts) -> Iterator[Finding]:
    """Kernels that were split or merged."""
    for pair in facts.changed:
        if pair.pair.status in ("split", "merged"):
            cause = "fusion-split" if pair.pair.status == "split" else "fusion-merge"
            sides = zip(pair.old_names, pair.old, strict=True), zip(pair.new_names, pair.new, strict=True)
            before, after = (", ".join(f"{name} ({item.part.kind})" for name, item in side) for side in sides)
            pattern = f"{len(pair.old)} -> {len(pair.new)}"
            yield said_by(pair, cause, f"{before} -> {after}", pattern)
    if {aten for _, aten in facts.ops[0]} == {aten for _, aten in facts.ops[1]}:
        yield from _repeated(facts)


def _repeated(facts: Facts) -> Iterator[Finding]:
    """Kernels, new or gone, that only run what other kernels of the other side run too: no operation is new or gone.

    Where fewer kernels run than before, none of them was split, however they are paired; nor merged where more run.
    """
    more = _launches(facts.new) - _launches(facts.old)
    for pair in repeating(facts):
        if (more >= 0 and pair.new) or (more <= 0 and pair.old):
            cause = "fusion-split" if pair.new else "fusion-merge"
            says = "runs operations of other kernels" if pair.new else "gone: other kernels run its operations"
            others = _running(facts, pair)
            yield said_by(pair, cause, f"{pair.item.part.kind} {says}", f"kernel {pair.pair.status}", beside=others)


def _running(facts: Facts, pair: KernelPair) -> list[KernelPair]:
    """Pairs whose generated kernels of the other side run an operation of a kernel that is new or gone."""
    ops = facts.run_by(pair.item)
    return [
        other
        for other in facts.changed
        for item in (other.old if pair.new else other.new)
        if item.part.kind != EXTERN and facts.run_by(item) & ops
    ]


def repeating(facts: Facts) -> Iterator[KernelPair]:
    """Generated kernels, new or gone, none of whose operations a library call runs."""
    extern = _library_ops(facts)
    for pair in facts.changed:
        if pair.pair.status in ("new", "gone"):
            item = pair.item
            if item.ops and item.part.kind != EXTERN and not set(item.ops) <= extern:
                yield pair


def _launches(golden: Golden) -> int:
    return sum(step.kind != EXTERN for plan in golden.plan for step in plan.steps)


def _library_ops(facts: Facts) -> set[Op]:
    sides = (item for pair in facts.pairs for item in (*pair.old, *pair.new) if item.part.kind == EXTERN)
    return {op for item in sides for op in item.ops}


def reduction_strategy(facts: Facts) -> Iterator[Finding]:
    """Persistent, looped, cooperative, or in two kernels."""
    yield from _two_stages(facts)
    for pair in facts.changed:
        if pair.old and pair.new:
            before, after = pair.old[0].part.kind, pair.new[0].part.kind
            if not pair.one_to_one or before == after:
                continue
            reductions = sum("reduction" in kind for kind in (before, after))
            alone = all(other.one_to_one for other in facts.changed)
            unrolled = alone and "pointwise" in (before, after) and pair.old[0].ops == pair.new[0].ops
            if reductions == 2 or (reductions == 1 and unrolled):
                yield said_by(pair, "reduction-strategy", f"{before} -> {after}")
        elif pair.item.part.step < 0 and "multi_kernel(" in facts.host_code:
            says = f"a kernel to choose from at run time is {pair.pair.status}"
            yield said_by(pair, "reduction-strategy", says, says)


def _two_stages(facts: Facts) -> Iterator[Finding]:
    """Reductions that are done in two kernels on one side only."""
    for graph in facts.graphs:
        old, new = _second_stages(graph.old), _second_stages(graph.new)
        sides = (
            (new, old, facts.of_new, facts.of_old, STAGES[0]),
            (old, new, facts.of_old, facts.of_new, STAGES[1]),
        )
        for here, there, pair_of, pair_there, says in sides:
            kept = {pair_there[second].place for second in there}
            for second, first in here.items():
                if pair_of[second].place not in kept:
                    yield said_by(
                        pair_of[second], "reduction-strategy", f"reduction {says}", says, beside=[pair_of[first]]
                    )


def more_kernels(facts: Facts) -> int:
    """How many generated kernels there are more than before, both stages of a reduction counted as one."""
    return sum(
        sign * (sum(item.part.kind != EXTERN for item in items) - len(_second_stages(items)))
        for graph in facts.graphs
        for sign, items in ((1, graph.new), (-1, graph.old))
    )


def _second_stages(items: tuple[Item, ...]) -> dict[Part, Part]:
    """Reductions of what another kernel of the same operation has reduced in part, each with that kernel."""
    found = {}
    reductions = [item for item in items if "reduction" in item.part.kind]
    for item in reductions:
        for other in reductions:
            same = item is not other and any(source for source, _ in item.sources & other.sources)
            if same and _reads(item, other):
                found[item.part] = other.part
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
            item = pair.item
            if item.part.kind == "pointwise" and item.ops and set(item.ops) <= extern:
                yield said_by(pair, "indexing", f"layout copy is {pair.pair.status}", f"copy {pair.pair.status}")


def tiling(facts: Facts) -> Iterator[Finding]:
    """Another iteration space for the same elements; for more or fewer of them, that is another shape."""
    for pair in facts.changed:
        kind = pair.item.part.kind
        if pair.one_to_one and pair.old[0].part.kind == kind and _ATTENTION not in kind:
            before, after = ([step.sizes for step in item.steps] for item in (pair.old[0], pair.new[0]))
            if before != after and "template" not in kind:
                shown = [" ".join(f"{n} {s}" for n, s in sizes[0]) for sizes in (before, after) if sizes]
                names = [" ".join(n for n, _ in sizes[0]) for sizes in (before, after) if sizes]
                counts = [_elements(item) for item in (pair.old[0], pair.new[0])]
                if kind == "pointwise" and None not in counts and counts[0] != counts[1] and names[0] == names[-1]:
                    yield said_by(pair, "shapes", " -> ".join(shown), "elements")
                else:
                    yield said_by(pair, "tiling", " -> ".join(shown), " -> ".join(names))


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
                yield said_by(pair, "in-placing", f"in-place arguments {before} -> {after}", says)


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
    if not pair.one_to_one or pair.item.part.graph not in graphs:
        return False
    for other in repeating(facts):
        item, mine = (other.new or other.old)[0], (pair.new if other.new else pair.old)[0]
        if item.part.graph == mine.part.graph and item.ops & mine.ops and item.exchanges(mine):
            return True
    return False


def explained(pair: KernelPair, findings: list[Finding]) -> bool:
    """Whether a finding is about the kernel."""
    return any(pair.place in finding.about for finding in findings)
