"""Functions that write to their inputs or to a module's state."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .case import Built, bf16, i, infer, t, train


def update_cache(cache, new, position):
    cache[:, :, position] = new
    return cache.sum(-1)


def swap(a, b):
    new_a, new_b = a + b, a - b
    a.copy_(new_a)
    b.copy_(new_b)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(64))

    def forward(self, x):
        self.count += 1
        self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
        return (x - self.mean) / self.count


CASES = [
    infer("add_in_place", lambda x: x.add_(1).relu_(), t(64, 100)),
    infer("write_slice", lambda x: x[:, 10:20].copy_(x[:, :10] * 2), t(64, 100)),
    infer("kv_cache", update_cache, bf16(2, 4, 64, 32), bf16(2, 4, 8, 32), Built(lambda: torch.arange(8))),
    infer("swap", swap, t(64, 100), t(64, 100)),
    infer("index_put_in_place", lambda x, ix: x.index_put_((ix,), x[ix] + 1), t(64, 100), i(8, below=64)),
    infer("scatter_in_place", lambda x, ix, v: x.scatter_(1, ix, v), t(64, 100), i(64, 5, below=100), t(64, 5)),
    infer("out_argument", lambda a, b, o: torch.add(a, b, out=o), t(64), t(64), t(64)),
    infer("view_then_write", lambda x: x.view(-1)[::2].mul_(3).sum(), t(64, 100)),
    infer("state", Built(Counter), t(16, 64)),
    infer("masked_fill_in_place", lambda x: x.masked_fill_(x < 0, 0).sum(), t(64, 100)),
    infer("alias_output", lambda x: (x.view(-1), x.t(), x + 1), t(64, 100)),
    infer("fill_zero", lambda x: (x.zero_(), torch.zeros_like(x).fill_(3) + 1), t(64, 100)),
    train("in_place_activation", lambda x: F.relu(x * 2, inplace=True).sum(), t(64, 100)),
    train(
        "buffer_write",
        lambda x, w: torch.zeros(8, 100, device="cuda").index_copy_(0, torch.arange(4, device="cuda"), x @ w),
        t(4, 50),
        t(50, 100),
    ),
    train("clone_write", lambda x: _clone_write(x), t(64, 100)),
    train(
        "running_statistics", Built(lambda: nn.Sequential(nn.BatchNorm1d(64), nn.ReLU(), nn.BatchNorm1d(64))), t(32, 64)
    ),
]


def _clone_write(x):
    y = x.clone()
    y[:, ::2] = x[:, 1::2].sin()
    return y.exp()
