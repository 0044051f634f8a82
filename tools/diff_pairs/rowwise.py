"""Programs with a gate in Triton that a user wrote, and attention: rotary tables, pages, masks, scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl

from diff_pairs.flex_parts import causal, flex, mask, qkv
from diff_pairs.sides import BF16, Programs, integers, randn, several


@triton.jit
def _gate(x, y, out, n, SHARP: tl.constexpr, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    seen = at < n
    a = tl.load(x + at, seen)
    b = tl.load(y + at, seen)
    tl.store(out + at, a * b / (1 + tl.exp(-SHARP * b)), seen)


@triton.jit
def _gate_two(x, y, out, n, SHARP: tl.constexpr, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    seen = at < n
    a = tl.load(x + at, seen)
    b = tl.load(y + at, seen)
    tl.store(out + at, a * b / (1 + tl.exp2(-1.4426950408889634 * SHARP * b)), seen)


@triton.jit
def _gate_bare(x, y, out, n, SHARP: tl.constexpr, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(x + at)
    b = tl.load(y + at)
    tl.store(out + at, a * b / (1 + tl.exp(-SHARP * b)))


@triton.jit
def _gate_once(x, y, out, n, SHARP: tl.constexpr, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    seen = at < n
    a = tl.load(x + at, seen, eviction_policy="evict_first")
    b = tl.load(y + at, seen, eviction_policy="evict_first")
    tl.store(out + at, a * b / (1 + tl.exp(-SHARP * b)), seen)


def _gated(kernel: Any = _gate, block: int = 256, sharp: float = 1.0, after: bool = True, **options: Any) -> Any:
    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = x * 2
        out = torch.empty_like(x)
        kernel[(triton.cdiv(x.numel(), block),)](x, y, out, x.numel(), SHARP=sharp, BLOCK=block, **options)
        return out.relu() if after else out

    return run


def _soft_cap(limit: float = 30.0) -> Callable[..., Any]:
    return lambda s, b, h, i, j: limit * torch.tanh(s / limit)


def _slopes(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return s + torch.exp2(-(h + 1) * 2.0) * (j - i)


def _band(near: int = 100) -> Any:
    return mask(lambda b, h, i, j: (i >= j) & (i - j <= near), 256, 256)


def _sinks(b: Any, h: Any, i: Any, j: Any) -> Any:
    return (i >= j) & ((i - j <= 64) | (j < 4))


def _attended(how: str = "plain", scale: float | None = None) -> Callable[..., Any]:
    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        if how == "causal":
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        if how == "bias":
            return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)
        return F.scaled_dot_product_attention(q, k, v, scale=scale)

    return run


def _written(sink: bool = False, keep: bool = False) -> Callable[..., Any]:
    """Attention written out."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        s = (q @ k.transpose(-1, -2) * 0.125).float()
        if sink:
            top = s.amax(-1, keepdim=True).clamp(min=0)
            p = (s - top).exp()
            p = p / (p.sum(-1, keepdim=True) + (-top).exp())
        else:
            p = s.softmax(-1)
        out = p.to(v.dtype) @ v
        return (out, p) if keep else out

    return run


def _rotary(pairs: bool = False, base: float = 10000.0, part: int = 64) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        rates = base ** (-torch.arange(0, part, 2, device="cuda") / part)
        angle = torch.arange(x.shape[-2], device="cuda")[:, None] * rates
        y, rest = x[..., :part], x[..., part:]
        if pairs:
            a, b = y[..., ::2], y[..., 1::2]
        else:
            a, b = y.chunk(2, -1)
        c, s = angle.cos(), angle.sin()
        parts = (a * c - b * s, a * s + b * c)
        out = torch.stack(parts, -1).flatten(-2) if pairs else torch.cat(parts, -1)
        return torch.cat([out, rest], -1) if part < x.shape[-1] else out

    return run


def _paged(x: torch.Tensor, pages: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Keys gathered from pages, and their products with a query."""
    k = pages[table].flatten(1, 2)
    return (x[:, None] * k).sum(-1)


def _paged_half(x: torch.Tensor, pages: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    k = pages[table].flatten(1, 2)
    return (x[:, None] * k[..., : x.shape[1]]).sum(-1)


_QKV = (2, 4, 96, 64)

PROGRAMS: Programs = {
    "gated": lambda: (_gated(), several(2, 60, 50)),
    "gated_block": lambda: (_gated(block=512), several(2, 60, 50)),
    "gated_two": lambda: (_gated(_gate_two), several(2, 60, 50)),
    "gated_bare": lambda: (_gated(_gate_bare), several(2, 60, 50)),
    "gated_once": lambda: (_gated(_gate_once), several(2, 60, 50)),
    "gated_wide": lambda: (_gated(), several(2, 60, 80)),
    "capped": lambda: (flex(score_mod=_soft_cap(), block_mask=mask(causal, 256, 256)), qkv(256, 256)),
    "capped_low": lambda: (flex(score_mod=_soft_cap(15.0), block_mask=mask(causal, 256, 256)), qkv(256, 256)),
    "capped_open": lambda: (flex(score_mod=_soft_cap()), qkv(256, 256)),
    "sloped": lambda: (flex(score_mod=_slopes, block_mask=mask(causal, 256, 256)), qkv(256, 256)),
    "band": lambda: (flex(block_mask=_band()), qkv(256, 256)),
    "band_wide": lambda: (flex(block_mask=_band(150)), qkv(256, 256)),
    "sinks": lambda: (flex(block_mask=mask(_sinks, 256, 256)), qkv(256, 256)),
    "attended": lambda: (_attended(), (*several(3, *_QKV, dtype=BF16), randn(96, 96, dtype=BF16))),
    "attended_causal": lambda: (_attended("causal"), (*several(3, *_QKV, dtype=BF16), randn(96, 96, dtype=BF16))),
    "attended_bias": lambda: (_attended("bias"), (*several(3, *_QKV, dtype=BF16), randn(96, 96, dtype=BF16))),
    "attended_scale": lambda: (_attended(scale=0.1), (*several(3, *_QKV, dtype=BF16), randn(96, 96, dtype=BF16))),
    "written": lambda: (_written(), several(3, *_QKV, dtype=BF16)),
    "written_sink": lambda: (_written(sink=True), several(3, *_QKV, dtype=BF16)),
    "written_kept": lambda: (_written(keep=True), several(3, *_QKV, dtype=BF16)),
    "rotary": lambda: (_rotary(), (randn(*_QKV),)),
    "rotary_pairs": lambda: (_rotary(pairs=True), (randn(*_QKV),)),
    "rotary_part": lambda: (_rotary(part=32), (randn(*_QKV),)),
    "rotary_turned": lambda: (_rotary(), (randn(2, 96, 4, 64).transpose(1, 2),)),
    "paged": lambda: (_paged, (randn(8, 64), randn(40, 16, 64), integers(40, 8, 6))),
    "paged_long": lambda: (_paged, (randn(8, 64), randn(40, 16, 64), integers(40, 8, 10))),
    "paged_joint": lambda: (_paged_half, (randn(8, 64), randn(40, 16, 128), integers(40, 8, 6))),
    "gated_two_block": lambda: (_gated(_gate_two, block=512), several(2, 60, 50)),
    "gated_sharp_last": lambda: (_gated(sharp=1.702, after=False), several(2, 60, 50)),
    "rotary_base_turned": lambda: (_rotary(base=500000.0), (randn(2, 96, 4, 64).transpose(1, 2),)),
    "sloped_wide": lambda: (flex(score_mod=_slopes, block_mask=mask(causal, 512, 512)), qkv(512, 512)),
}  # fmt: skip
