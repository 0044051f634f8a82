"""Give a new golden the names of an old one where they mean the same, so that only what changed reads differently.

A pure renaming: one-to-one within each scope (the kernels of a graph, the locals of a kernel, the variables of a graph's
host code), so `canonical` of the result is `canonical` of what came in. What has no counterpart gets a name that the old
golden does not use in that scope.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kernelsnap.diff.match import Pair, match, match_graphs
from kernelsnap.golden.canonical import canonical, rename_graph
from kernelsnap.model import Golden


def align(new: Golden, old: Golden) -> Golden:
    """The new golden under the old one's names; the old one's contents where they say the same."""
    identity = replace(old, case=new.case, target=new.target)
    if new == identity or canonical(new) == canonical(identity):
        return identity
    return align_pairs(new, old, match(old, new))


def align_pairs(new: Golden, old: Golden, pairs: Iterable[Pair]) -> Golden:
    """The new golden under the old one's names, with its kernels already matched."""
    partners = {
        (pair.new[0].graph, pair.new[0].name): (pair.old[0].graph, pair.old[0].name)
        for pair in pairs
        if pair.old and pair.new and "extern" not in (pair.old[0].kind, pair.new[0].kind)
    }
    for old_plan, plan in match_graphs(old, new):
        if plan is None or old_plan is None:
            continue
        names = {
            kernel: partner
            for (graph, kernel), (old_graph, partner) in partners.items()
            if (graph, old_graph) == (plan.graph, old_plan.graph)
        }
        names = _kernel_names(new, plan, old, old_plan, names)
        new = rename_graph(new, plan.graph, names)
        matched = set(names[kernel] for kernel in names if partners.get((plan.graph, kernel)) == (old_plan.graph, names[kernel]))
        new = _align_kernels(new, plan.graph, old, old_plan.graph, matched)
        new = _align_host(new, plan.graph, old, old_plan.graph)
    return new
