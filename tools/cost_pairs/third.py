"""The third set of pairs: programs and settings of kinds that the first two have none or few of, scored once.

Nothing was fitted on them before they were scored. They were written when the model had its last term, and recorded
when it had its last constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from cost_pairs.matrices import _flex, _heads
from cost_pairs.sides import BF16, F16, F64, LAST, TRAIN, Programs, bf16, integers, randn, several

_N = 1 << 25
_F8 = torch.float8_e4m3fn


def _lstm_cell(x: Any, h: Any, c: Any, w: Any, u: Any) -> Any:
    gates = x @ w + h @ u
    i, f, g, o = gates.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_cell(x: Any, h: Any, w: Any, u: Any) -> Any:
    a, b = (x @ w).chunk(3, -1), (h @ u).chunk(3, -1)
    r, z = (a[0] + b[0]).sigmoid(), (a[1] + b[1]).sigmoid()
    return (1 - z) * (a[2] + r * b[2]).tanh() + z * h


def _recurrence(steps: int) -> Callable[[Any, Any], Any]:
    def run(x: Any, decay: Any) -> Any:
        state, out = x[:, 0], []
        for step in range(steps):
            state = state * decay + x[:, step]
            out.append(state)
        return torch.stack(out, 1)

    return run


def _foreach_adam(*tensors: Any) -> Any:
    count = len(tensors) // 4
    p, g, m, v = (list(tensors[count * part : count * (part + 1)]) for part in range(4))
    m = torch._foreach_lerp(m, g, 0.1)
    v = torch._foreach_add(torch._foreach_mul(v, 0.999), torch._foreach_mul(torch._foreach_mul(g, g), 0.001))
    step = torch._foreach_div(m, torch._foreach_add(torch._foreach_sqrt(v), 1e-8))
    return [*torch._foreach_add(p, step, alpha=-1e-3), *m, *v]


def _foreach_momentum(*tensors: Any) -> Any:
    count = len(tensors) // 3
    p, g, m = (list(tensors[count * part : count * (part + 1)]) for part in range(3))
    m = torch._foreach_add(torch._foreach_mul(m, 0.9), g)
    return [*torch._foreach_add(p, m, alpha=-1e-2), *m]


def _foreach_norm(*tensors: Any) -> Any:
    return torch.stack(torch._foreach_norm(list(tensors))).norm()


def _block(x: Any, qkv: Any, out: Any, up: Any, down: Any) -> Any:
    batch, length, width = x.shape
    q, k, v = (part.view(batch, length, 8, -1).transpose(1, 2)
               for part in (F.layer_norm(x, (width,)) @ qkv).chunk(3, -1))  # fmt: skip
    x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape) @ out
    return x + F.gelu(F.layer_norm(x, (width,)) @ up) @ down


def _block_arguments(grad: bool = False) -> tuple[Any, ...]:
    width = 512
    return (bf16(8, 1024, width, grad=grad), bf16(width, 3 * width, grad=grad), bf16(width, width, grad=grad),
            bf16(width, 4 * width, grad=grad), bf16(4 * width, width, grad=grad))  # fmt: skip


def _conv(**options: Any) -> Callable[[Any, Any], Any]:
    return lambda x, w: F.relu(F.conv2d(x, w, **options))


def _conv_norm(x: Any, w: Any, scale: Any, shift: Any) -> Any:
    return F.relu(F.batch_norm(F.conv2d(x, w, padding=1), None, None, scale, shift, training=True))


def _eight_bits(x: Any, w: Any) -> Any:
    scale = x.abs().amax(-1, keepdim=True).float() / 448
    return torch._scaled_mm((x / scale).to(_F8), w.t(), scale, torch.ones(1, w.shape[0], device="cuda"),
                            out_dtype=BF16)  # fmt: skip


def _top_gates(x: Any) -> Any:
    values, indexes = x.topk(2, -1)
    return values.softmax(-1), indexes


def _mask_of(rows: int) -> torch.Tensor:
    return torch.ones(rows, rows, device="cuda", dtype=torch.bool).tril()


def _spiked(x: Any, v: Any) -> Any:
    v = v * 0.9 + x
    spike = (v > 1).to(x.dtype)
    return spike, v * (1 - spike)


def _newton(x: Any) -> Any:
    y = x * 0.5
    for _ in range(6):
        y = 0.5 * (y + x / y)
    return y


def _horner(x: Any) -> Any:
    y = x
    for term in range(12):
        y = y * x + term
    return y


def _complex_product(a: Any, b: Any) -> Any:
    return torch.stack(
        (a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1], a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]), -1
    )


def _haar(x: Any) -> Any:
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.cat(((even + odd) * 0.7071, (even - odd) * 0.7071), -1)


def _prefix(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (k < 1024) | (q >= k)


def _strided_mask(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (q >= k) & ((q // 128 - k // 128) % 4 == 0)


def _distance(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return s - 0.1 * (q - k).abs()


def _embedding_loss(table: Any, i: Any, y: Any) -> Any:
    return F.mse_loss(F.embedding(i, table), y)


PROGRAMS: Programs = {
    # recurrences and small programs
    "third_lstm_cell": lambda: (_lstm_cell, (*several(3, 512, 1024), randn(1024, 4096), randn(1024, 4096))),
    "third_lstm_cell_bf16": lambda: (
        _lstm_cell, (*several(3, 512, 1024, dtype=BF16), bf16(1024, 4096), bf16(1024, 4096))),
    "third_gru_cell": lambda: (_gru_cell, (*several(2, 512, 1024), randn(1024, 3072), randn(1024, 3072))),
    "third_recurrence_4": lambda: (_recurrence(4), (randn(8192, 4, 1024), randn(1024))),
    "third_recurrence_24": lambda: (_recurrence(24), (randn(2048, 24, 1024), randn(1024))),
    "third_scaled_steps": lambda: ((lambda x, decay: x * decay + 1), (randn(2048, 24, 1024), randn(1024))),
    "third_spiked": lambda: (_spiked, several(2, _N)),
    "third_tiny_norm": lambda: ((lambda x: F.layer_norm(x, (64,))), (randn(64, 64),)),
    "third_tiny_softmax": lambda: ((lambda x: x.softmax(-1)), (randn(64, 64),)),
    "third_tiny_chain": lambda: (
        (lambda x: ((x - x.mean()) / x.std()).softmax(-1).sum(0).cumsum(0)), (randn(64, 64),)),
    # arithmetic
    "third_newton": lambda: (_newton, (randn(_N).abs(),)),
    "third_newton_f64": lambda: (_newton, (randn(_N, dtype=F64).abs(),)),
    "third_horner": lambda: (_horner, (randn(_N),)),
    "third_horner_f64": lambda: (_horner, (randn(_N, dtype=F64),)),
    "third_horner_f16": lambda: (_horner, (randn(_N, dtype=F16),)),
    "third_log_f64": lambda: ((lambda x: (x.abs() + 1).log()), (randn(_N, dtype=F64),)),
    "third_log_f32": lambda: ((lambda x: (x.abs() + 1).log()), (randn(_N),)),
    "third_log_as_f64": lambda: ((lambda x: (x.abs() + 1).double().log().float()), (randn(_N),)),
    "third_complex": lambda: (_complex_product, several(2, _N // 2, 2)),
    "third_angle": lambda: ((lambda a, b: torch.stack((a.cos() * b, a.sin() * b), -1)), several(2, _N // 2)),
    "third_logit": lambda: ((lambda x: torch.logit(x.sigmoid() * 0.9 + 0.05)), (randn(_N),)),
    "third_softsign": lambda: (F.softsign, (randn(_N),)),
    "third_tanhshrink": lambda: (F.tanhshrink, (randn(_N),)),
    "third_hardtanh": lambda: (F.hardtanh, (randn(_N),)),
    "third_celu": lambda: (F.celu, (randn(_N),)),
    "third_xlogy": lambda: (torch.xlogy, several(2, _N)),
    "third_power_3": lambda: ((lambda x: x**3), (randn(_N),)),
    "third_power_by": lambda: ((lambda x, y: x.abs() ** y), several(2, _N)),
    "third_bits": lambda: ((lambda a, b: (a & b) ^ (a >> 3)), tuple(integers(1 << 30, _N) for _ in range(2))),
    "third_gcd_step": lambda: ((lambda a, b: a % (b + 1)), tuple(integers(1 << 30, _N) for _ in range(2))),
    # random numbers
    "third_noise": lambda: ((lambda x: x + torch.randn_like(x) * 0.1), (randn(_N),)),
    "third_uniform": lambda: ((lambda x: x + torch.rand_like(x) * 0.1), (randn(_N),)),
    "third_no_noise": lambda: ((lambda x: x + 0.1), (randn(_N),)),
    "third_gumbel": lambda: ((lambda x: (x - (-torch.rand_like(x).log()).log()).argmax(-1)), (randn(8192, 4096),)),
    "third_best": lambda: ((lambda x: x.argmax(-1)), (randn(8192, 4096),)),
    "third_dropout_twice": lambda: ((lambda x: F.dropout(F.dropout(x, 0.1).relu(), 0.1)), (bf16(8192, 4096),)),
    # layouts
    "third_last_scale": lambda: ((lambda x, w: x * w), (randn(32, 64, 112, 112).to(**LAST), randn(1, 64, 1, 1))),
    "third_first_scale": lambda: ((lambda x, w: x * w), (randn(32, 64, 112, 112), randn(1, 64, 1, 1))),
    "third_mixed_add": lambda: ((lambda a, b: a + b), (randn(32, 64, 112, 112), randn(32, 64, 112, 112).to(**LAST))),
    "third_to_last": lambda: ((lambda x: x.contiguous(**LAST) * 1), (bf16(32, 64, 112, 112),)),
    "third_permute_4d": lambda: ((lambda x: x.permute(2, 0, 3, 1).contiguous()), (randn(16, 64, 128, 128),)),
    "third_swap_outer": lambda: ((lambda x: x.transpose(0, 1).contiguous()), (randn(512, 256, 256),)),
    "third_window_rows": lambda: (
        (lambda x: x.view(32, 14, 8, 14, 8, 96).transpose(2, 3).reshape(-1, 64, 96) + 1), (randn(32, 112, 112, 96),)),
    "third_expand": lambda: ((lambda x: x[:, None].expand(-1, 16, -1).reshape(-1, 1024) * 2), (randn(2048, 1024),)),
    "third_repeat_interleave": lambda: ((lambda x: x.repeat_interleave(4, -1)), (randn(8192, 1024),)),
    "third_repeat": lambda: ((lambda x: x.repeat(1, 4) * 2), (randn(8192, 1024),)),
    "third_haar": lambda: (_haar, (randn(16384, 2048),)),
    "third_halves": lambda: (
        (lambda x: torch.cat((x[..., :1024] + x[..., 1024:], x[..., :1024] - x[..., 1024:]), -1)),
        (randn(16384, 2048),)),
    "third_shift_rows": lambda: ((lambda x: x[1:] - x[:-1]), (randn(8193, 4096),)),
    "third_shift_columns": lambda: ((lambda x: x[:, 1:] - x[:, :-1]), (randn(8192, 4097),)),
    "third_every_third": lambda: ((lambda x: x[:, ::3] * 2), (randn(8192, 12288),)),
    "third_pad_last": lambda: ((lambda x: F.pad(x, (0, 64)) * 2), (bf16(16384, 4000),)),
    "third_pad_first": lambda: ((lambda x: F.pad(x, (0, 0, 0, 64)) * 2), (bf16(16384, 4000),)),
    "third_circular": lambda: ((lambda x: F.pad(x, (2, 2, 2, 2), mode="circular")), (randn(16, 32, 256, 256),)),
    "third_block_diagonal": lambda: ((lambda a, b: torch.block_diag(a, b) + 1), (randn(4096, 4096), randn(2048, 2048))),
    "third_outer_sum": lambda: ((lambda a, b: a[:, None] + b[None]), (randn(8192), randn(8192))),
    "third_outer_sum_bf16": lambda: ((lambda a, b: a[:, None] + b[None]), (bf16(8192), bf16(8192))),
    # indexes
    "third_index_put": lambda: (
        (lambda x, i, v: x.index_put((i,), v)), (randn(1 << 18, 64), torch.randperm(1 << 17, device="cuda"),
                                               randn(1 << 17, 64))),
    "third_index_put_add": lambda: (
        (lambda x, i, v: x.index_put((i,), v, accumulate=True)), (randn(1 << 18, 64), integers(1 << 18, 1 << 17),
                                                                 randn(1 << 17, 64))),
    "third_scatter": lambda: (
        (lambda x, i, v: x.scatter(1, i, v)), (randn(8192, 4096), integers(4096, 8192, 512), randn(8192, 512))),
    "third_gather_last": lambda: ((lambda x, i: x.gather(1, i)), (randn(8192, 4096), integers(4096, 8192, 512))),
    "third_select_rows": lambda: ((lambda x, i: x.index_select(0, i)), (bf16(65536, 1024), integers(65536, 32768))),
    "third_select_columns": lambda: ((lambda x, i: x.index_select(1, i)), (bf16(65536, 1024), integers(1024, 512))),
    "third_embedding_sum": lambda: (
        (lambda i, t: F.embedding(i, t).sum(1)), (integers(50000, 8192, 16), randn(50000, 256))),
    "third_embedding_two": lambda: (
        (lambda i, j, t, u: F.embedding(i, t) + F.embedding(j, u)),
        (integers(50000, 65536), integers(2048, 65536), bf16(50000, 512), bf16(2048, 512))),
    "third_embedding_one": lambda: ((lambda i, t: F.embedding(i, t) * 2), (integers(50000, 65536), bf16(50000, 512))),
    "third_nll": lambda: ((lambda x, y: F.nll_loss(x, y)), (randn(32768, 1024), integers(1024, 32768))),
    "third_take_one": lambda: (
        (lambda x, y: x.gather(1, y[:, None]).mean()), (randn(32768, 1024), integers(1024, 32768))),
    "third_counts": lambda: (
        (lambda i: torch.zeros(256, device="cuda").scatter_add(0, i, torch.ones_like(i, dtype=torch.float32))),
        (integers(256, 1 << 22),)),
    "third_counts_wide": lambda: (
        (lambda i: torch.zeros(1 << 20, device="cuda").scatter_add(0, i, torch.ones_like(i, dtype=torch.float32))),
        (integers(1 << 20, 1 << 22),)),
    "third_mask_rows": lambda: (
        (lambda x, m: x.masked_fill(m[:, None], 0.0)), (randn(16384, 2048), integers(2, 16384).bool())),
    "third_mask_all": lambda: (
        (lambda x, m: x.masked_fill(m, 0.0)), (randn(16384, 2048), integers(2, 16384, 2048).bool())),
    # sorts and scans
    "third_sort_rows": lambda: ((lambda x: x.sort(-1)[0]), (randn(16384, 512),)),
    "third_sort_short": lambda: ((lambda x: x.sort(-1)[0]), (randn(131072, 64),)),
    "third_sort_long": lambda: ((lambda x: x.sort(-1)[0]), (randn(256, 32768),)),
    "third_topk": lambda: ((lambda x: x.topk(8, -1)[0]), (randn(16384, 512),)),
    "third_top_gates": lambda: (_top_gates, (randn(65536, 64),)),
    "third_softmax_gates": lambda: ((lambda x: x.softmax(-1)), (randn(65536, 64),)),
    "third_cumsum_bf16": lambda: ((lambda x: x.cumsum(-1)), (bf16(8192, 4096),)),
    "third_cumsum_flat": lambda: ((lambda x: x.cumsum(0)), (randn(1 << 24),)),
    "third_cumsum_rows": lambda: ((lambda x: x.cumsum(-1)), (randn(16384, 1024),)),
    "third_cumsum_then": lambda: ((lambda x: (x.exp().cumsum(-1) + 1).log()), (randn(16384, 1024),)),
    "third_rank_sum": lambda: ((lambda x: (x[:, :, None] > x[:, None]).sum(-1)), (randn(2048, 256),)),
    # reductions
    "third_sum_f16": lambda: ((lambda x: x.sum(-1)), (randn(16384, 4096, dtype=F16),)),
    "third_sum_f16_as_f32": lambda: ((lambda x: x.sum(-1, dtype=torch.float32)), (randn(16384, 4096, dtype=F16),)),
    "third_sum_f64": lambda: ((lambda x: x.double().sum(-1)), (randn(16384, 4096),)),
    "third_sum_i64": lambda: ((lambda x: x.sum(-1)), (integers(100, 16384, 2048),)),
    "third_sum_u8": lambda: ((lambda x: x.sum(-1)), (integers(100, 16384, 8192, dtype=torch.uint8),)),
    "third_all": lambda: ((lambda x: (x > -10).all(-1)), (randn(16384, 4096),)),
    "third_median_like": lambda: ((lambda x: (x > x.mean(-1, keepdim=True)).float().mean(-1)), (randn(16384, 4096),)),
    "third_moments": lambda: ((lambda x: (x.mean(-1), x.var(-1), x.amax(-1), x.amin(-1))), (randn(16384, 4096),)),
    "third_moments_first": lambda: ((lambda x: (x.mean(0), x.var(0), x.amax(0), x.amin(0))), (randn(16384, 4096),)),
    "third_lse_first": lambda: ((lambda x: x.logsumexp(0)), (randn(4096, 8192),)),
    "third_lse_last": lambda: ((lambda x: x.logsumexp(-1)), (randn(4096, 8192),)),
    "third_sum_7": lambda: ((lambda x: x.sum(-1)), (randn(1 << 22, 7),)),
    "third_sum_33": lambda: ((lambda x: x.sum(-1)), (randn(1 << 20, 33),)),
    "third_sum_1000": lambda: ((lambda x: x.sum(-1)), (randn(65536, 1000),)),
    "third_sum_1024": lambda: ((lambda x: x.sum(-1)), (randn(65536, 1024),)),
    "third_sum_one_long": lambda: ((lambda x: x.sum()), (bf16(1 << 27),)),
    "third_std_channels": lambda: ((lambda x: x.std((0, 2, 3))), (randn(32, 64, 112, 112),)),
    "third_std_channels_last": lambda: ((lambda x: x.std((0, 2, 3))), (randn(32, 64, 112, 112).to(**LAST),)),
    "third_standard_rows": lambda: (
        (lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)), (bf16(32768, 1536),)),
    "third_standard_short": lambda: (
        (lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)), (bf16(1048576, 48),)),
    # matrices
    "third_linear_bias": lambda: (
        (lambda x, w, b: F.linear(x, w, b)), (bf16(8192, 2048), bf16(4096, 2048), bf16(4096))),
    "third_linear_silu": lambda: (
        (lambda x, w, b: F.silu(F.linear(x, w, b))), (bf16(8192, 2048), bf16(4096, 2048), bf16(4096))),
    "third_linear_norm": lambda: (
        (lambda x, w, b: F.layer_norm(F.linear(x, w, b), (4096,))), (bf16(8192, 2048), bf16(4096, 2048), bf16(4096))),
    "third_linear_f16": lambda: (
        (lambda x, w, b: F.linear(x, w, b)),
        (randn(8192, 2048, dtype=F16), randn(4096, 2048, dtype=F16), randn(4096, dtype=F16))),
    "third_linear_f32": lambda: (
        (lambda x, w, b: F.linear(x, w, b)), (randn(8192, 2048), randn(4096, 2048), randn(4096))),
    "third_linear_residual": lambda: (
        (lambda x, w, r: x @ w + r), (bf16(8192, 2048), bf16(2048, 4096), bf16(8192, 4096))),
    "third_int_mm": lambda: (
        (lambda a, b: torch._int_mm(a, b).float() * 0.01),
        (integers(100, 4096, 4096, dtype=torch.int8), integers(100, 4096, 4096, dtype=torch.int8).t())),
    "third_scaled_mm": lambda: (_eight_bits, (bf16(4096, 4096), randn(4096, 4096).to(_F8))),
    "third_dense_mm": lambda: ((lambda x, w: x @ w.t()), (bf16(4096, 4096), bf16(4096, 4096))),
    "third_einsum_heads": lambda: (
        (lambda x, w: torch.einsum("bld,hde->bhle", x, w)), (bf16(8, 1024, 1024), bf16(16, 1024, 64))),
    "third_bmm_mask": lambda: (
        (lambda a, b, m: (a @ b).masked_fill(m, -1e4).softmax(-1)),
        (bf16(64, 1024, 64), bf16(64, 64, 1024), integers(2, 1024, 1024).bool())),
    "third_bmm_softmax": lambda: ((lambda a, b: (a @ b).softmax(-1)), (bf16(64, 1024, 64), bf16(64, 64, 1024))),
    "third_small_products": lambda: (
        (lambda x, a, b: (x @ a).relu() @ b), (bf16(64, 256), bf16(256, 256), bf16(256, 64))),
    "third_f64_product": lambda: (
        (lambda a, b: a @ b + 1), (randn(2048, 2048, dtype=F64), randn(2048, 2048, dtype=F64))),
    # convolutions
    "third_conv": lambda: (_conv(padding=1), (bf16(32, 128, 56, 56), bf16(128, 128, 3, 3))),
    "third_conv_last": lambda: (_conv(padding=1), (bf16(32, 128, 56, 56).to(**LAST), bf16(128, 128, 3, 3).to(**LAST))),
    "third_conv_1x1": lambda: (_conv(), (bf16(32, 128, 56, 56), bf16(256, 128, 1, 1))),
    "third_conv_stride": lambda: (_conv(stride=2, padding=1), (bf16(32, 128, 56, 56), bf16(128, 128, 3, 3))),
    "third_conv_groups": lambda: (_conv(padding=1, groups=32), (bf16(32, 128, 56, 56), bf16(128, 4, 3, 3))),
    "third_conv_f32": lambda: (_conv(padding=1), (randn(32, 128, 56, 56), randn(128, 128, 3, 3))),
    "third_train_conv": lambda: (
        _conv_norm, (randn(16, 64, 56, 56, grad=True), randn(64, 64, 3, 3, grad=True), randn(64, grad=True),
                     randn(64, grad=True)), TRAIN),
    # attention
    "third_sdpa_mask": lambda: (
        (lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m)), (*_heads(2048), _mask_of(2048))),
    "third_sdpa_causal": lambda: (
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)), _heads(2048)),
    "third_sdpa_f16": lambda: (F.scaled_dot_product_attention, _heads(2048, dtype=F16)),
    "third_sdpa_f32": lambda: (F.scaled_dot_product_attention, _heads(2048, dtype=torch.float32)),
    "third_sdpa_grouped": lambda: (
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True)), _heads(2048, kv=4)),
    "third_flex_prefix": lambda: _flex(_prefix),
    "third_flex_strided": lambda: _flex(_strided_mask),
    "third_flex_distance": lambda: _flex(score=_distance),
    "third_flex_plain": lambda: _flex(),
    "third_flex_short": lambda: _flex(heads={"length": 1024, "batch": 16}),
    "third_flex_f16": lambda: _flex(heads={"dtype": F16}),
    # training steps
    "third_train_block": lambda: (_block, _block_arguments(grad=True), TRAIN),
    "third_block": lambda: (_block, _block_arguments()),
    "third_train_linear": lambda: (
        (lambda x, w, b: F.relu(F.linear(x, w, b))),
        (bf16(8192, 1024, grad=True), bf16(1024, 1024, grad=True), bf16(1024, grad=True)), TRAIN),
    "third_train_embedding": lambda: (
        _embedding_loss, (randn(50000, 256, grad=True), integers(50000, 16384), randn(16384, 256)), TRAIN),
    "third_train_attention": lambda: (
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)), _heads(2048, grad=True), TRAIN),
    "third_train_instance_norm": lambda: (F.instance_norm, (randn(32, 64, 64, 64, grad=True),), TRAIN),
    "third_train_cumsum": lambda: ((lambda x: x.cumsum(-1).relu()), (randn(8192, 1024, grad=True),), TRAIN),
    "third_train_gather": lambda: (
        (lambda x, i: x.gather(1, i)), (randn(8192, 1024, grad=True), integers(1024, 8192, 1024)), TRAIN),
    "third_train_silu": lambda: (F.silu, (randn(8192, 4096, grad=True),), TRAIN),
    "third_train_log_softmax": lambda: ((lambda x: x.log_softmax(-1)), (randn(8192, 4096, grad=True),), TRAIN),
    "third_train_prelu": lambda: (F.prelu, (randn(16, 64, 128, 128, grad=True), randn(64, grad=True)), TRAIN),
    # optimizers
    "third_foreach_adam": lambda: (_foreach_adam, several(40, 512, 1024)),
    "third_foreach_adam_mixed": lambda: (
        _foreach_adam, tuple(randn(*shape) for _ in range(4) for shape in ((1024, 1024), (1024,), (4096, 1024), (7,)))),
    "third_foreach_momentum": lambda: (_foreach_momentum, several(30, 512, 1024)),
    "third_foreach_norm": lambda: (_foreach_norm, several(20, 512, 1024)),
}  # fmt: skip
