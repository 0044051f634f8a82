"""Programs in which settings show that few programs are changed by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _gumbel(logits: torch.Tensor) -> torch.Tensor:
    noise = torch.empty_like(logits).exponential_(1)
    return torch.argmax(F.softmax(logits, dim=-1) / noise, dim=-1, keepdim=True)


def _linears(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.linear(x, w).tanh() + F.linear(y, v).sigmoid()


def _fan(act: Any = torch.relu, count: int = 6) -> Callable[..., Any]:
    """The same function of several parts of a tensor."""
    return lambda x: torch.cat([act(part) * (i + 1) for i, part in enumerate(x.chunk(count, -1))], -1)


def _split_cat(x: torch.Tensor) -> torch.Tensor:
    a, b, c = torch.split(x, 32, dim=-1)
    return torch.cat([a, b, c], -1).relu() + torch.stack([a, b, c], 1).flatten(1)


def _unrelated(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Any:
    return x.sin(), y.cos(), z.exp()


def _permuted(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return F.linear(x.permute(0, 2, 1), w, b).relu()


def _thin(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (x @ w).relu()


def _scatter_product(x: torch.Tensor, w: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    out = torch.zeros(40, 64, device="cuda", dtype=x.dtype)
    return out.index_add(0, at, x @ w)


def _deep_k(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return F.silu(x @ w)


class _Tower(torch.nn.Module):
    """Layers and norms with parameters, for training."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(64, device="cuda")
        self.up = torch.nn.Linear(64, 128, device="cuda")
        self.down = torch.nn.Linear(128, 64, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(x)
        return (x + self.down(F.gelu(self.up(y)))).softmax(-1).log().mean()


def _views(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    y = x.view(8, 6, 20, 16).transpose(1, 2).reshape(8, 20, 96) * 2
    return (y @ w).view(160, 32).sigmoid()


def _sized(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x[:, None] * y[None]).sum(-1).div(x.shape[0]).relu()


def _count(x: torch.Tensor, steps: int) -> torch.Tensor:
    return x.unsqueeze(0).expand(steps, -1, -1).sum(0) * steps


def _counted(x: torch.Tensor) -> torch.Tensor:
    at = x.nonzero().squeeze(-1)
    return at.float().sin() * 2


def _foreach(xs: Any, ys: Any) -> Any:
    return torch._foreach_add(torch._foreach_mul(xs, 2.0), ys)


def _lists(count: int = 5) -> Any:
    return tuple([randn(10 + 3 * i, 8) for i in range(count)] for _ in range(2))


def _dropped(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return F.dropout(F.relu(x @ w), 0.25).sum(-1)


def _noise(x: torch.Tensor) -> torch.Tensor:
    return (x + torch.randn_like(x) * 0.1).clamp(-1, 1)


def _spread(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, keepdim=True) + 1e-5)


def _groups(x: torch.Tensor, residual: torch.Tensor, w: torch.Tensor) -> Any:
    """A norm of each group of a sum that is wanted, too."""
    h = x + residual
    return h, F.rms_norm(h.view(-1, 128), (128,), w).view(h.shape)


def _four_products(x: torch.Tensor, w: torch.Tensor) -> Any:
    parts = [x @ part for part in w.unbind(0)]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    return total.sin(), total.cos().sum(0)


def _sizes(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Any:
    return x.sin() * 2, y.cos().sum(-1), z.exp() + 1


def _repeated(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    def layer(y: torch.Tensor) -> torch.Tensor:
        return F.relu(F.layer_norm(y @ w, (48,))) + y

    return layer(layer(layer(x)))


def _placed(table: torch.Tensor, at: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return table.index_add(0, at, x.exp()).relu()


def _running(x: torch.Tensor) -> torch.Tensor:
    return x.cumsum(0).exp()


PROGRAMS: Programs = {
    "groups": lambda: (_groups, (randn(64, 1024), randn(64, 1024), randn(128))),
    "four_products": lambda: (_four_products, (randn(64, 32), randn(4, 32, 80))),
    "sizes": lambda: (_sizes, (randn(300), randn(40, 50), randn(7000))),
    "repeated": lambda: (_repeated, (randn(20, 48), randn(48, 48))),
    "placed": lambda: (_placed, (randn(100, 40), integers(100, 64), randn(64, 40))),
    "running": lambda: (_running, (randn(500, 30),)),
    "gumbel": lambda: (_gumbel, (randn(16, 1000),)),
    "linears": lambda: (_linears, (randn(64, 32), randn(64, 32), randn(48, 32), randn(48, 32))),
    "fan_tanh": lambda: (_fan(torch.tanh), (randn(128, 192),)),
    "split_cat": lambda: (_split_cat, (randn(50, 96),)),
    "unrelated": lambda: (_unrelated, several(3, 4000)),
    "permuted": lambda: (_permuted, (randn(4, 32, 40), randn(24, 32), randn(24))),
    "thin": lambda: (_thin, (randn(20480, 5, grad=True), randn(5, 6, grad=True)), TRAIN),
    "scatter_product": lambda: (
        _scatter_product, (randn(96, 32, dtype=BF16), randn(32, 64, dtype=BF16), integers(40, 96)),
    ),
    "deep_k": lambda: (_deep_k, (randn(32, 8192, dtype=BF16), randn(8192, 64, dtype=BF16))),
    "tower": lambda: (_Tower(), (randn(40, 64),), TRAIN),
    "views": lambda: (_views, (randn(48, 320, grad=True), randn(96, 32, grad=True)), TRAIN),
    "sized": lambda: (_sized, (randn(24, 40), randn(36, 40)), {"dynamic": True}),
    "sized_static": lambda: (_sized, (randn(24, 40), randn(36, 40))),
    "count": lambda: (_count, (randn(50, 30), 4)),
    "count_dynamic": lambda: (_count, (randn(50, 30), 4), {"dynamic": True}),
    "counted": lambda: (_counted, (integers(2, 100),)),
    "foreach": lambda: (_foreach, _lists()),
    "foreach_dynamic": lambda: (_foreach, _lists(), {"dynamic": True}),
    "dropped": lambda: (_dropped, (randn(50, 40), randn(40, 60))),
    "dropped_train": lambda: (_dropped, (randn(50, 40, grad=True), randn(40, 60, grad=True)), TRAIN),
    "noise": lambda: (_noise, (randn(64, 48),)),
    "spread": lambda: (_spread, (randn(64, 4096, dtype=BF16),)),
    "product": lambda: (lambda x, w: (x @ w).tanh(), (randn(256, 128), randn(128, 512))),
    "norm_chain": lambda: (lambda x, w: F.rms_norm(x, (256,), w).sum(0) + F.rms_norm(x, (256,)).sum(0),
        (randn(512, 256), randn(256))),
}  # fmt: skip
