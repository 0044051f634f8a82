"""Programs of training: optimizers with lists of tensors, losses of self-supervised learning, tall norms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn

# Optimizers.


def _optimizer(kind: type[torch.optim.Optimizer], **options: Any) -> Any:
    parameters = [randn(*shape, grad=True) for shape in ((40, 64), (64,), (24, 40), (1000,))]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return kind(parameters, **options).step, (), {}


def _belief(rate: float = 1e-3) -> Callable[..., Any]:
    """AdaBelief, a tensor at a time."""

    def step(params: Any, grads: Any, firsts: Any, seconds: Any) -> None:
        for p, g, m, s in zip(params, grads, firsts, seconds, strict=True):
            m.lerp_(g, 0.1)
            s.mul_(0.999).addcmul_(g - m, g - m, value=0.001).add_(1e-12)
            p.addcdiv_(m, s.sqrt() + 1e-8, value=-rate)

    return step


def _tensors(dtype: torch.dtype = torch.float32, count: int = 3) -> list[torch.Tensor]:
    return [randn(*shape, dtype=dtype) for shape in ((56, 72), (72,), (700,), (30, 11), (5, 6, 7))[:count]]


def _lists(count: int = 3, dtype: torch.dtype = torch.float32) -> tuple[Any, ...]:
    return tuple(_tensors(dtype, count) for _ in range(4))


def _shampoo_scale(g: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Both statistics of Shampoo, and the gradient as Adam would scale it, grafted."""
    left.lerp_(g @ g.t(), 0.05)
    right.lerp_(g.t() @ g, 0.05)
    rows, columns = left.diagonal().clamp(min=1e-8), right.diagonal().clamp(min=1e-8)
    return g * rows.pow(-0.25)[:, None] * columns.pow(-0.25)


def _schedule_free(beta: float = 0.9) -> Callable[..., Any]:
    def step(y: torch.Tensor, z: torch.Tensor, g: torch.Tensor, v: torch.Tensor) -> None:
        v.mul_(0.99).addcmul_(g, g, value=0.01)
        scaled = g / (v.sqrt() + 1e-8) + 0.01 * y
        y.lerp_(z, 0.05).add_(scaled, alpha=1e-3 * (beta * 0.95 - 1))
        z.sub_(scaled, alpha=1e-3)

    return step


# Losses.


def _variance_covariance(weight: float = 25.0, biased: bool = False) -> Callable[..., Any]:
    """VICReg: invariance, variance and covariance of two views."""

    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        total = F.mse_loss(x, y) * weight
        for z in (x, y):
            c = z - z.mean(0)
            total = total + F.relu(1 - (c.var(0, unbiased=not biased) + 1e-4).sqrt()).mean() * 25.0
            cov = c.t() @ c / (z.shape[0] - 1)
            total = total + (cov.square().sum() - cov.diagonal().square().sum()) / z.shape[1]
        return total

    return loss


