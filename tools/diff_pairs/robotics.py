"""Programs of robots: arms, inertial sensors, maps, beams, sampled controls, matched scans, filters, policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import TRAIN, Programs, integers, randn, several


def _arm(by: str = "cumsum") -> Callable[..., Any]:
    """Where the hand is, for the angles of the joints."""

    def run(angle: torch.Tensor, length: torch.Tensor) -> Any:
        if by == "loop":
            total, x, y = angle[:, 0], 0.0, 0.0
            for i in range(angle.shape[1]):
                total = total + angle[:, i] if i else total
                x, y = x + length[i] * total.cos(), y + length[i] * total.sin()
            return torch.stack([x, y], -1)  # type: ignore[list-item]
        total = angle.cumsum(-1)
        x, y = (length * total.cos()).sum(-1), (length * total.sin()).sum(-1)
        return torch.stack([x, y], -1)

    return run


def _inertial(trust: float = 0.98, by: str = "mix") -> Callable[..., Any]:
    """The attitude from turning rates and from gravity."""

    def run(state: torch.Tensor, rate: torch.Tensor, pull: torch.Tensor) -> torch.Tensor:
        turned = state + 0.01 * torch.linalg.cross(rate, state)
        level = F.normalize(pull, dim=-1)
        mixed = torch.lerp(level, turned, trust) if by == "lerp" else trust * turned + (1 - trust) * level
        return mixed * torch.rsqrt(mixed.square().sum(-1, keepdim=True) + 1e-6)

    return run


def _occupied(limit: float = 4.0, put: bool = False) -> Callable[..., Any]:
    """A map of log odds, in which cells that beams hit are raised in place."""

    def run(odds: torch.Tensor, cell: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if put:
            odds.index_put_((cell,), weight, accumulate=True)
        else:
            odds.index_add_(0, cell, weight)
        odds.clamp_(-limit, limit)
        return odds * 0.5

    return run


def _beams(far: float = 30.0, pick: str = "least", by: int = -1) -> Callable[..., Any]:
    """The nearest return in each sector."""

    def run(ranges: torch.Tensor, valid: torch.Tensor) -> Any:
        seen = torch.where(valid & (ranges < far), ranges, torch.inf)
        if pick == "second":
            return seen.topk(2, dim=by, largest=False).values.select(by, 1)
        return seen.amin(by)

    return run


def _sampled(heat: float = 1.0, by: str = "sum") -> Callable[..., Any]:
    """Controls that are averaged by how well their trajectories do."""

    def run(path: torch.Tensor, goal: torch.Tensor, control: torch.Tensor) -> torch.Tensor:
        cost = (path - goal).square().sum((-2, -1))
        cost = cost + 0.01 * control.square().sum((-2, -1))
        weight = torch.softmax(-cost / heat, 0)
        return (
            torch.einsum("n,ntd->td", weight, control) if by == "einsum" else (weight[:, None, None] * control).sum(0)
        )

    return run


def _matched(robust: float = 0.1) -> Callable[..., Any]:
    """The normal equations that lay one scan over another."""

    def run(p: torch.Tensor, q: torch.Tensor, n: torch.Tensor) -> Any:
        gap = ((p - q) * n).sum(-1)
        rows = torch.cat([torch.linalg.cross(p, n), n], -1)
        weight = robust / gap.abs().clamp(min=robust)
        tall = rows * weight[..., None]
        left = tall.transpose(1, 2) @ rows
        return left, (tall * gap[..., None]).sum(1)

    return run


def _predicted(noise: str = "added", even: bool = False) -> Callable[..., Any]:
    """The covariance of a filter one step later."""

    def run(step: torch.Tensor, cov: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        out = step @ cov @ step.mT
        out = torch.baddbmm(extra, step @ cov, step.mT) if noise == "fused" else out + extra
        return (out + out.mT) * 0.5 if even else out

    return run


class _Actor(torch.nn.Module):
    """A policy that draws actions, and how likely they are."""

    def __init__(self, low: float = -5.0, deep: int = 1) -> None:
        super().__init__()
        self.first = torch.nn.Linear(48, 96, device="cuda")
        self.inner = torch.nn.ModuleList(torch.nn.Linear(96, 96, device="cuda") for _ in range(deep))
        self.norm = torch.nn.LayerNorm(96, device="cuda")
        self.head = torch.nn.Linear(96, 24, device="cuda")
        self.low = low

    def forward(self, seen: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        h = F.elu(self.norm(self.first(seen)))
        for layer in self.inner:
            h = F.elu(layer(h))
        mean, spread = self.head(h).chunk(2, -1)
        spread = spread.clamp(self.low, 2.0)
        likely = -0.5 * ((action - mean) * torch.exp(-spread)).square() - spread
        return likely.sum(-1).mean()


def _adan(rate: float = 1e-3, third: float = 0.99, guarded: bool = False) -> Callable[..., Any]:
    """A step with the moments of gradients and of their differences."""

    def run(params: Any, grads: Any, before: Any, m: Any, v: Any, n: Any) -> None:
        for p, g, b, first, second, square in zip(params, grads, before, m, v, n, strict=True):
            change = g - b
            first.lerp_(g, 0.02)
            second.lerp_(change, 0.08)
            square.mul_(third).addcmul_(g + 0.92 * change, g + 0.92 * change, value=1 - third)
            update = (first + 0.92 * second) / (square.sqrt() + 1e-8)
            if guarded:
                update = update.clamp(-1.0, 1.0)
            p.sub_(rate * update)
            b.copy_(g)

    return run


def _guarded(kind: str = "none", late: bool = False) -> Callable[..., Any]:
    """A speed that is limited, with a look at it from outside of the graph."""

    def run(speed: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
        safe = torch.minimum(speed.abs(), limit) * speed.sign()
        if kind == "break" and not late:
            torch._dynamo.graph_break()
        out = torch.softmax(safe, -1)
        if kind == "break" and late:
            torch._dynamo.graph_break()
        return out * torch.tanh(safe)

    return run


def _poses() -> tuple[torch.Tensor, ...]:
    return randn(64, 24, 8), randn(8), randn(64, 24, 4)


PROGRAMS: Programs = {
    "arm": lambda: (_arm(), (randn(500, 6), randn(6))),
    "arm_seven": lambda: (_arm(), (randn(500, 7), randn(7))),
    "arm_loop": lambda: (_arm("loop"), (randn(500, 6), randn(6))),
    "arm_turned": lambda: (_arm(), (randn(6, 500).t(), randn(6))),
    "arm_train": lambda: (_arm(), (randn(500, 6, grad=True), randn(6)), TRAIN),
    "arm_lengths_train": lambda: (_arm(), (randn(500, 6, grad=True), randn(6, grad=True)), TRAIN),
    "inertial": lambda: (_inertial(), several(3, 700, 3)),
    "inertial_lerp": lambda: (_inertial(by="lerp"), several(3, 700, 3)),
    "inertial_dynamic": lambda: (_inertial(), several(3, 700, 3), {"dynamic": True}),
    "occupied": lambda: (_occupied(), (randn(900, 4), integers(900, 200), randn(200, 4))),
    "occupied_tight": lambda: (_occupied(2.0), (randn(900, 4), integers(900, 200), randn(200, 4))),
    "occupied_put": lambda: (_occupied(put=True), (randn(900, 4), integers(900, 200), randn(200, 4))),
    "beams": lambda: (_beams(), (randn(90, 128), randn(90, 128) > 0)),
    "beams_near": lambda: (_beams(12.0), (randn(90, 128), randn(90, 128) > 0)),
    "beams_second": lambda: (_beams(pick="second"), (randn(90, 128), randn(90, 128) > 0)),
    "beams_columns": lambda: (_beams(by=0), (randn(90, 128), randn(90, 128) > 0)),
    "beams_strided": lambda: (_beams(), (randn(90, 256)[:, ::2], randn(90, 128) > 0)),
    "sampled": lambda: (_sampled(), _poses()),
    "sampled_hot": lambda: (_sampled(2.0), _poses()),
    "sampled_einsum": lambda: (_sampled(by="einsum"), _poses()),
    "matched_robust": lambda: (_matched(), several(3, 8, 400, 3)),
    "matched_tight": lambda: (_matched(0.05), several(3, 8, 400, 3)),
    "predicted": lambda: (_predicted(), several(3, 40, 6, 6)),
    "predicted_fused": lambda: (_predicted("fused"), several(3, 40, 6, 6)),
    "predicted_even": lambda: (_predicted(even=True), several(3, 40, 6, 6)),
    "actor_train": lambda: (_Actor(), (randn(256, 48), randn(256, 12)), TRAIN),
    "actor_low_train": lambda: (_Actor(low=-8.0), (randn(256, 48), randn(256, 12)), TRAIN),
    "actor_deep_train": lambda: (_Actor(deep=2), (randn(256, 48), randn(256, 12)), TRAIN),
    "actor_few_train": lambda: (_Actor(), (randn(32, 48), randn(32, 12)), TRAIN),
    "actor": lambda: (_Actor().requires_grad_(False), (randn(256, 48), randn(256, 12))),
    "adan": lambda: (_adan(), tuple([randn(300), randn(40, 20)] for _ in range(6))),
    "adan_rate": lambda: (_adan(3e-3), tuple([randn(300), randn(40, 20)] for _ in range(6))),
    "adan_guarded": lambda: (_adan(guarded=True), tuple([randn(300), randn(40, 20)] for _ in range(6))),
    "guarded": lambda: (_guarded(), (randn(60, 80), randn(80))),
    "guarded_break": lambda: (_guarded("break"), (randn(60, 80), randn(80))),
    "guarded_late": lambda: (_guarded("break", late=True), (randn(60, 80), randn(80))),
}  # fmt: skip
