"""Programs of photography: raw sensors, white balance, tone curves, sharpening, compression, panoramas, grain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, Programs, integers, randn


def _photo(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(shape, device="cuda", dtype=dtype)


def _bayer(pattern: str = "rggb") -> Callable[..., Any]:
    """Half a picture from a raw sensor: the two greens are averaged."""
    places = {"r": pattern.index("r"), "b": pattern.index("b")}
    greens = [at for at, letter in enumerate(pattern) if letter == "g"]

    def run(raw: torch.Tensor) -> torch.Tensor:
        corners = [raw[:, at // 2 :: 2, at % 2 :: 2] for at in range(4)]
        green = (corners[greens[0]] + corners[greens[1]]) * 0.5
        return torch.stack([corners[places["r"]], green, corners[places["b"]]], 1)

    return run


def _black_level(black: float = 64.0, white: float = 1023.0) -> Callable[..., Any]:
    return lambda raw: ((raw.float() - black) / (white - black)).clamp(0, 1).sqrt()


def _gray_world(power: int = 1, keep_green: bool = True) -> Callable[..., Any]:
    """A white balance that makes the mean of each channel that of green."""

    def run(x: torch.Tensor) -> torch.Tensor:
        level = x.mean((2, 3), keepdim=True) if power == 1 else x.pow(power).mean((2, 3), keepdim=True).pow(1 / power)
        target = level[:, 1:2] if keep_green else level.mean(1, keepdim=True)
        return x * (target / level)

    return run


def _white_patch(x: torch.Tensor) -> torch.Tensor:
    level = x.amax((2, 3), keepdim=True)
    return x * (level[:, 1:2] / level)


def _tone(white: float = 4.0, kind: str = "extended") -> Callable[..., Any]:
    """Reinhard's tone curve on the luminance."""

    def run(x: torch.Tensor) -> torch.Tensor:
        light = 0.2126 * x[:, 0] + 0.7152 * x[:, 1] + 0.0722 * x[:, 2]
        top = light * (1 + light / white**2) if kind == "extended" else light
        return x * (top / (1 + light) / (light + 1e-6))[:, None]

    return run