def _centred_teacher(s: torch.Tensor, t: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """DINO: cross entropy with a teacher that is centred and sharper; the center follows."""
    target = ((t - center) / 0.04).softmax(-1).detach()
    each = -(target * (s / 0.1).log_softmax(-1)).sum(-1)
    center.lerp_(t.detach().mean(0), 0.1)
    return each.mean()


def _sinkhorn(rounds: int = 3, dtype: torch.dtype = torch.float32) -> Callable[..., Any]:
    """Assignments that are balanced over prototypes."""

    def run(x: torch.Tensor) -> torch.Tensor:
        q = (x.to(dtype) / 0.05).exp()
        q = q / q.sum()
        for _ in range(rounds):
            q = q / q.sum(0, keepdim=True) / q.shape[1]
            q = q / q.sum(1, keepdim=True) / q.shape[0]
        return (q * q.shape[0]).float()

    return run


def _mixture(scale: float = 1.0) -> Callable[..., Any]:
    """Negative log-likelihood of a mixture of Gaussians."""

    def loss(logits: torch.Tensor, mean: torch.Tensor, width: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        log_width = width.clamp(min=-7.0)
        each = -0.5 * ((y[:, None] - mean) * torch.exp(-log_width) / scale).square() - log_width
        return -torch.logsumexp(each + logits.log_softmax(-1) - 0.5 * math.log(2 * math.pi), -1).mean()

    return loss


def _mixture_args(parts: int = 24) -> tuple[torch.Tensor, ...]:
    return *(randn(500, parts, grad=True) for _ in range(3)), randn(500)


def _quantiles(x: torch.Tensor, y: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    """The quantile Huber loss of distributional learning: each target against each estimate."""
    apart = y[:, None, :] - x[:, :, None]
    huber = torch.where(apart.abs() <= 1, 0.5 * apart.square(), apart.abs() - 0.5)
    return ((tau[:, None] - (apart < 0).float()).abs() * huber).mean(2).sum(1).mean()


def _quantiles_soft(x: torch.Tensor, y: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    apart = y[:, None, :] - x[:, :, None]
    huber = F.softplus(apart.abs())
    return ((tau[:, None] - (apart < 0).float()).abs() * huber).mean(2).sum(1).mean()


def _proximal(limit: float = 0.2) -> Callable[..., Any]:
    """PPO: the clipped ratio, the value that is clipped too, and the entropy."""

    def loss(logits: torch.Tensor, action: torch.Tensor, old: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        logp = logits.log_softmax(-1)
        ratio = (logp.gather(-1, action[:, None])[:, 0] - old).exp()
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        policy = torch.minimum(ratio * gain, ratio.clamp(1 - limit, 1 + limit) * gain).mean()
        return -policy + 0.01 * (logp.exp() * logp).sum(-1).mean()

    return loss


def _proximal_args() -> tuple[torch.Tensor, ...]:
    return randn(256, 300, grad=True), integers(300, 256), randn(256), randn(256)


def _jensen(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    p, q = x.softmax(-1), y.softmax(-1)
    middle = (0.5 * (p + q)).log()
    return (F.kl_div(middle, p, reduction="none") + F.kl_div(middle, q, reduction="none")).sum(-1).mean()


def _jensen_doubled(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The mean in float64, and the result halved."""
    p, q = x.softmax(-1), y.softmax(-1)
    middle = (0.5 * (p + q)).log()
    each = (F.kl_div(middle, p, reduction="none") + F.kl_div(middle, q, reduction="none")).sum(-1)
    return each.double().mean().float() * 0.5


# Norms over many rows.


def _tall(norm: str, eps: float = 1e-5) -> Callable[..., Any]:
    """A residual, its norm, and a gate, over many tokens."""

    def run(x: torch.Tensor, r: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        h = x + r
        size = (h.shape[-1],)
        normed = F.rms_norm(h, size, w, eps) + b if norm == "rms" else F.layer_norm(h, size, w, b, eps)
        return normed * torch.sigmoid(r)

    return run


def _tall_args(rows: int = 16384, width: int = 384, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    sizes = ((rows, width), (rows, width), (width,), (width,))
    return tuple(randn(*size, dtype=dtype, grad=True) for size in sizes)


def _two_ways(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales for rows and for columns of one matrix."""
    return x.abs().amax(1), x.square().sum(0)


def _group(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return F.silu(F.group_norm(x, 8, w, b))


PROGRAMS: Programs = {
    "adagrad": lambda: _optimizer(torch.optim.Adagrad, lr=0.01, foreach=True),
    "adagrad_decay": lambda: _optimizer(torch.optim.Adagrad, lr=0.01, weight_decay=0.1, foreach=True),
    "adadelta": lambda: _optimizer(torch.optim.Adadelta, lr=0.5, foreach=True),
    "adadelta_single": lambda: _optimizer(torch.optim.Adadelta, lr=0.5, foreach=False),
    "asgd": lambda: _optimizer(torch.optim.ASGD, lr=0.01, foreach=True),
    "belief": lambda: (_belief(), _lists(), {}),
    "belief_five": lambda: (_belief(), _lists(5), {}),
    "belief_rate": lambda: (_belief(3e-4), _lists(), {}),
    "belief_bf16": lambda: (_belief(), _lists(dtype=BF16), {}),
    "shampoo": lambda: (_shampoo_scale, (randn(130, 90), randn(130, 130), randn(90, 90)), {}),
    "schedule_free": lambda: (_schedule_free(), tuple(randn(64, 200) for _ in range(4)), {}),
    "schedule_free_beta": lambda: (_schedule_free(0.95), tuple(randn(64, 200) for _ in range(4)), {}),
    "views": lambda: (_variance_covariance(), (randn(128, 96, grad=True), randn(128, 96, grad=True)), TRAIN),
    "views_biased": lambda: (
        _variance_covariance(biased=True), (randn(128, 96, grad=True), randn(128, 96, grad=True)), TRAIN,
    ),
    "views_weight": lambda: (
        _variance_covariance(10.0), (randn(128, 96, grad=True), randn(128, 96, grad=True)), TRAIN,
    ),
    "teacher": lambda: (_centred_teacher, (randn(64, 3000, grad=True), randn(64, 3000), randn(3000)), TRAIN),
    "sinkhorn": lambda: (_sinkhorn(), (randn(256, 100),), {}),
    "sinkhorn_more": lambda: (_sinkhorn(4), (randn(256, 100),), {}),
    "sinkhorn_double": lambda: (_sinkhorn(dtype=torch.float64), (randn(256, 100),), {}),
    "mixture": lambda: (_mixture(), _mixture_args(), TRAIN),
    "mixture_five": lambda: (_mixture(), _mixture_args(5), TRAIN),
    "mixture_scaled": lambda: (_mixture(2.0), _mixture_args(), TRAIN),
    "quantiles": lambda: (_quantiles, (randn(64, 32, grad=True), randn(64, 32), randn(32)), TRAIN),
    "quantiles_soft": lambda: (_quantiles_soft, (randn(64, 32, grad=True), randn(64, 32), randn(32)), TRAIN),
    "proximal": lambda: (_proximal(), _proximal_args(), TRAIN),
    "proximal_tight": lambda: (_proximal(0.1), _proximal_args(), TRAIN),
    "jensen": lambda: (_jensen, (randn(80, 2500, grad=True), randn(80, 2500)), TRAIN),
    "jensen_doubled": lambda: (_jensen_doubled, (randn(80, 2500, grad=True), randn(80, 2500)), TRAIN),
    "tall_rms": lambda: (_tall("rms"), _tall_args(), TRAIN),
    "tall_rms_eps": lambda: (_tall("rms", 1e-6), _tall_args(), TRAIN),
    "tall_layer": lambda: (_tall("layer"), _tall_args(), TRAIN),
    "tall_layer_bf16": lambda: (_tall("layer"), _tall_args(dtype=BF16), TRAIN),
    "tall_layer_wide": lambda: (_tall("layer"), _tall_args(8192, 1536), TRAIN),
    "two_ways": lambda: (_two_ways, (randn(8192, 512),), {}),
    "group": lambda: (_group, (randn(8, 64, 24, 24, grad=True), randn(64, grad=True), randn(64, grad=True)), TRAIN),
}  # fmt: skip
