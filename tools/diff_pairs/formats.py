"""Programs of number formats: fp8 products, tables of four bits, complex numbers, masks, integer arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, Programs, integers, randn

FP8 = torch.float8_e4m3fn


def _ones(*shape: int) -> torch.Tensor:
    return torch.ones(shape, device="cuda")


def _scaled(rows: bool = False, **options: Any) -> Any:
    """An fp8 product whose left side is quantized before."""

    def run(x: torch.Tensor, w: torch.Tensor, s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        low = (x / s).clamp(-448.0, 448.0).to(FP8)
        return F.silu(torch._scaled_mm(low, w.t(), s, t, **{"out_dtype": BF16, **options}))

    scales = (_ones(96, 1), _ones(1, 128)) if rows else (_ones(1, 1), _ones(1, 1))
    return run, (randn(96, 64, dtype=BF16), randn(128, 64).to(FP8), *scales)


def _requantize(zero: int = 3, low: int = -128, dtype: torch.dtype = torch.int8, early: bool = False) -> Any:
    def run(total: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        value = total.float() * scale
        value = (value + zero).round() if early else value.round() + zero
        return value.clamp(low, low + 255).to(dtype)

    return run, (integers(10000, 120, 72, dtype=torch.int32), randn(72))


def _table(group: int = 64, lowest: bool = True) -> Any:
    """Weights of four bits that are indices into a table, with a scale for each group."""

    def run(packed: torch.Tensor, table: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        low, high = (packed & 15).int(), (packed >> 4).int()
        both = torch.stack((low, high) if lowest else (high, low), -1).reshape(-1, group)
        return (table[both] * scale[:, None]).to(BF16)

    return run, (integers(256, 4096, dtype=torch.uint8), randn(16), randn(8192 // group))


def _rotary(conjugate: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
        number = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
        number = number * (turn.conj() if conjugate else turn) * 1.0
        return torch.view_as_real(number).flatten(-2)

    return run


def _rotary_args() -> Any:
    return randn(2, 30, 4, 16), torch.polar(_ones(30, 1, 8), randn(30, 1, 8))


def _spectrum(norm: str = "backward", power: float = 2.0) -> Callable[..., Any]:
    def run(x: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(x * window, norm=norm)
        return (spectrum.real**2 + spectrum.imag**2 + 1e-9).pow(power / 2).log1p()

    return run


def _overlap(union: bool = True, negated: bool = False) -> Callable[..., Any]:
    def run(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        whole = (a | b) if union else (a ^ b)
        both = (a & ~b) if negated else (a & b)
        return both.sum(-1) / whole.sum(-1).clamp(min=1)

    return run


def _flags(high: int = 400) -> tuple[torch.Tensor, ...]:
    return randn(48, high) > 0, randn(48, high) > 0


def _hash(last: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        x = (x ^ (x >> 13)) * 0x5BD1E995
        x = x ^ (x >> 15)
        return (x * 31 if last else x) & 1023

    return run


def _rounded(nearest: bool = False) -> Callable[..., Any]:
    """Stochastic rounding to bf16."""

    def run(x: torch.Tensor) -> torch.Tensor:
        bits = x.view(torch.int32)
        noise = 0x8000 if nearest else torch.randint(0, 1 << 16, x.shape, device="cuda", dtype=torch.int32)
        return ((bits + noise) & -65536).view(torch.float32).to(BF16)

    return run


PROGRAMS: Programs = {
    "scaled": lambda: _scaled(),
    "scaled_rows": lambda: _scaled(rows=True),
    "scaled_fast": lambda: _scaled(use_fast_accum=True),
    "scaled_float": lambda: _scaled(out_dtype=torch.float32),
    "requantize": lambda: _requantize(),
    "requantize_zero": lambda: _requantize(zero=5),
    "requantize_early": lambda: _requantize(early=True),
    "requantize_unsigned": lambda: _requantize(low=0, dtype=torch.uint8),
    "table": lambda: _table(),
    "table_groups": lambda: _table(group=32),
    "table_high": lambda: _table(lowest=False),
    "rotary": lambda: (_rotary(), _rotary_args()),
    "rotary_back": lambda: (_rotary(conjugate=True), _rotary_args()),
    "spectrum": lambda: (_spectrum(), (randn(20, 256), randn(256))),
    "spectrum_ortho": lambda: (_spectrum(norm="ortho"), (randn(20, 256), randn(256))),
    "spectrum_magnitude": lambda: (_spectrum(power=1.0), (randn(20, 256), randn(256))),
    "spectrum_long": lambda: (_spectrum(), (randn(20, 512), randn(512))),
    "overlap": lambda: (_overlap(), _flags()),
    "overlap_either": lambda: (_overlap(union=False), _flags()),
    "overlap_only": lambda: (_overlap(negated=True), _flags()),
    "overlap_long": lambda: (_overlap(), _flags(5000)),
    "hash": lambda: (_hash(), (integers(10000, 777),)),
    "hash_less": lambda: (_hash(last=False), (integers(10000, 777),)),
    "rounded": lambda: (_rounded(), (randn(64, 100),)),
    "rounded_nearest": lambda: (_rounded(nearest=True), (randn(64, 100),)),
}
