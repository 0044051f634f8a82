"""Programs of convolutions in one to three dimensions, pooling, resizing, patches, and norms of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import TRAIN, Programs, randn

_LAST = torch.channels_last


def _causal(width: int = 4) -> Callable[..., Any]:
    """A short causal convolution of each channel, written out."""

    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        padded = F.pad(x, (width - 1, 0))
        y = sum(padded[..., i : i + x.shape[-1]] * w[:, i, None] for i in range(width))
        return F.silu(y) * x

    return run


def _wave_block(dilation: int = 2) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y = F.conv1d(x, w, padding=dilation, dilation=dilation)
        a, b = y.chunk(2, 1)
        return x + F.conv1d(a.tanh() * b.sigmoid(), v)

    return run


def _wave_args() -> tuple[torch.Tensor, ...]:
    return randn(2, 16, 100), randn(32, 16, 3), randn(16, 16, 1)


def _generator(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(F.instance_norm(F.conv_transpose2d(x, w, b, stride=2, padding=1)), 0.2)


def _generator_args(last: bool = False) -> tuple[torch.Tensor, ...]:
    x = randn(2, 8, 12, 12)
    return x.to(memory_format=_LAST) if last else x, randn(8, 6, 4, 4), randn(6)


def _resize(**options: Any) -> Callable[..., Any]:
    return lambda x: F.interpolate(x, **options) * 0.5


def _excite(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    gate = F.relu(x.mean((2, 3)) @ w) @ v
    return x * F.hardsigmoid(gate)[:, :, None, None]


def _excite_args() -> tuple[torch.Tensor, ...]:
    return tuple(randn(*size, grad=True) for size in ((4, 24, 14, 14), (24, 6), (6, 24)))


def _blur(taps: int = 3, norm: float = 16.0) -> Callable[..., Any]:
    """A separable blur by slices."""

    def run(x: torch.Tensor) -> torch.Tensor:
        p = F.pad(x, (1, 1, 1, 1), mode="reflect")
        row = p[..., :-2] + 2 * p[..., 1:-1] + (p[..., 2:] if taps == 3 else 0)
        return (row[..., :-2, :] + 2 * row[..., 1:-1, :] + row[..., 2:, :]) / norm

    return run


def _scale_bias(x: torch.Tensor, w: torch.Tensor, m: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.relu(F.batch_norm(F.conv2d(x, w), m, v, training=False))


class _ConvNorm(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(4, 8, 3, device="cuda")
        self.norm = torch.nn.BatchNorm2d(8, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(self.conv(x)))


PROGRAMS: Programs = {
    "causal": lambda: (_causal(), (randn(3, 40, 128), randn(40, 4))),
    "causal_three": lambda: (_causal(width=3), (randn(3, 40, 128), randn(40, 4))),
    "causal_turned": lambda: (_causal(), (randn(3, 128, 40).transpose(1, 2), randn(40, 4))),
    "wave": lambda: (_wave_block(), _wave_args()),
    "wave_dilated": lambda: (_wave_block(4), _wave_args()),
    "generator": lambda: (_generator, _generator_args()),
    "generator_last": lambda: (_generator, _generator_args(last=True)),
    "resize": lambda: (_resize(scale_factor=2, mode="bilinear"), (randn(2, 3, 20, 20),)),
    "resize_corners": lambda: (_resize(scale_factor=2, mode="bilinear", align_corners=True), (randn(2, 3, 20, 20),)),
    "excite_train": lambda: (_excite, _excite_args(), TRAIN),
    "blur": lambda: (_blur(), (randn(2, 3, 40, 44),)),
    "blur_two": lambda: (_blur(taps=2), (randn(2, 3, 40, 44),)),
    "blur_norm": lambda: (_blur(norm=12.0), (randn(2, 3, 40, 44),)),
    "patches": lambda: (lambda x: F.unfold(x, 3, padding=1).softmax(1), (randn(2, 4, 16, 16),)),
    "patches_strided": lambda: (lambda x: F.unfold(x, 3, padding=1, dilation=2).softmax(1), (randn(2, 4, 16, 16),)),
    "pool_line": lambda: (lambda x: F.max_pool1d(x, 3, 2).exp(), (randn(4, 10, 99),)),
    "pool_line_average": lambda: (lambda x: F.avg_pool1d(x, 3, 2).exp(), (randn(4, 10, 99),)),
    "pool_power": lambda: (lambda x: F.lp_pool2d(x, 2.0, 2), (randn(2, 6, 18, 18),)),
    "pool_power_three": lambda: (lambda x: F.lp_pool2d(x, 3.0, 2), (randn(2, 6, 18, 18),)),
    "adaptive": lambda: (lambda x: F.adaptive_avg_pool2d(x, 5).relu(), (randn(2, 6, 17, 17),)),
    "adaptive_max": lambda: (lambda x: F.adaptive_max_pool2d(x, 5).relu(), (randn(2, 6, 17, 17),)),
    "unshuffle": lambda: (lambda x: F.pixel_unshuffle(x, 2).tanh(), (randn(2, 3, 24, 24),)),
    "unshuffle_three": lambda: (lambda x: F.pixel_unshuffle(x, 3).tanh(), (randn(2, 3, 24, 24),)),
    "conv_norm_eval": lambda: (_ConvNorm().eval().requires_grad_(False), (randn(2, 4, 16, 16),)),
    "scale_bias": lambda: (_scale_bias, (randn(2, 4, 16, 16), randn(8, 4, 3, 3), randn(8), randn(8))),
    "scale_bias_last": lambda: (
        _scale_bias, (randn(2, 4, 16, 16).to(memory_format=_LAST), randn(8, 4, 3, 3), randn(8), randn(8)),
    ),
}  # fmt: skip
