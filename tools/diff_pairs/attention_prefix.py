"""Programs of attention in encoders, in decoders with a prefix, and over long inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn.attention.flex_attention import flex_attention

from diff_pairs.flex_parts import FLASH, capped, flex, mask, qkv
from diff_pairs.sides import TRAIN, Programs

_blocks = partial(mask, queries=320, keys=320, batch=2)
_heads = partial(qkv, queries=320, keys=320)


def _gated(tail: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Attention whose heads are put side by side, then what comes after them."""

    def encode(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        return tail(flex_attention(q, k, v, **options).transpose(1, 2).flatten(2))

    return encode


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


def _near(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return s - (i - j).abs() * 0.05


def _swish(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(x)


PROGRAMS: Programs = {
    "lengths": lambda: (flex(block_mask=_blocks(_lengths())), _heads()),
    "lengths_causal": lambda: (flex(block_mask=_blocks(_lengths(also_causal=True))), _heads()),
    "lengths_capped": lambda: (flex(block_mask=_blocks(_lengths()), score_mod=capped(30.0)), _heads()),
    "prefix": lambda: (flex(block_mask=_blocks(_prefix)), _heads()),
    "prefix_coarse": lambda: (flex(block_mask=_blocks(_prefix, block=256)), _heads()),
    "prefix_train": lambda: (flex(block_mask=_blocks(_prefix)), _heads(grad=True), TRAIN),
    "prefix_train_near": lambda: (flex(block_mask=_blocks(_prefix), score_mod=_near), _heads(grad=True), TRAIN),
    "prefix_train_grouped": lambda: (
        flex(block_mask=_blocks(_prefix), enable_gqa=True), _heads(kv=1, grad=True), TRAIN,
    ),
    "cross": lambda: (flex(score_mod=_near), _heads(queries=160)),
    "cross_tiles": lambda: (
        flex(score_mod=_near, kernel_options={"BLOCK_M": 32, "BLOCK_N": 64, "num_stages": 2}), _heads(queries=160),
    ),
    "cross_wide": lambda: (flex(score_mod=_near), _heads(queries=160, width=128)),
    "one": lambda: (flex(score_mod=capped(30.0), enable_gqa=True), _heads(queries=1, keys=768, heads=8, kv=2)),
    "one_looser": lambda: (flex(score_mod=capped(50.0), enable_gqa=True), _heads(queries=1, keys=768, heads=8, kv=2)),
    "flash_prefix": lambda: (flex(block_mask=_blocks(_prefix), **FLASH), _heads()),
    "flash_strided": lambda: (flex(block_mask=_blocks(_strided), **FLASH), _heads()),
    "flash_train": lambda: (flex(**FLASH), _heads(grad=True), TRAIN),
    "triton_train": lambda: (flex(), _heads(grad=True), TRAIN),
    "tail": lambda: (_gated(torch.tanh, score_mod=_near), _heads()),
    "tail_swish_capped": lambda: (_gated(_swish, score_mod=capped(30.0)), _heads()),
}  # fmt: skip
