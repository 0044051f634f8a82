"""Loss functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from .case import bf16, both, i, t, train


def chunked(x, w, y):
    """Cross entropy over a vocabulary, some rows at a time."""
    parts = [F.cross_entropy(a @ w, b, reduction="sum") for a, b in zip(x.chunk(4), y.chunk(4), strict=True)]
    return torch.stack(parts).sum() / y.numel()


def contrastive(a, b):
    similarity = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).t() * 10
    labels = torch.arange(a.shape[0], device=a.device)
    return (F.cross_entropy(similarity, labels) + F.cross_entropy(similarity.t(), labels)) / 2


A, B = t(64, 100), t(64, 100)
CASES = [
    *both("cross_entropy", F.cross_entropy, t(64, 1000), i(64, below=1000)),
    *both("cross_entropy_large_bf16", F.cross_entropy, bf16(64, 50_000), i(64, below=50_000)),
    train(
        "cross_entropy_options",
        lambda x, y: F.cross_entropy(x, y, ignore_index=3, label_smoothing=0.1),
        t(64, 100),
        i(64, below=100),
    ),
    train("cross_entropy_image", lambda x, y: F.cross_entropy(x, y), t(2, 10, 16, 16), i(2, 16, 16, below=10)),
    train("chunked_cross_entropy", chunked, bf16(64, 128), bf16(128, 1000), i(64, below=1000)),
    train("mse_huber", lambda a, b: F.mse_loss(a, b) + F.huber_loss(a, b), A, B),
    train("l1_smooth", lambda a, b: F.l1_loss(a, b) + F.smooth_l1_loss(a, b), A, B),
    train("bce_logits", lambda a, b: F.binary_cross_entropy_with_logits(a, b.sigmoid()), A, B),
    train("kl_div", lambda a, b: F.kl_div(a.log_softmax(-1), b.softmax(-1), reduction="batchmean"), A, B),
    train(
        "cosine_triplet", lambda a, b: F.triplet_margin_loss(a, b, a.flip(0)) + F.cosine_similarity(a, b).mean(), A, B
    ),
    train("contrastive", contrastive, bf16(32, 64), bf16(32, 64)),
    train(
        "focal",
        lambda x, y: -((1 - x.softmax(-1).gather(1, y)) ** 2 * x.log_softmax(-1).gather(1, y)).mean(),
        A,
        i(64, 1, below=100),
    ),
    train("nll_margin", lambda x, y: F.nll_loss(x.log_softmax(-1), y) + F.multi_margin_loss(x, y), A, i(64, below=100)),
    train(
        "z_loss",
        lambda x, y: F.cross_entropy(x.float(), y) + 1e-4 * x.float().logsumexp(-1).pow(2).mean(),
        bf16(64, 1000),
        i(64, below=1000),
    ),
]
