"""Programs of attention written out, of torch's own function, and of flex attention in other forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from diff_pairs.sides import BF16, TRAIN, Programs, randn


def _three(*size: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> tuple[torch.Tensor, ...]:
    return tuple(randn(*size, dtype=dtype, grad=grad) for _ in range(3))


def _differential(weight: float = 0.8, second: bool = True) -> Callable[..., Any]:
    """Differential attention: of one softmax a part of another is taken away; then each head is normalized."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        (q1, q2), (k1, k2) = q.chunk(2, -1), k.chunk(2, -1)
        one = (q1 @ k1.mT * 0.2).softmax(-1)
        two = ((q2 if second else q1) @ k2.mT * 0.2).softmax(-1)
        return F.rms_norm((one - weight * two) @ v, (v.shape[-1],)) * (1 - weight)

    return run


def _talking(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> Any:
    """Talking heads: the scores of the heads are mixed, before the softmax and after it."""
    scores = torch.einsum("bhij,hg->bgij", q @ k.mT * 0.125, before).softmax(-1)
    return torch.einsum("bhij,hg->bgij", scores, after) @ v


def _sunk(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, sink: torch.Tensor) -> torch.Tensor:
    """A learned sink for each head takes a part of the softmax, and is dropped."""
    scores = (q @ k.mT).float() * 0.125
    column = sink[None, :, None, None].expand(*scores.shape[:-1], 1).float()
    scores = torch.cat([scores, column], -1).softmax(-1)[..., :-1]
    return scores.to(v.dtype) @ v


def _sigmoid(late: bool) -> Callable[..., Any]:
    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = torch.sigmoid(q @ k.mT * 0.125 - 4.0)
        return (scores @ v) * 0.5 if late else scores @ v

    return run


def _masked(upcast: bool) -> Callable[..., Any]:
    """Attention with the mask of a padded batch, as it is written without a fused function."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
        scores = q @ k.mT
        scores = (scores.float() if upcast else scores) * 0.125
        scores = scores.masked_fill(~live[:, None, None], torch.finfo(BF16).min)
        return scores.softmax(-1).to(BF16) @ v

    return run


def _called(**options: Any) -> Callable[..., Any]:
    return lambda q, k, v: F.scaled_dot_product_attention(q.relu(), k, v, **options).sigmoid()


def _added(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def _normed_flex(eps: float = 1e-6, **options: Any) -> Callable[..., Any]:
    """Queries and keys normalized by head before flex attention."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        q, k = (F.rms_norm(t, (t.shape[-1],), eps=eps) for t in (q, k))
        return flex_attention(q, k, v, **options)

    return run


def _dilated(b: Any, h: Any, i: Any, j: Any) -> Any:
    return (i >= j) & ((i - j) % 4 == 0)


def _dilated_less(b: Any, h: Any, i: Any, j: Any) -> Any:
    return (i >= j) & ((i - j) % 2 == 0)


def _decayed(rate: float) -> Callable[..., Any]:
    return lambda s, b, h, i, j: s - rate * (h + 1) * (i - j).abs()


def _blocks(mask: Callable[..., Any]) -> Any:
    return create_block_mask(mask, None, None, 256, 256, device="cuda")


_FLASH = {"BACKEND": "FLASH"}

PROGRAMS: Programs = {
    "differential": lambda: (_differential(), _three(2, 6, 100, 64), {}),
    "differential_less": lambda: (_differential(0.5), _three(2, 6, 100, 64), {}),
    "differential_same": lambda: (_differential(second=False), _three(2, 6, 100, 64), {}),
    "talking": lambda: (_talking, (*_three(2, 8, 90, 32), randn(8, 8), randn(8, 8)), {}),
    "sunk": lambda: (_sunk, (*_three(2, 4, 130, 64, dtype=BF16), randn(4, dtype=BF16)), {}),
    "sigmoid": lambda: (_sigmoid(late=False), _three(2, 4, 111, 64), {}),
    "sigmoid_late": lambda: (_sigmoid(late=True), _three(2, 4, 111, 64), {}),
    "masked": lambda: (_masked(upcast=True), (*_three(2, 4, 140, 64, dtype=BF16), randn(2, 140) > 0), {}),
    "masked_low": lambda: (_masked(upcast=False), (*_three(2, 4, 140, 64, dtype=BF16), randn(2, 140) > 0), {}),
    "library": lambda: (_called(), _three(2, 4, 256, 64, dtype=BF16), {}),
    "library_causal": lambda: (_called(is_causal=True), _three(2, 4, 256, 64, dtype=BF16), {}),
    "library_scale": lambda: (_called(scale=0.3), _three(2, 4, 256, 64, dtype=BF16), {}),
    "library_fp32": lambda: (_called(), _three(2, 4, 256, 64), {}),
    "library_train": lambda: (_called(is_causal=True), _three(2, 4, 256, 64, dtype=BF16, grad=True), TRAIN),
    "library_train_free": lambda: (_called(), _three(2, 4, 256, 64, dtype=BF16, grad=True), TRAIN),
    "bias": lambda: (_added, (*_three(2, 4, 100, 64, dtype=BF16), randn(2, 4, 100, 100, dtype=BF16)), {}),
    "bias_rows": lambda: (_added, (*_three(2, 4, 100, 64, dtype=BF16), randn(1, 1, 100, 100, dtype=BF16)), {}),
    "normed": lambda: (_normed_flex(block_mask=_blocks(_dilated)), _three(2, 4, 256, 64, dtype=BF16), {}),
    "normed_eps_less": lambda: (
        _normed_flex(1e-5, block_mask=_blocks(_dilated_less)), _three(2, 4, 256, 64, dtype=BF16), {},
    ),
    "decayed_train": lambda: (
        _normed_flex(score_mod=_decayed(0.1)), _three(2, 4, 256, 64, dtype=BF16, grad=True), TRAIN,
    ),
    "decayed_train_more": lambda: (
        _normed_flex(score_mod=_decayed(0.2)), _three(2, 4, 256, 64, dtype=BF16, grad=True), TRAIN,
    ),
    "decayed_flash": lambda: (
        _normed_flex(score_mod=_decayed(0.1), kernel_options=_FLASH), _three(2, 4, 256, 64, dtype=BF16), {},
    ),
    "decayed": lambda: (_normed_flex(score_mod=_decayed(0.1)), _three(2, 4, 256, 64, dtype=BF16), {}),
}  # fmt: skip
