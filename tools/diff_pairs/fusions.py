"""Programs of several kernels that could be one: what keeps them apart is a setting, or an edit of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _nothing(x: torch.Tensor) -> torch.Tensor:
    return x


def _broken(x: torch.Tensor) -> torch.Tensor:
    torch._dynamo.graph_break()
    return x


def _printed(x: torch.Tensor) -> torch.Tensor:
    print("half way")
    return x


def _normed_twice(between: Callable[..., Any] = _nothing) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y = between(F.rms_norm(x, (320,), w))
        return F.silu(y) * v + x

    return run


def _norm_args() -> tuple[torch.Tensor, ...]:
    return randn(90, 320), randn(320), randn(320)


def _statistics(x: torch.Tensor) -> Any:
    """Several reductions of one tensor, along both of its dimensions."""
    y = x.exp()
    return y, y.sum(0), y.amax(1), (y * y).mean()


def _gates(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Any:
    a = x.sigmoid() * y
    b = (a + z).tanh()
    return a, b, a.sum(-1), b.amax(-1)


def _joined(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return torch.cat([x.exp(), y * 2 + 1, z.sin() * z], 1).relu()


def _joined_parts(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Any:
    whole = torch.cat([x.exp(), y * 2 + 1, z.sin() * z], 1)
    return whole, whole.sum(1)


def _tied(x: torch.Tensor, w: torch.Tensor) -> Any:
    y = x @ w
    return y.relu(), y.sum(-1), (y * 2).amax(0)


def _heads(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return F.gelu(x @ w + b) * torch.sigmoid(x.sum(-1, keepdim=True))


def _flipped(x: torch.Tensor, y: torch.Tensor) -> Any:
    return (x.t() * y).sum(1), (x * 2).exp(), y + x.t().sin()


def _looked_up(table: torch.Tensor, at: torch.Tensor, w: torch.Tensor) -> Any:
    rows = table[at]
    return F.layer_norm(rows, (96,), w), rows.square().sum(-1)


def _chunks(x: torch.Tensor) -> torch.Tensor:
    a, b, c = x.chunk(3, -1)
    return a.sigmoid() * b.tanh() + c


class _Stack(torch.nn.Module):
    """Two layers with norms, for training."""

    def __init__(self, norm: Any = torch.nn.LayerNorm) -> None:
        super().__init__()
        self.first = torch.nn.Linear(64, 96, device="cuda")
        self.norm = norm(96, device="cuda")
        self.second = torch.nn.Linear(96, 64, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.second(F.relu(self.norm(self.first(x))))).square().mean()


PROGRAMS: Programs = {
    "normed": lambda: (_normed_twice(), _norm_args()),
    "normed_broken": lambda: (_normed_twice(_broken), _norm_args()),
    "normed_printed": lambda: (_normed_twice(_printed), _norm_args()),
    "statistics": lambda: (_statistics, (randn(400, 600),)),
    "gates": lambda: (_gates, several(3, 70, 240)),
    "joined": lambda: (_joined, (randn(50, 30), randn(50, 20), randn(50, 40))),
    "joined_parts": lambda: (_joined_parts, (randn(50, 30), randn(50, 20), randn(50, 40))),
    "tied": lambda: (_tied, (randn(60, 40), randn(40, 128))),
    "heads": lambda: (_heads, (randn(96, 64, dtype=BF16), randn(64, 128, dtype=BF16), randn(128, dtype=BF16))),
    "flipped": lambda: (_flipped, several(2, 160, 160)),
    "looked_up": lambda: (_looked_up, (randn(500, 96), integers(500, 70), randn(96))),
    "chunks": lambda: (_chunks, (randn(70, 192),)),
    "stack": lambda: (_Stack(), (randn(512, 64),), TRAIN),
    "stack_rms": lambda: (_Stack(torch.nn.RMSNorm), (randn(512, 64),), TRAIN),
    "many": lambda: (lambda x, y, z: (x.sin(), y.cos().sum(-1), z.exp(), x.tanh().amax(-1)),
        (randn(40, 64), randn(30, 50), randn(700))),
}  # fmt: skip
