"""Tells which compiler settings differ between two goldens, and which causes each of them can bring.

A golden has the settings that somebody gave another value than torch's default, among the compiler's reasons. What a
setting decides is no consequence of what the program computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.model.golden import Golden
from kernelsnap.model.why import SETTING

_DEFAULT = "default"
#: Of a value a report shows no more.
_LONGEST = 100

#: How many operations, and which, become one kernel.
_FUSION = frozenset([
    "aggressive_fusion", "benchmark_fusion", "combo_kernels", "combo_kernels_pointwise_only",
    "combo_kernel_foreach_dynamic_shapes", "combo_kernel_max_distance", "combo_kernel_max_num_args",
    "combo_kernel_max_num_nodes", "combo_kernel_peak_memory_increase_gb", "combo_kernel_peak_memory_pct_threshold",
    "dynamo.inline_invoke_subgraph", "dynamo.inline_single_use_invoke_subgraph", "epilogue_fusion",
    "epilogue_fusion_user_defined_triton_kernel", "loop_ordering_after_fusion", "loop_reindexing_after_fusion",
    "loop_index_inversion_in_fusion", "max_complex_pointwise_cat_inputs",
    "max_fusion_buffer_group_pairwise_attempts", "max_fusion_size", "max_fusion_unique_io_buffers",
    "max_pointwise_cat_inputs", "prologue_fusion", "realize_acc_reads_size_threshold", "realize_acc_reads_threshold",
    "realize_opcount_threshold", "realize_reads_threshold", "score_fusion_memory_threshold",
    "triton.nested_reduction", "triton.tiling_prevents_pointwise_fusion", "triton.tiling_prevents_reduction_fusion",
])  # fmt: skip
#: Which products and convolutions are templates.
_TEMPLATES = frozenset([
    "conv_1x1_as_mm", "max_autotune", "max_autotune_conv_backends", "max_autotune_conv_bwd_input_backends",
    "max_autotune_conv_bwd_weight_backends", "max_autotune_gemm", "max_autotune_gemm_backends",
    "triton.native_matmul", "test_configs.autotune_choice_name_regex",
])  # fmt: skip
_REALIZING = frozenset([
    "realize_acc_reads_size_threshold", "realize_acc_reads_threshold", "realize_opcount_threshold",
    "realize_reads_threshold",
])  # fmt: skip
#: Whether sums along rows and along columns are one kernel.
_MIX_ORDER = frozenset(["triton.mix_order_reduction", "triton.mix_order_reduction_non_strict_mode"])
#: In which order a tensor's elements are in memory: the loops over them follow.
_LAYOUTS = frozenset(["force_layout_optimization", "keep_output_stride", "layout_optimization"])
_STRIDES = frozenset([
    "comprehensive_padding", "force_shape_pad", "max_autotune_allow_flexible_layouts", "pad_outputs",
    "padding_alignment_bytes", "padding_stride_threshold", "shape_padding",
])  # fmt: skip
_IN_MEMORY = _STRIDES | _LAYOUTS
_BLOCKS = frozenset(["triton.use_block_ptr", "triton.use_tensor_descriptor"])

#: By cause the settings that bring it: `torch._inductor.config`, `functorch.` and `dynamo.` their modules.
_BRING: Mapping[CauseName, frozenset[str]] = {
    CauseName.OPERATIONS: frozenset([
        "apply_gumbel_max_trick", "auto_chunker.amplify_ratio_threshold", "auto_chunker.enable",
        "auto_chunker.num_chunk", "auto_chunker.output_size_threshold", "b2b_gemm_pass",
        "dynamo.enable_dynamo_decompositions", "efficient_conv_bn_eval_fx_passes", "online_softmax",
        "optimize_scatter_upon_const_tensor", "partitioned_scatter_enabled", "partitioned_scatter_max_partitions",
        "partitioned_scatter_memory_budget", "partitioned_scatter_min_partitions", "pattern_matcher",
        "post_grad_fusion_options", "pre_grad_fusion_options", "use_joint_graph_passes", "use_post_grad_passes",
    ]),
    CauseName.PARTITIONING: frozenset([
        "functorch.activation_memory_budget", "functorch.activation_memory_budget_runtime_estimator",
        "functorch.activation_memory_budget_solver", "functorch.aggressive_recomputation",
        "functorch.ban_recompute_materialized_backward", "functorch.ban_recompute_not_in_allowlist",
        "functorch.ban_recompute_reductions", "functorch.ban_recompute_used_far_apart",
        "functorch.max_dist_from_bw", "functorch.recompute_views", "functorch.treat_parameters_as_free_to_save",
    ]),
    CauseName.DTYPE: frozenset([
        "emulate_precision_casts", "triton.codegen_upcast_to_fp32", "triton.decompose_sort_ops",
    ]),
    CauseName.ATTENTION: frozenset(["max_autotune", "max_autotune_flex_search_space"]),
    CauseName.TEMPLATE: _TEMPLATES | {
        "deterministic", "fallback_by_default", "fallback_random", "triton.enable_persistent_tma_matmul",
    },
    CauseName.FUSION_SPLIT: _FUSION | _TEMPLATES | _MIX_ORDER,
    CauseName.FUSION_MERGE: _FUSION | _TEMPLATES | _MIX_ORDER,
    CauseName.OP_MOVED: _REALIZING | {"conv_1x1_as_mm", "force_pointwise_cat", "max_complex_pointwise_cat_inputs"},
    CauseName.REDUCTION_STRATEGY: _MIX_ORDER | {
        "min_num_split", "split_reductions", "triton.cooperative_reductions", "triton.force_cooperative_reductions",
        "triton.multi_kernel", "triton.persistent_reductions", "unroll_reductions_threshold",
    },
    CauseName.TILING: _LAYOUTS | frozenset([
        "pick_loop_orders", "triton.coalesce_tiling_analysis", "triton.max_tiles", "triton.prefer_nd_tiling",
        "triton.tile_reductions",
    ]),
    CauseName.IN_PLACING: _REALIZING | {"functorch.donated_buffer", "inplace_buffers"},
    CauseName.INDEXING: _IN_MEMORY | _BLOCKS | {"assume_aligned_inputs", "triton.divisible_by_16"},
    CauseName.MASK: _BLOCKS | {
        "assert_indirect_indexing", "debug_index_asserts", "runtime_triton_nan_asserts", "triton.dense_indexing",
    },
    CauseName.INTRINSIC: frozenset([
        "align_random_eager", "constant_and_index_propagation", "eager_numerics.division_rounding",
        "eager_numerics.use_pytorch_libdevice", "triton.use_two_step_variance_min_numel",
        "triton.use_two_step_variance_threshold", "use_fast_math",
    ]),
    CauseName.CACHING: frozenset(["triton.skip_l1_cache"]),
    CauseName.LAUNCH: frozenset([
        "batch_invariant", "combo_kernel_per_subkernel_blocks", "combo_kernels_autotune", "deterministic",
        "coordinate_descent_check_all_directions", "coordinate_descent_search_radius", "coordinate_descent_tuning",
        "dynamic_scale_rblock", "eager_numerics.disable_ftz", "emulate_precision_casts", "max_autotune",
        "max_autotune_gemm_search_space", "max_autotune_pointwise", "triton.autotune_pointwise",
        "triton.dynamic_disable_pipelining", "triton.enable_pdl", "triton.enable_persistent_tma_matmul",
        "triton.min_split_scan_rblock", "triton.spill_threshold",
    ]),
    CauseName.HOST: frozenset([
        "alignment_asserts", "allow_buffer_reuse", "benchmark_kernel", "freezing", "graph_partition",
        "memory_planning", "memory_pool", "nan_asserts", "pick_loop_orders", "profile_bandwidth",
        "profiler_mark_wrapper_call", "reorder_for_peak_memory", "scalar_asserts", "size_asserts",
        "triton.cudagraphs", "triton.debug_sync_graph", "triton.debug_sync_kernel",
    ]),
}  # fmt: skip


def changed_settings(old: Golden, new: Golden) -> Mapping[str, tuple[str, str]]:
    """The settings that differ, with both values. None where a side has no operations: settings came with them."""
    if not all(any(why.operations for why in golden.why) for golden in (old, new)):
        return {}
    before, after = _settings(old), _settings(new)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: (before.get(name, _DEFAULT), after.get(name, _DEFAULT)) for name in sorted(names)}


def _settings(golden: Golden) -> dict[str, str]:
    texts = (decided.text for why in golden.why for decided in why.decided if decided.what == SETTING)
    return {name[:_LONGEST]: value[:_LONGEST] for name, _, value in (text.partition(" = ") for text in texts)}


def brought_by(names: Iterable[str]) -> frozenset[CauseName]:
    """The causes that these settings bring."""
    return frozenset(cause for cause, settings in _BRING.items() if not settings.isdisjoint(names))


def lay_out(names: Iterable[str]) -> bool:
    """Whether one of these settings decides where a tensor's elements are in memory."""
    return not _IN_MEMORY.isdisjoint(names)
