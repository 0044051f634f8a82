"""Programs of music: clippers, oscillators, echoes, mixes, chords, pitches, scores with attention, dither."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch.nn.attention.flex_attention import flex_attention

from diff_pairs.flex_parts import causal, mask, qkv
from diff_pairs.sides import Programs, randn

# ruff: noqa: N803


@triton.jit
def _clip(x, gain, out, size, BLOCK: tl.constexpr, LIMIT: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    loud = tl.load(x + at, inside) * tl.load(gain)
    tl.store(out + at, loud / (LIMIT + tl.abs(loud)), inside)


@triton.jit
def _clip_hard(x, gain, out, size, BLOCK: tl.constexpr, LIMIT: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    loud = tl.load(x + at, inside) * tl.load(gain)
    tl.store(out + at, tl.minimum(tl.maximum(loud, -LIMIT), LIMIT), inside)


@triton.jit
def _clip_once(x, gain, out, size, BLOCK: tl.constexpr, LIMIT: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    loud = tl.load(x + at, inside, eviction_policy="evict_first") * tl.load(gain)
    tl.store(out + at, loud / (LIMIT + tl.abs(loud)), inside)


@triton.jit
def _clip_back(x, gain, out, size, BLOCK: tl.constexpr, LIMIT: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    loud = tl.load(x + at, inside) * tl.load(gain)
    tl.store(out + size - 1 - at, loud / (LIMIT + tl.abs(loud)), inside)


def _clipped(kernel: Any = _clip, block: int = 256, limit: float = 1.0, after: Any = torch.sin) -> Any:
    def run(x: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        kernel[(triton.cdiv(4000, block),)](x, gain, out, 4000, BLOCK=block, LIMIT=limit)
        return after(out) * 0.5

    return run, (randn(4000), randn(1))


def _tone(depth: float = 2.0, wave: str = "sine") -> Callable[..., Any]:
    """A carrier whose phase another oscillator moves."""

    def run(time: torch.Tensor, pitch: torch.Tensor) -> torch.Tensor:
        turn = 6.2831853 * pitch[:, None] * time
        moved = turn + depth * torch.sin(2 * turn)
        return torch.sin(moved) if wave == "sine" else torch.asin(torch.sin(moved)) * 0.6366

    return run


def _echo(late: int = 300, gain: float = 0.5) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        back = F.pad(x[..., :-late], (late, 0))
        return (x + gain * back) / (1 + gain)

    return run


def _mix(soft: str = "tanh", by: str = "sum") -> Callable[..., Any]:
    """Stems, each with a loudness, on two channels."""

    def run(stems: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        mixed = (gain.t() @ stems) if by == "product" else (stems[:, None] * gain[..., None]).sum(0)
        return F.hardtanh(mixed) if soft == "hard" else torch.tanh(mixed)

    return run


def _chords(unit: int = 2) -> Callable[..., Any]:
    """The twelve pitches in a spectrum."""

    def run(x: torch.Tensor, window: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        bins = torch.fft.rfft(x.unfold(-1, 256, 128) * window)
        size = bins.real.square() + bins.imag.square()
        strength = torch.log1p(size @ table)
        return F.normalize(strength, p=unit, dim=-1)

    return run


def _pitch(tuning: float = 440.0, snapped: bool = True) -> Callable[..., Any]:
    def run(f: torch.Tensor) -> Any:
        tone = 12 * torch.log2(f.abs() / tuning) + 69
        near = torch.round(tone) if snapped else torch.floor(tone)
        return near.to(torch.int32), (tone - near) * 100

    return run


_HALF = torch.float16
_notes = partial(qkv, queries=512, keys=512, heads=4, batch=1)


def _scored(kind: str = "bias", size: int = 1023) -> Callable[..., Any]:
    """Scores that know how far two notes are apart."""
    table = randn(size)
    kinds: dict[str, Callable[..., Any]] = {
        "bias": lambda s, b, h, q, k: s + table[q - k + 511],
        "times": lambda s, b, h, q, k: s * table[q - k + 511],
        "beat": lambda s, b, h, q, k: torch.where((q - k) % 16 == 0, s + 1.0, s),
        "bar": lambda s, b, h, q, k: torch.where((q - k) % 24 == 0, s + 1.0, s),
    }
    return kinds[kind]


def _attended(**options: Any) -> Callable[..., Any]:
    return lambda q, k, v: flex_attention(q, k, v, **options)


def _bar_mask(bars: int = 64) -> Any:
    return mask(lambda b, h, q, k: (q >= k) & (q // bars == k // bars), 512, 512)


def _dithered(bits: int = 15) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        noise = torch.rand_like(x) - torch.rand_like(x)
        return torch.round(x * 2**bits + noise).clamp(-(2**bits), 2**bits - 1).to(torch.int16)

    return run


PROGRAMS: Programs = {
    "clipped": lambda: _clipped(),
    "clipped_hard": lambda: _clipped(_clip_hard),
    "clipped_back": lambda: _clipped(_clip_back),
    "clipped_once": lambda: _clipped(_clip_once),
    "clipped_limit": lambda: _clipped(limit=2.0),
    "clipped_cosine_block": lambda: _clipped(after=torch.cos, block=1024),
    "tone": lambda: (_tone(), (randn(3000), randn(8))),
    "tone_triangle": lambda: (_tone(wave="triangle"), (randn(3000), randn(8))),
    "tone_half": lambda: (_tone(), (randn(3000, dtype=_HALF), randn(8, dtype=_HALF))),
    "tone_triangle_half": lambda: (_tone(wave="triangle"), (randn(3000, dtype=_HALF), randn(8, dtype=_HALF))),
    "tone_double": lambda: (_tone(), (randn(3000, dtype=torch.float64), randn(8, dtype=torch.float64))),
    "echo": lambda: (_echo(), (randn(4, 6000),)),
    "echo_late": lambda: (_echo(450), (randn(4, 6000),)),
    "echo_dynamic": lambda: (_echo(), (randn(4, 6000),), {"dynamic": True}),
    "mix": lambda: (_mix(), (randn(10, 5000), randn(10, 2))),
    "mix_product": lambda: (_mix(by="product"), (randn(10, 5000), randn(10, 2))),
    "mix_five": lambda: (_mix(), (randn(5, 5000), randn(5, 2))),
    "mix_hard_five": lambda: (_mix("hard"), (randn(5, 5000), randn(5, 2))),
    "chords": lambda: (_chords(), (randn(3, 4096), randn(256), randn(129, 12))),
    "chords_sum": lambda: (_chords(unit=1), (randn(3, 4096), randn(256), randn(129, 12))),
    "pitch": lambda: (_pitch(), (randn(700),)),
    "pitch_old": lambda: (_pitch(415.0), (randn(700),)),
    "pitch_down": lambda: (_pitch(snapped=False), (randn(700),)),
    "notes": lambda: (_attended(score_mod=_scored()), _notes()),
    "notes_times": lambda: (_attended(score_mod=_scored("times")), _notes()),
    "notes_longer": lambda: (_attended(score_mod=_scored(size=2047)), _notes()),
    "notes_beat": lambda: (_attended(score_mod=_scored("beat")), _notes()),
    "notes_bar": lambda: (_attended(score_mod=_scored("bar")), _notes()),
    "notes_masked": lambda: (_attended(block_mask=_bar_mask()), _notes()),
    "notes_causal": lambda: (_attended(block_mask=mask(causal, 512, 512)), _notes()),
    "notes_float": lambda: (_attended(score_mod=_scored("beat")), _notes(dtype=torch.float32)),
    "dithered": lambda: (_dithered(), (randn(5000),)),
    "dithered_seven": lambda: (_dithered(bits=7), (randn(5000),)),
}  # fmt: skip
