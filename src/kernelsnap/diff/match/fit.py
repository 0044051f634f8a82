"""How well a golden fits another one as that of the same test under another name: by what both compute, not by text."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

from kernelsnap.diff.match.items import items
from kernelsnap.diff.match.similarity import Bag
from kernelsnap.model.golden import Golden

#: Goldens that fit less than this (of 1000) are of two different tests. Of 220 labelled pairs, the old side is the one
#: of all that fits best in 208, and 192 fit so well; of two different programs hardly any do.
LEAST_FIT = 700


class Meaning:
    """What a golden computes, without names: its operations, the lines of its kernels, the tensors that it takes."""

    def __init__(self, golden: Golden) -> None:
        """Collect it; the lines, which take longest, when they are first asked for."""
        self._parts = [item for plan in golden.plan for item in items(golden, plan)]
        self._has_code = "code" in golden.layers
        self._operations = Bag(Counter(aten for item in self._parts for _, aten in item.ops.elements()))
        self._tensors = Bag(Counter(f"{one.dtype}{one.shape}" for plan in golden.plan for one in plan.inputs))

    @cached_property
    def _lines(self) -> Bag[str]:
        return Bag(Counter(line.shape for item in self._parts for line in item.normal_form.lines))

    def fit(self, other: Meaning, least: int = 0) -> int:
        """From 0, nothing in common, to 1000; 0 where it is certain to be below `least`.

        What neither has does not count, nor does code that one is without.
        """
        shares = [*_share(self._operations, other._operations), *_share(self._tensors, other._tensors)]
        if self._has_code and other._has_code:
            if _mean([*shares, 1.0]) < least:
                return 0
            shares += _share(self._lines, other._lines)
        return _mean(shares)


def _share(one: Bag[str], another: Bag[str]) -> list[float]:
    return [one.share(another)] if one.total or another.total else []


def _mean(shares: list[float]) -> int:
    return int(1000 * sum(shares) / len(shares)) if shares else 0
