"""What became of each kernel and library call from one golden to another: the result of matching them.

Kernels are matched by what they compute, never by their names. What has no partner may be a piece of a kernel that was
split, or of one that several became.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kernelsnap.diff.match.items import Item, KernelRef, comparable_ops, items
from kernelsnap.diff.match.matching import match_items, untouched
from kernelsnap.diff.match.similarity import BlockingIndex
from kernelsnap.diff.text.lines import common
from kernelsnap.model.golden import Golden, Plan

Status = Literal["unchanged", "renamed", "reordered", "changed", "split", "merged", "new", "gone"]
#: A piece has at least this share of its operations from the whole.
SHARE = 0.5


@dataclass(frozen=True)
class Pair:
    """What became of one kernel or call into a library; of several where kernels were split or merged.

    The first old part and the first new one are the same kernel changed: names are aligned along them.
    """

    status: Status
    old: tuple[KernelRef, ...]  # empty for a new one
    new: tuple[KernelRef, ...]  # empty for one that is gone


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
    partner = match_items(old, new, equal)
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
            old_parts = (old[i].ref, *(old[x].ref for x in merged.get(j, ())))
            new_parts = (item.ref, *(new[x].ref for x in pieces.get(i, ())))
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
                status = "unchanged" if old[i].ref.name == item.ref.name else "renamed"
            yield Pair(status, old_parts, new_parts)
        elif j not in splits:
            yield Pair("new", (), (item.ref,))
    kept = set(partner.values())
    for i, item in enumerate(old):
        if i not in kept and i not in merges:
            yield Pair("gone", (item.ref,), ())


def _by_whole(whole_of: Mapping[int, int]) -> dict[int, list[int]]:
    """For the position of each whole those of its pieces, rising."""
    pieces: dict[int, list[int]] = {}
    for piece in sorted(whole_of):
        pieces.setdefault(whole_of[piece], []).append(piece)
    return pieces


def _moved(partner: dict[int, int]) -> set[int]:
    """Positions of new items that run in another order than their partners did."""
    order = [partner[j] for j in sorted(partner)]
    kept = {y for _, y in common(sorted(order), order)}
    return {j for y, j in enumerate(sorted(partner)) if y not in kept}


def fragments(wholes: Sequence[Item], pieces: Sequence[Item], whole_of: Mapping[int, int]) -> dict[int, int]:
    """For positions of pieces without a partner the position of the whole that each was a part of.

    The whole is an item whose partner lost operations, some of which the piece has. The piece has a lost one, or is kin
    to the partner or to another piece of the same whole: one reads what the other writes, or they are twins. Of several
    such wholes the one with most in common, then the one whose partner is closest.
    """
    left = [j for j in range(len(pieces)) if j not in whole_of]
    lessened = {partner: wholes[i] for partner, i in whole_of.items() if left and _lost(wholes[i], pieces[partner])}
    index = BlockingIndex({partner: {aten for _, aten in whole.ops} for partner, whole in lessened.items()})
    kin = {partner: [pieces[partner]] for partner in lessened}

    def partner_of(j: int) -> int | None:
        piece, best, found = pieces[j], (0, 0, 0), None
        for partner in index.sharing({aten for _, aten in piece.ops}, near=j):
            ops, whole, after = comparable_ops(piece, lessened[partner], pieces[partner])
            shared = (ops & whole).total()
            score = ((ops & (whole - after)).total(), shared, -abs(partner - j))
            belongs = score[0] > 0 or any(piece.exchanges(other) or _twins(piece, other) for other in kin[partner])
            if belongs and shared >= SHARE * ops.total() and score > best:
                best, found = score, partner
        return found

    found: dict[int, int] = {}
    while left:
        still_left = []
        for j in left:
            if (partner := partner_of(j)) is None:
                still_left.append(j)
            else:
                found[j] = whole_of[partner]
                kin[partner].append(pieces[j])
        if len(still_left) == len(left):
            break
        left = still_left
    return found


def _twins(piece: Item, other: Item) -> bool:
    return piece.ops == other.ops and piece.shape == other.shape


def _lost(whole: Item, partner: Item) -> bool:
    before, after = comparable_ops(whole, partner)
    return bool(before - after)
