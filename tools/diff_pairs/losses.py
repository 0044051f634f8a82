"""Programs of losses, optimizers, and the preparation of data on the GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

# Losses.


def _dice(smooth: float = 1.0, power: bool = False) -> Callable[..., Any]:
    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        p = x.sigmoid()
        both = (p * y).sum((1, 2))
        each = (p.square() + y.square() if power else p + y).sum((1, 2))
        return (1 - (2 * both + smooth) / (each + smooth)).mean()

    return loss


def _capped_entropy(h: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    logits = 30.0 * torch.tanh(h.float() / 30.0)
    each = F.cross_entropy(logits, y, reduction="none")
    return each.mean()


def _margin(angular: bool = True) -> Callable[..., Any]:
    """The loss of ArcFace, or of CosFace, before its cross entropy."""

    def loss(x: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        cosine = (F.normalize(x, dim=1) @ F.normalize(w, dim=1).T).clamp(-1 + 1e-6, 1 - 1e-6)
        harder = (cosine.acos() + 0.5).cos() if angular else cosine - 0.5
        return 64.0 * torch.where(F.one_hot(y, w.shape[0]) > 0, harder, cosine)

    return loss


def _next_words_args() -> tuple[torch.Tensor, ...]:
    return randn(4, 33, 64, grad=True), randn(301, 64, grad=True), integers(301, 4, 33)


# Optimizers.


def _lion(beta: float = 0.99) -> Callable[..., Any]:
    def step(params: Any, grads: Any, moments: Any) -> None:
        for p, g, m in zip(params, grads, moments, strict=True):
            p.mul_(1 - 1e-4 * 0.1).sub_(1e-4 * torch.sign(m * 0.9 + g * 0.1))
            m.lerp_(g, 1 - beta)

    return step


def _three() -> list[torch.Tensor]:
    return [randn(48, 70), randn(70), randn(900)]


def _nadam() -> Any:
    parameters = [randn(*shape, grad=True) for shape in ((32, 48), (48,), (20, 32))]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return torch.optim.NAdam(parameters, lr=1e-3).step, ()


def _eight_bits(round_up: bool = False) -> Callable[..., Any]:
    """Momentum that is kept as int8 with a scale for each block of 128 numbers."""

    def step(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor, scale: torch.Tensor) -> Any:
        moment = (m.view(-1, 128) * scale[:, None]).view_as(g) * 0.9 + g
        p.sub_(0.01 * moment)
        blocks = moment.view(-1, 128)
        scale.copy_(blocks.abs().amax(1) / 127)
        level = blocks / scale[:, None]
        m.copy_((level.ceil() if round_up else level.round()).to(torch.int8).view_as(m))

    return step


def _eight_bits_args() -> tuple[torch.Tensor, ...]:
    return randn(24, 256), randn(24, 256), integers(100, 24, 256, dtype=torch.int8), randn(48)


def _centered(p: torch.Tensor, g: torch.Tensor, v: torch.Tensor) -> None:
    g = g - g.mean(1, keepdim=True)
    v.mul_(0.99).addcmul_(g, g, value=0.01)
    p.addcdiv_(g, v.sqrt() + 1e-8, value=-1e-3)


# Preparing data.


def _mixed_up(x: torch.Tensor, y: torch.Tensor, share: torch.Tensor) -> Any:
    rest = 1 - share
    pictures = x * share[:, None, None] + x.roll(1, 0) * rest[:, None, None]
    return pictures, y * share[:, None] + y.roll(1, 0) * rest[:, None]


def _packed(x: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Rows of a ragged batch, one after the other in `x`, padded to 40."""
    at = torch.arange(40, device=x.device)
    rows = x[(starts[:, None] + at).clamp(max=x.shape[0] - 1)]
    return torch.where((at < lengths[:, None])[..., None], rows, 0.0)


def _standard_columns(x: torch.Tensor) -> torch.Tensor:
    scale = (x - x.mean(0)).abs().mean(0)
    return ((x - x.mean(0)) / (scale + 1e-3)).clamp(-5, 5)


