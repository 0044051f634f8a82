"""Programs of layers of transformers and of convolutional nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

# Encoders.


class _Embedding(nn.Module):
    """Words, positions and segments, as BERT puts them together."""

    def __init__(self) -> None:
        super().__init__()
        self.word, self.place, self.kind = (nn.Embedding(n, 96, device="cuda") for n in (400, 64, 2))
        self.norm = nn.LayerNorm(96, 1e-12, device="cuda")

    def forward(self, words: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        places = torch.arange(words.shape[1], device=words.device)
        h = self.norm(self.word(words) + self.place(places) + self.kind(kinds))
        return F.dropout(h, 0.1, self.training)


def _embedding(dtype: torch.dtype = torch.int64) -> Any:
    return _Embedding(), (integers(400, 6, 64, dtype=dtype), integers(2, 6, 64, dtype=dtype))


def _feed_forward(activation: Callable[..., Any], before: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> Any:
        h = F.layer_norm(x, (128,), scale, bias) if before else x
        h = 1.0 * x + activation(h @ w) @ v
        return h if before else F.layer_norm(h, (128,), scale, bias)

    return run


def _feed_forward_args(dtype: torch.dtype = BF16, grad: bool = False) -> tuple[torch.Tensor, ...]:
    shapes = ((160, 128), (128, 320), (320, 128), (128,), (128,))
    return tuple(randn(*shape, dtype=dtype, grad=grad) for shape in shapes)


def _squared_relu(x: torch.Tensor) -> torch.Tensor:
    return F.relu(x).square()


def _unit_heads(axis: int) -> Callable[..., Any]:
    """Queries and keys of unit length, then scores and their softmax."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * 10.0
        return scores.softmax(axis) @ v

    return run


