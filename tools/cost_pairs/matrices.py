"""Programs of matrix products, with what is fused behind them, and of attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from cost_pairs.sides import BF16, F32, LAST, TRAIN, Program, Programs, bf16, integers, randn

Mod = Callable[..., Any]


def _mm(
    after: Callable[..., Any], rows: int = 4096, inner: int = 4096, columns: int = 4096, dtype: Any = BF16
) -> Program:
    return (lambda a, b, c: after(a @ b, c)), (
        randn(rows, inner, dtype=dtype), randn(inner, columns, dtype=dtype), randn(columns, dtype=dtype),
    )  # fmt: skip


def _mlp(x: Any, up: Any, down: Any) -> Any:
    return F.gelu(x @ up) @ down


def _gated(x: Any, up: Any, gate: Any, down: Any) -> Any:
    return (F.silu(x @ gate) * (x @ up)) @ down


def _heads(length: int = 4096, width: int = 64, batch: int = 4, heads: int = 16, kv: int | None = None,
           grad: bool = False, queries: int | None = None, dtype: Any = BF16) -> tuple[torch.Tensor, ...]:  # fmt: skip
    return (
        randn(batch, heads, queries or length, width, dtype=dtype, grad=grad),
        *(randn(batch, kv or heads, length, width, dtype=dtype, grad=grad) for _ in range(2)),
    )


def causal(b: Any, h: Any, q: Any, k: Any) -> Any:
    """Keys up to the query."""
    return q >= k


def window(b: Any, h: Any, q: Any, k: Any) -> Any:
    """The last 512 keys."""
    return (q >= k) & (q - k < 512)


def _documents() -> Mod:
    of = (torch.arange(4096, device="cuda") // 700).to(torch.int32)
    return lambda b, h, q, k: (of[q] == of[k]) & (q >= k)


def _table() -> Mod:
    bias = randn(16, 8192)
    return lambda s, b, h, q, k: s + bias[h, q - k + 4096]


SCORES: dict[str, Mod] = {
    "slopes": lambda s, b, h, q, k: s - torch.exp2(-(h + 1.0) * 0.5) * (q - k),
    "capped": lambda s, b, h, q, k: 30.0 * torch.tanh(s / 30.0),
    "relative": lambda s, b, h, q, k: s + (q - k) * 0.01,
    "causal_score": lambda s, b, h, q, k: torch.where(q >= k, s, -float("inf")),
}


def _flex(mask: Mod | None = None, score: Mod | None = None, block: int = 128, heads: dict[str, Any] | None = None,
          options: dict[str, Any] | None = None, **more: Any) -> Program:  # fmt: skip
    inputs = _heads(**(heads or {}))
    queries, keys = inputs[0].shape[2], inputs[1].shape[2]
    blocks = create_block_mask(mask, None, None, queries, keys, BLOCK_SIZE=block) if mask else None

    def run(q: Any, k: Any, v: Any) -> Any:
        return flex_attention(q, k, v, score_mod=score, block_mask=blocks, kernel_options=options, **more)

    return run, inputs, TRAIN if inputs[0].requires_grad else {}


def _written(q: Any, k: Any, v: Any) -> Any:
    return ((q @ k.mT) * 0.125).softmax(-1) @ v


PROGRAMS: Programs = {
    "mm": lambda: _mm(lambda y, c: y),
    "mm_relu": lambda: _mm(lambda y, c: y.relu()),
    "mm_bias": lambda: _mm(lambda y, c: y + c),
    "mm_gelu": lambda: _mm(lambda y, c: F.gelu(y + c)),
    "mm_silu_f32": lambda: _mm(lambda y, c: F.silu(y.float() + c)),
    "mm_sum": lambda: _mm(lambda y, c: (y * c).sum(-1)),
    "mm_f32": lambda: _mm(lambda y, c: y.relu(), dtype=F32),
    "mm_small": lambda: _mm(lambda y, c: y.relu(), 512, 512, 512),
    "mm_thin": lambda: _mm(lambda y, c: y.relu(), 16, 4096, 4096),
    "mm_deep": lambda: _mm(lambda y, c: y.relu(), 512, 32768, 512),
    "mm_odd": lambda: _mm(lambda y, c: y.relu(), 4095, 4093, 4097),
    "mm_large": lambda: _mm(lambda y, c: y.relu(), 8192, 8192, 8192),
    "mm_prologue": lambda: ((lambda a, b: a.relu() @ b), (bf16(4096, 4096), bf16(4096, 4096))),
    "bmm": lambda: ((lambda a, b: (a @ b).relu()), (bf16(64, 1024, 128), bf16(64, 128, 1024))),
    "bmm_small": lambda: ((lambda a, b: (a @ b).relu()), (bf16(512, 64, 64), bf16(512, 64, 64))),
    "mv": lambda: ((lambda a, b: a @ b), (bf16(16384, 16384), bf16(16384))),
    "mm_int8": lambda: (
        (lambda a, b: (a @ b.to(BF16)) * 2.0),
        (bf16(64, 4096), integers(100, 4096, 4096, dtype=torch.int8)),
    ),
    "mlp": lambda: (_mlp, (bf16(4096, 2048), bf16(2048, 8192), bf16(8192, 2048))),
    "mlp_relu": lambda: (
        (lambda x, up, down: (x @ up).relu() @ down),
        (bf16(4096, 2048), bf16(2048, 8192), bf16(8192, 2048)),
    ),
    "gated": lambda: (_gated, (bf16(4096, 2048), bf16(2048, 5504), bf16(2048, 5504), bf16(5504, 2048))),
    "train_mlp": lambda: (
        _mlp,
        (bf16(4096, 2048, grad=True), bf16(2048, 8192, grad=True), bf16(8192, 2048, grad=True)), TRAIN,
    ),
    "train_mlp_f32": lambda: (
        _mlp,
        (randn(2048, 1024, grad=True), randn(1024, 4096, grad=True), randn(4096, 1024, grad=True)), TRAIN,
    ),
    "conv": lambda: ((lambda x, w: F.relu(F.conv2d(x, w, padding=1))), (bf16(32, 64, 56, 56), bf16(128, 64, 3, 3))),
    "conv_last": lambda: (
        (lambda x, w: F.relu(F.conv2d(x, w, padding=1))),
        (bf16(32, 64, 56, 56).to(**LAST), bf16(128, 64, 3, 3).to(**LAST)),
    ),
    # attention
    "sdpa": lambda: (F.scaled_dot_product_attention, _heads()),
    "sdpa_causal": lambda: ((lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)), _heads()),
    "sdpa_long": lambda: (F.scaled_dot_product_attention, _heads(8192)),
    "sdpa_wide": lambda: (F.scaled_dot_product_attention, _heads(width=128)),
    "sdpa_train": lambda: (F.scaled_dot_product_attention, _heads(2048, grad=True), TRAIN),
    "attention_written": lambda: (_written, _heads(1024)),
    "attention_written_f32": lambda: (
        (lambda q, k, v: ((q @ k.mT).float() * 0.125).softmax(-1).to(BF16) @ v),
        _heads(1024),
    ),
    "attention_written_sdpa": lambda: (F.scaled_dot_product_attention, _heads(1024)),
    "flex": lambda: _flex(),
    "flex_causal": lambda: _flex(causal),
    "flex_window": lambda: _flex(window),
    "flex_documents": lambda: _flex(_documents()),
    "flex_causal_256": lambda: _flex(causal, block=256),
    **{f"flex_{name}": lambda score=score: _flex(score=score) for name, score in SCORES.items()},
    "flex_table": lambda: _flex(score=_table()),
    "flex_causal_capped": lambda: _flex(causal, SCORES["capped"]),
    "flex_wide": lambda: _flex(heads={"width": 128}),
    "flex_half": lambda: _flex(heads={"length": 2048}),
    "flex_f32": lambda: _flex(heads={"length": 2048, "dtype": F32}),
    "flex_grouped": lambda: _flex(heads={"kv": 4}, enable_gqa=True),
    "flex_tiles": lambda: _flex(options={"BLOCK_M": 64, "BLOCK_N": 32}),
    "flex_tiles_large": lambda: _flex(options={"BLOCK_M": 128, "BLOCK_N": 128}),
    "flex_warps": lambda: _flex(options={"num_warps": 8, "num_stages": 2}),
    "flex_train": lambda: _flex(heads={"length": 2048, "grad": True}),
    "flex_train_causal": lambda: _flex(causal, heads={"length": 2048, "grad": True}),
    "flex_train_capped": lambda: _flex(score=SCORES["capped"], heads={"length": 2048, "grad": True}),
    "flex_decode": lambda: _flex(heads={"length": 8192, "queries": 1, "kv": 4}, enable_gqa=True),
    "flex_decode_slopes": lambda: _flex(
        score=SCORES["slopes"], heads={"length": 8192, "queries": 1, "kv": 4}, enable_gqa=True,
    ),
    "flex_decode_long": lambda: _flex(heads={"length": 16384, "queries": 1, "kv": 4}, enable_gqa=True),
}  # fmt: skip
