"""Programs of mixtures of experts, adapters and narrow weights, and the attention, caches and losses around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from diff_pairs.flex_parts import causal, flex, mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _capacity(top: int = 2, noisy: bool = False, normed: bool = True) -> Callable[..., Any]:
    """A router that sends each token to its best experts."""

    def run(x: torch.Tensor, gate: torch.Tensor) -> Any:
        logits = x @ gate
        if noisy:
            logits = logits + torch.randn_like(logits) / gate.shape[1]
        weight, who = logits.softmax(-1).topk(top)
        return weight / weight.sum(-1, keepdim=True) if normed else weight, who

    return run


def _balance(scale: float = 0.01, hard: bool = True) -> Callable[..., Any]:
    """The loss that keeps experts equally busy."""

    def run(logits: torch.Tensor) -> torch.Tensor:
        share = logits.softmax(-1)
        busy = F.one_hot(share.argmax(-1), logits.shape[-1]).float().mean(0) if hard else share.square().mean(0)
        return scale * logits.shape[-1] * (busy * share.mean(0)).sum()

    return run


def _router_z(x: torch.Tensor) -> torch.Tensor:
    return x.logsumexp(-1).square().mean() * 1e-3


def _router_top(x: torch.Tensor) -> torch.Tensor:
    return x.amax(-1).square().mean() * 1e-3


def _lora(alpha: float = 16.0, rank: int = 4, drop: float = 0.0, merged: bool = False) -> Callable[..., Any]:
    """A layer with an adapter of low rank."""

    def run(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if merged:
            return x @ (w + (a @ b) * (alpha / rank))
        return x @ w + (F.dropout(x, drop) if drop else x) @ a @ b * (alpha / rank)

    return run


def _dora(eps: float = 1e-6) -> Callable[..., Any]:
    """An adapter of the direction of weights, whose magnitude is learned apart."""

    def run(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        both = w + a @ b
        return x @ (m * both / (both.norm(dim=0, keepdim=True) + eps))

    return run


def _groups_of(size: int = 32, zero: bool = False) -> Callable[..., Any]:
    """Weights of four bits, two in a byte, with a scale for each group."""

    def run(packed: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        low, high = packed & 15, packed >> 4
        w = torch.stack([low, high], -1).flatten(-2).to(scale.dtype) - (0 if zero else 8)
        return (w.unflatten(-1, (-1, size)) * scale[..., None]).flatten(-2)

    return run


def _rounded(level: float = 127.0, by_row: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> Any:
        most = x.abs().amax(-1, keepdim=True) if by_row else x.abs().amax()
        scale = most.clamp(min=1e-5) / level
        return (x / scale).round().clamp(-level, level).to(torch.int8), scale

    return run


def _feed(act: Callable[[torch.Tensor], torch.Tensor] = F.silu, again: bool = False) -> Callable[..., Any]:
    """A gated layer with its norm, of which the inner part may be computed again in the backward."""

    def inner(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return act(x @ w) * (x @ v)

    def run(x: torch.Tensor, g: torch.Tensor, w: torch.Tensor, v: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
        h = F.rms_norm(x, (x.shape[-1],), g)
        h = checkpoint(inner, h, w, v, use_reentrant=False) if again else inner(h, w, v)
        return x + h @ o

    return run


def _feed_of(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    shapes = ((40, 48), (48,), (48, 96), (48, 96), (96, 48))
    return tuple(randn(*shape, dtype=dtype, grad=True) for shape in shapes)


def _squared_relu(x: torch.Tensor) -> torch.Tensor:
    return x.relu().square()


def _combine(sort: bool = False) -> Callable[..., Any]:
    """The outputs of experts, added up at the tokens that they belong to."""

    def run(out: torch.Tensor, weight: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        if sort:
            token, order = token.sort()
            out, weight = out[order], weight[order]
        return torch.zeros(64, out.shape[1], device=out.device).index_add(0, token, out * weight[:, None])

    return run


def _combine_most(out: torch.Tensor, weight: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    empty = torch.zeros(64, out.shape[1], device=out.device)
    return empty.scatter_reduce(0, token[:, None].expand_as(out), out * weight[:, None], "amax")


def _cache(ring: bool = False, count: int = 1) -> Callable[..., Any]:
    """Keys that are written into a cache in place."""

    def run(cache: torch.Tensor, new: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        where = at % cache.shape[1] if ring else at
        cache.index_copy_(1, where, new)
        return cache.sum(1) * count

    return run


def _sdpa(scale: float | None = None, is_causal: bool = True) -> Callable[..., Any]:
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=is_causal, scale=scale).transpose(1, 2)


def _by_hand(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    scores = (q @ k.transpose(-1, -2)) * 0.125
    return scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), float("-inf")).softmax(-1) @ v


def _by_hand_capped(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    scores = 20 * torch.tanh((q @ k.transpose(-1, -2)) * (0.125 / 20))
    return scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), float("-inf")).softmax(-1) @ v


def _local(width: int = 64) -> Callable[..., Any]:
    return lambda b, h, i, j: (i >= j) & (i - j < width)


def _chunked(size: int = 64) -> Callable[..., Any]:
    return lambda b, h, i, j: (i >= j) & (i // size == j // size)


def _slopes(power: float = 8.0) -> Callable[..., Any]:
    return lambda s, b, h, i, j: s - torch.exp2(-(h + 1) * power / 4) * (i - j)


def _temperature(by: float = 0.7) -> Callable[..., Any]:
    return lambda s, b, h, i, j: s * by


def _distill(temperature: float = 2.0, back: bool = False) -> Callable[..., Any]:
    """A student's loss against a teacher."""

    def run(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        ours, theirs = (student / temperature).log_softmax(-1), (teacher / temperature).log_softmax(-1)
        if back:
            ours, theirs = theirs, ours
        return (theirs.exp() * (theirs - ours)).sum(-1).mean() * temperature**2

    return run


def _tokens(smooth: float = 0.0, ignore: int = -100) -> Callable[..., Any]:
    return lambda x, y: F.cross_entropy(x, y, label_smoothing=smooth, ignore_index=ignore)


def _embedded(scale: bool = True, pad: int | None = None) -> Callable[..., Any]:
    def run(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        out = F.embedding(ids, table, padding_idx=pad)
        return out * table.shape[1] ** 0.5 if scale else out

    return run


def _decay(x: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    return (x * rate.log_softmax(-1)).cumsum(1).exp()


def _decay_back(x: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    return (x * rate.log_softmax(-1)).flip(1).cumsum(1).flip(1).exp()


_LORA = ((64, 48), (48, 80), (48, 4), (4, 80))


def _train(*shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(randn(*shape, grad=True) for shape in shapes)


def _plain(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    return tuple(randn(*shape, dtype=dtype) for shape in shapes)


PROGRAMS: Programs = {
    "capacity": lambda: (_capacity(), (randn(64, 48), randn(48, 8))),
    "capacity_one": lambda: (_capacity(1), (randn(64, 48), randn(48, 8))),
    "capacity_noisy": lambda: (_capacity(noisy=True), (randn(64, 48), randn(48, 8))),
    "capacity_raw": lambda: (_capacity(normed=False), (randn(64, 48), randn(48, 8))),
    "balance": lambda: (_balance(), (randn(300, 8, grad=True),), TRAIN),
    "balance_strong": lambda: (_balance(0.1), (randn(300, 8, grad=True),), TRAIN),
    "balance_soft": lambda: (_balance(hard=False), (randn(300, 8, grad=True),), TRAIN),
    "balance_more": lambda: (_balance(), (randn(300, 16, grad=True),), TRAIN),
    "router_z": lambda: (_router_z, (randn(300, 60),)),
    "router_top": lambda: (_router_top, (randn(300, 60),)),
    "lora": lambda: (_lora(), _plain(*_LORA)),
    "lora_alpha": lambda: (_lora(32.0), _plain(*_LORA)),
    "lora_merged": lambda: (_lora(merged=True), _plain(*_LORA)),
    "lora_train": lambda: (_lora(), _train(*_LORA), TRAIN),
    "lora_dropped_train": lambda: (_lora(drop=0.1), _train(*_LORA), TRAIN),
    "lora_half": lambda: (_lora(), _plain(*_LORA, dtype=BF16)),
    "dora": lambda: (_dora(), _plain(*_LORA, (1, 80))),
    "dora_eps": lambda: (_dora(1e-4), _plain(*_LORA, (1, 80))),
    "groups": lambda: (_groups_of(), (integers(255, 60, 64, dtype=torch.uint8), randn(60, 4))),
    "groups_zero": lambda: (_groups_of(zero=True), (integers(255, 60, 64, dtype=torch.uint8), randn(60, 4))),
    "groups_half": lambda: (_groups_of(), (integers(255, 60, 64, dtype=torch.uint8), randn(60, 4, dtype=BF16))),
    "groups_wide": lambda: (_groups_of(64), (integers(255, 60, 64, dtype=torch.uint8), randn(60, 2))),
    "rounded": lambda: (_rounded(), (randn(60, 500),)),
    "rounded_low": lambda: (_rounded(7.0), (randn(60, 500),)),
    "rounded_all": lambda: (_rounded(by_row=False), (randn(60, 500),)),
    "feed": lambda: (_feed(), _feed_of(), TRAIN),
    "feed_gelu": lambda: (_feed(F.gelu), _feed_of(), TRAIN),
    "feed_squared": lambda: (_feed(_squared_relu), _feed_of(), TRAIN),
    "feed_again": lambda: (_feed(again=True), _feed_of(), TRAIN),
    "feed_half": lambda: (_feed(), _feed_of(BF16), TRAIN),
    "combine": lambda: (_combine(), (randn(128, 32), randn(128), integers(64, 128))),
    "combine_sorted": lambda: (_combine(sort=True), (randn(128, 32), randn(128), integers(64, 128))),
    "combine_most": lambda: (_combine_most, (randn(128, 32), randn(128), integers(64, 128))),
    "cache": lambda: (_cache(), (randn(4, 128, 32), randn(4, 1, 32), integers(128, 1))),
    "cache_ring": lambda: (_cache(ring=True), (randn(4, 128, 32), randn(4, 1, 32), integers(128, 1))),
    "cache_four": lambda: (_cache(), (randn(4, 128, 32), randn(4, 4, 32), integers(128, 4))),
    "sdpa": lambda: (_sdpa(), qkv(128, 128)),
    "sdpa_scale": lambda: (_sdpa(scale=0.2), qkv(128, 128)),
    "sdpa_full": lambda: (_sdpa(is_causal=False), qkv(128, 128)),
    "by_hand": lambda: (_by_hand, qkv(80, 80, dtype=torch.float32)),
    "by_hand_capped": lambda: (_by_hand_capped, qkv(80, 80, dtype=torch.float32)),
    "by_hand_heads": lambda: (_by_hand, qkv(80, 80, heads=6, dtype=torch.float32)),
    "local": lambda: (flex(block_mask=mask(_local(), 256, 256)), qkv(256, 256)),
    "local_wide": lambda: (flex(block_mask=mask(_local(100), 256, 256)), qkv(256, 256)),
    "local_chunked": lambda: (flex(block_mask=mask(_chunked(), 256, 256)), qkv(256, 256)),
    "local_long": lambda: (flex(block_mask=mask(_local(), 512, 512)), qkv(512, 512)),
    "slopes": lambda: (flex(score_mod=_slopes(), block_mask=mask(causal, 256, 256)), qkv(256, 256)),
    "slopes_none": lambda: (flex(block_mask=mask(causal, 256, 256)), qkv(256, 256)),
    "cooled": lambda: (flex(score_mod=_temperature()), qkv(256, 256)),
    "cooled_more": lambda: (flex(score_mod=_temperature(0.4)), qkv(256, 256)),
    "distill": lambda: (_distill(), (randn(40, 300, grad=True), randn(40, 300)), TRAIN),
    "distill_hot": lambda: (_distill(4.0), (randn(40, 300, grad=True), randn(40, 300)), TRAIN),
    "distill_back": lambda: (_distill(back=True), (randn(40, 300, grad=True), randn(40, 300)), TRAIN),
    "distill_long": lambda: (_distill(), (randn(40, 3000, grad=True), randn(40, 3000)), TRAIN),
    "tokens": lambda: (_tokens(), (randn(60, 200), integers(200, 60))),
    "tokens_smooth": lambda: (_tokens(smooth=0.1), (randn(60, 200), integers(200, 60))),
    "tokens_pad": lambda: (_tokens(ignore=0), (randn(60, 200), integers(200, 60))),
    "tokens_dynamic": lambda: (_tokens(), (randn(60, 200), integers(200, 60)), {"dynamic": True}),
    "embedded": lambda: (_embedded(), (integers(100, 8, 30), randn(100, 48, grad=True)), TRAIN),
    "embedded_raw": lambda: (_embedded(scale=False), (integers(100, 8, 30), randn(100, 48, grad=True)), TRAIN),
    "embedded_pad": lambda: (_embedded(pad=0), (integers(100, 8, 30), randn(100, 48, grad=True)), TRAIN),
    "decay": lambda: (_decay, (randn(8, 200, 16), randn(16))),
    "decay_back": lambda: (_decay_back, (randn(8, 200, 16), randn(16))),
    "decay_each": lambda: (_decay, several(2, 8, 200, 16)),
}  # fmt: skip
