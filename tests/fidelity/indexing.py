"""Concatenation, padding, gathers, scatters and embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .case import Built, bf16, both, i, infer, t, train

N = 500


CASES = [
    *both("cat_gelu_many", lambda *xs: torch.cat([F.gelu(x) for x in xs], -1), *[t(32, 64) for _ in range(16)]),
    *both("stack_unbind", lambda x: torch.stack([p * 2 for p in x.unbind(1)], 0), t(16, 4, 33)),
    *both("pad_reflect", lambda x: F.pad(x, (2, 3), mode="reflect") + F.pad(x, (2, 3), mode="replicate"), t(4, 8, 30)),
    *both(
        "index_put", lambda x, ix, v: x.index_put((ix,), v, accumulate=True), t(100, 16), i(50, below=100), t(50, 16)
    ),
    *both(
        "index_copy_fill",
        lambda x, ix, v: x.index_copy(0, ix, v).index_fill(0, ix, 2.0),
        t(100, 16),
        i(10, below=100),
        t(10, 16),
    ),
    *both("take_along", lambda x, ix: torch.take_along_dim(x, ix, 1).sum(), t(32, 64), i(32, 8, below=64)),
    *both(
        "scatter_reduce",
        lambda x, ix, v: x.scatter_reduce(0, ix, v, "amax"),
        t(64, 32),
        i(128, 32, below=64),
        t(128, 32),
    ),
    infer("one_hot", lambda ix: F.one_hot(ix, 17).float() @ torch.ones(17, 3, device="cuda"), i(50, below=17)),
    *both("masked_select_where", lambda x, m: torch.where(m, x, 0.0).sum(-1), t(32, 100), t(32, 100, dtype=torch.bool)),
    infer("searchsorted_bucketize", lambda x, b: torch.bucketize(x, b.sort().values), t(300), t(20)),
    *both("meshgrid_triu", lambda x: torch.triu(x, 1) + torch.tril(x, -2), t(65, 65)),
    *both("roll_flip", lambda x: x.roll(3, 1) + x.flip(0), t(16, 33)),
    *both(
        "embedding_bag_sum",
        lambda w, ix, o: F.embedding_bag(ix, w, o, mode="sum"),
        t(N, 32),
        i(100, below=N),
        Built(lambda: torch.arange(0, 100, 10)),
    ),
    *both("cat_slices", lambda a, b: torch.cat([a[:, ::2], b.cos(), a[:, 1:3]], 1), t(16, 32), t(16, 8)),
    *both("pad_constant", lambda x: F.pad(x, (1, 2, 3, 4), value=1.0).relu(), t(4, 8, 10, 11)),
    *both("gather", lambda x, ix: x.gather(1, ix).cos(), t(64, 100), i(64, 20, below=100)),
    *both("index_select_sum", lambda x, ix: x[ix].cos().sum(1), t(100, 64), i(300, below=100)),
    *both("embedding_norm", lambda w, ix: F.layer_norm(F.embedding(ix, w), (64,)), t(N, 64), i(4, 50, below=N)),
    train("embedding_bf16_padding", lambda w, ix: F.embedding(ix, w, padding_idx=0), bf16(N, 64), i(4, 50, below=N)),
    train("scatter_add", lambda x, ix, v: x.scatter_add(0, ix, v).relu(), t(64, 32), i(128, 32, below=64), t(128, 32)),
    train("embedding_bag_mean", Built(lambda: nn.EmbeddingBag(N, 32, mode="mean")), i(16, 8, below=N)),
    train("index_2d", lambda x, a, b: x[a, b].exp(), t(50, 60), i(40, below=50), i(40, below=60)),
    train("advanced_slice", lambda x: x[:, None, 1:-1:2].expand(-1, 3, -1).sum(1), t(16, 33)),
    train("unfold_patches", lambda x: x.unfold(2, 4, 4).unfold(3, 4, 4).contiguous().relu(), t(2, 3, 16, 16)),
]
