"""Programs that a rarely used setting changes: breaks, freezing, tangents, unknown sizes, tilings, templates."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

DYNAMIC = {"dynamic": True}


@contextlib.contextmanager
def _scope(factor: float) -> Iterator[float]:
    yield factor * 2


@torch.library.custom_op("kernelsnap_pairs::bump", mutates_args=("x",))
def _bump(x: torch.Tensor, y: torch.Tensor) -> None:
    x.add_(y)


@_bump.register_fake
def _(x: torch.Tensor, y: torch.Tensor) -> None:
    return None


class _Gate(torch.nn.Module):
    """A gated layer with a buffer."""

    scale: torch.Tensor

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(width, 2 * width, device="cuda")
        self.register_buffer("scale", torch.linspace(0.5, 1.5, width, device="cuda"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, gate = self.inner(x).chunk(2, -1)
        return value * gate.sigmoid() * (self.scale.exp() + 1)


class _Stem(torch.nn.Module):
    """A convolution and its norm, in evaluation."""

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 20, 3, device="cuda")
        self.norm = torch.nn.BatchNorm2d(20, eps, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(self.conv(x)))


def _frozen(module: torch.nn.Module) -> torch.nn.Module:
    return module.eval().requires_grad_(False)


def _scoped(x: torch.Tensor) -> torch.Tensor:
    x = x.sin()
    with _scope(0.75) as factor:
        x = x * factor
    return x.cos()


def _slope(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """A penalty on the gradient with respect to the input."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad((x @ w).tanh().sum(), x)
    return slope.square().sum(-1)