def _windows(hop: int) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        parts = x.unfold(-1, 24, hop)
        return (parts - parts.amin(-1, keepdim=True)) / (parts.amax(-1, keepdim=True) + 1e-6)

    return run


def _bag_of_words(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    counts = torch.zeros(x.shape[0], 500, device=x.device).scatter_add(1, x, torch.ones_like(x, dtype=torch.float32))
    return counts.log1p() * weight


def _bag_of_words_clipped(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    counts = torch.zeros(x.shape[0], 500, device=x.device).scatter(1, x, torch.ones_like(x, dtype=torch.float32))
    return counts.log1p() * weight


def _agc(p: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Adaptive clipping: every row of a gradient is at most a hundredth as long as that of its parameter."""
    most = p.norm(dim=1, keepdim=True).clamp(min=1e-3) * 0.01
    length = g.norm(dim=1, keepdim=True)
    return torch.where(length > most, g * (most / length.clamp(min=1e-6)), g)


PROGRAMS: Programs = {
    "dice": lambda: (_dice(), several(2, 6, 120, 130)),
    "dice_square": lambda: (_dice(power=True), several(2, 6, 120, 130)),
    "dice_smooth": lambda: (_dice(1e-5), several(2, 6, 120, 130)),
    "capped": lambda: (_capped_entropy, (randn(60, 700, dtype=BF16, grad=True), integers(700, 60)), TRAIN),
    "margin": lambda: (_margin(), (randn(40, 64), randn(90, 64), integers(90, 40))),
    "margin_cosine": lambda: (_margin(angular=False), (randn(40, 64), randn(90, 64), integers(90, 40))),
    "bce": lambda: (
        lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w),
        (randn(50, 30, grad=True), randn(50, 30), randn(30)), TRAIN,
    ),
    "bce_weight": lambda: (
        lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, weight=w),
        (randn(50, 30, grad=True), randn(50, 30), randn(30)), TRAIN,
    ),
    "words": lambda: (
        lambda x, w, y: F.cross_entropy(F.linear(x[:, :-1], w).flatten(0, 1), y[:, 1:].flatten()), _next_words_args(),
        TRAIN,
    ),
    "words_skip": lambda: (
        lambda x, w, y: F.cross_entropy(F.linear(x[:, :-2], w).flatten(0, 1), y[:, 2:].flatten()), _next_words_args(),
        TRAIN,
    ),
    "lion": lambda: (_lion(), (_three(), _three(), _three())),
    "lion_beta": lambda: (_lion(0.98), (_three(), _three(), _three())),
    "nadam": lambda: _nadam(),
    "eight": lambda: (_eight_bits(), _eight_bits_args()),
    "eight_up": lambda: (_eight_bits(round_up=True), _eight_bits_args()),
    "centered": lambda: (_centered, several(3, 200, 300)),
    "agc": lambda: (_agc, several(2, 100, 260)),
    "crop": lambda: (
        lambda x: (x[:, :, 2:34, 4:36].float() - 128) / 64, (integers(256, 4, 3, 40, 40, dtype=torch.uint8),),
    ),
    "mixup": lambda: (_mixed_up, (randn(16, 30, 30), randn(16, 10), randn(16))),
    "packed": lambda: (_packed, (randn(500, 48), integers(460, 12), integers(40, 12))),
    "columns": lambda: (_standard_columns, (randn(3000, 40),)),
    "columns_turned": lambda: (_standard_columns, (randn(40, 3000).t(),)),
    "windows": lambda: (_windows(8), (randn(10, 600),)),
    "windows_sparse": lambda: (_windows(12), (randn(10, 600),)),
    "bag": lambda: (_bag_of_words, (integers(500, 20, 80), randn(500))),
    "bag_clipped": lambda: (_bag_of_words_clipped, (integers(500, 20, 80), randn(500))),
}  # fmt: skip
