"""What would have to change for the compiler to decide otherwise: the setting, the size or the layout.

For a decision about a kernel or a graph, its sort and its words tell; for two steps that are not one kernel, the kind
of the reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from kernelsnap.model.why import NO_EPILOGUE, NO_PROLOGUE, Apart, Decided, Reason

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
        "they do not access what they share in the same places of their loops, so that fusing would save no traffic",
        "loops over the same elements in the same order: reducing the other axis, or a transposed tensor, is another",
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
        "a larger max_fusion_buffer_group_pairwise_attempts, where many steps share the tensor; nothing, where one is "
        "in a branch or a loop, or belongs to a template",
    ),
    Reason.NO_REASON: ("Inductor refused it and gave no reason", ""),
    Reason.OTHER: ("Inductor has a reason that this kernelsnap does not know", ""),
}

#: Words of the compiler that tell more than the kind of the reason, and what would change it.
_OF_TEXTS: Mapping[str, str] = {
    NO_PROLOGUE: "prologue_fusion=True",
    "no allowed prologue inputs": "nothing: this template takes in nothing that comes before it",
    "single use": "the result used by the template only",
    "prologue fusion only supported for pointwise": "nothing: a template takes in no reduction before it",
    NO_EPILOGUE: (
        "epilogue_fusion=True, and a pointwise operation there that goes over all that the template writes: it takes "
        "in no reduction"
    ),
    "another fusion came first": "nothing: they could be one, but each is fused with another already",
}

#: For two reductions that read one tensor along different axes, which Inductor can do in one kernel.
MIXED_ORDER = (
    "triton.mix_order_reduction, which is on by default, makes sums along both axes one kernel where there are 4,096 "
    "rows or more, 5 Mi elements or more, and twice as many rows as columns; "
    "triton.mix_order_reduction_non_strict_mode=True also where there are fewer"
)
#: For two steps that write one tensor.
IN_TURN = "nothing: all of it has to be written by the one before the other writes parts of it"

#: By the sort of a decision: words in its text, and what would change what has them. "" is in every text.
_CHANGES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "reduction": (
        ("persistent_reductions is off", "triton.persistent_reductions=True"),
        ("size is dynamic", "a static size: dynamic=False, or torch._dynamo.mark_static"),
        ("persistent up to", "no more elements than that; triton.multi_kernel=1 allows 16 times as many"),
    ),
    "split": (
        ("scan", "fewer elements, or more rows to scan"),
        (
            "",
            "split_reductions=False makes it one kernel, as do more outputs or fewer elements of each; so does "
            "triton.cooperative_reductions=True where there are at most 16 outputs",
        ),
    ),
    "tiling": (
        ("candidates", "triton.max_tiles, triton.prefer_nd_tiling, or the tensors stored in one order"),
        ("", "the tensors stored in one order; triton.coalesce_tiling_analysis=False"),
    ),
    "layout": (
        ("convolution", "inputs and weights in this layout from the start; layout_optimization=False keeps theirs"),
        (
            "copied, ",
            "what it reads in this layout from the start; or an operation that takes the other layout",
        ),
        ("an output", "eager mode returns these strides, and the compiled code has to as well: return another layout"),
        ("", "an operation that takes another layout"),
    ),
    "padding": (("", "comprehensive_padding=False; or rows of a multiple of 128 bytes"),),
    "attention": (
        (
            "before ",
            "torch.nn.attention.sdpa_kernel(SDPBackend.FLASH_ATTENTION), or another backend, around the call",
        ),
        (
            "",
            "what a backend wants; torch.nn.attention.sdpa_kernel around the call allows certain ones",
        ),
    ),
    "flex": (
        ("another template", "kernel_options without BACKEND and FORCE_USE_FLEX_ATTENTION"),
        ("short enough", "kernel_options={'BACKEND': 'TRITON'} takes the forward template, 'FLASH' that of flash-attn"),
        ("", "what decoding takes; kernel_options={'BACKEND': 'FLASH'} takes flash-attn's template"),
    ),
    "products": (
        ("neither max_autotune", "max_autotune_gemm=True, or mode='max-autotune-no-cudagraphs'"),
        ("max_autotune_gemm_backends is", "max_autotune_gemm_backends with TRITON in it"),
        ("the library's comes first", "max_autotune_gemm_backends='TRITON'"),
        ("no library's", "max_autotune_gemm_backends with ATEN in it"),
        ("no template", "float16, bfloat16 or float32, on a GPU with at least 68 multiprocessors"),
    ),
    "convolutions": (
        ("is off", "layout_optimization=True"),
        ("is on", "layout_optimization=False"),
        ("dynamic shape", "static sizes; or force_layout_optimization=True"),
        ("", "force_layout_optimization=True"),
    ),
}


def change_of(decided: Decided) -> str:
    """What would change a decision; "" where nothing can be named."""
    return next((change for words, change in _CHANGES.get(decided.what, ()) if words in decided.text), "")


def meaning_of(apart: Apart) -> tuple[str, str]:
    """What a reason means, and what would have to change; "" where nothing can be named."""
    meaning, change = MEANINGS[apart.reason]
    return meaning, next((better for words, better in _OF_TEXTS.items() if words in apart.text), change)
