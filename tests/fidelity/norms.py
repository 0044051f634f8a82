"""Softmax and the normalizations."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .case import Built, bf16, both, fp16, t, train


def rms_norm(x, weight):
    scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)
    return (x.float() * scale).to(x.dtype) * weight


def residual_norm(x, residual, weight):
    total = x + residual
    return F.layer_norm(total, total.shape[-1:], weight), total


def qk_norm(q, k, weight):
    return F.rms_norm(q, (q.shape[-1],), weight), F.rms_norm(k, (k.shape[-1],), weight)


CASES = [
    *both("softmax_outer", lambda x: x.softmax(0), t(512, 64)),
    *both("softmax_long", lambda x: x.softmax(-1), t(8, 50_000)),
    *both("softmax_no_online", lambda x: x.softmax(-1), t(8, 50_000), config={"online_softmax": False}),
    *both("layer_norm_long", lambda x: F.layer_norm(x, (20_000,)), t(8, 20_000)),
    *both(
        "softmax_masked_bf16",
        lambda x, m: x.masked_fill(m, -1e9).softmax(-1),
        bf16(64, 128),
        t(64, 128, dtype=torch.bool),
    ),
    *both("softmax", lambda x: x.softmax(-1), t(64, 1000)),
    *both(
        "layer_norm_softmax",
        lambda x, w, b: F.layer_norm(x, (1024,), w, b).relu().softmax(-1),
        t(64, 1024),
        t(1024),
        t(1024),
    ),
    *both("layer_norm_bf16", Built(lambda: nn.LayerNorm(768, dtype=torch.bfloat16)), bf16(4, 128, 768)),
    *both("rms_norm_hand", rms_norm, bf16(256, 512), bf16(512)),
    *both("rms_norm", lambda x, w: F.rms_norm(x, (512,), w), bf16(256, 512), bf16(512)),
    *both("residual_norm", residual_norm, bf16(128, 512), bf16(128, 512), bf16(512)),
    *both("group_norm", Built(lambda: nn.GroupNorm(8, 64)), t(4, 64, 16, 16)),
    *both("instance_norm", lambda x: F.instance_norm(x), t(4, 16, 20, 20)),
    *both("batch_norm_eval", Built(lambda: nn.BatchNorm2d(32).eval()), t(8, 32, 14, 14)),
    train("batch_norm", Built(lambda: nn.BatchNorm2d(32)), t(8, 32, 14, 14)),
    train("batch_norm_1d_fp16", Built(lambda: nn.Sequential(nn.BatchNorm1d(64), nn.ReLU())), fp16(128, 64)),
    train("batch_norm_frozen", Built(lambda: nn.BatchNorm2d(32).eval()), t(8, 32, 14, 14)),
    train(
        "batch_norm_channels_last",
        Built(lambda: nn.BatchNorm2d(32)),
        t(8, 32, 14, 14, view=lambda x: x.to(memory_format=torch.channels_last)),
    ),
    train("qk_norm", qk_norm, bf16(2, 8, 64, 64), bf16(2, 8, 64, 64), bf16(64)),
    train("log_softmax", lambda x: x.log_softmax(-1), bf16(128, 1000)),
    train("layer_norm_many_rows", lambda x, w, b: F.layer_norm(x, (256,), w, b), t(16384, 256), t(256), t(256)),
    train("weight_norm", Built(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(64, 32))), t(16, 64)),
    train("local_response_norm", lambda x: F.local_response_norm(x, 3), t(2, 8, 10, 10)),
]
