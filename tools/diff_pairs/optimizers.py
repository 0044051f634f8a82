"""Programs of optimizers, losses, recommenders, tabular models and graph nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

# Optimizers.


def _adamw(amsgrad: bool = False, rate: float = 1e-3) -> Callable[..., Any]:
    def step(p: Any, g: Any, m: Any, v: Any, top: Any) -> None:
        p.mul_(1 - rate * 0.01)
        m.lerp_(g, 0.1)
        v.mul_(0.999).addcmul_(g, g, value=1e-3)
        if amsgrad:
            torch.maximum(top, v, out=top)
        p.addcdiv_(m, (top if amsgrad else v).sqrt() + 1e-8, value=-rate)

    return step


def _lamb(limit: float | None = None) -> Callable[..., Any]:
    def step(p: Any, g: Any, m: Any, v: Any) -> None:
        m.mul_(0.9).add_(g, alpha=0.1)
        v.mul_(0.999).addcmul_(g, g, value=1e-3)
        update = m / (v.sqrt() + 1e-6) + 0.01 * p
        trust = p.norm() / update.norm()
        p.sub_(1e-3 * (trust if limit is None else trust.clamp(max=limit)) * update)

    return step


def _adafactor(p: Any, g: Any, row: Any, column: Any) -> None:
    square = g.square() + 1e-30
    row.lerp_(square.mean(-1), 0.01)
    column.lerp_(square.mean(-2), 0.01)
    update = g * (row / row.mean()).rsqrt()[:, None] * column.rsqrt()[None]
    p.sub_(0.01 * update / update.square().mean().sqrt().clamp(min=1.0))


def _newton_schulz(steps: int) -> Callable[..., Any]:
    def orthogonal(g: torch.Tensor) -> torch.Tensor:
        x = g.bfloat16()
        x = x / (x.norm() + 1e-7)
        for _ in range(steps):
            a = x @ x.T
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        return x

    return orthogonal


def _clip_grads(limit: float) -> Callable[..., Any]:
    def clip(a: Any, b: Any, c: Any) -> Any:
        norm = torch.stack([g.norm() for g in (a, b, c)]).norm()
        scale = (limit / (norm + 1e-6)).clamp(max=1.0)
        return a * scale, b * scale, c * scale, norm

    return clip


def _optimizer(**options: Any) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    parameters = [randn(*shape, grad=True) for shape in ((64, 32), (64,), (16, 64))]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = torch.optim.RMSprop(parameters, lr=1e-2, **options)
    return optimizer.step, ()


# Losses.


def _focal(gamma: float) -> Callable[..., Any]:
    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        p = x.sigmoid()
        right = p * y + (1 - p) * (1 - y)
        return (F.binary_cross_entropy_with_logits(x, y, reduction="none") * (1 - right) ** gamma).mean()

    return loss


def _classes(**options: Any) -> Callable[..., Any]:
    return lambda x, y: F.cross_entropy(x, y, **options)


def _scores(rows: int = 200, classes: int = 310) -> tuple[torch.Tensor, ...]:
    return randn(rows, classes, grad=True), integers(classes, rows)


def _contrast(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    scores = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T / 0.07
    return F.cross_entropy(scores, torch.arange(len(a), device=a.device))


def _pairs(compare: Callable[..., Any]) -> Callable[..., Any]:
    def loss(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        margins = F.softplus(s[None, :] - s[:, None])
        return torch.where(compare(y[:, None], y[None, :]), margins, 0.0).sum() / len(s)

    return loss


# Recommenders and tabular models.


def _bag(mode: str = "sum", padded: bool = False) -> Callable[..., Any]:
    def pool(table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        rows = table[ids]
        if padded:
            rows = rows * (ids != 0)[..., None]
        return (rows.sum(1) if mode == "sum" else rows.amax(1)).relu()

    return pool


def _hashed(table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    slot = ((ids * 40503) ^ (ids >> 7)) % 5000
    sign = torch.where((ids >> 3) & 1 == 0, 1.0, -1.0)
    return (table[slot] * sign[..., None]).sum(1)


def _hashed_mask(table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    slot = ((ids * 40503) ^ (ids >> 7)) & 4095
    sign = torch.where((ids >> 3) & 1 == 0, 1.0, -1.0)
    return (table[slot] * sign[..., None]).sum(1)


def _factors(v: torch.Tensor, linear: torch.Tensor) -> torch.Tensor:
    return (0.5 * (v.sum(1).square() - v.square().sum(1)).sum(-1) + linear.sum(-1)).sigmoid()


def _interact(diagonal: int) -> Callable[..., Any]:
    def interact(dense: torch.Tensor, sparse: torch.Tensor) -> torch.Tensor:
        features = torch.cat([dense[:, None], sparse], 1)
        i, j = torch.tril_indices(9, 9, diagonal, device="cuda")
        return torch.cat([dense, torch.bmm(features, features.mT)[:, i, j]], 1)

    return interact


def _cross_layer(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    y = x
    for i in range(2):
        y = x * F.linear(y, w[i], b[i]) + y
    return y


def _cross_gated(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    y = x
    for i in range(2):
        y = x * F.linear(y, w[i], b[i]).sigmoid() + y
    return y


def _crossing(dtype: torch.dtype = torch.float32, grad: bool = True) -> tuple[torch.Tensor, ...]:
    shapes = ((128, 160), (2, 160, 160), (2, 160))
    return tuple(randn(*shape, dtype=dtype, grad=grad) for shape in shapes)


def _bins(right: bool = False) -> Callable[..., Any]:
    def encode(x: torch.Tensor, edges: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return table[torch.bucketize(x, edges, right=right)] * x[..., None]

    return encode


def _quantize(x: torch.Tensor) -> Any:
    scale = x.abs().amax(-1, keepdim=True) / 127
    return torch.round(x / scale).clamp(-128, 127).to(torch.int8), scale


def _quantize_unsigned(x: torch.Tensor) -> Any:
    scale = x.abs().amax(-1, keepdim=True) / 255
    return torch.round(x / scale).clamp(0, 255).to(torch.uint8), scale


def _correlate(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
    return (x * y).sum(-1) / (x.square().sum(-1) * y.square().sum(-1)).sqrt()


@torch.compiler.disable
def _report(x: torch.Tensor) -> None:
    """What a training loop does with a number that it only logs."""


def _reported(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    loss = F.smooth_l1_loss(x.tanh(), y, reduction="none")
    _report(loss)
    return loss.sum(-1).log1p()


# Graph nets.


def _pass(x: torch.Tensor, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(x).index_add(0, target, x[source]).relu()


def _edges(dtype: torch.dtype = torch.int64) -> tuple[torch.Tensor, ...]:
    return randn(150, 48), integers(150, 900, dtype=dtype), integers(150, 900, dtype=dtype)


def _convolve(x: torch.Tensor, source: torch.Tensor, target: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    ones = torch.ones_like(source, dtype=x.dtype)
    degree = torch.rsqrt(torch.zeros(len(x), device=x.device).scatter_add(0, target, ones) + 1)
    message = (x @ w)[source] * (degree[source] * degree[target])[:, None]
    return torch.zeros_like(message[: len(x)]).index_add(0, target, message)


def _attend_edges(slope: float) -> Callable[..., Any]:
    def layer(h: torch.Tensor, source: torch.Tensor, target: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        score = F.leaky_relu((h[source] * a).sum(-1) + (h[target] * a).sum(-1), slope).exp()
        total = torch.zeros(len(h), device=h.device).index_add(0, target, score)
        return torch.zeros_like(h).index_add(0, target, h[source] * (score / total[target])[:, None])

    return layer


def _segments(reduce: str) -> Callable[..., Any]:
    def readout(x: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
        where = graph[:, None].expand_as(x)
        return torch.zeros(16, x.shape[1], device="cuda").scatter_reduce(0, where, x.sigmoid(), reduce).log1p()

    return readout


PROGRAMS: Programs = {
    "adamw": lambda: (_adamw(), several(5, 3000)),
    "adamw_amsgrad": lambda: (_adamw(amsgrad=True), several(5, 3000)),
    "adamw_rate_bf16": lambda: (_adamw(rate=3e-4), several(5, 3000, dtype=BF16)),
    "lamb": lambda: (_lamb(), several(4, 120, 130)),
    "lamb_clamp": lambda: (_lamb(10.0), several(4, 120, 130)),
    "adafactor": lambda: (_adafactor, (randn(300, 500), randn(300, 500), randn(300), randn(500))),
    "muon": lambda: (_newton_schulz(2), (randn(96, 200),)),
    "muon_one": lambda: (_newton_schulz(1), (randn(96, 200),)),
    "clip": lambda: (_clip_grads(1.0), (randn(80, 40), randn(40), randn(500, 30))),
    "clip_half": lambda: (_clip_grads(0.5), (randn(80, 40), randn(40), randn(500, 30))),
    "rmsprop": lambda: _optimizer(),
    "rmsprop_single": lambda: _optimizer(foreach=False),
    "focal": lambda: (_focal(2.0), (randn(400, 9, grad=True), randn(400, 9)), TRAIN),
    "focal_less": lambda: (_focal(1.5), (randn(400, 9, grad=True), randn(400, 9)), TRAIN),
    "entropy": lambda: (_classes(), _scores(), TRAIN),
    "entropy_smooth": lambda: (_classes(label_smoothing=0.1), _scores(), TRAIN),
    "entropy_ignore": lambda: (_classes(ignore_index=0), _scores(), TRAIN),
    "entropy_wide": lambda: (_classes(), _scores(64, 40000), TRAIN),
    "huber": lambda: (lambda x, y: F.huber_loss(x, y, delta=1.0), several(2, 70, 90)),
    "huber_tight": lambda: (lambda x, y: F.huber_loss(x, y, delta=0.5), several(2, 70, 90)),
    "contrast": lambda: (_contrast, several(2, 96, 128, grad=True), TRAIN),
    "pairwise": lambda: (_pairs(torch.gt), several(2, 180)),
    "pairwise_ties": lambda: (_pairs(torch.ge), several(2, 180)),
    "bag": lambda: (_bag(), (randn(2000, 40), integers(2000, 64, 20))),
    "bag_max": lambda: (_bag("max"), (randn(2000, 40), integers(2000, 64, 20))),
    "bag_short": lambda: (_bag(), (randn(2000, 40), integers(2000, 64, 20, dtype=torch.int32))),
    "bag_padded_bf16": lambda: (_bag(padded=True), (randn(2000, 40, dtype=BF16), integers(2000, 64, 20))),
    "bag_train": lambda: (_bag(), (randn(2000, 40, grad=True), integers(2000, 64, 20)), TRAIN),
    "bag_library": lambda: (
        lambda w, i: F.embedding_bag(i, w, mode="sum").relu(), (randn(2000, 40), integers(2000, 64, 20)),
    ),
    "bag_library_mean": lambda: (
        lambda w, i: F.embedding_bag(i, w, mode="mean").relu(), (randn(2000, 40), integers(2000, 64, 20)),
    ),
    "hashed": lambda: (_hashed, (randn(5000, 32), integers(2**31 - 1, 64, 12))),
    "hashed_mask": lambda: (_hashed_mask, (randn(5000, 32), integers(2**31 - 1, 64, 12))),
    "factors": lambda: (_factors, (randn(256, 26, 16), randn(256, 26))),
    "factors_max": lambda: (
        lambda v, linear: (0.5 * (v.sum(1).square() - v.square().sum(1)).sum(-1) + linear.amax(-1)).sigmoid(),
        (randn(256, 26, 16), randn(256, 26)),
    ),
    "factors_dynamic": lambda: (_factors, (randn(256, 26, 16), randn(256, 26)), {"dynamic": True}),
    "factors_turned": lambda: (_factors, (randn(26, 256, 16).transpose(0, 1), randn(256, 26))),
    "interact": lambda: (_interact(-1), (randn(64, 16), randn(64, 8, 16))),
    "interact_self": lambda: (_interact(0), (randn(64, 16), randn(64, 8, 16))),
    "crossing": lambda: (_cross_layer, _crossing(), TRAIN),
    "crossing_half": lambda: (_cross_layer, _crossing(dtype=torch.float16, grad=False)),
    "crossing_gated_half": lambda: (_cross_gated, _crossing(dtype=torch.float16, grad=False)),
    "bins": lambda: (_bins(), (randn(90, 12), randn(31), randn(32, 20))),
    "bins_right": lambda: (_bins(right=True), (randn(90, 12), randn(31), randn(32, 20))),
    "bins_more": lambda: (_bins(), (randn(90, 12), randn(63), randn(64, 20))),
    "tokens": lambda: (
        lambda x, w, b: F.layer_norm(x[:, :, None] * w + b, (24,)), (randn(100, 14), randn(14, 24), randn(14, 24)),
    ),
    "tokens_missing": lambda: (
        lambda x, w, b: F.layer_norm(torch.where(x.isnan()[:, :, None], b, x.nan_to_num()[:, :, None] * w + b), (24,)),
        (randn(100, 14), randn(14, 24), randn(14, 24)),
    ),
    "rank": lambda: (
        lambda user, items, seen: (user @ items.T).masked_fill(seen, float("-inf")).topk(20),
        (randn(32, 24), randn(700, 24), randn(32, 700) > 0),
    ),
    "quantize": lambda: (_quantize, (randn(96, 640),)),
    "quantize_more": lambda: (_quantize, (randn(200, 640),)),
    "quantize_unsigned": lambda: (_quantize_unsigned, (randn(96, 640),)),
    "history": lambda: (
        lambda x, decay: (torch.cumsum(x * decay.exp(), 1) * (-decay).exp()).tanh(), several(2, 40, 300),
    ),
    "history_log": lambda: (lambda x, decay: (torch.logcumsumexp(x + decay, 1) - decay).tanh(), several(2, 40, 300)),
    "long_sum": lambda: (lambda x: x.cumsum(0) / 2, (randn(400000),)),
    "tower": lambda: (
        lambda x, m, v: F.prelu(F.batch_norm(x, m, v, training=True), torch.full((1,), 0.25, device="cuda")),
        (randn(600, 72), randn(72), randn(72)),
    ),
    "odd": lambda: (lambda x, w, v: torch.relu(x @ w) @ v, (randn(130, 77), randn(77, 1501), randn(1501, 3))),
    "standardize": lambda: (lambda x: (x - x.mean(0)) / (x.var(0) + 1e-5).sqrt(), (randn(5000, 30),)),
    "correlate": lambda: (_correlate, several(2, 300, 900)),
    "correlate_wide": lambda: (_correlate, (randn(300, 1800)[:, ::2], randn(300, 900))),
    "plain": lambda: (lambda x, y: F.smooth_l1_loss(x.tanh(), y, reduction="none").sum(-1).log1p(), several(2, 64, 50)),
    "reported": lambda: (_reported, several(2, 64, 50)),
    "message": lambda: (_pass, _edges()),
    "message_short": lambda: (_pass, _edges(dtype=torch.int32)),
    "convolve": lambda: (_convolve, (randn(150, 40), integers(150, 900), integers(150, 900), randn(40, 40))),
    "edges": lambda: (_attend_edges(0.2), (*_edges(), randn(48))),
    "edges_slope": lambda: (_attend_edges(0.05), (*_edges(), randn(48))),
    "segments": lambda: (_segments("sum"), (randn(500, 24), integers(16, 500))),
    "segments_max": lambda: (_segments("amax"), (randn(500, 24), integers(16, 500))),
}  # fmt: skip
