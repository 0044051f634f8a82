"""Programs with functions of functions, numpy, padded rows, long chains of activations, products of whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _per_sample(inner: Callable[[torch.Tensor], torch.Tensor] = torch.tanh) -> Callable[..., Any]:
    """The loss of each sample, by a function of one."""

    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        scaled = x * 2
        return torch.func.vmap(lambda row: inner(row @ w).sum())(scaled) + 1

    return run


def _asserted(limit: float = 100.0) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        x = x.exp()
        assert x.max() < limit
        return x.log1p()

    return run


def _by_numpy(x: torch.Tensor) -> torch.Tensor:
    weights = np.linspace(0, 1, 64) ** 2
    return x * torch.from_numpy(np.asarray(weights)).to("cuda")


def _by_numpy_sum(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy((np.arange(64) * 0.5)[None]).to("cuda") + x


def _padded(value: float = 0.0, after: Callable[[torch.Tensor], torch.Tensor] = torch.exp) -> Callable[..., Any]:
    """Rows with room at their end, which a padding takes."""

    def run(x: torch.Tensor) -> torch.Tensor:
        return after(F.pad(x, (0, 8), value=value)).sum(-1)

    return run


def _rows_padded(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return F.pad(x @ w, (0, 1)).cumsum(-1)


def _chain(length: int = 12, last: Callable[[torch.Tensor], torch.Tensor] = torch.sin) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        for _ in range(length):
            x = torch.sin(x) + x.cos() * 0.5
        return last(x @ w).sum()

    return run


def _positions(x: torch.Tensor) -> Any:
    at = torch.arange(x.shape[-1], device=x.device) * 3 + 1
    return at, x + at, (x * at).sum(-1)


def _int_product(scale_first: bool = False) -> Callable[..., Any]:
    def run(a: torch.Tensor, b: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        both = torch._int_mm(a, b)
        return scale * both if scale_first else both * scale

    return run


def _turned_sum(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Any:
    total = x.t() + y
    return total, (total * z).relu(), total.t() * 2


def _profiled(x: torch.Tensor) -> torch.Tensor:
    x = x.sin()
    with torch.profiler.record_function("inner"):
        x = x.softmax(-1)
    return x + 1


class _Rnn(torch.nn.Module):
    """A recurrent layer of torch between two functions."""

    def __init__(self, kind: str = "GRU") -> None:
        super().__init__()
        self.cell = getattr(torch.nn, kind)(24, 32, batch_first=True, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out, _ = self.cell(x.tanh())
        return out.relu()


def _cast(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cuda", torch.bfloat16):
        return F.silu(x @ w).float().sum()


def _dropped(rate: float = 0.2) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        def inner(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            return F.dropout(F.gelu(x @ w), rate)

        return torch.utils.checkpoint.checkpoint(inner, x, w, use_reentrant=False).sum()

    return run


def _deep_product(after: Callable[[torch.Tensor], torch.Tensor] = torch.relu) -> Callable[..., Any]:
    return lambda a, b: after(a @ b)


def _scattered(scale: float = 1.0) -> Callable[..., Any]:
    return lambda at, x: torch.zeros(8, 64, device="cuda").index_add(0, at, x * scale)


@torch.library.custom_op("kernelsnap_pairs::swap_halves", mutates_args=("x", "y"))
def _swap_halves(x: torch.Tensor, y: torch.Tensor) -> None:
    kept = x.clone()
    x.copy_(y)
    y.copy_(kept)


@_swap_halves.register_fake
def _(x: torch.Tensor, y: torch.Tensor) -> None:
    return None


def _halves(x: torch.Tensor) -> torch.Tensor:
    x = x.sin()
    _swap_halves(x[:20], x[20:])
    return x.cos()


class _Normed(torch.nn.Module):
    """A convolution, and a norm in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv1d(8, 16, 3, device="cuda")
        self.norm = torch.nn.BatchNorm1d(16, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.hardswish(self.norm(self.conv(x)))


def _normed() -> torch.nn.Module:
    return _Normed().eval().requires_grad_(False)


def _thin(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return torch.bmm(x, w).relu()


def _swapped(x: torch.Tensor, y: torch.Tensor) -> Any:
    z = x + 1
    return z.flip(-1) * y, z.view(-1, 2, 32).transpose(1, 2).reshape(-1, 64) - y


PROGRAMS: Programs = {
    "per_sample": lambda: (_per_sample(), (randn(50, 24), randn(24, 16))),
    "per_sample_sigmoid": lambda: (_per_sample(torch.sigmoid), (randn(50, 24), randn(24, 16))),
    "asserted": lambda: (_asserted(), (randn(40, 50),)),
    "by_numpy": lambda: (_by_numpy, (randn(30, 64),)),
    "by_numpy_sum": lambda: (_by_numpy_sum, (randn(30, 64),)),
    "padded": lambda: (_padded(), (randn(200, 208)[:, :200],)),
    "padded_one": lambda: (_padded(1.0), (randn(200, 208)[:, :200],)),
    "rows_padded": lambda: (_rows_padded, (randn(2048, 64, dtype=BF16), randn(64, 2047, dtype=BF16))),
    "chain": lambda: (_chain(), (randn(32, 48, grad=True), randn(48, 24, grad=True)), TRAIN),
    "chain_cosine": lambda: (_chain(last=torch.cos), (randn(32, 48, grad=True), randn(48, 24, grad=True)), TRAIN),
    "positions": lambda: (_positions, (randn(30, 64),)),
    "int_product": lambda: (_int_product(), (
        integers(100, 64, 32, dtype=torch.int8), integers(100, 32, 48, dtype=torch.int8), randn(64, 48))),
    "turned_sum": lambda: (_turned_sum, (randn(200, 120), randn(120, 200), randn(120, 200))),
    "profiled": lambda: (_profiled, (randn(40, 50),)),
    "rnn": lambda: (_Rnn().requires_grad_(False), (randn(4, 5, 24),)),
    "cast": lambda: (_cast, (randn(32, 48, grad=True), randn(48, 24, grad=True)), TRAIN),
    "dropped": lambda: (_dropped(), (randn(32, 48, grad=True), randn(48, 24, grad=True)), TRAIN),
    "deep_product": lambda: (_deep_product(), (randn(32, 16384, dtype=BF16), randn(16384, 32, dtype=BF16))),
    "deep_product_tanh": lambda: (
        _deep_product(torch.tanh), (randn(32, 16384, dtype=BF16), randn(16384, 32, dtype=BF16))),
    "scattered": lambda: (_scattered(), (integers(8, 20000), randn(20000, 64))),
    "scattered_half": lambda: (_scattered(0.5), (integers(8, 20000), randn(20000, 64))),
    "halves": lambda: (_halves, (randn(40, 50),)),
    "normed": lambda: (_normed(), (randn(4, 8, 40),)),
    "thin": lambda: (_thin, (randn(11000, 5, 4), randn(11000, 4, 6))),
    "swapped": lambda: (_swapped, several(2, 40, 64)),
}  # fmt: skip
