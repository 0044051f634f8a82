"""Programs on tables of data: windows, ranks, joins, missing values, features of dates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, Programs, integers, randn

DYNAMIC = {"dynamic": True}


def _rolling(size: int = 7, kind: str = "mean") -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        windows = x.unfold(1, size, 1)
        return windows.mean(-1) if kind == "mean" else windows.std(-1)

    return run


def _rolling_sums(x: torch.Tensor) -> torch.Tensor:
    """The rolling mean by differences of running sums."""
    total = F.pad(x.cumsum(1), (1, 0))
    return (total[:, 7:] - total[:, :-7]) / 7


def _standard(correction: int = 1, eps: float = 1e-6) -> Callable[..., Any]:
    return lambda x: (x - x.mean(0, keepdim=True)) / (x.std(0, correction=correction, keepdim=True) + eps)


def _imputed(by: str = "mean") -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        gone = x.isnan()
        if by == "mean":
            return torch.where(gone, x.nanmean(0), x)
        if by == "flag":
            return torch.cat([x.nan_to_num(0.0), gone.float()], 1)
        return x.nan_to_num(0.0)

    return run


def _percentile(q: float = 0.9) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        top = x.sort(0).values[int(q * (len(x) - 1))]
        return torch.minimum(x, top)

    return run


def _ranked(ties: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        if ties:
            return (x[:, :, None] > x[:, None]).float().sum(-1) / x.shape[1]
        return x.argsort(1).argsort(1).float() / x.shape[1]

    return run


def _bucketed(salt: int = 31) -> Callable[..., Any]:
    def run(keys: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return table[(keys * salt + 7) % len(table)].sum(1)

    return run


def _bucketed_mixed(keys: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    mixed = keys ^ (keys >> 7)
    return table[(mixed * 31 + 7) % len(table)].sum(1)


def _dates(hours: bool = False) -> Callable[..., Any]:
    def run(seconds: torch.Tensor) -> torch.Tensor:
        day = seconds // 86400
        parts = [day % 7]
        if hours:
            parts.append(seconds % 86400 // 3600)
        angle = torch.stack([p.float() for p in parts], -1)
        return torch.cat([angle.sin(), angle.cos()], -1)

    return run


def _joined(keys: torch.Tensor, known: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Rows of a table with sorted keys, for each of the keys."""
    at = torch.searchsorted(known, keys).clamp(max=len(known) - 1)
    found = known[at] == keys
    return torch.where(found[:, None], values[at], 0.0)


def _lagged(lag: int = 1, change: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        before = F.pad(x[:, :-lag], (lag, 0))
        return (x - before).tanh() if change else (x / before.clamp(min=0.1)).tanh()

    return run


def _gini(x: torch.Tensor) -> torch.Tensor:
    order = x.sort(1).values
    at = torch.arange(1, x.shape[1] + 1, device="cuda")
    return (order * (2 * at - x.shape[1] - 1)).sum(1) / (x.shape[1] * order.sum(1))


def _gini_pairs(x: torch.Tensor) -> torch.Tensor:
    return (x[:, :, None] - x[:, None]).abs().mean((1, 2)) / (2 * x.mean(1))


def _encoded(kind: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The target's mean in each category, drawn to the mean of all."""
    ones = torch.ones_like(y)
    total = torch.zeros(40, device="cuda").scatter_add(0, kind, y)
    count = torch.zeros(40, device="cuda").scatter_add(0, kind, ones)
    return ((total + 10.0 * y.mean()) / (count + 10.0))[kind]


PROGRAMS: Programs = {
    "rolling": lambda: (_rolling(), (randn(30, 400),)),
    "rolling_nine": lambda: (_rolling(9), (randn(30, 400),)),
    "rolling_std": lambda: (_rolling(kind="std"), (randn(30, 400),)),
    "rolling_sums": lambda: (_rolling_sums, (randn(30, 400),)),
    "standard": lambda: (_standard(), (randn(900, 24),)),
    "standard_all": lambda: (_standard(correction=0), (randn(900, 24),)),
    "standard_half": lambda: (_standard(), (randn(900, 24, dtype=BF16),)),
    "standard_columns": lambda: (_standard(), (randn(24, 900).t(),)),
    "standard_dynamic": lambda: (_standard(), (randn(900, 24),), DYNAMIC),
    "imputed": lambda: (_imputed(), (randn(300, 24),)),
    "imputed_zero": lambda: (_imputed("zero"), (randn(300, 24),)),
    "imputed_flag": lambda: (_imputed("flag"), (randn(300, 24),)),
    "percentile": lambda: (_percentile(), (randn(128, 24),)),
    "percentile_low": lambda: (_percentile(0.5), (randn(128, 24),)),
    "ranked": lambda: (_ranked(), (randn(60, 100),)),
    "ranked_ties": lambda: (_ranked(ties=True), (randn(60, 100),)),
    "bucketed": lambda: (_bucketed(), (integers(90000, 400, 6), randn(97, 16))),
    "bucketed_salt": lambda: (_bucketed(salt=33), (integers(90000, 400, 6), randn(97, 16))),
    "bucketed_more": lambda: (_bucketed(), (integers(90000, 400, 6), randn(101, 16))),
    "bucketed_mixed": lambda: (_bucketed_mixed, (integers(90000, 400, 6), randn(97, 16))),
    "dates": lambda: (_dates(), (integers(9000000, 700),)),
    "dates_hours": lambda: (_dates(hours=True), (integers(9000000, 700),)),
    "joined": lambda: (_joined, (integers(900, 500), integers(900, 300), randn(300, 8))),
    "joined_half": lambda: (_joined, (integers(900, 500), integers(900, 300), randn(300, 8, dtype=BF16))),
    "lagged": lambda: (_lagged(), (randn(40, 300),)),
    "lagged_five": lambda: (_lagged(5), (randn(40, 300),)),
    "lagged_ratio": lambda: (_lagged(change=False), (randn(40, 300),)),
    "gini": lambda: (_gini, (randn(60, 120),)),
    "gini_pairs": lambda: (_gini_pairs, (randn(60, 120),)),
    "encoded": lambda: (_encoded, (integers(40, 1500), randn(1500))),
    "standard_eps_half": lambda: (_standard(eps=1e-3), (randn(900, 24, dtype=BF16),)),
    "lagged_ratio_turned": lambda: (_lagged(change=False), (randn(300, 40).t(),)),
}  # fmt: skip
