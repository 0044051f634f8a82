"""Match the kernels of two goldens by what they compute, never by where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kernelsnap.diff.assignment import best_pairs
from kernelsnap.diff.items import EXTERN, Item, Part, items
from kernelsnap.diff.likeness import Likeness
from kernelsnap.diff.lines import common
from kernelsnap.model import Golden, Plan

Status = Literal["unchanged", "renamed", "reordered", "changed", "split", "merged", "new", "gone"]

#: Two items less alike than this (of 1000) are not the same one changed: one is gone, the other new.
ALIKE = 300
#: A new item belongs to a split if at least this share of its operations was in the kernel that was split.
SHARE = 0.5


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
    untouched = dict(_untouched(old, new))
    partner = _one_to_one(old, new, untouched)
    splits = _fragments(old, new, partner)
    split = set(splits.values())
    # A pair is not split and merged at once: what moved between two kernels is a change of both.
    merges = {
        i: j for i, j in _fragments(new, old, {i: j for j, i in partner.items()}).items() if partner[j] not in split
    }
    moved = _moved(partner)
    for j, item in enumerate(new):
        if j in partner:
            i = partner[j]
            old_parts = (old[i].part, *(old[x].part for x in sorted(merges) if merges[x] == j))
            new_parts = (item.part, *(new[x].part for x in sorted(splits) if splits[x] == i))
            status: Status
            if len(new_parts) > 1:
                status = "split"
            elif len(old_parts) > 1:
                status = "merged"
            elif j not in untouched and old[i].meaning != item.meaning:
                status = "changed"
            elif j in moved:
                status = "reordered"
            else:
                status = "unchanged" if old[i].part.name == item.part.name else "renamed"
            yield Pair(status, old_parts, new_parts)
        elif j not in splits:
            yield Pair("new", (), (item.part,))
    for i, item in enumerate(old):
        if i not in partner.values() and i not in merges:
            yield Pair("gone", (item.part,), ())


def _untouched(old: Sequence[Item], new: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """Positions of new kernels and old ones that are equal to the letter, name and all: most of a golden."""
    place = {item.part.name: i for i, item in enumerate(old) if item.part.kind != EXTERN}
    for j, item in enumerate(new):
        i = place.get(item.part.name, -1)
        if i >= 0 and item.part.kind != EXTERN and item.said == old[i].said:
            yield j, i


def _one_to_one(old: Sequence[Item], new: Sequence[Item], untouched: Mapping[int, int]) -> dict[int, int]:
    """For positions of new items the position of the old one that is the same, by ever weaker evidence."""
    partner = dict(untouched)
    keys: tuple[Callable[[Item], Hashable], ...] = (
        lambda item: (item.meaning, item.sources),
        lambda item: (item.part.kind, item.skeleton.key, item.shape),
        lambda item: (item.shape, item.sources),
        lambda item: (item.shape, frozenset(item.ops.items())),
    )
    for key in keys:
        left_old, left_new = _left(old, new, partner)
        partner.update(_equal(left_old, left_new, [key(old[i]) for i in left_old], [key(new[j]) for j in left_new]))
    partner.update(_most_alike(old, new, partner))
    return partner


def _equal(
    left_old: Sequence[int], left_new: Sequence[int], keys_old: Sequence[Hashable], keys_new: Sequence[Hashable]
) -> Iterator[tuple[int, int]]:
    """Items with equal keys: wherever they stand if the key is unique on both sides, else in order."""
    once_old, once_new = ({key for key, n in Counter(keys).items() if n == 1} for keys in (keys_old, keys_new))
    place = {key: i for i, key in zip(left_old, keys_old, strict=True)}
    for j, key in zip(left_new, keys_new, strict=True):
        if key in once_old and key in once_new:
            yield j, place[key]
    for x, y in common(keys_old, keys_new):
        if keys_old[x] not in once_old or keys_old[x] not in once_new:
            yield left_new[y], left_old[x]


def _most_alike(old: Sequence[Item], new: Sequence[Item], partner: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Of the items still unpaired, the pairs that are most alike together; of equals, those that stand close."""
    left_old, left_new = _left(old, new, partner)
    if not left_old or not left_new:
        return
    likeness = Likeness([*(old[i] for i in left_old), *(new[j] for j in left_new)])

    def worth(i: int, j: int) -> int:
        alike = likeness.of(old[i], new[j])
        apart = abs(i * len(new) - j * len(old)) / (len(old) * len(new))
        return int((alike - ALIKE + 1 - apart) * 1000) if alike >= ALIKE else 0

    for row, column in best_pairs([[worth(i, j) for j in left_new] for i in left_old]):
        yield left_new[column], left_old[row]


def _left(old: Sequence[Item], new: Sequence[Item], partner: dict[int, int]) -> tuple[list[int], list[int]]:
    paired = set(partner.values())
    return [i for i in range(len(old)) if i not in paired], [j for j in range(len(new)) if j not in partner]


def _fragments(wholes: Sequence[Item], pieces: Sequence[Item], whole_of: dict[int, int]) -> dict[int, int]:
    """For positions of pieces without partner the position of the whole that they were a part of.

    Such a piece repeats operations of a whole whose partner lost some: it has the lost ones, or reads what the partner
    writes, or the other way round.
    """
    found: dict[int, int] = {}
    for j, piece in enumerate(pieces):
        if j in whole_of or not piece.ops:
            continue
        best = (0, 0)
        for partner, i in whole_of.items():
            lost = wholes[i].ops - pieces[partner].ops
            shared = (piece.ops & wholes[i].ops).total()
            score = ((piece.ops & lost).total(), shared)
            near = score[0] > 0 or piece.exchanges(pieces[partner])
            if lost and near and shared >= SHARE * piece.ops.total() and score > best:
                best, found[j] = score, i
    return found


def _moved(partner: dict[int, int]) -> set[int]:
    """Positions of new items that run in another order than their partners did."""
    order = [partner[j] for j in sorted(partner)]
    kept = {y for _, y in common(sorted(order), order)}
    return {j for y, j in enumerate(sorted(partner)) if y not in kept}
