"""Programs of parts of models in which settings show that hardly any program is changed by."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch import nn

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

# ruff: noqa: N803


def _low_rank(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """An adapter alone."""
    return torch.relu(x @ a) @ b


def _joined(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The features of two towers, and then an activation."""
    return torch.tanh(torch.cat((a, b), 1)).sum(-1)


def _stacked(a: torch.Tensor, b: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Two kinds of tokens as one sequence, and then an activation."""
    return torch.relu(torch.cat((a, b), 0)) * w


def _counted(x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """How much each expert gets."""
    return torch.zeros(64, 16, device=x.device).index_put((index,), x, accumulate=True)


def _numpy_noise(x: torch.Tensor) -> torch.Tensor:
    """A level that numpy draws, from a range of one number so that each capture has the same."""
    level = np.random.uniform(0.5, 0.5)
    return x.exp() * float(level)


def _profiled(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """A layer that asks whether it is profiled."""
    h = torch.relu(x + 1)
    if torch.autograd._profiler_enabled():
        h = h * 1
    return torch.softmax(h * w, -1)


class _Scored(nn.Module):
    """A score for each user, of as many users as there are."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.randn(96, device="cuda"), requires_grad=False)
        self.shift = nn.Parameter(torch.randn(96, device="cuda"), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x * self.gain + self.shift).sum(-1)


def _kept(x: torch.Tensor) -> Any:
    """The best logits, and where they are not."""
    order = x.sort(-1, descending=True)
    return order.values[:, :8] - order.values[:, :1]


def _expanded(x: torch.Tensor) -> Any:
    """Some channels through a gate, and a few more without."""
    return torch.relu(x[:, :96]), x[:, :100] * 2


def _crossing(x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> Any:
    """A tensor and two others that lie in memory in other ways."""
    return x + u.permute(1, 2, 0), x * v.permute(2, 0, 1)


def _summed_gates(x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """What is kept of a state after each step."""
    return torch.exp(-F.softplus(g).cumsum(1)) * x


@triton.jit
def _gate(x, out, count, limit, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, at < count, other=0.0)
    tl.store(out + at, value * tl.minimum(tl.exp(value), limit), at < count)


def _limited(x: torch.Tensor) -> torch.Tensor:
    """A gate in Triton with a limit that is a number."""
    x = x * 2
    out = torch.empty_like(x)
    _gate[(triton.cdiv(x.numel(), 256),)](x, out, x.numel(), 6.5, BLOCK=256)
    return out.sum(-1)


def _scores(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attention whose rows have an odd length."""
    return torch.bmm(torch.softmax(torch.bmm(q, k.mT), -1), v)


def _batches(x: torch.Tensor, y: torch.Tensor) -> Any:
    """One table, read along its rows and along its columns."""
    return x.t().contiguous() + y, torch.exp(x) * 2


PROGRAMS: Programs = {
    "low_rank": lambda: (_low_rank, (*(randn(*size, dtype=BF16) for size in ((512, 32), (32, 256), (256, 32))),)),
    "joined": lambda: (_joined, several(2, 200, 48)),
    "stacked": lambda: (_stacked, (randn(80, 96), randn(40, 96), randn(96))),
    "counted": lambda: (_counted, (randn(9000, 16), integers(64, 9000))),
    "numpy_noise": lambda: (_numpy_noise, (randn(30, 64),)),
    "profiled": lambda: (_profiled, several(2, 60, 96)),
    "scored": lambda: (_Scored(), (randn(60, 96),), {"dynamic": True}),
    "kept": lambda: (_kept, (randn(40, 200),)),
    "expanded": lambda: (_expanded, (randn(64, 128),)),
    "crossing": lambda: (_crossing, (randn(32, 48, 64), randn(64, 32, 48), randn(48, 64, 32))),
    "summed_gates_train": lambda: (_summed_gates, several(2, 8, 128, 64, grad=True), TRAIN),
    "limited": lambda: (_limited, (randn(60, 96),)),
    "scores": lambda: (_scores, several(3, 4, 1025, 64)),
    "batches": lambda: (_batches, (randn(300, 200), randn(200, 300))),
}  # fmt: skip
