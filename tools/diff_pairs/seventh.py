"""The seventh set: optimizers, losses, recommenders, tabular models, graph nets, and attention around them."""

from __future__ import annotations

from typing import Any

from diff_pairs import seventh_attention, seventh_programs
from diff_pairs.sides import NEWER, TRITON_MM, Programs, Side, edit, newer, setting

__all__ = ["PAIRS", "PROGRAMS"]

PROGRAMS: Programs = {**seventh_programs.PROGRAMS, **seventh_attention.PROGRAMS}


def _both(old: str, new: str, torch: str = "2.13.0", **settings: Any) -> tuple[Side, Side]:
    """Two changes at once: another program, and settings or a torch that only the new side has."""
    return Side(old), Side(new, {name.replace("__", "."): value for name, value in settings.items()}, torch=torch)


PAIRS: dict[str, tuple[Side, Side]] = {
    # Edits of a program.
    "seventh-adamw-amsgrad": edit("adamw", "adamw_amsgrad"),
    "seventh-lamb-clamp": edit("lamb", "lamb_clamp"),
    "seventh-muon-steps": edit("muon_one", "muon"),
    "seventh-rmsprop-single": edit("rmsprop", "rmsprop_single"),
    "seventh-focal-gamma": edit("focal", "focal_less"),
    "seventh-smooth": edit("entropy", "entropy_smooth"),
    "seventh-ignore": edit("entropy", "entropy_ignore"),
    "seventh-huber": edit("huber", "huber_tight"),
    "seventh-ties": edit("pairwise", "pairwise_ties"),
    "seventh-bag-max": edit("bag", "bag_max"),
    "seventh-bag-short": edit("bag", "bag_short"),
    "seventh-bag-library": edit("bag_library", "bag_library_mean"),
    "seventh-hash": edit("hashed", "hashed_mask"),
    "seventh-factors-dynamic": edit("factors", "factors_dynamic"),
    "seventh-factors-turned": edit("factors", "factors_turned"),
    "seventh-interact-self": edit("interact", "interact_self"),
    "seventh-bins-right": edit("bins", "bins_right"),
    "seventh-bins-more": edit("bins", "bins_more"),
    "seventh-tokens-missing": edit("tokens", "tokens_missing"),
    "seventh-quantize-unsigned": edit("quantize", "quantize_unsigned"),
    "seventh-history-log": edit("history", "history_log"),
    "seventh-report": edit("plain", "reported"),
    "seventh-correlate-sliced": edit("correlate", "correlate_wide"),
    "seventh-edges-slope": edit("edges", "edges_slope"),
    "seventh-segments-max": edit("segments", "segments_max"),
    # Settings of Inductor and AOTAutograd.
    "seventh-lamb-split": setting("lamb", max_fusion_size=1),
    "seventh-adafactor-whole": setting("adafactor", split_reductions=False),
    "seventh-adafactor-looped": setting("adafactor", triton__persistent_reductions=False),
    "seventh-muon-template": setting("muon_one", **TRITON_MM),
    "seventh-clip-combo": setting("clip", combo_kernels=True),
    "seventh-entropy-scatter": setting("entropy", optimize_scatter_upon_const_tensor=False),
    "seventh-entropy-offline": setting("entropy_wide", online_softmax=False),
    "seventh-contrast-recompute": setting("contrast", **{"functorch.activation_memory_budget": 0.2}),
    "seventh-crossing-donated": setting("crossing", **{"functorch.donated_buffer": False}),
    "seventh-crossing-aggressive": setting("crossing", **{"functorch.aggressive_recomputation": True}),
    "seventh-crossing-epilogue": setting("crossing_half", epilogue_fusion=False, base=TRITON_MM),
    "seventh-bag-unrolled": setting("bag", unroll_reductions_threshold=32),
    "seventh-bag-train-deterministic": setting("bag_train", deterministic=True),
    "seventh-bins-asserts": setting("bins", assert_indirect_indexing=False),
    "seventh-tokens-mixed": setting("tokens", triton__prefer_nd_tiling=True),
    "seventh-tokens-realize": setting("tokens_missing", realize_opcount_threshold=3),
    "seventh-long-sum": setting("long_sum", triton__min_split_scan_rblock=1024),
    "seventh-tower-cooperative": setting("tower", triton__force_cooperative_reductions=True),
    "seventh-standardize-invariant": setting("standardize", batch_invariant=True),
    "seventh-correlate-multi": setting("correlate", triton__multi_kernel=2),
    "seventh-factors-tiles": setting("factors_turned", triton__max_tiles=1),
    "seventh-quantize-tune": setting("quantize", max_autotune_pointwise=True),
    "seventh-odd-shape-padding": setting("odd", shape_padding=True, force_shape_pad=True),
    "seventh-odd-stride-padding": setting("odd", comprehensive_padding=False),
    "seventh-convolve-planned": setting("convolve", memory_planning=True),
    # Attention.
    "seventh-relative": edit("alibi", "relative"),
    "seventh-packed-causal": edit("packed", "packed_causal"),
    "seventh-decode-window": edit("decode", "decode_window"),
    "seventh-decode-flex": edit("decode", "decode_flex"),
    "seventh-decode-tile": edit("decode", "decode_tile"),
    "seventh-cached-past": edit("cached", "cached_past"),
    "seventh-grouped": edit("grouped", "grouped_less"),
    "seventh-sliding-train-tile": edit("sliding_train", "sliding_train_tile"),
    "seventh-prescaled": edit("causal", "causal_prescaled"),
    "seventh-descriptors": edit("causal", "causal_tma"),
    "seventh-ragged": edit("causal", "causal_ragged"),
    "seventh-from-library": edit("library", "causal"),
    "seventh-flash-sliding": edit("flash_causal", "flash_sliding"),
    # Two changes at once.
    "seventh-two-adamw": _both("adamw", "adamw_rate_bf16"),
    "seventh-two-edges": _both("edges", "edges_slope", max_autotune_pointwise=True),
    "seventh-two-huber": _both("huber", "huber_tight", size_asserts=False),
    "seventh-two-bag": _both("bag", "bag_padded_bf16"),
    "seventh-two-crossing": _both("crossing_half", "crossing_gated_half", inplace_buffers=False),
    "seventh-two-factors": _both("factors", "factors_max", max_fusion_size=1),
    "seventh-two-gated": edit("gated", "gated_sliding"),
    "seventh-two-bins": _both("bins", "bins_more", assert_indirect_indexing=False),
    "seventh-two-quantize": _both("quantize", "quantize_more", triton__persistent_reductions=False),
    "seventh-two-pairwise": _both("pairwise", "pairwise_ties", split_reductions=False),
    "seventh-two-clip": _both("clip", "clip_half", combo_kernels=True),
    "seventh-two-message": _both("message", "message_short", triton__enable_pdl=True),
    "seventh-two-torch": _both("entropy", "entropy_smooth", torch=NEWER),
    # Two versions of torch.
    **{
        f"seventh-torch-{name}": newer(name)
        for name in ("quantize", "decode", "contrast", "hashed", "rank", "rmsprop", "sliding_train", "flash_causal")
    },
}  # fmt: skip
