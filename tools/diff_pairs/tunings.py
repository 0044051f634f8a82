"""Programs that a setting of Inductor, AOTAutograd or Dynamo changes: each has what that setting looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl

from diff_pairs.flex_parts import causal, flex, mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

DYNAMIC = {"dynamic": True}


@torch.library.custom_op("kernelsnap_pairs::ranked", mutates_args=())
def _ranked(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@_ranked.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


@triton.jit
def _halve(x, out, n, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, 0.5 * tl.load(x + at, at < n), at < n)


def _halved(x: torch.Tensor) -> torch.Tensor:
    turned = (x + 1).t()
    out = torch.empty_like(turned)
    _halve[(triton.cdiv(out.numel(), 256),)](turned, out, out.numel(), BLOCK=256)
    return out.t().relu()


def _mixed_shapes(x: torch.Tensor, y: torch.Tensor) -> Any:
    """Two views of one sum, which another tile suits each."""
    total = x + y.t()
    return total.exp(), (total * 2).t().contiguous().tanh()


def _cheap(x: torch.Tensor) -> Any:
    one = x.relu()
    return one, one.t().contiguous(), one.sum(0)


class _Encoder(torch.nn.Module):
    """Two layers whose width and slope are attributes."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.slope = 0.2
        self.first = torch.nn.Linear(width, 2 * width, device="cuda")
        self.norm = torch.nn.LayerNorm(2 * width, device="cuda")
        self.second = torch.nn.Linear(2 * width, width, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(F.leaky_relu(self.norm(self.first(x)), self.slope))


def _deep(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
    """Activations of early layers are wanted in a later one again."""
    kept = [x]
    for w in weights:
        x = F.gelu(x @ w) * kept[-1].sigmoid()
        kept.append(x)
    return sum(k.exp() * i for i, k in enumerate(kept))  # type: ignore[return-value]


def _scaled(x: torch.Tensor, factor: float) -> torch.Tensor:
    return (x.sin() * factor).sum(-1)


def _rows_of(x: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    size = count.item()
    torch._check(size >= 2)
    torch._check(size <= 100)
    return x[:size].exp().sum(0)


def _mine(x: torch.Tensor) -> torch.Tensor:
    import numpy as np

    table = torch.from_numpy(np.linspace(0.0, 1.0, 48)).to("cuda")
    return x * table


def _called_once(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    @torch.compiler.nested_compile_region
    def layer(y: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(y.sin(), (64,), w)

    return layer(x.exp()) * 2


def _called_twice(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    @torch.compiler.nested_compile_region
    def layer(y: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(y.sin(), (64,), w)

    return layer(layer(x.exp()).relu()) * 2


def _inner_break(x: torch.Tensor) -> torch.Tensor:
    def inner(y: torch.Tensor) -> torch.Tensor:
        y = y.sin() * 2
        torch._dynamo.graph_break()
        return y.cos() + 1

    return inner(x.exp()).tanh()


def _both_gradients(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, (512,), w, b).relu()


def _vocabulary(x: torch.Tensor, w: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy((x @ w).float(), t)


def _bytes(x: torch.Tensor) -> Any:
    return torch.ops.quantized.embedding_bag_byte_unpack(x)


def _fan(part: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    """One function of eight parts."""
    return lambda x: torch.stack([part(piece) for piece in x.chunk(8, -1)]).sum(0)


def _fan_products(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    pairs = zip(x.chunk(8, -1), y.chunk(8, -1), strict=True)
    return torch.cat([(a * b).relu() for a, b in pairs], -1).sum(-1)


def _fan_norms(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
    parts = [F.layer_norm(p, (24,), w, w) for p, w in zip(x.chunk(8, -1), weights, strict=True)]
    return torch.cat(parts, -1).relu()


def _batched(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return torch.bmm(x, w).relu()


def _pieces(x: torch.Tensor) -> Any:
    return [part.exp() * (n + 1) for n, part in enumerate(x.split([200, 3000, 17, 900], 0))]


def _branches(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Any:
    return x.softmax(-1), y.sum(-1) * 3, z.exp().cumsum(0), (x * 2).amax(0)


def _constants(x: torch.Tensor) -> torch.Tensor:
    table = torch.tensor([0.1, 0.7, 0.3, 0.9, 0.2, 0.5], device="cuda")
    return x * table + torch.tensor(2.0)


def _mutated(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    x.mul_(0.9)
    x.index_fill_(0, at, 1.0)
    return x.cumsum(1)


def _sparse_loss(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    h = (x @ w).sin()
    return (h.cos().exp() * h).sum()


def _outer_norm(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x * 2, (x.shape[-1],), w).sigmoid()


def _conv(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, w, padding=1).relu().mean((2, 3))


def _read_turned(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (_ranked(x.sin()) + y).exp() * 2


PROGRAMS: Programs = {
    "grid": lambda: (_mixed_shapes, (randn(120, 200), randn(200, 120))),
    "grid_wide": lambda: (lambda x, y: (x.transpose(1, 2) * y).relu(), (randn(8, 60, 100), randn(8, 100, 60))),
    "cheap": lambda: (_cheap, (randn(64, 80),)),
    "read_turned": lambda: (_read_turned, (randn(64, 48), randn(64, 48))),
    "halved": lambda: (_halved, (randn(60, 48),)),
    "encoder": lambda: (_Encoder(), (randn(40, 96),)),
    "encoder_train": lambda: (_Encoder(), (randn(40, 96),), TRAIN),
    "deep": lambda: (_deep, (randn(64, 80, grad=True), *several(4, 80, 80, grad=True)), TRAIN),
    "scaled": lambda: (_scaled, (randn(64, 48), 0.3), DYNAMIC),
    "scaled_static": lambda: (_scaled, (randn(64, 48), 0.3)),
    "rows_of": lambda: (_rows_of, (randn(100, 48), integers(100, 1))),
    "mine": lambda: (_mine, (randn(64, 48),)),
    "called_once": lambda: (_called_once, (randn(32, 64), randn(64))),
    "called_twice": lambda: (_called_twice, (randn(32, 64), randn(64))),
    "inner_break": lambda: (_inner_break, (randn(32, 64),)),
    "both_gradients": lambda: (_both_gradients,
        (randn(2000, 512, grad=True), randn(512, grad=True), randn(512, grad=True)), TRAIN),
    "vocabulary": lambda: (_vocabulary,
        (randn(1024, 64, dtype=BF16, grad=True), randn(64, 4096, dtype=BF16, grad=True), integers(4096, 1024)), TRAIN),
    "bytes": lambda: (_bytes, (integers(256, 50, 40, dtype=torch.uint8),)),
    "fan_sigmoid": lambda: (_fan(torch.sigmoid), (randn(128, 192),)),
    "fan_products": lambda: (_fan_products, (randn(128, 192), randn(128, 192))),
    "fan_norms": lambda: (_fan_norms, (randn(128, 192), *several(8, 24))),
    "batched": lambda: (_batched, (randn(12000, 6, 4), randn(12000, 4, 5))),
    "pieces": lambda: (_pieces, (randn(4117, 8),)),
    "branches": lambda: (_branches, (randn(60, 70), randn(90, 50), randn(3000))),
    "constants": lambda: (_constants, (randn(64, 6),)),
    "mutated": lambda: (_mutated, (randn(32, 48), integers(32, 3))),
    "sparse_loss": lambda: (_sparse_loss, (randn(64, 96, grad=True), randn(96, 96, grad=True)), TRAIN),
    "outer_norm": lambda: (_outer_norm, (randn(64, 96), randn(96))),
    "total_dynamic": lambda: (lambda x: (x * 2).exp().sum(), (randn(4000, 300),), DYNAMIC),
    "conv_train": lambda: (_conv, (randn(4, 16, 20, 20, grad=True), randn(24, 16, 3, 3, grad=True)), TRAIN),
    "linear_gelu": lambda: (lambda x, w, b: F.gelu(x @ w + b),
        (randn(512, 256, dtype=BF16), randn(256, 1024, dtype=BF16), randn(1024, dtype=BF16))),
    "flex_causal": lambda: (flex(block_mask=mask(causal, 256, 256)), qkv(256, 256)),
    "sums": lambda: (lambda x: (x.sum(-1), x.t().contiguous().sum(-1)), (randn(300, 500),)),
}  # fmt: skip
