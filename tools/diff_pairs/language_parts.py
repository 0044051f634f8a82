"""What the programs of language models are made of."""

# Each function is a well-known part, and its name says which.
# ruff: noqa: D103

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention

from diff_pairs.sides import BF16, integers, randn, several


def rms(x: Tensor, w: Tensor, eps: float = 1e-6) -> Tensor:
    up = x.float()
    return (up * torch.rsqrt(up.square().mean(-1, keepdim=True) + eps)).to(x.dtype) * w


def rms_late_cast(x: Tensor, w: Tensor) -> Tensor:
    up = x.float()
    return (up * torch.rsqrt(up.square().mean(-1, keepdim=True) + 1e-6) * w.float()).to(x.dtype)


def norm_args(rows: int = 96, grad: bool = False) -> Any:
    return randn(rows, 768, dtype=BF16, grad=grad), randn(768, dtype=BF16, grad=grad)


def add_norm(x: Tensor, r: Tensor, w: Tensor, b: Tensor) -> Any:
    h = x + r
    return F.layer_norm(h, (h.shape[-1],), w, b), h


def add_norm_args(dtype: torch.dtype = torch.float32) -> Any:
    return tuple(randn(*shape, dtype=dtype, grad=True) for shape in ((2048, 320), (2048, 320), (320,), (320,)))


def turned(x: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat([-second, first], -1)


def turned_pairs(x: Tensor) -> Tensor:
    return torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)


