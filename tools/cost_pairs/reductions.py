"""Programs with reductions, scans, norms and losses."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from cost_pairs.sides import BF16, LAST, TRAIN, Programs, bf16, integers, randn


def _batch_norm(x: Any) -> Any:
    return ((x - x.mean(0)) / (x.var(0) + 1e-5).sqrt()).sigmoid()


def _rms(x: Any, w: Any) -> Any:
    return x * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6).to(x.dtype) * w


def _rms_bf16(x: Any, w: Any) -> Any:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * w


def _norm(x: Any, w: Any, b: Any) -> Any:
    return F.layer_norm(x, (x.shape[-1],), w, b)


def _quantize(x: Any) -> Any:
    scale = x.abs().amax(-1, keepdim=True) / 127.0
    return (x / scale).round().to(torch.int8), scale


def _sums(name: str, *shape: int) -> Programs:
    dims = {"last": -1, "first": 0, "all": None} | ({"middle": 1} if len(shape) == 3 else {})
    return {
        f"sum_{name}_{where}": lambda dim=dim: ((lambda x: x.sum() if dim is None else x.sum(dim)), (randn(*shape),))
        for where, dim in dims.items()
    }


PROGRAMS: Programs = {
    **_sums("square", 8192, 8192),
    **_sums("tall", 1 << 20, 64),
    **_sums("wide", 64, 1 << 20),
    **_sums("cube", 256, 512, 512),
    **_sums("small", 256, 256),
    "sum_last_twice": lambda: ((lambda x: (x.sum(-1), (x * x).sum(-1))), (randn(8192, 8192),)),
    "sum_both": lambda: ((lambda x: (x.sum(-1), x.sum(0))), (randn(8192, 8192),)),
    "sum_bf16": lambda: ((lambda x: x.sum(-1)), (bf16(8192, 8192),)),
    "sum_f64": lambda: ((lambda x: x.double().sum(-1).float()), (randn(8192, 8192),)),
    "sum_exp": lambda: ((lambda x: x.exp().sum(-1)), (randn(8192, 8192),)),
    "sum_transposed": lambda: ((lambda x: x.t().sum(-1)), (randn(8192, 8192),)),
    "sum_strided": lambda: ((lambda x: x[:, ::2].sum(-1)), (randn(8192, 8192),)),
    "sum_one_row": lambda: ((lambda x: x.sum(-1)), (randn(1, 1 << 24),)),
    "sum_few_rows": lambda: ((lambda x: x.sum(-1)), (randn(16, 1 << 22),)),
    "sum_20_first": lambda: ((lambda x: x.sum(0)), (randn(20, 1 << 22),)),
    "mean": lambda: ((lambda x: x.mean(-1)), (randn(8192, 8192),)),
    "var": lambda: ((lambda x: x.var(-1)), (randn(8192, 8192),)),
    "var_first": lambda: ((lambda x: x.var(0)), (randn(65536, 1024),)),
    "var_two_pass": lambda: ((lambda x: ((x - x.mean(-1, keepdim=True)) ** 2).mean(-1)), (randn(8192, 8192),)),
    "amax": lambda: ((lambda x: x.amax(-1)), (randn(8192, 8192),)),
    "amax_first": lambda: ((lambda x: x.amax(0)), (randn(8192, 8192),)),
    "argmax": lambda: ((lambda x: x.argmax(-1)), (randn(8192, 8192),)),
    "argmax_first": lambda: ((lambda x: x.argmax(0)), (randn(8192, 8192),)),
    "any": lambda: ((lambda x: (x > 3.0).any(-1)), (randn(8192, 8192),)),
    "prod": lambda: ((lambda x: x.prod(-1)), (randn(8192, 8192),)),
    "logsumexp": lambda: ((lambda x: x.logsumexp(-1)), (randn(8192, 8192),)),
    "norm": lambda: ((lambda x: x.norm(dim=-1)), (randn(8192, 8192),)),
    "normalize": lambda: ((lambda x: x / x.norm(dim=-1, keepdim=True)), (randn(8192, 8192),)),
    "normalize_first": lambda: ((lambda x: x / x.norm(dim=0, keepdim=True)), (randn(8192, 8192),)),
    "cumsum": lambda: ((lambda x: x.cumsum(-1)), (randn(8192, 8192),)),
    "cumsum_short": lambda: ((lambda x: x.cumsum(-1)), (randn(262144, 256),)),
    "sort": lambda: ((lambda x: x.sort(-1)[0]), (randn(65536, 128),)),
    "softmax": lambda: ((lambda x: x.softmax(-1)), (randn(8192, 8192),)),
    "softmax_bf16": lambda: ((lambda x: x.softmax(-1)), (bf16(8192, 8192),)),
    "softmax_up": lambda: ((lambda x: x.float().softmax(-1).to(BF16)), (bf16(8192, 8192),)),
    "softmax_first": lambda: ((lambda x: x.softmax(0)), (randn(8192, 8192),)),
    "softmax_narrow": lambda: ((lambda x: x.softmax(-1)), (randn(262144, 256),)),
    "softmax_wide": lambda: ((lambda x: x.softmax(-1)), (randn(512, 131072),)),
    "softmax_odd": lambda: ((lambda x: x.softmax(-1)), (randn(8192, 8191),)),
    "softmax_three": lambda: ((lambda x: x.softmax(-1)), (randn(1 << 22, 3 * 4),)),
    "softmax_masked": lambda: (
        (lambda x, m: x.masked_fill(m, -1e9).softmax(-1)),
        (randn(8192, 8192), randn(8192, 8192) > 0),
    ),
    "softmax_masked_row": lambda: (
        (lambda x, m: x.masked_fill(m, -1e9).softmax(-1)),
        (randn(8192, 8192), randn(8192) > 0),
    ),
    "log_softmax": lambda: ((lambda x: x.log_softmax(-1)), (randn(8192, 8192),)),
    "softmax_twice": lambda: ((lambda x: (x.softmax(-1) * 3.0).softmax(-1)), (randn(8192, 8192),)),
    "batch_norm": lambda: (_batch_norm, (randn(65536, 512),)),
    "batch_norm_small": lambda: (_batch_norm, (randn(2048, 512),)),
    "batch_norm_2d": lambda: ((lambda x: F.relu(F.batch_norm(x, None, None, training=True))), (randn(64, 64, 56, 56),)),
    "batch_norm_2d_last": lambda: (
        (lambda x: F.relu(F.batch_norm(x, None, None, training=True))),
        (randn(64, 64, 56, 56).to(**LAST),),
    ),
    "group_norm": lambda: ((lambda x: F.silu(F.group_norm(x, 32))), (randn(32, 128, 64, 64),)),
    "group_norm_relu": lambda: ((lambda x: F.relu(F.group_norm(x, 32))), (randn(32, 128, 64, 64),)),
    "instance_norm": lambda: ((lambda x: F.instance_norm(x)), (randn(32, 128, 64, 64),)),
    "layer_norm": lambda: (_norm, (bf16(16384, 4096), bf16(4096), bf16(4096))),
    "layer_norm_f32": lambda: (_norm, (randn(16384, 4096), randn(4096), randn(4096))),
    "layer_norm_narrow": lambda: (_norm, (bf16(262144, 128), bf16(128), bf16(128))),
    "layer_norm_wide": lambda: (_norm, (bf16(512, 65536), bf16(65536), bf16(65536))),
    "layer_norm_few": lambda: (_norm, (bf16(16, 4096), bf16(4096), bf16(4096))),
    "layer_norm_gelu": lambda: ((lambda x, w, b: F.gelu(_norm(x, w, b))), (bf16(16384, 4096), bf16(4096), bf16(4096))),
    "layer_norm_add": lambda: (
        (lambda x, y, w, b: _norm(x + y, w, b)),
        (bf16(16384, 4096), bf16(16384, 4096), bf16(4096), bf16(4096)),
    ),
    "rms_norm": lambda: (_rms, (bf16(16384, 4096), bf16(4096))),
    "rms_norm_bf16": lambda: (_rms_bf16, (bf16(16384, 4096), bf16(4096))),
    "rms_norm_twice": lambda: ((lambda x, w: _rms(_rms(x, w), w)), (bf16(16384, 4096), bf16(4096))),
    "quantize_rows": lambda: (_quantize, (bf16(16384, 4096),)),
    "quantize_all": lambda: ((lambda x: (x / x.abs().amax() * 127.0).round().to(torch.int8)), (bf16(16384, 4096),)),
    "cross_entropy": lambda: (F.cross_entropy, (bf16(4096, 32000), integers(32000, 4096))),
    "cross_entropy_f32": lambda: (
        (lambda x, t: F.cross_entropy(x.float(), t)),
        (bf16(4096, 32000), integers(32000, 4096)),
    ),
    "mse": lambda: (F.mse_loss, (randn(8192, 8192), randn(8192, 8192))),
    "mse_rows": lambda: ((lambda x, y: ((x - y) ** 2).mean(-1)), (randn(8192, 8192), randn(8192, 8192))),
    "attention_scores": lambda: (
        (lambda s, m: (s * 0.125 + m).softmax(-1)),
        (bf16(8, 16, 1024, 1024), bf16(1024, 1024)),
    ),
    "attention_scores_batch": lambda: (
        (lambda s, m: (s * 0.125 + m).softmax(-1)),
        (bf16(8, 16, 1024, 1024), bf16(8, 1, 1024, 1024)),
    ),
    # training steps
    "train_layer_norm": lambda: (
        _norm,
        (randn(16384, 1024, grad=True), randn(1024, grad=True), randn(1024, grad=True)), TRAIN,
    ),
    "train_layer_norm_bf16": lambda: (
        _norm,
        (bf16(16384, 4096, grad=True), bf16(4096, grad=True), bf16(4096, grad=True)), TRAIN,
    ),
    "train_rms_norm": lambda: (_rms, (randn(32768, 512, grad=True), randn(512, grad=True)), TRAIN),
    "train_softmax": lambda: ((lambda x: x.softmax(-1)), (randn(8192, 8192, grad=True),), TRAIN),
    "train_gelu": lambda: ((lambda x: F.gelu(x)), (randn(8192, 8192, grad=True),), TRAIN),
    "train_relu": lambda: ((lambda x: F.relu(x)), (randn(8192, 8192, grad=True),), TRAIN),
    "train_gelu_tanh": lambda: ((lambda x: F.gelu(x, approximate="tanh")), (randn(8192, 8192, grad=True),), TRAIN),
    "train_bias": lambda: ((lambda x, b: F.gelu(x + b)), (bf16(16384, 4096, grad=True), bf16(4096, grad=True)), TRAIN),
    "train_cross_entropy": lambda: (F.cross_entropy, (bf16(4096, 32000, grad=True), integers(32000, 4096)), TRAIN),
    "train_embedding": lambda: (
        (lambda i, w: F.embedding(i, w)),
        (integers(50000, 16384), randn(50000, 512, grad=True)), TRAIN,
    ),
    "train_batch_norm": lambda: (
        (lambda x: F.relu(F.batch_norm(x, None, None, training=True))),
        (randn(64, 64, 56, 56, grad=True),), TRAIN,
    ),
    "train_group_norm": lambda: ((lambda x: F.silu(F.group_norm(x, 32))), (randn(32, 128, 64, 64, grad=True),), TRAIN),
    "train_dropout": lambda: ((lambda x: F.dropout(x, 0.1) * 2.0), (randn(8192, 8192, grad=True),), TRAIN),
    "train_max_pool": lambda: ((lambda x: F.max_pool2d(x, 2)), (randn(32, 64, 112, 112, grad=True),), TRAIN),
}  # fmt: skip
