"""Programs of parts of nets: latent keys, branches that are concatenated, odd widths, gates, pyramids."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn

# Language.


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    one, two = x.chunk(2, -1)
    return torch.cat([one * cos - two * sin, two * cos + one * sin], -1)


def _latent_keys(eps: float = 1e-6, early: bool = False) -> Callable[..., Any]:
    """Keys of latent attention: a part that is normalized, and one that is turned and shared by the heads."""

    def run(kv: torch.Tensor, w: torch.Tensor, up: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        latent, shared = kv.split([96, 32], -1)
        scale = torch.rsqrt(latent.float().square().mean(-1, keepdim=True) + eps)
        latent = latent * scale.to(latent.dtype) * w if early else (latent.float() * scale).to(latent.dtype) * w
        heads = (latent @ up).unflatten(-1, (4, 64)).transpose(1, 2)
        turned = _turned(shared[:, None], cos, sin).expand(-1, 4, -1, -1)
        return torch.cat([heads, turned], -1)

    return run


def _latent_args() -> tuple[torch.Tensor, ...]:
    return randn(2, 80, 128, dtype=BF16), *(randn(*s, dtype=BF16) for s in ((96,), (96, 256), (80, 16), (80, 16)))


def _relative_buckets(limit: int = 128) -> Callable[..., Any]:
    """The bias of T5 for each distance, looked up by bucket and added to scores."""

    def run(scores: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        at = torch.arange(scores.shape[-1], device=scores.device)
        apart = at[None, :] - at[:, None]
        side = (apart > 0).long() * 16
        near = apart.abs()
        far = 8 + (torch.log(near.float() / 8) / math.log(limit / 8) * 8).long()
        bucket = side + torch.where(near < 8, near, far.clamp(max=15))
        return (scores + F.embedding(bucket, table).permute(2, 0, 1)).softmax(-1)

    return run


def _sinusoids(period: float = 10000.0, swap: bool = False) -> Callable[..., Any]:
    """What a diffusion model makes of a time step: sines and cosines, and two layers."""

    def run(t: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        rate = torch.exp(-math.log(period) * torch.arange(64, device=t.device) / 64)
        angle = t[:, None].float() * rate
        waves = torch.cat([angle.cos(), angle.sin()] if swap else [angle.sin(), angle.cos()], -1)
        return F.silu(waves @ w) @ v

    return run


def _conditioned(x: torch.Tensor, c: torch.Tensor, w: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> Any:
    """The half of a diffusion transformer's block with the feed-forward layer; shift, scale and gate from `c`."""
    shift, scale, gate = (F.silu(c) @ w)[:, None].chunk(3, -1)
    h = F.layer_norm(x, (x.shape[-1],), eps=1e-6) * (1 + scale) + shift
    return x + gate * (F.gelu(h @ up, approximate="tanh") @ down)