def rope(turn: Callable[[Tensor], Tensor] = turned, start: int = 0) -> Callable[..., Any]:
    def rotate(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> Any:
        cos, sin = cos[start : start + q.shape[2]], sin[start : start + q.shape[2]]
        return q * cos + turn(q) * sin, k * cos + turn(k) * sin

    return rotate


def rope_args(kv_heads: int = 8, table: torch.dtype = BF16) -> Any:
    q, k = randn(2, 8, 100, 64, dtype=BF16), randn(2, kv_heads, 100, 64, dtype=BF16)
    return q, k, randn(256, 64, dtype=table), randn(256, 64, dtype=table)


def gated(activation: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda x, gate, up, down: (activation(x @ gate) * (x @ up)) @ down


def gated_args() -> Any:
    return tuple(randn(*shape, dtype=BF16, grad=True) for shape in ((160, 128), (128, 352), (128, 352), (352, 128)))


def packed(x: Tensor) -> Tensor:
    gate, up = x.chunk(2, -1)
    return F.silu(gate) * up


def packed_up_first(x: Tensor) -> Tensor:
    up, gate = x.chunk(2, -1)
    return F.silu(gate) * up


def block(x: Tensor, n: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    h = F.rms_norm(x, (x.shape[-1],), n, 1e-6)
    h = (F.silu(h @ gate) * (h @ up)) @ down
    return x + 1.0 * h  # Granite multiplies its residuals; by 1 unless it is told another number


def block_args(dtype: torch.dtype = torch.float32) -> Any:
    shapes = ((192, 128), (128,), (128, 320), (128, 320), (320, 128))
    return tuple(randn(*shape, dtype=dtype, grad=True) for shape in shapes)


def cache_update(k_cache: Tensor, v_cache: Tensor, k: Tensor, v: Tensor, at: Tensor) -> None:
    k_cache.index_copy_(2, at, k)
    v_cache.index_copy_(2, at, v)


def cache_args(index: torch.dtype = torch.int64) -> Any:
    cache = several(2, 2, 4, 300, 64, dtype=BF16)
    new = several(2, 2, 4, 5, 64, dtype=BF16)
    return *cache, *new, integers(300, 5, dtype=index)


def paged(cache: Tensor, table: Tensor, k: Tensor) -> Tensor:
    pages = cache[table].flatten(1, 2)
    return torch.cat([pages, k], 1).float().square().sum(-1)


def decode(masked: Callable[[Tensor, Tensor], Tensor], low: float = -math.inf) -> Callable[..., Tensor]:
    def attend(q: Tensor, k: Tensor, v: Tensor, at: Tensor) -> Tensor:
        score = (q.unsqueeze(-2) * k).sum(-1) / 8
        keys = torch.arange(k.shape[2], device="cuda")
        weight = score.masked_fill(masked(keys, at), low).softmax(-1)
        return (weight.unsqueeze(-1) * v).sum(-2)

    return attend


def decode_args() -> Any:
    return randn(2, 4, 64), randn(2, 4, 200, 64), randn(2, 4, 200, 64), integers(200, 1)


def penalty(value: float) -> Callable[..., Tensor]:
    def penalise(logits: Tensor, seen: Tensor) -> Tensor:
        score = logits.gather(1, seen)
        return logits.scatter(1, seen, torch.where(score < 0, score * value, score / value))

    return penalise


def sample(logits: Tensor) -> Tensor:
    value, index = (logits / 0.7).topk(20)
    noise = torch.empty_like(value).exponential_()
    return index.gather(1, (value.softmax(-1) / noise).argmax(-1, keepdim=True))


def nucleus(p: float = 0.9, inclusive: bool = False) -> Callable[..., Tensor]:
    def keep(logits: Tensor) -> Tensor:
        value, index = logits.sort(descending=True)
        weight = value.softmax(-1)
        total = weight.cumsum(-1)
        value = value.masked_fill((total if inclusive else total - weight) > p, -math.inf)
        return torch.full_like(logits, -math.inf).scatter(1, index, value)

    return keep


def min_p(logits: Tensor) -> Tensor:
    weight = logits.softmax(-1)
    return logits.masked_fill(weight < 0.05 * weight.amax(-1, keepdim=True), -math.inf)


def min_p_log(logits: Tensor) -> Tensor:
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + math.log(0.05), -math.inf)


def next_token(smooth: float = 0.0, z: float = 0.0, ignore: int = -100) -> Callable[..., Tensor]:
    def loss(logits: Tensor, target: Tensor) -> Tensor:
        wide = logits.float()
        total = F.cross_entropy(wide, target, label_smoothing=smooth, ignore_index=ignore)
        return total + z * wide.logsumexp(-1).square().mean() if z else total

    return loss


def loss_args(words: int = 3001) -> Any:
    return randn(256, words, dtype=BF16, grad=True), integers(words, 256)


def preference(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor) -> Tensor:
    margin = 0.1 * ((chosen - ref_chosen) - (rejected - ref_rejected)).sum(-1)
    return -F.logsigmoid(margin).mean()


def distil(student: Tensor, teacher: Tensor) -> Tensor:
    p, q = (F.log_softmax(x / 2.0, -1) for x in (student, teacher))
    return F.kl_div(p, q, log_target=True, reduction="batchmean")


def route(top: int = 2, sigmoid: bool = False, logged: bool = False) -> Callable[..., Any]:
    def choose(logits: Tensor) -> Any:
        value, expert = (logits.sigmoid() if sigmoid else logits.softmax(-1)).topk(top)
        if logged:
            torch._dynamo.graph_break()
        value = value / value.sum(-1, keepdim=True)
        return value, expert, F.one_hot(expert, logits.shape[-1]).sum((0, 1))

    return choose


def combine(out: Tensor, expert_out: Tensor, token: Tensor, weight: Tensor) -> Tensor:
    return out.index_add(0, token, expert_out * weight[:, None])


def combine_args(dtype: torch.dtype = torch.float32) -> Any:
    return randn(128, 96, dtype=dtype), randn(200, 96, dtype=dtype), integers(128, 200), randn(200, dtype=dtype)


def int8(x: Tensor) -> Any:
    scale = x.abs().amax(-1, keepdim=True).float() / 127
    return (x / scale).round().clamp(-128, 127).to(torch.int8), scale


def int8_narrow(x: Tensor) -> Any:
    scale = x.abs().amax(-1, keepdim=True).float() / 127
    return (x / scale).round().clamp(-127, 127).to(torch.int8), scale


def int8_floor(x: Tensor) -> Any:
    scale = x.abs().amax(-1, keepdim=True).float() / 127
    return (x / scale).floor().clamp(-128, 127).to(torch.int8), scale


def fp8(kind: torch.dtype = torch.float8_e4m3fn, group: int = 128) -> Callable[..., Any]:
    def quantize(x: Tensor) -> Any:
        groups = x.float().unflatten(-1, (-1, group))
        scale = groups.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 448
        return (groups / scale).flatten(-2).to(kind), scale.squeeze(-1)

    return quantize


def rms_fp8(x: Tensor, w: Tensor) -> Any:
    return fp8()(F.rms_norm(x, (x.shape[-1],), w, 1e-6))


def int4(shift: int = 8) -> Callable[..., Tensor]:
    def unpack(x: Tensor, packed: Tensor, scale: Tensor) -> Tensor:
        low, high = (packed & 15).to(torch.int8) - shift, (packed >> 4).to(torch.int8) - shift
        weight = torch.stack([low, high], -1).flatten(-2).to(x.dtype) * scale[:, None]
        return F.linear(x, weight)

    return unpack


def int4_args() -> Any:
    packed = torch.randint(0, 255, (192, 64), device="cuda", dtype=torch.uint8)
    return randn(64, 128, dtype=BF16), packed, randn(192, dtype=BF16)


def int8_linear_args() -> Any:
    weight = torch.randint(-128, 127, (192, 256), device="cuda", dtype=torch.int8)
    return randn(64, 256, dtype=BF16), weight, randn(192, dtype=BF16)


def adamw(decay: float = 0.1) -> Callable[..., None]:
    def step(p: Tensor, g: Tensor, m: Tensor, v: Tensor, clip: Tensor) -> None:
        g = g.float() * clip
        m.lerp_(g, 0.1)
        v.lerp_(g.square(), 0.05)
        p.mul_(1 - 0.01 * decay).sub_(0.01 * m / (v.sqrt() + 1e-8))

    return step


def adamw_args(grad_dtype: torch.dtype = torch.float32) -> Any:
    return randn(4097), randn(4097, dtype=grad_dtype), randn(4097), randn(4097), randn(1)


def clip(grads: list[Tensor]) -> list[Tensor]:
    norm = torch.stack([g.square().sum() for g in grads]).sum().sqrt()
    return [g * (1.0 / (norm + 1e-6)).clamp(max=1.0) for g in grads]


def grads() -> Any:
    return ([randn(96, 64), randn(500), randn(33, 77)],)


def embed(padding: int | None = None) -> Callable[..., Tensor]:
    return lambda word, place, token: F.embedding(token, word, padding) * 8 + place[: token.shape[1]]


def embed_norm(word: Tensor, place: Tensor, token: Tensor) -> Tensor:
    return F.layer_norm(F.embedding(token, word) * 8 + place[: token.shape[1]], (word.shape[1],))


def embed_args() -> Any:
    return randn(500, 64, grad=True), randn(48, 64, grad=True), integers(500, 4, 40)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return F.layer_norm(x, (x.shape[-1],), eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


def modulate_args() -> Any:
    return randn(4, 77, 384), randn(4, 384), randn(4, 384)


def pooled(x: Tensor, mask: Tensor) -> Tensor:
    weight = mask[..., None].to(x.dtype)
    return F.normalize((x * weight).sum(1) / weight.sum(1).clamp(min=1), dim=-1)


def pooled_max(x: Tensor, mask: Tensor) -> Tensor:
    return F.normalize(x.masked_fill(~mask[..., None], -math.inf).amax(1), dim=-1)


def stem(stride: int = 1) -> Callable[..., Tensor]:
    return lambda x, w, b: F.gelu(F.conv1d(x, w, b, stride, padding=1)).transpose(1, 2) + 1


def relative(q: Tensor, k: Tensor, v: Tensor, slope: Tensor) -> Tensor:
    return flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + slope[h, (i - j).clamp(0, 63)])


def flex_residual(q: Tensor, k: Tensor, v: Tensor, slope: Tensor) -> Tensor:
    return q + flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + slope[h] * (i - j).abs())
