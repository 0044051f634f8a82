"""Programs of attention in windows, with sinks, learned biases and other tile sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn.attention.flex_attention import AuxRequest, flex_attention

from diff_pairs.flex_parts import FLASH, capped, mask, qkv
from diff_pairs.sides import TRAIN, Programs, randn

_blocks = partial(mask, queries=320, keys=320)
_tensors = partial(qkv, queries=320, keys=320, heads=6, dtype=torch.float16)


TOKENS = 320


def _call(score_mod: Callable[..., Any] | None = None, **options: Any) -> Callable[..., Any]:
    return lambda q, k, v: flex_attention(q, k, v, score_mod, **options)


def _within(reach: int) -> Callable[..., Any]:
    return lambda b, h, i, j: (j <= i) & (i - j <= reach)


def _sinks(reach: int, first: int) -> Callable[..., Any]:
    return lambda b, h, i, j: (j <= i) & ((i - j <= reach) | (j < first))


def _steep(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return torch.where(i > j, s - 0.1 * (i - j), s)


def _lengths(strict: bool) -> Callable[..., Any]:
    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, lengths: torch.Tensor) -> Any:
        def until(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            return torch.where(j < lengths[b] if strict else j <= lengths[b], s, -float("inf"))

        return flex_attention(q, k, v, until)

    return run


def _learned(by_head: bool) -> Callable[..., Any]:
    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: torch.Tensor) -> Any:
        return flex_attention(q, k, v, lambda s, b, h, i, j: s * (scale[h] if by_head else scale[i]))

    return run


def _joined(mask: Callable[..., Any], limit: float) -> Callable[..., Any]:
    blocks = _blocks(mask)

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, x: torch.Tensor) -> Any:
        return x + flex_attention(q, k, v, block_mask=blocks).clamp(-limit, limit)

    return run


PROGRAMS: Programs = {
    "within": lambda: (_call(block_mask=_blocks(_within(100))), _tensors()),
    "within_sinks": lambda: (_call(block_mask=_blocks(_sinks(100, 4))), _tensors()),
    "within_coarse": lambda: (_call(block_mask=_blocks(_within(100), block=256)), _tensors()),
    "within_lse": lambda: (_call(block_mask=_blocks(_within(100)), return_aux=AuxRequest(lse=True)), _tensors()),
    "within_tiles": lambda: (
        _call(block_mask=_blocks(_within(100)), kernel_options={"BLOCK_M": 64, "BLOCK_N": 32}), _tensors(),
    ),
    "within_stages": lambda: (_call(block_mask=_blocks(_within(100)), kernel_options={"num_stages": 2}), _tensors()),
    "within_safe": lambda: (
        _call(block_mask=_blocks(_within(100)), kernel_options={"ROWS_GUARANTEED_SAFE": True}), _tensors(),
    ),
    "within_wide": lambda: (_call(block_mask=_blocks(_within(100))), _tensors(width=128)),
    "capped_train": lambda: (_call(capped(15.0)), _tensors(grad=True), TRAIN),
    "steep_train": lambda: (_call(_steep), _tensors(grad=True), TRAIN),
    "lengths": lambda: (_lengths(True), (*_tensors(), torch.tensor([200, 300], device="cuda"))),
    "lengths_last": lambda: (_lengths(False), (*_tensors(), torch.tensor([200, 300], device="cuda"))),
    "learned": lambda: (_learned(True), (*_tensors(grad=True), randn(6, grad=True)), TRAIN),
    "learned_rows": lambda: (_learned(False), (*_tensors(grad=True), randn(TOKENS, grad=True)), TRAIN),
    "one_token": lambda: (_call(enable_gqa=True), _tensors(heads=8, kv=2, queries=1)),
    "one_token_steep": lambda: (_call(_steep, enable_gqa=True), _tensors(heads=8, kv=2, queries=1)),
    "one_token_triton": lambda: (
        _call(enable_gqa=True, kernel_options={"BACKEND": "TRITON"}), _tensors(heads=8, kv=2, queries=1),
    ),
    "three_tokens": lambda: (_call(enable_gqa=True), _tensors(heads=8, kv=2, queries=3)),
    "flash_plain": lambda: (_call(**FLASH), _tensors()),
    "flash_capped": lambda: (_call(capped(15.0), **FLASH), _tensors()),
    "triton_capped": lambda: (_call(capped(15.0)), _tensors()),
    "joined": lambda: (_joined(_within(60), 4.0), (*_tensors(), randn(2, 6, TOKENS, 64))),
    "joined_more": lambda: (_joined(_sinks(60, 8), 8.0), (*_tensors(), randn(2, 6, TOKENS, 64))),
}  # fmt: skip
