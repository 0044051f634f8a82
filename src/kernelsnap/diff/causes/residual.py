"""What stands beside a cause that explains a kernel: what does not follow from another structure of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from kernelsnap.diff.causes.backend import ATTENTION
from kernelsnap.diff.causes.facts import Facts, KernelPair
from kernelsnap.diff.causes.kinds import Finding, said_by
from kernelsnap.diff.causes.lines import after_first_function, same_function
from kernelsnap.diff.causes.numbers import numbers_of
from kernelsnap.diff.causes.settings import options, tiles

_BLOCK_ACCESS = re.compile(r"\btl\.make_(?:block_ptr|tensor_descriptor)\(")


def beside(pair: KernelPair, facts: Facts) -> Iterator[Finding]:
    """Options of the launch, numbers, instructions and ways to address that changed with no part in another cause."""
    if not pair.old or not pair.new:
        return
    yield from options(pair)
    if pair.one_to_one:
        yield from tiles(pair)
    yield from _numbers(pair, facts)
    yield from _block_access(pair)
    if pair.one_to_one:
        yield from same_function(pair)
        yield from _modifications(pair)


def _modifications(pair: KernelPair) -> Iterator[Finding]:
    """Other code in what an attention kernel calls for each block: its score_mod and mask_mod."""
    if ATTENTION in pair.item.ref.kind:
        called = [
            Counter(row.shape for row in after_first_function(item.normal_form)) for item in (pair.old[0], pair.new[0])
        ]
        if called[0] != called[1]:
            yield said_by(
                pair, "attention", "other code in score_mod or mask_mod", "modification", scope="attention code"
            )


def _numbers(pair: KernelPair, facts: Facts) -> Iterator[Finding]:
    """Numbers that were lost though no operation was, or won though none was; what other kernels have is neither."""
    if ATTENTION in pair.item.ref.kind:
        return  # what it computes for each block is compared as a whole
    ops = [{op for item in side for op in item.ops} for side in (pair.old, pair.new)]
    numbers = [{number for item in side for number in numbers_of(item)} for side in (pair.old, pair.new)]
    lost, won = (", ".join(sorted(numbers[one] - numbers[1 - one] - set(facts.numbers[1 - one]))) for one in (0, 1))
    # Of a program that lost no operation every number is left, but for those that others took the place of.
    if lost and won and (ops[0] <= ops[1] or ops[1] <= ops[0]):
        yield said_by(pair, "constants", f"numbers {lost} -> {won}", "number", scope="number")


def numbers_of_fused(facts: Facts) -> Iterator[Finding]:
    """Numbers that others took the place of, in all kernels together that were split or merged, or are new or gone."""
    pairs = [pair for pair in facts.changed if not pair.one_to_one]
    before = {number for pair in pairs for item in pair.old for number in numbers_of(item)}
    after = {number for pair in pairs for item in pair.new for number in numbers_of(item)}
    if before - after and after - before:
        lost, won = ", ".join(sorted(before - after)), ", ".join(sorted(after - before))
        about = tuple(pair.place for pair in pairs)
        yield Finding("constants", "", f"numbers {lost} -> {won}", "number", "number", about)


def _block_access(pair: KernelPair) -> Iterator[Finding]:
    before, after = (any(_BLOCK_ACCESS.search(item.code) for item in side) for side in (pair.old, pair.new))
    if before != after:
        yield said_by(
            pair, "indexing", f"block pointers or descriptors {before} -> {after}", "block access", scope="block access"
        )
