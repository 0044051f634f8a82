"""The fourth set of pairs, third part of its programs: attention, matrices, small kernels, training steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from cost_pairs.fourth_models import _experts, _modulated, _plain_norm, _rms, _rms_gated, _rotary_both
from cost_pairs.matrices import _flex, _heads, causal
from cost_pairs.sides import BF16, LAST, TRAIN, Programs, bf16, integers, randn, several


def _sink(s: Any, sink: Any) -> Any:
    s = torch.cat((s, sink.expand(*s.shape[:-1], 1)), -1)
    return s.float().softmax(-1)[..., :-1].to(BF16)


def _causal_scores(s: Any, sink: Any) -> Any:
    rows = torch.arange(s.shape[-1], device="cuda")
    return s.float().masked_fill(rows[:, None] < rows, -1e9).softmax(-1).to(BF16)


def _chunks(q: Any, k: Any, v: Any) -> Any:
    q, k, v = (x.unflatten(2, (-1, 128)) for x in (q, k, v))
    return ((q @ k.mT).float().softmax(-1).to(BF16) @ v).flatten(2, 3)


def _kernels(q: Any, k: Any, v: Any) -> Any:
    return q.softmax(-1) @ (k.softmax(-2).mT @ v)


def _attention_from_rows(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)


def _limits() -> Any:
    ends = integers(1024, 4) + 1024
    return lambda b, h, q, k: k < ends[q // 512]


def _biases() -> Any:
    bias = randn(16, 64)
    return lambda s, b, h, q, k: s + bias[h, torch.clamp((q - k).abs() // 32, max=63)]


def _near(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (q - k).abs() <= 256


def _nearest(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (q >= k) & ((q - k <= 256) | (k < 64))


def _sloped_cap(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return 20 * torch.tanh((s - 0.05 * (h + 1) * (q - k)) / 20)


def _mm(after: Callable[..., Any], *more: torch.Tensor) -> Any:
    return (lambda x, w, *rest: after(x @ w, *rest)), (bf16(4096, 2048), bf16(2048, 2048), *more)


def _contrast(a: Any, b: Any) -> Any:
    return F.cross_entropy((a @ b.mT).float() / 0.07, torch.arange(a.shape[0], device="cuda"))


PROGRAMS: Programs = {
    # attention
    "fourth_sink": lambda: (_sink, (bf16(4, 8, 1024, 1024), bf16(8, 1, 1))),
    "fourth_causal_scores": lambda: (_causal_scores, (bf16(4, 8, 1024, 1024), bf16(8, 1, 1))),
    "fourth_chunks": lambda: (_chunks, _heads(2048)),
    "fourth_kernels": lambda: (_kernels, _heads(2048)),
    "fourth_sdpa_128": lambda: (
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)), _heads(2048, width=128, batch=2)),
    "fourth_sdpa_from_rows": lambda: (_attention_from_rows, several(3, 2, 2048, 16, 128, dtype=BF16)),
    "fourth_sdpa_bias": lambda: (
        (lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m)),
        (*_heads(1024), bf16(1, 16, 1024, 1024))),
    "fourth_sdpa_no_bias": lambda: (
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=0.1)), _heads(1024)),
    "fourth_sdpa_one": lambda: (
        F.scaled_dot_product_attention, _heads(4096, width=128, batch=16, queries=1)),
    "fourth_flex_plain": lambda: _flex(heads={"length": 2048}),
    "fourth_flex_limits": lambda: _flex(_limits(), heads={"length": 2048}),
    "fourth_flex_biases": lambda: _flex(score=_biases(), heads={"length": 2048}),
    "fourth_flex_near": lambda: _flex(_near, heads={"length": 2048}),
    "fourth_flex_nearest": lambda: _flex(_nearest, heads={"length": 2048}),
    "fourth_flex_sloped_cap": lambda: _flex(causal, _sloped_cap, heads={"length": 2048}),
    "fourth_flex_causal_128": lambda: _flex(causal, heads={"length": 2048, "width": 128, "batch": 2}),
    "fourth_train_flex_near": lambda: _flex(_near, heads={"length": 1024, "grad": True}),
    "fourth_train_flex": lambda: _flex(heads={"length": 1024, "grad": True}),
    # matrices
    "fourth_mm": lambda: _mm(lambda y: y * 0.5),
    "fourth_mm_residual_norm": lambda: _mm((lambda y, r: _plain_norm(y + r)), bf16(4096, 2048)),
    "fourth_mm_square": lambda: _mm(lambda y: F.relu(y).square()),
    "fourth_mm_tanh_bias": lambda: _mm((lambda y, b: torch.tanh(y + b)), bf16(2048)),
    "fourth_mm_halves": lambda: _mm(lambda y: F.silu(y[:, :1024]) * y[:, 1024:]),
    "fourth_mm_dropout": lambda: _mm(lambda y: F.dropout(y, 0.1)),
    "fourth_mm_softmax": lambda: _mm(lambda y: y.float().softmax(-1)),
    "fourth_mm_two": lambda: ((lambda a, b, c: (a @ b) @ c), (bf16(8192, 64), bf16(64, 2048), bf16(2048, 64))),
    "fourth_mm_two_relu": lambda: (
        (lambda a, b, c: (a @ b).relu() @ c), (bf16(8192, 64), bf16(64, 2048), bf16(2048, 64))),
    "fourth_mm_padded": lambda: ((lambda a, b: (a @ b).relu()), (bf16(4096, 2047), bf16(2047, 2049))),
    "fourth_mm_thin_inner": lambda: ((lambda a, b: a @ b + 1), (bf16(8192, 8), bf16(8, 4096))),
    "fourth_mm_thin_outer": lambda: ((lambda a, b: a @ b + 1), (bf16(32768, 1024), bf16(1024, 8))),
    "fourth_vectors": lambda: ((lambda a, b: a @ b * 2), (bf16(256, 1, 1024), bf16(256, 1024, 256))),
    "fourth_batches": lambda: ((lambda a, b: a @ b * 2), (bf16(256, 64, 1024), bf16(256, 1024, 256))),
    "fourth_batches_f32": lambda: ((lambda a, b: a @ b * 2), (randn(256, 64, 1024), randn(256, 1024, 256))),
    "fourth_added_batches": lambda: (
        (lambda c, a, b: torch.baddbmm(c, a, b)), (bf16(256, 64, 256), bf16(256, 64, 1024), bf16(256, 1024, 256))),
    "fourth_contrast": lambda: (_contrast, (bf16(4096, 512), bf16(4096, 512))),
    "fourth_conv_1x1": lambda: (
        (lambda x, w, b: F.silu(F.conv2d(x, w, b))),
        (bf16(16, 256, 32, 32).to(**LAST), bf16(512, 256, 1, 1).to(**LAST), bf16(512))),
    "fourth_conv_3d": lambda: ((lambda x, w: F.silu(F.conv3d(x, w))), (bf16(2, 32, 18, 66, 66), bf16(32, 32, 3, 3, 3))),
    "fourth_conv_back": lambda: (
        (lambda x, w: F.relu(F.conv_transpose2d(x, w, stride=2))), (bf16(16, 128, 32, 32), bf16(128, 64, 2, 2))),
    # small kernels
    "fourth_tiny_mlp": lambda: (
        (lambda x, a, b: (x @ a).tanh() @ b + x), (randn(32, 128), randn(128, 128), randn(128, 128))),
    "fourth_tiny_mlp_norm": lambda: (
        (lambda x, a, b: _plain_norm((x @ a).tanh() @ b + x)), (randn(32, 128), randn(128, 128), randn(128, 128))),
    "fourth_tiny_steps": lambda: (
        (lambda *ts: [p - 0.01 * g for p, g in zip(ts[:8], ts[8:], strict=True)]),
        tuple(randn(64 * (i % 8 + 1), 32) for i in range(16))),
    "fourth_tiny_one_step": lambda: ((lambda p, g: p - 0.01 * g), several(2, 2304, 32)),
    "fourth_tiny_stats": lambda: ((lambda x: (x.mean(0), x.var(0), x.amax(1))), (randn(512, 256),)),
    "fourth_tiny_mean": lambda: ((lambda x: x.mean(0)), (randn(512, 256),)),
    "fourth_tiny_total": lambda: ((lambda x: (x - x.mean()).square().sum()), (randn(512, 256),)),
    # training steps
    "fourth_train_rms_gated": lambda: (
        _rms_gated, (bf16(8192, 2048, grad=True), bf16(8192, 2048, grad=True), bf16(2048, grad=True)), TRAIN),
    "fourth_train_rms": lambda: (_rms, (bf16(8192, 2048, grad=True), bf16(2048, grad=True)), TRAIN),
    "fourth_train_modulated": lambda: (
        _modulated, (bf16(16, 512, 1152, grad=True), bf16(16, 1152, grad=True), bf16(16, 1152, grad=True)), TRAIN),
    "fourth_train_layer_scale": lambda: (
        (lambda x, y, g: x + g * y),
        (bf16(16384, 1024, grad=True), bf16(16384, 1024, grad=True), bf16(1024, grad=True)), TRAIN),
    "fourth_train_silu_product": lambda: (
        (lambda a, b: F.silu(a) * b), (bf16(8192, 2048, grad=True), bf16(8192, 2048, grad=True)), TRAIN),
    "fourth_train_product": lambda: (
        (lambda a, b: a * b), (bf16(8192, 2048, grad=True), bf16(8192, 2048, grad=True)), TRAIN),
    "fourth_train_smoothed": lambda: (
        (lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1)),
        (bf16(4096, 16384, grad=True), integers(16384, 4096)), TRAIN),
    "fourth_train_capped": lambda: (
        (lambda x, y: F.cross_entropy(30 * torch.tanh(x.float() / 30), y)),
        (bf16(4096, 16384, grad=True), integers(16384, 4096)), TRAIN),
    "fourth_train_experts": lambda: (
        _experts, (bf16(16, 256, 512, grad=True), *(bf16(16, 512, 512, grad=True) for _ in range(3))), TRAIN),
    "fourth_train_rotary": lambda: (
        _rotary_both,
        (bf16(2, 2048, 16, 128, grad=True), bf16(2, 2048, 4, 128, grad=True), bf16(2048, 128), bf16(2048, 128)), TRAIN),
    "fourth_train_resize": lambda: (
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")), (randn(8, 16, 128, 128, grad=True),), TRAIN),
    "fourth_train_resize_nearest": lambda: (
        (lambda x: F.interpolate(x, scale_factor=2.0)), (randn(8, 16, 128, 128, grad=True),), TRAIN),
    "fourth_train_looked_up": lambda: (
        (lambda t, i: F.embedding(i, t).tanh().mean(1)),
        (randn(4096, 256, grad=True), integers(4096, 4096, 16)), TRAIN),
}  # fmt: skip
