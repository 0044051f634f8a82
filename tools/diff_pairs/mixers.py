"""Programs of token mixers: state spaces, linear attention, rotary variants, caches of keys, flex attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.flex_attention import flex_attention

from diff_pairs.flex_parts import causal, mask, qkv
from diff_pairs.sides import BF16, Programs, integers, randn, several


def _selective(last: bool = False, state: torch.dtype = torch.float32) -> Callable[..., Any]:
    """A few steps of a selective state space."""

    def run(x: torch.Tensor, dt: torch.Tensor, a: torch.Tensor, b: torch.Tensor, z: torch.Tensor) -> Any:
        dt = F.softplus(dt)
        h = torch.zeros(x.shape[0], x.shape[2], a.shape[1], device=x.device, dtype=state)
        out = []
        for i in range(x.shape[1]):
            keep = torch.exp(-dt[:, i, :, None] * a.exp())
            h = keep.to(state) * h + (dt[:, i, :, None] * b[:, i, None] * x[:, i, :, None]).to(state)
            out.append((h * b[:, i, None]).sum(-1))
        y = torch.stack(out, 1) * F.silu(z)
        return (y, h) if last else y

    return run


def _selective_inputs() -> tuple[torch.Tensor, ...]:
    return randn(8, 4, 96), randn(8, 4, 96), randn(96, 16), randn(8, 4, 16), randn(8, 4, 96)


def _linear(normal: str = "sum") -> Callable[..., Any]:
    """Linear attention of all queries with all keys."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k = F.elu(q) + 1, F.elu(k) + 1
        if normal == "length":
            return (q @ (k.mT @ v)) / k.shape[-2]
        return (q @ (k.mT @ v)) / ((q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True) + 1e-6)

    return run


