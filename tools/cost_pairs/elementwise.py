"""Programs without a reduction: precision, layouts, strides, gathers, masks, broadcasts, cats, heavy functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from cost_pairs.sides import BF16, F16, F32, F64, LAST, Programs, bf16, integers, randn, several

_N = 1 << 26


def _chain(op: Callable[[Any], Any], times: int) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for _ in range(times):
            x = op(x) + 0.5
        return x

    return run


#: Functions of one tensor, applied several times so that they and not the memory decide.
HEAVY: dict[str, Callable[[Any], Any]] = {
    "add": lambda x: x + 1.5,
    "exp": torch.exp,
    "log": lambda x: torch.log(x.abs()),
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "sqrt": lambda x: x.abs().sqrt(),
    "rsqrt": lambda x: x.abs().rsqrt(),
    "div": lambda x: 1.7 / x,
    "pow": lambda x: x.abs() ** 1.7,
    "log1p": lambda x: torch.log1p(x.abs()),
    "expm1": torch.expm1,
    "atan": torch.atan,
    "softplus": F.softplus,
    "mish": F.mish,
    "lgamma": lambda x: torch.lgamma(x.abs() + 1.0),
    "erfinv": lambda x: torch.erfinv(x * 0.01),
    "floor": lambda x: torch.floor(x * 3.0),
    "relu": F.relu,
    "clamp": lambda x: x.clamp(-1.0, 1.0),
}


def _integer_chain(op: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda i: op(op(op(op(i) + 3) + 5) + 7)


def _small(count: int, size: int) -> Any:
    """As many small kernels as there are tensors, each of another shape."""
    tensors = tuple(randn(size + 32 * index, 64) for index in range(count))
    return (lambda *xs: [x.sigmoid() * 2.0 for x in xs]), tensors


PROGRAMS: Programs = {
    # heavy functions
    **{f"heavy_{name}": lambda op=op: (_chain(op, 6), (randn(_N),)) for name, op in HEAVY.items()},
    **{f"heavy1_{name}": lambda op=HEAVY[name]: (_chain(op, 1), (randn(_N),)) for name in ("add", "exp", "sin", "pow")},
    **{
        f"heavy_bf16_{name}": lambda op=HEAVY[name]: (_chain(op, 4), (bf16(_N),))
        for name in ("add", "exp", "gelu", "tanh", "silu", "div", "sin")
    },
    "i64_add": lambda: (_integer_chain(lambda i: i * 3), (integers(1 << 30, _N // 2),)),
    "i64_mod": lambda: (_integer_chain(lambda i: i % 1021), (integers(1 << 30, _N // 2),)),
    "i64_div": lambda: (_integer_chain(lambda i: i // 1021), (integers(1 << 30, _N // 2),)),
    "i64_mod_by": lambda: ((lambda i, j: (i % j) % (j + 1)), (integers(1 << 30, _N // 2), integers(99, _N // 2) + 1)),
    "i32_mod": lambda: (_integer_chain(lambda i: i % 1021), (integers(1 << 30, _N, dtype=torch.int32),)),
    "i32_shift": lambda: (_integer_chain(lambda i: (i << 3) ^ (i >> 5)), (integers(1 << 30, _N, dtype=torch.int32),)),
    "f64_mul": lambda: ((lambda x: ((x * 2.0 + 1.0) * x + 0.5) * x), (randn(_N, dtype=F64),)),
    "f64_exp": lambda: ((lambda x: torch.exp(x)), (randn(_N // 2, dtype=F64),)),
    "f32_poly": lambda: ((lambda x: ((x * 2.0 + 1.0) * x + 0.5) * x), (randn(_N),)),
    "f32_poly_f64": lambda: ((lambda x: (((x.double() * 2.0 + 1.0) * x + 0.5) * x).float()), (randn(_N),)),
    "poly_long": lambda: (_chain(lambda x: x * x * 0.5 - x, 24), (randn(_N),)),
    "cos_f64": lambda: ((lambda x: torch.cos(x.double()).float()), (randn(_N // 4),)),
    "cos_f32": lambda: ((lambda x: torch.cos(x)), (randn(_N // 4),)),
    "rand": lambda: ((lambda x: x + torch.rand_like(x)), (randn(_N),)),
    "dropout": lambda: ((lambda x: F.dropout(x, 0.1)), (randn(_N),)),
    "dropout_not": lambda: ((lambda x: x * 1.1), (randn(_N),)),
    # precision and copies
    **{
        f"add_{name}": lambda dtype=dtype: ((lambda x, y: (x + y) * 0.5), several(2, 8192, 8192, dtype=dtype))
        for name, dtype in {"f32": F32, "bf16": BF16, "f16": F16, "f64": F64}.items()
    },
    "add_bf16_out_f32": lambda: ((lambda x, y: (x + y).float() * 0.5), several(2, 8192, 8192, dtype=BF16)),
    "add_bf16_f32": lambda: ((lambda x, y: x + y), (bf16(8192, 8192), randn(8192, 8192))),
    "to_int8": lambda: ((lambda x: (x * 17.0).round().clamp(-127, 127).to(torch.int8)), (randn(8192, 8192),)),
    "to_f8": lambda: ((lambda x: (x * 17.0).to(torch.float8_e4m3fn)), (bf16(8192, 8192),)),
    "to_bool": lambda: ((lambda x: x > 0.5), (randn(8192, 8192),)),
    "where_bool": lambda: ((lambda x, m: torch.where(m, x, 0.0)), (randn(8192, 8192), randn(8192, 8192) > 0)),
    "where_row": lambda: ((lambda x, m: torch.where(m, x, 0.0)), (randn(8192, 8192), randn(8192) > 0)),
    "where_column": lambda: ((lambda x, m: torch.where(m[:, None], x, 0.0)), (randn(8192, 8192), randn(8192) > 0)),
    "where_tril": lambda: ((lambda x: x.tril()), (randn(8192, 8192),)),
    "where_tail": lambda: (
        (lambda x: torch.where(torch.arange(8192, device="cuda") < 1024, x, 0.0)),
        (randn(8192, 8192),),
    ),
    "clone": lambda: ((lambda x: x * 1.0 + 1.0), (randn(8192, 8192),)),
    # layouts and strides
    "transpose": lambda: ((lambda x: x.t().contiguous() + 1.0), (randn(8192, 8192),)),
    "transpose_bf16": lambda: ((lambda x: x.t().contiguous() + 1.0), (bf16(8192, 8192),)),
    "add_transposed": lambda: ((lambda x, y: x + y.t()), several(2, 8192, 8192)),
    "add_straight": lambda: ((lambda x, y: x + y), several(2, 8192, 8192)),
    "add_3d": lambda: ((lambda x, y: x + y.permute(2, 0, 1)), (randn(256, 512, 512), randn(512, 512, 256))),
    "add_3d_straight": lambda: ((lambda x, y: x + y), (randn(256, 512, 512), randn(256, 512, 512))),
    "nchw_to_nhwc": lambda: ((lambda x: x.permute(0, 2, 3, 1).contiguous() * 2.0), (randn(64, 64, 112, 112),)),
    "nchw_scale": lambda: ((lambda x: x * 2.0), (randn(64, 64, 112, 112),)),
    **{
        f"stride_{step}": lambda step=step: ((lambda x: x[:, ::step] * 2.0), (randn(4096, 4096 * step),))
        for step in (1, 2, 4, 8, 16)
    },
    "stride_row": lambda: ((lambda x: x[::4] * 2.0), (randn(4096 * 4, 4096),)),
    "offset_1": lambda: ((lambda x: x[1:] + x[:-1]), (randn(_N + 1),)),
    "offset_0": lambda: ((lambda x: x + 1.0), (randn(_N + 1),)),
    "narrow_odd": lambda: ((lambda x: x[:, 1:4095] * 2.0), (randn(16384, 4096),)),
    "narrow_even": lambda: ((lambda x: x[:, :4096] * 2.0), (randn(16384, 4096),)),
    "flip": lambda: ((lambda x: x.flip(-1)), (randn(8192, 8192),)),
    "roll": lambda: ((lambda x: x.roll(3, -1) + 1.0), (randn(8192, 8192),)),
    "pad": lambda: ((lambda x: F.pad(x, (3, 5))), (randn(8192, 8192),)),
    "pixel_shuffle": lambda: ((lambda x: F.pixel_shuffle(x, 2) * 2.0), (randn(32, 64, 128, 128),)),
    "heads": lambda: ((lambda x: x.view(8, 2048, 32, 128).transpose(1, 2).contiguous() * 2.0), (bf16(8, 2048, 4096),)),
    "heads_not": lambda: ((lambda x: x.view(8, 2048, 32, 128).contiguous() * 2.0), (bf16(8, 2048, 4096),)),
    "modulo_index": lambda: ((lambda x: x.view(-1, 24).repeat(1, 3)), (randn(24 * 400000),)),
    # broadcast
    "broadcast_row": lambda: ((lambda x, y: x * y), (randn(8192, 8192), randn(8192))),
    "broadcast_column": lambda: ((lambda x, y: x * y[:, None]), (randn(8192, 8192), randn(8192))),
    "broadcast_outer": lambda: ((lambda x, y: x[:, None] * y[None]), (randn(8192), randn(8192))),
    "broadcast_full": lambda: ((lambda x, y: x * y), several(2, 8192, 8192)),
    "broadcast_middle": lambda: ((lambda x, y: x + y[:, None]), (randn(64, 256, 4096), randn(64, 4096))),
    "channel_bias": lambda: ((lambda x, b: F.relu(x + b[:, None, None])), (randn(64, 64, 112, 112), randn(64))),
    "channel_bias_last": lambda: (
        (lambda x, b: F.relu(x + b[:, None, None])),
        (randn(64, 64, 112, 112).to(**LAST), randn(64)),
    ),
    # gathers and scatters
    "gather_rows": lambda: ((lambda x, i: x[i] * 2.0), (randn(65536, 1024), integers(65536, 65536))),
    "gather_rows_short": lambda: ((lambda x, i: x[i] * 2.0), (randn(1 << 22, 16), integers(1 << 22, 1 << 22))),
    "gather_columns": lambda: ((lambda x, i: x[:, i] * 2.0), (randn(8192, 8192), integers(8192, 8192))),
    "gather_elements": lambda: ((lambda x, i: x[i] * 2.0), (randn(_N), integers(_N, _N // 4))),
    "gather_elements_near": lambda: ((lambda x, i: x[i] * 2.0), (randn(1 << 20), integers(1 << 20, _N // 4))),
    "gather_elements_i32": lambda: ((lambda x, i: x[i] * 2.0), (randn(_N), integers(_N, _N // 4, dtype=torch.int32))),
    "gather_not": lambda: ((lambda x, i: x * i), (randn(_N // 4), integers(_N, _N // 4))),
    "embedding": lambda: (F.embedding, (integers(50000, 65536), bf16(50000, 1024))),
    "embedding_scaled": lambda: (
        (lambda i, w: F.embedding(i, w).float() * 32.0),
        (integers(50000, 65536), bf16(50000, 1024)),
    ),
    "embedding_few": lambda: (F.embedding, (integers(64, 65536), bf16(50000, 1024))),
    "scatter_add": lambda: (
        (lambda x, i: torch.zeros(1 << 20, device="cuda").scatter_add(0, i, x)),
        (randn(_N // 4), integers(1 << 20, _N // 4)),
    ),
    "scatter_add_hot": lambda: (
        (lambda x, i: torch.zeros(64, device="cuda").scatter_add(0, i, x)),
        (randn(_N // 4), integers(64, _N // 4)),
    ),
    "index_add": lambda: (
        (lambda x, i: torch.zeros(50000, 256, device="cuda").index_add(0, i, x)),
        (randn(65536, 256), integers(50000, 65536)),
    ),
    "index_put": lambda: (
        (lambda x, i, v: x.index_put((i,), v)),
        (randn(65536, 256), integers(65536, 65536), randn(65536, 256)),
    ),
    # cats
    "cat_rows": lambda: ((lambda x, y: torch.cat([x, y]) * 2.0), several(2, 8192, 4096)),
    "cat_columns": lambda: ((lambda x, y: torch.cat([x, y], -1) * 2.0), several(2, 8192, 4096)),
    "cat_odd": lambda: ((lambda x, y: torch.cat([x, y], -1) * 2.0), (randn(8192, 4001), randn(8192, 4099))),
    "cat_four": lambda: ((lambda *xs: torch.cat([x.sigmoid() for x in xs], -1)), several(4, 8192, 2048)),
    "cat_gelu": lambda: ((lambda *xs: torch.cat([F.gelu(x) for x in xs], -1)), several(16, 8192, 512)),
    "cat_gelu_rows": lambda: ((lambda *xs: torch.cat([F.gelu(x) for x in xs], 0)), several(16, 8192, 512)),
    "stack": lambda: ((lambda x, y: torch.stack([x, y], -1)), several(2, 8192, 4096)),
    "stack_first": lambda: ((lambda x, y: torch.stack([x, y])), several(2, 8192, 4096)),
    "split_sum": lambda: ((lambda x: sum(c.relu() for c in x.chunk(4, -1))), (randn(8192, 8192),)),
    "cat_not": lambda: ((lambda x, y: (x * 2.0, y * 2.0)), several(2, 8192, 4096)),
    "rope": lambda: (_rope, (bf16(4, 32, 2048, 128), bf16(2048, 128), bf16(2048, 128))),
    "rope_not": lambda: ((lambda x, c, s: x * c + x * s), (bf16(4, 32, 2048, 128), bf16(2048, 128), bf16(2048, 128))),
    "swiglu": lambda: ((lambda x: F.silu(x[..., :11008]) * x[..., 11008:]), (bf16(8192, 22016),)),
    "swiglu_even": lambda: ((lambda x: F.silu(x[..., ::2]) * x[..., 1::2]), (bf16(8192, 22016),)),
    "swiglu_relu": lambda: ((lambda x: F.relu(x[..., :11008]) * x[..., 11008:]), (bf16(8192, 22016),)),
    # stencils
    "upsample": lambda: ((lambda x: F.interpolate(x, scale_factor=2.0) * 2.0), (randn(32, 64, 112, 112),)),
    "upsample_bilinear": lambda: (
        (lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear")),
        (randn(32, 32, 112, 112),),
    ),
    "max_pool": lambda: ((lambda x: F.max_pool2d(x, 3, 2, 1)), (randn(64, 64, 112, 112),)),
    "max_pool_2": lambda: ((lambda x: F.max_pool2d(x, 2)), (randn(64, 64, 112, 112),)),
    "max_pool_last": lambda: ((lambda x: F.max_pool2d(x, 3, 2, 1)), (randn(64, 64, 112, 112).to(**LAST),)),
    "avg_pool": lambda: ((lambda x: F.avg_pool2d(x, 3, 2, 1)), (randn(64, 64, 112, 112),)),
    "blur": lambda: ((lambda x: x[:, 2:] + 2.0 * x[:, 1:-1] + x[:, :-2]), (randn(8192, 8192),)),
    "blur_rows": lambda: ((lambda x: x[2:] + 2.0 * x[1:-1] + x[:-2]), (randn(8192, 8192),)),
    # small kernels and many of them
    **{
        f"size_{size}": lambda size=size: ((lambda x: x * 2.0 + 1.0), (randn(size),))
        for size in (256, 1 << 14, 1 << 18, 1 << 21, 1 << 23, 1 << 25)
    },
    **{
        f"size_sin_{size}": lambda size=size: (_chain(torch.sin, 4), (randn(size),))
        for size in (256, 1 << 14, 1 << 18, 1 << 21)
    },
    "small_24": lambda: _small(24, 64),
    "small_8": lambda: _small(8, 64),
    "small_24_larger": lambda: _small(24, 8192),
    "small_chain": lambda: ((lambda x, w: ((x @ w).relu() @ w).relu() @ w), (randn(64, 64), randn(64, 64))),
    "small_chain_once": lambda: ((lambda x, w: (x @ w).relu()), (randn(64, 64), randn(64, 64))),
    "outputs_many": lambda: ((lambda x: [x * float(i) for i in range(8)]), (randn(4096, 4096),)),
    "outputs_one": lambda: ((lambda x: x * 3.0), (randn(4096, 4096),)),
    "inputs_many": lambda: ((lambda *xs: sum(xs)), several(8, 4096, 4096)),
    "adamw": lambda: (_adamw, (*several(3, 64 << 20), randn(64 << 20).abs())),
    "sgd": lambda: (
        (lambda p, g, m, v: (p - 0.1 * (0.9 * m + g), 0.9 * m + g)),
        (*several(3, 64 << 20), randn(64 << 20).abs()),
    ),
    "adamw_many": lambda: (_adamw_many, tuple(randn(256 * (i + 1), 256).abs() for i in range(24))),
}  # fmt: skip


def _rope(x: Any, cos: Any, sin: Any) -> Any:
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat([-right, left], -1) * sin


def _adamw(p: Any, g: Any, m: Any, v: Any) -> Any:
    m = 0.9 * m + 0.1 * g
    v = 0.99 * v + 0.01 * g * g
    return p * 0.999 - 0.001 * m / (v.sqrt() + 1e-8), m, v


def _adamw_many(*tensors: Any) -> Any:
    return [_adamw(t, t, t, t) for t in tensors]
