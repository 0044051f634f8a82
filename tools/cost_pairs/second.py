"""The second set of pairs: programs and settings of kinds that the first has none of, to score the estimate once.

Nothing is ever fitted on them. They were written, recorded and scored after the last constant had been fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from cost_pairs.sides import F16, TRAIN, Pair, Programs, Side, bf16, integers, randn, several

_N = 1 << 25


def _pointwise(op: Callable[..., Any], inputs: int = 1, size: int = _N) -> Any:
    return op, tuple(randn(size) for _ in range(inputs))


def _images(*shape: int) -> torch.Tensor:
    return integers(256, *(shape or (64, 3, 512, 512)), dtype=torch.uint8)


def _rotary_pairs(x: Any, cos: Any, sin: Any) -> Any:
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def _rotary_polar(x: Any, cos: Any, sin: Any) -> Any:
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


def _rotary() -> tuple[Any, ...]:
    return bf16(8, 16, 2048, 128), bf16(2048, 64), bf16(2048, 64)


def _lion(p: Any, g: Any, m: Any) -> Any:
    return p - 1e-3 * (torch.sign(m * 0.9 + g * 0.1) + 0.01 * p), m * 0.99 + g * 0.01


def _lamb(p: Any, g: Any, m: Any) -> Any:
    step = m * 0.9 + g * 0.1
    return p - 1e-3 * step * p.norm() / step.norm().clamp(min=1e-6)


def _adafactor(p: Any, g: Any) -> Any:
    rows, columns = (g * g).mean(1, keepdim=True), (g * g).mean(0, keepdim=True)
    return p - 1e-3 * g / (rows * columns / rows.mean()).sqrt()


def _clipped(*grads: Any) -> Any:
    total = torch.stack([g.square().sum() for g in grads]).sum().sqrt()
    return [g * (1.0 / (total + 1e-6)).clamp(max=1.0) for g in grads]


def _distances(a: Any, b: Any) -> Any:
    return (a[:, None] - b[None]).square().sum(-1)


def _distances_l1(a: Any, b: Any) -> Any:
    return (a[:, None] - b[None]).abs().sum(-1)


def _cosine(a: Any, b: Any) -> Any:
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-6)


def _focal(x: Any, y: Any) -> Any:
    p = torch.sigmoid(x)
    return ((1 - p) ** 2 * F.binary_cross_entropy_with_logits(x, y, reduction="none")).mean()


def _quantize_blocks(x: Any) -> Any:
    blocks = x.view(-1, 128)
    scale = blocks.abs().amax(-1, keepdim=True) / 127
    return (blocks / scale).round().to(torch.int8), scale


def _nibbles(packed: Any, scale: Any) -> Any:
    low, high = packed & 15, packed >> 4
    return ((torch.stack((low, high), -1).flatten(-2).float() - 8) * scale).bfloat16()


def _bytes(packed: Any, scale: Any) -> Any:
    return (packed.float() * scale).bfloat16()


def _laplace(x: Any) -> Any:
    return (x[:, 2:, 1:-1, 1:-1] + x[:, :-2, 1:-1, 1:-1] + x[:, 1:-1, 2:, 1:-1] + x[:, 1:-1, :-2, 1:-1]
            + x[:, 1:-1, 1:-1, 2:] + x[:, 1:-1, 1:-1, :-2] - 6 * x[:, 1:-1, 1:-1, 1:-1])  # fmt: skip


def _laplace_flat(x: Any) -> Any:
    return x[:, 1:-1, 1:-1, 2:] + x[:, 1:-1, 1:-1, :-2] - 2 * x[:, 1:-1, 1:-1, 1:-1]


def _sobel(x: Any) -> Any:
    along = x[:, 2:, 2:] + 2 * x[:, 1:-1, 2:] + x[:, :-2, 2:] - x[:, 2:, :-2] - 2 * x[:, 1:-1, :-2] - x[:, :-2, :-2]
    down = x[:, 2:, 2:] + 2 * x[:, 2:, 1:-1] + x[:, 2:, :-2] - x[:, :-2, 2:] - 2 * x[:, :-2, 1:-1] - x[:, :-2, :-2]
    return (along * along + down * down).sqrt()


def _yuv(x: Any) -> Any:
    r, g, b = x.float().unbind(1)
    return torch.stack((0.299 * r + 0.587 * g + 0.114 * b, 0.5 * b - 0.33 * g, 0.5 * r - 0.42 * g), 1)


def _hashed(i: Any) -> Any:
    for shift in (13, 7, 17):
        i = (i ^ (i << shift)) * 0x45D9F3B
        i = i ^ (i >> 5)
    return i


def _popcount(i: Any) -> Any:
    i = i - ((i >> 1) & 0x55555555)
    i = (i & 0x33333333) + ((i >> 2) & 0x33333333)
    return ((i + (i >> 4)) & 0x0F0F0F0F) * 0x01010101 >> 24


def _mandelbrot(turns: int) -> Callable[[Any, Any], Any]:
    def run(x: Any, y: Any) -> Any:
        a, b = x, y
        for _ in range(turns):
            a, b = a * a - b * b + x, 2 * a * b + y
        return a

    return run


def _residual(x: Any, bias: Any, skip: Any) -> Any:
    return F.layer_norm(skip + F.silu(x + bias), (x.shape[-1],))


def _qk_norm(q: Any, k: Any) -> Any:
    return F.rms_norm(q, (q.shape[-1],)) * 1.1, F.rms_norm(k, (k.shape[-1],)) * 0.9


def _gates(x: Any, router: Any) -> Any:
    scores = (x.float() @ router).softmax(-1)
    return scores / scores.amax(-1, keepdim=True)


PROGRAMS: Programs = {
    # functions of one element
    "second_i0": lambda: _pointwise(torch.special.i0),
    "second_digamma": lambda: _pointwise(lambda x: torch.digamma(x.abs() + 1)),
    "second_erfcx": lambda: _pointwise(torch.special.erfcx),
    "second_copysign": lambda: _pointwise(torch.copysign, 2),
    "second_atan2": lambda: _pointwise(torch.atan2, 2),
    "second_hypot": lambda: _pointwise(torch.hypot, 2),
    "second_fmod": lambda: _pointwise(torch.fmod, 2),
    "second_remainder": lambda: _pointwise(torch.remainder, 2),
    "second_logaddexp": lambda: _pointwise(torch.logaddexp, 2),
    "second_maximum": lambda: _pointwise(torch.maximum, 2),
    "second_lerp": lambda: _pointwise(lambda a, b: torch.lerp(a, b, 0.3), 2),
    "second_sinc": lambda: _pointwise(torch.sinc),
    "second_asinh": lambda: _pointwise(torch.asinh),
    "second_acosh": lambda: _pointwise(lambda x: torch.acosh(x.abs() + 1)),
    "second_nan_to_num": lambda: _pointwise(torch.nan_to_num),
    "second_hardswish": lambda: _pointwise(F.hardswish),
    "second_elu": lambda: _pointwise(F.elu),
    "second_selu_twice": lambda: _pointwise(lambda x: F.selu(F.selu(x))),
    "second_squared_relu": lambda: _pointwise(lambda x: F.relu(x).square()),
    "second_mandelbrot_8": lambda: _pointwise(_mandelbrot(8), 2),
    "second_mandelbrot_64": lambda: _pointwise(_mandelbrot(64), 2),
    "second_hash": lambda: (_hashed, (integers(1 << 30, _N, dtype=torch.int32),)),
    "second_hash_64": lambda: (_hashed, (integers(1 << 30, _N),)),
    "second_popcount": lambda: (_popcount, (integers(1 << 30, _N, dtype=torch.int32),)),
    "second_bucketize": lambda: (torch.bucketize, (randn(_N), torch.linspace(-3, 3, 1024, device="cuda"))),
    "second_bucketize_few": lambda: (torch.bucketize, (randn(_N), torch.linspace(-3, 3, 8, device="cuda"))),
    "second_one_hot": lambda: ((lambda i: F.one_hot(i, 64).float()), (integers(64, 1 << 19),)),
    "second_one_hot_wide": lambda: ((lambda i: F.one_hot(i, 1024).float()), (integers(1024, 1 << 15),)),
    # images
    "second_yuv": lambda: (_yuv, (_images(),)),
    "second_image_float": lambda: ((lambda x: x.float() / 255), (_images(),)),
    "second_image_first": lambda: ((lambda x: x.permute(0, 3, 1, 2).float() / 255), (_images(64, 512, 512, 3),)),
    "second_image_channels": lambda: (
        (lambda x: (x.permute(0, 3, 1, 2).float() / 255).contiguous()), (_images(64, 512, 512, 3),)),
    "second_sobel": lambda: (_sobel, (randn(32, 1024, 1024),)),
    "second_gradient": lambda: ((lambda x: x[:, 1:-1, 2:] - x[:, 1:-1, :-2]), (randn(32, 1024, 1024),)),
    "second_laplace": lambda: (_laplace, (randn(4, 256, 256, 128),)),
    "second_laplace_flat": lambda: (_laplace_flat, (randn(4, 256, 256, 128),)),
    "second_unshuffle": lambda: ((lambda x: F.pixel_unshuffle(x, 2) * 2), (randn(16, 32, 256, 256),)),
    "second_channel_shuffle": lambda: ((lambda x: F.channel_shuffle(x, 4) * 2), (randn(16, 32, 256, 256),)),
    "second_unfold": lambda: ((lambda x: F.unfold(x, 3)), (randn(8, 16, 128, 128),)),
    "second_reflect": lambda: ((lambda x: F.pad(x, (3, 3, 3, 3), mode="reflect")), (randn(16, 32, 256, 256),)),
    "second_nearest_3d": lambda: (
        (lambda x: F.interpolate(x, scale_factor=2, mode="nearest")), (randn(2, 16, 32, 64, 64),)),
    "second_bicubic": lambda: (
        (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic")), (randn(8, 16, 128, 128),)),
    "second_pool_adaptive": lambda: ((lambda x: F.adaptive_avg_pool2d(x, 8)), (randn(64, 64, 128, 128),)),
    "second_pool_global": lambda: ((lambda x: x.mean((2, 3))), (randn(64, 64, 128, 128),)),
    "second_pool_rows": lambda: ((lambda x: F.avg_pool1d(x, 4)), (randn(64, 64, 16384),)),
    "second_local_response": lambda: ((lambda x: F.local_response_norm(x, 5)), (randn(16, 64, 128, 128),)),
    "second_pixel_norm": lambda: (
        (lambda x: x * (x.square().mean(1, keepdim=True) + 1e-6).rsqrt()), (randn(16, 64, 128, 128),)),
    # losses
    "second_huber": lambda: ((lambda x, y: F.huber_loss(x, y)), several(2, 8192, 4096)),
    "second_l1": lambda: ((lambda x, y: F.l1_loss(x, y)), several(2, 8192, 4096)),
    "second_bce": lambda: ((lambda x, y: F.binary_cross_entropy_with_logits(x, y)), several(2, 8192, 4096)),
    "second_focal": lambda: (_focal, several(2, 8192, 4096)),
    "second_kl": lambda: (
        (lambda x, y: F.kl_div(x.log_softmax(-1), y.softmax(-1), reduction="batchmean")), several(2, 8192, 4096)),
    "second_kl_logits": lambda: ((lambda x, y: F.kl_div(x, y.exp(), reduction="batchmean")), several(2, 8192, 4096)),
    "second_cosine": lambda: (_cosine, several(2, 65536, 512)),
    "second_dots": lambda: ((lambda a, b: (a * b).sum(-1)), several(2, 65536, 512)),
    "second_triplet": lambda: (
        (lambda a, p, n: F.relu((a - p).norm(dim=-1) - (a - n).norm(dim=-1) + 1).mean()), several(3, 65536, 256)),
    "second_distances": lambda: (_distances, (randn(2048, 64), randn(2048, 64))),
    "second_distances_l1": lambda: (_distances_l1, (randn(2048, 64), randn(2048, 64))),
    "second_distances_thin": lambda: (_distances, (randn(8192, 3), randn(8192, 3))),
    # optimizers
    "second_lion": lambda: (_lion, several(3, 1 << 25)),
    "second_lamb": lambda: (_lamb, several(3, 1 << 25)),
    "second_adafactor": lambda: (_adafactor, several(2, 8192, 4096)),
    "second_average": lambda: ((lambda a, b: a * 0.999 + b * 0.001), several(2, 1 << 25)),
    "second_clip_8": lambda: (_clipped, several(8, 2048, 2048)),
    "second_clip_2": lambda: (_clipped, several(2, 4096, 4096)),
    # models
    "second_rotary_pairs": lambda: (_rotary_pairs, _rotary()),
    "second_rotary_halves": lambda: (_rotary_polar, _rotary()),
    "second_residual": lambda: (_residual, (bf16(16384, 2048), bf16(2048), bf16(16384, 2048))),
    "second_residual_plain": lambda: ((lambda x, b, s: s + F.silu(x + b)),
                                      (bf16(16384, 2048), bf16(2048), bf16(16384, 2048))),
    "second_qk_norm": lambda: (_qk_norm, (bf16(65536, 128), bf16(16384, 128))),
    "second_qk_norm_wide": lambda: (_qk_norm, (bf16(8192, 1024), bf16(2048, 1024))),
    "second_geglu": lambda: ((lambda x: F.gelu(x[..., :4096]) * x[..., 4096:]), (bf16(8192, 8192),)),
    "second_reglu": lambda: ((lambda x: F.relu(x[..., :4096]) * x[..., 4096:]), (bf16(8192, 8192),)),
    "second_gates": lambda: (_gates, (bf16(16384, 1024), randn(1024, 64))),
    "second_weight_norm": lambda: ((lambda v, g: v * (g / v.norm(dim=1, keepdim=True))),
                                   (randn(8192, 4096), randn(8192, 1))),
    "second_weight_norm_first": lambda: ((lambda v, g: v * (g / v.norm(dim=0, keepdim=True))),
                                         (randn(8192, 4096), randn(1, 4096))),
    "second_quantize_blocks": lambda: (_quantize_blocks, (randn(8192, 4096),)),
    "second_dequantize_4": lambda: (_nibbles, (_images(8192, 4096), randn(8192, 1))),
    "second_dequantize_8": lambda: (_bytes, (_images(8192, 4096), randn(8192, 1))),
    "second_alibi": lambda: (
        (lambda s, slope: (s + slope * torch.arange(s.shape[-1], device="cuda")).softmax(-1)),
        (bf16(4, 16, 1024, 1024), randn(16, 1, 1))),
    "second_key_padding": lambda: (
        (lambda s, mask: s.masked_fill(mask[:, None, None], -1e4).softmax(-1)),
        (bf16(4, 16, 1024, 1024), integers(2, 4, 1024).bool())),
    "second_temperature": lambda: ((lambda s: (s / 0.7).softmax(-1)), (bf16(4, 16, 1024, 1024),)),
    "second_linear_attention": lambda: (
        (lambda q, k, v: ((F.elu(q) + 1) * (F.elu(k) + 1).cumsum(1) * v).sum(-1)), several(3, 16, 2048, 256)),
    # scans, indexes
    "second_cumprod": lambda: ((lambda x: x.cumprod(-1)), (randn(8192, 2048),)),
    "second_cummax": lambda: ((lambda x: x.cummax(-1)[0]), (randn(8192, 2048),)),
    "second_logcumsumexp": lambda: ((lambda x: x.logcumsumexp(-1)), (randn(8192, 2048),)),
    "second_cumsum_first": lambda: ((lambda x: x.cumsum(0)), (randn(2048, 8192),)),
    "second_diff": lambda: ((lambda x: x.diff(dim=-1)), (randn(8192, 2048),)),
    "second_scatter_amax": lambda: (
        (lambda x, i, s: x.scatter_reduce(0, i, s, "amax")), (randn(1 << 20), integers(1 << 20, 1 << 23),
                                                          randn(1 << 23))),
    "second_segments": lambda: (
        (lambda x, i: x.new_zeros(4096, 64).index_add(0, i, x)), (randn(1 << 18, 64), integers(4096, 1 << 18))),
    "second_segments_few": lambda: (
        (lambda x, i: x.new_zeros(16, 64).index_add(0, i, x)), (randn(1 << 18, 64), integers(16, 1 << 18))),
    "second_take_along": lambda: (
        (lambda x, i: torch.take_along_dim(x, i, -1)), (randn(8192, 4096), integers(4096, 8192, 4096))),
    "second_take_narrow": lambda: (
        (lambda x, i: torch.take_along_dim(x, i, -1)), (randn(8192, 4096), integers(16, 8192, 4096))),
    "second_permute_rows": lambda: (
        (lambda x, i: x[i] * 2), (bf16(65536, 512), torch.randperm(65536, device="cuda"))),
    "second_diagonal": lambda: ((lambda x: x.diagonal(dim1=-2, dim2=-1).sum(-1)), (randn(256, 512, 512),)),
    "second_triangle": lambda: ((lambda x: x.tril().sum(-1)), (randn(64, 1024, 1024),)),
    "second_row_sums": lambda: ((lambda x: x.sum(-1)), (randn(64, 1024, 1024),)),
    # reductions
    "second_count": lambda: ((lambda x: (x > 0.5).sum()), (randn(1 << 26),)),
    "second_count_nan": lambda: ((lambda x: x.isnan().any()), (randn(1 << 26),)),
    "second_range": lambda: ((lambda x: x.amax(-1) - x.amin(-1)), (randn(16384, 4096),)),
    "second_range_all": lambda: ((lambda x: x.aminmax()), (randn(1 << 26),)),
    "second_kurtosis": lambda: (
        (lambda x: ((x - x.mean(-1, keepdim=True)) ** 4).mean(-1) / x.var(-1) ** 2), (randn(16384, 4096),)),
    "second_sum_middle_two": lambda: ((lambda x: x.sum((1, 2))), (randn(64, 128, 64, 128),)),
    "second_sum_outer_two": lambda: ((lambda x: x.sum((0, 2))), (randn(64, 128, 64, 128),)),
    "second_sum_odd_axes": lambda: ((lambda x: x.sum((0, 3))), (randn(64, 128, 64, 128),)),
    "second_mean_std": lambda: ((lambda x: (x.mean(0), x.std(0))), (randn(16384, 2048),)),
    "second_standardize": lambda: ((lambda x: (x - x.mean()) / x.std()), (randn(1 << 26),)),
    "second_half_sums": lambda: ((lambda x: x.float().sum(-1)), (randn(16384, 4096, dtype=F16),)),
    "second_weighted": lambda: ((lambda x, w: (x * w).sum(0)), (randn(16384, 2048), randn(16384, 1))),
    "second_einsum_small": lambda: ((lambda x, w: (x[..., None] * w).sum(1)), (randn(65536, 8), randn(8, 64))),
    # training steps
    "second_train_rope": lambda: (
        _rotary_polar, (bf16(8, 16, 1024, 128, grad=True), bf16(1024, 64), bf16(1024, 64)), TRAIN),
    "second_train_geglu": lambda: (
        (lambda x: F.gelu(x[..., :2048]) * x[..., 2048:]), (bf16(8192, 4096, grad=True),), TRAIN),
    "second_train_reglu": lambda: (
        (lambda x: F.relu(x[..., :2048]) * x[..., 2048:]), (bf16(8192, 4096, grad=True),), TRAIN),
    "second_train_huber": lambda: (F.huber_loss, (randn(4096, 4096, grad=True), randn(4096, 4096)), TRAIN),
    "second_train_kl": lambda: (
        (lambda x, y: F.kl_div(x.log_softmax(-1), y)), (randn(4096, 4096, grad=True), randn(4096, 4096)), TRAIN),
    "second_train_pool": lambda: ((lambda x: F.avg_pool2d(x, 2)), (randn(16, 32, 256, 256, grad=True),), TRAIN),
    "second_train_weight_norm": lambda: (
        (lambda v, g: v * (g / v.norm(dim=1, keepdim=True))), (randn(4096, 2048, grad=True), randn(4096, 1, grad=True)),
        TRAIN),
    # matrices
    "second_qkv": lambda: (
        (lambda x, w: [part * 0.5 for part in (x @ w).chunk(3, -1)]), (bf16(8192, 1024), bf16(1024, 3072))),
    "second_lora": lambda: (
        (lambda x, w, a, b: x @ w + (x @ a) @ b * 2),
        (bf16(8192, 2048), bf16(2048, 2048), bf16(2048, 16), bf16(16, 2048))),
    "second_dense": lambda: ((lambda x, w, a, b: x @ w + a.sum() + b.sum()),
                             (bf16(8192, 2048), bf16(2048, 2048), bf16(2048, 16), bf16(16, 2048))),
    "second_gram": lambda: ((lambda x: x.mT @ x), (bf16(16384, 1024),)),
    "second_conv1d": lambda: ((lambda x, w: F.silu(F.conv1d(x, w))), (bf16(16, 256, 4096), bf16(256, 256, 3))),
    "second_depthwise": lambda: (
        (lambda x, w: F.silu(F.conv2d(x, w, groups=128, padding=1))), (bf16(16, 128, 112, 112), bf16(128, 1, 3, 3))),
}  # fmt: skip

#: Settings that no pair of the first set has, or that its programs of the other kinds never had.
SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "aggressive": ({"aggressive_fusion": True}, "second_clip_8 second_mean_std second_qk_norm second_train_huber"),
    "block_pointers": ({"triton.use_block_ptr": True}, """
        second_yuv second_row_sums second_residual second_sobel second_image_first second_sum_outer_two"""),
    "tiling_anyway": ({"triton.tiling_prevents_pointwise_fusion": False,
                       "triton.tiling_prevents_reduction_fusion": False}, """
        second_image_channels second_channel_shuffle second_sum_odd_axes"""),
    "given_loop_order": ({"pick_loop_orders": False}, """
        second_image_channels second_unshuffle second_weight_norm_first"""),
    "no_locality": ({"reorder_for_locality": False}, "second_lamb second_kl second_clip_2"),
    "random_of_eager": ({"fallback_random": True}, "second_residual second_train_geglu"),
    "cat_pointwise": ({"force_pointwise_cat": True}, "second_rotary_halves second_train_rope"),
    "deterministic": ({"deterministic": True}, "second_range second_focal second_kurtosis"),
    "no_split_second": ({"split_reductions": False}, """
        second_count second_range_all second_standardize second_weighted second_sum_outer_two second_sum_odd_axes
        second_lamb second_bce second_mean_std"""),
    "looped_second": ({"triton.persistent_reductions": False}, """
        second_cosine second_qk_norm second_qk_norm_wide second_quantize_blocks second_key_padding second_triplet
        second_pixel_norm"""),
    "nd_tiling_second": ({"triton.prefer_nd_tiling": True}, """
        second_unshuffle second_bicubic second_unfold second_reflect second_sobel second_pool_adaptive
        second_rotary_pairs second_triangle"""),
    "one_tile_second": ({"triton.max_tiles": 1}, "second_image_channels second_channel_shuffle second_nearest_3d"),
    "no_fusion_second": ({"max_fusion_size": 1}, """
        second_cosine second_residual second_adafactor second_lion second_kl second_qk_norm second_train_kl"""),
    "combo_second": ({"combo_kernels": True}, "second_clip_8 second_qk_norm second_mean_std"),
    "realize_second": ({"realize_opcount_threshold": 2}, "second_focal second_logaddexp second_mandelbrot_8"),
    "cooperative_second": ({"triton.cooperative_reductions": True}, """
        second_count second_weighted second_triplet second_kurtosis"""),
}  # fmt: skip

#: A program, and what an edit makes of it.
EDITS = """
    second_maximum second_atan2    second_maximum second_fmod    second_fmod second_remainder
    second_lerp second_logaddexp    second_maximum second_hypot    second_copysign second_atan2
    second_elu second_i0    second_elu second_digamma    second_hardswish second_erfcx    second_sinc second_digamma
    second_asinh second_acosh    second_nan_to_num second_asinh    second_squared_relu second_selu_twice
    second_hardswish second_elu    second_mandelbrot_8 second_mandelbrot_64    second_hash second_hash_64
    second_popcount second_hash    second_bucketize_few second_bucketize    second_one_hot second_one_hot_wide
    second_image_float second_yuv    second_image_float second_image_channels
    second_image_first second_image_channels    second_gradient second_sobel    second_laplace_flat second_laplace
    second_unshuffle second_channel_shuffle    second_channel_shuffle second_reflect    second_unfold second_reflect
    second_nearest_3d second_bicubic    second_pool_global second_pool_adaptive    second_pool_global second_pool_rows
    second_pixel_norm second_local_response    second_l1 second_huber    second_l1 second_bce    second_bce second_focal
    second_kl_logits second_kl    second_dots second_cosine    second_cosine second_triplet
    second_distances second_distances_l1    second_distances second_distances_thin    second_average second_lion
    second_lion second_lamb    second_average second_adafactor    second_clip_2 second_clip_8
    second_rotary_halves second_rotary_pairs    second_residual_plain second_residual
    second_qk_norm second_qk_norm_wide    second_reglu second_geglu    second_weight_norm second_weight_norm_first
    second_dequantize_8 second_dequantize_4    second_quantize_blocks second_dequantize_8
    second_temperature second_alibi    second_temperature second_key_padding    second_cumprod second_logcumsumexp
    second_cumprod second_cummax    second_diff second_cumprod    second_cumprod second_cumsum_first
    second_linear_attention second_cumprod    second_segments second_segments_few
    second_scatter_amax second_segments    second_take_narrow second_take_along    second_permute_rows second_take_along
    second_row_sums second_triangle    second_row_sums second_diagonal    second_count second_count_nan
    second_count second_range_all    second_range second_kurtosis    second_sum_middle_two second_sum_outer_two
    second_sum_outer_two second_sum_odd_axes    second_weighted second_mean_std    second_standardize second_count
    second_half_sums second_range    second_einsum_small second_weighted    second_train_reglu second_train_geglu
    second_train_rope second_train_geglu    second_train_huber second_train_kl
    second_train_pool second_train_huber    second_train_weight_norm second_train_huber    second_dense second_lora
    second_qkv second_dense    second_gram second_qkv    second_conv1d second_depthwise    second_gates second_gram
""".split()  # noqa: SIM905 (two names a pair, several pairs a line)


def second_pairs() -> dict[str, Pair]:
    """Every pair of the second set by its name."""
    pairs = [
        Pair(f"{name}.{program}", Side(program), Side(program, settings))
        for name, (settings, programs) in SETTINGS.items()
        for program in programs.split()
    ]
    pairs += [Pair(f"{old}.to.{new}", Side(old), Side(new)) for old, new in zip(EDITS[::2], EDITS[1::2], strict=True)]
    return {pair.name: pair for pair in pairs}
