"""The training set of pairs: many of each kind that the first three sets had wrong, to learn these kinds from.

Rows of a few elements, sums along other axes and of other types, indexes and atomics, sorts, convolutions, products of
8 bits, attention with other tiles, tiny kernels, and settings that no set has often.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from cost_pairs.matrices import SCORES, _flex, _heads, causal, window
from cost_pairs.sides import BF16, F16, F64, LAST, TRAIN, Pair, Program, Programs, Side, bf16, integers, randn

_F8 = torch.float8_e4m3fn


def _sum(*shape: int, axis: Any = -1, dtype: torch.dtype = torch.float32) -> Callable[[], Program]:
    def make() -> Program:
        whole = not dtype.is_floating_point
        kind = torch.uint8 if dtype is torch.bool else dtype
        x = integers(2 if dtype is torch.bool else 100, *shape, dtype=kind) if whole else randn(*shape, dtype=dtype)
        return (lambda x: x.sum(axis)), (x.bool() if dtype is torch.bool else x,)

    return make


def _rows(op: Callable[[Any], Any], rows: int, columns: int, dtype: torch.dtype = torch.float32) -> Any:
    return lambda: (op, (randn(rows, columns, dtype=dtype),))


def _lookup(rows: int, width: int, count: int, dtype: torch.dtype = torch.float32) -> Callable[[], Program]:
    return lambda: ((lambda i, t: F.embedding(i, t) + 1), (integers(rows, count), randn(rows, width, dtype=dtype)))


def _bag(rows: int, width: int, bags: int, each: int, dtype: torch.dtype = torch.float32) -> Callable[[], Program]:
    return lambda: (
        (lambda i, t: F.embedding(i, t).sum(1)),
        (integers(rows, bags, each), randn(rows, width, dtype=dtype)),
    )


def _add_rows(rows: int, width: int, count: int, dtype: torch.dtype = torch.float32) -> Callable[[], Program]:
    return lambda: (
        (lambda x, i, v: x.index_add(0, i, v)),
        (randn(rows, width, dtype=dtype), integers(rows, count), randn(count, width, dtype=dtype)),
    )


def _histogram(bins: int, count: int) -> Callable[[], Program]:
    return lambda: ((lambda i, v: torch.zeros(bins, device="cuda").scatter_add(0, i, v)),
                    (integers(bins, count), randn(count)))  # fmt: skip


def _conv(shape: tuple[int, ...], weight: tuple[int, ...], dtype: torch.dtype = BF16, last: bool = True,
          grad: bool = False, **options: Any) -> Callable[[], Program]:  # fmt: skip
    def make() -> Program:
        x, w = randn(*shape, dtype=dtype), randn(*weight, dtype=dtype)
        if last and len(shape) == 4:
            x, w = x.to(**LAST), w.to(**LAST)
        x, w = x.requires_grad_(grad), w.requires_grad_(grad)
        convolution = F.conv2d if len(shape) == 4 else F.conv1d
        return (lambda x, w: F.relu(convolution(x, w, **options))), (x, w), TRAIN if grad else {}

    return make


def _product(rows: int, inner: int, columns: int, dtype: torch.dtype = BF16) -> Callable[[], Program]:
    return lambda: ((lambda a, b: F.relu(a @ b)), (randn(rows, inner, dtype=dtype), randn(inner, columns, dtype=dtype)))


def _int_product(rows: int, inner: int, columns: int) -> Callable[[], Program]:
    return lambda: (
        (lambda a, b: torch._int_mm(a, b).float() * 0.01),
        (integers(100, rows, inner, dtype=torch.int8), integers(100, columns, inner, dtype=torch.int8).t()),
    )


def _f8_product(rows: int, inner: int, columns: int) -> Callable[[], Program]:
    def multiply(a: Any, b: Any, s: Any) -> Any:
        return torch._scaled_mm(a, b.t(), s, s, out_dtype=BF16) * 2

    return lambda: (
        multiply, (randn(rows, inner).to(_F8), randn(columns, inner).to(_F8), torch.ones((), device="cuda")),
    )  # fmt: skip


def _weight_8(x: Any, w: Any, s: Any) -> Any:
    return x @ (w.to(x.dtype) * s)


def _steps(count: int, size: int) -> Callable[[], Program]:
    def run(x: Any) -> Any:
        for _ in range(count):
            x = (x * 1.01).roll(1)
        return x

    return lambda: (run, (randn(size),))


def _standard(x: Any) -> Any:
    return (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, keepdim=True) + 1e-5)


def _normal(x: Any) -> Any:
    return x / x.norm(dim=-1, keepdim=True)


def _both(a: Any, b: Any) -> Any:
    return (a + b).sum(0), (a + b).sum(1)


def _mixture(x: Any, gates: Any) -> Any:
    return (x * gates.softmax(-1)[..., None]).sum(1)


def _block_sparse(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (q // 256) % 4 == (k // 256) % 4


def _heads_train(**options: Any) -> tuple[Any, ...]:
    return _heads(2048, grad=True, **options)


_BIG = (65536, 1024)
PROGRAMS: Programs = {
    # rows of a few elements
    **{f"training_sum_{n}": _sum((1 << 27) // (4 * n), n) for n in (3, 5, 9, 12, 17, 24, 40, 65, 100, 200, 300)},
    **{f"training_softmax_{n}": _rows(lambda x: x.softmax(-1), (1 << 25) // n, n) for n in (4, 10, 20, 50, 130)},
    **{f"training_norm_{n}": _rows(_normal, (1 << 25) // n, n) for n in (3, 6, 18)},
    **{f"training_standard_{n}": _rows(_standard, (1 << 25) // n, n) for n in (10, 36, 96, 768, 5120)},
    "training_argmax_7": _rows(lambda x: x.argmax(-1), 1 << 22, 7),
    "training_sum_33_bf16": _sum(1 << 21, 33, dtype=BF16),
    "training_max_mid_5": lambda: ((lambda x: x.amax(1)), (randn(16384, 5, 512),)),
    "training_sum_mid_12": _sum(8192, 12, 512, axis=1),
    # sums along other axes, and of other types
    "training_sum_first_64": _sum(64, 1 << 19, axis=0),
    "training_sum_first_300": _sum(300, 100_000, axis=0),
    "training_sum_first_bf16": _sum(16384, 4096, axis=0, dtype=BF16),
    "training_sum_first_thin": _sum(1 << 20, 48, axis=0),
    "training_sum_mid": _sum(64, 1024, 512, axis=1),
    "training_sum_mid_thin": _sum(256, 4096, 24, axis=1),
    "training_sum_0_2": _sum(128, 256, 1024, axis=(0, 2)),
    "training_sum_1_3": _sum(32, 64, 128, 128, axis=(1, 3)),
    "training_sum_0_1": _sum(128, 256, 1024, axis=(0, 1)),
    "training_both": lambda: (_both, (randn(8192, 4096), randn(8192, 4096))),
    **{f"training_sum_{str(dtype)[6:]}": _sum(16384, 4096, dtype=dtype)
       for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.bool, F16, F64)},
    "training_sum_u8_first": _sum(16384, 4096, axis=0, dtype=torch.uint8),
    "training_sum_u8_odd": _sum(16384, 4097, dtype=torch.uint8),
    "training_any_bool": lambda: ((lambda x: x.any(-1)), (integers(2, 16384, 4096).bool(),)),
    "training_mean_u8_image": lambda: (
        (lambda x: x.float().mean((2, 3))), (integers(256, 64, 3, 512, 512, dtype=torch.uint8),)),
    # indexes and atomics
    "training_embed": _lookup(50000, 256, 65536),
    "training_embed_narrow": _lookup(1_000_000, 16, 1 << 20),
    "training_embed_wide": _lookup(8192, 4096, 16384, BF16),
    "training_embed_cached": _lookup(4096, 256, 131072),
    "training_embed_50mb": _lookup(50000, 256, 262144),
    "training_embed_bf16": _lookup(50000, 256, 65536, BF16),
    **{f"training_bag_{n}": _bag(50000, 256, 65536 // n, n) for n in (2, 8, 32, 128)},
    "training_bag_small": _bag(2000, 256, 8192, 16),
    "training_bag_narrow": _bag(1_000_000, 32, 32768, 16),
    "training_bag_bf16": _bag(50000, 512, 8192, 16, BF16),
    "training_add_rows": _add_rows(50000, 256, 65536),
    "training_add_rows_few": _add_rows(64, 256, 65536),
    "training_add_rows_one": _add_rows(1_000_000, 4, 1 << 20),
    "training_add_rows_bf16": _add_rows(50000, 256, 65536, BF16),
    **{f"training_bins_{n}": _histogram(n, 1 << 22) for n in (16, 1024, 16384)},
    "training_scatter_rows": lambda: (
        (lambda x, i, v: x.index_copy(0, i, v)),
        (randn(1 << 17, 128), torch.randperm(1 << 17, device="cuda")[: 1 << 16], randn(1 << 16, 128))),
    "training_scatter_last": lambda: (
        (lambda i, v: torch.zeros(8192, 2048, device="cuda").scatter(1, i, v)),
        (integers(2048, 8192, 1024), randn(8192, 1024))),
    "training_scatter_first": lambda: (
        (lambda i, v: torch.zeros(2048, 8192, device="cuda").scatter(0, i, v)),
        (integers(2048, 1024, 8192), randn(1024, 8192))),
    "training_scatter_max": lambda: (
        (lambda x, i, v: x.scatter_reduce(1, i, v, "amax")),
        (randn(8192, 2048), integers(2048, 8192, 1024), randn(8192, 1024))),
    "training_gather_1024": lambda: ((lambda x, i: x.gather(1, i)), (randn(8192, 2048), integers(2048, 8192, 1024))),
    "training_gather_first": lambda: ((lambda x, i: x.gather(0, i)), (randn(2048, 8192), integers(2048, 1024, 8192))),
    "training_gather_flat": lambda: ((lambda x, i: x[i]), (randn(1 << 24), integers(1 << 24, 1 << 23))),
    "training_gather_flat_l2": lambda: ((lambda x, i: x[i]), (randn(1 << 22), integers(1 << 22, 1 << 23))),
    "training_pick_columns": lambda: ((lambda x, i: x[:, i]), (randn(16384, 2048), integers(2048, 1024))),
    "training_embed_train": lambda: (
        (lambda i, t: F.embedding(i, t) * 2), (integers(50000, 65536), randn(50000, 128, grad=True)), TRAIN),
    "training_pick_train": lambda: (
        (lambda x, i: x[i].relu()), (randn(65536, 256, grad=True), integers(65536, 65536)), TRAIN),
    "training_cross_train": lambda: (
        F.cross_entropy, (bf16(8192, 32000, grad=True), integers(32000, 8192)), TRAIN),
    "training_pad_train": lambda: ((lambda x: F.pad(x, (1, 1, 1, 1))), (randn(32, 64, 112, 112, grad=True),), TRAIN),
    "training_upsample_train": lambda: (
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")), (randn(8, 64, 64, 64, grad=True),), TRAIN),
    # sorts, selections, scans
    "training_topk_1": lambda: ((lambda x: x.topk(1, -1)), (randn(16384, 1024),)),
    "training_topk_50": lambda: ((lambda x: x.topk(50, -1)), (randn(256, 50257),)),
    "training_topk_wide": lambda: ((lambda x: x.topk(8, -1)), (randn(4096, 8192),)),
    "training_topk_short": lambda: ((lambda x: x.topk(4, -1)), (randn(32768, 128),)),
    "training_max": lambda: ((lambda x: x.max(-1)), (randn(16384, 1024),)),
    "training_sort_1024": lambda: ((lambda x: x.sort(-1)), (randn(4096, 1024),)),
    "training_sort_4096": lambda: ((lambda x: x.sort(-1)), (randn(2048, 4096),)),
    "training_sort_bf16": lambda: ((lambda x: x.sort(-1)), (bf16(2048, 4096),)),
    "training_sort_flat": lambda: ((lambda x: x.sort()), (randn(1 << 22),)),
    "training_argsort_256": lambda: ((lambda x: x.argsort(-1)), (randn(16384, 256),)),
    "training_median": lambda: ((lambda x: x.median(-1)[0]), (randn(4096, 2048),)),
    "training_cumsum_100": lambda: ((lambda x: x.cumsum(-1)), (randn(131072, 100),)),
    "training_cumsum_8192": lambda: ((lambda x: x.cumsum(-1)), (randn(2048, 8192),)),
    "training_cumsum_first": lambda: ((lambda x: x.cumsum(0)), (randn(2048, 8192),)),
    "training_cummax": lambda: ((lambda x: x.cummax(-1)[0]), (randn(16384, 1024),)),
    # convolutions
    "training_conv": _conv((32, 256, 28, 28), (256, 256, 3, 3), padding=1),
    "training_conv_nchw": _conv((32, 256, 28, 28), (256, 256, 3, 3), last=False, padding=1),
    "training_conv_1": _conv((32, 256, 28, 28), (512, 256, 1, 1)),
    "training_conv_5": _conv((32, 64, 56, 56), (64, 64, 5, 5), padding=2),
    "training_conv_stem": _conv((32, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3),
    "training_conv_depth": _conv((32, 256, 56, 56), (256, 1, 3, 3), padding=1, groups=256),
    "training_conv_groups": _conv((32, 256, 56, 56), (256, 8, 3, 3), padding=1, groups=32),
    "training_conv_f32": _conv((32, 256, 28, 28), (256, 256, 3, 3), torch.float32, padding=1),
    "training_conv_f16": _conv((32, 256, 28, 28), (256, 256, 3, 3), F16, padding=1),
    "training_conv_line": _conv((16, 512, 2048), (512, 512, 5), padding=2),
    "training_conv_train": _conv((32, 128, 28, 28), (128, 128, 3, 3), padding=1, grad=True),
    "training_patch": _conv((64, 3, 224, 224), (768, 3, 16, 16), stride=16),
    # products
    "training_mm": _product(8192, 4096, 4096),
    "training_mm_f16": _product(8192, 4096, 4096, F16),
    "training_mm_f32": _product(4096, 2048, 2048, torch.float32),
    "training_mm_wide": _product(2048, 1024, 32000),
    "training_mm_16": _product(16, 4096, 4096),
    "training_mm_128": _product(128, 4096, 4096),
    "training_mm_narrow": _product(65536, 256, 64),
    "training_mm_odd": _product(4095, 2047, 2049),
    "training_int_mm": _int_product(8192, 4096, 4096),
    "training_int_mm_small": _int_product(512, 4096, 4096),
    "training_f8_mm": _f8_product(8192, 4096, 4096),
    "training_f8_mm_small": _f8_product(512, 4096, 4096),
    "training_weight_8": lambda: (_weight_8, (bf16(32, 4096), integers(100, 4096, 4096, dtype=torch.int8), bf16(4096))),
    "training_weight_16": lambda: ((lambda x, w, s: x @ (w * s)), (bf16(32, 4096), bf16(4096, 4096), bf16(4096))),
    "training_batched": lambda: ((lambda a, b: (a @ b) * 0.1), (bf16(256, 256, 256), bf16(256, 256, 256))),
    # attention
    "training_flex": lambda: _flex(causal, heads={"length": 2048}),
    "training_flex_64_64": lambda: _flex(causal, heads={"length": 2048}, options={"BLOCK_M": 64, "BLOCK_N": 64}),
    "training_flex_64_128": lambda: _flex(causal, heads={"length": 2048}, options={"BLOCK_M": 64, "BLOCK_N": 128}),
    "training_flex_128_32": lambda: _flex(causal, heads={"length": 2048}, options={"BLOCK_M": 128, "BLOCK_N": 32}),
    "training_flex_128_128": lambda: _flex(causal, heads={"length": 2048}, options={"BLOCK_M": 128, "BLOCK_N": 128}),
    "training_flex_8_warps": lambda: _flex(causal, heads={"length": 2048}, options={"num_warps": 8}),
    "training_flex_1_stage": lambda: _flex(causal, heads={"length": 2048}, options={"num_stages": 1}),
    "training_flex_2_stages": lambda: _flex(causal, heads={"length": 2048}, options={"num_stages": 2}),
    "training_flex_wide": lambda: _flex(causal, heads={"length": 2048, "width": 128}),
    "training_flex_wide_8": lambda: _flex(causal, heads={"length": 2048, "width": 128}, options={"num_warps": 8}),
    "training_flex_wide_64": lambda: _flex(
        causal, heads={"length": 2048, "width": 128}, options={"BLOCK_M": 64, "BLOCK_N": 64}),
    "training_flex_sparse": lambda: _flex(_block_sparse, heads={"length": 2048}),
    "training_flex_capped": lambda: _flex(causal, SCORES["capped"], heads={"length": 2048}),
    "training_flex_window": lambda: _flex(window, heads={"length": 8192, "batch": 1}),
    "training_flex_train": lambda: _flex(causal, heads={"length": 2048, "grad": True}),
    "training_flex_train_wide": lambda: _flex(causal, heads={"length": 2048, "grad": True, "width": 128}),
    "training_flex_train_window": lambda: _flex(window, heads={"length": 2048, "grad": True}),
    "training_sdpa": lambda: (F.scaled_dot_product_attention, _heads(2048, width=128)),
    "training_sdpa_train": lambda: (F.scaled_dot_product_attention, _heads_train(width=128), TRAIN),
    "training_sdpa_one": lambda: (F.scaled_dot_product_attention, _heads(4096, queries=1)),
    # tiny kernels
    "training_tiny_add": lambda: ((lambda x: x + 1), (randn(1000),)),
    "training_tiny_exp": lambda: ((lambda x: x.exp().sin()), (randn(1000),)),
    "training_tiny_rows": _rows(_standard, 32, 256),
    "training_tiny_rows_wide": _rows(_standard, 32, 4096),
    "training_tiny_loss": lambda: (F.cross_entropy, (randn(32, 10), integers(10, 32))),
    "training_tiny_sum": _sum(128, 128, axis=(0, 1)),
    "training_tiny_mm": _product(32, 64, 64, torch.float32),
    "training_tiny_heads": lambda: (F.scaled_dot_product_attention, _heads(64, batch=2, heads=4)),
    "training_tiny_sort": _rows(lambda x: x.sort(-1)[0], 16, 64),
    **{f"training_steps_{n}": _steps(n, 1 << 14) for n in (2, 6)},
    "training_steps_large": _steps(6, 1 << 22),
    # what is read again
    "training_softmax_30000": _rows(lambda x: x.softmax(-1), 1024, 30000),
    "training_softmax_bf16": _rows(lambda x: x.softmax(-1), 8192, 8192, BF16),
    "training_log_softmax_2000": _rows(lambda x: x.log_softmax(-1), 16384, 2000),
    "training_mixture": lambda: (_mixture, (bf16(4096, 8, 1024), bf16(4096, 8))),
    "training_outer_16": lambda: ((lambda a, b: a[:, None] * b[None]), (randn(16, 1 << 20), randn(16, 1 << 20))),
    "training_chain_16mb": lambda: ((lambda x: (x.sin() + 1).exp().cos() * 2), (randn(1 << 22),)),
    "training_chain_512mb": lambda: ((lambda x: (x.sin() + 1).exp().cos() * 2), (randn(1 << 27),)),
    "training_transpose_bf16": lambda: ((lambda x: x.t().contiguous() * 2), (bf16(8192, 8192),)),
    "training_transpose_u8": lambda: (
        (lambda x: x.t().contiguous() + 1), (integers(100, 8192, 8192, dtype=torch.uint8),)),
    "training_transpose_batch": lambda: ((lambda x: x.mT.contiguous() * 2), (randn(1024, 256, 128),)),
    "training_add_turned": lambda: ((lambda a, b: a + b.t()), (bf16(8192, 8192), bf16(8192, 8192))),
    "training_last_to_first": lambda: (
        (lambda x: x.permute(0, 3, 1, 2).float().contiguous() / 255),
        (integers(256, 64, 224, 224, 3, dtype=torch.uint8),)),
    "training_group_train": lambda: (
        (lambda x, w, b: F.group_norm(x, 32, w, b)),
        (bf16(16, 256, 64, 64, grad=True), bf16(256, grad=True), bf16(256, grad=True)), TRAIN),
    "training_rms_train": lambda: (
        (lambda x, w: F.rms_norm(x, (2048,), w)), (bf16(16384, 2048, grad=True), bf16(2048, grad=True)), TRAIN),
}  # fmt: skip

_TEMPLATES = {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON"}
SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "descent_training": ({"coordinate_descent_tuning": True}, """
        training_sum_first_bf16 training_standard_5120 training_sum_24 training_transpose_bf16 training_sum_mid
        training_cumsum_8192 training_both training_softmax_20 training_embed training_rms_train"""),
    "autotune_training": ({"max_autotune_pointwise": True}, """
        training_sum_mid_thin training_sum_12 training_transpose_u8 training_standard_96 training_bag_8"""),
    "looped_training": ({"triton.persistent_reductions": False}, """
        training_sum_24 training_sum_100 training_softmax_20 training_softmax_130 training_standard_36
        training_standard_96 training_standard_768 training_tiny_rows training_argmax_7 training_bag_32
        training_mixture training_sum_mid_12 training_rms_train"""),
    "no_split_training": ({"split_reductions": False}, """
        training_sum_first_300 training_sum_first_thin training_sum_mid training_sum_0_2 training_sum_0_1 training_both
        training_tiny_sum training_sum_u8_first training_cross_train training_rms_train training_group_train"""),
    "pointers_training": ({"triton.use_block_ptr": True}, """
        training_transpose_bf16 training_sum_mid training_sum_0_2 training_standard_768 training_sum_300
        training_add_turned training_sum_1_3"""),
    "nd_tiling_training": ({"triton.prefer_nd_tiling": True}, """
        training_sum_mid training_sum_1_3 training_transpose_batch training_last_to_first training_pad_train
        training_outer_16 training_pick_columns"""),
    "tiled_training": ({"triton.tile_reductions": True, "triton.prefer_nd_tiling": True}, """
        training_sum_0_2 training_sum_1_3 training_group_train training_mean_u8_image"""),
    "one_tile_training": ({"triton.max_tiles": 1}, """
        training_transpose_bf16 training_transpose_batch training_add_turned training_last_to_first"""),
    "two_pass_training": ({"online_softmax": False}, """
        training_softmax_30000 training_softmax_bf16 training_log_softmax_2000 training_cross_train"""),
    "fast_math_training": ({"use_fast_math": True}, """
        training_softmax_30000 training_chain_512mb training_standard_5120 training_norm_18 training_flex_capped"""),
    "cooperative_training": ({"triton.cooperative_reductions": True}, """
        training_softmax_30000 training_sum_0_1 training_sum_first_300 training_mean_u8_image"""),
    "no_fusion_training": ({"max_fusion_size": 1}, """
        training_chain_16mb training_chain_512mb training_tiny_loss training_mixture training_standard_768
        training_embed training_transpose_bf16 training_cross_train training_f8_mm training_both training_weight_8"""),
    "multi_training": ({"triton.multi_kernel": 2}, "training_standard_96 training_softmax_130 training_sum_200"),
    "template_training": (_TEMPLATES, """
        training_mm training_mm_16 training_mm_128 training_mm_narrow training_weight_8 training_int_mm
        training_batched training_mm_f32 training_mm_wide"""),
    "no_layout_training": ({"layout_optimization": False}, "training_conv_nchw training_conv_train"),
    "conv_1_training": ({"conv_1x1_as_mm": True}, "training_conv_1"),
    "convert_training": ({"triton.codegen_upcast_to_fp32": False}, "training_softmax_bf16 training_sum_first_bf16"),
    "no_padding": ({"shape_padding": False, "comprehensive_padding": False}, "training_mm_odd training_sum_u8_odd"),
    "realize_training": ({"realize_opcount_threshold": 2}, "training_chain_16mb training_mixture"),
    "combo_training": ({"combo_kernels": True}, "training_both training_rms_train"),
    "dense_training": ({"triton.dense_indexing": True}, "training_outer_16 training_bag_8"),
    "no_online_mix": ({"triton.mix_order_reduction": False}, "training_rms_train training_both"),
}  # fmt: skip

EDITS = """
    sum_3 sum_5  sum_5 sum_9  sum_9 sum_17  sum_12 sum_24  sum_17 sum_40  sum_65 sum_100  sum_100 sum_200
    sum_200 sum_300  sum_24 sum_65  softmax_4 softmax_10  softmax_10 softmax_20  softmax_20 softmax_50
    softmax_50 softmax_130  norm_3 norm_6  norm_6 norm_18  standard_10 standard_36  standard_36 standard_96
    standard_96 standard_768  standard_768 standard_5120  sum_9 argmax_7  sum_40 sum_33_bf16  max_mid_5 sum_mid_12
    sum_first_64 sum_first_300  sum_first_bf16 sum_first_thin  sum_mid sum_mid_thin  sum_0_2 sum_0_1  sum_0_1 sum_mid
    sum_1_3 sum_0_2  both sum_first_64  sum_uint8 sum_int16  sum_int16 sum_int32  sum_uint8 sum_bool
    sum_int8 sum_uint8  sum_float16 sum_int16  sum_int32 sum_float64  sum_uint8 sum_u8_first  sum_uint8 sum_u8_odd
    sum_bool any_bool  mean_u8_image sum_uint8  embed embed_bf16  embed embed_50mb  embed_cached embed_50mb
    embed_narrow embed  embed_wide embed  bag_2 bag_8  bag_8 bag_32  bag_32 bag_128  embed bag_8  bag_small bag_bf16
    bag_narrow bag_8  add_rows add_rows_few  add_rows add_rows_bf16  add_rows_one add_rows  add_rows embed
    bins_16 bins_1024  bins_1024 bins_16384  scatter_rows scatter_last  scatter_last scatter_first
    scatter_last scatter_max  gather_1024 scatter_last  gather_1024 gather_first  gather_flat gather_flat_l2
    gather_1024 pick_columns  embed embed_train  pick_train embed_train  pad_train upsample_train  topk_1 max
    topk_50 topk_wide  topk_wide topk_short  topk_1 topk_short  sort_1024 sort_4096  sort_4096 sort_bf16
    sort_4096 sort_flat  argsort_256 sort_1024  median topk_wide  cumsum_100 cumsum_8192  cumsum_8192 cumsum_first
    cumsum_8192 cummax  conv conv_nchw  conv conv_1  conv conv_5  conv_5 conv_stem  conv conv_depth
    conv_depth conv_groups  conv conv_f32  conv conv_f16  conv_line conv  conv conv_train  patch conv_stem
    mm mm_f16  mm mm_wide  mm_16 mm_128  mm_128 mm_narrow  mm_f32 mm_odd  mm int_mm  mm f8_mm  int_mm f8_mm
    int_mm_small f8_mm_small  mm_128 int_mm_small  weight_16 weight_8  mm_16 weight_16  batched mm_narrow
    flex flex_64_64  flex flex_64_128  flex flex_128_32  flex flex_128_128  flex flex_8_warps  flex flex_1_stage
    flex flex_2_stages  flex flex_wide  flex_wide flex_wide_8  flex_wide flex_wide_64  flex flex_sparse
    flex flex_capped  flex flex_window  flex_train flex_train_wide  flex_train flex_train_window  sdpa flex_wide
    sdpa sdpa_train  sdpa_one tiny_heads  tiny_add tiny_exp  tiny_rows tiny_rows_wide  tiny_loss tiny_rows
    tiny_sum tiny_add  tiny_mm tiny_heads  tiny_add tiny_sort  steps_2 steps_6  steps_6 steps_large
    softmax_30000 log_softmax_2000  softmax_bf16 log_softmax_2000  mixture outer_16  transpose_bf16 transpose_u8
    transpose_bf16 add_turned  transpose_batch last_to_first  group_train rms_train
""".split()  # noqa: SIM905 (two names a pair, several pairs a line)


def training_pairs() -> dict[str, Pair]:
    """Every pair of the training set by its name."""
    pairs = [
        Pair(f"{name}.{program}", Side(program), Side(program, settings))
        for name, (settings, programs) in SETTINGS.items()
        for program in programs.split()
    ]
    names = [f"training_{name}" for name in EDITS]
    pairs += [Pair(f"{old}.to.{new}", Side(old), Side(new)) for old, new in zip(names[::2], names[1::2], strict=True)]
    return {pair.name: pair for pair in pairs}
