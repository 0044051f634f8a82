"""The fourth set of pairs, second part of its programs: norms, gates, rotary embedding, caches, experts."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from cost_pairs.sides import BF16, F32, LAST, Programs, bf16, integers, randn, several

_F8 = torch.float8_e4m3fn


def _root(x: Any) -> Any:
    return torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6)


def _rms(x: Any, w: Any) -> Any:
    return (x.float() * _root(x)).to(x.dtype) * w


def _rms_offset(x: Any, w: Any) -> Any:
    return (x.float() * _root(x) * (1 + w.float())).to(x.dtype)


def _rms_gated(x: Any, z: Any, w: Any) -> Any:
    return _rms(x * F.silu(z), w)


def _rms_gated_after(x: Any, z: Any, w: Any) -> Any:
    return _rms(x, w) * F.silu(z)


def _rms_residual(x: Any, skip: Any, w: Any) -> Any:
    total = x + skip
    return total, _rms(total, w)


def _rms_groups(x: Any, w: Any) -> Any:
    return _rms(x.view(*x.shape[:-1], -1, 128), w.view(-1, 128)).view(x.shape)


def _rms_eight_bits(x: Any, w: Any) -> Any:
    y = _rms(x, w).float()
    scale = y.abs().amax(-1, keepdim=True) / 448
    return (y / scale).to(_F8), scale


def _plain_norm(x: Any) -> Any:
    return F.layer_norm(x, (x.shape[-1],))


def _modulated(x: Any, scale: Any, shift: Any) -> Any:
    return _plain_norm(x) * (1 + scale[:, None]) + shift[:, None]


def _layer_scale_norm(x: Any, y: Any, gamma: Any) -> Any:
    return x + gamma * _plain_norm(y)


def _evaluated(x: Any, mean: Any, var: Any, w: Any, b: Any) -> Any:
    return F.relu(F.batch_norm(x, mean, var, w, b))


def _evaluated_arguments(last: bool) -> tuple[Any, ...]:
    x = bf16(32, 128, 56, 56)
    return (x.to(**LAST) if last else x, randn(128), randn(128).abs(), randn(128), randn(128))


def _clamped_gate(gate: Any, up: Any) -> Any:
    gate, up = gate.clamp(max=7), up.clamp(-7, 7)
    return gate * torch.sigmoid(1.702 * gate) * (up + 1)


def _rotate(x: Any, cos: Any, sin: Any) -> Any:
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def _rotary_both(q: Any, k: Any, cos: Any, sin: Any) -> Any:
    return _rotate(q, cos[:, None], sin[:, None]), _rotate(k, cos[:, None], sin[:, None])


def _rotary_heads_first(q: Any, k: Any, cos: Any, sin: Any) -> Any:
    return (_rotate(q.transpose(1, 2), cos, sin).contiguous(), _rotate(k.transpose(1, 2), cos, sin).contiguous())


def _rotary_part(q: Any, k: Any, cos: Any, sin: Any) -> Any:
    cos, sin = cos[:, None, :32], sin[:, None, :32]
    return [torch.cat((_rotate(x[..., :32], cos, sin), x[..., 32:]), -1) for x in (q, k)]


def _rotary_computed(q: Any, k: Any, cos: Any, sin: Any) -> Any:
    places = torch.arange(q.shape[1], device="cuda")[:, None]
    rates = 10000.0 ** (-torch.arange(64, device="cuda") / 64)
    angles = (places * rates).repeat(1, 2)
    return _rotary_both(q, k, angles.cos().to(q.dtype), angles.sin().to(q.dtype))


def _rotary() -> tuple[Any, ...]:
    return bf16(4, 2048, 16, 128), bf16(4, 2048, 4, 128), bf16(2048, 128), bf16(2048, 128)


def _cache_written(cache: Any, new: Any, place: Any) -> Any:
    cache[:, :, place] = new
    return cache[:, :, 0] + 1


def _cache_read(cache: Any, new: Any, place: Any) -> Any:
    return torch.cat((cache, new), 2)


def _routes(x: Any) -> Any:
    weights, experts = x.float().softmax(-1).topk(4, -1)
    return weights / weights.sum(-1, keepdim=True), experts


def _routes_sigmoid(x: Any, bias: Any) -> Any:
    scores = x.float().sigmoid()
    experts = (scores + bias).topk(4, -1)[1]
    weights = scores.gather(1, experts)
    return weights / weights.sum(-1, keepdim=True), experts


def _balance(x: Any, experts: Any) -> Any:
    share = F.one_hot(experts, 64).float().mean(0)
    return (x.float().softmax(-1).mean(0) * share).sum() * 64


def _combined(y: Any, back: Any, weights: Any) -> Any:
    return (y[back].view(-1, 4, y.shape[-1]) * weights[..., None]).sum(1)


def _added_back(y: Any, back: Any, weights: Any) -> Any:
    rows = y * weights.reshape(-1, 1)
    return y.new_zeros(y.shape[0] // 4, y.shape[1]).index_add(0, back // 4, rows)


def _routed() -> tuple[Any, ...]:
    return bf16(32768, 1024), torch.randperm(32768, device="cuda"), bf16(8192, 4)


def _experts(x: Any, gate: Any, up: Any, down: Any) -> Any:
    return (F.silu(x @ gate) * (x @ up)) @ down


def _four_bits(x: Any, packed: Any, scale: Any) -> Any:
    w = torch.stack((packed & 15, packed >> 4), -1).flatten(-2).to(x.dtype) - 8
    return x @ (w.view(w.shape[0], -1, 128) * scale[..., None]).view(w.shape)


def _eight_bits(x: Any, w: Any, scale: Any) -> Any:
    return x @ (w.to(x.dtype) * scale)


def _eight_bits_after(x: Any, w: Any, scale: Any) -> Any:
    return (x @ w.to(x.dtype)) * scale


def _normal_floats(table: Any, packed: Any, scale: Any) -> Any:
    low, high = table[(packed & 15).int()], table[(packed >> 4).int()]
    return (torch.stack((low, high), -1).view(-1, 64) * scale).bfloat16()


def _tiles(x: Any) -> Any:
    blocks = x.view(x.shape[0] // 128, 128, -1, 128).float()
    scale = blocks.abs().amax((1, 3), keepdim=True) / 448
    return (blocks / scale).to(_F8).view(x.shape), scale


def _columns(x: Any) -> Any:
    scale = x.abs().amax(0, keepdim=True).float() / 448
    return (x / scale).to(_F8), scale


def _faked(x: Any) -> Any:
    return (x / 0.05).round().clamp(-128, 127) * 0.05


def _likely(x: Any) -> Any:
    p = (x.float() / 0.8).softmax(-1)
    return torch.where(p < 0.05 * p.amax(-1, keepdim=True), 0.0, p)


def _highest(x: Any) -> Any:
    low = x.topk(50, -1)[0][:, -1:]
    return x.masked_fill(x < low, -1e9).float().softmax(-1)


def _nucleus(x: Any) -> Any:
    ranked, order = x.float().sort(-1, descending=True)
    p = ranked.softmax(-1)
    kept = ranked.masked_fill(p.cumsum(-1) - p > 0.9, -1e9)
    return torch.empty_like(kept).scatter(-1, order, kept)


def _repeated(x: Any, seen: Any) -> Any:
    score = x.gather(1, seen)
    return x.scatter(1, seen, torch.where(score < 0, score * 1.2, score / 1.2))


PROGRAMS: Programs = {
    # norms
    "fourth_rms": lambda: (_rms, (bf16(8192, 4096), bf16(4096))),
    "fourth_rms_offset": lambda: (_rms_offset, (bf16(8192, 4096), bf16(4096))),
    "fourth_rms_gated": lambda: (_rms_gated, (bf16(8192, 4096), bf16(8192, 4096), bf16(4096))),
    "fourth_rms_gated_after": lambda: (_rms_gated_after, (bf16(8192, 4096), bf16(8192, 4096), bf16(4096))),
    "fourth_rms_residual": lambda: (_rms_residual, (bf16(8192, 4096), bf16(8192, 4096), bf16(4096))),
    "fourth_rms_groups": lambda: (_rms_groups, (bf16(8192, 4096), bf16(4096))),
    "fourth_rms_eight_bits": lambda: (_rms_eight_bits, (bf16(8192, 4096), bf16(4096))),
    "fourth_rms_decode": lambda: (_rms_residual, (bf16(32, 8192), bf16(32, 8192), bf16(8192))),
    "fourth_plain_norm": lambda: (_plain_norm, (bf16(16, 1024, 1152),)),
    "fourth_modulated": lambda: (_modulated, (bf16(16, 1024, 1152), bf16(16, 1152), bf16(16, 1152))),
    "fourth_layer_scale": lambda: ((lambda x, y, g: x + g * y), (*several(2, 16384, 1024, dtype=BF16), bf16(1024))),
    "fourth_layer_scale_norm": lambda: (
        _layer_scale_norm, (*several(2, 16384, 1024, dtype=BF16), bf16(1024))),
    "fourth_added": lambda: ((lambda x, y, g: x + y + g), (*several(2, 16384, 1024, dtype=BF16), bf16(1024))),
    "fourth_dynamic_tanh": lambda: (
        (lambda x, a, w, b: torch.tanh(a * x) * w + b), (bf16(16384, 1024), bf16(1), bf16(1024), bf16(1024))),
    "fourth_evaluated": lambda: (_evaluated, _evaluated_arguments(last=False)),
    "fourth_evaluated_last": lambda: (_evaluated, _evaluated_arguments(last=True)),
    "fourth_unit_heads": lambda: ((lambda x: F.normalize(x, dim=-1)), (bf16(131072, 64),)),
    "fourth_group_norm_last": lambda: ((lambda x: F.group_norm(x, 8)), (bf16(16, 64, 64, 64).to(**LAST),)),
    "fourth_group_norm_first": lambda: ((lambda x: F.group_norm(x, 8)), (bf16(16, 64, 64, 64),)),
    # gates
    "fourth_glu": lambda: ((lambda x: F.glu(x)), (bf16(8192, 8192),)),
    "fourth_silu_product": lambda: ((lambda a, b: F.silu(a) * b), several(2, 8192, 4096, dtype=BF16)),
    "fourth_product": lambda: ((lambda a, b: a * b), several(2, 8192, 4096, dtype=BF16)),
    "fourth_square_product": lambda: ((lambda a, b: F.relu(a).square() * b), several(2, 8192, 4096, dtype=BF16)),
    "fourth_clamped_halves": lambda: ((lambda x: _clamped_gate(*x.chunk(2, -1))), (bf16(8192, 5760),)),
    "fourth_clamped_pairs": lambda: ((lambda x: _clamped_gate(x[..., ::2], x[..., 1::2])), (bf16(8192, 5760),)),
    # rotary embedding
    "fourth_rotary_both": lambda: (_rotary_both, _rotary()),
    "fourth_rotary_heads_first": lambda: (_rotary_heads_first, _rotary()),
    "fourth_rotary_part": lambda: (_rotary_part, _rotary()),
    "fourth_rotary_computed": lambda: (_rotary_computed, _rotary()),
    # caches
    "fourth_cache_written": lambda: (
        _cache_written, (bf16(32, 8, 4096, 128), bf16(32, 8, 64, 128), torch.arange(64, device="cuda") + 512)),
    "fourth_cache_one": lambda: (
        _cache_written, (bf16(32, 8, 4096, 128), bf16(32, 8, 1, 128), torch.arange(1, device="cuda") + 512)),
    "fourth_cache_appended": lambda: (
        _cache_read, (bf16(32, 8, 2048, 128), bf16(32, 8, 1, 128), torch.arange(1, device="cuda"))),
    "fourth_cache_pages": lambda: (
        (lambda pages, table: pages[table].flatten(1, 2).transpose(1, 2).contiguous()),
        (bf16(4096, 16, 8, 128), integers(4096, 16, 128))),
    "fourth_cache_small": lambda: (
        (lambda cache, scale: (cache.to(BF16) * scale).transpose(1, 2).contiguous()),
        (integers(100, 16, 2048, 8, 128, dtype=torch.int8), bf16(16, 2048, 8, 1))),
    # experts
    "fourth_routes": lambda: (_routes, (bf16(16384, 64),)),
    "fourth_routes_sigmoid": lambda: (_routes_sigmoid, (bf16(16384, 64), randn(64))),
    "fourth_balance": lambda: (_balance, (bf16(65536, 64), integers(64, 65536))),
    "fourth_tokens_per_expert": lambda: (
        (lambda i: (i[:, None] == torch.arange(64, device="cuda")).sum(0)), (integers(64, 65536),)),
    "fourth_sent": lambda: (
        (lambda x, order: x[order // 4]), (bf16(8192, 1024), torch.randperm(32768, device="cuda"))),
    "fourth_combined": lambda: (_combined, _routed()),
    "fourth_added_back": lambda: (_added_back, _routed()),
    "fourth_experts": lambda: (
        _experts, (bf16(16, 512, 1024), bf16(16, 1024, 1024), bf16(16, 1024, 1024), bf16(16, 1024, 1024))),
    "fourth_experts_few": lambda: (
        _experts, (bf16(16, 8, 1024), bf16(16, 1024, 1024), bf16(16, 1024, 1024), bf16(16, 1024, 1024))),
    # quantized weights
    "fourth_four_bits": lambda: (
        _four_bits, (bf16(64, 4096), integers(256, 4096, 2048, dtype=torch.uint8), bf16(4096, 32))),
    "fourth_eight_bits": lambda: (
        _eight_bits, (bf16(64, 4096), integers(100, 4096, 4096, dtype=torch.int8), bf16(4096))),
    "fourth_eight_bits_after": lambda: (
        _eight_bits_after, (bf16(64, 4096), integers(100, 4096, 4096, dtype=torch.int8), bf16(4096))),
    "fourth_all_bits": lambda: ((lambda x, w, s: (x @ w) * s), (bf16(64, 4096), bf16(4096, 4096), bf16(4096))),
    "fourth_normal_floats": lambda: (
        _normal_floats, (randn(16), integers(256, 1 << 19, 32, dtype=torch.uint8), randn(1 << 19, 1))),
    "fourth_tiles": lambda: (_tiles, (bf16(4096, 8192),)),
    "fourth_columns": lambda: (_columns, (bf16(4096, 8192),)),
    "fourth_faked": lambda: (_faked, (bf16(4096, 8192),)),
    # sampling
    "fourth_greedy": lambda: ((lambda x: x.argmax(-1)), (bf16(256, 128256),)),
    "fourth_likely": lambda: (_likely, (bf16(256, 32768),)),
    "fourth_warm": lambda: ((lambda x: (x.float() / 0.8).softmax(-1)), (bf16(256, 32768),)),
    "fourth_highest": lambda: (_highest, (bf16(256, 32768),)),
    "fourth_nucleus": lambda: (_nucleus, (bf16(256, 32768),)),
    "fourth_repeated": lambda: (_repeated, (bf16(256, 32768), integers(32768, 256, 512))),
    "fourth_drawn": lambda: (
        (lambda x: (x.float().softmax(-1) / torch.empty_like(x, dtype=F32).exponential_()).argmax(-1)),
        (bf16(256, 32768),)),
}  # fmt: skip
