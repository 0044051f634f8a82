"""Programs of vision, audio and scientific code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _residual(activation: Callable[..., Any], groups: int = 8) -> Callable[..., Any]:
    def block(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> Any:
        h = F.conv2d(activation(F.group_norm(x, groups, scale, bias)), w, padding=1)
        return x + F.conv2d(activation(F.group_norm(h, groups, scale, bias)), v, padding=1)

    return block


def _residual_arguments(grad: bool = True) -> tuple[torch.Tensor, ...]:
    kernels = (randn(32, 32, 3, 3, grad=grad) for _ in range(2))
    return randn(2, 32, 16, 16, grad=grad), *kernels, randn(32, grad=grad), randn(32, grad=grad)


def _stem(pool: Callable[..., Any], eps: float = 1e-5) -> Callable[..., Any]:
    def stem(x: torch.Tensor, w: torch.Tensor, m: torch.Tensor, v: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        h = F.batch_norm(F.conv2d(x, w, stride=2, padding=1), m, v, g, eps=eps)
        return pool(F.relu(h), 3, 2, 1)

    return stem


def _stem_arguments() -> tuple[torch.Tensor, ...]:
    return randn(2, 3, 40, 40), randn(24, 3, 3, 3), randn(24), randn(24), randn(24)


def _laplace(rate: float) -> Callable[..., Any]:
    def step(u: torch.Tensor) -> torch.Tensor:
        near = u.roll(1, 0) + u.roll(-1, 0) + u.roll(1, 1) + u.roll(-1, 1)
        return u + rate * (near - 4 * u)

    return step


def _laplace_diagonal(u: torch.Tensor) -> torch.Tensor:
    near = u.roll(1, 0) + u.roll(-1, 0) + u.roll(1, 1) + u.roll(-1, 1)
    corners = u.roll((1, 1), (0, 1)) + u.roll((-1, -1), (0, 1))
    return u + 0.1 * (near + 0.5 * corners - 5 * u)


def _histogram(bins: int, right: bool = False) -> Callable[..., Any]:
    def count(x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        which = torch.bucketize(x, edges, right=right)
        counts = torch.zeros(bins + 1, device=x.device).scatter_add(0, which, torch.ones_like(x))
        return counts / counts.sum()

    return count


def _nearest(order: int) -> Callable[..., Any]:
    def distance(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        apart = x[:, None] - y[None]
        d = apart.abs().sum(-1) if order == 1 else apart.square().sum(-1).sqrt()
        return d, d.argmin(1)

    return distance


def _overlap(a: torch.Tensor, b: torch.Tensor, whole: float = 0.0) -> torch.Tensor:
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    w, h = (high - low + whole).clamp(min=0).unbind(-1)
    areas = [(t[:, 2] - t[:, 0] + whole) * (t[:, 3] - t[:, 1] + whole) for t in (a, b)]
    return w * h / (areas[0][:, None] + areas[1][None] - w * h)


def _suppress(limit: float, soft: bool = False) -> Callable[..., Any]:
    def decay(boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        iou = _overlap(boxes, boxes).triu(diagonal=1)
        if soft:
            return scores * torch.exp(-iou.square() / limit).amin(0)
        return scores * (iou.amax(0) < limit)

    return decay


def _warp(padding: str) -> Callable[..., Any]:
    def sample(x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        return F.grid_sample(x, grid, padding_mode=padding, align_corners=False)

    return sample


def _spectrogram(wave: torch.Tensor, window: torch.Tensor, basis: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
    re, im = ((wave.unfold(-1, 128, 64) * window) @ basis).chunk(2, -1)
    energy = re.square() + im.square()
    return (energy @ bank).clamp(min=1e-5).log()


def _spectrogram_arguments() -> tuple[torch.Tensor, ...]:
    return randn(2, 2048), randn(128), randn(128, 128), randn(64, 40)


def _companded(mu: int) -> Callable[..., Any]:
    def encode(wave: torch.Tensor) -> torch.Tensor:
        loud = wave.sign() * torch.log1p(mu * wave.abs()) / torch.log1p(torch.tensor(float(mu)))
        return ((loud + 1) / 2 * mu + 0.5).to(torch.int64)

    return encode


def _focal(gamma: float, alpha: float = 0.25) -> Callable[..., Any]:
    def loss(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        p = x.sigmoid()
        entropy = F.binary_cross_entropy_with_logits(x, target, reduction="none")
        right = p * target + (1 - p) * (1 - target)
        weight = alpha * target + (1 - alpha) * (1 - target)
        return (weight * entropy * (1 - right) ** gamma).mean()

    return loss


def _similar(window: int, stable: float = 1e-4) -> Callable[..., Any]:
    def ssim(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        mx, my = F.avg_pool2d(x, window, 1), F.avg_pool2d(y, window, 1)
        vx = F.avg_pool2d(x * x, window, 1) - mx * mx
        vy = F.avg_pool2d(y * y, window, 1) - my * my
        both = F.avg_pool2d(x * y, window, 1) - mx * my
        s = (2 * mx * my + stable) * (2 * both + 9e-4) / ((mx * mx + my * my + stable) * (vx + vy + 9e-4))
        return 1 - s.mean()

    return ssim


def _gravity(soft: float, alone: bool = False) -> Callable[..., Any]:
    def force(p: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        apart = p[None] - p[:, None]
        near = (apart.square().sum(-1) + soft).rsqrt() ** 3
        if alone:
            near = near.masked_fill(torch.eye(p.shape[0], dtype=torch.bool, device=p.device), 0.0)
        return (apart * (near * m[None])[..., None]).sum(1)

    return force


def _quantized(dim: int, rounded: Callable[..., Any] = torch.round) -> Callable[..., Any]:
    def quantize(w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = w.abs().amax(dim, keepdim=True) / 127.0
        return rounded(w / scale).clamp(-128, 127).to(torch.int8), scale

    return quantize


def _excite(gate: Callable[..., Any], pooled: Callable[..., Any] | None = None) -> Callable[..., Any]:
    def block(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        s = pooled(x, (2, 3)) if pooled else x.mean((2, 3))
        return x * gate(F.relu(s @ w) @ v)[:, :, None, None]

    return block


def _merge(swap: bool = False, mode: str = "nearest") -> Callable[..., Any]:
    def up(x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        wide = F.interpolate(F.silu(x), scale_factor=2, mode=mode)
        return torch.cat([wide, skip] if swap else [skip, wide], 1).relu()

    return up


def _two_heads(window: int) -> Callable[..., Any]:
    def heads(x: torch.Tensor, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return F.max_pool2d(x, window, 2), F.log_softmax(logits, -1)

    return heads


def _mixer(x: torch.Tensor, g: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """One ConvNeXt block on channels that are last already, without its depthwise convolution."""
    return x + F.gelu(F.layer_norm(x, (96,), g) @ w) @ v


def _average(decay: float) -> Callable[..., Any]:
    def average(shadow: list[torch.Tensor], model: list[torch.Tensor]) -> None:
        torch._foreach_lerp_(shadow, model, 1 - decay)

    return average


def _cached(cache: torch.Tensor, new: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    cache.index_copy_(2, at, new)
    return cache.float().mean(2)


def _cached_put(cache: torch.Tensor, new: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    cache[:, :, at] = new
    return cache.float().mean(2)


def _clusters(reduce: str) -> Callable[..., Any]:
    def pooled(points: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        start = torch.zeros(50, points.shape[1], device=points.device)
        return start.scatter_reduce(0, which[:, None].expand_as(points), points.relu(), reduce).tanh()

    return pooled


def _gray(weights: tuple[float, ...], norm: float = 255.0) -> Callable[..., Any]:
    def luma(image: torch.Tensor) -> torch.Tensor:
        w = torch.tensor(weights, device=image.device)
        return ((image.float() / norm).permute(0, 3, 1, 2) * w[:, None, None]).sum(1)

    return luma


def _edges(x: torch.Tensor) -> torch.Tensor:
    gx = x[:, 2:, 2:] - x[:, 2:, :-2] + 2 * (x[:, 1:-1, 2:] - x[:, 1:-1, :-2])
    gy = x[:, 2:, 2:] - x[:, :-2, 2:] + 2 * (x[:, 2:, 1:-1] - x[:, :-2, 1:-1])
    return torch.hypot(gx, gy)


def _bag() -> tuple[torch.Tensor, ...]:
    return randn(500, 32), integers(500, 60), integers(60, 10)


def _picture(*shape: int) -> torch.Tensor:
    return randn(*shape).to(memory_format=torch.channels_last)


PROGRAMS: Programs = {
    "res": lambda: (_residual(F.silu), _residual_arguments(), TRAIN),
    "res_relu": lambda: (_residual(F.relu), _residual_arguments(), TRAIN),
    "res_infer": lambda: (_residual(F.silu), _residual_arguments(grad=False)),
    "res_groups": lambda: (_residual(F.silu, 16), _residual_arguments(grad=False)),
    "stem": lambda: (_stem(F.max_pool2d), _stem_arguments()),
    "stem_average": lambda: (_stem(F.avg_pool2d), _stem_arguments()),
    "stem_eps": lambda: (_stem(F.max_pool2d, 1e-3), _stem_arguments()),
    "instance": lambda: (lambda x: F.leaky_relu(F.instance_norm(x), 0.2), (randn(4, 12, 60, 60),)),
    "instance_last": lambda: (lambda x: F.leaky_relu(F.instance_norm(x), 0.2), (_picture(4, 12, 60, 60),)),
    "instance_steep": lambda: (lambda x: F.leaky_relu(F.instance_norm(x, eps=1e-3), 0.1), (_picture(4, 12, 60, 60),)),
    "laplace": lambda: (_laplace(0.1), (randn(120, 200),)),
    "laplace_slow": lambda: (_laplace(0.05), (randn(120, 200),)),
    "laplace_double": lambda: (_laplace(0.1), (randn(120, 200, dtype=torch.float64),)),
    "laplace_diagonal": lambda: (_laplace_diagonal, (randn(120, 200),)),
    "histogram": lambda: (_histogram(32), (randn(5000), randn(32))),
    "histogram_fine": lambda: (_histogram(64), (randn(5000), randn(64))),
    "histogram_right": lambda: (_histogram(32, right=True), (randn(5000), randn(32))),
    "nearest": lambda: (_nearest(2), (randn(80, 3), randn(90, 3))),
    "nearest_city": lambda: (_nearest(1), (randn(80, 3), randn(90, 3))),
    "boxes": lambda: (_overlap, (randn(70, 4), randn(50, 4))),
    "boxes_pixels": lambda: (lambda a, b: _overlap(a, b, 1.0), (randn(70, 4), randn(50, 4))),
    "suppress": lambda: (_suppress(0.5), (randn(100, 4), randn(100))),
    "suppress_soft": lambda: (_suppress(0.5, soft=True), (randn(100, 4), randn(100))),
    "warp": lambda: (_warp("zeros"), (randn(2, 3, 24, 24), randn(2, 20, 20, 2))),
    "warp_border": lambda: (_warp("border"), (randn(2, 3, 24, 24), randn(2, 20, 20, 2))),
    "spectrogram": lambda: (_spectrogram, _spectrogram_arguments()),
    "spectrogram_half": lambda: (_spectrogram, tuple(t.bfloat16() for t in _spectrogram_arguments())),
    "companded": lambda: (_companded(255), (randn(3, 900),)),
    "companded_coarse": lambda: (_companded(127), (randn(3, 900),)),
    "focal": lambda: (_focal(2.0), (randn(64, 40, grad=True), randn(64, 40)), TRAIN),
    "focal_soft": lambda: (_focal(1.5), (randn(64, 40, grad=True), randn(64, 40)), TRAIN),
    "focal_alpha": lambda: (_focal(2.0, 0.4), (randn(64, 40, grad=True), randn(64, 40)), TRAIN),
    "similar": lambda: (_similar(3), several(2, 2, 1, 40, 40)),
    "similar_stable": lambda: (_similar(3, 1e-3), several(2, 2, 1, 40, 40)),
    "similar_wide": lambda: (_similar(7), several(2, 2, 1, 40, 40)),
    "gravity": lambda: (_gravity(1e-3), (randn(150, 3), randn(150))),
    "gravity_alone": lambda: (_gravity(1e-3, alone=True), (randn(150, 3), randn(150))),
    "quantized": lambda: (_quantized(1), (randn(96, 300),)),
    "quantized_down": lambda: (_quantized(1, torch.floor), (randn(96, 300),)),
    "excite": lambda: (_excite(torch.sigmoid), (randn(4, 32, 28, 28), randn(32, 8), randn(8, 32))),
    "excite_hard": lambda: (_excite(F.hardsigmoid), (randn(4, 32, 28, 28), randn(32, 8), randn(8, 32))),
    "excite_max": lambda: (_excite(torch.sigmoid, torch.amax), (randn(4, 32, 28, 28), randn(32, 8), randn(8, 32))),
    "excite_train": lambda: (
        _excite(torch.sigmoid), (randn(4, 32, 28, 28, grad=True), randn(32, 8, grad=True), randn(8, 32, grad=True)),
        TRAIN,
    ),
    "merge": lambda: (_merge(), (randn(2, 8, 12, 12), randn(2, 8, 24, 24))),
    "merge_swap": lambda: (_merge(swap=True), (randn(2, 8, 12, 12), randn(2, 8, 24, 24))),
    "merge_bicubic": lambda: (_merge(mode="bicubic"), (randn(2, 8, 12, 12), randn(2, 8, 24, 24))),
    "heads": lambda: (_two_heads(3), (randn(2, 8, 33, 33), randn(64, 600))),
    "heads_small": lambda: (_two_heads(2), (randn(2, 8, 33, 33), randn(64, 600))),
    "mixer_half": lambda: (
        _mixer, tuple(randn(*s, dtype=torch.float16) for s in ((2048, 96), (96,), (96, 384), (384, 96))),
    ),
    "classify": lambda: (
        lambda x, w, b: F.softmax(F.linear(F.relu(x), w, b), -1).amax(0),
        (randn(394, 770, dtype=torch.float16), randn(1001, 770, dtype=torch.float16), randn(1001, dtype=torch.float16)),
    ),
    "to_last": lambda: (
        lambda x, m: (x - m[:, None, None]).permute(0, 2, 3, 1).contiguous(), (randn(4, 48, 30, 30), randn(48)),
    ),
    "shadow": lambda: (_average(0.999), tuple([randn(300), randn(40, 50), randn(777)] for _ in range(2))),
    "shadow_fast": lambda: (_average(0.99), tuple([randn(300), randn(40, 50), randn(777)] for _ in range(2))),
    "cached": lambda: (_cached, (randn(2, 4, 64, 32, dtype=BF16), randn(2, 4, 3, 32, dtype=BF16), integers(64, 3))),
    "cached_put": lambda: (
        _cached_put, (randn(2, 4, 64, 32, dtype=BF16), randn(2, 4, 3, 32, dtype=BF16), integers(64, 3)),
    ),
    "clusters": lambda: (_clusters("sum"), (randn(400, 24), integers(50, 400))),
    "clusters_max": lambda: (_clusters("amax"), (randn(400, 24), integers(50, 400))),
    "bags": lambda: (lambda w, i, o: F.embedding_bag(i, w, o, mode="sum").relu(), _bag()),
    "bags_mean": lambda: (lambda w, i, o: F.embedding_bag(i, w, o, mode="mean").relu(), _bag()),
    "gray": lambda: (_gray((0.299, 0.587, 0.114)), (integers(256, 2, 36, 36, 3, dtype=torch.uint8),)),
    "gray_signed": lambda: (_gray((0.299, 0.587, 0.114), 127.5), (integers(256, 2, 36, 36, 3, dtype=torch.uint8),)),
    "edges": lambda: (_edges, (randn(3, 50, 50),)),
    "pyramid": lambda: (lambda x: [F.avg_pool2d(x, s).tanh() for s in (2, 4, 8)], (randn(2, 6, 32, 32),)),
    "project": lambda: (
        lambda x, w: F.conv2d(x, w).sigmoid(), (_picture(2, 64, 16, 16).half(), randn(128, 64, 1, 1).half()),
    ),
    "shuffled": lambda: (lambda x: F.pixel_shuffle(x, 2).relu(), (randn(2, 16, 20, 20),)),
    "covariance": lambda: (
        lambda x: (x - x.mean(1, keepdim=True)).square().sum((0, 2)) / 99.0, (randn(256, 20, 4000),),
    ),
    "median": lambda: (lambda x: x.unfold(-1, 9, 1).sort(-1).values[..., 4] - x[:, 4:-4], (randn(8, 200),)),
}  # fmt: skip
