"""Puts the compiler's reasons into words: why two steps are not one kernel, and what would have to change.

Used for goldens (`kernelsnap why`) and for captures (`capture(...).why()`). The kind of a reason decides what is told;
the sentence of the compiler is only quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kernelsnap.model.why import Apart, Reason, Why, numbered

#: For each kind of reason what it means, and what would have to change; "" where nothing can be named.
MEANINGS: Mapping[Reason, tuple[str, str]] = {
    Reason.SIZE: (
        "they go over different numbers of elements",
        "both would have to go over the same elements, or one over the rows that the other reduces",
    ),
    Reason.TILING: (
        "their loops cannot be tiled in one way",
        "the tensors stored in one order; or triton.tiling_prevents_pointwise_fusion=False, or "
        "triton.tiling_prevents_reduction_fusion=False for a reduction",
    ),
    Reason.INDEXING: (
        "they access what they share in another order",
        "a layout, or an expression, in which both access it in one order",
    ),
    Reason.BETWEEN: (
        "a step that is in neither needs the one and is needed by the other",
        "the step between them gone, or computed before both",
    ),
    Reason.CYCLE: ("with what is fused already, each would need the other", "one of the other fusions given up"),
    Reason.NO_SHARED_DATA: (
        "Inductor counts no element that both access in the same place of their loops, so that fusing saves no traffic",
        "both over the same elements in the same order; aggressive_fusion=True fuses pointwise kernels nonetheless",
    ),
    Reason.MAX_SIZE: ("the kernel would be made of more operations than allowed", "a larger max_fusion_size"),
    Reason.MAX_BUFFERS: (
        "the kernel would read and write more tensors than allowed",
        "a larger max_fusion_unique_io_buffers",
    ),
    Reason.MEMORY: ("tensors would have to be kept longer, and the peak of memory might grow", ""),
    Reason.SCORE: ("fusing saves less traffic than is asked for", "a lower score_fusion_memory_threshold"),
    Reason.DEVICE: ("they run on different devices", "their tensors on one device"),
    Reason.ORDER: ("the second has to run before the first", ""),
    Reason.LIBRARY: (
        "one of them is a call into a library, and Inductor fuses only kernels that it generates",
        "where it is a matrix product, max_autotune_gemm=True with templates (max_autotune_gemm_backends) makes it a "
        "kernel that takes in what follows",
    ),
    Reason.USER_KERNEL: (
        "one of them is a Triton kernel that you wrote, into which Inductor does not look",
        "the operation written into that kernel",
    ),
    Reason.TEMPLATE: (
        "a template takes in pointwise operations only, of which no other step needs the parts",
        "epilogue_fusion and prologue_fusion on, and a pointwise operation there",
    ),
    Reason.FOREACH: ("a foreach or combo kernel takes in only what fits each of its parts", ""),
    Reason.ORDER_OF_SUMS: ("sums would be added up in another order, which was ruled out", ""),
    Reason.NESTED: ("a reduction of reductions cannot take it in", "triton.nested_reduction=False"),
    Reason.SCAN: ("a scan that is split over blocks takes in no reduction", ""),
    Reason.DISABLED: ("the graph forbids it, or grouped it apart", ""),
    Reason.TIMING: ("the fused kernel would spill registers, or be slower", "benchmark_fusion=False"),
    Reason.ALLOWED: ("it was allowed, and did not come about: another fusion of one of them came first", ""),
    Reason.UNTRIED: (
        "Inductor did not try it",
        "a larger max_fusion_buffer_group_pairwise_attempts, where many steps share the tensor",
    ),
    Reason.NO_REASON: ("Inductor refused it and gave no reason", ""),
    Reason.OTHER: ("Inductor has a reason that this kernelsnap does not know", ""),
}


@dataclass(frozen=True)
class Step:
    """One step of a graph, as far as these words need it."""

    name: str
    kind: str  # "extern" for a call into a library
    sizes: tuple[tuple[str, str], ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def described(self) -> str:
        """`persistent reduction, x 64  r0 128`."""
        kind = "library call" if self.kind == "extern" else self.kind
        return ", ".join([kind, *(["  ".join(f"{name} {size}" for name, size in self.sizes)] if self.sizes else [])])


def all_reasons(graph: str, why: Why) -> Iterator[str]:
    """All that is known of one graph, a line each."""
    yield graph
    if why.apart:
        yield "  two kernels, not one:"
    for apart in why.apart:
        pairs = ", ".join(" ".join(pair) for pair in apart.pairs)
        yield f"    {pairs}: {_quoted(apart)}"
    if why.more:
        yield f"    and {why.more} pairs more"
    decided = [f"    {it.kernel or 'graph'}: {it.what}: {it.text}" for it in why.decided]
    yield from ["  decided:", *decided] if decided else ()
    for fired in why.fired:
        yield f"  {fired.kind}: {', '.join(f'{name} {times}' for name, times in fired.times)}"


def why_apart(graph: str, why: Why, steps: Sequence[Step], first: str, second: str) -> Iterator[str]:
    """Why two steps of a graph, of different names, are not one kernel, and what would have to change.

    Nothing where the graph does not have both.
    """
    by_name = dict(zip(numbered(step.name for step in steps), steps, strict=True))
    if first not in by_name or second not in by_name:
        return
    one, other = by_name[first], by_name[second]
    yield f"{graph}: {first} ({one.described}) and {second} ({other.described})"
    shared = list(_shared(first, one, second, other))
    if not shared:
        yield "  They share no tensor: Inductor fuses only steps that share one (combo_kernels=True launches others "
        yield "  together)."
        return
    yield from (f"  {line}" for line in shared)
    apart = why.of(first, second) or _library(first, one, second, other)
    if apart is None:
        left_out = f"; {why.more} pairs of this graph were left out" if why.more else ""
        yield f"  No reason was recorded for these two{left_out}."
        return
    meaning, change = MEANINGS[apart.reason]
    yield f"  {_quoted(apart)}"
    yield f"  That is: {meaning}."
    if change:
        yield f"  What would change it: {change}."


def steps_called(steps: Iterable[Step]) -> tuple[str, ...]:
    """What the steps of a graph are called."""
    return numbered(step.name for step in steps)


def _quoted(apart: Apart) -> str:
    return f'{apart.reason}: Inductor says "{apart.text}"'


def _shared(first: str, one: Step, second: str, other: Step) -> Iterator[str]:
    """What two steps share, a line for each tensor."""
    touched = dict.fromkeys([*one.writes, *one.reads])
    for name in [name for name in touched if name in other.writes or name in other.reads]:
        if name in one.writes:
            yield f"{first} writes {name}, and {second} {'writes' if name in other.writes else 'reads'} it"
        elif name in other.writes:
            yield f"{first} reads {name}, and {second} writes it"
        else:
            yield f"both read {name}"


def _library(first: str, one: Step, second: str, other: Step) -> Apart | None:
    """The reason for a pair with a call into a library, which no golden has: it is always the same."""
    if "extern" not in (one.kind, other.kind):
        return None
    text = "node1 is extern but not a triton kernel" if one.kind == "extern" else "node2 is extern or nop"
    return Apart(((first, second),), Reason.LIBRARY, text)
