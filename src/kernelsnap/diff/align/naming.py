"""Names the kernels and the source expressions of a new golden after their counterparts in an old one.

An expression inserted before others renumbers all of its kind that follow (`softmax.1`). Where the operations of a
kernel correspond to those of its counterpart, so do the expressions that they came from.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from kernelsnap.diff.match.items import EXTERN
from kernelsnap.diff.match.pairs import Pair, match_graphs
from kernelsnap.diff.text.lines import common
from kernelsnap.golden.canonical import HOST, kernel_names, rename_sources, source_stem
from kernelsnap.model.capture import FusedOp
from kernelsnap.model.golden import Golden, Plan

_WORD = re.compile(r"[^\W\d]\w*")
#: For kernels of a graph of the new golden the names of their counterparts: (new graph, old graph): {new: old}.
Partners = dict[tuple[str, str], dict[str, str]]


def kernel_partners(pairs: Iterable[Pair]) -> Partners:
    """The kernels that are in a pair with one of the old golden."""
    found: Partners = {}
    for pair in pairs:
        if pair.old and pair.new and EXTERN not in (pair.old[0].kind, pair.new[0].kind):
            old, new = pair.old[0], pair.new[0]
            found.setdefault((new.graph, old.graph), {})[new.name] = old.name
    return found


def shown_names(old: Golden, new: Golden, pairs: Iterable[Pair]) -> dict[tuple[str, str], str]:
    """For each kernel of the new golden, by graph and name, what it is called when it is aligned with the old one."""
    partners = kernel_partners(pairs)
    found: dict[tuple[str, str], str] = {}
    for old_plan, plan in match_graphs(old, new):
        if old_plan and plan:
            same = partners.get((plan.graph, old_plan.graph), {})
            found |= {(plan.graph, k): name for k, name in names_as_in(old, old_plan, new, plan, same).items()}
    return found


def names_as_in(old: Golden, old_plan: Plan, new: Golden, plan: Plan, partners: Mapping[str, str]) -> dict[str, str]:
    """A name for each kernel of a graph: its partner's, or one that no kernel has.

    Never a word that its code or the host code uses: it would be renamed with the kernel.
    """
    kernels = list(kernel_names(new, plan))
    if all(partners.get(kernel) == kernel for kernel in kernels):
        return {kernel: kernel for kernel in kernels}
    code = code_of(new, plan.graph)
    taken = {*kernel_names(old, old_plan), *(words(code.get(HOST, "")) - set(kernels))}
    names = {}
    for kernel in kernels:
        own_words = words(code.get(kernel, "")) - {kernel}
        partner = partners.get(kernel)
        if partner is None or partner in own_words:
            numbered = (f"k{number}" for number in count())
            names[kernel] = next(name for name in numbered if name not in taken and name not in own_words)
            taken.add(names[kernel])
        else:
            names[kernel] = partner
    return names


def code_of(golden: Golden, graph: str) -> dict[str, str]:
    """The pieces of code of one graph, by name."""
    return {piece.name: piece.text for piece in golden.code if piece.graph == graph}


def words(text: str) -> set[str]:
    """All names in a text."""
    return set(_WORD.findall(text))


def align_sources(old: Golden, new: Golden) -> tuple[Plan, ...]:
    """The plans of the new golden, whose kernels are aligned already, with the old one's numbers of expressions."""
    partner = {plan.graph: old_plan for old_plan, plan in match_graphs(old, new) if old_plan and plan}
    return tuple(
        rename_sources(plan, _names(partner[plan.graph], plan).__getitem__) if plan.graph in partner else plan
        for plan in new.plan
    )


def _names(old: Plan, new: Plan) -> dict[str, str]:
    """For each expression of the new plan its name in the old one, or one that neither uses: one-to-one per stem."""
    votes = [
        vote
        for votes in (_votes(old, new), _votes_of_stems(old, new), _votes_of_moved(old, new))
        for vote, _ in Counter(votes).most_common()
    ]
    sources = dict.fromkeys(op.source for step in new.steps for op in step.ops)
    names = {"": ""}
    taken = {op.source for step in old.steps for op in step.ops}
    given = {""}
    for source, old_source in votes:
        if source not in names and old_source not in given:
            names[source] = old_source
            given.add(old_source)
    for source in sources:
        if source not in names:
            names[source] = next(name for name in _numbered(source_stem(source)) if name not in taken)
            taken.add(names[source])
    return names


def _votes(old: Plan, new: Plan) -> Iterator[tuple[str, str]]:
    """Pairs of expressions of one stem that became the same operations in the same kernel, then anywhere in order."""
    old_ops, new_ops = _by_kernel(old), _by_kernel(new)
    for name, ops in new_ops.items():
        yield from _in_order(old_ops.get(name, []), ops)
    yield from _in_order([op for ops in old_ops.values() for op in ops], [op for ops in new_ops.values() for op in ops])


def _votes_of_stems(old: Plan, new: Plan) -> Iterator[tuple[str, str]]:
    """Pairs of expressions of one stem in the same kernel, whatever they became there."""
    old_ops = _by_kernel(old)
    for name, ops in _by_kernel(new).items():
        others = old_ops.get(name, [])
        for i, j in common([source_stem(op.source) for op in others], [source_stem(op.source) for op in ops]):
            yield ops[j].source, others[i].source


def _votes_of_moved(old: Plan, new: Plan) -> Iterator[tuple[str, str]]:
    """Pairs of expressions of one stem in the same kernel, in whatever order: what moved keeps its number."""
    old_ops = _by_kernel(old)
    for name, ops in _by_kernel(new).items():
        for op in ops:
            for other in old_ops.get(name, []):
                if source_stem(op.source) == source_stem(other.source):
                    yield op.source, other.source


def _by_kernel(plan: Plan) -> dict[str, list[FusedOp]]:
    ops: defaultdict[str, list[FusedOp]] = defaultdict(list)
    for step in plan.steps:
        ops[step.name] += step.ops
    return ops


def _in_order(old: list[FusedOp], new: list[FusedOp]) -> Iterator[tuple[str, str]]:
    pairs = common([(source_stem(op.source), op.aten) for op in old], [(source_stem(op.source), op.aten) for op in new])
    for i, j in pairs:
        yield new[j].source, old[i].source


def _numbered(stem: str) -> Iterator[str]:
    """The names that `canonical` may give: `softmax`, `softmax.1`, and so on."""
    yield stem
    yield from (f"{stem}.{number}" for number in count(1))