def _conditioned_erf(x: torch.Tensor, c: torch.Tensor, w: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> Any:
    shift, scale, gate = (F.silu(c) @ w)[:, None].chunk(3, -1)
    h = F.layer_norm(x, (x.shape[-1],), eps=1e-6) * (1 + scale) + shift
    return x + gate * (F.gelu(h @ up) @ down)


def _conditioned_after(x: torch.Tensor, c: torch.Tensor, w: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> Any:
    """The residual is what was modulated, not the block's input."""
    shift, scale, gate = (F.silu(c) @ w)[:, None].chunk(3, -1)
    h = F.layer_norm(x, (x.shape[-1],), eps=1e-6) * (1 + scale) + shift
    return h + gate * (F.gelu(h @ up, approximate="tanh") @ down)


def _conditioned_args(width: int = 160, dtype: torch.dtype = torch.float32, grad: bool = False) -> Any:
    sizes = ((4, 50, width), (4, width), (width, 3 * width), (width, 2 * width), (2 * width, width))
    return tuple(randn(*size, dtype=dtype, grad=grad) for size in sizes)


def _state_gates(kernel: int = 4, softplus: bool = True) -> Callable[..., Any]:
    """What comes before the scan of a state space layer: a short causal convolution, and the step sizes."""

    def run(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, dt: torch.Tensor, a: torch.Tensor) -> Any:
        h = F.silu(F.conv1d(F.pad(x, (kernel - 1, 0)), w, b, groups=x.shape[1]))
        step = F.softplus(h.transpose(1, 2) @ dt) if softplus else (h.transpose(1, 2) @ dt).exp()
        return torch.exp(step[..., None] * -a.exp()), step * h.transpose(1, 2)

    return run


def _state_args(kernel: int = 4, grad: bool = False) -> tuple[torch.Tensor, ...]:
    sizes = ((2, 48, 90), (48, 1, kernel), (48,), (48, 48), (48, 8))
    return tuple(randn(*size, grad=grad) for size in sizes)


def _weight_normed(x: torch.Tensor, v: torch.Tensor, g: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    w = g[:, None] * v / v.norm(dim=1, keepdim=True)
    return F.elu(F.linear(x, w, b))


def _weight_centred(x: torch.Tensor, v: torch.Tensor, g: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    v = v - v.mean(1, keepdim=True)
    w = g[:, None] * v / v.norm(dim=1, keepdim=True)
    return F.elu(F.linear(x, w, b))


def _normed_args() -> tuple[torch.Tensor, ...]:
    return tuple(randn(*s, grad=True) for s in ((60, 250), (130, 250), (130,), (130,)))


def _power_step(w: torch.Tensor, u: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Spectral norm: one step of power iteration, then the layer with the weight that it scales."""
    with torch.no_grad():
        v = F.normalize(w.t() @ u, dim=0)
        u.copy_(F.normalize(w @ v, dim=0))
    return F.leaky_relu(F.linear(x, w / (u @ w @ v)), 0.2)


def _mixed_tokens(length: int = 1) -> Callable[..., Any]:
    """RWKV's mixing of each token with the one before, squared relu, and a gate."""

    def run(x: torch.Tensor, mix: torch.Tensor, k: torch.Tensor, r: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        before = F.pad(x, (0, 0, length, -length))
        keys = F.relu((x * mix + before * (1 - mix)) @ k).square()
        return torch.sigmoid((x * (1 - mix) + before * mix) @ r) * (keys @ v)

    return run


def _mixed_args(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    return tuple(randn(*s, dtype=dtype) for s in ((3, 70, 96), (96,), (96, 384), (96, 96), (384, 96)))


def _long_gate(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A chain of activations that three heads read."""
    h = F.softplus(x * y) * torch.tanh(F.silu(x) + F.gelu(y)) + torch.sin(x) * torch.cos(y) * torch.exp(-x.abs())
    return F.softmax(h, -1), h.amax(0), h.t() * 2.0


def _voted(gate: torch.Tensor, *outputs: torch.Tensor) -> torch.Tensor:
    """The sum of what experts computed before, by their gates, and its norm."""
    weights = gate.softmax(-1)
    total = outputs[0].relu() * weights[:, :1]
    for n in range(1, len(outputs)):
        total = total + outputs[n].relu() * weights[:, n : n + 1]
    return F.layer_norm(total, (total.shape[-1],))


# Pictures.


def _inception(x: torch.Tensor, *kernels: torch.Tensor) -> torch.Tensor:
    """Branches of an Inception block, by channel."""
    one, three, five = kernels
    branches = [
        F.relu(F.conv2d(x, one)), F.relu(F.conv2d(x, three, padding=1)), F.relu(F.conv2d(x, five, padding=2)),
        F.avg_pool2d(x, 3, 1, 1), F.max_pool2d(x, 3, 1, 1),
    ]  # fmt: skip
    return F.hardswish(torch.cat(branches, 1))


def _inception_args() -> tuple[torch.Tensor, ...]:
    return randn(2, 12, 22, 22), *(randn(8, 12, n, n) for n in (1, 3, 5))


def _dense_features(activation: Callable[..., Any] = F.relu) -> Callable[..., Any]:
    """The input of a layer of DenseNet: all features before it, normalized by running statistics."""

    def run(mean: torch.Tensor, var: torch.Tensor, *features: torch.Tensor) -> torch.Tensor:
        h = torch.cat(features, 1)
        return activation((h - mean[:, None, None]) * torch.rsqrt(var[:, None, None] + 1e-5))

    return run


def _dense_args() -> tuple[torch.Tensor, ...]:
    return randn(80), randn(80), *(randn(2, 8, 17, 17) for _ in range(10))


def _normed_features(x: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
    """Features of several layers, each standardized by row, then in one row."""
    parts = [(o - o.mean(1, keepdim=True)).sigmoid() * o.exp() for o in (x, *others)]
    return torch.cat(parts, 1).log1p()


def _response_norm(x: torch.Tensor, g: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The global response norm of ConvNeXt V2."""
    length = x.square().sum((1, 2), keepdim=True).sqrt()
    return x + g * (x * length / (length.mean(-1, keepdim=True) + 1e-6)) + b


def _response_mean(x: torch.Tensor, g: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    length = x.abs().mean((1, 2), keepdim=True)
    return x + g * (x * length / (length.mean(-1, keepdim=True) + 1e-6)) + b


def _response_args() -> tuple[torch.Tensor, ...]:
    return randn(4, 14, 14, 96, grad=True), randn(96, grad=True), randn(96, grad=True)


def _pyramid(top: torch.Tensor, middle: torch.Tensor, bottom: torch.Tensor, *sides: torch.Tensor) -> Any:
    """A feature pyramid: each level is brought to one width, and the level above it is added."""
    high = F.conv2d(top, sides[0])
    mid = F.conv2d(middle, sides[1]) + F.interpolate(high, scale_factor=2.0)
    low = F.conv2d(bottom, sides[2]) + F.interpolate(mid, scale_factor=2.0)
    return F.relu(high), F.relu(mid), F.relu(low)


def _pyramid_args() -> tuple[torch.Tensor, ...]:
    maps = (randn(2, 64, 8, 8), randn(2, 32, 16, 16), randn(2, 16, 32, 32))
    return *maps, randn(24, 64, 1, 1), randn(24, 32, 1, 1), randn(24, 16, 1, 1)


def _separable(relu: Callable[..., Any] = F.relu6) -> Callable[..., Any]:
    """Two depthwise-separable layers with batch norm in evaluation."""

    def run(x: torch.Tensor, d: torch.Tensor, p: torch.Tensor, m: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        h = x
        for _ in range(2):
            h = F.conv2d(h, d, padding=1, groups=32)
            h = relu(F.batch_norm(F.conv2d(h, p), m, v))
        return h.mean((2, 3))

    return run


def _separable_args(grad: bool = False) -> tuple[torch.Tensor, ...]:
    sizes = ((4, 32, 24, 24), (32, 1, 3, 3), (32, 32, 1, 1))
    return *(randn(*s, grad=grad) for s in sizes), randn(32), randn(32).abs()


def _class_token(x: torch.Tensor, token: torch.Tensor, place: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Tokens of a vision transformer: the class token in front, places, and the first norm."""
    tokens = torch.cat([token.expand(x.shape[0], -1, -1), x.flatten(2).transpose(1, 2)], 1) + place
    return F.layer_norm(tokens, (tokens.shape[-1],), g)


def _class_last(x: torch.Tensor, token: torch.Tensor, place: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    tokens = torch.cat([x.flatten(2).transpose(1, 2), token.expand(x.shape[0], -1, -1)], 1) + place
    return F.layer_norm(tokens, (tokens.shape[-1],), g)


def _class_args(grad: bool = False) -> tuple[torch.Tensor, ...]:
    return tuple(randn(*s, grad=grad) for s in ((3, 120, 7, 7), (1, 1, 120), (50, 120), (120,)))


# Scores over odd widths.


def _retrieval(scale: float = 20.0) -> Callable[..., Any]:
    def run(q: torch.Tensor, d: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        scores = F.normalize(q @ w, dim=-1) @ d.t() * scale
        return scores.log_softmax(-1).exp() @ d

    return run


def _retrieval_args(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    return randn(70, 190, dtype=dtype), randn(1333, 150, dtype=dtype), randn(190, 150, dtype=dtype)


def _vocabulary(h: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-likelihood of given words and entropy of the distribution, as reinforcement learning asks for them."""
    logits = (h @ w.t()).float()
    logp = logits.log_softmax(-1)
    return logp.gather(-1, y[:, None]).squeeze(-1), -(logp.exp() * logp).sum(-1)


def _vocabulary_cold(h: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = (h @ w.t()).float() / 0.7
    logp = logits.log_softmax(-1)
    return logp.gather(-1, y[:, None]).squeeze(-1), -(logp.exp() * logp).sum(-1)


def _vocabulary_args(grad: bool = False) -> tuple[torch.Tensor, ...]:
    return randn(48, 128, dtype=BF16, grad=grad), randn(2003, 128, dtype=BF16, grad=grad), integers(2003, 48)


def _columns_softmax(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Slot attention: over the slots, then normalized over the inputs."""
    a = (x @ w).softmax(-1) + 1e-8
    return (a / a.sum(1, keepdim=True)).mT @ x


def _variances(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Statistics of activations, by channel and by sample."""
    return torch.var_mean(x, (0, 2)), x.std((1, 2))


def _whitened(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, keepdim=True) + 1e-4)


PROGRAMS: Programs = {
    "latent": lambda: (_latent_keys(), _latent_args(), {}),
    "latent_eps": lambda: (_latent_keys(1e-5), _latent_args(), {}),
    "latent_early": lambda: (_latent_keys(early=True), _latent_args(), {}),
    "buckets": lambda: (_relative_buckets(), (randn(6, 90, 90), randn(32, 6)), {}),
    "buckets_far": lambda: (_relative_buckets(256), (randn(6, 90, 90), randn(32, 6)), {}),
    "time": lambda: (_sinusoids(), (integers(1000, 24), randn(128, 192), randn(192, 192)), {}),
    "time_swapped": lambda: (_sinusoids(swap=True), (integers(1000, 24), randn(128, 192), randn(192, 192)), {}),
    "time_short": lambda: (_sinusoids(100.0), (integers(1000, 24), randn(128, 192), randn(192, 192)), {}),
    "conditioned": lambda: (_conditioned, _conditioned_args(), {}),
    "conditioned_erf_bf16": lambda: (_conditioned_erf, _conditioned_args(dtype=BF16), {}),
    "conditioned_bf16": lambda: (_conditioned, _conditioned_args(dtype=BF16), {}),
    "conditioned_after": lambda: (_conditioned_after, _conditioned_args(), {}),
    "conditioned_after_half": lambda: (_conditioned_after, _conditioned_args(dtype=torch.float16), {}),
    "conditioned_train": lambda: (_conditioned, _conditioned_args(grad=True), TRAIN),
    "conditioned_odd": lambda: (_conditioned, _conditioned_args(525), {}),
    "state": lambda: (_state_gates(), _state_args(), {}),
    "state_wide": lambda: (_state_gates(5), _state_args(5), {}),
    "state_exp": lambda: (_state_gates(softplus=False), _state_args(), {}),
    "state_train": lambda: (_state_gates(), _state_args(grad=True), TRAIN),
    "weight_normed": lambda: (_weight_normed, _normed_args(), TRAIN),
    "weight_centred": lambda: (_weight_centred, _normed_args(), TRAIN),
    "power": lambda: (_power_step, (randn(200, 150), randn(200), randn(40, 150)), {}),
    "mixed": lambda: (_mixed_tokens(), _mixed_args(), {}),
    "mixed_two": lambda: (_mixed_tokens(2), _mixed_args(), {}),
    "mixed_bf16": lambda: (_mixed_tokens(), _mixed_args(dtype=BF16), {}),
    "long_gate": lambda: (_long_gate, (randn(120, 200), randn(120, 200)), {}),
    "voted": lambda: (_voted, (randn(64, 9), *(randn(64, 256) for _ in range(9))), {}),
    "inception": lambda: (_inception, _inception_args(), {}),
    "dense": lambda: (_dense_features(), _dense_args(), {}),
    "dense_silu": lambda: (_dense_features(F.silu), _dense_args(), {}),
    "normed_features": lambda: (_normed_features, tuple(randn(60, 200 + 40 * n) for n in range(3)), {}),
    "response": lambda: (_response_norm, _response_args(), TRAIN),
    "response_mean": lambda: (_response_mean, _response_args(), TRAIN),
    "pyramid": lambda: (_pyramid, _pyramid_args(), {}),
    "separable": lambda: (_separable(), _separable_args(), {}),
    "separable_hard": lambda: (_separable(F.hardswish), _separable_args(), {}),
    "separable_train": lambda: (_separable(), _separable_args(grad=True), TRAIN),
    "class_token": lambda: (_class_token, _class_args(), {}),
    "class_last": lambda: (_class_last, _class_args(), {}),
    "class_train": lambda: (_class_token, _class_args(grad=True), TRAIN),
    "retrieval": lambda: (_retrieval(), _retrieval_args(), {}),
    "retrieval_cold": lambda: (_retrieval(50.0), _retrieval_args(), {}),
    "retrieval_half": lambda: (_retrieval(), _retrieval_args(torch.float16), {}),
    "vocabulary": lambda: (_vocabulary, _vocabulary_args(), {}),
    "vocabulary_cold": lambda: (_vocabulary_cold, _vocabulary_args(), {}),
    "vocabulary_train": lambda: (_vocabulary, _vocabulary_args(grad=True), TRAIN),
    "slots": lambda: (_columns_softmax, (randn(5, 300, 64), randn(64, 7)), {}),
    "variances": lambda: (_variances, (randn(32, 24, 200, dtype=BF16),), {}),
    "whitened": lambda: (_whitened, (randn(100, 6000, dtype=BF16),), {}),
}  # fmt: skip
