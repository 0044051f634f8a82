"""Programs of signal processing: frames, filters, envelopes, decibels, losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, randn


def _frames(hop: int = 64, symmetric: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        window = torch.hann_window(128, periodic=not symmetric, device="cuda")
        return x.unfold(-1, 128, hop) * window

    return run


def _frames_energy(centred: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        frames = x.unfold(-1, 128, 64)
        if centred:
            frames = frames - frames.mean(-1, keepdim=True)
        return (frames.square().mean(-1) + 1e-8).log()

    return run


def _emphasis(factor: float = 0.97) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        out = x[:, 1:] - factor * x[:, :-1]
        return torch.cat([x[:, :1], out], 1)

    return run


def _decibels(x: torch.Tensor) -> torch.Tensor:
    out = 10.0 * torch.log10(x.abs().clamp(min=1e-10))
    return torch.maximum(out, out.amax((-2, -1), keepdim=True) - 80.0)


def _envelope(pool: str = "avg", size: int = 9) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        x = x.abs()
        if pool == "avg":
            return F.avg_pool1d(x, size, 1, size // 2)
        return F.max_pool1d(x, size, 1, size // 2)

    return run


def _correlated(x: torch.Tensor) -> torch.Tensor:
    """Correlations with the lags 1 to 6."""
    lags = [(x[:, :-lag] * x[:, lag:]).sum(-1) for lag in range(1, 7)]
    return torch.stack(lags, -1) / x.square().sum(-1, keepdim=True)


def _crossings(x: torch.Tensor) -> torch.Tensor:
    up = x > 0.0
    return (up[:, 1:] != up[:, :-1]).float().mean(-1)


def _centroid(bins: float = 62.5) -> Callable[..., Any]:
    def run(power: torch.Tensor) -> torch.Tensor:
        at = torch.arange(power.shape[-1], device="cuda") * bins
        share = power / power.sum(-1, keepdim=True)
        return (share * at).sum(-1)

    return run


def _resample(factor: float = 2.0) -> Callable[..., Any]:
    return lambda x: F.interpolate(x, scale_factor=factor, mode="linear", align_corners=False)


def _smooth(order: int = 1) -> Callable[..., Any]:
    """An exponential filter of eight samples, unrolled; of the second order, it is applied twice."""

    def run(x: torch.Tensor) -> torch.Tensor:
        first = second = x[0]
        out = []
        for at in range(1, 8):
            first = first + 0.3 * (x[at] - first)
            second = second + 0.3 * (first - second)
            out.append(first if order == 1 else second)
        return torch.stack(out)

    return run


def _scale_free(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A loss of separation that does not see the scale."""
    share = (x * y).sum(-1, keepdim=True) / (y.square().sum(-1, keepdim=True) + 1e-8)
    want = share * y
    return -10 * torch.log10(want.square().sum(-1) / ((x - want).square().sum(-1) + 1e-8)).mean()


def _scale_bound(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return -10 * torch.log10(y.square().sum(-1) / ((x - y).square().sum(-1) + 1e-8)).mean()


def _scale_free_centred(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return _scale_free(x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True))


PROGRAMS: Programs = {
    "frames": lambda: (_frames(), (randn(6, 4096),)),
    "frames_hop": lambda: (_frames(hop=32), (randn(6, 4096),)),
    "frames_symmetric": lambda: (_frames(symmetric=True), (randn(6, 4096),)),
    "energy": lambda: (_frames_energy(), (randn(6, 4096),)),
    "energy_centred": lambda: (_frames_energy(centred=True), (randn(6, 4096),)),
    "energy_half": lambda: (_frames_energy(), (randn(6, 4096, dtype=BF16),)),
    "emphasis": lambda: (_emphasis(), (randn(6, 4000),)),
    "emphasis_less": lambda: (_emphasis(0.95), (randn(6, 4000),)),
    "decibels_top": lambda: (_decibels, (randn(4, 80, 200),)),
    "envelope": lambda: (_envelope(), (randn(6, 2, 1000),)),
    "envelope_wide": lambda: (_envelope(size=11), (randn(6, 2, 1000),)),
    "envelope_long": lambda: (_envelope(), (randn(6, 2, 1500),)),
    "correlated": lambda: (_correlated, (randn(30, 500),)),
    "crossings": lambda: (_crossings, (randn(30, 500),)),
    "centroid": lambda: (_centroid(), (randn(30, 257),)),
    "centroid_bins": lambda: (_centroid(bins=31.25), (randn(30, 257),)),
    "resample": lambda: (_resample(), (randn(6, 2, 500),)),
    "resample_three": lambda: (_resample(factor=3.0), (randn(6, 2, 500),)),
    "smooth": lambda: (_smooth(), (randn(8, 900),)),
    "smooth_second": lambda: (_smooth(order=2), (randn(8, 900),)),
    "smooth_last": lambda: (_smooth(), (randn(900, 8).t(),)),
    "scale_free": lambda: (_scale_free, (randn(8, 700, grad=True), randn(8, 700)), TRAIN),
    "scale_bound": lambda: (_scale_bound, (randn(8, 700, grad=True), randn(8, 700)), TRAIN),
    "scale_centred": lambda: (_scale_free_centred, (randn(8, 700, grad=True), randn(8, 700)), TRAIN),
    "frames_hop_symmetric": lambda: (_frames(hop=32, symmetric=True), (randn(6, 4096),)),
    "envelope_max_long": lambda: (_envelope(pool="max"), (randn(6, 2, 1500),)),
}  # fmt: skip
