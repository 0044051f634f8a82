"""Programs of attention in encoders, in decoders with a prefix, and over long inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from diff_pairs.sides import Programs, randn


def _attend(**options: Any) -> Callable[..., Any]:
    def encode(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        return flex_attention(q, k, v, **options)

    return encode


def _gated(tail: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Attention whose heads are put side by side, then what comes after them."""

    def encode(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        return tail(flex_attention(q, k, v, **options).transpose(1, 2).flatten(2))

    return encode


def _heads(
    q: int = 320, k: int = 320, heads: int = 4, kv: int = 4, width: int = 64, grad: bool = False,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    shapes = ((2, heads, q, width), (2, kv, k, width), (2, kv, k, width))
    return tuple(randn(*shape, dtype=torch.bfloat16, grad=grad) for shape in shapes)


def _blocks(mask: Callable[..., Any], block: int = 128) -> Any:
    return create_block_mask(mask, 2, None, 320, 320, device="cuda", BLOCK_SIZE=block)


def _lengths(also_causal: bool = False) -> Callable[..., Any]:
    """Padding: keys behind the end of their sentence are not seen."""
    length = torch.randint(1, 320, (2,), device="cuda")
    if also_causal:
        return lambda b, h, i, j: (j < length[b]) & (i >= j)
    return lambda b, h, i, j: j < length[b]


def _prefix(b: Any, h: Any, i: Any, j: Any) -> Any:
    return (j < 48) | (i >= j)


def _strided(b: Any, h: Any, i: Any, j: Any) -> Any:
    """The last 32 keys, and every sixteenth before them."""
    return (i >= j) & ((i - j < 32) | (j % 16 == 15))


def _softcap(limit: float) -> Callable[..., Any]:
    return lambda s, b, h, i, j: limit * torch.tanh(s / limit)


def _near(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return s - (i - j).abs() * 0.05


def _swish(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(x)


FLASH = {"kernel_options": {"BACKEND": "FLASH"}}

PROGRAMS: Programs = {
    "lengths": lambda: (_attend(block_mask=_blocks(_lengths())), _heads(), {}),
    "lengths_causal": lambda: (_attend(block_mask=_blocks(_lengths(also_causal=True))), _heads(), {}),
    "lengths_capped": lambda: (_attend(block_mask=_blocks(_lengths()), score_mod=_softcap(30.0)), _heads(), {}),
    "prefix": lambda: (_attend(block_mask=_blocks(_prefix)), _heads(), {}),
    "prefix_coarse": lambda: (_attend(block_mask=_blocks(_prefix, block=256)), _heads(), {}),
    "prefix_train": lambda: (_attend(block_mask=_blocks(_prefix)), _heads(grad=True), {"backward": True}),
    "prefix_train_near": lambda: (
        _attend(block_mask=_blocks(_prefix), score_mod=_near), _heads(grad=True), {"backward": True},
    ),
    "prefix_train_grouped": lambda: (
        _attend(block_mask=_blocks(_prefix), enable_gqa=True), _heads(kv=1, grad=True), {"backward": True},
    ),
    "cross": lambda: (_attend(score_mod=_near), _heads(q=160), {}),
    "cross_tiles": lambda: (
        _attend(score_mod=_near, kernel_options={"BLOCK_M": 32, "BLOCK_N": 64, "num_stages": 2}), _heads(q=160), {},
    ),
    "cross_wide": lambda: (_attend(score_mod=_near), _heads(q=160, width=128), {}),
    "one": lambda: (_attend(score_mod=_softcap(30.0), enable_gqa=True), _heads(q=1, k=768, heads=8, kv=2), {}),
    "one_looser": lambda: (
        _attend(score_mod=_softcap(50.0), enable_gqa=True), _heads(q=1, k=768, heads=8, kv=2), {},
    ),
    "flash_prefix": lambda: (_attend(block_mask=_blocks(_prefix), **FLASH), _heads(), {}),
    "flash_strided": lambda: (_attend(block_mask=_blocks(_strided), **FLASH), _heads(), {}),
    "flash_train": lambda: (_attend(**FLASH), _heads(grad=True), {"backward": True}),
    "triton_train": lambda: (_attend(), _heads(grad=True), {"backward": True}),
    "tail": lambda: (_gated(torch.tanh, score_mod=_near), _heads(), {}),
    "tail_swish_capped": lambda: (_gated(_swish, score_mod=_softcap(30.0)), _heads(), {}),
}  # fmt: skip
