"""Programs of attention as vision and audio models use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from diff_pairs.sides import Programs, randn

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


def _mask(mask: Callable[..., Any]) -> Any:
    return create_block_mask(mask, None, None, 256, 256, device="cuda", BLOCK_SIZE=128)


def _clips(ids: torch.Tensor) -> Callable[..., Any]:
    return lambda b, h, q, k: ids[q] == ids[k]


def _qkv(
    heads: int = 4, kv: int = 4, queries: int = 256, keys: int = 256, dtype: torch.dtype = torch.bfloat16,
    grad: bool = False,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    return (
        randn(2, heads, queries, 64, dtype=dtype, grad=grad),
        *(randn(2, kv, keys, 64, dtype=dtype, grad=grad) for _ in range(2)),
    )


def _decode(**options: Any) -> Callable[..., Any]:
    return _attend(enable_gqa=True, **options)


PROGRAMS: Programs = {
    "natten": lambda: (_attend(block_mask=_mask(_around(3))), _qkv(), {}),
    "natten_wide": lambda: (_attend(block_mask=_mask(_around(5))), _qkv(), {}),
    "natten_clips": lambda: (
        _attend(block_mask=_mask(_clips(torch.randint(0, 4, (256,), device="cuda", dtype=torch.int32)))), _qkv(), {},
    ),
    "natten_tanh": lambda: (_attend(torch.tanh, block_mask=_mask(_around(5))), _qkv(), {}),
    "natten_sigmoid": lambda: (_attend(torch.sigmoid, block_mask=_mask(_around(3))), _qkv(), {}),
    "natten_prescale": lambda: (
        _attend(block_mask=_mask(_around(3)), kernel_options={"PRESCALE_QK": True}), _qkv(), {},
    ),
    "swin": lambda: (_biased(_by_distance), (*_qkv(), randn(4, 511)), {}),
    "swin_place": lambda: (_biased(_by_place), (*_qkv(), randn(256, 256)), {}),
    "swin_train": lambda: (_biased(_by_distance), (*_qkv(grad=True), randn(4, 511)), {"backward": True}),
    "swin_train_tile": lambda: (
        _biased(_by_distance, kernel_options={"bwd_BLOCK_M1": 32, "bwd_BLOCK_N2": 32}),
        (*_qkv(grad=True), randn(4, 511)), {"backward": True},
    ),
    "swin_learned": lambda: (_biased(_by_distance), (*_qkv(grad=True), randn(4, 511, grad=True)), {"backward": True}),
    "speech": lambda: (_decode(block_mask=_mask(_chunks)), _qkv(8, 2), {}),
    "speech_heads": lambda: (_decode(block_mask=_mask(_chunks)), _qkv(8, 4), {}),
    "speech_flash": lambda: (_decode(block_mask=_mask(_chunks), kernel_options={"BACKEND": "FLASH"}), _qkv(8, 2), {}),
    "speech_flash_score": lambda: (
        _decode(
            score_mod=lambda s, b, h, q, k: s - 0.05 * (q - k).abs(), block_mask=_mask(_chunks),
            kernel_options={"BACKEND": "FLASH"},
        ), _qkv(8, 2), {},
    ),
    "decode": lambda: (_decode(), _qkv(8, 2, 1, 1024), {}),
    "decode_cap": lambda: (
        _decode(score_mod=lambda s, b, h, q, k: 20.0 * torch.tanh(s / 20.0)), _qkv(8, 2, 1, 1024), {},
    ),
    "decode_whole": lambda: (_decode(kernel_options={"BACKEND": "TRITON"}), _qkv(8, 2, 1, 1024), {}),
    "decode_long": lambda: (_decode(), _qkv(8, 2, 1, 4096), {}),
    "decode_fp16": lambda: (_decode(), _qkv(8, 2, 1, 1024, torch.float16), {}),
}  # fmt: skip