def _srgb(cut: float = 0.0031308, strict: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        low = x < cut if strict else x <= cut
        return torch.where(low, x * 12.92, 1.055 * x.clamp(min=1e-8).pow(1 / 2.4) - 0.055)

    return run


def _unsharp(amount: float = 0.6, pooled: bool = False, border: str = "reflect") -> Callable[..., Any]:
    """A picture and what a blur takes from it."""

    def run(x: torch.Tensor) -> torch.Tensor:
        wide = F.pad(x, (1, 1, 1, 1), mode=border) if border != "zero" else F.pad(x, (1, 1, 1, 1))
        if pooled:
            return x + amount * (x - F.max_pool2d(wide, 3, 1))
        return x + amount * (x - F.avg_pool2d(wide, 3, 1))

    return run


def _median(rows: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        parts = [x[:, :, at : at + x.shape[2] - 4] if rows else x[..., at : at + x.shape[3] - 4] for at in range(5)]
        return torch.stack(parts, -1).sort(-1).values[..., 2]

    return run


def _haar(norm: float = 0.5, packed: bool = False) -> Callable[..., Any]:
    """One level of Haar's wavelets."""

    def run(x: torch.Tensor) -> Any:
        a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
        low, high = (a + b + c + d) * norm, ((a - b + c - d) * norm, (a + b - c - d) * norm, (a - b - c + d) * norm)
        return torch.cat([low, *high], 1) if packed else (low, *high)

    return run


def _dct(step: float = 16.0, back: bool = True) -> Callable[..., Any]:
    """Coefficients of blocks of eight, rounded and transformed back."""

    def run(x: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        blocks = x.unflatten(1, (-1, 8)).unflatten(3, (-1, 8)).transpose(2, 3)
        waves = base @ blocks @ base.t()
        waves = (waves / step).round() * step
        return base.t() @ waves @ base if back else waves

    return run


def _subtracted(soft: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, dark: torch.Tensor) -> torch.Tensor:
        return F.softplus(x - dark) if soft else (x - dark).relu()

    return run


def _grain(amount: float = 0.05, by_light: bool = True, normal: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        noise = torch.randn_like(x) if normal else torch.rand_like(x) - 0.5
        return (x + amount * noise * (x.sqrt() if by_light else 1.0)).clamp(0, 1)

    return run


def _phase(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The shift between two frames, by their spectra."""
    a, b = torch.fft.rfft2(x), torch.fft.rfft2(y)
    both = a * b.conj()
    return torch.fft.irfft2(both / (both.abs() + 1e-9)).flatten(1).argmax(-1)


def _phase_plain(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    a, b = torch.fft.rfft2(x), torch.fft.rfft2(y)
    return torch.fft.irfft2(a * b.conj()).flatten(1).argmax(-1)


def _vignette(fall: float = 2.0) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        rows = torch.linspace(-1, 1, x.shape[-2], device=x.device)[:, None]
        columns = torch.linspace(-1, 1, x.shape[-1], device=x.device)
        return x * (1 / (1 + fall * (rows * rows + columns * columns))).square()

    return run


def _levels(low: float = 0.01, high: float = 0.99) -> Callable[..., Any]:
    """Contrast between two quantiles of each picture."""

    def run(x: torch.Tensor) -> torch.Tensor:
        values = x.flatten(1).sort(-1).values
        bottom, top = values[:, int(low * values.shape[1])], values[:, int(high * values.shape[1])]
        return (x - bottom[:, None, None]) / (top - bottom)[:, None, None]

    return run


def _stack_of(kind: str = "mean", by: int = 0) -> Callable[..., Any]:
    """Many exposures in one."""

    def run(x: torch.Tensor) -> torch.Tensor:
        if kind == "clipped":
            middle, spread = x.mean(by, keepdim=True), x.std(by, keepdim=True)
            fits = (x - middle).abs() < 2 * spread
            return (x * fits).sum(by) / fits.sum(by).clamp(min=1)
        return x.mean(by) if kind == "mean" else x.logsumexp(by)

    return run


def _lookup(wide: bool = False) -> Callable[..., Any]:
    """A curve of 256 levels that each value goes through."""

    def run(x: torch.Tensor, curve: torch.Tensor) -> torch.Tensor:
        at = (x * 255).round().clamp(0, 255).long()
        return curve[at + 1] if wide else curve[at]

    return run


def _lookup_between(x: torch.Tensor, curve: torch.Tensor) -> torch.Tensor:
    at = (x * 255).clamp(0, 254)
    low = at.floor().long()
    return torch.lerp(curve[low], curve[low + 1], at - low)


def _thumb(factor: int = 4, kind: str = "area") -> Callable[..., Any]:
    return lambda x: F.avg_pool2d(x, factor) * 255 if kind == "area" else x[..., ::factor, ::factor] * 255


def _hue(turn: float = 0.5) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        top, low = x.amax(1), x.amin(1)
        red, green, blue = x.unbind(1)
        hue = torch.where(top == red, (green - blue) / (top - low + 1e-6), 2 + (blue - red) / (top - low + 1e-6))
        return torch.stack([torch.remainder(hue / 6 + turn, 1.0), (top - low) / (top + 1e-6), top], 1)

    return run


PROGRAMS: Programs = {
    "bayer": lambda: (_bayer(), (_photo(4, 64, 80),)),
    "bayer_other": lambda: (_bayer("bggr"), (_photo(4, 64, 80),)),
    "black_level": lambda: (_black_level(), (integers(1023, 4, 60, 80, dtype=torch.int16),)),
    "black_level_wide": lambda: (_black_level(white=4095.0), (integers(1023, 4, 60, 80, dtype=torch.int16),)),
    "black_level_bytes": lambda: (_black_level(), (integers(255, 4, 60, 80, dtype=torch.uint8),)),
    "gray_world": lambda: (_gray_world(), (_photo(4, 3, 60, 70),)),
    "gray_world_shades": lambda: (_gray_world(6), (_photo(4, 3, 60, 70),)),
    "gray_world_all": lambda: (_gray_world(keep_green=False), (_photo(4, 3, 60, 70),)),
    "white_patch": lambda: (_white_patch, (_photo(4, 3, 60, 70),)),
    "gray_world_last": lambda: (_gray_world(), (_photo(4, 60, 70, 3).permute(0, 3, 1, 2),)),
    "tone": lambda: (_tone(), (_photo(4, 3, 60, 70),)),
    "tone_bright": lambda: (_tone(white=8.0), (_photo(4, 3, 60, 70),)),
    "tone_simple": lambda: (_tone(kind="simple"), (_photo(4, 3, 60, 70),)),
    "tone_half": lambda: (_tone(), (_photo(4, 3, 60, 70, dtype=BF16),)),
    "srgb": lambda: (_srgb(), (_photo(3, 1000),)),
    "srgb_old": lambda: (_srgb(cut=0.04045), (_photo(3, 1000),)),
    "srgb_strict": lambda: (_srgb(strict=True), (_photo(3, 1000),)),
    "unsharp": lambda: (_unsharp(), (_photo(2, 3, 40, 50),)),
    "unsharp_more": lambda: (_unsharp(1.2), (_photo(2, 3, 40, 50),)),
    "unsharp_top": lambda: (_unsharp(pooled=True), (_photo(2, 3, 40, 50),)),
    "unsharp_zero": lambda: (_unsharp(border="zero"), (_photo(2, 3, 40, 50),)),
    "unsharp_last": lambda: (_unsharp(), (_photo(2, 40, 50, 3).permute(0, 3, 1, 2),)),
    "median": lambda: (_median(), (_photo(2, 3, 40, 50),)),
    "median_rows": lambda: (_median(rows=True), (_photo(2, 3, 40, 50),)),
    "haar": lambda: (_haar(), (_photo(2, 3, 40, 48),)),
    "haar_quarter": lambda: (_haar(0.25), (_photo(2, 3, 40, 48),)),
    "haar_packed": lambda: (_haar(packed=True), (_photo(2, 3, 40, 48),)),
    "dct": lambda: (_dct(), (_photo(2, 32, 48), randn(8, 8))),
    "dct_fine": lambda: (_dct(4.0), (_photo(2, 32, 48), randn(8, 8))),
    "dct_only": lambda: (_dct(back=False), (_photo(2, 32, 48), randn(8, 8))),
    "dark": lambda: (_subtracted(), (_photo(8, 60, 70), _photo(60, 70))),
    "dark_each": lambda: (_subtracted(), (_photo(8, 60, 70), _photo(8, 60, 70))),
    "dark_soft": lambda: (_subtracted(soft=True), (_photo(8, 60, 70), _photo(60, 70))),
    "grain": lambda: (_grain(), (_photo(3, 60, 70),)),
    "grain_even": lambda: (_grain(by_light=False), (_photo(3, 60, 70),)),
    "grain_uniform": lambda: (_grain(normal=False), (_photo(3, 60, 70),)),
    "grain_strong": lambda: (_grain(0.2), (_photo(3, 60, 70),)),
    "phase": lambda: (_phase, (_photo(2, 32, 40), _photo(2, 32, 40))),
    "phase_plain": lambda: (_phase_plain, (_photo(2, 32, 40), _photo(2, 32, 40))),
    "vignette": lambda: (_vignette(), (_photo(3, 48, 64),)),
    "vignette_weak": lambda: (_vignette(0.7), (_photo(3, 48, 64),)),
    "vignette_large": lambda: (_vignette(), (_photo(3, 96, 64),)),
    "vignette_dynamic": lambda: (_vignette(), (_photo(3, 48, 64),), {"dynamic": True}),
    "levels": lambda: (_levels(), (_photo(4, 16, 16),)),
    "levels_wide": lambda: (_levels(low=0.05), (_photo(4, 16, 16),)),
    "exposures": lambda: (_stack_of(), (_photo(12, 60, 70),)),
    "exposures_log": lambda: (_stack_of("log"), (_photo(12, 60, 70),)),
    "exposures_clipped": lambda: (_stack_of("clipped"), (_photo(12, 60, 70),)),
    "exposures_many": lambda: (_stack_of(), (_photo(90, 60, 70),)),
    "exposures_last": lambda: (_stack_of(by=2), (_photo(12, 60, 70),)),
    "lookup": lambda: (_lookup(), (_photo(3, 60, 70), _photo(256))),
    "lookup_shifted": lambda: (_lookup(wide=True), (_photo(3, 60, 70), _photo(257))),
    "lookup_between": lambda: (_lookup_between, (_photo(3, 60, 70), _photo(256))),
    "thumb": lambda: (_thumb(), (_photo(2, 3, 64, 80),)),
    "thumb_eighth": lambda: (_thumb(8), (_photo(2, 3, 64, 80),)),
    "thumb_nearest": lambda: (_thumb(kind="nearest"), (_photo(2, 3, 64, 80),)),
    "hue": lambda: (_hue(), (_photo(2, 3, 40, 50),)),
    "hue_third": lambda: (_hue(1 / 3), (_photo(2, 3, 40, 50),)),
}  # fmt: skip
