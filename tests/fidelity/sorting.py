"""Sorts, selections and scans."""

from __future__ import annotations

import torch

from .case import bf16, both, i, infer, t, train


def routing(x, w):
    """The routing of a mixture of experts."""
    weights, chosen = (x @ w).softmax(-1).topk(2, dim=-1)
    return weights / weights.sum(-1, keepdim=True), chosen


CASES = [
    infer("sort_small", lambda x: x.sort(-1), t(64, 100)),
    infer("sort_large", lambda x: x.sort(-1), t(4, 5000)),
    infer("argsort_stable", lambda x: x.sort(-1, stable=True, descending=True).indices, i(16, 64, below=10)),
    infer("cumsum_long", lambda x: x.cumsum(-1), t(4, 100_000)),
    infer("cumsum_outer", lambda x: x.cumsum(0), t(300, 16)),
    infer("cumprod_logcumsumexp", lambda x: (x.cumprod(-1), x.logcumsumexp(-1)), t(16, 200)),
    infer("cummax", lambda x: x.cummax(-1), t(16, 200)),
    infer("median_kthvalue", lambda x: x.median(-1).values + x.kthvalue(3, -1).values, t(16, 200)),
    infer("unique_mode_histc", lambda x: torch.histc(x, 10), t(1000)),
    infer("topk_softmax", lambda x: x.topk(5, -1).values.softmax(-1), bf16(32, 1000)),
    infer("nucleus", lambda x: x.softmax(-1).sort(-1, descending=True).values.cumsum(-1) < 0.9, t(4, 1000)),
    infer("bincount", lambda ix: torch.bincount(ix, minlength=10), i(100, below=10)),
    *both("routing", routing, bf16(64, 128), bf16(128, 8)),
    train("sort_train", lambda x: x.sort(-1).values.cos(), t(64, 100)),
    train("topk_train", lambda x: x.topk(5, -1).values * 2, t(32, 300)),
    train("cumsum_train", lambda x: x.cumsum(-1).tanh(), t(16, 300)),
    train("cumprod_train", lambda x: x.cumprod(-1), t(16, 30)),
    train("diff_cummax_train", lambda x: x.diff(dim=-1).cummax(-1).values, t(16, 30)),
]
