"""Programs of astronomy and control: Triton kernels on light curves, filters, optimizers, breaks, lists of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

# ruff: noqa: N803


@triton.jit
def _fold(x, out, size, period, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    phase = (at % period).to(tl.float32) / period
    value = tl.load(x + at, inside, other=0.0)
    tl.store(out + at, value * tl.sin(6.2831853 * phase), inside)


@triton.jit
def _fold_cosine(x, out, size, period, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    phase = (at % period).to(tl.float32) / period
    value = tl.load(x + at, inside, other=0.0)
    tl.store(out + at, value * tl.cos(6.2831853 * phase), inside)


@triton.jit
def _fold_streamed(x, out, size, period, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    phase = (at % period).to(tl.float32) / period
    value = tl.load(x + at, inside, other=0.0, cache_modifier=".cg")
    tl.store(out + at, value * tl.sin(6.2831853 * phase), inside)


@triton.jit
def _fold_open(x, out, size, period, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    phase = (at % period).to(tl.float32) / period
    value = tl.load(x + at)
    tl.store(out + at, value * tl.sin(6.2831853 * phase))


@triton.jit
def _fold_back(x, out, size, period, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    phase = (at % period).to(tl.float32) / period
    value = tl.load(x + size - 1 - at, inside, other=0.0)
    tl.store(out + at, value * tl.sin(6.2831853 * phase), inside)


def _folded(
    kernel: Any = _fold, period: int = 50, block: int = 512, size: int = 5120, warps: int = 4, after: Any = torch.exp
) -> Any:
    def run(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        kernel[(triton.cdiv(size, block),)](x, out, size, period, BLOCK=block, num_warps=warps)
        return after(out) - x

    return run, (randn(size),)


def _transit(depth: float = 0.01, smooth: bool = True) -> Callable[..., Any]:
    """The light of a star that a planet passes."""

    def run(t: torch.Tensor, middle: torch.Tensor) -> torch.Tensor:
        gap = (t - middle[:, None]).abs()
        dip = torch.sigmoid((0.5 - gap) * 20) if smooth else (gap < 0.5).to(t.dtype)
        return 1 - depth * dip

    return run


def _kepler(steps: int = 3, start: str = "mean") -> Callable[..., Any]:
    """Newton's steps for the eccentric anomaly."""

    def run(mean: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        angle = mean if start == "mean" else mean + e * mean.sin()
        for _ in range(steps):
            angle = angle - (angle - e * angle.sin() - mean) / (1 - e * angle.cos())
        return angle

    return run


def _pid(gain: float = 0.8, limit: float = 1.0, clipped: bool = True) -> Callable[..., Any]:
    """A step of a controller, whose integral is kept in place."""

    def run(error: torch.Tensor, before: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
        total.add_(error * 0.01)
        if clipped:
            total.clamp_(-limit, limit)
        return gain * error + 0.1 * total + 0.05 * (error - before)

    return run


def _pid_plain(error: torch.Tensor, before: torch.Tensor, total: torch.Tensor) -> Any:
    total = (total + error * 0.01).clamp(-1.0, 1.0)
    return 0.8 * error + 0.1 * total + 0.05 * (error - before), total


def _lion(rate: float = 1e-3, beta: float = 0.9, decay: float = 0.0) -> Callable[..., Any]:
    """A step by signs, over a list of parameters."""

    def run(params: list[torch.Tensor], grads: list[torch.Tensor], moments: list[torch.Tensor]) -> None:
        mixed = torch._foreach_mul(moments, beta)
        torch._foreach_add_(mixed, grads, alpha=1 - beta)
        steps = torch._foreach_sign(mixed)
        if decay:
            torch._foreach_add_(steps, params, alpha=decay)
        torch._foreach_add_(params, steps, alpha=-rate)
        torch._foreach_lerp_(moments, grads, 0.01)

    return run


def _lion_each(params: list[torch.Tensor], grads: list[torch.Tensor], moments: list[torch.Tensor]) -> None:
    for p, g, m in zip(params, grads, moments, strict=True):
        p.add_((m * 0.9 + g * 0.1).sign(), alpha=-1e-3)
        m.lerp_(g, 0.01)


def _lists(*sizes: int) -> tuple[list[torch.Tensor], ...]:
    return tuple([randn(size) for size in sizes] for _ in range(3))


def _orthogonal(steps: int = 2, a: float = 3.4445) -> Callable[..., Any]:
    """Newton and Schulz's iteration, that makes a gradient orthogonal."""

    def run(g: torch.Tensor) -> torch.Tensor:
        x = g / (g.norm() + 1e-7)
        for _ in range(steps):
            both = x @ x.t()
            x = a * x + (-4.775 * both + 2.0315 * both @ both) @ x
        return x

    return run


def _tracked(print_it: bool = True, late: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        x = (x @ w).tanh()
        x = x * 2 if late else x
        if print_it:
            print("step")
        x = x if late else x * 2
        return x.softmax(-1)

    return run


def _smoothed(alpha: float = 0.3, steps: int = 8) -> Callable[..., Any]:
    """Exponential smoothing with a trend."""

    def run(x: torch.Tensor) -> torch.Tensor:
        level, trend, out = x[:, 0], torch.zeros_like(x[:, 0]), []
        for at in range(1, steps):
            new = alpha * x[:, at] + (1 - alpha) * (level + trend)
            trend, level = 0.1 * (new - level) + 0.9 * trend, new
            out.append(level)
        return torch.stack(out, -1)

    return run


def _ranks(penalty: float = 0.0) -> Callable[..., Any]:
    """A listwise loss of a ranking, by Plackett and Luce."""

    def run(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        order = labels.argsort(-1, descending=True)
        ranked = scores.gather(-1, order)
        loss = (ranked.flip(-1).logcumsumexp(-1).flip(-1) - ranked).sum(-1).mean()
        return loss + penalty * scores.square().mean() if penalty else loss

    return run


def _survival(strict: bool = False) -> Callable[..., Any]:
    """Cox's loss: the risk of those that are still there."""

    def run(risk: torch.Tensor, time: torch.Tensor, event: torch.Tensor) -> torch.Tensor:
        there = time[None] > time[:, None] if strict else time[None] >= time[:, None]
        total = (risk.exp() * there).sum(-1).clamp(min=1e-6)
        return -((risk - total.log()) * event).sum() / event.sum()

    return run


def _sinkhorn(eps: float = 0.1, steps: int = 2) -> Callable[..., Any]:
    def run(cost: torch.Tensor) -> torch.Tensor:
        log = -cost / eps
        for _ in range(steps):
            log = log - log.logsumexp(1, keepdim=True)
            log = log - log.logsumexp(2, keepdim=True)
        return log.exp()

    return run


def _process(noise: float = 0.1, kind: str = "square") -> Callable[..., Any]:
    """A kernel of a Gaussian process with its noise."""

    def run(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        gap = ((x[:, None] - x[None]) / scale).square().sum(-1)
        k = torch.exp(-0.5 * gap) if kind == "square" else torch.exp(-(gap + 1e-9).sqrt())
        return k + noise * torch.eye(x.shape[0], device=x.device)

    return run


def _blended(order: str = "front") -> Callable[..., Any]:
    """Splats in the order of their depth, each behind what is before it."""

    def run(alpha: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
        seen = (1 - alpha + 1e-10).cumprod(-1)
        seen = torch.cat([torch.ones_like(seen[..., :1]), seen[..., :-1]], -1) if order == "front" else seen
        return ((alpha * seen)[..., None] * color).sum(-2)

    return run


PROGRAMS: Programs = {
    "folded": lambda: _folded(),
    "folded_period": lambda: _folded(period=64),
    "folded_cosine": lambda: _folded(_fold_cosine),
    "folded_streamed": lambda: _folded(_fold_streamed),
    "folded_open": lambda: _folded(_fold_open),
    "folded_back": lambda: _folded(_fold_back),
    "folded_block": lambda: _folded(block=1024),
    "folded_warps": lambda: _folded(warps=8),
    "folded_sine": lambda: _folded(after=torch.sin),
    "transit": lambda: (_transit(), (randn(40, 300), randn(40))),
    "transit_deep": lambda: (_transit(0.03), (randn(40, 300), randn(40))),
    "transit_box": lambda: (_transit(smooth=False), (randn(40, 300), randn(40))),
    "transit_half": lambda: (_transit(), (randn(40, 300, dtype=BF16), randn(40, dtype=BF16))),
    "kepler": lambda: (_kepler(), several(2, 3000)),
    "kepler_four": lambda: (_kepler(4), several(2, 3000)),
    "kepler_start": lambda: (_kepler(start="near"), several(2, 3000)),
    "kepler_one": lambda: (_kepler(), (randn(3000), randn(1))),
    "kepler_dynamic": lambda: (_kepler(), several(2, 3000), {"dynamic": True}),
    "pid": lambda: (_pid(), several(3, 700)),
    "pid_gain": lambda: (_pid(gain=0.5), several(3, 700)),
    "pid_open": lambda: (_pid(clipped=False), several(3, 700)),
    "pid_plain": lambda: (_pid_plain, several(3, 700)),
    "lion": lambda: (_lion(), _lists(500, 700, 900)),
    "lion_rate": lambda: (_lion(rate=3e-4), _lists(500, 700, 900)),
    "lion_decay": lambda: (_lion(decay=0.1), _lists(500, 700, 900)),
    "lion_each": lambda: (_lion_each, _lists(500, 700, 900)),
    "lion_four": lambda: (_lion(), _lists(500, 700, 900, 300)),
    "orthogonal": lambda: (_orthogonal(), (randn(48, 80),)),
    "orthogonal_three": lambda: (_orthogonal(3), (randn(48, 80),)),
    "orthogonal_factor": lambda: (_orthogonal(a=3.0), (randn(48, 80),)),
    "orthogonal_half": lambda: (_orthogonal(), (randn(48, 80, dtype=BF16),)),
    "tracked": lambda: (_tracked(), (randn(32, 48), randn(48, 64))),
    "tracked_silent": lambda: (_tracked(print_it=False), (randn(32, 48), randn(48, 64))),
    "tracked_late": lambda: (_tracked(late=True), (randn(32, 48), randn(48, 64))),
    "smoothed": lambda: (_smoothed(), (randn(200, 8),)),
    "smoothed_slow": lambda: (_smoothed(0.05), (randn(200, 8),)),
    "smoothed_turned": lambda: (_smoothed(), (randn(8, 200).t(),)),
    "ranks": lambda: (_ranks(), (randn(40, 64), randn(40, 64))),
    "ranks_penalty": lambda: (_ranks(0.01), (randn(40, 64), randn(40, 64))),
    "ranks_long": lambda: (_ranks(), (randn(40, 100), randn(40, 100))),
    "survival": lambda: (_survival(), (randn(80, grad=True), randn(80), integers(2, 80).float()), TRAIN),
    "survival_strict": lambda: (_survival(True), (randn(80, grad=True), randn(80), integers(2, 80).float()), TRAIN),
    "sinkhorn": lambda: (_sinkhorn(), (randn(4, 40, 50),)),
    "sinkhorn_eps": lambda: (_sinkhorn(0.05), (randn(4, 40, 50),)),
    "sinkhorn_three": lambda: (_sinkhorn(steps=3), (randn(4, 40, 50),)),
    "process": lambda: (_process(), (randn(60, 3), randn(3))),
    "process_noise": lambda: (_process(0.01), (randn(60, 3), randn(3))),
    "process_rough": lambda: (_process(kind="rough"), (randn(60, 3), randn(3))),
    "process_one": lambda: (_process(), (randn(60, 3), randn(1))),
    "process_four": lambda: (_process(), (randn(60, 4), randn(4))),
    "blended": lambda: (_blended(), (torch.rand(90, 40, device="cuda"), randn(90, 40, 3))),
    "blended_back": lambda: (_blended("back"), (torch.rand(90, 40, device="cuda"), randn(90, 40, 3))),
    "blended_train": lambda: (_blended(), (torch.rand(90, 40, device="cuda"), randn(90, 40, 3, grad=True)), TRAIN),
}  # fmt: skip
