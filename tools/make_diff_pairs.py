"""Make the labelled pairs of goldens under tests/data/diff_pairs: two captures that really differ in one thing.

    python tools/make_diff_pairs.py FOLDER            with torch 2.13.0
    python tools/make_diff_pairs.py FOLDER            with torch 2.14.1: makes the sides that need it
    python tools/make_diff_pairs.py FOLDER --pack     into tests/data/diff_pairs/pairs.tar.xz

What a careful reviewer says of each pair stands in tests/data/diff_pairs/labels.toml, written by hand.
"""

from __future__ import annotations

import io
import sys
import tarfile
import tomllib
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch._functorch.config
import torch._inductor.config

from diff_pair_programs import PROGRAMS
from kernelsnap import capture, virtual_device
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render

PACKED = Path(__file__).parent.parent / "tests" / "data" / "diff_pairs" / "pairs.tar.xz"
NEWER = "2.14.1"


class Side(NamedTuple):
    """One capture: a program, settings of Inductor (`functorch.` for those of AOTAutograd), target, torch."""

    program: str
    settings: dict[str, Any] = {}  # noqa: RUF012
    target: str = "h100"
    torch: str = "2.13.0"


def setting(program: str, *others: str, base: dict[str, Any] | None = None, **values: Any) -> tuple[Side, Side]:
    """The program without and with settings; `triton__x` is `triton.x`."""
    names = {name.replace("__", "."): value for name, value in values.items()}
    return Side(program, base or {}), Side(program, {**(base or {}), **names})


def edit(old: str, new: str, **settings: Any) -> tuple[Side, Side]:
    """Two programs."""
    names = {name.replace("__", "."): value for name, value in settings.items()}
    return Side(old, names), Side(new, names)


def newer(program: str) -> tuple[Side, Side]:
    """The program under two versions of torch."""
    return Side(program), Side(program, torch=NEWER)


