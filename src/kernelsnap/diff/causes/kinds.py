"""The table of causes, in the order in which reports name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kernelsnap.diff.causes.facts import KernelPair


@dataclass(frozen=True)
class CauseKind:
    """One reason why generated code changes."""

    name: str
    title: str
    says: str


CAUSES = (
    CauseKind("graph-breaks", "graph breaks", "the program is cut into other graphs"),
    CauseKind("operations", "other operations", "the program computes something else"),
    CauseKind("shapes", "shapes", "number or shape of the tensors that go in or come out"),
    CauseKind("dtype", "dtype or upcast", "the type of a tensor, or in which a kernel computes"),
    CauseKind("partitioning", "partitioning", "what forward saves for backward, and what backward recomputes"),
    CauseKind("attention", "flash attention", "tiles, sparsity, score_mod or mask_mod of an attention kernel"),
    CauseKind("template", "template or backend", "a library call, a Triton or CuteDSL template, or generated code"),
    CauseKind("fusion-split", "fusion split", "one kernel became several"),
    CauseKind("fusion-merge", "fusion merged", "several kernels became one"),
    CauseKind("op-moved", "operation moved", "an operation runs in another kernel"),
    CauseKind(
        "reduction-strategy", "reduction strategy", "persistent, looped, unrolled, split, cooperative or multi-kernel"
    ),
    CauseKind("tiling", "tiling", "the iteration space, or its order"),
    CauseKind("in-placing", "in-placing", "whether a kernel writes over what it reads"),
    CauseKind("indexing", "indexing or layout", "addresses, strides, padding, alignment"),
    CauseKind("mask", "mask or bounds", "what keeps an access in bounds"),
    CauseKind("intrinsic", "instruction", "another instruction, intrinsic or library function on the same operands"),
    CauseKind("constants", "constant", "a number or a switch in the code"),
    CauseKind("caching", "caching hint", "eviction policy or cache modifier of an access"),
    CauseKind("launch", "launch configuration", "blocks, warps, stages, or what the autotuner may try"),
    CauseKind("resources", "machine code", "the same Triton source became other machine code"),
    CauseKind("host", "host wrapper only", "allocations, checks and launches around kernels that are the same"),
    CauseKind("renumbering", "renumbering only", "independent lines in another order, or other names"),
    CauseKind("metadata", "metadata only", "hints and provenance; no launch and no instruction changed"),
    CauseKind("unknown", "unknown", "no cause explains it: read the diff"),
)

CAUSE = {cause.name: cause for cause in CAUSES}
ORDER = {cause.name: index for index, cause in enumerate(CAUSES)}


@dataclass(frozen=True)
class Finding:
    """One piece of evidence for a cause."""

    cause: str
    where: str  # "forward k1", "host", or "" for the golden as a whole
    evidence: str
    pattern: str = ""  # what is equal wherever the same change happened; the evidence itself if empty
    scope: str = ""  # what kind of change within the cause, where that decides what follows from it; "" is the cause
    about: tuple[int, ...] = ()  # the pairs of kernels that it concerns, by `KernelPair.place`; none: the whole


@dataclass(frozen=True)
class Effect:
    """What the kernels that a cause is about cost more than before."""

    kernels: int = 0  # launches
    bytes: int | None = 0  # accessed; None where it is not known how those of the golden divide between its causes


@dataclass(frozen=True)
class Cause:
    """One cause of a change, with all that speaks for it."""

    name: str
    findings: tuple[Finding, ...]
    effect: Effect = Effect()


def said_by(
    pair: KernelPair,
    cause: str,
    evidence: str,
    pattern: str = "",
    *,
    scope: str = "",
    beside: Iterable[KernelPair] = (),
) -> Finding:
    """A piece of evidence that a pair of kernels gives, and what it says of pairs beside it."""
    about = tuple(dict.fromkeys((pair.place, *(other.place for other in beside))))
    return Finding(cause, pair.name, evidence, pattern, scope, about)
