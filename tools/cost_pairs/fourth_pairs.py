"""The fourth set of pairs: which programs and settings are compared, many of them with no effect on the time."""

from __future__ import annotations

from typing import Any

from cost_pairs.sides import Pair, Side

_TEMPLATES = {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON"}

#: Settings of Inductor, each with the programs that it is tried on.
SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no_fusion": ({"max_fusion_size": 1}, """
        rms_residual modulated layer_scale_norm selective with_z dice small_state rms_eight_bits mm_residual_norm
        train_rms_gated train_capped tiny_mlp_norm adam_of_bf16 tiles"""),
    "fusion_3": ({"max_fusion_size": 3}, "train_modulated tiny_stats small_state"),
    "cat_inline": ({"max_pointwise_cat_inputs": 16}, "twelve_cats history"),
    "cat_pointwise": ({"force_pointwise_cat": True}, "twelve_cats history"),
    "no_split": ({"split_reductions": False}, """
        total_variation clipped_ratio smooth_l1 gaussian dice counted_dense columns balance train_rms
        train_layer_scale newton_schulz_2 tiny_mean tiny_total unscaled tokens_per_expert"""),
    "looped": ({"triton.persistent_reductions": False}, """
        rms_groups unit_heads causal_scores layer_scale_norm tiny_mlp_norm small_state scan_last
        group_norm_first chunks"""),
    "nd_tiling": ({"triton.prefer_nd_tiling": True}, """
        patches frames skip grid rotary_heads_first cache_small edge_pad rotate_image interleave cache_pages"""),
    "one_tile": ({"triton.max_tiles": 1}, "symmetric"),
    "tiled_reductions": ({"triton.tile_reductions": True, "triton.prefer_nd_tiling": True}, """
        group_norm_last evaluated_last"""),
    "no_coalescing": ({"triton.coalesce_tiling_analysis": False}, "patches"),
    "given_order": ({"pick_loop_orders": False}, "cache_small rotary_heads_first"),
    "cooperative": ({"triton.cooperative_reductions": True}, """
        smooth_l1 total_variation unscaled gaussian balance clipped_ratio"""),
    "combo": ({"combo_kernels": True}, "averages tiny_steps tanh_each unscaled rotary_both"),
    "realize_reads": ({"realize_reads_threshold": 1}, "halved hue sampled small_state"),
    "realize": ({"realize_opcount_threshold": 3}, "black_scholes geodesic hue srgb"),
    "no_reorder": ({"loop_ordering_after_fusion": False}, "small_state"),
    "template": (_TEMPLATES, "mm_square batches mm_residual_norm"),
    "template_unfused": ({**_TEMPLATES, "epilogue_fusion": False}, "mm_square"),
    "no_unroll": ({"unroll_reductions_threshold": 1}, "grey combined rows_of_four"),
    "unroll_more": ({"unroll_reductions_threshold": 65}, "unit_heads train_looked_up"),
    "no_padding": ({"comprehensive_padding": False}, "mm_padded"),
    "precision_casts": ({"emulate_precision_casts": True}, """
        silu_product layer_scale_norm rms_gated tanh_gelu rotary_both quick_gelu train_rms"""),
    "no_upcast": ({"triton.codegen_upcast_to_fp32": False}, "silu_product rms_gated tanh_gelu_f16"),
    "dense": ({"triton.dense_indexing": True}, "sent looked_up sampled"),
    "random_of_eager": ({"fallback_random": True}, "mm_dropout drawn"),
    "no_layout": ({"layout_optimization": False}, "conv_back"),
    "as_mm": ({"conv_1x1_as_mm": True}, "conv_1x1"),
    "no_patterns": ({"pattern_matcher": False}, "chunks"),
    "two_products": ({"b2b_gemm_pass": True}, "mm_two mm_two_relu"),
    "coordinate_descent": ({"coordinate_descent_tuning": True}, "patches rms_gated columns"),
    "autotune": ({"max_autotune_pointwise": True}, "symmetric columns modulated"),
    "block_pointers": ({"triton.use_block_ptr": True}, "even_rows modulated patches"),
    "no_inplace": ({"inplace_buffers": False}, "mm_residual_norm tiny_mlp"),
    "no_reuse": ({"allow_buffer_reuse": False}, "newton_schulz_2 experts"),
    "no_hints": ({"triton.divisible_by_16": False}, "patches rms"),
    "no_first_cache": ({"triton.skip_l1_cache": True}, "columns"),
    "no_asserts": ({"assert_indirect_indexing": False}, "sent combined cache_pages looked_up"),
    "no_online": ({"online_softmax": False}, "entropy smoothed"),
    "no_mixed_order": ({"triton.mix_order_reduction": False}, "train_rms_gated train_rms"),
}  # fmt: skip

#: A program, and what an edit makes of it.
EDITS = """
    linear_code geodesic    geodesic_f64 geodesic    sum_of_four black_scholes    sum_upcast sum_of_four
    rows_of_four quaternions    hours calendar    sum_of_four geodesic    median_of_three step_where
    append interleave    tanh_each six_cats    six_cats twelve_cats    own_half symmetric    turn_image rotate_image
    grid outer_three    even_rows odd_rows    gain srgb    gain hue    grey_last grey    local_mean local_variance
    local_top_3 local_top    tops top_places    tops pool_3d    grey total_variation    patches_of_channels patches
    pyramid skip    sampled_nearest sampled    halved_nearest halved    halved resized    zero_pad edge_pad
    fir_5 fir_24    fir_5 fir_5_dilated    energy lags    energy frames    envelope fir_24    frames mel
    scan_last scan_middle    running_mean selective    segment_mean segment_softmax    counted_dense counted
    counted segment_mean    found looked_up_wide    looked_up looked_up_wide    with_z smoothed    entropy smoothed
    hinge dice    adagrad small_state    nesterov adagrad    adam_of_f32 adam_of_bf16
    newton_schulz_2 newton_schulz_5    averages unscaled    rms rms_gated    rms rms_residual    rms rms_groups
    rms rms_eight_bits    rms rms_decode    plain_norm modulated    layer_scale layer_scale_norm
    dynamic_tanh plain_norm    unit_heads plain_norm    group_norm_first group_norm_last
    clamped_halves clamped_pairs    product glu    rotary_both rotary_heads_first    rotary_both rotary_part
    rotary_both rotary_computed    cache_one cache_appended    cache_appended cache_pages    cache_pages cache_small
    routes balance    tokens_per_expert balance    sent combined    combined added_back    experts experts_few
    all_bits eight_bits    all_bits four_bits    faked columns    faked tiles    columns tiles    faked normal_floats
    warm greedy    warm highest    highest nucleus    warm repeated    greedy drawn    causal_scores chunks
    chunks kernels    sdpa_no_bias sdpa_bias    sdpa_no_bias sdpa_one    flex_plain flex_limits
    flex_plain flex_biases    flex_plain flex_near    flex_near flex_nearest    flex_plain flex_sloped_cap
    flex_causal_128 flex_sloped_cap    train_flex train_flex_near    sdpa_128 flex_causal_128    mm mm_residual_norm
    mm mm_halves    mm mm_dropout    mm mm_softmax    mm mm_padded    mm_thin_outer mm_thin_inner    vectors batches
    batches batches_f32    batches added_batches    contrast mm_softmax    conv_1x1 conv_3d    conv_3d conv_back
    tiny_mlp tiny_mlp_norm    tiny_one_step tiny_steps    tiny_mean tiny_stats    tiny_mean tiny_total
    train_rms train_rms_gated    train_rms train_modulated    train_product train_layer_scale
    train_product train_rotary    train_smoothed train_capped    experts train_experts
    train_resize_nearest train_resize    train_looked_up train_resize_nearest    gaussian smooth_l1
    step_mask step_where    counted_dense counted_below    causal_scores sink    cache_written cache_one
    linear_code mu_law    twelve_cats history
""".split()  # noqa: SIM905 (two names a pair, several pairs a line)

#: Edits of which no user would expect another time.
CALM = """
    sum_of_four sum_in_twos    sum_of_four weighted_four    running_mean from_the_end    leaky relu6
    leaky log_sigmoid    quick_gelu tanh_gelu    tanh_gelu tanh_gelu_f16    symmetric antisymmetric
    zero_pad one_pad    adagrad rmsprop    nesterov rmsprop    rms rms_offset    rms_gated rms_gated_after
    silu_product product    silu_product square_product    layer_scale added    layer_scale dynamic_tanh
    train_product train_silu_product    capped with_z    log_probability with_z    hinge gaussian
    hinge clipped_ratio    evaluated evaluated_last    prepared prepared_flipped    warm likely    mm mm_square
    mm mm_tanh_bias    routes routes_sigmoid    sdpa_128 sdpa_from_rows    eight_bits_after eight_bits
    mm_two mm_two_relu
""".split()  # noqa: SIM905


def fourth_pairs() -> dict[str, Pair]:
    """Every pair of the fourth set by its name."""
    pairs = [
        Pair(f"{name}_fourth.fourth_{program}", Side(f"fourth_{program}"), Side(f"fourth_{program}", settings))
        for name, (settings, programs) in SETTINGS.items()
        for program in programs.split()
    ]
    edits = [*EDITS, *CALM]
    pairs += [
        Pair(f"fourth_{old}.to.fourth_{new}", Side(f"fourth_{old}"), Side(f"fourth_{new}"))
        for old, new in zip(edits[::2], edits[1::2], strict=True)
    ]
    return {pair.name: pair for pair in pairs}
