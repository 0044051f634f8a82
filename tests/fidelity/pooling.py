"""Pooling and resampling."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812

from .case import bf16, both, t, train

IMAGE = t(2, 8, 17, 17)


def resize(mode, **options):
    return lambda x: F.interpolate(x, scale_factor=2, mode=mode, **options).relu()


CASES = [
    *both("avg_pool_pad", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), IMAGE),
    *both("avg_pool1d_ceil", lambda x: F.avg_pool1d(x, 3, 2, ceil_mode=True), t(2, 8, 30)),
    *both("max_pool_indices", lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True), IMAGE),
    *both("adaptive_max", lambda x: F.adaptive_max_pool2d(x, 5), IMAGE),
    *both("interpolate_nearest_exact", resize("nearest-exact"), IMAGE),
    *both("interpolate_antialias", lambda x: F.interpolate(x, size=(9, 9), mode="bilinear", antialias=True), IMAGE),
    *both("grid_sample", lambda x, g: F.grid_sample(x, g.tanh(), align_corners=False), IMAGE, t(2, 9, 9, 2)),
    *both("interpolate_linear_1d", lambda x: F.interpolate(x, size=45, mode="linear"), t(2, 8, 30)),
    *both("max_pool", lambda x: F.max_pool2d(x.relu(), 3, 2, 1), IMAGE),
    *both("avg_pool", lambda x: F.avg_pool2d(x, 2).relu(), IMAGE),
    *both("adaptive_avg", lambda x: F.adaptive_avg_pool2d(x, 5), IMAGE),
    *both("interpolate_nearest", resize("nearest"), IMAGE),
    *both("interpolate_bilinear", resize("bilinear", align_corners=False), bf16(2, 8, 17, 17)),
    train("interpolate_bicubic", resize("bicubic", align_corners=True), IMAGE),
    train("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2).relu(), IMAGE),
    train("max_pool3d", lambda x: F.max_pool3d(x, 2), t(1, 4, 8, 8, 8)),
    train("fold_unfold", lambda x: F.unfold(x, 3, padding=1).sum(1), t(2, 4, 12, 12)),
    train("global_average", lambda x: x.mean((2, 3)), bf16(4, 64, 14, 14)),
]
