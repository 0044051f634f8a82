"""Programs of markets: books of orders, auctions, averages of prices, covariances, portfolios, settlements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl

from diff_pairs.sides import TRAIN, Programs, integers, randn

# ruff: noqa: N803


@triton.jit
def _fall(price, out, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    value = tl.load(price + row * width + at, at < width, other=0.0)
    tl.store(out + row * width + at, 1.0 - value / tl.max(value, 0), at < width)


@triton.jit
def _fall_sum(price, out, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    value = tl.load(price + row * width + at, at < width, other=0.0)
    tl.store(out + row * width + at, 1.0 - value / tl.sum(value, 0), at < width)


def _fallen(kernel: Any = _fall, stages: int = 2, before: Any = torch.exp) -> Any:
    """How far each price is below the highest, by a kernel of the user's."""

    def run(x: torch.Tensor) -> torch.Tensor:
        price = before(x)
        out = torch.empty_like(price)
        kernel[(x.shape[0],)](price, out, x.shape[1], BLOCK=256, num_stages=stages)
        return out.sum(-1)

    return run, (randn(80, 200),)


def _auction(reserve: float = 0.1, who: bool = True) -> Callable[..., Any]:
    """The highest bid wins and pays another one."""

    def run(bids: torch.Tensor) -> Any:
        order = bids.topk(2)
        price = order.values[:, 1].clamp(min=reserve)
        return (order.indices[:, 0], price) if who else price

    return run


def _average(kind: str = "whole") -> Callable[..., Any]:
    """Prices weighted by volume."""

    def run(price: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        if kind == "kept":
            return (price * volume).sum(-1, keepdim=True) / volume.sum(-1, keepdim=True)
        if kind == "all":
            return (price * volume).sum() / volume.sum()
        return (price * volume).sum(-1) / volume.sum(-1)

    return run


def _shrunk(share: float = 0.2, target: str = "diagonal") -> Callable[..., Any]:
    """A covariance that is pulled towards a simpler one."""

    def run(x: torch.Tensor) -> torch.Tensor:
        x = x - x.mean(0)
        cov = x.t() @ x / (x.shape[0] - 1)
        own = cov.diagonal()
        simple = torch.diag(own) if target == "diagonal" else own.mean() * torch.eye(x.shape[1], device=x.device)
        return (1 - share) * cov + share * simple

    return run


def _gains(by: str = "quotient") -> Callable[..., Any]:
    def run(price: torch.Tensor) -> torch.Tensor:
        if by == "difference":
            gain = price.log()[..., 1:] - price.log()[..., :-1]
        else:
            gain = torch.log(price[..., 1:] / price[..., :-1])
        return gain - gain.mean(-1, keepdim=True)

    return run


def _held(penalty: float = 0.1, fixed: bool = False) -> Callable[..., Any]:
    """A portfolio from scores, and how well it does after costs."""

    def run(score: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        weight = torch.softmax(score, -1)
        before = weight[:-1].detach() if fixed else weight[:-1]
        moved = (weight[1:] - before).abs().sum(-1)
        won = (weight * gain).sum(-1)[1:] - penalty * moved
        return -won.mean() / (won.std() + 1e-6)

    return run


def _smoothed(alpha: float = 0.1, steps: int = 4) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        level = x[:, 0]
        for i in range(1, steps):
            level = alpha * x[:, i] + (1 - alpha) * level
        return level

    return run


def _settled(by: str = "dense", dtype: torch.dtype = torch.float32) -> Callable[..., Any]:
    """What each member owes after all trades."""

    def run(member: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
        if by == "hot":
            return F.one_hot(member, 40).to(dtype).t() @ amount
        return torch.zeros(40, amount.shape[1], device=amount.device, dtype=dtype).index_add(0, member, amount)

    return run


def _limited(kind: str = "both") -> Callable[..., Any]:
    def run(x: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        if kind == "written":
            x.clamp_(low, high)
            return x**2
        return torch.clamp(x, low, high) ** 2

    return run


_TABLE = (60, 300)
PROGRAMS: Programs = {
    "fallen": lambda: _fallen(),
    "fallen_sum": lambda: _fallen(_fall_sum),
    "fallen_stages": lambda: _fallen(stages=4),
    "fallen_square_sum": lambda: _fallen(_fall_sum, before=torch.square),
    "auction": lambda: (_auction(), (randn(300, 24),)),
    "auction_reserve": lambda: (_auction(reserve=0.5), (randn(300, 24),)),
    "auction_price": lambda: (_auction(who=False), (randn(300, 24),)),
    "average": lambda: (_average(), (randn(*_TABLE), randn(*_TABLE))),
    "average_kept": lambda: (_average("kept"), (randn(*_TABLE), randn(*_TABLE))),
    "average_all": lambda: (_average("all"), (randn(*_TABLE), randn(*_TABLE))),
    "average_whole": lambda: (_average(), (randn(*_TABLE), integers(90, *_TABLE))),
    "shrunk": lambda: (_shrunk(), (randn(250, 48),)),
    "shrunk_more": lambda: (_shrunk(0.5), (randn(250, 48),)),
    "shrunk_even": lambda: (_shrunk(target="even"), (randn(250, 48),)),
    "gains": lambda: (_gains(), (randn(*_TABLE),)),
    "gains_difference": lambda: (_gains("difference"), (randn(*_TABLE),)),
    "gains_turned": lambda: (_gains(), (randn(300, 60).t(),)),
    "held_train": lambda: (_held(), (randn(250, 30, grad=True), randn(250, 30)), TRAIN),
    "held_free_train": lambda: (_held(0.02), (randn(250, 30, grad=True), randn(250, 30)), TRAIN),
    "held_fixed_train": lambda: (_held(fixed=True), (randn(250, 30, grad=True), randn(250, 30)), TRAIN),
    "smoothed": lambda: (_smoothed(), (randn(500, 16),)),
    "smoothed_fast_turned": lambda: (_smoothed(0.3), (randn(16, 500).t(),)),
    "settled": lambda: (_settled(), (integers(40, 600), randn(600, 6))),
    "settled_hot": lambda: (_settled("hot"), (integers(40, 600), randn(600, 6))),
    "settled_double": lambda: (_settled(dtype=torch.float64), (integers(40, 600), randn(600, 6, dtype=torch.float64))),
    "limited": lambda: (_limited(), (randn(40, 500), randn(500), randn(500))),
    "limited_written": lambda: (_limited("written"), (randn(40, 500), randn(500), randn(500))),
}  # fmt: skip