def _pooler(x: torch.Tensor, w: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    live = torch.arange(x.shape[1], device=x.device) < length[:, None]
    score = (x.tanh() @ w).masked_fill(~live, float("-inf")).softmax(1)
    return (x * score[..., None]).sum(1)


def _pooler_at_most(x: torch.Tensor, w: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    live = torch.arange(x.shape[1], device=x.device) <= length[:, None]
    score = (x.tanh() @ w).masked_fill(~live, float("-inf")).softmax(1)
    return (x * score[..., None]).sum(1)


def _adapter(rank: int = 8) -> Any:
    def run(x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return F.silu(x @ w + 2.0 * ((x @ a) @ b))

    return run, (randn(128, 200), randn(200, 256), randn(200, rank), randn(rank, 256))


def _decode(wrap: bool) -> Callable[..., Any]:
    """A ring buffer of keys, written at the place of the token and read by the score of one query."""

    def run(ring: torch.Tensor, key: torch.Tensor, query: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        ring.index_copy_(1, at % 96 if wrap else at, key)
        return (ring * query).sum(-1).softmax(1)

    return run


def _printing(logged: bool) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        h = F.layer_norm(x @ w, (64,))
        if logged:
            print("normed")
        return F.gelu(h) + x

    return run


# Convolutional blocks.


class _ConvNext(nn.Module):
    """A block of ConvNeXt with 24 channels."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(24, 24, kernel, padding=kernel // 2, groups=24, device="cuda")
        self.norm = nn.LayerNorm(24, device="cuda")
        self.up, self.down = nn.Linear(24, 96, device="cuda"), nn.Linear(96, 24, device="cuda")
        self.layer = nn.Parameter(torch.full((24,), 1e-2, device="cuda"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(self.depth(x).permute(0, 2, 3, 1))
        return x + (self.layer * self.down(F.gelu(self.up(h)))).permute(0, 3, 1, 2)


def _convnext(kernel: int = 7, **options: Any) -> Any:
    return _ConvNext(kernel), (randn(2, 24, 20, 20),), options


class _Inverted(nn.Module):
    """An inverted residual block of MobileNet."""

    def __init__(self, cap: float) -> None:
        super().__init__()
        self.wide = nn.Conv2d(16, 64, 1, bias=False, device="cuda")
        self.depth = nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False, device="cuda")
        self.narrow = nn.Conv2d(64, 16, 1, bias=False, device="cuda")
        self.norms = nn.ModuleList(nn.BatchNorm2d(n, device="cuda") for n in (64, 64, 16))
        self.cap = cap
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norms[0](self.wide(x)).clamp(0, self.cap)
        h = self.norms[1](self.depth(h)).clamp(0, self.cap)
        return x + self.norms[2](self.narrow(h))


def _inverted(cap: float = 6.0, last: bool = False) -> Any:
    x = randn(4, 16, 18, 18)
    return _Inverted(cap), (x.to(memory_format=torch.channels_last) if last else x,)


def _up(mode: str = "nearest") -> Callable[..., Any]:
    """The way up in a U-Net: the coarse picture made larger, beside the fine one, convolved."""

    def run(coarse: torch.Tensor, fine: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        large = F.interpolate(coarse, scale_factor=2.0, mode=mode)
        return F.relu(F.conv2d(torch.cat([large, fine], 1).sigmoid(), w, padding=1))

    return run


def _gated_wave(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """A layer of WaveNet."""
    h = F.conv1d(F.pad(x, (2, 0)), w, b, dilation=2)
    one, two = h.chunk(2, 1)
    return x * 1.0 + one.tanh() * two.sigmoid()


PROGRAMS: Programs = {
    "embedding": lambda: _embedding(),
    "embedding_short": lambda: _embedding(dtype=torch.int32),
    "ffn": lambda: (_feed_forward(F.gelu), _feed_forward_args()),
    "ffn_squared": lambda: (_feed_forward(_squared_relu), _feed_forward_args()),
    "ffn_after": lambda: (_feed_forward(F.gelu, before=False), _feed_forward_args()),
    "ffn_silu_half": lambda: (_feed_forward(F.silu), _feed_forward_args(torch.float16)),
    "ffn_train": lambda: (_feed_forward(F.gelu), _feed_forward_args(torch.float32, True), TRAIN),
    "unit": lambda: (_unit_heads(-1), several(3, 6, 72, 64)),
    "unit_over_queries": lambda: (_unit_heads(-2), several(3, 6, 72, 64)),
    "unit_wider_heads": lambda: (_unit_heads(-1), several(3, 6, 72, 96)),
    "unit_bf16": lambda: (_unit_heads(-1), several(3, 6, 72, 64, dtype=BF16)),
    "unit_train": lambda: (_unit_heads(-1), several(3, 6, 72, 64, grad=True), TRAIN),
    "pooler": lambda: (_pooler, (randn(8, 70, 160), randn(160), integers(70, 8))),
    "pooler_at_most": lambda: (_pooler_at_most, (randn(8, 70, 160), randn(160), integers(70, 8))),
    "pooler_dynamic": lambda: (_pooler, (randn(8, 70, 160), randn(160), integers(70, 8)), {"dynamic": True}),
    "written_out": lambda: (
        lambda q, k, v: torch.softmax(q @ k.mT / 8.0, -1) @ v, several(3, 2, 4, 64, 64, dtype=BF16),
    ),
    "adapter": lambda: _adapter(),
    "adapter_rank": lambda: _adapter(16),
    "ring": lambda: (_decode(False), (randn(4, 96, 32), randn(4, 3, 32), randn(4, 1, 32), integers(96, 3))),
    "ring_wraps": lambda: (_decode(True), (randn(4, 96, 32), randn(4, 3, 32), randn(4, 1, 32), integers(96, 3))),
    "whole": lambda: (_printing(False), (randn(50, 64), randn(64, 64))),
    "printed": lambda: (_printing(True), (randn(50, 64), randn(64, 64))),
    "convnext": lambda: _convnext(),
    "convnext_narrow": lambda: _convnext(kernel=5),
    "convnext_train": lambda: _convnext(**TRAIN),
    "inverted": lambda: _inverted(),
    "inverted_last": lambda: _inverted(last=True),
    "inverted_cap": lambda: _inverted(8.0),
    "up": lambda: (_up(), (randn(2, 12, 10, 10), randn(2, 6, 20, 20), randn(8, 18, 3, 3))),
    "up_bilinear": lambda: (_up(mode="bilinear"), (randn(2, 12, 10, 10), randn(2, 6, 20, 20), randn(8, 18, 3, 3))),
    "wave": lambda: (_gated_wave, (randn(3, 16, 200), randn(32, 16, 2), randn(32))),
}  # fmt: skip
