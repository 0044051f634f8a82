"""Programs of small models, in training and in inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from diff_pairs.sides import Programs, randn


class _Layer(nn.Module):
    """A pre-norm transformer layer of width 128."""

    def __init__(self, norm: Callable[..., nn.Module], activation: Callable[..., Any], causal: bool) -> None:
        super().__init__()
        self.activation, self.causal = activation, causal
        self.first, self.second = norm(128, device="cuda"), norm(128, device="cuda")
        self.qkv, self.out = nn.Linear(128, 384, device="cuda"), nn.Linear(128, 128, device="cuda")
        self.up, self.down = nn.Linear(128, 256, device="cuda"), nn.Linear(256, 128, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.first(x)).view(batch, length, 3, 4, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(self.activation(self.up(self.second(x))))


def _transformer(
    norm: Callable[..., nn.Module] = nn.LayerNorm,
    activation: Callable[..., Any] = F.gelu,
    causal: bool = True,
    length: int = 64,
    **options: Any,
) -> Any:
    model = nn.Sequential(_Layer(norm, activation, causal), _Layer(norm, activation, causal))
    return model, (randn(2, length, 128),), options


class _Residual(nn.Module):
    """A block of a ResNet with 32 channels."""

    def __init__(self, dilation: int, eps: float) -> None:
        super().__init__()
        self.one = nn.Conv2d(32, 32, 3, padding=dilation, dilation=dilation, bias=False, device="cuda")
        self.two = nn.Conv2d(32, 32, 3, padding=1, bias=False, device="cuda")
        self.norm_one, self.norm_two = nn.BatchNorm2d(32, eps, device="cuda"), nn.BatchNorm2d(32, eps, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.norm_two(self.two(F.relu(self.norm_one(self.one(x))))))


def _resnet(dilation: int = 1, eps: float = 1e-5) -> Any:
    return _Residual(dilation, eps), (randn(4, 32, 28, 28),), {"backward": True}


class _Diffusion(nn.Module):
    """A block of a U-Net that is told the time step."""

    def __init__(self, groups: int, modulate: bool) -> None:
        super().__init__()
        self.modulate = modulate
        self.norm_in, self.norm_out = (nn.GroupNorm(groups, 32, device="cuda") for _ in range(2))
        self.one, self.two = (nn.Conv2d(32, 32, 3, padding=1, device="cuda") for _ in range(2))
        self.time = nn.Linear(64, 64, device="cuda")

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        scale, shift = self.time(F.silu(t))[:, :, None, None].chunk(2, 1)
        y = self.norm_out(self.one(F.silu(self.norm_in(x))))
        y = y * (scale + 1) + shift if self.modulate else y + shift
        return x + self.two(F.silu(y))


def _diffusion(groups: int = 8, modulate: bool = True, **options: Any) -> Any:
    return _Diffusion(groups, modulate), (randn(2, 32, 16, 16), randn(2, 64)), options


def _lstm(steps: int = 2, peephole: bool = False, act: Callable[..., Any] = torch.tanh) -> Any:
    length = 48

    def run(x: torch.Tensor, h: torch.Tensor, c: torch.Tensor, w: torch.Tensor, u: torch.Tensor) -> Any:
        for step in range(steps):
            i, f, g, o = (x[step] @ w + h @ u).chunk(4, -1)
            c = torch.sigmoid(f + c if peephole else f) * c + torch.sigmoid(i) * act(g)
            h = torch.sigmoid(o) * act(c)
        return h, c

    state = [randn(32, length, grad=True), randn(32, length, grad=True)]
    weights = randn(40, 4 * length, grad=True), randn(length, 4 * length, grad=True)
    return run, (randn(steps, 32, 40), *state, *weights), {"backward": True}


PROGRAMS: Programs = {
    "transformer": lambda: _transformer(),
    "transformer_rms": lambda: _transformer(norm=nn.RMSNorm),
    "transformer_tanh": lambda: _transformer(activation=lambda x: F.gelu(x, approximate="tanh")),
    "transformer_full": lambda: _transformer(causal=False),
    "transformer_train_dynamic": lambda: _transformer(backward=True, dynamic=True),
    "transformer_train": lambda: _transformer(backward=True),
    "resnet": lambda: _resnet(),
    "resnet_dilated": lambda: _resnet(dilation=2),
    "resnet_eps": lambda: _resnet(eps=1e-3),
    "diffusion": lambda: _diffusion(),
    "diffusion_shift": lambda: _diffusion(modulate=False),
    "diffusion_groups": lambda: _diffusion(groups=4),
    "diffusion_train": lambda: _diffusion(backward=True),
    "lstm": lambda: _lstm(),
    "lstm_longer": lambda: _lstm(steps=3),
    "lstm_peephole": lambda: _lstm(peephole=True),
    "lstm_relu": lambda: _lstm(act=torch.relu),
}  # fmt: skip
