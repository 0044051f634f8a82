"""Complex, integer, boolean, double and 8-bit floating-point numbers; scaled and grouped products."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from .case import Built, bf16, both, i, infer, t, train

E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2


def to_float8(x):
    scale = torch.finfo(E4M3).max / x.abs().amax().float()
    return (x.float() * scale).clamp(-448, 448).to(E4M3), scale.reciprocal()


def scaled(x, w):
    (a, a_scale), (b, b_scale) = to_float8(x), to_float8(w)
    return torch._scaled_mm(a, b.t(), a_scale, b_scale, out_dtype=torch.bfloat16).relu()


def scaled_rows(x, w):
    def rows(v):
        scale = v.abs().amax(-1, keepdim=True).float() / 448
        return (v.float() / scale).to(E4M3), scale

    (a, a_scale), (b, b_scale) = rows(x), rows(w)
    return torch._scaled_mm(a, b.t(), a_scale, b_scale.t(), out_dtype=torch.bfloat16, use_fast_accum=True)


def grouped(x, w, ends):
    return torch._grouped_mm(x, w, offs=ends).relu()


ENDS = Built(lambda: torch.tensor([16, 32, 64, 128], dtype=torch.int32))
CASES = [
    *both("complex_mul", lambda a, b: torch.view_as_complex(a) * torch.view_as_complex(b), t(64, 32, 2), t(64, 32, 2)),
    *both(
        "rope_complex",
        lambda x, f: torch.view_as_real(torch.view_as_complex(x) * torch.view_as_complex(f)).flatten(-2),
        t(2, 16, 4, 32, 2),
        t(16, 1, 32, 2),
    ),
    *both("complex_abs", lambda a: torch.view_as_complex(a).abs() + 1, t(64, 2)),
    *both("fft", lambda x: torch.fft.rfft(x).abs() + 1, t(8, 64)),
    infer("double", lambda x: (x.exp() + 1).sum(-1), t(32, 64, dtype=torch.float64)),
    infer("int8_sum", lambda x: (x.to(torch.int32) * 2).sum(-1), i(32, 64, below=100, dtype=torch.int8)),
    infer("uint8_image", lambda x: (x.float() / 255 - 0.5) / 0.25, i(2, 3, 16, 16, below=255, dtype=torch.uint8)),
    infer("bool_logic", lambda a, b: (a & ~b) | (a ^ b), t(100, dtype=torch.bool), t(100, dtype=torch.bool)),
    infer("shift_bits", lambda x: (x << 2) | (x >> 3), i(100, below=1000, dtype=torch.int32)),
    infer("pack_int4", lambda x: x[:, ::2] | (x[:, 1::2] << 4), i(32, 64, below=15, dtype=torch.uint8)),
    *both(
        "unpack_int4",
        lambda x, s: torch.stack([x & 15, x >> 4], -1).flatten(1).to(torch.bfloat16) * s,
        i(32, 64, below=255, dtype=torch.uint8),
        bf16(32, 1),
    ),
    *both("mixed_types", lambda a, b, c: a + b * c, t(64), bf16(64), i(64, below=9)),
    *both("fp8_cast", lambda x: x.to(E4M3).float() + x.to(E5M2).float(), bf16(64, 64)),
    *both("fp8_amax_cast", to_float8, bf16(256, 512)),
    infer("scaled_mm", scaled, bf16(64, 128), bf16(256, 128)),
    infer("scaled_mm_rows", scaled_rows, bf16(64, 128), bf16(256, 128)),
    infer("grouped_mm", grouped, bf16(128, 64), bf16(4, 64, 128), ENDS),
    infer(
        "int_mm",
        lambda a, b: torch._int_mm(a, b).float() * 0.1,
        i(64, 64, below=9, dtype=torch.int8),
        i(64, 64, below=9, dtype=torch.int8),
    ),
    infer(
        "int_division",
        lambda a, b: (a / (b + 1), torch.div(a, b + 1, rounding_mode="floor")),
        i(64, below=99),
        i(64, below=9),
    ),
    *both(
        "low_precision_emulated",
        lambda x: (x * 2 + 1).relu() - x,
        bf16(64, 64),
        config={"emulate_precision_casts": True},
    ),
    train("double_train", lambda x: (x.exp() + 1).log().sum(-1), t(32, 64, dtype=torch.float64)),
    train("mixed_train", lambda a, b: (a * b.float()).tanh(), t(64, 64), bf16(64, 64)),
    train("fp8_linear_train", lambda x, w: F.linear(x.to(E4M3).to(torch.bfloat16), w), bf16(64, 64), bf16(32, 64)),
    train("complex_train", lambda a: torch.view_as_complex(a.view(64, 2)).abs().sum(), t(128)),
    train("grouped_mm_train", grouped, bf16(128, 64), bf16(4, 64, 128), ENDS),
    train("stft_train", lambda x: torch.fft.rfft(x, norm="ortho").abs().pow(2).mean(), t(8, 64)),
]
