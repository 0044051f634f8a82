"""Match the kernels of two goldens by what they compute, never by where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kernelsnap.diff.match.fragments import fragments
from kernelsnap.diff.match.items import Item, Part, items
from kernelsnap.diff.match.partners import partners, untouched
from kernelsnap.diff.text.lines import common
from kernelsnap.model.golden import Golden, Plan

Status = Literal["unchanged", "renamed", "reordered", "changed", "split", "merged", "new", "gone"]


@dataclass(frozen=True)
class Pair:
    """What became of one kernel or call into a library; of several where kernels were split or merged.

    The first old part and the first new one are the same kernel changed: names are aligned along them.
    """

    status: Status
    old: tuple[Part, ...]  # empty for a new one
    new: tuple[Part, ...]  # empty for one that is gone


@dataclass(frozen=True)
class MatchedGraph:
    """One graph on both sides: its items, and what became of each."""

    old_plan: Plan | None
    new_plan: Plan | None
    old: tuple[Item, ...]
    new: tuple[Item, ...]
    pairs: tuple[Pair, ...]  # in the order of the new plan, gone ones last


def match(old: Golden, new: Golden) -> tuple[Pair, ...]:
    """The kernels and library calls of both goldens, each in one pair: in the order of the new plan, gone ones last."""
    return tuple(pair for graph in matched_graphs(old, new) for pair in graph.pairs)


def matched_graphs(old: Golden, new: Golden) -> tuple[MatchedGraph, ...]:
    """The graphs of both goldens with all that matching them has found."""
    return tuple(_matched(old, new, *plans) for plans in match_graphs(old, new))


def _matched(old: Golden, new: Golden, old_plan: Plan | None, new_plan: Plan | None) -> MatchedGraph:
    old_items = items(old, old_plan) if old_plan else []
    new_items = items(new, new_plan) if new_plan else []
    pairs = tuple(_match_plans(old_items, new_items))
    return MatchedGraph(old_plan, new_plan, tuple(old_items), tuple(new_items), pairs)


def match_graphs(old: Golden, new: Golden) -> list[tuple[Plan | None, Plan | None]]:
    """Graphs of one name; those left over in order, for a graph break turns `forward` into `forward.0`."""
    old_by_name = {plan.graph: plan for plan in old.plan}
    new_names = {plan.graph for plan in new.plan}
    left = [plan for plan in old.plan if plan.graph not in new_names]
    pairs: list[tuple[Plan | None, Plan | None]] = []
    for plan in new.plan:
        partner = old_by_name.get(plan.graph)
        if partner is None:
            backward = plan.graph.startswith("backward")
            partner = next((other for other in left if other.graph.startswith("backward") == backward), None)
            left = [other for other in left if other is not partner]
        pairs.append((partner, plan))
    return pairs + [(plan, None) for plan in left]


def _match_plans(old: Sequence[Item], new: Sequence[Item]) -> Iterator[Pair]:
    equal = dict(untouched(old, new))
    partner = partners(old, new, equal)
    splits = fragments(old, new, partner)
    split = set(splits.values())
    # A pair is not split and merged at once: what moved between two kernels is a change of both.
    merges = {
        i: j for i, j in fragments(new, old, {i: j for j, i in partner.items()}).items() if partner[j] not in split
    }
    pieces, merged = _by_whole(splits), _by_whole(merges)
    moved = _moved(partner)
    for j, item in enumerate(new):
        if j in partner:
            i = partner[j]
            old_parts = (old[i].part, *(old[x].part for x in merged.get(j, ())))
            new_parts = (item.part, *(new[x].part for x in pieces.get(i, ())))
            status: Status
            if len(new_parts) > 1:
                status = "split"
            elif len(old_parts) > 1:
                status = "merged"
            elif j not in equal and old[i].meaning != item.meaning:
                status = "changed"
            elif j in moved:
                status = "reordered"
            else:
                status = "unchanged" if old[i].part.name == item.part.name else "renamed"
            yield Pair(status, old_parts, new_parts)
        elif j not in splits:
            yield Pair("new", (), (item.part,))
    kept = set(partner.values())
    for i, item in enumerate(old):
        if i not in kept and i not in merges:
            yield Pair("gone", (item.part,), ())


def _by_whole(whole_of: Mapping[int, int]) -> dict[int, list[int]]:
    """For positions of wholes those of their pieces, rising."""
    pieces: dict[int, list[int]] = {}
    for piece in sorted(whole_of):
        pieces.setdefault(whole_of[piece], []).append(piece)
    return pieces


def _moved(partner: dict[int, int]) -> set[int]:
    """Positions of new items that run in another order than their partners did."""
    order = [partner[j] for j in sorted(partner)]
    kept = {y for _, y in common(sorted(order), order)}
    return {j for y, j in enumerate(sorted(partner)) if y not in kept}
