"""Objectives of training and steps of optimizers: of policies, of representations without labels, of segmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, randn, several


def _group_policy(low: float = 0.2, spread: bool = True, pull: float = 0.04) -> Callable[..., Any]:
    """The objective of group relative policy optimization."""

    def run(new: torch.Tensor, old: torch.Tensor, fixed: torch.Tensor, reward: torch.Tensor) -> torch.Tensor:
        gain = reward - reward.mean(-1, keepdim=True)
        if spread:
            gain = gain / (reward.std(-1, keepdim=True) + 1e-4)
        ratio = (new - old).exp()
        best = torch.minimum(ratio * gain[..., None], ratio.clamp(1 - low, 1.2) * gain[..., None])
        apart = fixed - new
        return -(best - pull * (apart.exp() - apart - 1)).mean()

    return run


def _policy_args() -> tuple[torch.Tensor, ...]:
    return randn(8, 6, 50, grad=True), randn(8, 6, 50), randn(8, 6, 50), randn(8, 6)


def _ema(rate: float = 0.999, lerp: bool = False) -> Callable[..., Any]:
    def run(mean: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
        if lerp:
            mean.lerp_(now, 1 - rate)
        else:
            mean.mul_(rate).add_(now * (1 - rate))
        return mean.norm()

    return run


def _sharpness(rho: float = 0.05, adaptive: bool = False) -> Callable[..., Any]:
    """The step uphill of sharpness aware minimization."""

    def run(weights: Any, grads: Any) -> Any:
        sizes = [(g * w.abs() if adaptive else g).norm() for w, g in zip(weights, grads, strict=True)]
        factor = rho / (torch.stack(sizes).norm() + 1e-12)
        return [w + g * factor for w, g in zip(weights, grads, strict=True)]

    return run


def _lists() -> tuple[Any, Any]:
    return [randn(300), randn(40, 24), randn(24)], [randn(300), randn(40, 24), randn(24)]


def _sophia(limit: float = 1.0, sign: bool = False) -> Callable[..., Any]:
    def run(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor, h: torch.Tensor) -> None:
        m.mul_(0.96).add_(g, alpha=0.04)
        step = m.sign() if sign else (m / h.clamp(min=1e-12)).clamp(-limit, limit)
        p.mul_(1 - 1e-4).sub_(1e-3 * step)

    return run


def _barlow(weight: float = 0.005, centre: bool = True) -> Callable[..., Any]:
    """Barlow twins: a correlation of two views that ought to be one."""

    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x, y = ((z - z.mean(0)) / z.std(0) if centre else F.normalize(z, dim=0) for z in (x, y))
        c = x.t() @ y / x.shape[0]
        off = c * (1 - torch.eye(c.shape[0], device="cuda"))
        return (torch.diagonal(c) - 1).square().sum() + weight * off.square().sum()

    return run


def _vic(hinge: float = 1.0, cov: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        near = F.mse_loss(x, y)
        spread = F.relu(hinge - (x.var(0) + 1e-4).sqrt()).mean()
        if not cov:
            return near + spread
        z = x - x.mean(0)
        return near + spread + (z.t() @ z / 63).square().triu(1).sum() / 48

    return run


def _tversky(alpha: float = 0.3, power: float = 1.0) -> Callable[..., Any]:
    def run(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        p = x.sigmoid().flatten(1)
        t = t.flatten(1)
        hit, more, less = (p * t).sum(1), (p * (1 - t)).sum(1), ((1 - p) * t).sum(1)
        lost = 1 - (hit + 1) / (hit + alpha * more + (1 - alpha) * less + 1)
        return (lost if power == 1.0 else lost**power).mean()

    return run


def _wing(width: float = 10.0, flat: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        far = (x - t).abs()
        near = width * torch.log1p(far / 2.0)
        return torch.where(far < width, near, far if flat else far - 3.0).mean()

    return run


def _grads() -> tuple[torch.Tensor, ...]:
    return several(2, 64, 48, grad=True)


PROGRAMS: Programs = {
    "policy": lambda: (_group_policy(), _policy_args(), TRAIN),
    "policy_low": lambda: (_group_policy(low=0.1), _policy_args(), TRAIN),
    "policy_plain": lambda: (_group_policy(spread=False), _policy_args(), TRAIN),
    "ema": lambda: (_ema(), several(2, 3000)),
    "ema_lerp": lambda: (_ema(lerp=True), several(2, 3000)),
    "ema_mixed": lambda: (_ema(), (randn(3000), randn(3000, dtype=BF16))),
    "sharpness": lambda: (_sharpness(), _lists()),
    "sharpness_more": lambda: (_sharpness(rho=0.1), _lists()),
    "sharpness_adaptive": lambda: (_sharpness(adaptive=True), _lists()),
    "sophia": lambda: (_sophia(), several(4, 5000)),
    "sophia_sign": lambda: (_sophia(sign=True), several(4, 5000)),
    "sophia_limit": lambda: (_sophia(limit=0.5), several(4, 5000)),
    "barlow": lambda: (_barlow(), _grads(), TRAIN),
    "barlow_weight": lambda: (_barlow(weight=0.01), _grads(), TRAIN),
    "barlow_unit": lambda: (_barlow(centre=False), _grads(), TRAIN),
    "vic": lambda: (_vic(), _grads(), TRAIN),
    "vic_plain": lambda: (_vic(cov=False), _grads(), TRAIN),
    "tversky": lambda: (_tversky(), (randn(6, 1, 40, 40, grad=True), randn(6, 1, 40, 40)), TRAIN),
    "tversky_more": lambda: (_tversky(alpha=0.7), (randn(6, 1, 40, 40, grad=True), randn(6, 1, 40, 40)), TRAIN),
    "tversky_focal": lambda: (_tversky(power=0.75), (randn(6, 1, 40, 40, grad=True), randn(6, 1, 40, 40)), TRAIN),
    "wing": lambda: (_wing(), several(2, 64, 98)),
    "wing_flat": lambda: (_wing(flat=True), several(2, 64, 98)),
}  # fmt: skip