TRITON_MM = {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON", "deterministic": True}

PAIRS: dict[str, tuple[Side, Side]] = {
    "split-chain": setting("chain", max_fusion_size=1),
    "split-softmax-loss": setting("two_losses", max_fusion_size=1),
    "split-norm-train": setting("norm_train", max_fusion_size=1),
    "split-rms": setting("rms", max_fusion_size=1),
    "split-mlp-train": setting("mlp_train", max_fusion_size=1),
    "merge-combo": setting("many", combo_kernels=True),
    "merge-chain": tuple(reversed(setting("chain", max_fusion_size=1))),
    "looped-softmax": setting("softmax", triton__persistent_reductions=False),
    "looped-norm": setting("norm", triton__persistent_reductions=False),
    "looped-rms-back": tuple(reversed(setting("rms", triton__persistent_reductions=False))),
    "split-reduction-off": setting("big_sum", split_reductions=False),
    "split-reduction-rows": setting("row_sum", split_reductions=False),
    "cooperative-rows": setting("row_sum", triton__force_cooperative_reductions=True, base={"split_reductions": False}),
    "cooperative-var": setting("var", triton__force_cooperative_reductions=True),
    "tiles-transpose": setting("transpose", triton__max_tiles=1),
    "tiles-permuted": setting("permuted", triton__max_tiles=1),
    "tiles-three": setting("transpose_three", triton__max_tiles=3, triton__prefer_nd_tiling=True),
    "tiles-reductions": setting("norm", triton__prefer_nd_tiling=True, triton__tile_reductions=True),
    "inplace-off": setting("inplace", inplace_buffers=False),
    "inplace-off-mm": setting("mm_relu", inplace_buffers=False),
    "inplace-on-mlp": tuple(reversed(setting("mlp", inplace_buffers=False))),
    "reuse-off": setting("reuse", allow_buffer_reuse=False),
    "autotune-pointwise": setting("pointwise", max_autotune_pointwise=True),
    "autotune-softmax": setting("softmax", max_autotune_pointwise=True),
    "autotune-transpose": setting("transpose", max_autotune_pointwise=True),
    "coordinate-descent": setting("norm", coordinate_descent_tuning=True),
    "block-pointers": setting("pointwise", triton__use_block_ptr=True),
    "block-pointers-odd": setting("pointwise_odd", triton__use_block_ptr=True),
    "upcast-off": setting("pointwise_bf16", triton__codegen_upcast_to_fp32=False),
    "upcast-off-softmax": setting("softmax_bf16", triton__codegen_upcast_to_fp32=False),
    "precision-casts": setting("pointwise_more", emulate_precision_casts=True),
    "precision-casts-bf16": setting("norm_bf16", emulate_precision_casts=True),
    "no-index-asserts": setting("index", assert_indirect_indexing=False),
    "no-index-asserts-embedding": setting("embedding", assert_indirect_indexing=False),
    "skip-l1": setting("norm", triton__skip_l1_cache=True),
    "skip-l1-softmax": setting("softmax", triton__skip_l1_cache=True),
    "size-asserts-off": setting("pointwise", size_asserts=False),
    "size-asserts-off-mm": setting("mm_relu", size_asserts=False),
    "alignment-asserts": setting("addmm", alignment_asserts=True),
    "memory-planning": setting("reuse", memory_planning=True),
    "divisible-off": setting("pointwise", triton__divisible_by_16=False),
    "dense-indexing": setting("transpose", triton__dense_indexing=True),
    "mm-template": setting("mm_half", **TRITON_MM),
    "mm-template-fp32": setting("mm_relu", **TRITON_MM),
    "mm-epilogue-off": setting("mm_half", epilogue_fusion=False, base=TRITON_MM),
    "mm-epilogue-edit": edit("mm_half", "mm_half_sin", **TRITON_MM),
    "conv-layout": setting("conv", layout_optimization=False, base={}),
    "conv-force-layout": setting("conv", force_layout_optimization=True),
    "shape-padding": setting("addmm", force_shape_pad=True, shape_padding=True),
    "random-fallback": setting("dropout", fallback_random=True),
    "fast-math": setting("tanh", use_fast_math=True),
    "division-rounding": setting("division", eager_numerics__division_rounding=True),
    "cat-pointwise": setting("cat", max_pointwise_cat_inputs=0),
    "sdpa-pattern": setting("bmm_scale", pattern_matcher=False),
    "recompute-all": setting("step", **{"functorch.activation_memory_budget": 0.0}),
    "recompute-losses": setting("two_losses", **{"functorch.activation_memory_budget": 0.0}),
    "recompute-mlp": setting("mlp_train", **{"functorch.activation_memory_budget": 0.0}),
    "save-all": setting("step", **{"functorch.aggressive_recomputation": True}),
    "save-mlp-back": tuple(reversed(setting("mlp_train", **{"functorch.activation_memory_budget": 0.0}))),
    "edit-constant": edit("pointwise", "pointwise_const"),
    "edit-eps": edit("norm", "norm_eps"),
    "edit-dropout": edit("dropout", "dropout_less"),
    "edit-activation": edit("pointwise", "pointwise_gelu"),
    "edit-one-more-op": edit("pointwise", "pointwise_more"),
    "edit-one-more-output": edit("chain", "chain_out"),
    "edit-log": edit("softmax", "log_softmax"),
    "edit-mean": edit("row_sum", "mean_rows"),
    "edit-argmin": edit("argmax", "argmin"),
    "edit-cat": edit("cat", "cat_three"),
    "edit-pad": edit("pad", "pad_more"),
    "edit-pool": edit("pool", "pool_three"),
    "edit-dim": edit("softmax", "softmax_first"),
    "edit-break": edit("whole", "broken"),
    "dtype-bf16": edit("pointwise", "pointwise_bf16"),
    "dtype-half-kind": edit("pointwise_bf16", "pointwise_fp16"),
    "dtype-norm": edit("norm", "norm_bf16"),
    "shape-wide": edit("pointwise", "pointwise_wide"),
    "shape-odd": edit("pointwise", "pointwise_odd"),
    "shape-norm": edit("norm", "norm_wide"),
    "shape-dynamic": edit("pointwise", "pointwise_dynamic"),
    "stride-turned": edit("pointwise", "pointwise_turned"),
    "flex-score-mod": edit("flex", "flex_scale"),
    "flex-score-mod-edit": edit("flex_scale", "flex_bias"),
    "flex-mask": edit("flex", "flex_causal"),
    "flex-mask-edit": edit("flex_causal", "flex_window"),
    "flex-tile": edit("flex", "flex_tile"),
    "flex-tile-n": edit("flex_tile", "flex_tile_n"),
    "flex-warps": edit("flex", "flex_warps"),
    "flex-dtype": edit("flex", "flex_bf16"),
    "flex-train-score-mod": edit("flex_train", "flex_train_scale"),
    "flash-backend": edit("flex", "flash"),
    "flash-backend-back": edit("flash_scale", "flex_scale"),
    "flash-score-mod": edit("flash", "flash_scale"),
    "flash-score-mod-edit": edit("flash_scale", "flash_bias"),
    "flash-mask": edit("flash", "flash_causal"),
    "flash-mask-edit": edit("flash_causal", "flash_window"),
    "flex-block-default": (Side("flex"), Side("flex", target="a100")),
    "target-softmax": (Side("softmax"), Side("softmax", target="a100")),
    "target-sum": (Side("big_sum"), Side("big_sum", target="a100")),
    # Those below were made after the classifier, and labelled before it saw them.
    "held-split-group-norm": setting("group_norm", max_fusion_size=1),
    "held-looped-group-norm": setting("group_norm", triton__persistent_reductions=False),
    "held-looped-cross": setting("cross", triton__persistent_reductions=False),
    "held-split-cross": setting("cross", max_fusion_size=1),
    "held-silu": edit("group_norm", "group_norm_silu"),
    "held-compare": edit("where", "where_more"),
    "held-split-reduction": setting("where", split_reductions=False),
    "held-rope-half": edit("rope", "rope_half"),
    "held-rope-upcast": setting("rope_half", triton__codegen_upcast_to_fp32=False),
    "held-rope-blocks": setting("rope", triton__use_block_ptr=True),
    "held-roll": edit("flip", "roll"),
    "held-std-looped": setting("std", triton__persistent_reductions=False),
    "held-std-split": setting("std", max_fusion_size=1),
    "held-std-cooperative": setting("std", triton__force_cooperative_reductions=True),
    "held-attention-split": setting("attention", max_fusion_size=1),
    "held-attention-inplace": setting("attention", inplace_buffers=False),
    "held-attention-pattern": setting("attention", pattern_matcher=False),
    "held-attention-template": setting("attention", **TRITON_MM),
    "held-swiglu-recompute": setting("swiglu", **{"functorch.activation_memory_budget": 0.0}),
    "held-swiglu-inplace": setting("swiglu", inplace_buffers=False),
    "held-swiglu-split": setting("swiglu", max_fusion_size=1),
    "held-clamp": edit("clamp", "clamp_more"),
    "held-clamp-autotune": setting("clamp", max_autotune_pointwise=True),
    "held-clamp-divisible": setting("clamp", triton__divisible_by_16=False),
    "held-softcap": edit("flex_scale", "flex_gqa_softcap"),
    "held-flex-long": edit("flex", "flex_long"),
    "held-pool-tiles": setting("pool", triton__max_tiles=1),
    "held-conv-inplace": setting("conv", inplace_buffers=False),
    "held-conv-split": setting("conv", max_fusion_size=1),
    "held-asserts": setting("swiglu", size_asserts=False),
    "held-gather-asserts": setting("gather", assert_indirect_indexing=False),
    "held-cat-tiles": setting("permuted", triton__prefer_nd_tiling=True),
    # The third set, labelled before the classifier saw it.
    "third-slope": edit("leaky", "leaky_slope"),
    "third-row": edit("leaky", "leaky_row"),
    "third-double": edit("leaky", "leaky_double"),
    "third-sliced": edit("leaky", "leaky_sliced"),
    "third-mish": edit("leaky", "mish"),
    "third-order": edit("three", "three_order"),
    "third-exp2": edit("three", "three_power"),
    "third-less": edit("three", "three_less"),
    "third-or": edit("bools", "bools_or"),
    "third-modulus": edit("ints", "ints_modulus"),
    "third-int32": edit("ints", "ints_short"),
    "third-mean": edit("rows", "rows_mean"),
    "third-keepdim": edit("rows", "rows_keep"),
    "third-max": edit("rows", "rows_max"),
    "third-product": edit("rows", "rows_product"),
    "third-rows-half": edit("rows", "rows_half"),
    "third-rows-long": edit("rows", "rows_long"),
    "third-no-unroll": setting("small_rows", unroll_reductions_threshold=1),
    "third-norm-bf16": edit("norm_two", "norm_two_bf16"),
    "third-norm-looped": setting("norm_two", triton__persistent_reductions=False),
    "third-batch-norm": edit("batch_norm", "batch_norm_train"),
    "third-bilinear": edit("upsample", "upsample_bilinear"),
    "third-inside": edit("average", "average_inside"),
    "third-stack": edit("stack", "stack_last"),
    "third-upper": edit("triangle", "triangle_upper"),
    "third-lower": edit("triangle", "triangle_lower"),
    "third-index-int32": edit("positions", "positions_short"),
    "third-put": edit("put", "put_over"),
    "third-loss-sum": edit("loss", "loss_sum"),
    "third-loss-l1": edit("loss", "loss_l1"),
    "third-loss-split": setting("loss", split_reductions=False),
    "third-block-split": setting("block", max_fusion_size=1),
    "third-block-aggressive": setting("block", **{"functorch.aggressive_recomputation": True}),
    "third-block-far": setting("block", **{"functorch.activation_memory_budget": 0.3}),
    "third-block-inplace": setting("block", inplace_buffers=False),
    "third-no-bias": edit("project", "project_plain"),
    "third-project-template": setting("project", **TRITON_MM),
    "third-noise": edit("noise", "noise_normal"),
    "third-noise-fallback": setting("noise", fallback_random=True),
    "third-adam": edit("adam", "adam_slower"),
    "third-not-in-place": edit("accumulate", "accumulate_new"),
    "third-nan-asserts": setting("three", nan_asserts=True),
    "third-descriptors": setting("three", triton__use_tensor_descriptor=True, assume_aligned_inputs=True),
    "third-autotune-block": setting("block", max_autotune_pointwise=True),
    "third-pdl": setting("rows", triton__enable_pdl=True),
    "third-multi-kernel": setting("rows", triton__multi_kernel=1),
    "third-columns-cooperative": setting("columns_sum", triton__force_cooperative_reductions=True),
    "third-columns-split": setting("columns_sum", split_reductions=False),
    "third-online-off": setting("log_softmax", online_softmax=False, base={"triton.persistent_reductions": False}),
    "third-ftz": setting("tanh", eager_numerics__disable_ftz=True),
    "third-no-locality": setting("mlp_train", reorder_for_peak_memory=False),
    "third-native-matmul": setting("mm_half", triton__native_matmul=True),
    "third-decompose-mm": setting("bmm_scale", triton__native_matmul=True),
    "third-combo": setting("adam", combo_kernels=True, base={"max_fusion_size": 1}),
    "third-slow-attention": setting("attention", use_joint_graph_passes=False),
    "third-no-cse": setting("swiglu", **{"functorch.cse": False}),
    "third-target-flex": (Side("flex_causal"), Side("flex_causal", target="a100")),
    "third-flex-slope": edit("flex_alibi", "flex_alibi_steep"),
    "third-flex-alibi": edit("flex_scale", "flex_alibi"),
    "third-flex-prefix": edit("flex_causal", "flex_prefix"),
    "third-flex-prefix-more": edit("flex_prefix", "flex_prefix_more"),
    "third-flex-blocks": edit("flex_causal", "flex_blocks"),
    "third-flex-sum": edit("flex", "flex_sum"),
    "third-flex-wide": edit("flex", "flex_wide"),
    "third-flex-stages": edit("flex", "flex_stages"),
    "third-flex-train-mask": edit("flex_train", "flex_causal_train"),
    "third-flash-blocks": edit("flash_causal", "flash_blocks"),
    "third-flash-alibi": edit("flash_scale", "flash_alibi"),
    "third-flash-bf16": edit("flash", "flash_bf16"),
    "third-flash-both": edit("flash_causal", "flash_both"),
    "third-flash-train": edit("flex_train", "flash_train"),
    "third-flash-train-score": edit("flash_train", "flash_train_scale"),
    # The fourth set, labelled before the classifier saw it.
    "fourth-square": edit("hinge", "hinge_square"),
    "fourth-margin": edit("hinge", "hinge_margin"),
    "fourth-rows": edit("hinge", "hinge_rows"),
    "fourth-tan": edit("polar", "polar_more"),
    "fourth-no-sin": edit("polar", "polar_less"),
    "fourth-long": edit("polar", "polar_long"),
    "fourth-half": edit("polar", "polar_half"),
    "fourth-upcast": edit("polar_half", "polar_up"),
    "fourth-upcast-off": setting("polar_half", triton__codegen_upcast_to_fp32=False),
    "fourth-polar-autotune": setting("polar", max_autotune_pointwise=True),
    "fourth-polar-blocks": setting("polar_long", triton__use_block_ptr=True),
    "fourth-polar-descriptors": setting("polar", triton__use_tensor_descriptor=True, assume_aligned_inputs=True),
    "fourth-polar-pdl": setting("polar", triton__enable_pdl=True),
    "fourth-min": edit("channels", "channels_min"),
    "fourth-channels-last": edit("channels", "channels_last"),
    "fourth-channels-cooperative": setting("channels", triton__force_cooperative_reductions=True),
    "fourth-descending": edit("sorted", "sorted_down"),
    "fourth-sort-library": setting("sorted", triton__persistent_reductions=False),
    "fourth-topk": edit("largest", "largest_more"),
    "fourth-one-hot": edit("one_hot", "one_hot_more"),
    "fourth-fill": edit("masked", "masked_low"),
    "fourth-not": edit("masked", "masked_not"),
    "fourth-masked-multi": setting("masked", triton__multi_kernel=1),
    "fourth-gelu": edit("residual", "residual_gelu"),
    "fourth-dropout": edit("residual", "residual_dropout"),
    "fourth-residual-recompute": setting("residual", **{"functorch.activation_memory_budget": 0.0}),
    "fourth-residual-split": setting("residual", max_fusion_size=1),
    "fourth-residual-inplace": setting("residual", inplace_buffers=False),
    "fourth-residual-order": setting("residual", reorder_for_peak_memory=False),
    "fourth-residual-asserts": setting("residual", size_asserts=False, alignment_asserts=False),
    "fourth-residual-nan": setting("residual", nan_asserts=True),
    "fourth-residual-cooperative": setting("residual", triton__force_cooperative_reductions=True),
    "fourth-residual-fallback": setting("residual_dropout", fallback_random=True),
    "fourth-stride": edit("depthwise", "depthwise_stride"),
    "fourth-product": edit("running", "running_product"),
    "fourth-last": edit("running", "running_last"),
    "fourth-nesterov": edit("momentum", "momentum_nesterov"),
    "fourth-momentum-combo": setting("momentum", combo_kernels=True, base={"max_fusion_size": 1}),
    "fourth-contiguous": edit("copied_not", "copied"),
    "fourth-copied-tiles": setting("copied", triton__max_tiles=1),
    "fourth-document": edit("flex_document", "flex_document_wide"),
    "fourth-tanh": edit("flex", "flex_tanh"),
    "fourth-head": edit("flex_tanh", "flex_head"),
    "fourth-small-tile": edit("flex_causal", "flex_small_tile"),
    "fourth-few-heads": edit("flex", "flex_few_heads"),
    "fourth-flash-window": edit("flash_window", "flash_window_wide"),
    "fourth-flash-tanh": edit("flash", "flash_tanh"),
    "fourth-flash-wide": edit("flash", "flash_wide"),
    **{
        f"fourth-torch-{name}": newer(name)
        for name in ("hinge", "residual", "flex_document")
    },
    **{
        f"third-torch-{name}": newer(name)
        for name in (
            "ints", "norm_two", "batch_norm", "upsample", "loss", "block", "flex_alibi", "flash", "flash_causal",
        )
    },
    **{
        f"torch-{name}": newer(name)
        for name in (
            "pointwise", "softmax", "norm_train", "embedding", "gather", "scatter", "mlp_train", "cumsum", "flex",
            "flex_causal", "flex_train", "conv", "dropout", "argmax", "mm_half", "update", "var", "sdpa",
        )
    },
}  # fmt: skip


def golden_text(side: Side, case: str) -> str:
    """What one side generates."""
    inductor = {name: value for name, value in side.settings.items() if not name.startswith("functorch.")}
    functorch = {name.partition(".")[2]: v for name, v in side.settings.items() if name.startswith("functorch.")}
    torch.manual_seed(0)
    with virtual_device(side.target), torch._functorch.config.patch(functorch):
        function, arguments, options = PROGRAMS[side.program]()
        captured = capture(function, *arguments, **options, config=inductor, allow_no_kernels=True)
    return render(build_golden(captured, case))


def make(folder: Path) -> int:
    """Write every side of this torch; the number of those that failed."""
    failed = 0
    made: dict[str, str] = {}
    for name, sides in PAIRS.items():
        for which, side in zip(("old", "new"), sides, strict=True):
            path = folder / name / f"{which}.ksnap"
            if torch.__version__.partition("+")[0] != side.torch or path.exists():
                continue
            try:
                if str(side) not in made:
                    made[str(side)] = golden_text(side, "CASE")
            except Exception:
                failed += 1
                print(f"{name} {which}: {traceback.format_exc().strip().splitlines()[-1]}", flush=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[str(side)].replace("\ncase CASE\n", f"\ncase pairs::{name}\n", 1))
    return failed


def pack(folder: Path) -> None:
    """All pairs that are labelled, in one archive that has the same bytes each time."""
    labels = tomllib.loads(PACKED.with_name("labels.toml").read_text())
    with tarfile.open(PACKED, "w:xz", preset=9) as archive:
        for path in sorted(folder.glob("*/*.ksnap")):
            if path.parent.name not in labels:
                continue
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"{path.parent.name}/{path.name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    print(f"{PACKED}: {PACKED.stat().st_size} bytes")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if "--pack" in sys.argv:
        pack(target)
    else:
        sys.exit(bool(make(target)))