def _swiglu(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.silu(x @ w) * (x @ v)


def _geglu(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.gelu(x @ w) * (x @ v)


def _two_tilings(x: torch.Tensor, y: torch.Tensor) -> Any:
    total = x + y
    return total.exp(), (total.permute(1, 2, 0).contiguous() * 3).sum(-1), total.transpose(1, 2).contiguous().tanh()


def _bumped(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x = x.sin()
    z = x.clone()
    _bump(z, y)
    return x + z.cos()


def _turned_out(x: torch.Tensor) -> torch.Tensor:
    return x.exp().t() * 2


def _rotation(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(torch.view_as_complex(x) * y) * 2


def _power(x: torch.Tensor) -> torch.Tensor:
    return torch.log(x.abs()) + x.abs().pow(1.7) + torch.atan2(x, x + 2)


def _decayed(rate: float = 0.01) -> Callable[..., Any]:
    def run(x: torch.Tensor, m: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x.addcdiv_(m, v, value=-rate)
        return x.add_(m, alpha=0.1)

    return run


def _mlp_uneven(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
    for w in weights:
        x = F.silu(x @ w).softmax(-1)
    return x.square().sum()


def _norms(x: torch.Tensor, w: torch.Tensor) -> Any:
    return F.layer_norm(x, (768,), w).relu()


def _softly(x: torch.Tensor) -> torch.Tensor:
    return x.softmax(-1) * x.amax(-1, keepdim=True)


def _residual(x: torch.Tensor, w: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    return ((x @ w) + r).relu()


def _followed(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x[1:] * y).sum(0)


def _matched(x: torch.Tensor, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    first, second = one.item(), two.item()
    torch._check(first >= 2)
    torch._check(first <= 60)
    torch._check(second == first + 1)
    return x[:first].sin().sum(0) + second


def _rolled(x: torch.Tensor, y: torch.Tensor, v: torch.Tensor) -> Any:
    total = x.permute(2, 0, 1) + y
    return total, (total.exp() * 2).sum(-1), (total.transpose(0, 1) * v).relu()


def _rolled_sine(x: torch.Tensor, y: torch.Tensor, v: torch.Tensor) -> Any:
    total = x.permute(2, 0, 1) + y
    return total, (total.sin() * 2).sum(-1), (total.transpose(0, 1) * v).relu()


def _warmed(module: torch.nn.Module) -> Any:
    def run(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            h = module(x)
            torch._dynamo.graph_break()
            return h * 2

    return run


def _several_products(inner: Callable[[torch.Tensor], torch.Tensor] = torch.exp) -> Callable[..., Any]:
    return lambda w, *parts: [inner(part) @ w for part in parts]


def _fan(part: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    return lambda x: torch.cat([part(piece) for piece in x.chunk(8, -1)], 0).cumsum(0)


def _added(table: torch.Tensor, at: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(table).index_put_((at,), x, accumulate=True) * 0.5


class _Counted(torch.nn.Module):
    """A layer with a whole number for an attribute."""

    def __init__(self, outer: Callable[[torch.Tensor], torch.Tensor] = torch.sin) -> None:
        super().__init__()
        self.times = 3
        self.outer = outer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(x * self.times)


PROGRAMS: Programs = {
    "scoped": lambda: (_scoped, (randn(64, 40),)),
    "slope": lambda: (_slope, (randn(60, 24), randn(24, 16))),
    "swiglu_dynamic": lambda: (_swiglu, (randn(256, 512, dtype=BF16), *several(2, 512, 640, dtype=BF16)), DYNAMIC),
    "swiglu_wide": lambda: (_swiglu, (randn(512, 512, dtype=BF16), *several(2, 512, 640, dtype=BF16))),
    "two_tilings": lambda: (_two_tilings, several(2, 12, 70, 50)),
    "bumped": lambda: (_bumped, several(2, 48, 50)),
    "turned_out": lambda: (_turned_out, (randn(64, 48, grad=True),), TRAIN),
    "rotation": lambda: (_rotation, (randn(64, 20, 2), torch.randn(64, 20, dtype=torch.complex64, device="cuda"))),
    "power": lambda: (_power, (randn(3000),)),
    "decayed": lambda: (_decayed(), several(3, 500)),
    "decayed_less": lambda: (_decayed(0.002), several(3, 500)),
    "norms": lambda: (_norms, (randn(20000, 768, grad=True), randn(768, grad=True)), TRAIN),
    "softly": lambda: (_softly, (randn(400, 600),)),
    "followed": lambda: (_followed, (randn(64, 40), randn(63, 40)), DYNAMIC),
    "matched": lambda: (_matched, (randn(64, 40), integers(64, 1), integers(64, 1))),
    "several_products": lambda: (_several_products(), (randn(64, 8), *several(4, 4096, 64))),
    "several_products_sine": lambda: (_several_products(torch.sin), (randn(64, 8), *several(4, 4096, 64))),
    "fan_nan": lambda: (_fan(torch.nan_to_num), (randn(128, 192),)),
    "fan_dropout": lambda: (_fan(lambda x: F.dropout(x, 0.2)), (randn(128, 192),)),
    "added": lambda: (_added, (randn(5000, 8), integers(5000, 200000), randn(200000, 8))),
    "counted": lambda: (_Counted(), (randn(60, 48),), DYNAMIC),
    "counted_cosine": lambda: (_Counted(torch.cos), (randn(60, 48),), DYNAMIC),
    "rolled_sine": lambda: (_rolled_sine, (randn(12, 70, 50), randn(50, 12, 70), randn(12, 50, 70))),
    "stem_eps_warmed": lambda: (_warmed(_frozen(_Stem(1e-3))), (randn(2, 3, 18, 18),)),
    "geglu_wide": lambda: (_geglu, (randn(512, 512, dtype=BF16), *several(2, 512, 640, dtype=BF16))),
    "rolled": lambda: (_rolled, (randn(12, 70, 50), randn(50, 12, 70), randn(12, 50, 70))),
    "gate_warmed": lambda: (_warmed(_frozen(_Gate())), (randn(32, 40),)),
    "stem_warmed": lambda: (_warmed(_frozen(_Stem())), (randn(2, 3, 18, 18),)),
    "residual": lambda: (_residual, tuple(several(3, 512, 512, dtype=BF16))),
    "mlp_uneven": lambda: (_mlp_uneven, (randn(64, 48, grad=True), randn(48, 300, grad=True),
        randn(300, 20, grad=True), randn(20, 500, grad=True), randn(500, 48, grad=True)), TRAIN),
}  # fmt: skip
