"""Convolutions, plain and transposed, in one to three dimensions and both memory formats."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .case import Built, bf16, both, fp16, infer, t, train


def channels_last(x):
    return x.to(memory_format=torch.channels_last)


def block(channels, dtype=torch.float32, **options):
    def make():
        layers = nn.Conv2d(channels, 32, 3, padding=1, **options), nn.BatchNorm2d(32), nn.ReLU()
        return nn.Sequential(*layers).to(dtype)

    return Built(make)


CASES = [
    *both("conv2d_relu", lambda x, w, b: F.conv2d(x, w, b, padding=1).relu(), t(2, 16, 20, 20), t(32, 16, 3, 3), t(32)),
    *both("conv2d_fp16", lambda x, w: F.conv2d(x, w).relu(), fp16(2, 16, 20, 20), fp16(32, 16, 3, 3)),
    *both(
        "conv2d_bf16_channels_last",
        lambda x, w: F.conv2d(x, w).relu(),
        bf16(2, 64, 20, 20, view=channels_last),
        bf16(64, 64, 3, 3),
    ),
    *both("conv2d_1x1", lambda x, w: F.conv2d(x, w).relu(), t(2, 64, 16, 16), t(32, 64, 1, 1)),
    *both(
        "conv2d_1x1_channels_last",
        lambda x, w: F.conv2d(x, w).relu(),
        t(2, 64, 16, 16, view=channels_last),
        t(32, 64, 1, 1),
    ),
    *both(
        "conv2d_depthwise", lambda x, w: F.conv2d(x, w, groups=32, padding=1).relu(), t(2, 32, 20, 20), t(32, 1, 3, 3)
    ),
    *both(
        "conv2d_grouped_dilated",
        lambda x, w: F.conv2d(x, w, groups=4, dilation=2).relu(),
        t(2, 16, 20, 20),
        t(32, 4, 3, 3),
    ),
    *both("conv2d_stride", lambda x, w: F.conv2d(x, w, stride=2, padding=3).relu(), t(2, 3, 33, 33), t(32, 3, 7, 7)),
    *both("conv2d_same", lambda x, w: F.conv2d(x, w, padding="same").relu(), t(2, 3, 33, 33), t(8, 3, 4, 4)),
    infer("conv1d", lambda x, w: F.conv1d(x, w, padding=1).relu(), t(2, 16, 50), t(32, 16, 3)),
    infer("conv3d", lambda x, w: F.conv3d(x, w).relu(), t(1, 4, 8, 8, 8), t(8, 4, 3, 3, 3)),
    *both("conv_batchless", lambda x, w: F.conv2d(x, w).relu(), t(3, 16, 16), t(8, 3, 3, 3)),
    *both(
        "conv_bn_eval",
        Built(lambda: nn.Sequential(nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU()).eval()),
        t(2, 8, 16, 16),
    ),
    *both("conv_transpose1d", lambda x, w: F.conv_transpose1d(x, w, stride=2).relu(), t(2, 16, 30), t(16, 8, 4)),
    *both(
        "no_layout_optimization",
        lambda x, w: F.conv2d(x, w).relu(),
        fp16(2, 64, 20, 20),
        fp16(64, 64, 3, 3),
        config={"layout_optimization": False},
    ),
    *both(
        "forced_layout",
        lambda x, w: F.conv2d(x, w).relu(),
        fp16(2, 64, 20, 20),
        fp16(64, 64, 3, 3),
        config={"force_layout_optimization": True},
    ),
    *both("conv_bn_relu", block(16), t(2, 16, 20, 20)),
    train("conv_bn_relu_bf16", block(64, torch.bfloat16), bf16(2, 64, 20, 20)),
    train("conv_bn_relu_fp16_channels_last", block(64, torch.float16), fp16(2, 64, 20, 20, view=channels_last)),
    train("conv2d_bias_train", lambda x, w, b: F.conv2d(x, w, b).relu(), t(2, 16, 20, 20), t(32, 16, 3, 3), t(32)),
    train(
        "depthwise_train", lambda x, w: F.conv2d(x, w, groups=32, padding=1).relu(), t(2, 32, 20, 20), t(32, 1, 3, 3)
    ),
    train("conv1d_train", lambda x, w: F.conv1d(x, w, padding=1).tanh(), t(2, 16, 50), t(32, 16, 3)),
    train("conv3d_train", lambda x, w: F.conv3d(x, w).relu(), t(1, 4, 8, 8, 8), t(8, 4, 3, 3, 3)),
    train(
        "conv_transpose2d_train",
        lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1).relu(),
        t(2, 16, 10, 10),
        t(16, 8, 4, 4),
    ),
    train(
        "causal_conv1d", lambda x, w: F.silu(F.conv1d(F.pad(x, (3, 0)), w, groups=64)), bf16(2, 64, 100), bf16(64, 1, 4)
    ),
    train(
        "two_convs", Built(lambda: nn.Sequential(nn.Conv2d(8, 64, 3), nn.SiLU(), nn.Conv2d(64, 8, 3))), t(2, 8, 16, 16)
    ),
    train(
        "patch_embedding",
        lambda x, w: F.conv2d(x, w, stride=16).flatten(2).transpose(1, 2),
        bf16(2, 3, 64, 64),
        bf16(128, 3, 16, 16),
    ),
]
