"""Programs of attention as vision and audio models use it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn.attention.flex_attention import flex_attention

from diff_pairs.flex_parts import FLASH, mask, qkv
from diff_pairs.sides import TRAIN, Programs, integers, randn

_mask = partial(mask, queries=256, keys=256)
_qkv = partial(qkv, queries=256, keys=256)


#: A side of the image, in patches, that the two-dimensional masks below see.
SIDE = 16


def _attend(after: Callable[..., Any] | None = None, **options: Any) -> Callable[..., Any]:
    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        out = flex_attention(q, k, v, **options)
        return after(out) if after else out

    return attend


def _biased(bias: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, table: torch.Tensor) -> Any:
        return flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + bias(table, h, i, j), **options)

    return attend


def _by_distance(table: torch.Tensor, h: Any, i: Any, j: Any) -> Any:
    return table[h, i - j + 255]


def _by_place(table: torch.Tensor, h: Any, i: Any, j: Any) -> Any:
    return table[i, j]


def _around(reach: int) -> Callable[..., Any]:
    """Neighbourhood attention: keys at most `reach` patches away in both directions of the image."""

    def near(b: Any, h: Any, q: Any, k: Any) -> Any:
        return ((q // SIDE - k // SIDE).abs() <= reach) & ((q % SIDE - k % SIDE).abs() <= reach)

    return near


def _chunks(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (q // 64 >= k // 64) & (q // 64 - k // 64 <= 2)


def _clips(ids: torch.Tensor) -> Callable[..., Any]:
    return lambda b, h, q, k: ids[q] == ids[k]


def _decode(**options: Any) -> Callable[..., Any]:
    return _attend(enable_gqa=True, **options)


PROGRAMS: Programs = {
    "natten": lambda: (_attend(block_mask=_mask(_around(3))), _qkv()),
    "natten_wide": lambda: (_attend(block_mask=_mask(_around(5))), _qkv()),
    "natten_clips": lambda: (_attend(block_mask=_mask(_clips(integers(4, 256, dtype=torch.int32)))), _qkv()),
    "natten_tanh": lambda: (_attend(torch.tanh, block_mask=_mask(_around(5))), _qkv()),
    "natten_sigmoid": lambda: (_attend(torch.sigmoid, block_mask=_mask(_around(3))), _qkv()),
    "natten_prescale": lambda: (_attend(block_mask=_mask(_around(3)), kernel_options={"PRESCALE_QK": True}), _qkv()),
    "swin": lambda: (_biased(_by_distance), (*_qkv(), randn(4, 511))),
    "swin_place": lambda: (_biased(_by_place), (*_qkv(), randn(256, 256))),
    "swin_train": lambda: (_biased(_by_distance), (*_qkv(grad=True), randn(4, 511)), TRAIN),
    "swin_train_tile": lambda: (
        _biased(_by_distance, kernel_options={"bwd_BLOCK_M1": 32, "bwd_BLOCK_N2": 32}),
        (*_qkv(grad=True), randn(4, 511)), TRAIN,
    ),
    "swin_learned": lambda: (_biased(_by_distance), (*_qkv(grad=True), randn(4, 511, grad=True)), TRAIN),
    "speech": lambda: (_decode(block_mask=_mask(_chunks)), _qkv(heads=8, kv=2)),
    "speech_heads": lambda: (_decode(block_mask=_mask(_chunks)), _qkv(heads=8, kv=4)),
    "speech_flash": lambda: (_decode(block_mask=_mask(_chunks), **FLASH), _qkv(heads=8, kv=2)),
    "speech_flash_score": lambda: (
        _decode(score_mod=lambda s, b, h, q, k: s - 0.05 * (q - k).abs(), block_mask=_mask(_chunks), **FLASH),
        _qkv(heads=8, kv=2),
    ),
    "decode": lambda: (_decode(), _qkv(queries=1, keys=1024, heads=8, kv=2)),
    "decode_cap": lambda: (
        _decode(score_mod=lambda s, b, h, q, k: 20.0 * torch.tanh(s / 20.0)), _qkv(queries=1, keys=1024, heads=8, kv=2),
    ),
    "decode_whole": lambda: (_decode(kernel_options={"BACKEND": "TRITON"}), _qkv(queries=1, keys=1024, heads=8, kv=2)),
    "decode_long": lambda: (_decode(), _qkv(queries=1, keys=4096, heads=8, kv=2)),
    "decode_fp16": lambda: (_decode(), _qkv(queries=1, keys=1024, heads=8, kv=2, dtype=torch.float16)),
}  # fmt: skip
