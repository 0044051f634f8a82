"""Names the kernels of a new golden after their counterparts in an old one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import count

from kernelsnap.diff.match.items import EXTERN
from kernelsnap.diff.match.pairs import Pair, match_graphs
from kernelsnap.golden.canonical import HOST, kernel_names
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
