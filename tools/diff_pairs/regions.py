"""Programs with regions: autocast, checkpointing, regions that are compiled once, branches and loops."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from diff_pairs.sides import BF16, TRAIN, Programs, randn


class _Gated(nn.Module):
    """A gated feed-forward layer with its norm."""

    def __init__(self, width: int = 96, wide: int = 256) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, device="cuda")
        self.gate, self.up = (nn.Linear(width, wide, bias=False, device="cuda") for _ in range(2))
        self.down = nn.Linear(wide, width, bias=False, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class _Attention(nn.Module):
    """Attention with a norm before it, written out."""

    def __init__(self, width: int = 96, heads: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, device="cuda")
        self.qkv, self.out = nn.Linear(width, 3 * width, device="cuda"), nn.Linear(width, width, device="cuda")
        self.heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = (q @ k.mT * (x.shape[-1] // self.heads) ** -0.5).softmax(-1)
        return x + self.out((scores @ v).transpose(1, 2).flatten(2))


def _autocast(module: nn.Module, dtype: torch.dtype | None) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cuda", dtype=dtype or BF16, enabled=dtype is not None):
            return module(x)

    return run


def _blocks(kept: bool) -> Callable[..., Any]:
    """Layers one after the other; in training what they compute inside is kept, or computed again."""
    layers = nn.ModuleList(_Gated() for _ in range(2))

    def run(x: torch.Tensor) -> torch.Tensor:
        for layer in layers:
            x = layer(x) if kept else checkpoint(layer, x, use_reentrant=False)
        return x

    return run


def _selective(kept: tuple[Any, ...]) -> Callable[..., Any]:
    """A block whose results of some operators are kept."""
    layer = _Attention()

    def policy(context: Any, operator: Any, *args: Any, **options: Any) -> CheckpointPolicy:
        return CheckpointPolicy.MUST_SAVE if operator in kept else CheckpointPolicy.PREFER_RECOMPUTE

    contexts = partial(create_selective_checkpoint_contexts, policy)
    return lambda x: checkpoint(layer, x, use_reentrant=False, context_fn=contexts)


def _repeated(region: bool, activation: Callable[..., Any] = F.gelu, times: int = 3) -> Callable[..., Any]:
    """One function that is called for each layer, as a region that is compiled once or inlined."""

    def layer(x: torch.Tensor, w: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        return x + activation(F.layer_norm(x, (x.shape[-1],), g) @ w)

    called = torch.compiler.nested_compile_region(layer) if region else layer

    def run(x: torch.Tensor, w: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        for n in range(times):
            x = called(x, w[n], g[n])
        return x

    return run


def _repeated_args(times: int = 3, grad: bool = False, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    return tuple(randn(*s, grad=grad, dtype=dtype) for s in ((40, 112), (times, 112, 112), (times, 112)))


def _clipped(limit: float) -> Callable[..., Any]:
    """Scaled down if it is too long: a branch on the device."""

    def run(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        length = g.square().sum().sqrt()
        scaled = torch.cond(length > limit, lambda g: g * 0.5, lambda g: g.clone(), (g,))
        return x - 0.1 * scaled

    return run


def _refined(limit: int) -> Callable[..., Any]:
    """Newton's steps for a matrix inverse, as a loop on the device."""

    def run(a: torch.Tensor) -> torch.Tensor:
        count = torch.zeros((), dtype=torch.int64, device=a.device)
        first = a.mT / (a.abs().sum(0).amax() * a.abs().sum(1).amax())
        return torch.while_loop(lambda n, x: n < limit, lambda n, x: (n + 1, 2 * x - x @ a @ x), (count, first))[1]

    return run


PROGRAMS: Programs = {
    "gated": lambda: (_autocast(_Gated(), None), (randn(48, 96, grad=True),), TRAIN),
    "gated_bf16": lambda: (_autocast(_Gated(), BF16), (randn(48, 96, grad=True),), TRAIN),
    "gated_half": lambda: (_autocast(_Gated(), torch.float16), (randn(48, 96, grad=True),), TRAIN),
    "attention": lambda: (_autocast(_Attention().requires_grad_(False), None), (randn(2, 60, 96),), {}),
    "attention_bf16": lambda: (_autocast(_Attention().requires_grad_(False), BF16), (randn(2, 60, 96),), {}),
    "kept": lambda: (_blocks(kept=True), (randn(32, 96, grad=True),), TRAIN),
    "again": lambda: (_blocks(kept=False), (randn(32, 96, grad=True),), TRAIN),
    "selective": lambda: (
        _selective((torch.ops.aten.addmm.default, torch.ops.aten.bmm.default)), (randn(2, 60, 96, grad=True),), TRAIN,
    ),
    "selective_none": lambda: (_selective(()), (randn(2, 60, 96, grad=True),), TRAIN),
    "inlined": lambda: (_repeated(region=False), _repeated_args(), {}),
    "region": lambda: (_repeated(region=True), _repeated_args(), {}),
    "region_silu": lambda: (_repeated(region=True, activation=F.silu), _repeated_args(), {}),
    "region_more": lambda: (_repeated(region=True, times=4), _repeated_args(4), {}),
    "region_half": lambda: (_repeated(region=True), _repeated_args(dtype=torch.float16), {}),
    "region_train": lambda: (_repeated(region=True), _repeated_args(grad=True), TRAIN),
    "region_train_silu": lambda: (_repeated(region=True, activation=F.silu), _repeated_args(grad=True), TRAIN),
    "clipped": lambda: (_clipped(1.0), (randn(70, 90), randn(70, 90)), {}),
    "clipped_more": lambda: (_clipped(5.0), (randn(70, 90), randn(70, 90)), {}),
    "refined": lambda: (_refined(5), (randn(64, 64),), {}),
    "refined_longer": lambda: (_refined(9), (randn(64, 64),), {}),
}  # fmt: skip
