"""Building blocks of larger models, written out in plain torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .case import Built, bf16, both, i, infer, t, train


class Attention(nn.Module):
    """Grouped-query attention with rotary embeddings."""

    def __init__(self, width=256, heads=8, kv_heads=2):
        super().__init__()
        self.heads, self.kv_heads, self.dim = heads, kv_heads, width // heads
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * self.dim, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x, cos, sin):
        b, n, w = x.shape
        q, k, v = self.qkv(x).view(b, n, -1, self.dim).split([self.heads, self.kv_heads, self.kv_heads], 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        q, k, v = (y.transpose(1, 2) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out(y.transpose(1, 2).reshape(b, n, w))


def rotate(x, cos, sin):
    a, b = x.float().chunk(2, -1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(x.dtype)


class Experts(nn.Module):
    """A mixture of experts, dense: every expert sees every token, weighted."""

    def __init__(self, width=64, inner=128, experts=4):
        super().__init__()
        self.router = nn.Linear(width, experts, bias=False)
        self.up = nn.Parameter(torch.randn(experts, width, inner))
        self.down = nn.Parameter(torch.randn(experts, inner, width))

    def forward(self, x):
        weights, chosen = self.router(x).softmax(-1).topk(2, -1)
        gates = torch.zeros(x.shape[0], self.up.shape[0], dtype=x.dtype, device=x.device).scatter(1, chosen, weights)
        y = F.silu(torch.einsum("tw,ewi->eti", x, self.up))
        return torch.einsum("eti,eiw,te->tw", y, self.down, gates)


def dispatch(x, scores, w):
    """Tokens sorted by expert, a grouped product, and back."""
    weight, expert = scores.softmax(-1).max(-1)
    order = expert.argsort(stable=True)
    ends = torch.bincount(expert, minlength=4).cumsum(0).to(torch.int32)
    y = torch._grouped_mm(x[order], w, offs=ends)
    return torch.zeros_like(y).index_copy(0, order, y) * weight[:, None].to(y.dtype)


class Residual(nn.Module):
    """A residual block of a convolutional network."""

    def __init__(self, channels=32, stride=1):
        super().__init__()
        self.a, self.b = (
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
        )
        self.na, self.nb = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.skip = nn.Conv2d(channels, channels, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.nb(self.b(F.relu(self.na(self.a(x))))) + self.skip(x))


def state_space(x, decay, b, c):
    """A selective state space, as a scan over time."""
    state, out = torch.zeros_like(x[:, 0, :, None] * b[:, 0, None]), []
    for n in range(x.shape[1]):
        state = state * decay[:, n, :, None].sigmoid() + x[:, n, :, None] * b[:, n, None]
        out.append((state * c[:, n, None]).sum(-1))
    return torch.stack(out, 1)


def linear_attention(q, k, v):
    q, k = F.elu(q) + 1, F.elu(k) + 1
    return torch.einsum("bnd,bde->bne", q, torch.einsum("bnd,bne->bde", k, v)) / (q * k.sum(1, keepdim=True)).sum(
        -1, keepdim=True
    )


def lora(x, w, a, b):
    return F.linear(x, w) + F.linear(F.linear(F.dropout(x, 0.1), a), b) * 2


def modulate(x, shift, scale):
    return F.layer_norm(x, (x.shape[-1],)) * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


def timesteps(n):
    frequencies = torch.exp(-9.2 * torch.arange(32, device=n.device) / 32)
    angles = n[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


ANGLES = (t(64, 16), t(64, 16))
ATTENTION = Built(lambda: Attention().to(torch.bfloat16))
CASES = [
    infer("attention", ATTENTION, bf16(2, 64, 256), *ANGLES),
    infer("dispatch", dispatch, bf16(64, 32), bf16(64, 4), bf16(4, 32, 64)),
    infer("timesteps", timesteps, i(8, below=1000)),
    *both("residual_eval", Built(lambda: Residual().eval()), t(2, 32, 16, 16)),
    infer("greedy_step", lambda x, w: (x[:, -1] @ w).float().argmax(-1), bf16(2, 16, 64), bf16(64, 1000)),
    train("attention_train", ATTENTION, bf16(2, 64, 256), *ANGLES),
    train("experts", Built(Experts), t(32, 64)),
    train("dispatch_train", dispatch, bf16(64, 32), bf16(64, 4), bf16(4, 32, 64)),
    train("residual", Built(Residual), t(2, 32, 16, 16)),
    train("residual_stride_bf16", Built(lambda: Residual(stride=2).to(torch.bfloat16)), bf16(2, 32, 16, 16)),
    train("state_space", state_space, t(2, 6, 16), t(2, 6, 16), t(2, 6, 8), t(2, 6, 8)),
    train("linear_attention", linear_attention, t(4, 64, 32), t(4, 64, 32), t(4, 64, 32)),
    train("lora", lora, bf16(32, 128), bf16(64, 128), bf16(8, 128), bf16(64, 8)),
    train("modulate", modulate, bf16(2, 64, 256), bf16(2, 256), bf16(2, 256)),
]
