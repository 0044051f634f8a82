"""Which programs and settings are compared: the list of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cost_pairs import (
    elementwise,
    fourth,
    fourth_matrices,
    fourth_models,
    fourth_pairs,
    matrices,
    reductions,
    second,
    third,
    third_pairs,
    training,
)
from cost_pairs.sides import Pair, Programs, Side

PROGRAMS: Programs = {
    name: program
    for part in (elementwise, reductions, matrices, second, third, training, fourth, fourth_models, fourth_matrices)
    for name, program in part.PROGRAMS.items()
}

_TEMPLATES = {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON"}

#: Settings of Inductor, each with the programs that it is tried on.
SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no_split": ({"split_reductions": False}, """
        batch_norm sum_square_all sum_square_first sum_wide_last var_first mse train_layer_norm sum_few_rows
        amax_first quantize_all train_batch_norm normalize_first sum_one_row norm argmax_first softmax_first
        sum_tall_first sum_tall_all train_embedding sum_bf16 sum_f64"""),
    "looped": ({"triton.persistent_reductions": False}, """
        softmax_narrow layer_norm_narrow group_norm rms_norm attention_scores sum_tall_last quantize_rows
        layer_norm_few cumsum_short softmax_three sum_small_last instance_norm rms_norm_bf16 attention_scores_batch"""),
    "two_pass": ({"online_softmax": False}, """
        softmax softmax_wide cross_entropy logsumexp softmax_bf16 train_softmax"""),
    "nd_tiling": ({"triton.prefer_nd_tiling": True}, """
        max_pool add_transposed sum_cube_middle nchw_to_nhwc upsample cat_columns gather_columns softmax
        batch_norm_2d add_3d stride_2 channel_bias pad heads max_pool_2 avg_pool where_tril flip roll blur
        upsample_bilinear cat_odd sum_strided stride_4 modulo_index"""),
    "one_tile": ({"triton.max_tiles": 1}, """
        add_transposed transpose nchw_to_nhwc add_3d stack heads transpose_bf16 sum_transposed rope pixel_shuffle
        add_3d_straight"""),
    "three_tiles": ({"triton.max_tiles": 3}, "add_3d nchw_to_nhwc sum_cube_middle pixel_shuffle channel_bias"),
    "tiled_reductions": ({"triton.tile_reductions": True, "triton.prefer_nd_tiling": True}, """
        sum_cube_all sum_cube_middle batch_norm_2d group_norm"""),
    "no_fusion": ({"max_fusion_size": 1}, """
        sum_last_twice batch_norm rms_norm_twice adamw train_layer_norm layer_norm_add mse cat_four normalize
        mm_gelu attention_scores quantize_rows gated softmax_twice swiglu rope cross_entropy layer_norm_gelu
        softmax_masked group_norm train_gelu batch_norm_2d quantize_all mlp sgd"""),
    "combo": ({"combo_kernels": True}, "small_24 small_8 small_24_larger outputs_many adamw_many sum_both cat_not"),
    "realize_early": ({"realize_opcount_threshold": 2}, """
        heavy_add heavy_exp layer_norm_gelu rope swiglu upsample_bilinear softmax heavy_mish heavy_softplus adamw
        rope_not attention_scores swiglu_even quantize_rows heavy_silu"""),
    "realize_reads": ({"realize_reads_threshold": 1}, "blur rope inputs_many cat_gelu max_pool"),
    "no_cat_inline": ({"max_pointwise_cat_inputs": 1}, "cat_gelu cat_four cat_columns rope cat_rows cat_gelu_rows"),
    "cat_inline": ({"max_pointwise_cat_inputs": 32}, "cat_gelu cat_gelu_rows stack"),
    "no_reorder": ({"loop_ordering_after_fusion": False}, """
        sum_both batch_norm transpose train_layer_norm quantize_rows"""),
    "no_inplace": ({"inplace_buffers": False}, "rms_norm_twice mm_gelu train_softmax"),
    "precision_casts": ({"emulate_precision_casts": True}, """
        rms_norm_bf16 swiglu layer_norm_gelu heavy_bf16_gelu add_bf16 attention_scores rms_norm softmax_up
        heavy_bf16_silu layer_norm_add"""),
    "no_upcast": ({"triton.codegen_upcast_to_fp32": False}, "rms_norm_bf16 swiglu heavy_bf16_exp add_bf16"),
    "fast_math": ({"use_fast_math": True}, "heavy_exp heavy_gelu softmax heavy_div"),
    "cooperative": ({"triton.cooperative_reductions": True}, """
        sum_one_row sum_square_all softmax_wide sum_few_rows layer_norm_few sum_wide_last sum_wide_first var_first
        quantize_all mse"""),
    "unaligned": ({"assume_aligned_inputs": False}, "clone softmax add_bf16"),
    "template": (_TEMPLATES, """
        mm mm_relu mm_gelu mm_f32 mm_small mm_thin mm_deep bmm mlp mm_silu_f32 mm_odd"""),
    "template_unfused": ({**_TEMPLATES, "epilogue_fusion": False}, """
        mm_gelu mm_relu bmm mm_silu_f32"""),
    "no_patterns": ({"pattern_matcher": False}, "attention_written mv cat_four"),
    "no_mixed_order": ({"triton.mix_order_reduction": False}, """
        train_rms_norm train_layer_norm train_layer_norm_bf16"""),
    "no_unroll": ({"unroll_reductions_threshold": 1}, "softmax_three sum_20_first avg_pool"),
    "autotune": ({"max_autotune_pointwise": True}, """
        add_transposed sum_square_first layer_norm softmax rms_norm sum_cube_middle cat_columns"""),
    "scatter_split": ({"triton.dense_indexing": True}, "broadcast_row cat_columns"),
    "coalesce": ({"triton.coalesce_tiling_analysis": False}, """
        add_transposed sum_cube_middle add_3d transpose sum_transposed"""),
}  # fmt: skip

#: A program, and what an edit makes of it.
EDITS = """
    heavy_add heavy_exp    heavy_add heavy_log    heavy_add heavy_sin    heavy_add heavy_tanh    heavy_add heavy_erf
    heavy_gelu_tanh heavy_gelu    heavy_relu heavy_sigmoid    heavy_sigmoid heavy_silu    heavy_add heavy_sqrt
    heavy_sqrt heavy_rsqrt    heavy_add heavy_div    heavy_exp heavy_pow    heavy_log heavy_log1p
    heavy_exp heavy_expm1    heavy_sin heavy_cos    heavy_tanh heavy_atan    heavy_relu heavy_softplus
    heavy_softplus heavy_mish    heavy_add heavy_lgamma    heavy_add heavy_erfinv    heavy_add heavy_floor
    heavy_relu heavy_clamp    heavy_clamp heavy_gelu    heavy_silu heavy_relu    heavy_pow heavy_div
    heavy1_add heavy1_exp    heavy1_add heavy1_sin    heavy1_exp heavy1_pow    heavy_exp heavy1_exp
    heavy_sin heavy1_sin    heavy_bf16_add heavy_bf16_exp    heavy_bf16_add heavy_bf16_gelu
    heavy_bf16_tanh heavy_bf16_silu    heavy_bf16_add heavy_bf16_div    heavy_bf16_exp heavy_bf16_sin
    i64_add i64_mod    i64_add i64_div    i64_mod i32_mod    i32_shift i32_mod    i64_add i64_mod_by
    f32_poly f64_mul    f32_poly f32_poly_f64    f64_exp cos_f32    cos_f32 cos_f64    f32_poly poly_long
    dropout_not dropout    dropout rand    add_bf16 add_f32    add_f32 add_f64    add_bf16 add_f16
    add_bf16 add_bf16_out_f32    add_bf16 add_bf16_f32    clone to_int8    clone to_bool    to_int8 to_f8
    add_f32 add_bf16_f32    where_row where_bool    where_row where_column    where_column where_tril
    clone where_tail    clone where_bool    where_tril where_tail    clone transpose    transpose transpose_bf16
    add_straight add_transposed    add_3d_straight add_3d    nchw_scale nchw_to_nhwc    stride_1 stride_2
    stride_2 stride_4    stride_4 stride_8    stride_8 stride_16    stride_row stride_4    offset_0 offset_1
    narrow_even narrow_odd    clone flip    clone roll    clone pad    nchw_scale pixel_shuffle    heads_not heads
    clone modulo_index    broadcast_row broadcast_full    broadcast_row broadcast_column
    broadcast_row broadcast_outer    broadcast_full broadcast_outer    broadcast_middle add_straight
    channel_bias channel_bias_last    channel_bias nchw_scale    gather_rows gather_columns
    gather_rows gather_rows_short    gather_not gather_elements    gather_elements gather_elements_near
    gather_elements gather_elements_i32    embedding embedding_scaled    embedding embedding_few
    scatter_add scatter_add_hot    scatter_add index_add    index_add index_put    gather_rows clone
    cat_rows cat_columns    cat_columns cat_odd    cat_four cat_columns    cat_gelu cat_gelu_rows
    stack_first stack    cat_not cat_rows    cat_not cat_columns    split_sum clone    rope_not rope
    swiglu swiglu_even    swiglu swiglu_relu    nchw_scale upsample    upsample upsample_bilinear
    max_pool max_pool_2    max_pool avg_pool    max_pool max_pool_last    blur_rows blur    clone blur
    size_256 size_16384    size_16384 size_262144    size_262144 size_2097152    size_2097152 size_8388608
    size_8388608 size_33554432    size_256 size_sin_256    size_16384 size_sin_16384    size_262144 size_sin_262144
    size_2097152 size_sin_2097152    small_8 small_24    small_24 small_24_larger    small_chain_once small_chain
    outputs_one outputs_many    outputs_one inputs_many    sgd adamw    adamw_many small_24
    sum_square_last sum_square_first    sum_square_last sum_square_all    sum_square_first sum_square_all
    sum_tall_last sum_tall_first    sum_tall_last sum_tall_all    sum_wide_last sum_wide_first
    sum_cube_last sum_cube_first    sum_cube_last sum_cube_middle    sum_small_last sum_small_all
    sum_small_last sum_small_first    sum_square_last sum_last_twice    sum_square_last sum_both
    sum_last_twice sum_both    sum_square_last sum_bf16    sum_square_last sum_f64    sum_square_last sum_exp
    sum_square_first sum_transposed    sum_square_last sum_strided    sum_square_all sum_one_row
    sum_few_rows sum_wide_last    sum_20_first sum_few_rows    mean var    var var_two_pass    mean amax
    amax argmax    amax_first argmax_first    amax any    mean prod    mean norm    norm normalize
    normalize normalize_first    logsumexp sum_exp    mean cumsum    cumsum cumsum_short    cumsum_short sort
    var var_first    softmax softmax_first    softmax_bf16 softmax_up    softmax softmax_bf16
    softmax softmax_narrow    softmax softmax_wide    softmax softmax_odd    softmax_narrow softmax_three
    softmax softmax_masked    softmax_masked_row softmax_masked    softmax log_softmax    softmax softmax_twice
    batch_norm_2d batch_norm_2d_last    batch_norm batch_norm_small    group_norm group_norm_relu
    group_norm instance_norm    layer_norm layer_norm_f32    layer_norm layer_norm_gelu    layer_norm layer_norm_add
    layer_norm rms_norm    rms_norm_bf16 rms_norm    rms_norm rms_norm_twice    layer_norm layer_norm_narrow
    layer_norm layer_norm_wide    layer_norm layer_norm_few    quantize_rows quantize_all
    cross_entropy cross_entropy_f32    mse mse_rows    attention_scores attention_scores_batch
    train_layer_norm train_layer_norm_bf16    train_relu train_gelu    train_gelu_tanh train_gelu
    train_gelu train_bias    train_softmax train_gelu    train_relu train_dropout
    train_batch_norm train_group_norm    train_embedding train_relu    train_max_pool train_relu
    train_cross_entropy cross_entropy    heavy_add heavy_gelu    heavy_exp heavy_sigmoid    heavy_add heavy_lgamma
    add_bf16 swiglu_relu    clone flip    softmax logsumexp    softmax layer_norm_f32    var softmax
    mean sum_strided    sum_wide_all sum_square_all    sum_wide_first sum_tall_last    stride_2 stride_row
    stride_1 stride_16    add_straight add_3d    broadcast_column broadcast_outer    where_bool where_column
    cat_rows cat_odd    stack cat_rows    gather_elements_near gather_not    gather_rows_short gather_rows
    embedding gather_rows    index_put gather_rows    heads transpose_bf16    channel_bias_last nchw_to_nhwc
    max_pool_2 avg_pool    upsample max_pool    size_16384 size_2097152    size_sin_256 size_sin_262144
    small_8 small_24_larger    adamw sgd    layer_norm_gelu layer_norm_add    group_norm batch_norm_2d
    cross_entropy log_softmax    rms_norm_twice softmax_twice    train_gelu train_gelu_tanh
    train_softmax train_relu    train_bias train_layer_norm_bf16    train_dropout train_gelu    mm_bias mm_sum
    mm_thin mm_deep    mlp mm_large    bmm mm_small    sdpa_causal sdpa_wide    sdpa_long sdpa_wide
    flex_slopes flex_capped    flex_relative flex_slopes    flex_window flex_causal_capped    flex_wide flex_half
    flex_grouped flex_causal    flex_tiles flex_warps    flex_train_causal flex_causal
    flex_decode_slopes flex_decode_long    mm mm_relu    mm mm_gelu    mm_bias mm_gelu    mm_gelu mm_silu_f32
    mm mm_sum    mm mm_f32    mm_small mm_thin    mm mm_odd    mm mm_large    mm_relu mm_prologue
    mm_small mm_deep    mm_small bmm    bmm bmm_small    mm_thin mm_int8    mlp_relu mlp    mlp gated
    mlp train_mlp    train_mlp train_mlp_f32    conv conv_last    mv mm_thin    sdpa sdpa_causal    sdpa sdpa_long
    sdpa sdpa_wide    sdpa sdpa_train    attention_written attention_written_f32
    attention_written_sdpa attention_written    sdpa flex    sdpa_causal flex_causal    flex flex_causal
    flex_causal flex_window    flex_causal flex_documents    flex_causal flex_causal_256    flex flex_slopes
    flex flex_capped    flex flex_relative    flex flex_table    flex_causal_score flex_causal
    flex_causal flex_causal_capped    flex flex_wide    flex flex_half    flex_half flex_f32    flex flex_grouped
    flex flex_tiles    flex flex_tiles_large    flex flex_warps    flex_train flex_train_causal
    flex_train flex_train_capped    flex_half flex_train    flex_decode flex_decode_slopes
    flex_decode flex_decode_long
""".split()  # noqa: SIM905 (two names a pair, several pairs a line)


def first_pairs() -> dict[str, Pair]:
    """Every pair of the first set by its name."""
    pairs = [*_settings(), *_edits()]
    return {pair.name: pair for pair in pairs}


#: The sets of pairs by name; those after the first were scored before anything was learned from them.
SETS = {
    "first": first_pairs,
    "second": second.second_pairs,
    "third": third_pairs.third_pairs,
    "training": training.training_pairs,
    "fourth": fourth_pairs.fourth_pairs,
}


def _settings() -> Iterator[Pair]:
    for name, (settings, programs) in SETTINGS.items():
        for program in programs.split():
            yield Pair(f"{name}.{program}", Side(program), Side(program, settings))


def _edits() -> Iterator[Pair]:
    for old, new in zip(EDITS[::2], EDITS[1::2], strict=True):
        yield Pair(f"{old}.to.{new}", Side(old), Side(new))
