"""Programs of diffusion and of sampling: steps of samplers, guidance, schedules, noise, embeddings of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _step(predicts: str = "noise", limit: float = 1.0) -> Callable[..., Any]:
    """A step of DDIM."""

    def run(x: torch.Tensor, out: torch.Tensor, now: torch.Tensor, then: torch.Tensor) -> torch.Tensor:
        a, b = now.view(-1, 1, 1, 1), then.view(-1, 1, 1, 1)
        if predicts == "noise":
            noise = out
            clean = (x - (1 - a).sqrt() * noise) / a.sqrt()
        else:
            clean = a.sqrt() * x - (1 - a).sqrt() * out
            noise = a.sqrt() * out + (1 - a).sqrt() * x
        clean = clean.clamp(-limit, limit)
        return b.sqrt() * clean + (1 - b).sqrt() * noise

    return run


def _guided(scale: float = 7.5, first: bool = True) -> Callable[..., Any]:
    """Guidance without a classifier; the conditional half comes first or last."""

    def run(out: torch.Tensor) -> torch.Tensor:
        one, two = out.chunk(2)
        cond, free = (one, two) if first else (two, one)
        return free + scale * (cond - free)

    return run


def _time(cosine_first: bool = False) -> Callable[..., Any]:
    def run(t: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        rates = torch.exp(-math.log(10000.0) * torch.arange(32, device="cuda") / 32)
        angle = t[:, None] * rates
        parts = [angle.cos(), angle.sin()] if cosine_first else [angle.sin(), angle.cos()]
        out = torch.cat(parts, -1)
        return F.silu(out @ w)

    return run


def _denoised(data: float = 0.5) -> Callable[..., Any]:
    """The preconditioning of EDM around a net's output."""

    def run(x: torch.Tensor, f: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        s = sigma.view(-1, 1, 1)
        total = s.square() + data**2
        skip = data**2 / total
        return skip * x + s * data * total.rsqrt() * f

    return run


def _noised(x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    noise = torch.randn_like(x)
    return level.sqrt()[:, None, None] * x + (1 - level).sqrt()[:, None, None] * noise


def _latent(soft: bool = False, limit: bool = True) -> Callable[..., Any]:
    def run(stats: torch.Tensor) -> Any:
        mean, log = stats.chunk(2, 1)
        if limit:
            log = log.clamp(-30.0, 20.0)
        std = F.softplus(log) if soft else torch.exp(0.5 * log)
        return mean + std * torch.randn_like(mean), std

    return run


def _gumbel(heat: float = 1.0) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        noise = -torch.log(-torch.log(torch.rand_like(x).clamp(min=1e-9)))
        return ((x + noise) / heat).softmax(-1)

    return run


def _flow(x: torch.Tensor, y: torch.Tensor, v: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The loss of flow matching."""
    return (v - (y - x)).square().mean((1, 2)).mul(1 / (1 - t).clamp(min=0.05)).mean()


def _flow_huber(x: torch.Tensor, y: torch.Tensor, v: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    error = F.huber_loss(v, y - x, reduction="none")
    return error.mean((1, 2)).mul(1 / (1 - t).clamp(min=0.05)).mean()


def _dynamic_limit(q: float = 0.99) -> Callable[..., Any]:
    """Thresholding by a quantile of each image."""

    def run(x: torch.Tensor) -> torch.Tensor:
        top = x.abs().flatten(1).sort(1).values[:, int(q * (x[0].numel() - 1))].clamp(min=1.0)
        return x.clamp(-top[:, None, None], top[:, None, None]) / top[:, None, None]

    return run


def _modulated(eps: float = 1e-6) -> Callable[..., Any]:
    """A block of a diffusion transformer, modulated by the time."""

    def run(x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        shift, scale, gate = c[:, None].chunk(3, -1)
        y = F.layer_norm(x, x.shape[-1:], eps=eps) * (1 + scale) + shift
        return x + gate * (y * h)

    return run


def _corrupted(keep: float = 0.9) -> Callable[..., Any]:
    """Tokens of a discrete diffusion, some of which are replaced."""

    def run(tokens: torch.Tensor) -> torch.Tensor:
        kept = torch.rand(tokens.shape, device="cuda") < keep
        return torch.where(kept, tokens, 0)

    return run


_IMAGE = (4, 4, 32, 32)

PROGRAMS: Programs = {
    "step": lambda: (_step(), (*several(2, *_IMAGE), *several(2, 4))),
    "step_velocity": lambda: (_step("velocity"), (*several(2, *_IMAGE), *several(2, 4))),
    "step_limit": lambda: (_step(limit=1.5), (*several(2, *_IMAGE), *several(2, 4))),
    "step_last": lambda: (_step(),
        (*(x.to(memory_format=torch.channels_last) for x in several(2, *_IMAGE)), *several(2, 4))),
    "guided": lambda: (_guided(), (randn(8, 4, 32, 32),)),
    "guided_last": lambda: (_guided(first=False), (randn(8, 4, 32, 32),)),
    "guided_more": lambda: (_guided(5.0), (randn(8, 4, 32, 32),)),
    "time": lambda: (_time(), (randn(16), randn(64, 96))),
    "time_cosine": lambda: (_time(cosine_first=True), (randn(16), randn(64, 96))),
    "denoised": lambda: (_denoised(), (*several(2, 8, 50, 60), randn(8))),
    "denoised_data": lambda: (_denoised(1.0), (*several(2, 8, 50, 60), randn(8))),
    "noised": lambda: (_noised, (randn(8, 20, 90), randn(8))),
    "latent": lambda: (_latent(), (randn(8, 16, 20, 20),)),
    "latent_free": lambda: (_latent(limit=False), (randn(8, 16, 20, 20),)),
    "gumbel": lambda: (_gumbel(), (randn(60, 200, grad=True),), TRAIN),
    "gumbel_cold": lambda: (_gumbel(heat=0.5), (randn(60, 200, grad=True),), TRAIN),
    "flow": lambda: (_flow, (*several(2, 8, 60, 50), randn(8, 60, 50, grad=True), randn(8)), TRAIN),
    "flow_huber": lambda: (_flow_huber, (*several(2, 8, 60, 50), randn(8, 60, 50, grad=True), randn(8)), TRAIN),
    "limit": lambda: (_dynamic_limit(), (randn(8, 20, 20),)),
    "limit_low": lambda: (_dynamic_limit(0.9), (randn(8, 20, 20),)),
    "modulated": lambda: (_modulated(), (*several(2, 6, 70, 192), randn(6, 576))),
    "modulated_eps": lambda: (_modulated(eps=1e-5), (*several(2, 6, 70, 192), randn(6, 576))),
    "modulated_half": lambda: (_modulated(), (*several(2, 6, 70, 192, dtype=BF16), randn(6, 576, dtype=BF16))),
    "corrupted": lambda: (_corrupted(), (integers(500, 16, 300),)),
    "corrupted_more": lambda: (_corrupted(0.7), (integers(500, 16, 300),)),
    "step_limit_half": lambda: (_step(limit=1.5), (*several(2, *_IMAGE, dtype=BF16), *several(2, 4))),
    "latent_soft_wide": lambda: (_latent(soft=True), (randn(8, 24, 20, 20),)),
}  # fmt: skip
