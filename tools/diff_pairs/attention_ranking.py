"""Programs of attention in recommenders: packed documents, biases, decoding with a cache, gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from diff_pairs.sides import Programs, randn


def _flex(**options: Any) -> Callable[..., Any]:
    return lambda q, k, v: flex_attention(q, k, v, **options)


def _heads(heads: int = 8, kv: int = 8, q: int = 384, k: int = 384, grad: bool = False) -> Any:
    shapes = ((2, heads, q, 64), (2, kv, k, 64), (2, kv, k, 64))
    return tuple(randn(*shape, dtype=torch.bfloat16, grad=grad) for shape in shapes)


def _alibi(q: Any, k: Any, v: Any, slopes: torch.Tensor) -> Any:
    return flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + slopes[h] * (j - i))


def _relative(q: Any, k: Any, v: Any, table: torch.Tensor) -> Any:
    return flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + table[h, i - j + 384])


def _packed(causal: bool) -> Callable[..., Any]:
    documents = torch.randint(0, 4, (384,), device="cuda", dtype=torch.int32)

    def mask(b: Any, h: Any, i: Any, j: Any) -> Any:
        same = documents[i] == documents[j]
        return same & (i >= j) if causal else same

    return _flex(block_mask=_blocks(mask))


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
    return *_heads(8, 2, 1, 1024), torch.randint(0, 1024, (2,), device="cuda")


def _cached(past: bool) -> Callable[..., Any]:
    def attend(q: Any, k: Any, v: Any, new_k: Any, new_v: Any, at: torch.Tensor) -> Any:
        k.index_copy_(2, at, new_k)
        v.index_copy_(2, at, new_v)
        seen = torch.arange(k.shape[2], device=k.device) <= at[:, None] if past else None
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)

    return attend


def _caching() -> tuple[Any, ...]:
    new = tuple(randn(2, 8, 1, 64, dtype=torch.bfloat16) for _ in range(3))
    cache = tuple(randn(2, 8, 256, 64, dtype=torch.bfloat16) for _ in range(2))
    return new[0], *cache, *new[1:], torch.randint(0, 256, (1,), device="cuda")


def _causal(b: Any, h: Any, i: Any, j: Any) -> Any:
    return i >= j


def _sliding(b: Any, h: Any, i: Any, j: Any) -> Any:
    return (i >= j) & (i - j <= 96)


def _blocks(mask: Callable[..., Any], length: int = 384) -> Any:
    return create_block_mask(mask, None, None, length, length, device="cuda")


def _gated(gate: Callable[..., Any], mask: Callable[..., Any]) -> Callable[..., Any]:
    blocks = _blocks(mask)
    return lambda q, k, v, g: flex_attention(q, k, v, block_mask=blocks) * gate(g)


_FLASH = {"BACKEND": "FLASH"}

PROGRAMS: Programs = {
    "alibi": lambda: (_alibi, (*_heads(), randn(8)), {}),
    "relative": lambda: (_relative, (*_heads(), randn(8, 769)), {}),
    "packed": lambda: (_packed(causal=False), _heads(), {}),
    "packed_causal": lambda: (_packed(causal=True), _heads(), {}),
    "decode": lambda: (_decode(), _decoding(), {}),
    "decode_window": lambda: (_decode(window=256), _decoding(), {}),
    "decode_flex": lambda: (_decode(FORCE_USE_FLEX_ATTENTION=True), _decoding(), {}),
    "decode_tile": lambda: (_decode(BLOCK_N=32), _decoding(), {}),
    "cached": lambda: (_cached(past=False), _caching(), {}),
    "cached_past": lambda: (_cached(past=True), _caching(), {}),
    "grouped": lambda: (_flex(block_mask=_blocks(_causal), enable_gqa=True), _heads(8, 2), {}),
    "grouped_less": lambda: (_flex(block_mask=_blocks(_causal), enable_gqa=True), _heads(8, 4), {}),
    "sliding_train": lambda: (_flex(block_mask=_blocks(_sliding)), _heads(grad=True), {"backward": True}),
    "sliding_train_tile": lambda: (
        _flex(block_mask=_blocks(_sliding), kernel_options={"bwd_BLOCK_M1": 32, "bwd_BLOCK_N1": 64,
                                                             "bwd_BLOCK_M2": 64, "bwd_BLOCK_N2": 32}),
        _heads(grad=True), {"backward": True},
    ),
    "causal": lambda: (_flex(block_mask=_blocks(_causal)), _heads(), {}),
    "causal_prescaled": lambda: (
        _flex(block_mask=_blocks(_causal), kernel_options={"PRESCALE_QK": True}), _heads(), {},
    ),
    "causal_tma": lambda: (_flex(block_mask=_blocks(_causal), kernel_options={"USE_TMA": True}), _heads(), {}),
    "causal_ragged": lambda: (_flex(block_mask=_blocks(_causal, 333)), _heads(q=333, k=333), {}),
    "library": lambda: (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), _heads(), {}),
    "flash_causal": lambda: (_flex(block_mask=_blocks(_causal), kernel_options=_FLASH), _heads(), {}),
    "flash_sliding": lambda: (_flex(block_mask=_blocks(_sliding), kernel_options=_FLASH), _heads(), {}),
    "gated": lambda: (
        _gated(torch.sigmoid, _causal), (*_heads(), randn(2, 8, 384, 64, dtype=torch.bfloat16)), {},
    ),
    "gated_sliding": lambda: (
        _gated(torch.tanh, _sliding), (*_heads(), randn(2, 8, 384, 64, dtype=torch.bfloat16)), {},
    ),
}  # fmt: skip
