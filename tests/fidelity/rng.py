"""Random numbers in compiled code."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .case import Built, bf16, infer, t, train


def residual_dropout(x, residual, w):
    return F.layer_norm(F.dropout(x, 0.1) + residual, (256,), w)


CASES = [
    infer("dropout", lambda x: F.dropout(x, 0.3), t(64, 1000)),
    infer("rand_like", lambda x: x + torch.rand_like(x), t(64, 100)),
    infer("randn_add", lambda x: x + torch.randn(100, device="cuda"), t(64, 100)),
    infer("randint", lambda x: x + torch.randint(0, 10, (64, 100), device="cuda"), t(64, 100)),
    infer("bernoulli", lambda x: torch.bernoulli(x.sigmoid()) * x, t(64, 100)),
    infer("uniform_normal", lambda x: torch.empty_like(x).uniform_(-1, 1) + torch.empty_like(x).normal_(), t(64, 100)),
    infer("randperm", lambda x: x[torch.randperm(64, device="cuda")].cos(), t(64, 100)),
    infer("multinomial", lambda x: torch.multinomial(x.softmax(-1), 2), t(8, 100)),
    infer("gumbel", lambda x: (x - (-torch.rand_like(x).log()).log()).argmax(-1), t(8, 100)),
    infer("fallback_random", lambda x: F.dropout(x, 0.3), t(64, 1000), config={"fallback_random": True}),
    infer("rand_64bit", lambda x: x + torch.rand(3, 5, 7, dtype=torch.float64, device="cuda"), t(7)),
    train("dropout_train", lambda x: F.dropout(x.relu(), 0.3), t(64, 1000)),
    train("two_dropouts", lambda x: F.dropout(F.dropout(x, 0.1).cos(), 0.2), bf16(64, 1000)),
    train("residual_dropout", residual_dropout, bf16(64, 256), bf16(64, 256), bf16(256)),
    train(
        "dropout_mlp",
        Built(lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 8))),
        t(32, 64),
    ),
    train("rrelu", lambda x: F.rrelu(x, training=True), t(64, 100)),
    train("dropout2d", lambda x: F.dropout2d(x, 0.3), t(4, 16, 8, 8)),
    train("alpha_dropout", lambda x: F.alpha_dropout(x, 0.3, training=True), t(64, 100)),
    train("reparameterize", lambda m, s: m + torch.randn_like(s) * (0.5 * s).exp(), t(32, 64), t(32, 64)),
]
