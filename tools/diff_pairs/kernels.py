"""Programs of small kernels, of every kind that Inductor generates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch._higher_order_ops.associative_scan import associative_scan

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

HALF = torch.float16


def _layer(eps: float = 1e-5) -> Callable[..., Any]:
    return lambda x, w, b: F.layer_norm(x.relu(), x.shape[-1:], w, b, eps)


def _layer_args(rows: int = 500, width: int = 1536, grad: bool = False, dtype: torch.dtype = BF16) -> Any:
    return randn(rows, width, dtype=dtype, grad=grad), randn(width, grad=grad), randn(width, grad=grad)


def _residual(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, eps: float = 1e-5) -> Any:
    total = x + y
    return F.layer_norm(total, x.shape[-1:], w, None, eps) * torch.sigmoid(total)


def _scan(combine: Callable[..., Any], reverse: bool = False) -> Callable[..., Any]:
    """A linear recurrence in parallel, as a state-space model has it."""

    def run(decay: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        pair = (torch.sigmoid(decay), x)
        return associative_scan(combine, pair, dim=1, reverse=reverse, combine_mode="pointwise")[1] * 2

    return run


def _recur(one: Any, two: Any) -> Any:
    return one[0] * two[0], one[1] * two[0] + two[1]


def _recur_max(one: Any, two: Any) -> Any:
    return one[0] * two[0], torch.maximum(one[1] * two[0], two[1])


def _facts(x: torch.Tensor) -> Any:
    """Several reductions of one tensor."""
    return x.sum(-1), x.amax(-1), x.square().mean(-1), x.argmax(-1)


def _columns(correction: int = 1) -> Callable[..., Any]:
    return lambda x: x - x.var(0, correction=correction).sqrt()


def _grid(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x.transpose(1, 2) + y).tanh()


def _two_orders(x: torch.Tensor) -> Any:
    """Two kernels that would read the same in different orders."""
    return x.cos() + 1, (x.permute(2, 0, 1) * 3).contiguous().sum(-1)


def _update(late: bool = False) -> Callable[..., Any]:
    def run(state: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if late:
            seen = state.exp().sum(0)
            state.mul_(0.9).add_(x.abs())
            return seen
        state.mul_(0.9).add_(x.abs())
        return state.exp().sum(0)

    return run


def _returned(state: torch.Tensor, x: torch.Tensor) -> Any:
    state = state * 0.9 + x.abs()
    return state.exp().sum(0), state


def _prologue(x: torch.Tensor, w: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """A weight in int8, cast on its way into the multiplication and scaled on its way out."""
    return (x @ w.to(HALF)) * s


def _prologue_args() -> Any:
    return randn(256, 512, dtype=HALF), integers(100, 512, 384, dtype=torch.int8), randn(384, dtype=HALF)


def _epilogue(act: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, w, y: act(x @ w) + y


def _epilogue_args() -> Any:
    return randn(192, 320, dtype=HALF), randn(320, 256, dtype=HALF), randn(192, 256, dtype=HALF)


def _twice_logged(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    y = F.mish(torch.addmm(b, x, w))
    torch._dynamo.graph_break()
    return y @ v


def _padded(value: float = 0.0) -> Callable[..., Any]:
    return lambda x, w, v: F.pad(x @ w, (0, 1), value=value).contiguous() @ v


def _scattered(reduce: str = "sum", dtype: torch.dtype = torch.float32) -> Any:
    def run(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(50, 36, device="cuda", dtype=x.dtype)
        return out.scatter_reduce(0, at[:, None].expand(-1, 36), x.sin(), reduce, include_self=False) + 1

    return run, (randn(700, 36, dtype=dtype), integers(50, 700))


def _placed(accumulate: bool) -> Callable[..., Any]:
    def run(x: torch.Tensor, at: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x.cos().index_put((at,), y * 2, accumulate=accumulate)

    return run


def _looked_up(x: torch.Tensor, at: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (x[at] * w).sum(1)


def _along(x: torch.Tensor) -> torch.Tensor:
    order = x.sum(-1).argsort(-1)
    return torch.gather(x, 1, order[..., None].expand_as(x)).sigmoid()


def _quotient(mode: str) -> Callable[..., Any]:
    return lambda i, j: torch.div(i, j, rounding_mode=mode) * 3 + torch.remainder(i, 7)


def _dropped(p: float = 0.1) -> Callable[..., Any]:
    return lambda x, w: F.dropout(F.silu(x) * w, p)


def _perceptron(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
    for w in weights:
        x = F.softplus(x @ w)
        x = x / x.amax(-1, keepdim=True)
    return x.sin()


def _perceptron_args(dtype: torch.dtype = torch.float32) -> Any:
    return randn(300, 128, dtype=dtype, grad=True), *(randn(128, 128, dtype=dtype, grad=True) for _ in range(3))


def _many(x: torch.Tensor, y: torch.Tensor) -> Any:
    return [(x * n).sigmoid() + y[n] for n in range(5)], y.sum(1)


def _foreach(rate: float) -> Callable[..., Any]:
    def run(params: list[torch.Tensor], grads: list[torch.Tensor]) -> list[torch.Tensor]:
        return torch._foreach_add(params, torch._foreach_sign(grads), alpha=-rate)

    return run


def _shapes_of_params() -> list[torch.Tensor]:
    return [randn(90, 31), randn(31), randn(500)]


def _convolved_args() -> Any:
    return randn(2, 16, 30, 30), randn(32, 16, 3, 3), randn(32), randn(32).abs()


def _bigger(mode: str, scale: int = 2) -> Callable[..., Any]:
    corners = {} if mode == "nearest" else {"align_corners": False}
    return lambda x: F.interpolate(x, scale_factor=scale, mode=mode, **corners).relu()


def _top(largest: bool) -> Callable[..., Any]:
    return lambda x: x.sort(-1, descending=largest)[0][:, :5].softmax(-1)


PROGRAMS: Programs = {
    "layer": lambda: (_layer(), _layer_args()),
    "layer_no_bias": lambda: (lambda x, w, b: F.layer_norm(x.relu(), x.shape[-1:], w), _layer_args()),
    "layer_train": lambda: (_layer(), _layer_args(grad=True), TRAIN),
    "layer_train_eps": lambda: (_layer(1e-3), _layer_args(grad=True), TRAIN),
    "layer_tall": lambda: (_layer(), _layer_args(20000, 384, grad=True, dtype=torch.float32), TRAIN),
    "residual": lambda: (
        _residual, (randn(6, 70, 640, dtype=BF16), randn(6, 70, 640, dtype=BF16), randn(640, dtype=BF16)),
    ),
    "residual_eps": lambda: (
        lambda x, y, w: _residual(x, y, w, 1e-6),
        (randn(6, 70, 640, dtype=BF16), randn(6, 70, 640, dtype=BF16), randn(640, dtype=BF16)),
    ),
    "residual_dynamic": lambda: (
        _residual, (randn(6, 70, 640, dtype=BF16), randn(6, 70, 640, dtype=BF16), randn(640, dtype=BF16)),
        {"dynamic": True},
    ),
    "residual_fp32": lambda: (_residual, (randn(6, 70, 640, dtype=BF16), randn(6, 70, 640), randn(640, dtype=BF16))),
    "scan": lambda: (_scan(_recur), several(2, 24, 600)),
    "scan_max": lambda: (_scan(_recur_max), several(2, 24, 600)),
    "scan_reverse": lambda: (_scan(_recur, True), several(2, 24, 600)),
    "running": lambda: (lambda x: x.cumprod(-1).log(), (randn(64, 64),)),
    "running_down": lambda: (lambda x: x.cumprod(0).log(), (randn(64, 64),)),
    "highest": lambda: (lambda x: x.cummax(-1)[0] - x, (randn(30, 777),)),
    "lowest": lambda: (lambda x: x.cummin(-1)[0] - x, (randn(30, 777),)),
    "facts": lambda: (_facts, (randn(400, 6),)),
    "facts_long": lambda: (_facts, (randn(40, 5000),)),
    "facts_low": lambda: (lambda x: (x.sum(-1), x.amin(-1), x.square().mean(-1), x.argmin(-1)), (randn(40, 5000),)),
    "columns": lambda: (_columns(), (randn(9000, 50),)),
    "columns_all": lambda: (_columns(0), (randn(9000, 50),)),
    "whole": lambda: (lambda x: x.square().sum().sqrt(), (randn(3000, 700),)),
    "few_rows": lambda: (lambda x: x.softmax(-1) * 2, (randn(4, 60000),)),
    "middle": lambda: (lambda x: x.sigmoid().softmax(2), (randn(8, 40, 40),)),
    "middle_other": lambda: (lambda x: x.sigmoid().softmax(1), (randn(8, 40, 40),)),
    "grid": lambda: (_grid, (randn(6, 90, 130), randn(6, 130, 90))),
    "grid_strided": lambda: (_grid, (randn(6, 90, 130), randn(6, 260, 90)[:, ::2])),
    "grid_row": lambda: (_grid, (randn(6, 90, 130), randn(90))),
    "orders": lambda: (_two_orders, (randn(20, 30, 40),)),
    "update": lambda: (_update(), several(2, 40, 64)),
    "update_late": lambda: (_update(late=True), several(2, 40, 64)),
    "update_returned": lambda: (_returned, several(2, 40, 64)),
    "prologue": lambda: (_prologue, _prologue_args()),
    "epilogue": lambda: (_epilogue(F.gelu), _epilogue_args()),
    "epilogue_elu": lambda: (_epilogue(F.elu), _epilogue_args()),
    "batched": lambda: (lambda x, y: (x @ y).relu(), (randn(12, 48, 80), randn(12, 80, 56))),
    "batched_turned": lambda: (lambda x, y: (x @ y.transpose(1, 2)).relu(), (randn(12, 48, 80), randn(12, 56, 80))),
    "twice": lambda: (
        lambda x, w, b, v: F.mish(torch.addmm(b, x, w)) @ v,
        (randn(60, 33), randn(33, 1027), randn(1027), randn(1027, 20)),
    ),
    "twice_logged": lambda: (_twice_logged, (randn(60, 33), randn(33, 1027), randn(1027), randn(1027, 20))),
    "padded": lambda: (_padded(), (randn(200, 64), randn(64, 1027), randn(1028, 32))),
    "padded_ones": lambda: (_padded(1.0), (randn(200, 64), randn(64, 1027), randn(1028, 32))),
    "scattered": lambda: _scattered(),
    "scattered_least": lambda: _scattered("amin"),
    "scattered_half": lambda: _scattered(dtype=HALF),
    "placed": lambda: (_placed(True), (randn(300, 20), integers(300, 80), randn(80, 20))),
    "placed_once": lambda: (_placed(False), (randn(300, 20), integers(300, 80), randn(80, 20))),
    "looked_up": lambda: (_looked_up, (randn(1000, 24), integers(1000, 50, 12), randn(12, 24))),
    "looked_up_short": lambda: (
        _looked_up, (randn(1000, 24), integers(1000, 50, 12, dtype=torch.int32), randn(12, 24)),
    ),
    "along": lambda: (_along, (randn(10, 128, 16),)),
    "quotient": lambda: (_quotient("floor"), (integers(99, 40, 50), integers(9, 40, 50) + 1)),
    "quotient_trunc": lambda: (_quotient("trunc"), (integers(99, 40, 50), integers(9, 40, 50) + 1)),
    "halves": lambda: (lambda x: x[:, ::2].erf() * 2, (randn(80, 90),)),
    "halves_odd": lambda: (lambda x: x[:, 1::2].erf() * 2, (randn(80, 90),)),
    "below": lambda: (lambda x: x.tril().exp().sum(-1), (randn(5, 70, 70),)),
    "below_strict": lambda: (lambda x: x.tril(-1).exp().sum(-1), (randn(5, 70, 70),)),
    "dropped": lambda: (_dropped(), (randn(64, 400, grad=True), randn(400, grad=True)), TRAIN),
    "dropped_more": lambda: (_dropped(0.25), (randn(64, 400, grad=True), randn(400, grad=True)), TRAIN),
    "criterion": lambda: (
        lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, w),
        (randn(64, 300, grad=True), randn(64, 300), randn(300)), TRAIN,
    ),
    "criterion_sum": lambda: (
        lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, w, reduction="sum"),
        (randn(64, 300, grad=True), randn(64, 300), randn(300)), TRAIN,
    ),
    "perceptron": lambda: (_perceptron, _perceptron_args(), TRAIN),
    "perceptron_bf16": lambda: (_perceptron, _perceptron_args(BF16), TRAIN),
    "many": lambda: (_many, several(2, 7, 256)),
    "many_more": lambda: (lambda x, y: (*_many(x, y), (x - y).prod(1)), several(2, 7, 256)),
    "foreach": lambda: (_foreach(0.1), (_shapes_of_params(), _shapes_of_params())),
    "foreach_rate": lambda: (_foreach(0.02), (_shapes_of_params(), _shapes_of_params())),
    "convolved": lambda: (
        lambda x, w, m, v: F.leaky_relu(F.batch_norm(F.conv2d(x, w, padding=1), m, v), 0.1), _convolved_args(),
    ),
    "bigger": lambda: (_bigger("nearest"), (randn(2, 6, 16, 16),)),
    "bigger_smooth": lambda: (_bigger("bilinear"), (randn(2, 6, 16, 16),)),
    "bigger_three": lambda: (_bigger("nearest", 3), (randn(2, 6, 16, 16),)),
    "top": lambda: (_top(True), (randn(60, 100),)),
    "bottom": lambda: (_top(False), (randn(60, 100),)),
    "noisy": lambda: (lambda x: x + torch.randn_like(x) * 0.1, (randn(300, 20),)),
    "summed": lambda: (lambda x, i, y: x.index_add(0, i, y).tan(), (randn(90, 16), integers(90, 400), randn(400, 16))),
    "sum_and_turn": lambda: (lambda x: ((x * 2).sum(-1), x.t().cos().contiguous()), (randn(700, 500),)),
    "products": lambda: (
        lambda x, w, v: torch.cat([x @ w, (x @ v).relu()], 1), (randn(64, 80), randn(80, 48), randn(80, 96)),
    ),
}  # fmt: skip
