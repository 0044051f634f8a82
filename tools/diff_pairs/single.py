"""Programs of single operators as in the tests of torch, of kernels that a user wrote, and of small functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _adamw(rate: float = 1e-3, amsgrad: bool = False, dtype: torch.dtype = torch.float32) -> Any:
    def update(params: Any, grads: Any, means: Any, squares: Any, peaks: Any) -> None:
        for p, g, m, v, top in zip(params, grads, means, squares, peaks, strict=True):
            p.mul_(1 - rate * 0.01)
            m.lerp_(g.float(), 0.1)
            v.mul_(0.999).addcmul_(g.float(), g.float(), value=0.001)
            if amsgrad:
                torch.maximum(top, v, out=top)
            p.sub_(rate * m / ((top if amsgrad else v).sqrt() + 1e-8))

    def like(kind: torch.dtype) -> list[torch.Tensor]:
        return [randn(300, dtype=kind), randn(40, 24, dtype=kind), randn(24, dtype=kind)]

    return update, (like(dtype), like(dtype), *(like(torch.float32) for _ in range(3)))


def _rewards(swapped: bool) -> Callable[..., Any]:
    def run(policy: torch.Tensor, old: torch.Tensor, gain: torch.Tensor) -> Any:
        if swapped:
            gained = gain.tanh() * 0.5
            ratio = (policy - old).exp()
        else:
            ratio = (policy - old).exp()
            gained = gain.tanh() * 0.5
        return torch.minimum(ratio * gained[:, None], ratio.clamp(0.8, 1.2) * gained[:, None])

    return run


def _quantize(x: torch.Tensor) -> Any:
    scale = x.abs().amax(-1, keepdim=True) / 127
    return (x / scale).round().clamp(-128, 127).to(torch.int8), scale


def _quantize_float8(x: torch.Tensor) -> Any:
    scale = x.abs().amax(-1, keepdim=True) / 448
    return (x / scale).clamp(-448, 448).to(torch.float8_e4m3fn), scale


def _quantize_down(x: torch.Tensor) -> Any:
    scale = x.abs().amax(-1, keepdim=True) / 127
    return (x / scale).floor().clamp(-128, 127).to(torch.int8), scale


def _unpack(low_first: bool) -> Callable[..., Any]:
    def run(packed: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        halves = [packed & 15, packed >> 4]
        both = torch.stack(halves if low_first else halves[::-1], -1).flatten(1)
        return (both.to(BF16) - 8) * scale

    return run


def _rope(interleaved: bool) -> Callable[..., Any]:
    def run(x: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        cos, sin = angle.cos(), angle.sin()
        one, two = (x[..., ::2], x[..., 1::2]) if interleaved else x.chunk(2, -1)
        parts = [one * cos - two * sin, two * cos + one * sin]
        return torch.stack(parts, -1).flatten(-2) if interleaved else torch.cat(parts, -1)

    return run


def _cache(start: int, scale: float = 1.0) -> Callable[..., Any]:
    def run(cache: torch.Tensor, k: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        cache[:, :, start : start + k.shape[2]] = k * scale
        return (q * cache).sum(-1)

    return run


def _cache_args(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    return randn(2, 4, 128, 32, dtype=dtype), randn(2, 4, 8, 32), randn(2, 4, 1, 32)


@triton.jit
def _axpy(x, y, out, n, a, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(out + at, a * tl.load(x + at, inside) + tl.load(y + at, inside), inside)


@triton.jit
def _axpy_relu(x, y, out, n, a, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    total = a * tl.load(x + at, inside) + tl.load(y + at, inside)
    tl.store(out + at, tl.maximum(total, 0.0), inside)


def _own_kernel(
    kernel: Any = _axpy,
    block: int = 256,
    before: Any = torch.sin,
    after: Any = torch.exp,
    factor: float = 0.5,
    **run: int,
) -> Any:
    def call(x: torch.Tensor, y: torch.Tensor) -> Any:
        x, out = before(x), torch.empty_like(y)
        kernel[(triton.cdiv(out.numel(), block),)](x, y, out, out.numel(), factor, BLOCK=block, **run)
        return after(out)

    return call, several(2, 60, 50)


@torch.library.custom_op("kernelsnap_pairs::opaque", mutates_args=())
def _opaque(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@_opaque.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


def _pixel_shuffle(x: torch.Tensor) -> torch.Tensor:
    return F.pixel_shuffle(x, 2).relu()


def _moments(x: torch.Tensor) -> Any:
    var, mean = torch.var_mean(x, (0, 2, 3))
    return (x - mean[:, None, None]) * (var[:, None, None] + 1e-5).rsqrt()


def _moe(stop: bool) -> Callable[..., Any]:
    def run(x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        weights, chosen = (x @ gate).softmax(-1).topk(2)
        if stop:
            torch._dynamo.graph_break()
        return torch.zeros(64, 8, device="cuda").scatter(1, chosen, weights / weights.sum(-1, keepdim=True))

    return run


def _clip(limit: float) -> Callable[..., Any]:
    def run(grads: Any) -> Any:
        total = torch.stack([grad.square().sum() for grad in grads]).sum().sqrt()
        return [grad * (limit / (total + 1e-6)).clamp(max=1.0) for grad in grads]

    return run


PROGRAMS: Programs = {
    "rewards": lambda: (_rewards(False), (randn(64, 40), randn(64, 40), randn(64))),
    "rewards_swapped": lambda: (_rewards(True), (randn(64, 40), randn(64, 40), randn(64))),
    "adamw": lambda: _adamw(),
    "adamw_rate": lambda: _adamw(rate=3e-4),
    "adamw_amsgrad": lambda: _adamw(amsgrad=True),
    "adamw_bf16": lambda: _adamw(dtype=BF16),
    "quantize": lambda: (_quantize, (randn(100, 640, dtype=BF16),)),
    "quantize_float8": lambda: (_quantize_float8, (randn(100, 640, dtype=BF16),)),
    "quantize_down": lambda: (_quantize_down, (randn(100, 640, dtype=BF16),)),
    "unpack": lambda: (_unpack(True), (integers(256, 64, 96, dtype=torch.uint8), randn(64, 1, dtype=BF16))),
    "unpack_high": lambda: (_unpack(False), (integers(256, 64, 96, dtype=torch.uint8), randn(64, 1, dtype=BF16))),
    "unpack_columns": lambda: (_unpack(True), (integers(256, 64, 96, dtype=torch.uint8), randn(192, dtype=BF16))),
    "rope": lambda: (_rope(False), (randn(2, 4, 80, 64, dtype=BF16), randn(80, 32))),
    "rope_interleaved": lambda: (_rope(True), (randn(2, 4, 80, 64, dtype=BF16), randn(80, 32))),
    "rope_turned": lambda: (_rope(False), (randn(2, 80, 4, 64, dtype=BF16).transpose(1, 2), randn(80, 32))),
    "cache": lambda: (_cache(16), _cache_args()),
    "cache_later": lambda: (_cache(40), _cache_args()),
    "cache_half": lambda: (_cache(16), _cache_args(BF16)),
    "cache_scaled_half": lambda: (_cache(16, scale=0.25), _cache_args(BF16)),
    "own": lambda: _own_kernel(),
    "own_block": lambda: _own_kernel(block=512),
    "own_warps": lambda: _own_kernel(num_warps=8),
    "own_relu": lambda: _own_kernel(_axpy_relu),
    "own_factor": lambda: _own_kernel(factor=0.25),
    "own_block_cos": lambda: _own_kernel(block=1024, before=torch.cos),
    "opaque": lambda: (lambda x: _opaque(x.t() * 2).sin() + x.t(), (randn(48, 80),)),
    "opaque_packed": lambda: (lambda x: _opaque((x.t() * 2).contiguous()).sin() + x.t(), (randn(48, 80),)),
    "smooth": lambda: (
        lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1),
        (randn(200, 500, dtype=BF16, grad=True), integers(500, 200)), TRAIN,
    ),
    "smooth_more": lambda: (
        lambda x, t: F.cross_entropy(x, t, label_smoothing=0.2),
        (randn(200, 500, dtype=BF16, grad=True), integers(500, 200)), TRAIN,
    ),
    "smooth_ignore": lambda: (
        lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1, ignore_index=0),
        (randn(200, 500, dtype=BF16, grad=True), integers(500, 200)), TRAIN,
    ),
    "triplet": lambda: (
        lambda x, y, z: F.triplet_margin_loss(x, y, z, margin=0.5), several(3, 64, 96, grad=True), TRAIN,
    ),
    "triplet_cosine": lambda: (
        lambda x, y, z: (F.cosine_similarity(x, z) - F.cosine_similarity(x, y) + 0.5).clamp(min=0).mean(),
        several(3, 64, 96, grad=True), TRAIN,
    ),
    "bags": lambda: (
        lambda w, i: F.embedding(i, w).sum(1).tanh(), (randn(500, 40, grad=True), integers(500, 60, 9)), TRAIN,
    ),
    "bags_max": lambda: (
        lambda w, i: F.embedding(i, w).amax(1).tanh(), (randn(500, 40, grad=True), integers(500, 60, 9)), TRAIN,
    ),
    "bags_padded": lambda: (
        lambda w, i: F.embedding(i, w, padding_idx=0).sum(1).tanh(), (randn(500, 40, grad=True), integers(500, 60, 9)),
        TRAIN,
    ),
    "segments": lambda: (
        lambda x, i: torch.zeros(20, 30, device="cuda").scatter_reduce(0, i, x, "sum").relu(),
        (randn(100, 30), integers(20, 100, 30)),
    ),
    "segments_max": lambda: (
        lambda x, i: torch.zeros(20, 30, device="cuda").scatter_reduce(0, i, x, "amax").relu(),
        (randn(100, 30), integers(20, 100, 30)),
    ),
    "segments_half": lambda: (
        lambda x, i: torch.zeros(20, 30, device="cuda").scatter_reduce(0, i, x, "sum").relu() * 0.5,
        (randn(100, 30), integers(20, 100, 30)),
    ),
    "moe": lambda: (_moe(False), (randn(64, 32), randn(32, 8))),
    "moe_stops": lambda: (_moe(True), (randn(64, 32), randn(32, 8))),
    "running": lambda: (lambda x: x.cumsum(-1) / torch.arange(1, x.shape[-1] + 1, device="cuda"), (randn(40, 900),)),
    "running_exp": lambda: (
        lambda x: torch.logcumsumexp(x, -1) - torch.arange(1, 901, device="cuda"), (randn(40, 900),),
    ),
    "moments": lambda: (_moments, (randn(16, 12, 20, 20),)),
    "shuffle": lambda: (_pixel_shuffle, (randn(2, 16, 12, 12),)),
    "shuffle_last": lambda: (_pixel_shuffle, (randn(2, 16, 12, 12).to(memory_format=torch.channels_last),)),
    "reflect": lambda: (lambda x: F.pad(x, (2, 2, 2, 2), mode="reflect") * 2, (randn(2, 3, 20, 20),)),
    "reflect_not": lambda: (lambda x: F.pad(x, (2, 2, 2, 2), mode="replicate") * 2, (randn(2, 3, 20, 20),)),
    "pool": lambda: (lambda x: F.max_pool2d(x, 3, 2, 1).sigmoid(), (randn(2, 8, 25, 25, grad=True),), TRAIN),
    "pool_ceil": lambda: (
        lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True).sigmoid(), (randn(2, 8, 26, 26, grad=True),), TRAIN,
    ),
    "pool_floor": lambda: (lambda x: F.max_pool2d(x, 3, 2, 1).sigmoid(), (randn(2, 8, 26, 26, grad=True),), TRAIN),
    "cats": lambda: (
        lambda *x: torch.cat([y.relu() + 1 for y in x], 1) * 2, tuple(randn(33, 20 + n) for n in range(4)),
    ),
    "views": lambda: (
        lambda x: (x.unfold(1, 8, 4) * torch.hann_window(8, device="cuda")).square().sum(-1), (randn(6, 400),),
    ),
    "views_hop": lambda: (
        lambda x: (x.unfold(1, 8, 8) * torch.hann_window(8, device="cuda")).square().sum(-1), (randn(6, 400),),
    ),
    "any": lambda: (lambda x, m: (x.isnan() | m).any(1), (randn(70, 300), randn(70, 300) > 0)),
    "all": lambda: (lambda x, m: (x.isnan() | m).all(1), (randn(70, 300), randn(70, 300) > 0)),
    "buckets": lambda: (lambda x, e: torch.bucketize(x, e).float() * 0.1, (randn(800), randn(31))),
    "buckets_right": lambda: (lambda x, e: torch.bucketize(x, e, right=True).float() * 0.1, (randn(800), randn(31))),
    "ranks": lambda: (lambda x: x.argsort(-1).float() + x.sort(-1).values, (randn(40, 200),)),
    "masked": lambda: (
        lambda x: x.masked_fill(torch.ones(64, 64, device="cuda", dtype=torch.bool).triu(1), float("-inf")).softmax(-1),
        (randn(8, 64, 64, dtype=BF16),),
    ),
    "masked_band": lambda: (
        lambda x: x.masked_fill(torch.ones(64, 64, device="cuda", dtype=torch.bool).triu(3), float("-inf")).softmax(-1),
        (randn(8, 64, 64, dtype=BF16),),
    ),
    "mixed": lambda: (
        lambda x, w, b: F.layer_norm(x.float() + b, (320,), w).to(BF16),
        (randn(90, 320, dtype=BF16, grad=True), randn(320, grad=True), randn(320, grad=True)), TRAIN,
    ),
    "mixed_half": lambda: (
        lambda x, w, b: F.layer_norm(x + b.to(BF16), (320,), w.to(BF16)),
        (randn(90, 320, dtype=BF16, grad=True), randn(320, grad=True), randn(320, grad=True)), TRAIN,
    ),
    "mixed_eps": lambda: (
        lambda x, w, b: F.layer_norm(x.float() + b, (320,), w, eps=1e-6).to(BF16),
        (randn(90, 320, dtype=BF16, grad=True), randn(320, grad=True), randn(320, grad=True)), TRAIN,
    ),
    "pointwise_conv": lambda: (
        lambda x, w, b: F.hardswish(F.conv2d(x, w, b)), (randn(2, 24, 18, 18), randn(48, 24, 1, 1), randn(48)),
    ),
    "gated": lambda: (
        lambda x, w: F.glu(x @ w).to(torch.float32),
        (randn(128, 256, dtype=torch.float16), randn(256, 512, dtype=torch.float16)),
    ),
    "gated_silu": lambda: (
        lambda x, w: F.silu(x @ w).to(torch.float32),
        (randn(128, 256, dtype=torch.float16), randn(256, 512, dtype=torch.float16)),
    ),
    "clip": lambda: (_clip(1.0), ([randn(300), randn(40, 24), randn(60, 50)],)),
    "clip_less": lambda: (_clip(0.5), ([randn(300), randn(40, 24), randn(60, 50)],)),
    "tall": lambda: (
        lambda x, w: F.rms_norm(x, (768,), w), (randn(32768, 768, dtype=BF16, grad=True), randn(768, grad=True)), TRAIN,
    ),
    "histogram": lambda: (
        lambda i, v: torch.zeros(64, device="cuda").index_put((i,), v, accumulate=True) * 2,
        (integers(64, 100000), randn(100000)),
    ),
    "scan": lambda: (lambda x: x.exp().cumsum(0) * 2, (randn(200000),)),
    "odd": lambda: (lambda x, w: ((x @ w).sin() @ w.t()).cos(), (randn(64, 300), randn(300, 1025))),
}  # fmt: skip
