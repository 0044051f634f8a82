"""What kind of reason each of Inductor's sentences about a refused fusion is. The only place that reads them.

The sentences are those that torch 2.11 to 2.15 give to `WhyNoFuse`, before their values are put in; of a sentence that
is not here, a golden has the text and the kind `other`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kernelsnap.model.why import Reason

REASONS: Mapping[Reason, tuple[str, ...]] = {
    Reason.SIZE: (
        "numel/rnumel mismatch (reduce) (%s, %s), (%s, %s)",
        "numel/rnumel mismatch (non-reduce) (%s, %s), (%s, %s)",
        "nodes numel/rnumel incompatibility",
        "nodes numel incompatibility",
    ),
    Reason.TILING: (
        "tiling mismatch (%s, %s, %s)",
        "invalid tiling for reduction",
        "invalid loop order and tiling for native matmul",
    ),
    Reason.INDEXING: ("memory deps did not match", "no shared data due to indexing mismatch"),
    Reason.BETWEEN: ("intermediate nodes between node1 & node2",),
    Reason.CYCLE: ("will create cycle",),
    Reason.NO_SHARED_DATA: ("no shared data",),
    Reason.MAX_SIZE: ("exceeds max fusion",),
    Reason.MAX_BUFFERS: ("fusion_prevent_too_many_reads_and_writes",),
    Reason.MEMORY: (
        "Fusion will increase peak memory",
        "Nodes are too far away. Fusing them may increase peak memory.",
    ),
    Reason.SCORE: ("score_fusion_memory_threshold",),
    Reason.DEVICE: ("device mismatch (%s vs %s)",),
    Reason.ORDER: ("node1 must go before node2",),
    Reason.LIBRARY: (
        "node1 is extern but not a triton kernel",
        "node1 is extern or nop",
        "node1 is nop",
        "node2 is extern or nop",
    ),
    Reason.USER_KERNEL: (
        "node1's triton kernel doesn't support epilogue fusion",
        "node1 is extern but node2 is not SchedulerNode",
        "node1 is extern but node2.node is not SchedulerNode",
        "node1 is extern but node2.node.data is not Pointwise",
        "epilogue reads from buffers other than the mutated output",
        "node1 and node2 uses different buf layouts",
        "epilogue is not a unary read of the output buffer",
        "epilogue's read and write indices differ",
    ),
    Reason.TEMPLATE: (
        "prologue fusion turned off",
        "prologue fusion only supported for pointwise nodes",
        "prologue fusion only supported for TritonTemplates",
        "template has no allowed prologue inputs",
        "prologue fusion not implemented for kernel for these inputs",
        "template prologue can only fuse functional pointwise nodes",
        "template prologue can only fuse nodes with a single use",
        "template prologue can only fuse nodes with a single use into template",
        "prologue fusion will not increase amount of bytes read in kernel",
        "prologue fusion will not increase attempt to fuse in padding bc it increases unaligned reads",
        "prologue fusion that must be upcast to fp32 not profitable for low precision templates",
        "numel/rnumel mismatch prologue mismatch (%s, %s), (%s, %s)",
        "template epilogue not satisfied",
        "multi-output template epilogue requires ComputedBuffer",
    ),
    Reason.FOREACH: (
        "foreach do not have same length",
        "candidate producer is a reduction, foreach ops cannot be fused with reductions currently",
        "candidate producer is not dep of any foreach consumer",
        "candidate consumer is a reduction, foreach ops cannot be fused with reductions currently",
        "candidate consumer has no dep in any foreach producer",
    ),
    Reason.ORDER_OF_SUMS: (
        "template fusion does not preserve strict sum ordering",
        "reduction fusion does not preserve strict sum ordering",
        "template fusion does not preserve strict reduction ordering",
        "reduction fusion does not preserve strict reduction ordering",
    ),
    Reason.NESTED: (
        "incompatible reduction contracts",
        "nested reduction append planning failed",
        "nested reduction append producer placement mismatch",
        "staged fusion dependency proof failed",
        "staged reduction plan would be lost",
        "a consumer depends on another producer sub-node",
        "sub-parent epilogue planning failed",
        "consumer is not wholly in the sub-parent epilogue",
        "invalid sub-parent epilogue fusion",
    ),
    Reason.SCAN: ("Split scan cannot fuse with reductions",),
    Reason.DISABLED: ("grouped node must not be fused with other nodes", "fusion for buffer explicit disabled"),
    Reason.TIMING: (
        "register spilling of the first kernel",
        "register spilling of the second kernel",
        "register spilling of the fused kernel",
    ),
}  # fmt: skip
_KNOWN = {sentence: reason for reason, sentences in REASONS.items() for sentence in sentences}

#: The setting of Inductor that a kind of reason compares with.
SETTINGS: Mapping[Reason, str] = {
    Reason.MAX_SIZE: "max_fusion_size",
    Reason.MAX_BUFFERS: "max_fusion_unique_io_buffers",
    Reason.SCORE: "score_fusion_memory_threshold",
}

#: Of a reason no more than this is kept.
_LONGEST = 300
# buf3  op12: temporaries whose numbers are Inductor's own
_TEMPORARY = re.compile(r"\b(?:buf|op)\d+\b")


def kind_of(sentence: str) -> Reason:
    """The kind of a reason, from the sentence that Inductor gives, without the values in it."""
    return _KNOWN.get(sentence, Reason.OTHER)


def in_one_line(text: str) -> str:
    """A text of torch's as a golden has it: one line, of bounded length, without names of temporaries."""
    line = printable(_TEMPORARY.sub("_", text))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def printable(text: str) -> str:
    """A text as one line, with one space where there were several, and an escape for what has no form in print."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in " ".join(text.split()))
