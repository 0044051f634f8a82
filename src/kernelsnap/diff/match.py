"""Match the kernels of two goldens by what they compute, never by where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kernelsnap.diff.assignment import best_pairs
from kernelsnap.diff.candidates import Index
from kernelsnap.diff.items import Item, Part, comparable_ops, items
from kernelsnap.diff.likeness import Likeness, traits
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
            elif j not in untouched and old[i].meaning != item.meaning:
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


def _untouched(old: Sequence[Item], new: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """Positions of new kernels and old ones that are equal to the letter, name and all: most of a golden.

    Only those that are alone with what they compute on, so that their names do not decide which pairs are found: they
    would be paired by their meaning all the same, but to work that out their code has to be read.
    """
    alone_old, alone_new = (_unique([_outline(item) for item in side]) for side in (old, new))
    for key, j in alone_new.items():
        i = alone_old.get(key, -1)
        if i >= 0 and old[i].said == new[j].said:
            yield j, i


def _outline(item: Item) -> Hashable:
    """A part of the meaning of an item that is cheap to have."""
    return item.shape, item.sources


def _one_to_one(old: Sequence[Item], new: Sequence[Item], untouched: Mapping[int, int]) -> dict[int, int]:
    """For positions of new items the position of the old one that is the same, by ever weaker evidence."""
    known_old = set(untouched.values())
    partner = dict(
        _equal(
            range(len(old)),
            range(len(new)),
            [_outline(item) if i in known_old else (item.meaning, item.sources) for i, item in enumerate(old)],
            [_outline(item) if j in untouched else (item.meaning, item.sources) for j, item in enumerate(new)],
        )
    )
    keys: tuple[Callable[[Item], Hashable], ...] = (
        lambda item: (item.part.kind, item.skeleton.key, item.shape),
        lambda item: (item.shape, item.sources),
        lambda item: (item.shape, frozenset(item.ops.items())),
    )
    for key in keys:
        left_old, left_new = _left(old, new, partner)
        partner.update(_equal(left_old, left_new, [key(old[i]) for i in left_old], [key(new[j]) for j in left_new]))
    # Once, unless more items are left than are looked at for each: what was hidden by others may come into sight.
    while found := dict(_most_alike(old, new, partner)):
        partner.update(found)
    return partner


def _equal(
    left_old: Sequence[int], left_new: Sequence[int], keys_old: Sequence[Hashable], keys_new: Sequence[Hashable]
) -> Iterator[tuple[int, int]]:
    """Items with equal keys: wherever they stand if the key is unique on both sides, else in order."""
    once_old, once_new = _unique(keys_old), _unique(keys_new)
    for key, y in once_new.items():
        if key in once_old:
            yield left_new[y], left_old[once_old[key]]
    for x, y in common(keys_old, keys_new):
        if keys_old[x] not in once_old or keys_old[x] not in once_new:
            yield left_new[y], left_old[x]


def _unique(keys: Sequence[Hashable]) -> dict[Hashable, int]:
    """The position of every key that occurs once."""
    count = Counter(keys)
    return {key: index for index, key in enumerate(keys) if count[key] == 1}


def _most_alike(old: Sequence[Item], new: Sequence[Item], partner: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Of the items still unpaired, the pairs that are most alike together; of equals, those that stand closest."""
    left_old, left_new = _left(old, new, partner)
    if not left_old or not left_new:
        return
    likeness = Likeness([old[i] for i in left_old], [new[j] for j in left_new])
    index = Index({column: traits(new[j]) for column, j in enumerate(left_new)})
    # More than all the distances of an assignment together: distance decides between equals only.
    unit = (len(old) * len(new)) ** 2 * min(len(left_old), len(left_new))

    def worth(row: int, i: int) -> Iterator[tuple[int, int]]:
        for column in index.sharing(traits(old[i]), near=row * len(left_new) / len(left_old)):
            alike = likeness.of(row, column)
            if alike >= ALIKE:
                # Squared, so that of two pairs that cross and two that do not the latter are worth more.
                apart = (i * len(new) - left_new[column] * len(old)) ** 2
                yield column, (alike - ALIKE + 1) * unit - apart

    for row, column in best_pairs([dict(worth(row, i)) for row, i in enumerate(left_old)]):
        yield left_new[column], left_old[row]


def _left(old: Sequence[Item], new: Sequence[Item], partner: dict[int, int]) -> tuple[list[int], list[int]]:
    paired = set(partner.values())
    return [i for i in range(len(old)) if i not in paired], [j for j in range(len(new)) if j not in partner]


def _fragments(wholes: Sequence[Item], pieces: Sequence[Item], whole_of: Mapping[int, int]) -> dict[int, int]:
    """For positions of pieces without partner the position of the whole that they were a part of.

    Such a piece repeats operations of a whole whose partner lost some. It has the lost ones, or belongs to the partner
    or another piece of that whole: reads what that writes, or the other way round, or is its twin. Of equals, the one
    whose partner stands closest.
    """
    if len(whole_of) == len(pieces):
        return {}
    lessened = {partner: wholes[i] for partner, i in whole_of.items() if _lost(wholes[i], pieces[partner])}
    index = Index({partner: {aten for _, aten in whole.ops} for partner, whole in lessened.items()})
    kin = {partner: [pieces[partner]] for partner in lessened}
    found: dict[int, int] = {}
    left = [j for j in range(len(pieces)) if j not in whole_of]
    while True:
        before = len(found)
        for j in [j for j in left if j not in found]:
            piece = pieces[j]
            best, partner_of = (0, 0, 0), -1
            for partner in index.sharing({aten for _, aten in piece.ops}, near=j):
                ops, whole, after = comparable_ops(piece, lessened[partner], pieces[partner])
                shared = (ops & whole).total()
                score = ((ops & (whole - after)).total(), shared, -abs(partner - j))
                near = score[0] > 0 or any(piece.exchanges(other) or _twins(piece, other) for other in kin[partner])
                if near and shared >= SHARE * ops.total() and score > best:
                    best, partner_of = score, partner
            if partner_of >= 0:
                found[j] = whole_of[partner_of]
                kin[partner_of].append(piece)
        if len(found) == before:
            return found


def _twins(piece: Item, other: Item) -> bool:
    return piece.ops == other.ops and piece.shape == other.shape


def _lost(whole: Item, partner: Item) -> bool:
    before, after = comparable_ops(whole, partner)
    return bool(before - after)


def _moved(partner: dict[int, int]) -> set[int]:
    """Positions of new items that run in another order than their partners did."""
    order = [partner[j] for j in sorted(partner)]
    kept = {y for _, y in common(sorted(order), order)}
    return {j for y, j in enumerate(sorted(partner)) if y not in kept}
