"""Programs of single operators and small functions, each with an edit or a setting in mind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.flex_parts import FLASH, causal, flex, mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

_mask = partial(mask, queries=512, keys=512)
_qkv = partial(qkv, queries=512, keys=512, dtype=torch.float16)


def _window(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (q >= k) & (q - k < 128)


def _multiply(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x * y + 1).relu()


def _two(dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    return randn(64, 128, dtype=dtype), randn(64, 128, dtype=dtype)


def _norm(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, (x.shape[-1],)) * w


def _break(x: torch.Tensor) -> torch.Tensor:
    y = x.exp()
    torch._dynamo.graph_break()
    return y.sin()


def _mlp(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.gelu(x @ w) @ v


def _adam(decay: float) -> Callable[..., Any]:
    def update(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor, v: torch.Tensor) -> None:
        m.mul_(decay).add_(g, alpha=1 - decay)
        v.mul_(0.999).addcmul_(g, g, value=0.001)
        p.sub_(m / (v.sqrt() + 1e-8))

    return update


def _momentum(nesterov: bool) -> Callable[..., Any]:
    def update(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor) -> None:
        m.mul_(0.9).add_(g)
        p.sub_(0.1 * (g + 0.9 * m if nesterov else m))

    return update


PROGRAMS: Programs = {
    "pointwise": lambda: (lambda x, y: (x * y + 1).relu(), several(2, 64, 128)),
    "pointwise_const": lambda: (lambda x, y: (x * y + 2).relu(), several(2, 64, 128)),
    "pointwise_gelu": lambda: (lambda x, y: F.gelu(x * y + 1), several(2, 64, 128)),
    "pointwise_more": lambda: (lambda x, y: (x * y + 1).relu().sin(), several(2, 64, 128)),
    "pointwise_bf16": lambda: (_multiply, _two(BF16)),
    "pointwise_fp16": lambda: (_multiply, _two(torch.float16)),
    "pointwise_wide": lambda: (lambda x, y: (x * y + 1).relu(), several(2, 64, 256)),
    "pointwise_odd": lambda: (lambda x, y: (x * y + 1).relu(), several(2, 63, 127)),
    "pointwise_turned": lambda: (lambda x, y: (x * y + 1).relu(), (randn(64, 128), randn(128, 64).t())),
    "pointwise_dynamic": lambda: (lambda x, y: (x * y + 1).relu(), several(2, 64, 128), {"dynamic": True}),
    "chain": lambda: (lambda x: (x.exp(), x.sum(-1), x.cos() + 1), (randn(128, 512),)),
    "chain_out": lambda: (lambda x: (x.exp(), x.sum(-1), x.cos() + 1, x.amax(-1)), (randn(128, 512),)),
    "softmax": lambda: (lambda x: torch.softmax(x, -1), (randn(64, 1024),)),
    "softmax_first": lambda: (lambda x: torch.softmax(x, 0), (randn(64, 1024),)),
    "softmax_bf16": lambda: (lambda x: torch.softmax(x, -1), (randn(64, 1024, dtype=BF16),)),
    "log_softmax": lambda: (lambda x: torch.log_softmax(x, -1), (randn(64, 1024),)),
    "big_sum": lambda: (lambda x: x.sum(), (randn(4096, 4096),)),
    "row_sum": lambda: (lambda x: x.sum(-1), (randn(4, 65536),)),
    "mean_rows": lambda: (lambda x: x.mean(-1), (randn(4, 65536),)),
    "var": lambda: (lambda x: x.var(-1), (randn(512, 4096),)),
    "norm": lambda: (_norm, (randn(256, 1024), randn(1024))),
    "norm_wide": lambda: (_norm, (randn(256, 4096), randn(4096))),
    "norm_bf16": lambda: (_norm, (randn(256, 1024, dtype=BF16), randn(1024, dtype=BF16))),
    "norm_eps": lambda: (lambda x, w: F.layer_norm(x, (1024,), eps=1e-3) * w, (randn(256, 1024), randn(1024))),
    "norm_train": lambda: (_norm, (randn(256, 1024, grad=True), randn(1024, grad=True)), TRAIN),
    "transpose": lambda: (lambda x, y: x + y.t(), several(2, 512, 512)),
    "transpose_three": lambda: (lambda x: (x.permute(2, 0, 1) + 1).contiguous(), (randn(32, 64, 128),)),
    "permuted": lambda: (lambda x, y: x.permute(0, 2, 1) + y, (randn(8, 64, 96), randn(8, 96, 64))),
    "index": lambda: (lambda x, i: x[i] + 1, (randn(100, 64), integers(100, 32))),
    "embedding": lambda: (lambda w, i: F.embedding(i, w).relu(), (randn(1000, 64), integers(1000, 32, 16))),
    "gather": lambda: (lambda x, i: x.gather(1, i), (randn(64, 64), integers(64, 64, 8))),
    "scatter": lambda: (
        lambda x, i, s: x.scatter_add(0, i, s) * 2, (randn(64, 64), integers(64, 32, 64), randn(32, 64)),
    ),
    "cat": lambda: (lambda x, y: torch.cat([x.sin(), y.cos()], 1), (randn(64, 128), randn(64, 256))),
    "cat_three": lambda: (
        lambda x, y, z: torch.cat([x.sin(), y.cos(), z], 1), (randn(64, 128), randn(64, 256), randn(64, 32)),
    ),
    "pad": lambda: (lambda x: F.pad(x, (1, 2)) + 1, (randn(64, 100),)),
    "pad_more": lambda: (lambda x: F.pad(x, (2, 2)) + 1, (randn(64, 100),)),
    "mm_relu": lambda: (lambda x, w: (x @ w).relu(), several(2, 512, 512)),
    "mm_half": lambda: (lambda x, w: (x @ w).relu(), several(2, 512, 512, dtype=torch.float16)),
    "mm_half_sin": lambda: (lambda x, w: (x @ w).sin(), several(2, 512, 512, dtype=torch.float16)),
    "addmm": lambda: (lambda b, x, w: torch.addmm(b, x, w).sin(), (randn(511), randn(515, 513), randn(513, 511))),
    "mlp": lambda: (_mlp, (randn(256, 512), randn(512, 1024), randn(1024, 512))),
    "mlp_train": lambda: (
        _mlp, (randn(256, 512, grad=True), randn(512, 1024, grad=True), randn(1024, 512, grad=True)), TRAIN,
    ),
    "step": lambda: (lambda x, w: F.gelu((x @ w).sigmoid() * x).cos().sum(), several(2, 256, 256, grad=True), TRAIN),
    "two_losses": lambda: (
        lambda x, w: (F.softmax(x @ w, -1) * x).tanh().exp().mean(), several(2, 256, 256, grad=True), TRAIN,
    ),
    "conv": lambda: (lambda x, w: F.conv2d(x, w, padding=1).relu(), (randn(2, 16, 32, 32), randn(32, 16, 3, 3))),
    "bmm_scale": lambda: (lambda x, y: torch.bmm(x, y).mul(0.5).exp(), several(2, 8, 64, 64)),
    "dropout": lambda: (lambda x: F.dropout(x, 0.5), (randn(64, 512),)),
    "dropout_less": lambda: (lambda x: F.dropout(x, 0.1), (randn(64, 512),)),
    "update": lambda: (lambda p, g: p.copy_(p - 0.1 * g.sign()), several(2, 1024)),
    "whole": lambda: (lambda x: x.exp().sin(), (randn(64, 64),)),
    "broken": lambda: (_break, (randn(64, 64),)),
    "reuse": lambda: (lambda x: ((x @ x).relu() @ x).relu() @ x, (randn(128, 128),)),
    "inplace": lambda: (lambda x, y: (x @ y).relu() + (y @ x).sin(), several(2, 128, 128)),
    "many": lambda: (lambda a, b, c: (a.sin(), b.cos(), c.exp()), (randn(32, 32), randn(48, 48), randn(64, 64))),
    "cumsum": lambda: (lambda x: x.cumsum(-1) + 1, (randn(64, 512),)),
    "argmax": lambda: (lambda x: x.argmax(-1), (randn(64, 512),)),
    "argmin": lambda: (lambda x: x.argmin(-1), (randn(64, 512),)),
    "pool": lambda: (lambda x: F.max_pool2d(x, 2), (randn(2, 8, 32, 32),)),
    "pool_three": lambda: (lambda x: F.max_pool2d(x, 3), (randn(2, 8, 32, 32),)),
    "division": lambda: (lambda x, y: x / (y + 1e-6), several(2, 64, 64)),
    "tanh": lambda: (lambda x, y: x.tanh() / (y + 1e-6), several(2, 64, 64)),
    "rms": lambda: (
        lambda x, w: x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * w, (randn(256, 2048), randn(2048)),
    ),
    "flex": lambda: (flex(), _qkv()),
    "flex_bf16": lambda: (flex(), _qkv(dtype=BF16)),
    "flex_scale": lambda: (flex(score_mod=lambda s, b, h, q, k: s * 2), _qkv()),
    "flex_bias": lambda: (flex(score_mod=lambda s, b, h, q, k: s + (q - k)), _qkv()),
    "flex_causal": lambda: (flex(block_mask=_mask(causal)), _qkv()),
    "flex_window": lambda: (flex(block_mask=_mask(_window)), _qkv()),
    "flex_tile": lambda: (flex(kernel_options={"BLOCK_M": 64, "BLOCK_N": 32}), _qkv()),
    "flex_tile_n": lambda: (flex(kernel_options={"BLOCK_M": 64, "BLOCK_N": 64}), _qkv()),
    "flex_warps": lambda: (flex(kernel_options={"num_warps": 8}), _qkv()),
    "flex_train": lambda: (flex(), _qkv(grad=True), TRAIN),
    "flex_train_scale": lambda: (flex(score_mod=lambda s, b, h, q, k: s * 2), _qkv(grad=True), TRAIN),
    "flash": lambda: (flex(**FLASH), _qkv()),
    "flash_scale": lambda: (flex(score_mod=lambda s, b, h, q, k: s * 2, **FLASH), _qkv()),
    "flash_bias": lambda: (flex(score_mod=lambda s, b, h, q, k: s + (q - k), **FLASH), _qkv()),
    "flash_causal": lambda: (flex(block_mask=_mask(causal), **FLASH), _qkv()),
    "flash_window": lambda: (flex(block_mask=_mask(_window), **FLASH), _qkv()),
    # Those below were made after the classifier, and labelled before it saw them.
    "group_norm": lambda: (lambda x: F.group_norm(x, 4).relu(), (randn(8, 32, 16, 16),)),
    "group_norm_silu": lambda: (lambda x: F.silu(F.group_norm(x, 4)), (randn(8, 32, 16, 16),)),
    "cross": lambda: (F.cross_entropy, (randn(128, 1000, grad=True), integers(1000, 128)), TRAIN),
    "where": lambda: (lambda x: torch.where(x > 0, x, 0.1 * x).sum(0), (randn(256, 300),)),
    "where_more": lambda: (lambda x: torch.where(x >= 0, x, 0.1 * x).sum(0), (randn(256, 300),)),
    "rope": lambda: (
        lambda x, c, s: torch.cat([x[..., :32] * c - x[..., 32:] * s, x[..., 32:] * c + x[..., :32] * s], -1),
        (randn(2, 8, 128, 64), randn(128, 32), randn(128, 32)),
    ),
    "rope_half": lambda: (
        lambda x, c, s: torch.cat([x[..., :32] * c - x[..., 32:] * s, x[..., 32:] * c + x[..., :32] * s], -1),
        (randn(2, 8, 128, 64, dtype=torch.float16), randn(128, 32), randn(128, 32)),
    ),
    "flip": lambda: (lambda x: x.flip(1) * 2, (randn(64, 96),)),
    "roll": lambda: (lambda x: x.roll(3, 1) * 2, (randn(64, 96),)),
    "std": lambda: (lambda x: (x - x.mean(0)) / x.std(0), (randn(1000, 50),)),
    "attention": lambda: (
        lambda q, k, v: torch.softmax(q @ k.transpose(-1, -2) * 0.1, -1) @ v, several(3, 16, 128, 64),
    ),
    "swiglu": lambda: (
        lambda x, w, v: F.silu(x @ w) * (x @ v),
        (randn(64, 128, grad=True), randn(128, 256, grad=True), randn(128, 256, grad=True)), TRAIN,
    ),
    "clamp": lambda: (lambda x: x.clamp(-1, 1).exp(), (randn(777),)),
    "clamp_more": lambda: (lambda x: x.clamp(-2, 2).exp(), (randn(777),)),
    "flex_gqa_softcap": lambda: (flex(score_mod=lambda s, b, h, q, k: 20 * torch.tanh(s / 20)), _qkv()),
    "flex_long": lambda: (flex(), _qkv(queries=1024, keys=1024)),
    "sdpa": lambda: (F.scaled_dot_product_attention, _qkv()),
    # The third set: made and labelled after both of the others had been used to correct the classifier.
    "leaky": lambda: (lambda x, y: F.leaky_relu(x - y, 0.1), several(2, 96, 200)),
    "leaky_slope": lambda: (lambda x, y: F.leaky_relu(x - y, 0.2), several(2, 96, 200)),
    "leaky_row": lambda: (lambda x, y: F.leaky_relu(x - y, 0.1), (randn(96, 200), randn(200))),
    "leaky_double": lambda: (lambda x, y: F.leaky_relu(x - y, 0.1), several(2, 96, 200, dtype=torch.float64)),
    "leaky_sliced": lambda: (lambda x, y: F.leaky_relu(x - y, 0.1), (randn(96, 400)[:, ::2], randn(96, 200))),
    "mish": lambda: (lambda x, y: F.mish(x - y), several(2, 96, 200)),
    "three": lambda: (lambda x, y, z: (x * y).exp() + z, several(3, 50, 70)),
    "three_order": lambda: (lambda x, y, z: z + (y * x).exp(), several(3, 50, 70)),
    "three_power": lambda: (lambda x, y, z: (x * y).exp2() + z, several(3, 50, 70)),
    "three_less": lambda: (lambda x, y, z: (x * y).exp(), several(3, 50, 70)),
    "bools": lambda: (lambda x, y: (x > 0) & (y > 0), several(2, 300)),
    "bools_or": lambda: (lambda x, y: (x > 0) | (y > 0), several(2, 300)),
    "ints": lambda: (lambda x: (x * 3 + 1) % 7, (integers(100, 500),)),
    "ints_modulus": lambda: (lambda x: (x * 3 + 1) % 5, (integers(100, 500),)),
    "ints_short": lambda: (lambda x: (x * 3 + 1) % 7, (integers(100, 500, dtype=torch.int32),)),
    "rows": lambda: (lambda x: x.square().sum(1), (randn(128, 777),)),
    "rows_mean": lambda: (lambda x: x.square().mean(1), (randn(128, 777),)),
    "rows_keep": lambda: (lambda x: x.square().sum(1, keepdim=True), (randn(128, 777),)),
    "rows_max": lambda: (lambda x: x.square().amax(1), (randn(128, 777),)),
    "rows_product": lambda: (lambda x: x.square().prod(1), (randn(128, 777),)),
    "rows_half": lambda: (lambda x: x.square().sum(1), (randn(128, 777, dtype=torch.float16),)),
    "rows_long": lambda: (lambda x: x.square().sum(1), (randn(128, 3000),)),
    "columns_sum": lambda: (lambda x: x.square().sum(0), (randn(4000, 100),)),
    "small_rows": lambda: (lambda x: x.sum(1) * 2, (randn(1000, 7),)),
    "norm_two": lambda: (
        lambda x, w: F.rms_norm(x, (512,), w) + x, (randn(64, 512, grad=True), randn(512, grad=True)), TRAIN,
    ),
    "norm_two_bf16": lambda: (
        lambda x, w: F.rms_norm(x, (512,), w) + x,
        (randn(64, 512, dtype=BF16, grad=True), randn(512, dtype=BF16, grad=True)), TRAIN,
    ),
    "batch_norm": lambda: (lambda x, m, v: F.batch_norm(x, m, v).relu(), (randn(8, 16, 20, 20), randn(16), randn(16))),
    "batch_norm_train": lambda: (
        lambda x, m, v: F.batch_norm(x, m, v, training=True).relu(), (randn(8, 16, 20, 20), randn(16), randn(16)),
    ),
    "upsample": lambda: (lambda x: F.interpolate(x, scale_factor=2), (randn(2, 3, 16, 16),)),
    "upsample_bilinear": lambda: (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (randn(2, 3, 16, 16),)),
    "average": lambda: (lambda x: F.avg_pool2d(x, 3, 1, 1), (randn(2, 4, 24, 24),)),
    "average_inside": lambda: (lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), (randn(2, 4, 24, 24),)),
    "stack": lambda: (lambda x, y: torch.stack([x + 1, y * 2]), several(2, 40, 60)),
    "stack_last": lambda: (lambda x, y: torch.stack([x + 1, y * 2], -1), several(2, 40, 60)),
    "triangle": lambda: (lambda x: x.tril() + 1, (randn(80, 80),)),
    "triangle_upper": lambda: (lambda x: x.triu() + 1, (randn(80, 80),)),
    "triangle_lower": lambda: (lambda x: x.tril(-1) + 1, (randn(80, 80),)),
    "positions": lambda: (lambda x, i: x.index_select(0, i).sigmoid(), (randn(200, 30), integers(200, 64))),
    "positions_short": lambda: (
        lambda x, i: x.index_select(0, i).sigmoid(), (randn(200, 30), integers(200, 64, dtype=torch.int32)),
    ),
    "put": lambda: (
        lambda x, i, v: x.index_put((i,), v, accumulate=True), (randn(200, 30), integers(200, 64), randn(64, 30)),
    ),
    "put_over": lambda: (lambda x, i, v: x.index_put((i,), v), (randn(200, 30), integers(200, 64), randn(64, 30))),
    "loss": lambda: (lambda x, y: F.mse_loss(x.sigmoid(), y), (randn(300, 40, grad=True), randn(300, 40)), TRAIN),
    "loss_sum": lambda: (
        lambda x, y: F.mse_loss(x.sigmoid(), y, reduction="sum"), (randn(300, 40, grad=True), randn(300, 40)), TRAIN,
    ),
    "loss_l1": lambda: (lambda x, y: F.l1_loss(x.sigmoid(), y), (randn(300, 40, grad=True), randn(300, 40)), TRAIN),
    "block": lambda: (
        lambda x, w, v, n: x + F.silu(F.rms_norm(x, (256,), n) @ w) @ v,
        (randn(128, 256, grad=True), randn(256, 512, grad=True), randn(512, 256, grad=True), randn(256, grad=True)),
        TRAIN,
    ),
    "project": lambda: (
        lambda x, w, b: F.linear(x, w, b).tanh(),
        tuple(randn(*shape, dtype=BF16) for shape in ((64, 96), (128, 96), (128,))),
    ),
    "project_plain": lambda: (
        lambda x, w, b: F.linear(x, w).tanh(),
        tuple(randn(*shape, dtype=BF16) for shape in ((64, 96), (128, 96), (128,))),
    ),
    "noise": lambda: (lambda x: x + torch.rand_like(x), (randn(50, 80),)),
    "noise_normal": lambda: (lambda x: x + torch.randn_like(x), (randn(50, 80),)),
    "adam": lambda: (_adam(0.9), several(4, 2000)),
    "adam_slower": lambda: (_adam(0.99), several(4, 2000)),
    "accumulate": lambda: (lambda x, y: x.add_(y.exp()), several(2, 333)),
    "accumulate_new": lambda: (lambda x, y: x.add(y.exp()), several(2, 333)),
    "flex_alibi": lambda: (flex(score_mod=lambda s, b, h, q, k: s - 0.1 * (q - k).abs()), _qkv()),
    "flex_alibi_steep": lambda: (flex(score_mod=lambda s, b, h, q, k: s - 0.5 * (q - k).abs()), _qkv()),
    "flex_prefix": lambda: (flex(block_mask=_mask(lambda b, h, q, k: (q >= k) | (k < 64))), _qkv()),
    "flex_prefix_more": lambda: (flex(block_mask=_mask(lambda b, h, q, k: (q >= k) | (k < 100))), _qkv()),
    "flex_blocks": lambda: (flex(block_mask=_mask(causal, block=256)), _qkv()),
    "flex_sum": lambda: (flex(return_lse=True), _qkv()),
    "flex_wide": lambda: (flex(), _qkv(width=128)),
    "flex_stages": lambda: (flex(kernel_options={"num_stages": 2}), _qkv()),
    "flex_causal_train": lambda: (flex(block_mask=_mask(causal)), _qkv(grad=True), TRAIN),
    "flash_blocks": lambda: (flex(block_mask=_mask(causal, block=256), **FLASH), _qkv()),
    "flash_alibi": lambda: (flex(score_mod=lambda s, b, h, q, k: s - 0.1 * (q - k).abs(), **FLASH), _qkv()),
    "flash_bf16": lambda: (flex(**FLASH), _qkv(dtype=BF16)),
    "flash_both": lambda: (flex(score_mod=lambda s, b, h, q, k: s * 2, block_mask=_mask(causal), **FLASH), _qkv()),
    "flash_train": lambda: (flex(**FLASH), _qkv(grad=True), TRAIN),
    # The fourth set: made and labelled after the third had been used to correct the classifier.
    "hinge": lambda: (lambda x, y: (1 - x * y).clamp(min=0).mean(), several(2, 90, 33)),
    "hinge_square": lambda: (lambda x, y: (1 - x * y).clamp(min=0).square().mean(), several(2, 90, 33)),
    "hinge_margin": lambda: (lambda x, y: (2 - x * y).clamp(min=0).mean(), several(2, 90, 33)),
    "hinge_rows": lambda: (lambda x, y: (1 - x * y).clamp(min=0).mean(0), several(2, 90, 33)),
    "polar": lambda: (lambda r, a: (r * a.cos(), r * a.sin()), several(2, 700)),
    "polar_more": lambda: (lambda r, a: (r * a.cos(), r * a.sin(), r * a.tan()), several(2, 700)),
    "polar_less": lambda: (lambda r, a: r * a.cos(), several(2, 700)),
    "polar_long": lambda: (lambda r, a: (r * a.cos(), r * a.sin()), several(2, 7001)),
    "polar_half": lambda: (lambda r, a: (r * a.cos(), r * a.sin()), several(2, 700, dtype=BF16)),
    "polar_up": lambda: (lambda r, a: (r * a.float().cos(), r * a.float().sin()), several(2, 700, dtype=BF16)),
    "channels": lambda: (lambda x, s: (x * s[:, None, None]).amax((2, 3)), (randn(4, 8, 30, 30), randn(8))),
    "channels_min": lambda: (lambda x, s: (x * s[:, None, None]).amin((2, 3)), (randn(4, 8, 30, 30), randn(8))),
    "channels_last": lambda: (
        lambda x, s: (x * s[:, None, None]).amax((2, 3)),
        (randn(4, 8, 30, 30).to(memory_format=torch.channels_last), randn(8)),
    ),
    "sorted": lambda: (lambda x: x.sort(-1).values * 2, (randn(20, 100),)),
    "sorted_down": lambda: (lambda x: x.sort(-1, descending=True).values * 2, (randn(20, 100),)),
    "largest": lambda: (lambda x: x.topk(5).values + 1, (randn(20, 100),)),
    "largest_more": lambda: (lambda x: x.topk(6).values + 1, (randn(20, 100),)),
    "one_hot": lambda: (lambda i: F.one_hot(i, 10).float().sum(0), (integers(10, 50),)),
    "one_hot_more": lambda: (lambda i: F.one_hot(i, 12).float().sum(0), (integers(10, 50),)),
    "masked": lambda: (lambda x, m: x.masked_fill(m, 0.0).sum(-1), (randn(60, 500), randn(60, 500) > 0)),
    "masked_low": lambda: (lambda x, m: x.masked_fill(m, -1.0).sum(-1), (randn(60, 500), randn(60, 500) > 0)),
    "masked_not": lambda: (lambda x, m: x.masked_fill(~m, 0.0).sum(-1), (randn(60, 500), randn(60, 500) > 0)),
    "residual": lambda: (
        lambda x, w, v, b: F.layer_norm(x + F.relu(x @ w + b) @ v, (128,)),
        (randn(64, 128, grad=True), randn(128, 256, grad=True), randn(256, 128, grad=True), randn(256, grad=True)),
        TRAIN,
    ),
    "residual_gelu": lambda: (
        lambda x, w, v, b: F.layer_norm(x + F.gelu(x @ w + b) @ v, (128,)),
        (randn(64, 128, grad=True), randn(128, 256, grad=True), randn(256, 128, grad=True), randn(256, grad=True)),
        TRAIN,
    ),
    "residual_dropout": lambda: (
        lambda x, w, v, b: F.layer_norm(x + F.dropout(F.relu(x @ w + b), 0.2) @ v, (128,)),
        (randn(64, 128, grad=True), randn(128, 256, grad=True), randn(256, 128, grad=True), randn(256, grad=True)),
        TRAIN,
    ),
    "depthwise": lambda: (lambda x, w: F.conv2d(x, w, groups=16).sigmoid(), (randn(2, 16, 20, 20), randn(16, 1, 3, 3))),
    "depthwise_stride": lambda: (
        lambda x, w: F.conv2d(x, w, groups=16, stride=2).sigmoid(), (randn(2, 16, 20, 20), randn(16, 1, 3, 3)),
    ),
    "running": lambda: (lambda x: torch.cumsum(x, 0).exp(), (randn(300, 20),)),
    "running_product": lambda: (lambda x: torch.cumprod(x, 0).exp(), (randn(300, 20),)),
    "running_last": lambda: (lambda x: torch.cumsum(x, 1).exp(), (randn(300, 20),)),
    "momentum": lambda: (_momentum(nesterov=False), several(3, 1500)),
    "momentum_nesterov": lambda: (_momentum(nesterov=True), several(3, 1500)),
    "copied": lambda: (lambda x: x.transpose(0, 1).contiguous() * 3, (randn(90, 200),)),
    "copied_not": lambda: (lambda x: x.transpose(0, 1) * 3, (randn(90, 200),)),
    "flex_document": lambda: (flex(block_mask=_mask(lambda b, h, q, k: (q // 64) == (k // 64))), _qkv()),
    "flex_document_wide": lambda: (flex(block_mask=_mask(lambda b, h, q, k: (q // 96) == (k // 96))), _qkv()),
    "flex_tanh": lambda: (flex(score_mod=lambda s, b, h, q, k: torch.tanh(s)), _qkv()),
    "flex_head": lambda: (flex(score_mod=lambda s, b, h, q, k: s * (h + 1)), _qkv()),
    "flex_small_tile": lambda: (flex(kernel_options={"BLOCK_M": 32, "BLOCK_N": 32}, block_mask=_mask(causal)), _qkv()),
    "flex_few_heads": lambda: (flex(), several(3, 2, 2, 512, 64, dtype=torch.float16)),
    "flash_window_wide": lambda: (flex(block_mask=_mask(lambda b, h, q, k: (q >= k) & (q - k < 200)), **FLASH), _qkv()),
    "flash_tanh": lambda: (flex(score_mod=lambda s, b, h, q, k: torch.tanh(s), **FLASH), _qkv()),
    "flash_wide": lambda: (flex(**FLASH), _qkv(width=128)),
    "flash_train_scale": lambda: (flex(score_mod=lambda s, b, h, q, k: s * 2, **FLASH), _qkv(grad=True), TRAIN),
}  # fmt: skip
