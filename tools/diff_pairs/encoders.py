"""Programs of encoders and their layers: experts, adapters, narrow products, U-Nets, patches, speech."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

FP8 = torch.float8_e4m3fn


def _routed(score: str = "softmax", normal: bool = True, shared: bool = False) -> Callable[..., Any]:
    """A mixture of experts that all compute, of which a router weighs a few."""

    def run(x: torch.Tensor, router: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        logits = x @ router
        chance = torch.softmax(logits, -1) if score == "softmax" else torch.sigmoid(logits)
        chosen = chance.topk(2, -1).indices
        weight = chance.gather(-1, chosen)
        if normal:
            weight = weight / weight.sum(-1, keepdim=True)
        full = torch.zeros_like(chance).scatter(-1, chosen, weight)
        out = (F.silu(torch.einsum("td,edf->etf", x, up)) * full.t()[..., None]).sum(0)
        return out + F.silu(x @ up[0]) if shared else out

    return run


def _router_inputs() -> tuple[torch.Tensor, ...]:
    return randn(64, 96), randn(96, 8), randn(8, 96, 64)


def _balance(logits: torch.Tensor) -> torch.Tensor:
    """The losses of a router: balance, and the square of the log of sums."""
    chance = torch.softmax(logits.float(), -1)
    load = F.one_hot(chance.topk(2, -1).indices, 8).sum(1).float().mean(0)
    loss = 8 * (load * chance.mean(0)).sum()
    return loss + 1e-3 * logits.float().logsumexp(-1).pow(2).mean()


def _adapted(gate: bool = False, rate: float = 0.0) -> Callable[..., Any]:
    """A linear layer with a product of low rank."""

    def run(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        inner = F.dropout(x, rate) if rate else x
        low = F.linear(F.linear(inner, a), b)
        low = low * m if gate else low
        return F.linear(x, w) + 2.0 * low

    return run


def _adapter_inputs(rank: int = 8, grad: bool = False) -> tuple[torch.Tensor, ...]:
    a, b, m = randn(rank, 128, grad=grad), randn(192, rank, grad=grad), randn(192, grad=grad)
    return randn(64, 128), randn(192, 128), a, b, m


def _int8(eps: float = 1e-8, out: torch.dtype = torch.float32) -> Callable[..., Any]:
    """A linear layer of small integers whose scales follow the rows."""

    def run(x: torch.Tensor, w: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        own = x.abs().amax(-1, keepdim=True).clamp(min=eps) / 127.0
        small = torch.round(x / own).clamp(-127.0, 127.0).to(torch.int8)
        return torch._int_mm(small, w).to(out) * own * scale

    return run


def _fp8(per: str = "row") -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        top = x.abs().amax(-1, keepdim=True) if per == "row" else x.abs().amax().expand(x.shape[0], 1).contiguous()
        own = top.float().clamp(min=1e-12) / 448.0
        small = (x / own).clamp(-448.0, 448.0).to(FP8)
        return torch._scaled_mm(small, w, scale_a=own, scale_b=scale, out_dtype=BF16, use_fast_accum=True)

    return run


def _unpacked(order: str = "low") -> Callable[..., Any]:
    """A weight of four bits, two a byte, with a scale for each group."""

    def run(x: torch.Tensor, packed: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        parts = (packed & 15, packed >> 4) if order == "low" else (packed >> 4, packed & 15)
        w = torch.stack(parts, -1).flatten(-2).to(x.dtype) - 8.0
        w = (w.unflatten(-1, (-1, 32)) * scale[..., None]).flatten(-2)
        return F.linear(x, w)

    return run


def _packed_inputs() -> tuple[torch.Tensor, ...]:
    return randn(32, 128), integers(256, 96, 64, dtype=torch.uint8), randn(96, 4)


def _residual_block(
    x: torch.Tensor, time: torch.Tensor, w: torch.Tensor, g: torch.Tensor, b: torch.Tensor
) -> torch.Tensor:
    """A block of a diffusion U-Net, told of the time."""
    h = F.conv2d(F.silu(F.group_norm(x, 8, g, b)), w, padding=1)
    h = F.silu(h + time[:, : h.shape[1], None, None])
    return (x + h) * 0.7071


def _block_inputs(grad: bool = False, last: bool = False) -> tuple[torch.Tensor, ...]:
    x = randn(2, 32, 16, 16)
    x = x.to(memory_format=torch.channels_last) if last else x
    return x, randn(2, 64, grad=grad), randn(32, 32, 3, 3, grad=grad), randn(32, grad=grad), randn(32, grad=grad)


def _modulated(eps: float = 1e-6) -> Callable[..., Any]:
    """Half a block of a diffusion transformer: a norm whose scale and shift are given."""

    def run(x: torch.Tensor, c: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        shift, scale, out = (F.silu(c) @ w).unsqueeze(1).chunk(3, -1)
        h = F.layer_norm(x, x.shape[-1:], eps=eps) * (1 + scale) + shift
        h = F.gelu(h, approximate="tanh")
        return x + out * h

    return run


def _time_steps(shift: int = 0) -> Callable[..., Any]:
    def run(t: torch.Tensor) -> torch.Tensor:
        rate = torch.exp(-torch.arange(64, device=t.device) * (np.log(10000.0) / (64 - shift)))
        angle = t[:, None].float() * rate
        return torch.cat((angle.sin(), angle.cos()), -1)

    return run


def _patched(pool: str = "class") -> Callable[..., Any]:
    """Patches become tokens, with a class token and positions, and one vector comes out."""

    def run(x: torch.Tensor, w: torch.Tensor, first: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        patches = x.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        tokens = torch.cat((first.expand(x.shape[0], -1, -1), patches @ w), 1) + place
        tokens = F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)
        return tokens[:, 0] if pool == "class" else tokens[:, 1:].mean(1)

    return run


def _patch_inputs() -> tuple[torch.Tensor, ...]:
    return randn(4, 3, 64, 64), randn(192, 96), randn(1, 1, 96), randn(1, 65, 96)


def _windows(shift: int = 4, size: int = 8) -> Callable[..., Any]:
    """Swin: a picture is rolled and cut into windows, whose tokens are normalized."""

    def run(x: torch.Tensor) -> torch.Tensor:
        x = torch.roll(x, (-shift, -shift), (1, 2)) if shift else x
        side = x.shape[1] // size
        x = x.view(-1, side, size, side, size, x.shape[-1]).permute(0, 1, 3, 2, 4, 5).flatten(3, 4)
        return F.layer_norm(x, x.shape[-1:])

    return run


def _scaled_layer(drop: float = 0.1) -> Callable[..., Any]:
    """The residual of a vision transformer in training: a learned scale, and whole samples dropped."""

    def run(x: torch.Tensor, y: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        y = y * g
        kept = torch.rand(x.shape[0], 1, 1, device=x.device) >= drop
        return x + y * kept / (1 - drop)

    return run


def _recurrent() -> Any:
    """A recurrent layer, after the logarithm of a spectrum."""
    module = nn.GRU(40, 32, batch_first=True).to("cuda").eval()

    def run(x: torch.Tensor) -> torch.Tensor:
        heard = torch.log1p(x.abs())
        return module(heard)[0].sum(-1)

    return run


def _masked_frames(wide: int = 20, bands: bool = True) -> Callable[..., Any]:
    """SpecAugment: spans of frames and of bands are hidden."""

    def run(x: torch.Tensor, start: torch.Tensor, band: torch.Tensor) -> torch.Tensor:
        frame = torch.arange(x.shape[1], device=x.device)
        hidden = ((frame >= start[:, None]) & (frame < start[:, None] + wide))[..., None]
        if bands:
            row = torch.arange(x.shape[2], device=x.device)
            hidden = hidden | ((row >= band[:, None]) & (row < band[:, None] + 8))[:, None]
        return x.masked_fill(hidden, 0.0)

    return run


def _relative(kind: str = "shift", width: int = 64) -> Callable[..., Any]:
    """Scores by relative position, shifted into place as in Transformer-XL."""

    def run(q: torch.Tensor, k: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        place = q @ r.mT
        if kind == "gather":
            at = torch.arange(width, device=q.device)
            place = place.gather(-1, (at[None, :] - at[:, None] + width - 1).expand(place.shape[0], -1, -1))
        else:
            place = F.pad(place, (1, 0)).flatten(1)[:, width:].unflatten(1, (width, 2 * width - 1))[..., :width]
        return torch.softmax((q @ k.mT + place) * 0.125, -1)

    return run


def _normed(shared: bool = False) -> Callable[..., Any]:
    """Queries and keys, normalized by head, before attention."""

    def run(x: torch.Tensor, w: torch.Tensor, g: torch.Tensor, h: torch.Tensor) -> Any:
        q, k = (x @ w).unflatten(-1, (8, -1)).transpose(1, 2).chunk(2, 1)
        h = g if shared else h
        return F.rms_norm(q, q.shape[-1:], g, eps=1e-6), F.rms_norm(k, k.shape[-1:], h, eps=1e-6)

    return run


def _norm_inputs() -> tuple[torch.Tensor, ...]:
    return randn(4, 128, 128), randn(128, 256), randn(32), randn(32)


def _feed(act: Any = F.silu) -> Callable[..., Any]:
    """A gated feed-forward layer."""

    def run(x: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
        gate, value = F.linear(x, up).chunk(2, -1)
        return F.linear(act(gate) * value, down)

    return run


def _feed_inputs(grad: bool = False, dtype: torch.dtype = BF16) -> tuple[torch.Tensor, ...]:
    own = {"dtype": dtype, "grad": grad}
    return randn(256, 128, **own), randn(512, 128, **own), randn(128, 256, **own)


PROGRAMS: Programs = {
    "routed": lambda: (_routed(), _router_inputs()),
    "routed_sigmoid": lambda: (_routed(score="sigmoid"), _router_inputs()),
    "routed_raw": lambda: (_routed(normal=False), _router_inputs()),
    "routed_shared": lambda: (_routed(shared=True), _router_inputs()),
    "balance": lambda: (_balance, (randn(200, 8, dtype=BF16),)),
    "balance_wide": lambda: (_balance, (randn(200, 8),)),
    "adapted": lambda: (_adapted(), _adapter_inputs()),
    "adapted_rank": lambda: (_adapted(), _adapter_inputs(16)),
    "adapted_gated": lambda: (_adapted(gate=True), _adapter_inputs()),
    "adapted_drop_train": lambda: (_adapted(rate=0.1), _adapter_inputs(grad=True), TRAIN),
    "int8": lambda: (_int8(), (randn(64, 128), integers(100, 128, 96, dtype=torch.int8), randn(96))),
    "int8_eps": lambda: (_int8(eps=1e-5), (randn(64, 128), integers(100, 128, 96, dtype=torch.int8), randn(96))),
    "int8_half": lambda: (_int8(out=BF16), (randn(64, 128), integers(100, 128, 96, dtype=torch.int8), randn(96))),
    "fp8": lambda: (_fp8(), (randn(64, 128, dtype=BF16), randn(96, 128).to(FP8).t(), randn(1, 96))),
    "fp8_tensor": lambda: (_fp8("tensor"), (randn(64, 128, dtype=BF16), randn(96, 128).to(FP8).t(), randn(1, 96))),
    "unpacked": lambda: (_unpacked(), _packed_inputs()),
    "unpacked_high": lambda: (_unpacked("high"), _packed_inputs()),
    "residual_block": lambda: (_residual_block, _block_inputs()),
    "residual_block_last": lambda: (_residual_block, _block_inputs(last=True)),
    "residual_block_train": lambda: (_residual_block, _block_inputs(True), TRAIN),
    "modulated": lambda: (_modulated(), (randn(4, 64, 128), randn(4, 32), randn(32, 384))),
    "modulated_eps": lambda: (_modulated(eps=1e-5), (randn(4, 64, 128), randn(4, 32), randn(32, 384))),
    "time_steps": lambda: (_time_steps(), (integers(1000, 48),)),
    "time_steps_shift": lambda: (_time_steps(shift=1), (integers(1000, 48),)),
    "patched": lambda: (_patched(), _patch_inputs()),
    "patched_mean": lambda: (_patched("mean"), _patch_inputs()),
    "windows": lambda: (_windows(), (randn(2, 32, 32, 96),)),
    "windows_still": lambda: (_windows(shift=0), (randn(2, 32, 32, 96),)),
    "scaled_layer": lambda: (_scaled_layer(), (*several(2, 8, 64, 96, grad=True), randn(96, grad=True)), TRAIN),
    "scaled_layer_rate": lambda: (_scaled_layer(0.2), (*several(2, 8, 64, 96, grad=True), randn(96, grad=True)), TRAIN),
    "recurrent": lambda: (_recurrent(), (randn(4, 2, 40),)),
    "masked_frames": lambda: (_masked_frames(), (randn(8, 200, 80), integers(180, 8), integers(70, 8))),
    "masked_frames_long": lambda: (_masked_frames(wide=30), (randn(8, 200, 80), integers(180, 8), integers(70, 8))),
    "masked_frames_time": lambda: (_masked_frames(bands=False), (randn(8, 200, 80), integers(180, 8), integers(70, 8))),
    "relative": lambda: (_relative(), (randn(8, 64, 32), randn(8, 64, 32), randn(127, 32))),
    "relative_gather": lambda: (_relative(kind="gather"), (randn(8, 64, 32), randn(8, 64, 32), randn(127, 32))),
    "normed": lambda: (_normed(), _norm_inputs()),
    "normed_shared": lambda: (_normed(shared=True), _norm_inputs()),
    "feed": lambda: (_feed(), _feed_inputs()),
    "feed_gelu_wide": lambda: (_feed(F.gelu), _feed_inputs(dtype=torch.float32)),
    "feed_train": lambda: (_feed(), _feed_inputs(True), TRAIN),
}  # fmt: skip
