"""Elementwise operations and what fuses into them."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from .case import bf16, both, fp16, i, infer, t, train


def swiglu(gate, up):
    return F.silu(gate) * up


def rope(x, cos, sin):
    half = x.shape[-1] // 2
    rotated = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return x * cos + rotated * sin


def quantize(x, scale):
    return torch.clamp(torch.round(x / scale), -128, 127).to(torch.int8)


CASES = [
    *both("add_relu", lambda a, b: torch.relu(a + b), t(64, 1000), t(1000)),
    *both("broadcast_3d", lambda a, b, c: a * b + c, t(8, 1, 33), t(1, 17, 33), t(8, 17, 1)),
    *both("transcendental", lambda x: x.sin() + x.exp().log1p() * x.tanh().erf(), t(4097)),
    *both("where_clamp", lambda x, y: torch.where(x > 0, x.clamp(-1, 1), y.abs().sqrt()), t(32, 129), t(32, 129)),
    infer("integer_math", lambda a, b: (a // 3 + b % 5) * (a & b) ^ 7, i(1000, below=99), i(1000, below=99)),
    infer("quantize_int8", quantize, t(64, 256), t(64, 1)),
    *both("tiled_transpose", lambda a, b: a + b.t(), t(512, 256), t(256, 512)),
    *both("large_index", lambda x: x + 1, t(2**16, 128, dtype=torch.bfloat16)),
    *both("scalar_input", lambda x, y: x * y, t(), t(1000)),
    *both("gelu", lambda x: F.gelu(x), t(64, 1000)),
    *both("gelu_tanh_bf16", lambda x: F.gelu(x, approximate="tanh"), bf16(64, 1000)),
    *both("swiglu_bf16", swiglu, bf16(128, 512), bf16(128, 512)),
    *both("rope_bf16", rope, bf16(2, 8, 64, 64), bf16(64, 64), bf16(64, 64)),
    train("activations_fp16", lambda x: F.mish(F.softplus(F.hardswish(F.elu(x)))), fp16(33, 77)),
    train("bias_act_broadcast", lambda x, b: torch.sigmoid(x + b) * torch.tanh(x), t(16, 32, 65), t(65)),
    train("pow_div_prelu", lambda x, w: F.prelu((x.pow(2) + 1).rsqrt() * x.pow(3), w), t(16, 32, 8), t(32)),
]
