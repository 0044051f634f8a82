"""The third set of pairs: which programs and settings are compared, of kinds that no earlier set has or has many of."""

from __future__ import annotations

from typing import Any

from cost_pairs.sides import Pair, Side

_TEMPLATES = {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON"}

SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no_hints": ({"triton.divisible_by_16": False}, "third_horner third_sum_1024 third_last_scale"),
    "no_asserts": ({"assert_indirect_indexing": False}, "third_select_rows third_scatter third_embedding_two"),
    "coordinate_descent": ({"coordinate_descent_tuning": True}, "third_moments_first third_permute_4d third_newton"),
    "multi_kernel": ({"triton.multi_kernel": 1}, "third_standard_rows third_sum_1000"),
    "autotune_third": ({"max_autotune_pointwise": True}, "third_to_last third_window_rows third_lse_first"),
    "no_split_third": ({"split_reductions": False}, """
        third_sum_one_long third_moments_first third_std_channels third_lse_first third_nll third_train_linear"""),
    "looped_third": ({"triton.persistent_reductions": False}, """
        third_tiny_softmax third_softmax_gates third_standard_short third_sum_1000 third_sum_33 third_bmm_softmax
        third_train_block"""),
    "cooperative_third": ({"triton.cooperative_reductions": True}, "third_sum_one_long"),
    "combo_third": ({"combo_kernels": True}, "third_foreach_norm"),
    "fusion_2": ({"max_fusion_size": 2}, "third_moments third_standard_rows third_block"),
    "no_fusion_third": ({"max_fusion_size": 1}, """
        third_lstm_cell third_recurrence_24 third_spiked third_gumbel third_dropout_twice third_linear_norm
        third_train_log_softmax third_tiny_chain"""),
    "nd_tiling_third": ({"triton.prefer_nd_tiling": True}, """
        third_permute_4d third_window_rows third_haar third_repeat_interleave third_circular third_outer_sum
        third_pad_last third_std_channels_last third_first_scale"""),
    "one_tile_third": ({"triton.max_tiles": 1}, "third_mixed_add third_to_last third_permute_4d"),
    "block_pointers_third": ({"triton.use_block_ptr": True}, "third_shift_columns third_moments_first third_haar"),
    "realize_third": ({"realize_opcount_threshold": 4}, "third_newton third_complex third_spiked"),
    "precision_casts_third": ({"emulate_precision_casts": True}, """
        third_horner_f16 third_dropout_twice third_standard_rows"""),
    "no_upcast_third": ({"triton.codegen_upcast_to_fp32": False}, "third_horner_f16 third_outer_sum_bf16"),
    "random_of_eager_third": ({"fallback_random": True}, "third_noise third_gumbel"),
    "no_layout": ({"layout_optimization": False}, "third_conv"),
    "no_reuse": ({"allow_buffer_reuse": False, "inplace_buffers": False}, "third_train_block"),
    "template_third": (_TEMPLATES, "third_linear_silu third_int_mm third_small_products third_bmm_mask"),
    "no_online": ({"online_softmax": False}, "third_train_log_softmax"),
}  # fmt: skip

EDITS = """
    third_gru_cell third_lstm_cell    third_lstm_cell third_lstm_cell_bf16    third_scaled_steps third_recurrence_24
    third_tiny_softmax third_tiny_norm    third_tiny_softmax third_tiny_chain    third_horner third_newton
    third_horner third_horner_f64    third_horner third_horner_f16    third_newton third_newton_f64
    third_log_f32 third_log_as_f64    third_log_f32 third_log_f64    third_complex third_angle
    third_hardtanh third_softsign    third_softsign third_tanhshrink    third_hardtanh third_celu
    third_xlogy third_power_by    third_power_3 third_logit    third_bits third_gcd_step
    third_no_noise third_noise    third_uniform third_noise    third_best third_gumbel
    third_first_scale third_last_scale    third_first_scale third_mixed_add    third_first_scale third_to_last
    third_permute_4d third_swap_outer    third_expand third_repeat    third_repeat third_repeat_interleave
    third_halves third_haar    third_shift_rows third_shift_columns    third_shift_rows third_every_third
    third_pad_first third_pad_last    third_outer_sum_bf16 third_outer_sum    third_gather_last third_scatter
    third_index_put third_index_put_add    third_select_rows third_select_columns
    third_embedding_one third_embedding_two    third_embedding_one third_embedding_sum    third_take_one third_nll
    third_counts_wide third_counts    third_mask_rows third_mask_all    third_sort_short third_sort_rows
    third_topk third_sort_rows    third_softmax_gates third_top_gates    third_sort_rows third_sort_long
    third_cumsum_rows third_cumsum_then    third_cumsum_rows third_cumsum_bf16    third_cumsum_rows third_cumsum_flat
    third_sum_f16 third_sum_f16_as_f32    third_sum_f16 third_sum_f64    third_sum_u8 third_sum_i64
    third_all third_median_like    third_moments third_moments_first    third_lse_last third_lse_first
    third_sum_33 third_sum_7    third_sum_1024 third_sum_1000    third_std_channels third_std_channels_last
    third_standard_rows third_standard_short    third_linear_bias third_linear_silu
    third_linear_silu third_linear_norm    third_linear_bias third_linear_f16    third_linear_bias third_linear_f32
    third_dense_mm third_scaled_mm    third_dense_mm third_int_mm    third_bmm_softmax third_bmm_mask
    third_linear_residual third_einsum_heads    third_small_products third_f64_product    third_conv third_conv_last
    third_conv third_conv_stride    third_conv third_conv_groups    third_conv third_conv_1x1
    third_conv third_conv_f32
    third_sdpa_causal third_sdpa_mask    third_sdpa_f16 third_sdpa_f32    third_sdpa_f16 third_sdpa_grouped
    third_flex_plain third_flex_prefix    third_flex_prefix third_flex_strided    third_flex_plain third_flex_distance
    third_flex_plain third_flex_short    third_flex_plain third_flex_f16    third_block third_train_block
    third_train_silu third_train_log_softmax    third_train_silu third_train_prelu
    third_train_linear third_train_attention    third_train_cumsum third_train_gather
    third_train_instance_norm third_train_prelu    third_train_embedding third_embedding_one
    third_foreach_momentum third_foreach_adam    third_foreach_norm third_foreach_momentum
    third_rank_sum third_outer_sum    third_block_diagonal third_circular
""".split()  # noqa: SIM905 (two names a pair, several pairs a line)


def third_pairs() -> dict[str, Pair]:
    """Every pair of the third set by its name."""
    pairs = [
        Pair(f"{name}.{program}", Side(program), Side(program, settings))
        for name, (settings, programs) in SETTINGS.items()
        for program in programs.split()
    ]
    pairs += [Pair(f"{old}.to.{new}", Side(old), Side(new)) for old, new in zip(EDITS[::2], EDITS[1::2], strict=True)]
    return {pair.name: pair for pair in pairs}
