"""The sixth set of pairs: vision, audio and scientific code, and attention as such models use it."""

from __future__ import annotations

from diff_pairs import sixth_attention, sixth_programs
from diff_pairs.sides import TRITON_MM, Programs, Side, edit, newer, setting

PROGRAMS: Programs = {**sixth_programs.PROGRAMS, **sixth_attention.PROGRAMS}

PAIRS: dict[str, tuple[Side, Side]] = {
    # Edits of a program.
    "sixth-res-relu": edit("res", "res_relu"),
    "sixth-res-groups": edit("res_infer", "res_groups"),
    "sixth-stem-average": edit("stem", "stem_average"),
    "sixth-instance-layout": edit("instance", "instance_last"),
    "sixth-laplace-rate": edit("laplace", "laplace_slow"),
    "sixth-laplace-diagonal": edit("laplace", "laplace_diagonal"),
    "sixth-laplace-double": edit("laplace", "laplace_double"),
    "sixth-histogram-bins": edit("histogram", "histogram_fine"),
    "sixth-histogram-right": edit("histogram", "histogram_right"),
    "sixth-nearest-city": edit("nearest", "nearest_city"),
    "sixth-boxes-pixels": edit("boxes", "boxes_pixels"),
    "sixth-suppress-soft": edit("suppress", "suppress_soft"),
    "sixth-warp-border": edit("warp", "warp_border"),
    "sixth-spectrogram-half": edit("spectrogram", "spectrogram_half"),
    "sixth-companded-coarse": edit("companded", "companded_coarse"),
    "sixth-focal-alpha": edit("focal", "focal_alpha"),
    "sixth-focal-soft": edit("focal", "focal_soft"),
    "sixth-similar-wide": edit("similar", "similar_wide"),
    "sixth-gravity-alone": edit("gravity", "gravity_alone"),
    "sixth-quantized-down": edit("quantized", "quantized_down"),
    "sixth-excite-hard": edit("excite", "excite_hard"),
    "sixth-merge-swap": edit("merge", "merge_swap"),
    "sixth-merge-bicubic": edit("merge", "merge_bicubic"),
    "sixth-cached-put": edit("cached", "cached_put"),
    "sixth-clusters-max": edit("clusters", "clusters_max"),
    "sixth-bags-mean": edit("bags", "bags_mean"),
    # Settings.
    "sixth-res-budget": setting("res", **{"functorch.activation_memory_budget": 0.0}),
    "sixth-res-recompute-reductions": setting("res", **{"functorch.ban_recompute_reductions": False}),
    "sixth-res-layout": setting("res_infer", layout_optimization=False),
    "sixth-res-reuse": setting("res_infer", allow_buffer_reuse=False),
    "sixth-stem-inplace": setting("stem", inplace_buffers=False),
    "sixth-nearest-unroll": setting("nearest", unroll_reductions_threshold=1),
    "sixth-suppress-fusion": setting("suppress", max_fusion_size=2),
    "sixth-boxes-realize": setting("boxes", realize_reads_threshold=2),
    "sixth-warp-asserts": setting("warp", assert_indirect_indexing=False),
    "sixth-mixer-template": setting("mixer_half", **TRITON_MM),
    "sixth-project-autotune": setting("project", max_autotune=True),
    "sixth-pyramid-combo": setting("pyramid", combo_kernels=True),
    "sixth-shuffled-descriptors": setting("shuffled", triton__use_tensor_descriptor=True, assume_aligned_inputs=True),
    "sixth-edges-blocks": setting("edges", triton__use_block_ptr=True),
    "sixth-quantized-multi": setting("quantized", triton__multi_kernel=1),
    "sixth-median-sort": setting("median", triton__decompose_sort_ops=True),
    "sixth-spectrogram-autotune": setting("spectrogram", max_autotune_pointwise=True),
    "sixth-excite-pdl": setting("excite", triton__enable_pdl=True),
    "sixth-excite-asserts": setting("excite_train", size_asserts=False),
    "sixth-heads-looped": setting("heads", triton__persistent_reductions=False),
    "sixth-covariance-split": setting("covariance", split_reductions=False),
    "sixth-to-last-tiles": setting("to_last", triton__max_tiles=1),
    "sixth-classify-padding": setting("classify", shape_padding=True, force_shape_pad=True),
    # Attention.
    "sixth-natten-wide": edit("natten", "natten_wide"),
    "sixth-natten-clips": edit("natten", "natten_clips"),
    "sixth-natten-prescale": edit("natten", "natten_prescale"),
    "sixth-swin-place": edit("swin", "swin_place"),
    "sixth-swin-tile": edit("swin_train", "swin_train_tile"),
    "sixth-swin-learned": edit("swin_train", "swin_learned"),
    "sixth-speech-heads": edit("speech", "speech_heads"),
    "sixth-speech-flash-score": edit("speech_flash", "speech_flash_score"),
    "sixth-decode-cap": edit("decode", "decode_cap"),
    "sixth-decode-whole": edit("decode", "decode_whole"),
    "sixth-decode-long": edit("decode", "decode_long"),
    # Two versions of torch.
    **{
        f"sixth-torch-{name}": newer(name)
        for name in (
            "res", "swin_train", "excite_train", "quantized", "natten", "speech_flash", "merge_bicubic", "stem",
        )
    },
    # Two changes at once.
    "sixth-two-stem": (Side("stem"), Side("stem_eps", {"inplace_buffers": False})),
    "sixth-two-heads": (Side("heads"), Side("heads_small", {"triton.persistent_reductions": False})),
    "sixth-two-instance": edit("instance", "instance_steep"),
    "sixth-two-natten": edit("natten_sigmoid", "natten_tanh"),
    "sixth-two-excite": (Side("excite"), Side("excite_max", {"size_asserts": False})),
    "sixth-two-similar": (Side("similar"), Side("similar_stable", {"max_fusion_size": 2})),
    "sixth-two-shadow": (Side("shadow"), Side("shadow_fast", {"triton.divisible_by_16": False})),
    "sixth-two-gray": (Side("gray"), Side("gray_signed", {"unroll_reductions_threshold": 1})),
    "sixth-two-quantized": (Side("quantized"), Side("quantized_down", {"triton.persistent_reductions": False})),
    "sixth-two-decode": (Side("decode"), Side("decode_fp16", {"size_asserts": False})),
}  # fmt: skip
