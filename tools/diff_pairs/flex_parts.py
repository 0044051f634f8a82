"""What the programs of flex attention are made of: the call, its inputs, masks and scores."""

# Each function is a well-known part, and its name says which.
# ruff: noqa: D103

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from diff_pairs.sides import BF16, randn

FLASH = {"kernel_options": {"BACKEND": "FLASH"}}


def flex(**options: Any) -> Callable[..., Any]:
    return lambda q, k, v: flex_attention(q, k, v, **options)


def qkv(
    queries: int, keys: int, heads: int = 4, kv: int = 0, width: int = 64, batch: int = 2,
    dtype: torch.dtype = BF16, grad: bool = False,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    sizes = ((heads, queries), (kv or heads, keys), (kv or heads, keys))
    return tuple(randn(batch, *size, width, dtype=dtype, grad=grad) for size in sizes)


def mask(rule: Callable[..., Any], queries: int, keys: int, block: int = 128, batch: int | None = None) -> Any:
    return create_block_mask(rule, batch, None, queries, keys, device="cuda", BLOCK_SIZE=block)


def causal(b: Any, h: Any, i: Any, j: Any) -> Any:
    return i >= j


def capped(limit: float) -> Callable[..., Any]:
    return lambda s, b, h, i, j: limit * torch.tanh(s / limit)
