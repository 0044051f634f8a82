"""Programs of attention with tables, documents and grouped heads, in training and in decoding."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn.attention.flex_attention import flex_attention

from diff_pairs.flex_parts import FLASH, causal, flex, mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn

_mask = partial(mask, queries=256, keys=256)
_heads = partial(qkv, queries=256, keys=256, batch=1)


def _filled() -> Callable[..., Any]:
    length = integers(1024, 1)
    return lambda b, h, q, k: k < length[b]


def _table(size: int, grad: bool = False) -> Callable[..., Any]:
    bias = randn(4, size, grad=grad)
    return lambda s, b, h, q, k: s + bias[h, (q - k).clamp(0, size - 1)]


def _slopes(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return s - torch.exp2(-(h + 1.0)) * (q - k)


def _documents(causal: bool) -> Callable[..., Any]:
    of = integers(4, 256)
    return lambda b, h, q, k: (of[q] == of[k]) & (q >= k) if causal else of[q] == of[k]


def _block(mod: Callable[..., Any], after: Callable[..., Any], **heads: Any) -> Any:
    mask = _mask(mod)

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        y = flex_attention(q, k, v, block_mask=mask)
        return after(y.transpose(1, 2).flatten(2)) @ w

    return run, (*_heads(**heads), randn(256, 96, dtype=heads.get("dtype", BF16)))


def _unit(x: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6).to(x.dtype)


PROGRAMS: Programs = {
    "flex": lambda: (flex(), _heads()),
    "flex_table": lambda: (flex(score_mod=_table(64)), _heads()),
    "flex_table_long": lambda: (flex(score_mod=_table(128)), _heads()),
    "flex_documents": lambda: (flex(block_mask=_mask(_documents(False))), _heads()),
    "flex_documents_causal": lambda: (flex(block_mask=_mask(_documents(True))), _heads()),
    "flex_causal_train": lambda: (flex(block_mask=_mask(causal)), _heads(grad=True), TRAIN),
    "flex_causal_train_blocks": lambda: (
        flex(block_mask=_mask(causal), kernel_options={"bwd_BLOCK_M1": 32, "bwd_BLOCK_N1": 64}), _heads(grad=True),
        TRAIN,
    ),
    "flex_slopes_train": lambda: (flex(block_mask=_mask(causal), score_mod=_slopes), _heads(grad=True), TRAIN),
    "flex_grouped": lambda: (flex(enable_gqa=True), _heads(kv=2)),
    "flex_grouped_one": lambda: (flex(enable_gqa=True), _heads(kv=1)),
    "flash_grouped": lambda: (flex(enable_gqa=True, **FLASH), _heads(kv=2)),
    "flex_decode": lambda: (flex(enable_gqa=True), _heads(queries=1, keys=1024, kv=2)),
    "flex_decode_slopes": lambda: (flex(score_mod=_slopes, enable_gqa=True), _heads(queries=1, keys=1024, kv=2)),
    "flex_decode_not": lambda: (
        flex(enable_gqa=True, kernel_options={"FORCE_USE_FLEX_ATTENTION": True}), _heads(queries=1, keys=1024, kv=2),
    ),
    "flex_decode_splits": lambda: (
        flex(enable_gqa=True, kernel_options={"SPLIT_KV": 16}), _heads(queries=1, keys=1024, kv=2),
    ),
    "flex_decode_filled": lambda: (
        flex(block_mask=_mask(_filled(), queries=1, keys=1024), enable_gqa=True), _heads(queries=1, keys=1024, kv=2),
    ),
    "flex_table_train": lambda: (
        flex(block_mask=_mask(causal), score_mod=_table(64, grad=True)), _heads(grad=True), TRAIN,
    ),
    "flash_grouped_causal": lambda: (flex(enable_gqa=True, block_mask=_mask(causal), **FLASH), _heads(kv=2)),
    "flex_prescaled": lambda: (flex(kernel_options={"PRESCALE_QK": True}), _heads()),
    "flash_table": lambda: (flex(score_mod=_table(64), **FLASH), _heads()),
    "flash_slopes": lambda: (flex(score_mod=_slopes, **FLASH), _heads()),
    "attend": lambda: _block(causal, torch.sigmoid),
    "attend_unit_local": lambda: _block(lambda b, h, q, k: (q >= k) & (q - k < 100), _unit),
    "attend_half_prefix": lambda: _block(lambda b, h, q, k: (q >= k) | (k < 40), torch.sigmoid, dtype=torch.float16 ),
}  # fmt: skip