def _gated_decay(exclusive: bool = False, per: str = "channel") -> Callable[..., Any]:
    """The weights of gated linear attention: sums of the logarithms of gates."""

    def run(x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        log = F.logsigmoid(g) / 16
        total = log.cumsum(1)
        if exclusive:
            total = total - log
        return x * (total if per == "channel" else total.mean(-1, keepdim=True)).exp()

    return run


def _shifted(by: int = 1) -> Callable[..., Any]:
    """RWKV: each token is mixed with the one before."""

    def run(x: torch.Tensor, mu: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        before = F.pad(x, (0, 0, by, -by))
        return torch.relu(torch.lerp(x, before, mu) @ w) ** 2

    return run


def _delta(twice: bool = False) -> Callable[..., Any]:
    """The delta rule: one step of a state that forgets what it stored under the key."""

    def run(state: torch.Tensor, k: torch.Tensor, v: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        k = k / (k.norm(dim=-1, keepdim=True) + 1e-6)
        rate = 2 * torch.sigmoid(b) if twice else torch.sigmoid(b)
        old = (state * k[..., None, :]).sum(-1)
        return state + (rate[..., None] * (v - old))[..., None] * k[..., None, :]

    return run


def _short(width: int = 4, tail: bool = False) -> Callable[..., Any]:
    """The short causal convolution before a state space, written out."""

    def run(x: torch.Tensor, w: torch.Tensor) -> Any:
        padded = F.pad(x, (0, 0, width - 1, 0))
        y = sum(padded[:, i : i + x.shape[1]] * w[i] for i in range(width))
        return (F.silu(y), x[:, 1 - width :].clone()) if tail else F.silu(y)

    return run


def _rotary(theta: float = 10000.0, style: str = "half", part: float = 1.0) -> Callable[..., Any]:
    """Rotated queries, with the table of angles computed along."""

    def run(x: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        width = int(x.shape[-1] * part)
        rate = theta ** (-torch.arange(0, width, 2, device=x.device).float() / width)
        angle = position[:, None].float() * rate
        cos, sin = angle.cos(), angle.sin()
        turned, rest = x[..., :width], x[..., width:]
        turned = turned.float()
        if style == "pairs":
            a, b = turned[..., 0::2], turned[..., 1::2]
            out = torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)
        else:
            a, b = turned.chunk(2, -1)
            out = torch.cat((a * cos - b * sin, b * cos + a * sin), -1)
        out = out.to(x.dtype)
        return torch.cat((out, rest), -1) if part < 1 else out

    return run


def _cached(kind: str = "copy", inplace: bool = True) -> Callable[..., Any]:
    """New keys go into a cache, and the scores of one query come out."""

    def run(cache: torch.Tensor, new: torch.Tensor, at: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        place = at % cache.shape[1] if kind == "ring" else at
        if inplace:
            cache.index_copy_(1, place, new)
        else:
            cache = cache.index_copy(1, place, new)
        score = (cache * q[:, None]).sum(-1) * 0.125
        place = torch.arange(cache.shape[1], device=q.device)
        seen = place <= at[-1]
        return torch.softmax(score.masked_fill(~seen, float("-inf")), -1)

    return run


def _narrow_cache(per: str = "token", zero: bool = False) -> Callable[..., Any]:
    """Keys as small integers with a scale."""

    def run(k: torch.Tensor) -> Any:
        dim = -1 if per == "token" else -2
        if zero:
            low, high = k.amin(dim, keepdim=True), k.amax(dim, keepdim=True)
            scale = (high - low) / 254
            return torch.round((k - low) / scale - 127).to(torch.int8), scale, low
        scale = k.abs().amax(dim, keepdim=True) / 127
        return torch.clamp(torch.round(k / scale), -127, 127).to(torch.int8), scale

    return run


def _chunked(size: int) -> Callable[..., Any]:
    return lambda b, h, i, j: (i >= j) & (i // size == j // size)


def _sunk(size: int, first: int) -> Callable[..., Any]:
    return lambda b, h, i, j: (i >= j) & ((i - j < size) | (j < first))


def _attend(rule: Any) -> Callable[..., Any]:
    """Flex attention with a mask by a rule."""
    block_mask = mask(rule, 512, 512)

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        return flex_attention(q, k, v, block_mask=block_mask)

    return run


def _slopes(power: float = 8.0, learned: bool = False) -> Callable[..., Any]:
    """Flex attention with ALiBi."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, slope: torch.Tensor) -> Any:
        def bias(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            rate = slope[h] if learned else torch.exp2(-power * (h + 1) / 4)
            return s - rate * (i - j)

        return flex_attention(q, k, v, score_mod=bias)

    return run


def _block(norm: str = "rms", eps: float = 1e-6, wide: bool = True) -> Callable[..., Any]:
    """The end of a mixer: a gate, a norm of groups, a projection, and what came in."""

    def run(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        y = y * F.silu(z)
        y = y.float() if wide else y
        groups = y.unflatten(-1, (4, -1))
        if norm == "layer":
            groups = groups - groups.mean(-1, keepdim=True)
        groups = groups * torch.rsqrt(groups.pow(2).mean(-1, keepdim=True) + eps)
        return x + (groups.flatten(-2).to(x.dtype) * g) @ w

    return run


def _block_inputs() -> tuple[torch.Tensor, ...]:
    return (*several(3, 4, 128, 256, dtype=BF16), randn(256, dtype=BF16), randn(256, 256, dtype=BF16))


_X = (4, 256, 128)
_HEADS = (4, 8, 256, 64)


def _cache_inputs() -> tuple[torch.Tensor, ...]:
    return randn(16, 320, 64), randn(16, 2, 64), integers(320, 2), randn(16, 64)


PROGRAMS: Programs = {
    "selective": lambda: (_selective(), _selective_inputs()),
    "selective_state": lambda: (_selective(last=True), _selective_inputs()),
    "selective_half": lambda: (_selective(state=BF16), _selective_inputs()),
    "linear": lambda: (_linear(), several(3, *_HEADS)),
    "linear_length": lambda: (_linear(normal="length"), several(3, *_HEADS)),
    "gated_decay": lambda: (_gated_decay(), several(2, *_X)),
    "gated_decay_before": lambda: (_gated_decay(True), several(2, *_X)),
    "gated_decay_head": lambda: (_gated_decay(per="head"), several(2, *_X)),
    "shifted": lambda: (_shifted(), (randn(*_X), randn(128), randn(128, 256))),
    "shifted_two": lambda: (_shifted(2), (randn(*_X), randn(128), randn(128, 256))),
    "delta": lambda: (_delta(), (randn(8, 4, 64, 32), randn(8, 4, 32), randn(8, 4, 64), randn(8, 4))),
    "delta_double": lambda: (_delta(True), (randn(8, 4, 64, 32), randn(8, 4, 32), randn(8, 4, 64), randn(8, 4))),
    "short": lambda: (_short(), (randn(*_X), randn(4, 128))),
    "short_tail": lambda: (_short(tail=True), (randn(*_X), randn(4, 128))),
    "rotary": lambda: (_rotary(), (randn(*_HEADS, dtype=BF16), integers(4096, 256))),
    "rotary_base": lambda: (_rotary(500000.0), (randn(*_HEADS, dtype=BF16), integers(4096, 256))),
    "rotary_base_turned": lambda: (
        _rotary(500000.0),
        (randn(4, 256, 8, 64, dtype=BF16).transpose(1, 2), integers(4096, 256)),
    ),
    "rotary_pairs": lambda: (_rotary(style="pairs"), (randn(*_HEADS, dtype=BF16), integers(4096, 256))),
    "rotary_part": lambda: (_rotary(part=0.5), (randn(*_HEADS, dtype=BF16), integers(4096, 256))),
    "cached": lambda: (_cached(), _cache_inputs()),
    "cached_ring": lambda: (_cached("ring"), _cache_inputs()),
    "cached_pure": lambda: (_cached(inplace=False), _cache_inputs()),
    "narrow_cache": lambda: (_narrow_cache(), (randn(*_HEADS),)),
    "narrow_cache_channel": lambda: (_narrow_cache(per="channel"), (randn(*_HEADS),)),
    "narrow_cache_zero": lambda: (_narrow_cache(zero=True), (randn(*_HEADS),)),
    "attend": lambda: (_attend(causal), qkv(512, 512)),
    "attend_chunked": lambda: (_attend(_chunked(128)), qkv(512, 512)),
    "attend_sunk": lambda: (_attend(_sunk(128, 4)), qkv(512, 512)),
    "attend_sunk_wide": lambda: (_attend(_sunk(256, 4)), qkv(512, 512)),
    "slopes": lambda: (_slopes(), (*qkv(512, 512), randn(4))),
    "slopes_steep": lambda: (_slopes(4.0), (*qkv(512, 512), randn(4))),
    "slopes_learned": lambda: (_slopes(learned=True), (*qkv(512, 512), randn(4))),
    "block": lambda: (_block(), _block_inputs()),
    "block_layer": lambda: (_block("layer"), _block_inputs()),
    "block_eps": lambda: (_block(eps=1e-5), _block_inputs()),
    "block_narrow": lambda: (_block(wide=False), _block_inputs()),
    "block_layer_narrow": lambda: (_block("layer", wide=False), _block_inputs()),
}
