"""Causes that the code of a changed kernel shows: addresses, masks, instructions, numbers, caching hints.

A kernel that nothing explains yet is read line by line. Of one that a cause explains (it was split, or computes
something else), only what does not follow from that is read: settings of its launch, numbers, instructions, and
whether it reads blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelsnap.diff.causes.backend import ATTENTION, finishes
from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import Facts, KernelPair, numbers_of
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.fusion import part_of_fusion, same_parts
from kernelsnap.diff.causes.launches import cache_modifiers, options, tiles
from kernelsnap.diff.causes.lines import line_findings, other_modifications, same_function
from kernelsnap.diff.causes.operations import TWO_PASSES, softmax_passes
from kernelsnap.diff.causes.reasons import reads_otherwise
from kernelsnap.diff.match.items import EXTERN, Item

_BLOCK_ACCESS = re.compile(r"\btl\.make_(?:block_ptr|tensor_descriptor)\(")
FUSION = frozenset([CauseName.FUSION_SPLIT, CauseName.FUSION_MERGE])


def changed_kernels(search: CauseSearch) -> Iterator[Finding]:
    """What each kernel that changed shows; those made for attention, and those that became a template, show nothing."""
    facts = search.facts
    elsewhere = {CauseName.OPERATIONS, CauseName.TEMPLATE}
    covered = any(f.cause in elsewhere or f.scope == Scope.LAYOUT for f in search.named)
    fused = {facts.at(place).item.ref.graph for f in search.named if f.cause in FUSION for place in f.about}
    for pair in facts.changed:
        causes = {f.cause for f in search.found if pair.place in f.about}
        if pair.place in search.helpers or CauseName.TEMPLATE in causes:
            continue
        explained = covered or pair.item.ref.graph in fused
        if explained and pair.one_to_one and pair.old[0].ops != pair.new[0].ops:
            yield from _residual(pair, facts)
        elif causes == {CauseName.IN_PLACING}:
            yield from _lines(pair, facts)
        elif causes or part_of_fusion(pair, facts, fused):
            # How an attention kernel is launched that has other tiles is a part of that.
            yield from _residual(pair, facts, launched=CauseName.ATTENTION not in causes)
        else:
            yield from _unexplained(pair, facts, explained)


def _unexplained(pair: KernelPair, facts: Facts, explained: bool) -> Iterator[Finding]:
    """What a kernel shows that no cause is about; `explained`: another cause changes much in its graph."""
    if not pair.one_to_one:
        yield from _residual(pair, facts)
        if pair.item.ref.kind == EXTERN and not finishes(pair.item):
            words = f"a library call is {pair.pair.status}"
            yield Finding.of(pair, CauseName.TEMPLATE, words, words, scope=Scope.CALL)
        elif not explained and pair.item.ref.kind != EXTERN:
            yield Finding.of(pair, CauseName.UNKNOWN, f"kernel is {pair.pair.status}")
    elif pair.old[0].ref.kind != pair.new[0].ref.kind and not same_parts(pair):
        if not explained:
            cause = CauseName.UNKNOWN if pair.old[0].ops == pair.new[0].ops else CauseName.OPERATIONS
            yield Finding.of(pair, cause, f"{pair.old[0].ref.kind} -> {pair.new[0].ref.kind}")
    else:
        yield from _lines(pair, facts)


def _lines(pair: KernelPair, facts: Facts) -> Iterator[Finding]:
    return line_findings(pair, facts.operands(pair), reads_otherwise(pair, facts))


def _residual(pair: KernelPair, facts: Facts, *, launched: bool = True) -> Iterator[Finding]:
    """What changed in a kernel that a cause explains, and does not follow from the cause; and how it is launched."""
    if not pair.old or not pair.new:
        return
    if launched:
        yield from options(pair)
    yield from cache_modifiers(pair, facts)
    if pair.one_to_one:
        yield from tiles(pair)
    yield from _numbers(pair, facts)
    yield from _block_access(pair)
    if pair.one_to_one:
        yield from same_function(pair)
        yield from _modifications(pair)


def _modifications(pair: KernelPair) -> Iterator[Finding]:
    """Other code in what an attention kernel calls for each block: its score_mod and mask_mod."""
    if other_modifications(pair):
        words = "other code in score_mod or mask_mod"
        yield Finding.of(pair, CauseName.ATTENTION, words, "modification", scope=Scope.ATTENTION_CODE)


def _numbers(pair: KernelPair, facts: Facts) -> Iterator[Finding]:
    """Numbers that were lost though no operation was, or won though none was; what other kernels have is neither."""
    if ATTENTION in pair.item.ref.kind:
        return  # what it computes for each block is compared as a whole
    ops = [{op for item in side for op in item.ops} for side in (pair.old, pair.new)]
    if softmax_passes(ops[0] - ops[1], ops[1] - ops[0]):
        ops = [{op for op in side if op[1] not in TWO_PASSES} for side in ops]
    numbers = [{number for item in side for number in numbers_of(item)} for side in (pair.old, pair.new)]
    lost, won = (", ".join(sorted(numbers[one] - numbers[1 - one] - set(facts.numbers[1 - one]))) for one in (0, 1))
    # Of a program that lost no operation every number is left, but for those that others took the place of.
    if lost and won and (ops[0] <= ops[1] or ops[1] <= ops[0]):
        yield Finding.of(pair, CauseName.CONSTANTS, f"numbers {lost} -> {won}", "number", scope=Scope.NUMBER)


def numbers_of_fused(search: CauseSearch) -> Iterator[Finding]:
    """Numbers that others took the place of, in all kernels together that were split or merged, or are new or gone."""
    facts = search.facts
    pairs = [pair for pair in facts.changed if not pair.one_to_one]
    before = {number for pair in pairs for item in pair.old for number in numbers_of(item)}
    after = {number for pair in pairs for item in pair.new for number in numbers_of(item)}
    if before - after and after - before:
        lost, won = ", ".join(sorted(before - after)), ", ".join(sorted(after - before))
        about = tuple(pair.place for pair in pairs)
        yield Finding(CauseName.CONSTANTS, "", f"numbers {lost} -> {won}", "number", Scope.NUMBER, about)


def _block_access(pair: KernelPair) -> Iterator[Finding]:
    before, after = (any(_BLOCK_ACCESS.search(item.code) for item in side) for side in (pair.old, pair.new))
    if before != after:
        yield Finding.of(
            pair,
            CauseName.INDEXING,
            f"block pointers or descriptors {before} -> {after}",
            "block access",
            scope=Scope.BLOCK_ACCESS,
        )
        plain = pair.old if after else pair.new
        if any(map(_is_masked, plain)):
            yield Finding.of(pair, CauseName.MASK, "blocks are bounded without masks", "block access")


def _is_masked(item: Item) -> bool:
    """Whether a kernel loads or stores with a mask."""
    return any("mask" in line for line in item.code.splitlines() if "tl.load(" in line or "tl.store(" in line)


FAMILY = Family(
    kinds=(
        CauseKind(
            CauseName.INDEXING,
            "indexing or layout",
            "addresses, strides, padding, alignment",
            scopes={
                Scope.LAYOUT: frozenset([CauseName.IN_PLACING, CauseName.MASK, CauseName.METADATA, Scope.OUTPUT_SHAPE]),
                **dict.fromkeys(
                    (Scope.STRIDES, Scope.INPUT_STRIDES),
                    frozenset([CauseName.IN_PLACING, CauseName.METADATA, Scope.TURNED]),
                ),
                Scope.BLOCK_ACCESS: frozenset([CauseName.LAUNCH]),  # descriptors want blocks of a least size
            },
        ),
        CauseKind(CauseName.MASK, "mask or bounds", "what keeps an access in bounds"),
        CauseKind(
            CauseName.INTRINSIC,
            "instruction",
            "another instruction, intrinsic or library function on the same operands",
        ),
        CauseKind(
            CauseName.CONSTANTS,
            "constant",
            "a number or a switch in the code",
            scopes={
                Scope.NUMBER: frozenset(),
                Scope.NEUTRAL: frozenset([CauseName.INTRINSIC, CauseName.MASK, CauseName.UNKNOWN]),
            },
            changes_numbers=True,
        ),
        CauseKind(
            CauseName.CACHING,
            "caching hint",
            "eviction policy or cache modifier of an access",
            scopes={Scope.SETTING: frozenset()},
        ),
        CauseKind(CauseName.RENUMBERING, "renumbering only", "independent lines in another order, or other names"),
    ),
    finders={Phase.CODE: (changed_kernels,), Phase.NUMBERS: (numbers_of_fused,)},
)
