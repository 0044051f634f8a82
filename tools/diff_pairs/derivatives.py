"""Programs of training: functional gradients, own gradients, detached targets, modules, lists of tensors, breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _field(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return torch.tanh(x @ w).sum()


def _slope(value: bool = False) -> Callable[..., Any]:
    """A small field at many points, or its gradient there."""

    def run(x: torch.Tensor, w: torch.Tensor) -> Any:
        return torch.func.vmap(_field if value else torch.func.grad(_field), (0, None))(x, w)

    return run


def _directional(both: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, v: torch.Tensor) -> Any:
        pair = torch.func.jvp(lambda y: torch.sin(y) * y.square(), (x,), (v,))
        return pair if both else pair[1]

    return run


class _Straight(torch.autograd.Function):
    """Rounding whose gradient is that of a clamp."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.round()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class _Reversed(torch.autograd.Function):
    """The identity, with a gradient of the other sign."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return -0.1 * grad


def _through(kind: type[torch.autograd.Function] = _Straight) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return (kind.apply(x.tanh() * 4) * w).sum(-1)

    return run


def _distilled(detached: bool = True, hard: bool = False) -> Callable[..., Any]:
    def run(student: torch.Tensor, teacher: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        target = teacher.detach() if detached else teacher
        soft = F.kl_div((student / 2).log_softmax(-1), (target / 2).softmax(-1), reduction="batchmean") * 4
        return soft + F.cross_entropy(student, t) if hard else soft

    return run


def _block(saved: bool = True, residual: str = "post") -> Callable[..., Any]:
    """A gated block whose inner part is checkpointed or not."""

    def inner(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (F.silu(x @ w) * (x @ w).cos()) @ v

    def run(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        h = x.sigmoid() if residual == "post" else x
        h = inner(h, w, v) if saved else checkpoint(inner, h, w, v, use_reentrant=False)
        return (h + x).square().sum() if residual == "post" else h.square().sum()

    return run


class _Normed(torch.nn.Module):
    """A linear layer between batch norms."""

    def __init__(self, momentum: float = 0.1, tracked: bool = True, drop: float = 0.0) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(40, momentum=momentum, track_running_stats=tracked, device="cuda")
        self.linear = torch.nn.Linear(40, 30, device="cuda")
        self.drop = drop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(self.linear(self.norm(x)).relu(), self.drop)


def _encoder(first: bool = True, activation: str = "relu", heads: int = 4) -> torch.nn.Module:
    return torch.nn.TransformerEncoderLayer(
        64, heads, 96, 0.0, activation, batch_first=True, norm_first=first, device="cuda"
    )


def _lstm(bias: float = 0.0) -> Callable[..., Any]:
    def run(gates: torch.Tensor, c: torch.Tensor) -> Any:
        i, f, g, o = gates.chunk(4, -1)
        c = torch.sigmoid(f + bias) * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    return run


def _updated(nesterov: bool = False) -> Callable[..., Any]:
    """SGD with momentum over lists."""

    def run(p: list[torch.Tensor], g: list[torch.Tensor], b: list[torch.Tensor]) -> Any:
        momenta = torch._foreach_add(torch._foreach_mul(b, 0.9), g)
        steps = torch._foreach_add(g, momenta, alpha=0.9) if nesterov else momenta
        return torch._foreach_sub(p, torch._foreach_mul(steps, 0.1)), momenta

    return run


def _lists(number: int = 4) -> tuple[Any, ...]:
    return tuple([randn(3000 + 10 * n) for n in range(number)] for _ in range(3))


def _clipped(g: torch.Tensor) -> torch.Tensor:
    """Gradients of samples, clipped one by one."""
    size = g.norm(dim=1, keepdim=True)
    return (g * (1.0 / (size + 1e-6)).clamp(max=1.0)).sum(0)


@torch.compiler.disable
def _outside(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


def _logged(how: str = "none", late: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        h = (x @ w).relu()
        if how == "print" and not late:
            print("hidden")
        h = h.cumsum(-1)
        if how == "print" and late:
            print("hidden")
        if how == "disabled":
            h = _outside(h)
        return (h * 2).softmax(-1)

    return run


def _embedded(padding: int | None = None) -> Callable[..., Any]:
    def run(at: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return (F.embedding(at, w, padding) * 8.0).sum(1)

    return run


_MLP = (64, 48)

PROGRAMS: Programs = {
    "slope": lambda: (_slope(), (randn(60, 24), randn(24, 16))),
    "slope_value": lambda: (_slope(value=True), (randn(60, 24), randn(24, 16))),
    "directional": lambda: (_directional(), several(2, 40, 50)),
    "directional_both": lambda: (_directional(both=True), several(2, 40, 50)),
    "through": lambda: (_through(), (randn(*_MLP, grad=True), randn(48)), TRAIN),
    "through_reversed": lambda: (_through(_Reversed), (randn(*_MLP, grad=True), randn(48)), TRAIN),
    "distilled": lambda: (_distilled(), (*several(2, 64, 100, grad=True), integers(100, 64)), TRAIN),
    "distilled_both": lambda: (_distilled(detached=False), (*several(2, 64, 100, grad=True), integers(100, 64)), TRAIN),
    "distilled_hard": lambda: (_distilled(hard=True), (*several(2, 64, 100, grad=True), integers(100, 64)), TRAIN),
    "block": lambda: (_block(), (randn(*_MLP, grad=True), *several(2, 48, 48, grad=True)), TRAIN),
    "block_checkpoint": lambda: (_block(saved=False), (randn(*_MLP, grad=True), *several(2, 48, 48, grad=True)), TRAIN),
    "block_plain": lambda: (_block(residual="none"), (randn(*_MLP, grad=True), *several(2, 48, 48, grad=True)), TRAIN),
    "normed": lambda: (_Normed(), (randn(80, 40),), TRAIN),
    "normed_slow": lambda: (_Normed(momentum=0.01), (randn(80, 40),), TRAIN),
    "normed_untracked": lambda: (_Normed(tracked=False), (randn(80, 40),), TRAIN),
    "normed_drop": lambda: (_Normed(drop=0.2), (randn(80, 40),), TRAIN),
    "encoder": lambda: (_encoder(), (randn(3, 20, 64),), TRAIN),
    "encoder_after": lambda: (_encoder(first=False), (randn(3, 20, 64),), TRAIN),
    "encoder_gelu": lambda: (_encoder(activation="gelu"), (randn(3, 20, 64),), TRAIN),
    "encoder_heads": lambda: (_encoder(heads=8), (randn(3, 20, 64),), TRAIN),
    "lstm": lambda: (_lstm(), (randn(50, 160), randn(50, 40))),
    "lstm_open": lambda: (_lstm(1.0), (randn(50, 160), randn(50, 40))),
    "lstm_half": lambda: (_lstm(), (randn(50, 160, dtype=BF16), randn(50, 40, dtype=BF16))),
    "updated": lambda: (_updated(), _lists()),
    "updated_five": lambda: (_updated(), _lists(5)),
    "clipped": lambda: (_clipped, (randn(60, 500),)),
    "logged": lambda: (_logged(), (randn(*_MLP), randn(48, 80))),
    "logged_early": lambda: (_logged("print"), (randn(*_MLP), randn(48, 80))),
    "logged_late": lambda: (_logged("print", late=True), (randn(*_MLP), randn(48, 80))),
    "logged_outside": lambda: (_logged("disabled"), (randn(*_MLP), randn(48, 80))),
    "embedded": lambda: (_embedded(), (integers(90, 60, 20), randn(90, 32, grad=True)), TRAIN),
    "embedded_padding": lambda: (_embedded(0), (integers(90, 60, 20), randn(90, 32, grad=True)), TRAIN),
    "lstm_open_half": lambda: (_lstm(1.0), (randn(50, 160, dtype=BF16), randn(50, 40, dtype=BF16))),
    "updated_nesterov_five": lambda: (_updated(nesterov=True), _lists(5)),
}  # fmt: skip
