"""The ninth set of pairs: parts of transformers and convolutional nets, losses, optimizers, data preparation."""

from __future__ import annotations

from diff_pairs.ninth_programs import PROGRAMS
from diff_pairs.sides import NEWER, TRITON_MM, Side, edit, newer, setting

__all__ = ["PAIRS", "PROGRAMS"]

PAIRS: dict[str, tuple[Side, Side]] = {
    # Edits of a program.
    "ninth-embedding-short": edit("embedding", "embedding_short"),
    "ninth-ffn-squared": edit("ffn", "ffn_squared"),
    "ninth-ffn-after": edit("ffn", "ffn_after"),
    "ninth-unit-queries": edit("unit", "unit_over_queries"),
    "ninth-unit-wider": edit("unit", "unit_wider_heads"),
    "ninth-pooler-at-most": edit("pooler", "pooler_at_most"),
    "ninth-pooler-dynamic": edit("pooler", "pooler_dynamic"),
    "ninth-adapter-rank": edit("adapter", "adapter_rank"),
    "ninth-ring-wraps": edit("ring", "ring_wraps"),
    "ninth-printed": edit("whole", "printed"),
    "ninth-convnext-kernel": edit("convnext", "convnext_narrow"),
    "ninth-inverted-last": edit("inverted", "inverted_last"),
    "ninth-inverted-cap": edit("inverted", "inverted_cap"),
    "ninth-up-bilinear": edit("up", "up_bilinear"),
    "ninth-dice-square": edit("dice", "dice_square"),
    "ninth-margin-cosine": edit("margin", "margin_cosine"),
    "ninth-bce-weight": edit("bce", "bce_weight"),
    "ninth-words-skip": edit("words", "words_skip"),
    "ninth-eight-up": edit("eight", "eight_up"),
    "ninth-columns-turned": edit("columns", "columns_turned"),
    "ninth-windows-sparse": edit("windows", "windows_sparse"),
    "ninth-bag-clipped": edit("bag", "bag_clipped"),
    # Settings of Inductor and AOTAutograd.
    "ninth-embedding-asserts": setting("embedding", assert_indirect_indexing=False),
    "ninth-ffn-epilogue": setting("ffn", epilogue_fusion=False, base=TRITON_MM),
    "ninth-ffn-native": setting("ffn", triton__native_matmul=True),
    "ninth-ffn-budget": setting("ffn_train", **{"functorch.activation_memory_budget": 0.3}),
    "ninth-unit-looped": setting("unit_train", triton__persistent_reductions=False),
    "ninth-unit-reductions": setting("unit_train", **{"functorch.ban_recompute_reductions": False}),
    "ninth-written-out-unmatched": setting("written_out", pattern_matcher=False),
    "ninth-unit-template": setting("unit_bf16", **TRITON_MM),
    "ninth-convnext-tiles": setting("convnext_train", triton__prefer_nd_tiling=True),
    "ninth-convnext-reads": setting("convnext_train", realize_reads_threshold=1),
    "ninth-wave-blocks": setting("wave", triton__use_block_ptr=True),
    "ninth-dice-split": setting("dice", split_reductions=False),
    "ninth-capped-scatter": setting("capped", optimize_scatter_upon_const_tensor=False),
    "ninth-words-alignment": setting("words", padding_stride_threshold=0),
    "ninth-lion-combo-blocks": setting(
        "lion", combo_kernel_per_subkernel_blocks=True, base={"combo_kernels": True},
    ),
    "ninth-centered-tune": setting("centered", coordinate_descent_tuning=True),
    "ninth-agc-multi": setting("agc", triton__multi_kernel=2),
    "ninth-columns-size": setting("columns", max_fusion_size=1),
    "ninth-packed-dense": setting("packed", triton__dense_indexing=True),
    "ninth-mixup-pdl": setting("mixup", triton__enable_pdl=True),
    "ninth-eight-divisible": setting("eight", triton__divisible_by_16=False),
    "ninth-bag-memory": setting("bag", memory_planning=True),
    "ninth-crop-autotune": setting("crop", triton__autotune_pointwise=False),
    # Attention.
    "ninth-lengths-causal": edit("lengths", "lengths_causal"),
    "ninth-lengths-capped": edit("lengths", "lengths_capped"),
    "ninth-prefix-coarse": edit("prefix", "prefix_coarse"),
    "ninth-prefix-train-near": edit("prefix_train", "prefix_train_near"),
    "ninth-prefix-train-grouped": edit("prefix_train", "prefix_train_grouped"),
    "ninth-cross-tiles": edit("cross", "cross_tiles"),
    "ninth-cross-wide": edit("cross", "cross_wide"),
    "ninth-one-looser": edit("one", "one_looser"),
    "ninth-flash-strided": edit("flash_prefix", "flash_strided"),
    "ninth-train-flash": edit("triton_train", "flash_train"),
    # Two versions of torch.
    **{
        f"ninth-torch-{name}": newer(name)
        for name in ("convnext_train", "embedding", "nadam", "prefix_train", "up_bilinear", "words")
    },
    # Two changes at once.
    "ninth-two-ffn": (Side("ffn"), Side("ffn_silu_half", TRITON_MM)),
    "ninth-two-tail": edit("tail", "tail_swish_capped"),
    "ninth-two-lion": (Side("lion"), Side("lion_beta", {"combo_kernels": True})),
    "ninth-two-dice": (Side("dice"), Side("dice_smooth", {"split_reductions": False})),
    "ninth-two-torch": (Side("inverted"), Side("inverted_cap", torch=NEWER)),
}  # fmt: skip
