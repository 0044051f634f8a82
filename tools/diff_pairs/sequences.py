"""Programs along a sequence: scans, sorting, searching, recurrent cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch._higher_order_ops.associative_scan import associative_scan

from diff_pairs.sides import BF16, Programs, integers, randn, several


def _gru(steps: int = 2, inside: bool = False) -> Callable[..., Any]:
    """A gated recurrent unit, step by step."""

    def run(x: torch.Tensor, h: torch.Tensor, w: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        for step in range(steps):
            given, kept = (x[step] @ w).chunk(3, -1), (h @ u).chunk(3, -1)
            reset, update = (given[0] + kept[0]).sigmoid(), (given[1] + kept[1]).sigmoid()
            new = (given[2] + (kept[2] if inside else reset * kept[2])).tanh()
            h = (1 - update) * new + update * h
        return h

    return run


def _gru_args(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    sizes = ((3, 12, 20), (12, 40), (20, 120), (40, 120))
    return tuple(randn(*size, dtype=dtype) for size in sizes)


def _selective(skip: bool = True, steps: int = 3) -> Any:
    """A state-space layer, a step at a time."""

    def run(x: Any, delta: Any, a: Any, b: Any, c: Any, d: Any) -> torch.Tensor:
        state = torch.zeros(4, 48, 16, device="cuda")
        out = []
        for t in range(steps):
            rate = F.softplus(delta[:, t])
            state = state * (rate[..., None] * a).exp() + (rate * x[:, t])[..., None] * b[:, t, None]
            out.append((state * c[:, t, None]).sum(-1) + (x[:, t] * d if skip else 0))
        return torch.stack(out, 1)

    sizes = ((4, steps, 48), (4, steps, 48), (48, 16), (4, steps, 16), (4, steps, 16), (48,))
    return run, tuple(randn(*size) for size in sizes)


def _recurrence(a: Any, b: Any) -> Any:
    return a[0] * b[0], a[1] * b[0] + b[1]


def _highest(a: Any, b: Any) -> Any:
    return torch.maximum(a[0], b[0]), a[1] + b[1]


def _linear_scan(combine: Any = _recurrence, reverse: bool = False) -> Callable[..., Any]:
    return lambda x, y: associative_scan(combine, (x.sigmoid(), y), dim=1, reverse=reverse)[1] * 2


def _nearest(right: bool = False, before: bool = True) -> Callable[..., Any]:
    """Values at the knots that searchsorted finds."""

    def run(knots: torch.Tensor, values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        at = torch.searchsorted(knots, x, right=right)
        at = (at - 1).clamp(min=0) if before else at.clamp(max=knots.shape[-1] - 1)
        low = knots.gather(-1, at)
        return values.gather(-1, at) * (x - low)

    return run


def _ordered(stable: bool = False, key: Any = torch.abs) -> Callable[..., Any]:
    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        order = torch.sort(key(x), stable=stable, dim=-1).indices
        return y.gather(-1, order).cumsum(-1)

    return run


def _beam(width: int = 4, penalty: float = 0.0) -> Callable[..., Any]:
    def run(scores: torch.Tensor, logits: torch.Tensor) -> Any:
        total = scores[..., None] + logits.log_softmax(-1)
        if penalty:
            total = total - penalty * torch.arange(total.shape[-2], device="cuda")[:, None]
        best, at = total.flatten(-2).topk(width)
        return best, at // logits.shape[-1], at % logits.shape[-1]

    return run


def _beam_args(vocabulary: int = 50) -> tuple[torch.Tensor, ...]:
    return randn(6, 4), randn(6, 4, vocabulary)


def _runs(exclusive: bool = False) -> Callable[..., Any]:
    """The number of each run of equal tokens."""

    def run(tokens: torch.Tensor) -> torch.Tensor:
        other = tokens[:, 1:] != tokens[:, :-1]
        number = F.pad(other, (1, 0)).cumsum(-1)
        return number - F.pad(other, (1, 0)).long() if exclusive else number

    return run


def _returns(masked: bool = True) -> Callable[..., Any]:
    """Generalized advantages, backwards in time."""

    def run(reward: torch.Tensor, value: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
        going, last = 1 - done, torch.zeros_like(reward[:, 0])
        out = []
        for t in (3, 2, 1, 0):
            keep = going[:, t] if masked else 1.0
            delta = reward[:, t] + 0.9 * value[:, t + 1] * keep - value[:, t]
            last = delta + 0.9 * 0.95 * keep * last
            out.append(last)
        return torch.stack(out[::-1], 1)

    return run


def _returns_args(batch: int = 500) -> tuple[torch.Tensor, ...]:
    return randn(batch, 4), randn(batch, 5), randn(batch, 4)


PROGRAMS: Programs = {
    "gru": lambda: (_gru(), _gru_args()),
    "gru_no_reset": lambda: (_gru(inside=True), _gru_args()),
    "gru_bf16": lambda: (_gru(), _gru_args(BF16)),
    "gru_steps": lambda: (_gru(steps=3), _gru_args()),
    "selective": lambda: _selective(),
    "selective_no_skip": lambda: _selective(skip=False),
    "linear_scan": lambda: (_linear_scan(), several(2, 8, 512, 6)),
    "linear_scan_back": lambda: (_linear_scan(reverse=True), several(2, 8, 512, 6)),
    "linear_scan_highest": lambda: (_linear_scan(_highest), several(2, 8, 512, 6)),
    "linear_scan_long": lambda: (_linear_scan(), several(2, 8, 2048, 6)),
    "nearest": lambda: (_nearest(), (randn(9, 33), randn(9, 33), randn(9, 70))),
    "nearest_right": lambda: (_nearest(right=True), (randn(9, 33), randn(9, 33), randn(9, 70))),
    "nearest_after": lambda: (_nearest(before=False), (randn(9, 33), randn(9, 33), randn(9, 70))),
    "ordered": lambda: (_ordered(), several(2, 40, 120)),
    "ordered_stable": lambda: (_ordered(stable=True), several(2, 40, 120)),
    "ordered_square": lambda: (_ordered(key=torch.sign), several(2, 40, 120)),
    "beam": lambda: (_beam(), _beam_args()),
    "beam_wide": lambda: (_beam(width=6), _beam_args()),
    "beam_penalty": lambda: (_beam(penalty=0.5), _beam_args()),
    "beam_large": lambda: (_beam(), _beam_args(50000)),
    "runs": lambda: (_runs(), (integers(3, 30, 200),)),
    "runs_exclusive": lambda: (_runs(exclusive=True), (integers(3, 30, 200),)),
    "runs_short": lambda: (_runs(), (integers(3, 30, 200, dtype=torch.int16),)),
    "returns": lambda: (_returns(), _returns_args()),
    "returns_unmasked": lambda: (_returns(masked=False), _returns_args()),
    "logs": lambda: (lambda x: x.logcumsumexp(-1) - x, (randn(25, 300),)),
    "logs_first": lambda: (lambda x: x.logcumsumexp(0) - x, (randn(25, 300),)),
    "peaks": lambda: (lambda x: x.cummax(-1).values - x, (randn(25, 300),)),
    "valleys": lambda: (lambda x: x.cummin(-1).values - x, (randn(25, 300),)),
    "steps": lambda: (lambda x: x.diff(dim=-1).abs().amax(-1), (randn(60, 333),)),
    "steps_second": lambda: (lambda x: x.diff(n=2, dim=-1).abs().amax(-1), (randn(60, 333),)),
}
