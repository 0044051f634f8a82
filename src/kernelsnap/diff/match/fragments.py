"""What the kernels without a partner were a part of: pieces of one that was split, or of one that others became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kernelsnap.diff.match.candidates import Index
from kernelsnap.diff.match.items import Item, comparable_ops

#: A piece has at least this share of its operations from the whole.
SHARE = 0.5


def fragments(wholes: Sequence[Item], pieces: Sequence[Item], whole_of: Mapping[int, int]) -> dict[int, int]:
    """For positions of pieces without partner the position of the whole that they were a part of.

    Such a piece repeats operations of a whole whose partner lost some. It has the lost ones, or belongs to the partner
    or another piece of that whole: reads what that writes, or the other way round, or is its twin. Of equals, the one
    whose partner stands closest.
    """
    left = [j for j in range(len(pieces)) if j not in whole_of]
    lessened = {partner: wholes[i] for partner, i in whole_of.items() if left and _lost(wholes[i], pieces[partner])}
    index = Index({partner: {aten for _, aten in whole.ops} for partner, whole in lessened.items()})
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
