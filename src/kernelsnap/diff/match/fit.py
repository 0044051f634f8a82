"""How well a golden fits another one as that of the same test under another name: by what both compute, not by text."""

from __future__ import annotations

from collections import Counter

from kernelsnap.diff.match.items import items
from kernelsnap.diff.match.similarity import Bag
from kernelsnap.model.golden import Golden

#: Goldens that fit less than this (of 1000) are of two different tests. Of 220 labelled pairs, the old side is the one
#: of all that fits best in 208, and 192 fit so well; of two different programs hardly any do.
LEAST_FIT = 700


class Meaning:
    """What a golden computes, without names: its operations, the lines of its kernels, the tensors that it takes."""

    def __init__(self, golden: Golden) -> None:
        """Collect it."""
        parts = [item for plan in golden.plan for item in items(golden, plan)]
        self.layers = golden.layers
        self.operations = Bag(Counter(aten for item in parts for _, aten in item.ops.elements()))
        self.lines = Bag(Counter(line.shape for item in parts for line in item.normal_form.lines))
        self.tensors = Bag(Counter(f"{one.dtype}{one.shape}" for plan in golden.plan for one in plan.inputs))

    def fit(self, other: Meaning) -> int:
        """From 0, nothing in common, to 1000. What neither has does not count, nor does code that one is without."""
        compared = [(self.operations, other.operations), (self.tensors, other.tensors)]
        if "code" in self.layers and "code" in other.layers:
            compared.append((self.lines, other.lines))
        shares = [one.share(another) for one, another in compared if one.total or another.total]
        return int(1000 * sum(shares) / len(shares)) if shares else 0
