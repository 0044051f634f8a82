"""Parts of models as a team edits them: token mixing, number formats, activations, masks of flex attention."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.flex_attention import flex_attention

from diff_pairs.flex_parts import causal, flex, mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _mix_time(decay: str = "exp", shift: int = 1) -> Callable[..., Any]:
    """RWKV's mixing over time: each token with the one before, then a decayed sum."""

    def run(x: torch.Tensor, mix: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        before = F.pad(x, (0, 0, shift, -shift))
        h = x + (before - x) * mix
        rate = torch.exp(-torch.exp(w)) if decay == "exp" else torch.sigmoid(w)
        state, out = torch.zeros_like(x[:, 0]), []
        for at in range(6):
            state = state * rate + h[:, at]
            out.append(state)
        return torch.stack(out, 1)

    return run


def _retention(gamma: float = 0.96, normed: bool = False) -> Callable[..., Any]:
    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        at = torch.arange(q.shape[2], device="cuda")
        gap = at[:, None] - at
        fade = torch.where(gap >= 0, gamma ** gap.float(), 0.0)
        scores = (q @ k.transpose(-1, -2)) * fade
        if normed:
            scores = scores / scores.abs().sum(-1, keepdim=True).clamp(min=1.0)
        return scores @ v

    return run


def _snake(beta: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        return x + (a * x).sin().square() / (a.exp() if beta else a + 1e-9)

    return run


def _threshold(value: float = 0.0, limit: float = 0.1) -> Callable[..., Any]:
    return lambda x: F.threshold(F.celu(x, 0.5), limit, value)


def _maxout(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (x @ w).unflatten(-1, (-1, 4)).amax(-1)


def _maxout_top(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (x @ w).unflatten(-1, (4, -1)).amax(-2)


def _blocks_of(bits: int = 6, power: bool = True) -> Callable[..., Any]:
    """Numbers that share a scale in each block of 32: a power of two, or exact."""

    def run(x: torch.Tensor) -> Any:
        parts = x.float().unflatten(-1, (-1, 32))
        most = parts.abs().amax(-1, keepdim=True).clamp(min=1e-8)
        scale = torch.exp2(torch.floor(torch.log2(most)) - bits) if power else most / 2**bits
        return (parts / scale).round().to(torch.int8), scale.squeeze(-1)

    return run


def _fake_quant(through: bool = True, axis: int = 0) -> Callable[..., Any]:
    """A weight that is rounded in each channel, and a gradient that does not see it."""

    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        scale = w.detach().abs().amax(1 - axis, keepdim=True) / 7
        near = (w / scale).round().clamp(-8, 7) * scale
        return x @ (w + (near - w).detach() if through else torch.fake_quantize_per_tensor_affine(w, 0.1, 0, -8, 7))

    return run


def _signs(packed: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        bits = (x > 0).to(torch.int32).unflatten(-1, (-1, 8))
        at = torch.arange(8, device="cuda", dtype=torch.int32)
        return (bits << (at if packed else 7 - at)).sum(-1).to(torch.uint8)

    return run


def _typical(mass: float = 0.9, top: bool = False) -> Callable[..., Any]:
    """Tokens whose surprise is near the expected one."""

    def run(x: torch.Tensor) -> torch.Tensor:
        logs = x.log_softmax(-1)
        if top:
            return x.masked_fill(logs < logs.topk(20).values[:, -1:], float("-inf"))
        mean = -(logs.exp() * logs).sum(-1, keepdim=True)
        order = (-logs - mean).abs().argsort(-1)
        total = logs.exp().gather(-1, order).cumsum(-1)
        return x.masked_fill((total > mass).gather(-1, order.argsort(-1)), float("-inf"))

    return run


def _places(left: bool = False) -> Callable[..., Any]:
    """Positions of the tokens that are none of padding."""

    def run(seen: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        at = seen.flip(-1).cumsum(-1).flip(-1) if left else seen.cumsum(-1)
        return table[(at - 1).clamp(min=0)] * seen[..., None]

    return run


def _repeat(by: str = "expand") -> Callable[..., Any]:
    def run(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        k = k[:, :, None].expand(-1, -1, 4, -1, -1).flatten(1, 2) if by == "expand" else k.repeat(1, 4, 1, 1)
        return (q * k).sum(-1)

    return run


def _deep_norm(alpha: float = 2.0, before: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        h = F.layer_norm(x, (96,), g) if before else x
        h = F.relu(h @ w)
        return alpha * x + h if before else F.layer_norm(alpha * x + h, (96,), g)

    return run


def _softly(x: torch.Tensor) -> torch.Tensor:
    return (x.float() / 0.7).softmax(-1).to(x.dtype)


def _softly_half(x: torch.Tensor) -> torch.Tensor:
    return (x / 0.7).softmax(-1)


def _exits(at: int = 1, loud: bool = False) -> Callable[..., Any]:
    """A stack of layers that is left in the middle."""

    def layers(x: torch.Tensor, weights: Any) -> torch.Tensor:
        for w in weights:
            x = F.silu(x @ w) + x
        return x

    def run(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        x = layers(x, weights[:at])
        if loud:
            print("left")
        else:
            torch._dynamo.graph_break()
        return layers(x, weights[at:]).sum(-1)

    return run


def _spline(knots: int = 6, order: int = 1) -> Callable[..., Any]:
    """A Kolmogorov-Arnold layer with tents for splines."""

    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        at = torch.linspace(-1, 1, knots, device="cuda")
        tents = F.relu(1 - (x[..., None] - at).abs() * (knots - 1) / 2)
        return torch.einsum("bik,iko->bo", tents if order == 1 else tents.square(), w)

    return run


def _routed(score_first: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor, gate: torch.Tensor) -> Any:
        scores = (x @ gate).sigmoid() if score_first else (x @ gate).softmax(-1)
        best, who = scores.view(-1, 4, 4).amax(-1).topk(2)
        return best / best.sum(-1, keepdim=True), who

    return run


def _capsule(eps: float = 1e-8) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        square = x.square().sum(-1, keepdim=True)
        return square / (1 + square) * x / (square + eps).sqrt()

    return run


def _capsule_linear(x: torch.Tensor) -> torch.Tensor:
    size = x.square().sum(-1, keepdim=True).sqrt()
    return x / (1 + size)


def _diag(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.diag_embed(x.exp()) + y


def _diag_above(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.pad(torch.diag_embed(x.exp()), (1, -1)) + y


def _kron(swap: bool = False) -> Callable[..., Any]:
    return lambda x, y: torch.kron(y, x).tanh() if swap else torch.kron(x, y).tanh()


def _window_sum(x: torch.Tensor) -> torch.Tensor:
    return x.view(4, 8, 6, 8, 6).sum((2, 4))


def _window_first(x: torch.Tensor) -> torch.Tensor:
    return x.view(4, 6, 8, 6, 8).sum((1, 3)) * 1.0


def _swap_rows(which: int = 1) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        y[:, ::2] = x[:, which::2] * 2 if which else x[:, ::2] * 2
        return y + 1

    return run


def _kept(in_place: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if in_place:
            x.add_(y).clamp_(-1, 1)
            return x.sum(-1)
        return (x + y).clamp(-1, 1).sum(-1)

    return run


def _counted(kind: torch.dtype = torch.int64) -> Callable[..., Any]:
    return lambda m: m.sum(-1, dtype=kind) + m.cumsum(-1, dtype=kind)[:, -1]


def _sorted_by(down: bool = False) -> Callable[..., Any]:
    return lambda x, k: x.gather(1, k.argsort(1, descending=down)) * 0.5


def _near_blocks(far: int = 64) -> Any:
    return mask(lambda b, h, i, j: (i >= j) & (i - j < far), 256, 256)


def _strided_mask(b: Any, h: Any, i: Any, j: Any) -> Any:
    return (i >= j) & ((i - j) % 4 == 0)


def _distance(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return s - (i - j).abs() * 0.02


def _distance_log(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
    return s - torch.log1p((i - j).abs().float())


def _with_lse(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
    out, lse = flex_attention(q, k, v, return_lse=True)
    return out, lse


def _options(**kernel: Any) -> Callable[..., Any]:
    return flex(block_mask=mask(causal, 256, 256), kernel_options=kernel)


PROGRAMS: Programs = {
    "mix_time": lambda: (_mix_time(), (randn(8, 6, 64), randn(64), randn(64))),
    "mix_time_sigmoid": lambda: (_mix_time("sigmoid"), (randn(8, 6, 64), randn(64), randn(64))),
    "mix_time_two": lambda: (_mix_time(shift=2), (randn(8, 6, 64), randn(64), randn(64))),
    "retention": lambda: (_retention(), qkv(80, 80, dtype=torch.float32)),
    "retention_normed": lambda: (_retention(normed=True), qkv(80, 80, dtype=torch.float32)),
    "snake": lambda: (_snake(), (randn(4, 500, 32), randn(32))),
    "snake_beta": lambda: (_snake(beta=True), (randn(4, 500, 32), randn(32))),
    "snake_last": lambda: (_snake(), (randn(4, 32, 500).transpose(1, 2), randn(32))),
    "threshold": lambda: (_threshold(), (randn(3000),)),
    "threshold_value": lambda: (_threshold(value=0.2), (randn(3000),)),
    "maxout": lambda: (_maxout, (randn(64, 48), randn(48, 80))),
    "maxout_top": lambda: (_maxout_top, (randn(64, 48), randn(48, 80))),
    "blocks_of": lambda: (_blocks_of(), (randn(60, 256, dtype=BF16),)),
    "blocks_of_four": lambda: (_blocks_of(bits=3), (randn(60, 256, dtype=BF16),)),
    "blocks_of_exact": lambda: (_blocks_of(power=False), (randn(60, 256, dtype=BF16),)),
    "fake_quant": lambda: (_fake_quant(), (randn(40, 48), randn(48, 64, grad=True)), TRAIN),
    "fake_quant_rows": lambda: (_fake_quant(axis=1), (randn(40, 48), randn(48, 64, grad=True)), TRAIN),
    "fake_quant_tensor": lambda: (_fake_quant(through=False), (randn(40, 48), randn(48, 64, grad=True)), TRAIN),
    "signs": lambda: (_signs(), (randn(40, 256),)),
    "signs_high": lambda: (_signs(packed=False), (randn(40, 256),)),
    "typical": lambda: (_typical(), (randn(8, 500),)),
    "typical_mass": lambda: (_typical(mass=0.8), (randn(8, 500),)),
    "typical_top": lambda: (_typical(top=True), (randn(8, 500),)),
    "places": lambda: (_places(), (integers(2, 8, 60), randn(64, 32))),
    "places_left": lambda: (_places(left=True), (integers(2, 8, 60), randn(64, 32))),
    "places_short": lambda: (_places(), (integers(2, 8, 60, dtype=torch.int32), randn(64, 32))),
    "repeat": lambda: (_repeat(), (randn(2, 8, 40, 64), randn(2, 2, 40, 64))),
    "repeat_tiled": lambda: (_repeat("repeat"), (randn(2, 8, 40, 64), randn(2, 2, 40, 64))),
    "deep_norm": lambda: (_deep_norm(), (randn(64, 96, grad=True), randn(96, 96, grad=True), randn(96)), TRAIN),
    "deep_norm_alpha": lambda: (
        _deep_norm(3.0), (randn(64, 96, grad=True), randn(96, 96, grad=True), randn(96)), TRAIN),
    "deep_norm_before": lambda: (
        _deep_norm(before=True), (randn(64, 96, grad=True), randn(96, 96, grad=True), randn(96)), TRAIN),
    "softly": lambda: (_softly, (randn(64, 400, dtype=BF16),)),
    "softly_half": lambda: (_softly_half, (randn(64, 400, dtype=BF16),)),
    "exits": lambda: (_exits(), (randn(40, 64), *several(4, 64, 64))),
    "exits_later": lambda: (_exits(2), (randn(40, 64), *several(4, 64, 64))),
    "exits_loud": lambda: (_exits(loud=True), (randn(40, 64), *several(4, 64, 64))),
    "spline": lambda: (_spline(), (randn(50, 20), randn(20, 6, 30))),
    "spline_square": lambda: (_spline(order=2), (randn(50, 20), randn(20, 6, 30))),
    "spline_eight": lambda: (_spline(8), (randn(50, 20), randn(20, 8, 30))),
    "routed": lambda: (_routed(), (randn(64, 32), randn(32, 16))),
    "routed_share": lambda: (_routed(score_first=False), (randn(64, 32), randn(32, 16))),
    "capsule": lambda: (_capsule(), (randn(200, 16),)),
    "capsule_eps": lambda: (_capsule(1e-5), (randn(200, 16),)),
    "capsule_linear": lambda: (_capsule_linear, (randn(200, 16),)),
    "diag": lambda: (_diag, (randn(8, 30), randn(8, 30, 30))),
    "diag_above": lambda: (_diag_above, (randn(8, 30), randn(8, 30, 30))),
    "kron": lambda: (_kron(), (randn(12, 12), randn(12, 12))),
    "kron_swapped": lambda: (_kron(swap=True), (randn(12, 12), randn(12, 12))),
    "window_sum": lambda: (_window_sum, (randn(4, 48, 48),)),
    "window_first": lambda: (_window_first, (randn(4, 48, 48),)),
    "swap_rows": lambda: (_swap_rows(), (randn(40, 64),)),
    "swap_rows_own": lambda: (_swap_rows(0), (randn(40, 64),)),
    "kept": lambda: (_kept(), several(2, 64, 90)),
    "kept_not": lambda: (_kept(in_place=False), several(2, 64, 90)),
    "counted": lambda: (_counted(), (integers(2, 50, 300),)),
    "counted_short": lambda: (_counted(torch.int32), (integers(2, 50, 300),)),
    "sorted_by": lambda: (_sorted_by(), several(2, 40, 64)),
    "sorted_by_down": lambda: (_sorted_by(down=True), several(2, 40, 64)),
    "near": lambda: (flex(block_mask=_near_blocks()), qkv(256, 256)),
    "near_more": lambda: (flex(block_mask=_near_blocks(far=100)), qkv(256, 256)),
    "near_strided": lambda: (flex(block_mask=mask(_strided_mask, 256, 256)), qkv(256, 256)),
    "distance": lambda: (flex(score_mod=_distance), qkv(256, 256)),
    "distance_log": lambda: (flex(score_mod=_distance_log), qkv(256, 256)),
    "with_lse": lambda: (_with_lse, qkv(256, 256)),
    "without_lse": lambda: (flex(), qkv(256, 256)),
    "blocks": lambda: (_options(), qkv(256, 256)),
    "blocks_contiguous": lambda: (_options(BLOCKS_ARE_CONTIGUOUS=True), qkv(256, 256)),
    "blocks_precise": lambda: (_options(FLOAT32_PRECISION="'tf32'"), qkv(256, 256)),
    "blocks_warps": lambda: (_options(num_warps=8, num_stages=2), qkv(256, 256)),
    "blocks_tma": lambda: (_options(USE_TMA=True), qkv(256, 256)),
    "norm_axis": lambda: (partial(torch.nn.functional.normalize, dim=1), (randn(60, 80),)),
    "norm_axis_one": lambda: (partial(torch.nn.functional.normalize, dim=1, p=1), (randn(60, 80),)),
}  # fmt: skip
