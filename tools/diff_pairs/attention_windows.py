"""Programs of attention in windows, with sinks, learned biases and other tile sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.flex_attention import AuxRequest, create_block_mask, flex_attention

from diff_pairs.sides import TRAIN, Programs, randn

TOKENS = 320


def _call(score_mod: Callable[..., Any] | None = None, **options: Any) -> Callable[..., Any]:
    return lambda q, k, v: flex_attention(q, k, v, score_mod, **options)


def _tensors(
    heads: int = 6, kv: int = 6, queries: int = TOKENS, keys: int = TOKENS, width: int = 64, grad: bool = False
) -> tuple[torch.Tensor, ...]:
    sizes = ((2, heads, queries, width), (2, kv, keys, width), (2, kv, keys, width))
    return tuple(randn(*size, dtype=torch.float16, grad=grad) for size in sizes)


def _within(reach: int) -> Callable[..., Any]:
    return lambda b, h, i, j: (j <= i) & (i - j <= reach)


def _sinks(reach: int, first: int) -> Callable[..., Any]:
    return lambda b, h, i, j: (j <= i) & ((i - j <= reach) | (j < first))


def _blocks(mask: Callable[..., Any], size: int | tuple[int, int] = 128, queries: int = TOKENS) -> Any:
    return create_block_mask(mask, None, None, queries, TOKENS, device="cuda", BLOCK_SIZE=size)


def _steep(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return torch.where(i > j, s - 0.1 * (i - j), s)


def _capped(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return 15.0 * torch.tanh(s / 15.0)


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
    "within": lambda: (_call(block_mask=_blocks(_within(100))), _tensors(), {}),
    "within_sinks": lambda: (_call(block_mask=_blocks(_sinks(100, 4))), _tensors(), {}),
    "within_coarse": lambda: (_call(block_mask=_blocks(_within(100), 256)), _tensors(), {}),
    "within_lse": lambda: (
        _call(block_mask=_blocks(_within(100)), return_aux=AuxRequest(lse=True)), _tensors(), {},
    ),
    "within_tiles": lambda: (
        _call(block_mask=_blocks(_within(100)), kernel_options={"BLOCK_M": 64, "BLOCK_N": 32}), _tensors(), {},
    ),
    "within_stages": lambda: (
        _call(block_mask=_blocks(_within(100)), kernel_options={"num_stages": 2}), _tensors(), {},
    ),
    "within_safe": lambda: (
        _call(block_mask=_blocks(_within(100)), kernel_options={"ROWS_GUARANTEED_SAFE": True}), _tensors(), {},
    ),
    "within_wide": lambda: (_call(block_mask=_blocks(_within(100))), _tensors(width=128), {}),
    "capped_train": lambda: (_call(_capped), _tensors(grad=True), TRAIN),
    "steep_train": lambda: (_call(_steep), _tensors(grad=True), TRAIN),
    "lengths": lambda: (_lengths(True), (*_tensors(), torch.tensor([200, 300], device="cuda")), {}),
    "lengths_last": lambda: (_lengths(False), (*_tensors(), torch.tensor([200, 300], device="cuda")), {}),
    "learned": lambda: (_learned(True), (*_tensors(grad=True), randn(6, grad=True)), TRAIN),
    "learned_rows": lambda: (_learned(False), (*_tensors(grad=True), randn(TOKENS, grad=True)), TRAIN),
    "one_token": lambda: (_call(enable_gqa=True), _tensors(8, 2, queries=1), {}),
    "one_token_steep": lambda: (_call(_steep, enable_gqa=True), _tensors(8, 2, queries=1), {}),
    "one_token_triton": lambda: (
        _call(enable_gqa=True, kernel_options={"BACKEND": "TRITON"}), _tensors(8, 2, queries=1), {},
    ),
    "three_tokens": lambda: (_call(enable_gqa=True), _tensors(8, 2, queries=3), {}),
    "flash_plain": lambda: (_call(kernel_options={"BACKEND": "FLASH"}), _tensors(), {}),
    "flash_capped": lambda: (_call(_capped, kernel_options={"BACKEND": "FLASH"}), _tensors(), {}),
    "triton_capped": lambda: (_call(_capped), _tensors(), {}),
    "joined": lambda: (_joined(_within(60), 4.0), (*_tensors(), randn(2, 6, TOKENS, 64)), {}),
    "joined_more": lambda: (_joined(_sinks(60, 8), 8.0), (*_tensors(), randn(2, 6, TOKENS, 64)), {}),
}  # fmt: skip
