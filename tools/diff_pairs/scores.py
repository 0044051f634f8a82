"""Programs of attention: score and mask functions of flex attention, torch's own attention, grouped heads, decoding."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import and_masks, flex_attention

from diff_pairs.flex_parts import causal, flex, mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn

_heads = partial(qkv, queries=384, keys=384, batch=1)
_mask = partial(mask, queries=384, keys=384)
_step = partial(qkv, queries=1, keys=2048, heads=8, kv=2)


def _near(width: int) -> Callable[..., Any]:
    return lambda b, h, q, k: q - k < width


def _tokens(least: int = 1) -> Callable[..., Any]:
    """Of each query, the keys of its own kind."""
    kinds = integers(5, 384)
    return lambda b, h, q, k: (kinds[q] == kinds[k]) | (kinds[k] < least)


def _decay() -> Callable[..., Any]:
    return lambda s, b, h, q, k: s - 0.05 * (q - k).abs()


def _temperature() -> Callable[..., Any]:
    heat = randn(4).exp()
    return lambda s, b, h, q, k: s / heat[h]


def _gain(grad: bool = False) -> Callable[..., Any]:
    gain = randn(4, grad=grad)
    return lambda s, b, h, q, k: s * gain[h]


def _relu_score(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return torch.where(s > 0, s, 0.1 * s)


def _relu_score_hard(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return torch.where(s > 0, s, 0.0 * s)


def _projected(after: Callable[..., Any] = torch.relu, rows: bool = False, **options: Any) -> Callable[..., Any]:
    """Flex attention between two products."""

    def run(x: torch.Tensor, w: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
        q, k, v = ((x @ w).unflatten(-1, (3, 4, 32)).permute(2, 0, 3, 1, 4)).unbind(0)
        y = flex_attention(F.normalize(q, dim=-1) if rows else q, k, v, **options)
        return after(y.transpose(1, 2).flatten(2)) @ o

    return run


def _projected_args(dtype: torch.dtype = BF16) -> tuple[torch.Tensor, ...]:
    return tuple(randn(*size, dtype=dtype) for size in ((2, 384, 64), (64, 384), (128, 64)))


def _library(before: Callable[..., Any] | None = None, **options: Any) -> Callable[..., Any]:
    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if before:
            q, k = before(q), before(k)
        return F.scaled_dot_product_attention(q, k, v, **options).sigmoid()

    return run


def _asked(backend: SDPBackend) -> Callable[..., Any]:
    """torch's own attention with the backend that the program asks for."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(q, k, v).sigmoid()

    return run


def _written(scale: float = 0.125, drop: bool = False, late: bool = False, axis: int = -1) -> Callable[..., Any]:
    """Attention written out with a mask that is added."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        scores = (q @ k.transpose(-1, -2) + bias) * scale if late else q @ k.transpose(-1, -2) * scale + bias
        share = scores.float().softmax(axis).to(q.dtype)
        return (F.dropout(share, 0.1) if drop else share) @ v

    return run


def _written_args(*bias: int) -> tuple[torch.Tensor, ...]:
    return (*qkv(queries=80, keys=80, batch=2, dtype=torch.float32), randn(*bias or (80, 80)))


def _cache(at_end: bool = True) -> Callable[..., Any]:
    """A decoding step: the new key and value go into the cache, then it is attended to."""

    def run(q: Any, k: Any, v: Any, keys: Any, values: Any, place: Any) -> Any:
        keys.index_copy_(2, place, k)
        values.index_copy_(2, place, v)
        seen = (torch.arange(keys.shape[2], device="cuda") <= place)[None] if at_end else None
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=seen, enable_gqa=True)

    return run


def _cache_args() -> tuple[torch.Tensor, ...]:
    sizes = ((2, 8, 1, 64), (2, 2, 1, 64), (2, 2, 1, 64), (2, 2, 256, 64), (2, 2, 256, 64))
    return (*(randn(*size, dtype=BF16) for size in sizes), integers(256, 1))


PROGRAMS: Programs = {
    "plain": lambda: (flex(), _heads()),
    "plain_scale": lambda: (flex(scale=0.1), _heads()),
    "temperature": lambda: (flex(score_mod=_temperature()), _heads()),
    "gain_train": lambda: (flex(score_mod=_gain()), _heads(grad=True), TRAIN),
    "gain_train_learned": lambda: (flex(score_mod=_gain(grad=True)), _heads(grad=True), TRAIN),
    "kinked": lambda: (flex(score_mod=_relu_score), _heads()),
    "kinked_hard": lambda: (flex(score_mod=_relu_score_hard), _heads()),
    "window": lambda: (flex(block_mask=_mask(and_masks(causal, _near(96)))), _heads()),
    "window_both": lambda: (flex(block_mask=_mask(and_masks(causal, _near(96))), score_mod=_decay()), _heads()),
    "tokens": lambda: (flex(block_mask=_mask(_tokens())), _heads()),
    "tokens_more": lambda: (flex(block_mask=_mask(_tokens(2))), _heads()),
    "projected": lambda: (_projected(), _projected_args()),
    "projected_gelu": lambda: (_projected(F.gelu), _projected_args()),
    "projected_unit": lambda: (_projected(rows=True), _projected_args()),
    "projected_decay": lambda: (_projected(score_mod=_decay()), _projected_args()),
    "projected_gelu_decay": lambda: (_projected(F.gelu, score_mod=_decay()), _projected_args()),
    "projected_fp16": lambda: (_projected(), _projected_args(torch.float16)),
    "step": lambda: (flex(enable_gqa=True), _step()),
    "step_two": lambda: (flex(enable_gqa=True), _step(queries=2)),
    "step_many": lambda: (flex(enable_gqa=True), _step(queries=256)),
    "library": lambda: (_library(), _heads()),
    "library_unit": lambda: (_library(partial(F.normalize, dim=-1)), _heads()),
    "library_rms": lambda: (_library(lambda x: F.rms_norm(x, (64,))), _heads()),
    "library_mask": lambda: (_library(attn_mask=randn(384, 384, dtype=BF16)), _heads()),
    "library_flash": lambda: (_asked(SDPBackend.FLASH_ATTENTION), _heads()),
    "library_efficient": lambda: (_asked(SDPBackend.EFFICIENT_ATTENTION), _heads()),
    "written": lambda: (_written(), _written_args()),
    "written_scale": lambda: (_written(0.2), _written_args()),
    "written_late": lambda: (_written(late=True), _written_args()),
    "written_drop": lambda: (_written(drop=True), _written_args()),
    "written_queries": lambda: (_written(axis=-2), _written_args()),
    "written_keys": lambda: (_written(), _written_args(80)),
    "cache": lambda: (_cache(), _cache_args()),
    "cache_all": lambda: (_cache(at_end=False), _cache_args()),
}
