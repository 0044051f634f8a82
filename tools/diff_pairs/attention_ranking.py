"""Programs of attention in recommenders: packed documents, biases, decoding with a cache, gates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.flex_attention import flex_attention

from diff_pairs.flex_parts import FLASH, causal, flex, mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, randn, several

_blocks = partial(mask, queries=384, keys=384)
_heads = partial(qkv, queries=384, keys=384, heads=8)


def _packed(causal: bool) -> Callable[..., Any]:
    documents = torch.randint(0, 4, (384,), device="cuda", dtype=torch.int32)

    def mask(b: Any, h: Any, i: Any, j: Any) -> Any:
        same = documents[i] == documents[j]
        return same & (i >= j) if causal else same

    return flex(block_mask=_blocks(mask))


def _decode(window: int | None = None, **options: Any) -> Callable[..., Any]:
    def attend(q: Any, k: Any, v: Any, length: torch.Tensor) -> Any:
        def live(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            inside = j < length[b]
            if window is not None:
                inside = inside & (j >= length[b] - window)
            return torch.where(inside, s, -float("inf"))

        return flex_attention(q, k, v, score_mod=live, enable_gqa=True, kernel_options=options)

    return attend


def _decoding() -> tuple[Any, ...]:
    return *_heads(kv=2, queries=1, keys=1024), torch.randint(0, 1024, (2,), device="cuda")


def _cached(past: bool) -> Callable[..., Any]:
    def attend(q: Any, k: Any, v: Any, new_k: Any, new_v: Any, at: torch.Tensor) -> Any:
        k.index_copy_(2, at, new_k)
        v.index_copy_(2, at, new_v)
        seen = torch.arange(k.shape[2], device=k.device) <= at[:, None] if past else None
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)

    return attend


def _caching() -> tuple[Any, ...]:
    new = several(3, 2, 8, 1, 64, dtype=torch.bfloat16)
    cache = several(2, 2, 8, 256, 64, dtype=torch.bfloat16)
    return new[0], *cache, *new[1:], torch.randint(0, 256, (1,), device="cuda")


def _sliding(b: Any, h: Any, i: Any, j: Any) -> Any:
    return (i >= j) & (i - j <= 96)


def _gated(gate: Callable[..., Any], mask: Callable[..., Any]) -> Callable[..., Any]:
    blocks = _blocks(mask)
    return lambda q, k, v, g: flex_attention(q, k, v, block_mask=blocks) * gate(g)


PROGRAMS: Programs = {
    "alibi": lambda: (
        lambda q, k, v, slopes: flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + slopes[h] * (j - i)),
        (*_heads(), randn(8)),
    ),
    "relative": lambda: (
        lambda q, k, v, table: flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + table[h, i - j + 384]),
        (*_heads(), randn(8, 769)),
    ),
    "packed": lambda: (_packed(causal=False), _heads()),
    "packed_causal": lambda: (_packed(causal=True), _heads()),
    "decode": lambda: (_decode(), _decoding()),
    "decode_window": lambda: (_decode(window=256), _decoding()),
    "decode_flex": lambda: (_decode(FORCE_USE_FLEX_ATTENTION=True), _decoding()),
    "decode_tile": lambda: (_decode(BLOCK_N=32), _decoding()),
    "cached": lambda: (_cached(past=False), _caching()),
    "cached_past": lambda: (_cached(past=True), _caching()),
    "grouped": lambda: (flex(block_mask=_blocks(causal), enable_gqa=True), _heads(kv=2)),
    "grouped_less": lambda: (flex(block_mask=_blocks(causal), enable_gqa=True), _heads(kv=4)),
    "sliding_train": lambda: (flex(block_mask=_blocks(_sliding)), _heads(grad=True), TRAIN),
    "sliding_train_tile": lambda: (
        flex(block_mask=_blocks(_sliding), kernel_options={"bwd_BLOCK_M1": 32, "bwd_BLOCK_N1": 64,
                                                             "bwd_BLOCK_M2": 64, "bwd_BLOCK_N2": 32}),
        _heads(grad=True), {"backward": True},
    ),
    "causal": lambda: (flex(block_mask=_blocks(causal)), _heads()),
    "causal_prescaled": lambda: (flex(block_mask=_blocks(causal), kernel_options={"PRESCALE_QK": True}), _heads()),
    "causal_tma": lambda: (flex(block_mask=_blocks(causal), kernel_options={"USE_TMA": True}), _heads()),
    "causal_ragged": lambda: (flex(block_mask=_blocks(causal, queries=333, keys=333)), _heads(queries=333, keys=333)),
    "library": lambda: (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), _heads()),
    "flash_causal": lambda: (flex(block_mask=_blocks(causal), **FLASH), _heads()),
    "flash_sliding": lambda: (flex(block_mask=_blocks(_sliding), **FLASH), _heads()),
    "gated": lambda: (_gated(torch.sigmoid, causal), (*_heads(), randn(2, 8, 384, 64, dtype=BF16))),
    "gated_sliding": lambda: (_gated(torch.tanh, _sliding), (*_heads(), randn(2, 8, 384, 64, dtype=BF16))),
}  # fmt: skip
