"""scaled_dot_product_attention: which backend is called, and what surrounds it."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right

from .case import Built, Input, both, infer, t, train

BF16, FP16, FP32 = torch.bfloat16, torch.float16, torch.float32


def qkv(dtype, length=128, dim=64, heads=4, kv_heads=None, kv_length=None, v_dim=None):
    kv = kv_heads or heads, kv_length or length
    shapes = (2, heads, length, dim), (2, *kv, dim), (2, *kv, v_dim or dim)
    return tuple(Input(shape, dtype) for shape in shapes)


def attention(**options):
    return lambda q, k, v: F.scaled_dot_product_attention(q.relu(), k, v, **options) + 1


def masked(**options):
    return lambda q, k, v, m: F.scaled_dot_product_attention(q.relu(), k, v, attn_mask=m, **options) + 1


def restricted(*backends, **options):
    """With `sdpa_kernel` inside the function, as model code has it."""

    def fn(q, k, v):
        with sdpa_kernel(list(backends), **options):
            return F.scaled_dot_product_attention(q.relu(), k, v, is_causal=True) + 1

    return fn


def transposed(q, k, v):
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2) * 2


def lower_right(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=causal_lower_right(q.size(2), k.size(2))) + 1


def packed(x, w):
    q, k, v = F.linear(x, w).view(2, 64, 3, 4, 64).permute(2, 0, 3, 1, 4).unbind(0)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(2, 64, 256)


def additive(q, k, v, m):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=m.masked_fill(m < 0, float("-inf")))


def hand_written(q, k, v):
    return ((q @ k.transpose(-2, -1)) / 8.0).softmax(-1) @ v


def hand_written_dropout(q, k, v):
    return F.dropout(((q @ k.transpose(-2, -1)) * 0.125).softmax(-1), 0.1) @ v


MULTIHEAD = Built(lambda: nn.MultiheadAttention(128, 4, batch_first=True))
ENCODER = Built(lambda: nn.TransformerEncoderLayer(128, 4, 256, dropout=0.1, batch_first=True, norm_first=True))
DECODER = Built(lambda: nn.TransformerDecoderLayer(128, 4, 256, dropout=0.0, batch_first=True))
BACKENDS = {
    "math": SDPBackend.MATH, "flash": SDPBackend.FLASH_ATTENTION, "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}  # fmt: skip
BOOLEAN, FLOAT = t(2, 1, 128, 128, dtype=torch.bool), Input((2, 4, 128, 128), BF16)


def _named(dtype):
    return {BF16: "bf16", FP16: "fp16", FP32: "fp32"}[dtype]


CASES = [
    *(infer(f"plain_{_named(d)}", attention(), *qkv(d)) for d in (BF16, FP16, FP32)),
    *(infer(f"causal_{_named(d)}", attention(is_causal=True), *qkv(d)) for d in (BF16, FP16, FP32)),
    *(train(f"causal_{_named(d)}_train", attention(is_causal=True), *qkv(d)) for d in (BF16, FP16, FP32)),
    *(train(f"plain_{_named(d)}_train", attention(), *qkv(d)) for d in (BF16, FP16, FP32)),
    *(infer(f"head_dim_{n}", attention(), *qkv(BF16, dim=n)) for n in (8, 20, 80, 96, 129, 192, 256, 264)),
    *(train(f"head_dim_{n}_train", attention(), *qkv(BF16, dim=n)) for n in (20, 80, 136, 192, 256)),
    *(infer(f"length_{n}", attention(), *qkv(BF16, length=n)) for n in (1, 7, 127, 512)),
    train("length_127_train", attention(is_causal=True), *qkv(BF16, length=127)),
    *both("decoding", attention(), *qkv(BF16, length=1, kv_length=100)),
    infer("cross_lengths", attention(), *qkv(BF16, length=64, kv_length=100)),
    *both("cross_causal", attention(is_causal=True), *qkv(BF16, length=64, kv_length=100)),
    train("cross_lengths_train", attention(), *qkv(FP16, length=64, kv_length=100)),
    *both("value_dim", attention(), *qkv(BF16, dim=64, v_dim=128)),
    *both("value_dim_fp32", attention(), *qkv(FP32, dim=32, v_dim=64)),
    infer("gqa", attention(enable_gqa=True), *qkv(BF16, heads=8, kv_heads=2)),
    *both("gqa_fp32", attention(enable_gqa=True), *qkv(FP32, heads=8, kv_heads=2)),
    *both("mqa_causal", attention(enable_gqa=True, is_causal=True), *qkv(FP16, heads=8, kv_heads=1)),
    train("gqa_train", attention(enable_gqa=True, is_causal=True), *qkv(BF16, heads=8, kv_heads=2)),
    *both("scale", attention(scale=0.3), *qkv(BF16)),
    *both("mask_bool_bf16", masked(), *qkv(BF16), BOOLEAN),
    infer("mask_bool_fp32", masked(), *qkv(FP32), BOOLEAN),
    *both("mask_float_bf16", masked(), *qkv(BF16), FLOAT),
    *both("mask_2d", masked(), *qkv(BF16), Input((128, 128), torch.bool)),
    *both("mask_odd_length", masked(), *qkv(BF16, length=50), Input((2, 1, 50, 50), torch.bool)),
    *both("mask_gqa", masked(enable_gqa=True), *qkv(BF16, heads=8, kv_heads=2), BOOLEAN),
    *both("mask_computed", additive, *qkv(BF16), Input((2, 1, 128, 128), BF16)),
    train("mask_bool_train", masked(), *qkv(BF16), BOOLEAN),
    train("mask_bool_fp32_train", masked(), *qkv(FP32), BOOLEAN),
    train("mask_gradient", masked(), *qkv(BF16), FLOAT),
    train("dropout_bf16_train", attention(dropout_p=0.125), *qkv(BF16)),
    train("dropout_01_train", attention(dropout_p=0.1, is_causal=True), *qkv(BF16)),
    train("dropout_fp32_train", attention(dropout_p=0.1), *qkv(FP32)),
    *both("dropout_infer", attention(dropout_p=0.1), *qkv(FP16)),
    *(infer(f"only_{n}", restricted(b), *qkv(BF16)) for n, b in BACKENDS.items()),
    *(train(f"only_{n}_train", restricted(b), *qkv(BF16)) for n, b in BACKENDS.items()),
    *both("only_math_fp32", restricted(SDPBackend.MATH), *qkv(FP32)),
    *both("only_flash_fp32", restricted(SDPBackend.FLASH_ATTENTION, SDPBackend.MATH), *qkv(FP32)),
    *both(
        "priority",
        restricted(SDPBackend.EFFICIENT_ATTENTION, SDPBackend.FLASH_ATTENTION, set_priority=True),
        *qkv(BF16),
    ),
    infer("transposed_layout", transposed, *(Input((2, 128, 4, 64), BF16) for _ in range(3))),
    train("transposed_layout_train", transposed, *(Input((2, 128, 4, 64), BF16) for _ in range(3))),
    train("packed_train", packed, Input((2, 64, 256), BF16), Input((768, 256), BF16)),
    *both("three_dimensions", attention(), *(Input((4, 64, 64), BF16) for _ in range(3))),
    *both(
        "strided_last",
        lambda q, k, v: F.scaled_dot_product_attention(q.transpose(2, 3), k, v),
        Input((2, 4, 64, 64), BF16),
        *qkv(BF16, length=64)[1:],
    ),
    *both("lower_right", lower_right, *qkv(BF16, length=64, kv_length=100)),
    infer("dynamic", attention(is_causal=True), *qkv(BF16, length=100), dynamic=True),
    train("dynamic_train", attention(is_causal=True), *qkv(BF16, length=100), dynamic=True),
    *both("autocast", Built(lambda: _autocast(attention())), *qkv(FP32)),
    infer("hand_written", hand_written, *qkv(BF16)),
    train("hand_written_train", hand_written, *qkv(BF16)),
    train("hand_written_dropout", hand_written_dropout, *qkv(BF16)),
    *both("multihead_eval", Built(lambda: MULTIHEAD.make().eval()), *(t(2, 64, 128) for _ in range(3))),
    train("multihead_train", MULTIHEAD, *(t(2, 64, 128) for _ in range(3))),
    train("encoder_layer_train", ENCODER, t(2, 64, 128)),
    train("decoder_layer_train", DECODER, t(2, 64, 128), t(2, 32, 128)),
]


def _autocast(fn):
    return torch.autocast("cuda", torch.bfloat16)(fn)
