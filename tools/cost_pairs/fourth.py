"""The fourth set of pairs, first part of its programs: pointwise functions, images, signals, scans, losses, optimizers.

Like those of the third set they are scored once, before anything is learned from them. They are programs of other
users: none of them, nor one that is like it but for its sizes, is in an earlier set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from cost_pairs.sides import BF16, F16, F64, LAST, Programs, bf16, integers, randn, several

_N = 1 << 24


def _images(*shape: int) -> torch.Tensor:
    return integers(256, *(shape or (32, 3, 512, 512)), dtype=torch.uint8)


def _map(op: Callable[..., Any], inputs: int = 1, size: int = _N, dtype: Any = torch.float32) -> Any:
    return op, several(inputs, size, dtype=dtype)


def _mu_law(x: Any) -> Any:
    y = x.sign() * torch.log1p(255 * x.abs()) / 5.545
    return ((y + 1) * 127.5).to(torch.uint8)


def _linear_code(x: Any) -> Any:
    return ((x + 1) * 127.5).to(torch.uint8)


def _srgb(x: Any) -> Any:
    x = x.clamp(0, 1)
    return torch.where(x < 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _hue(x: Any) -> Any:
    r, g, b = x.unbind(1)
    top, low = x.amax(1), x.amin(1)
    span = top - low + 1e-6
    hue = torch.where(top == r, (g - b) / span, torch.where(top == g, (b - r) / span + 2, (r - g) / span + 4))
    return torch.stack((hue / 6, span / (top + 1e-6), top), 1)


def _geodesic(a: Any, b: Any, c: Any, d: Any) -> Any:
    h = ((c - a) / 2).sin() ** 2 + a.cos() * c.cos() * ((d - b) / 2).sin() ** 2
    return 2 * 6371 * h.clamp(0, 1).sqrt().asin()


def _black_scholes(s: Any, k: Any, t: Any) -> Any:
    t = t.abs() + 0.1
    d = ((s.abs() + 1) / (k.abs() + 1)).log() / t.sqrt() + 0.5 * t.sqrt()
    return s * torch.special.ndtr(d) - k * torch.special.ndtr(d - t.sqrt())


def _quaternions(a: Any, b: Any) -> Any:
    w, x, y, z = a.unbind(-1)
    p, q, r, s = b.unbind(-1)
    return torch.stack((w * p - x * q - y * r - z * s, w * q + x * p + y * s - z * r,
                        w * r - x * s + y * p + z * q, w * s + x * r - y * q + z * p), -1)  # fmt: skip


def _fir(taps: int, step: int = 1) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        last = x.shape[-1] - (taps - 1) * step
        return sum(x[..., tap * step : tap * step + last] * (0.1 + tap) for tap in range(taps))

    return run


def _lags(x: Any) -> Any:
    return torch.stack([(x[:, : x.shape[1] - lag] * x[:, lag:]).sum(-1) for lag in range(1, 5)], -1)


def _frames(x: Any, window: Any) -> Any:
    return x.unfold(-1, 1024, 256) * window


def _local_variance(x: Any) -> Any:
    mean = F.avg_pool2d(x, 7, 1, 3)
    return F.avg_pool2d(x * x, 7, 1, 3) - mean * mean


def _total_variation(x: Any) -> Any:
    return (x[..., 1:, :] - x[..., :-1, :]).abs().mean() + (x[..., 1:] - x[..., :-1]).abs().mean()


def _patches(x: Any) -> Any:
    batch, channels, height, width = x.shape
    x = x.view(batch, channels, height // 16, 16, width // 16, 16)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, 256 * channels)


def _patches_of_channels(x: Any) -> Any:
    batch, channels, height, width = x.shape
    x = x.view(batch, channels, height // 16, 16, width // 16, 16)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, 256 * channels)


def _prepared(x: Any, mean: Any, std: Any) -> Any:
    return ((x[:, :, 16:496, 16:496].float() / 255 - mean) / std).bfloat16()


def _prepared_flipped(x: Any, mean: Any, std: Any) -> Any:
    return _prepared(x, mean, std).flip(-1)


def _skip(x: Any, y: Any) -> Any:
    return torch.cat((F.interpolate(x, scale_factor=2.0), y), 1).relu()


def _pyramid(x: Any, y: Any) -> Any:
    return (F.interpolate(x, scale_factor=2.0) + y).relu()


def _selective(x: Any, a: Any) -> Any:
    total = (-a.abs() * 0.01).cumsum(-1)
    return total.exp() * (x * (-total).exp()).cumsum(-1)


def _segment_softmax(x: Any, i: Any) -> Any:
    top = x.new_full((65536,), -1e9).scatter_reduce(0, i, x, "amax")
    y = (x - top[i]).exp()
    return y / x.new_zeros(65536).scatter_add(0, i, y)[i]


def _segment_mean(x: Any, i: Any) -> Any:
    total = x.new_zeros(65536).scatter_add(0, i, x)
    return x - (total / x.new_zeros(65536).scatter_add(0, i, torch.ones_like(x)).clamp(min=1))[i]


def _counted(x: Any) -> Any:
    bins = ((x + 4) * 32).long().clamp(0, 255)
    return torch.zeros(256, device="cuda").scatter_add(0, bins, torch.ones_like(x))


def _counted_dense(x: Any) -> Any:
    bins = ((x + 4) * 2).long().clamp(0, 15)
    return (bins[:, None] == torch.arange(16, device="cuda")).sum(0)


def _smoothed(x: Any, y: Any) -> Any:
    return F.cross_entropy(x, y, label_smoothing=0.1)


def _capped(x: Any, y: Any) -> Any:
    return F.cross_entropy(30 * torch.tanh(x.float() / 30), y)


def _with_z(x: Any, y: Any) -> Any:
    x = x.float()
    z = x.logsumexp(-1)
    return (z - x.gather(1, y[:, None])[:, 0] + 1e-4 * z * z).mean()


def _log_probability(x: Any, y: Any) -> Any:
    return x.float().log_softmax(-1).gather(1, y[:, None])[:, 0]


def _entropy(x: Any) -> Any:
    logs = x.float().log_softmax(-1)
    return -(logs.exp() * logs).sum(-1)


def _clipped_ratio(new: Any, old: Any, gain: Any) -> Any:
    ratio = (new - old).exp()
    return -torch.minimum(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()


def _dice(x: Any, y: Any) -> Any:
    x = x.sigmoid()
    return 1 - (2 * (x * y).sum((2, 3)) + 1) / (x.sum((2, 3)) + y.sum((2, 3)) + 1)


def _adam_of_bf16(p: Any, g: Any, m: Any, v: Any) -> Any:
    g = g.float()
    m, v = torch.lerp(m, g, 0.1), torch.lerp(v, g * g, 0.001)
    return (p.float() * 0.999 - 1e-3 * (m / 0.19) / ((v / 0.002).sqrt() + 1e-8)).bfloat16(), m, v


def _adagrad(p: Any, g: Any, v: Any) -> Any:
    v = v + g * g
    return p - 1e-2 * g / (v.sqrt() + 1e-10), v


def _rmsprop(p: Any, g: Any, v: Any) -> Any:
    v = v * 0.99 + g * g * 0.01
    return p - 1e-2 * g / (v.sqrt() + 1e-8), v


def _nesterov(p: Any, g: Any, m: Any) -> Any:
    m = m * 0.9 + g
    return p - 1e-2 * (g + 0.9 * m), m


def _small_state(p: Any, g: Any, state: Any, scale: Any) -> Any:
    m = state.float().view(-1, 256) * scale * 0.9 + g.view(-1, 256) * 0.1
    scale = m.abs().amax(-1, keepdim=True) / 127
    return p - 1e-3 * m.view(-1).sign(), (m / scale).round().to(torch.int8).view(-1), scale


def _newton_schulz(steps: int) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        x = x / (x.norm() + 1e-7)
        for _ in range(steps):
            a = x @ x.mT
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        return x

    return run


def _unscaled(*grads: Any) -> Any:
    bad = torch.stack([(~g.isfinite()).any() for g in grads]).any()
    return [*(g * 0.001 for g in grads), bad]


def _averages(*tensors: Any) -> Any:
    half = len(tensors) // 2
    return [torch.lerp(a, b, 0.001) for a, b in zip(tensors[:half], tensors[half:], strict=True)]


PROGRAMS: Programs = {
    # functions of elements
    "fourth_mu_law": lambda: _map(_mu_law),
    "fourth_linear_code": lambda: _map(_linear_code),
    "fourth_geodesic": lambda: _map(_geodesic, 4),
    "fourth_geodesic_f64": lambda: _map(_geodesic, 4, _N // 4, F64),
    "fourth_black_scholes": lambda: _map(_black_scholes, 3),
    "fourth_sum_of_four": lambda: _map((lambda a, b, c, d: a + b + c + d), 4),
    "fourth_sum_in_twos": lambda: _map((lambda a, b, c, d: (a + b) + (c + d)), 4),
    "fourth_weighted_four": lambda: _map((lambda a, b, c, d: a * 0.1 + b * 0.2 + c * 0.3 + d * 0.4), 4),
    "fourth_sum_upcast": lambda: (
        (lambda a, b, c, d: a + b + c + d), (*several(2, _N), *several(2, _N, dtype=BF16))),
    "fourth_leaky": lambda: _map(lambda x: F.leaky_relu(x * 1.1, 0.2)),
    "fourth_relu6": lambda: _map(lambda x: F.relu6(x * 1.1)),
    "fourth_log_sigmoid": lambda: _map(lambda x: F.logsigmoid(x * 1.1)),
    "fourth_quick_gelu": lambda: _map(lambda x: x * torch.sigmoid(1.702 * x), dtype=BF16),
    "fourth_tanh_gelu": lambda: _map(lambda x: F.gelu(x, approximate="tanh"), dtype=BF16),
    "fourth_tanh_gelu_f16": lambda: _map(lambda x: F.gelu(x, approximate="tanh"), dtype=F16),
    "fourth_quaternions": lambda: (_quaternions, several(2, _N // 4, 4)),
    "fourth_rows_of_four": lambda: (
        (lambda a, b: a * b.sum(-1, keepdim=True)), several(2, _N // 4, 4)),
    "fourth_calendar": lambda: (
        (lambda i: torch.stack((i // 86400, i // 3600 % 24, i // 60 % 60, i % 60))), (integers(1 << 31, _N // 2),)),
    "fourth_hours": lambda: (
        (lambda i: torch.stack((i >> 16, i >> 12 & 15, i >> 6 & 63, i & 63))), (integers(1 << 31, _N // 2),)),
    "fourth_step_where": lambda: _map(lambda x: torch.where(x > 0, x.exp(), x.sin())),
    "fourth_step_mask": lambda: _map(lambda x: (x > 0) * x),
    "fourth_median_of_three": lambda: (
        (lambda x: torch.minimum(torch.maximum(x[:-2], x[1:-1]), x[2:])), (randn(_N + 2),)),
    # layouts
    "fourth_interleave": lambda: (
        (lambda a, b: torch.stack((a, b), 2).view(4096, -1)), several(2, 4096, 2048)),
    "fourth_append": lambda: ((lambda a, b: torch.cat((a, b), 1)), several(2, 4096, 2048)),
    "fourth_twelve_cats": lambda: (
        (lambda *xs: torch.cat([x.tanh() for x in xs], 1)), tuple(randn(4096, 256 + 32 * i) for i in range(12))),
    "fourth_six_cats": lambda: (
        (lambda *xs: torch.cat([x.tanh() for x in xs], 1)), tuple(randn(4096, 512 + 64 * i) for i in range(6))),
    "fourth_history": lambda: (
        (lambda x: torch.stack([x[:, step : step + 1024] for step in range(10)], 1) * 2), (randn(2048, 1040),)),
    "fourth_tanh_each": lambda: (
        (lambda *xs: [x.tanh() for x in xs]), tuple(randn(4096, 512 + 64 * i) for i in range(6))),
    "fourth_symmetric": lambda: ((lambda x: (x + x.mT) * 0.5), (randn(16, 1024, 1024),)),
    "fourth_antisymmetric": lambda: ((lambda x: (x - x.mT) * 0.5), (randn(16, 1024, 1024),)),
    "fourth_own_half": lambda: ((lambda x: (x + x) * 0.5), (randn(16, 1024, 1024),)),
    "fourth_rotate_image": lambda: ((lambda x: x.rot90(1, (2, 3)) * 2), (randn(16, 3, 512, 512),)),
    "fourth_turn_image": lambda: ((lambda x: x.rot90(2, (2, 3)) * 2), (randn(16, 3, 512, 512),)),
    "fourth_outer_three": lambda: (
        (lambda a, b, c: a[:, None, None] * b[None, :, None] + c), (randn(256), randn(256), randn(256))),
    "fourth_grid": lambda: (
        (lambda a, b, c: a * b + c), (randn(256, 256, 256), randn(256, 1, 256), randn(1, 1, 256))),
    "fourth_odd_rows": lambda: ((lambda x, y: x[:, :1001] + y), (randn(16384, 1003), randn(1001))),
    "fourth_even_rows": lambda: ((lambda x, y: x[:, :1024] + y), (randn(16384, 1056), randn(1024))),
    # images
    "fourth_prepared": lambda: (_prepared, (_images(), randn(3, 1, 1), randn(3, 1, 1))),
    "fourth_prepared_flipped": lambda: (_prepared_flipped, (_images(), randn(3, 1, 1), randn(3, 1, 1))),
    "fourth_srgb": lambda: (_srgb, (randn(32, 3, 512, 512),)),
    "fourth_gain": lambda: ((lambda x: x.clamp(0, 1) * 1.1), (randn(32, 3, 512, 512),)),
    "fourth_hue": lambda: (_hue, (randn(32, 3, 512, 512).sigmoid(),)),
    "fourth_grey": lambda: ((lambda x, w: (x * w).sum(1)), (randn(32, 3, 512, 512), randn(3, 1, 1))),
    "fourth_grey_last": lambda: (
        (lambda x, w: (x * w).sum(1)), (randn(32, 3, 512, 512).to(**LAST), randn(3, 1, 1))),
    "fourth_local_variance": lambda: (_local_variance, (randn(8, 16, 256, 256),)),
    "fourth_local_mean": lambda: ((lambda x: F.avg_pool2d(x, 7, 1, 3)), (randn(8, 16, 256, 256),)),
    "fourth_local_top": lambda: ((lambda x: F.max_pool2d(x, 5, 1, 2)), (randn(8, 16, 256, 256),)),
    "fourth_local_top_3": lambda: ((lambda x: F.max_pool2d(x, 3, 1, 1)), (randn(8, 16, 256, 256),)),
    "fourth_top_places": lambda: (
        (lambda x: F.max_pool2d(x, 2, return_indices=True)), (randn(16, 64, 128, 128),)),
    "fourth_tops": lambda: ((lambda x: F.max_pool2d(x, 2)), (randn(16, 64, 128, 128),)),
    "fourth_pool_3d": lambda: ((lambda x: F.avg_pool3d(x, 2)), (randn(4, 16, 64, 128, 128),)),
    "fourth_total_variation": lambda: (_total_variation, (randn(16, 3, 512, 512),)),
    "fourth_patches": lambda: (_patches, (bf16(128, 3, 224, 224),)),
    "fourth_patches_of_channels": lambda: (_patches_of_channels, (bf16(128, 3, 224, 224),)),
    "fourth_skip": lambda: (_skip, (bf16(8, 128, 64, 64), bf16(8, 64, 128, 128))),
    "fourth_pyramid": lambda: (_pyramid, (bf16(8, 128, 64, 64), bf16(8, 128, 128, 128))),
    "fourth_sampled": lambda: (
        (lambda x, g: F.grid_sample(x, g, align_corners=False)),
        (randn(8, 16, 256, 256), randn(8, 256, 256, 2).tanh())),
    "fourth_sampled_nearest": lambda: (
        (lambda x, g: F.grid_sample(x, g, mode="nearest", align_corners=False)),
        (randn(8, 16, 256, 256), randn(8, 256, 256, 2).tanh())),
    "fourth_halved": lambda: (
        (lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=True)),
        (randn(32, 16, 256, 256),)),
    "fourth_halved_nearest": lambda: ((lambda x: F.interpolate(x, scale_factor=0.5)), (randn(32, 16, 256, 256),)),
    "fourth_resized": lambda: (
        (lambda x: F.interpolate(x, size=(300, 300), mode="bilinear")), (randn(32, 16, 224, 224),)),
    "fourth_edge_pad": lambda: ((lambda x: F.pad(x, (4, 4, 4, 4), mode="replicate") * 2), (randn(16, 16, 256, 256),)),
    "fourth_zero_pad": lambda: ((lambda x: F.pad(x, (4, 4, 4, 4)) * 2), (randn(16, 16, 256, 256),)),
    "fourth_one_pad": lambda: ((lambda x: F.pad(x, (4, 4, 4, 4), value=1.0) * 2), (randn(16, 16, 256, 256),)),
    # signals
    "fourth_fir_5": lambda: (_fir(5), (randn(64, 1 << 18),)),
    "fourth_fir_24": lambda: (_fir(24), (randn(64, 1 << 18),)),
    "fourth_fir_5_dilated": lambda: (_fir(5, 64), (randn(64, 1 << 18),)),
    "fourth_lags": lambda: (_lags, (randn(512, 16384),)),
    "fourth_energy": lambda: ((lambda x: (x * x).sum(-1)), (randn(512, 16384),)),
    "fourth_frames": lambda: (_frames, (randn(64, 65536), randn(1024))),
    "fourth_mel": lambda: (
        (lambda x, w: (x.square() @ w + 1e-6).log()), (randn(65536, 512), randn(512, 80))),
    "fourth_envelope": lambda: ((lambda x: F.max_pool1d(x.abs(), 64, 64)), (randn(64, 1, 1 << 18),)),
    # scans, segments, counts
    "fourth_scan_middle": lambda: ((lambda x: x.cumsum(1)), (randn(64, 1024, 128),)),
    "fourth_scan_last": lambda: ((lambda x: x.cumsum(2)), (randn(64, 128, 1024),)),
    "fourth_running_mean": lambda: (
        (lambda x: x.cumsum(-1) / torch.arange(1, 1025, device="cuda")), (randn(8192, 1024),)),
    "fourth_from_the_end": lambda: ((lambda x: x.flip(-1).cumsum(-1).flip(-1)), (randn(8192, 1024),)),
    "fourth_selective": lambda: (_selective, several(2, 8192, 1024)),
    "fourth_segment_softmax": lambda: (_segment_softmax, (randn(1 << 22), integers(65536, 1 << 22))),
    "fourth_segment_mean": lambda: (_segment_mean, (randn(1 << 22), integers(65536, 1 << 22))),
    "fourth_counted": lambda: (_counted, (randn(1 << 22),)),
    "fourth_counted_dense": lambda: (_counted_dense, (randn(1 << 22),)),
    "fourth_counted_below": lambda: (
        (lambda x, edges: (x[:, None] < edges).sum(0)), (randn(1 << 22), torch.linspace(-3, 3, 16, device="cuda"))),
    "fourth_found": lambda: (
        (lambda edges, x: torch.searchsorted(edges, x)), (torch.linspace(-3, 3, 65536, device="cuda"), randn(1 << 22))),
    "fourth_looked_up": lambda: ((lambda t, i: t[i] * 2), (randn(16), integers(16, _N, dtype=torch.int32))),
    "fourth_looked_up_wide": lambda: (
        (lambda t, i: t[i] * 2), (randn(1 << 24), integers(1 << 24, _N, dtype=torch.int32))),
    # losses
    "fourth_smoothed": lambda: (_smoothed, (bf16(8192, 16384), integers(16384, 8192))),
    "fourth_capped": lambda: (_capped, (bf16(8192, 16384), integers(16384, 8192))),
    "fourth_with_z": lambda: (_with_z, (bf16(8192, 16384), integers(16384, 8192))),
    "fourth_log_probability": lambda: (_log_probability, (bf16(8192, 16384), integers(16384, 8192))),
    "fourth_entropy": lambda: (_entropy, (bf16(8192, 16384),)),
    "fourth_clipped_ratio": lambda: (_clipped_ratio, several(3, 4096, 2048)),
    "fourth_hinge": lambda: ((lambda x, y, w: (F.relu(1 - x * y) * w).mean()), several(3, 4096, 2048)),
    "fourth_dice": lambda: (_dice, (randn(16, 8, 256, 256), randn(16, 8, 256, 256))),
    "fourth_smooth_l1": lambda: ((lambda x, y: F.smooth_l1_loss(x, y)), several(2, 4096, 4096)),
    "fourth_gaussian": lambda: (
        (lambda x, y, v: (0.5 * ((x - y) ** 2 * (-v).exp() + v)).mean()), several(3, 4096, 2048)),
    # optimizers
    "fourth_adam_of_bf16": lambda: (
        _adam_of_bf16, (bf16(1 << 24), bf16(1 << 24), randn(1 << 24), randn(1 << 24).abs())),
    "fourth_adam_of_f32": lambda: (_adam_of_bf16, (*several(3, 1 << 24), randn(1 << 24).abs())),
    "fourth_adagrad": lambda: (_adagrad, several(3, 1 << 24)),
    "fourth_rmsprop": lambda: (_rmsprop, several(3, 1 << 24)),
    "fourth_nesterov": lambda: (_nesterov, several(3, 1 << 24)),
    "fourth_small_state": lambda: (
        _small_state, (*several(2, 1 << 24), integers(100, 1 << 24, dtype=torch.int8), randn(1 << 16, 1))),
    "fourth_newton_schulz_2": lambda: (_newton_schulz(2), (bf16(1024, 4096),)),
    "fourth_newton_schulz_5": lambda: (_newton_schulz(5), (bf16(1024, 4096),)),
    "fourth_unscaled": lambda: (_unscaled, several(8, 1024, 1024)),
    "fourth_averages": lambda: (_averages, tuple(randn(256 + 64 * (i % 8), 1024) for i in range(16))),
}  # fmt: skip
