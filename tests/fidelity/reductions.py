"""Reductions: inner, outer, split, cooperative, of several levels, Welford, arg-reductions."""

from __future__ import annotations

import torch

from .case import bf16, both, i, infer, t, train


def statistics(x):
    variance, mean = torch.var_mean(x, dim=-1)
    return (x - mean.unsqueeze(-1)) * (variance.unsqueeze(-1) + 1e-5).rsqrt()


CASES = [
    *both("sum_inner", lambda x: x.sum(-1), t(64, 1000)),
    *both("sum_inner_long", lambda x: x.sum(-1), t(8, 100_000)),
    infer("sum_outer", lambda x: x.sum(0), t(1000, 64)),
    *both("sum_outer_split", lambda x: x.sum(0), t(65536, 32)),
    *both("sum_middle", lambda x: x.sum(1), t(16, 300, 40)),
    *both("sum_all_split", lambda x: x.sum(), t(1_000_003)),
    *both("amax_amin", lambda x: (x.amax(-1), x.amin(-1), x.mean(-1)), bf16(128, 777)),
    *both("argmax", lambda x: (x.argmax(-1), x.max(0)), t(64, 333)),
    infer("any_all", lambda x: ((x > 0).any(-1), (x > 0).all(0)), t(64, 333)),
    *both("prod_norm", lambda x: (x.prod(-1), x.norm(dim=-1), x.norm(p=1)), t(32, 64)),
    infer("xor_sum_int", lambda x: x.sum(-1, dtype=torch.int64), i(64, 4096, below=100, dtype=torch.int32)),
    *both("welford_long", lambda x: torch.var_mean(x, dim=-1), t(16, 20_000)),
    *both("welford_split", lambda x: torch.var_mean(x), t(300_000)),
    *both("welford_outer", lambda x: torch.var_mean(x, dim=0), t(4096, 48)),
    *both("cooperative", lambda x: x.sum(-1), t(2, 200_000), config={"triton.cooperative_reductions": True}),
    *both("cooperative_forced", statistics, t(4, 8192), config={"triton.force_cooperative_reductions": True}),
    *both("no_split", lambda x: x.sum(), t(100_000), config={"split_reductions": False}),
    *both("no_persistent", lambda x: x.softmax(-1), t(64, 512), config={"triton.persistent_reductions": False}),
    *both("multi_level", lambda x: (x.abs().amax(), (x * 2).sum(-1)), t(2048, 1024)),
    *both("mix_order", lambda x: (x.sum(0), x.sum(1)), t(4096, 512)),
    *both("mix_order_on", lambda x: (x.sum(0), x.sum(1)), t(4096, 512), config={"triton.mix_order_reduction": True}),
    *both("tiled_reduction", lambda x: x.sum((0, 2)), t(32, 48, 64), config={"triton.prefer_nd_tiling": True}),
    *both("logsumexp", lambda x: x.logsumexp(-1), t(64, 1000)),
    *both("statistics", statistics, t(64, 768)),
    train("mean_of_squares", lambda x: (x * x).mean(), t(512, 512)),
    train("sum_outer_train", lambda x, w: (x * w).sum(0), t(512, 64), t(64)),
    train("amax_train", lambda x: x.amax(-1), t(64, 300)),
    train("std_logsumexp_train", lambda x: x.std(-1) + x.logsumexp(-1), t(64, 300)),
    train("cumulative_mean_bf16", lambda x: (x.float().mean(-1, keepdim=True) * x).sum(), bf16(128, 1024)),
]
