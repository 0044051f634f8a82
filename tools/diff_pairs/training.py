"""Programs of training: autocast, checkpoints, dropout, own gradients, optimizers, small models with their losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn


def _hidden(
    cast: torch.dtype | None = None, again: bool = False, drop: float = 0.0,
) -> Any:  # fmt: skip
    """A feed-forward block with a norm before it."""

    def inner(x: torch.Tensor, n: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y = F.silu(F.rms_norm(x, (48,), n) @ w)
        return F.dropout(y, drop) @ v if drop else y @ v

    def run(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cuda", dtype=cast, enabled=cast is not None):
            y = checkpoint(inner, x, *weights, use_reentrant=False) if again else inner(x, *weights)
            return (x + y).square().mean()

    return run, tuple(randn(*size, grad=True) for size in ((40, 48), (48,), (48, 96), (96, 48))), TRAIN


class _Straight(torch.autograd.Function):
    """Rounding whose gradient is that of a clamp."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, limit: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.limit = limit
        return x.clamp(-limit, limit).round()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= ctx.limit), None


class _Through(_Straight):
    """The same, whose gradient passes everywhere."""

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return grad, None


def _rounded(kind: Any = _Straight, limit: float = 7.0) -> Any:
    return lambda x, s: kind.apply(x / s, limit) * s, (randn(50, 70, grad=True), randn(70, grad=True)), TRAIN


def _optimizer(kind: type[torch.optim.Optimizer], **options: Any) -> Any:
    parameters = [randn(*size, grad=True) for size in ((30, 40), (40,), (500,))]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return kind(parameters, **options).step, (), {}


def _unscale(limit: float | None = 1.0) -> Callable[..., Any]:
    """Gradients divided by the loss scale and clipped; whether one is not finite."""

    def run(scale: torch.Tensor, grads: Any) -> Any:
        found = torch.stack([(~g.isfinite()).any() for g in grads]).any()
        grads = [g * scale.reciprocal() for g in grads]
        if limit:
            total = torch.stack([g.norm() for g in grads]).norm()
            grads = [g * (limit / (total + 1e-6)) for g in grads]
        return found, grads

    return run


def _unscale_args() -> Any:
    return randn(1).exp(), [randn(60, 30), randn(900), randn(12, 5, 5)]


class _Block(torch.nn.Module):
    """A small transformer block over tokens, with a head that shares the embedding."""

    def __init__(self, act: Any = F.gelu, bias: bool = True, shared: bool = True) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(100, 32, device="cuda")
        self.place = torch.nn.Parameter(randn(24, 32))
        self.norm = torch.nn.LayerNorm(32, device="cuda")
        self.up = torch.nn.Linear(32, 64, bias=bias, device="cuda")
        self.down = torch.nn.Linear(64, 32, bias=bias, device="cuda")
        self.head = None if shared else torch.nn.Linear(32, 100, bias=False, device="cuda")
        self.act = act

    def forward(self, tokens: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens) + self.place
        x = x + self.down(self.act(self.up(self.norm(x))))
        logits = x @ self.embedding.weight.t() if self.head is None else self.head(x)
        return F.cross_entropy(logits.flatten(0, 1), target.flatten())


def _block(**options: Any) -> Any:
    return _Block(**options), (integers(100, 4, 24), integers(100, 4, 24)), TRAIN


def _bag(mode: str = "sum") -> Any:
    def run(table: torch.Tensor, at: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        rows = table[at] * weight[..., None]
        y = rows.sum(1) if mode == "sum" else rows.mean(1) if mode == "mean" else rows.amax(1)
        return F.normalize(y, dim=-1)

    return run, (randn(200, 24, grad=True), integers(200, 32, 16), randn(32, 16)), TRAIN


def _edges(reduce: str = "sum", both: bool = False) -> Any:
    """Messages along the edges of a graph."""

    def run(x: torch.Tensor, source: torch.Tensor, target: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        message = F.relu(x[source] - x[target] if both else x[source]) * w[:, None]
        out = torch.zeros_like(x)
        if reduce == "sum":
            return out.index_add(0, target, message)
        return out.scatter_reduce(0, target[:, None].expand_as(message), message, reduce, include_self=False)

    return run, (randn(80, 20), integers(80, 300), integers(80, 300), randn(300))


def _vae(summed: bool = False) -> Any:
    def run(mean: torch.Tensor, log: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        z = mean + torch.randn_like(mean) * (0.5 * log).exp()
        kl = -0.5 * (1 + log - mean.square() - log.exp())
        kl = kl.sum(-1).mean() if summed else kl.mean()
        return F.binary_cross_entropy_with_logits(z, target) + 1.0 * kl

    return run, (randn(64, 128, grad=True), randn(64, 128, grad=True), randn(64, 128).sigmoid()), TRAIN


def _tied(steps: int = 2, detach: bool = False) -> Any:
    """The same layer several times, with a skip."""

    def run(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        y = x
        for _ in range(steps):
            y = torch.tanh(y @ w + b) + (y.detach() if detach else y)
        return y.sum()

    return run, (randn(32, 48, grad=True), randn(48, 48, grad=True), randn(48, grad=True)), TRAIN


PROGRAMS: Programs = {
    "hidden": lambda: _hidden(),
    "hidden_autocast": lambda: _hidden(cast=BF16),
    "hidden_again": lambda: _hidden(again=True),
    "hidden_drop": lambda: _hidden(drop=0.1),
    "hidden_drop_more": lambda: _hidden(drop=0.3),
    "rounded": lambda: _rounded(),
    "rounded_through": lambda: _rounded(_Through),
    "rounded_limit": lambda: _rounded(limit=127.0),
    "adamax": lambda: _optimizer(torch.optim.Adamax),
    "adamax_decay": lambda: _optimizer(torch.optim.Adamax, weight_decay=0.1),
    "radam": lambda: _optimizer(torch.optim.RAdam),
    "rprop": lambda: _optimizer(torch.optim.Rprop),
    "rprop_etas": lambda: _optimizer(torch.optim.Rprop, etas=(0.4, 1.3)),
    "sgd": lambda: _optimizer(torch.optim.SGD, lr=0.1, momentum=0.9),
    "sgd_maximize": lambda: _optimizer(torch.optim.SGD, lr=0.1, momentum=0.9, maximize=True),
    "unscale": lambda: (_unscale(), _unscale_args()),
    "unscale_limit": lambda: (_unscale(0.5), _unscale_args()),
    "unscale_only": lambda: (_unscale(None), _unscale_args()),
    "block": lambda: _block(),
    "block_relu": lambda: _block(act=F.relu),
    "block_no_bias": lambda: _block(bias=False),
    "block_own_head": lambda: _block(shared=False),
    "bag": lambda: _bag(),
    "bag_mean": lambda: _bag("mean"),
    "bag_max": lambda: _bag("max"),
    "edges": lambda: _edges(),
    "edges_max": lambda: _edges("amax"),
    "edges_mean": lambda: _edges("mean"),
    "edges_both": lambda: _edges(both=True),
    "vae": lambda: _vae(),
    "vae_summed": lambda: _vae(summed=True),
    "tied": lambda: _tied(),
    "tied_three": lambda: _tied(3),
    "tied_detached": lambda: _tied(detach=True),
}
