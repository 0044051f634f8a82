"""Programs on bits and codes: hashes, parities, packing, differences, blocks of pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, Programs, integers, randn


def _scrambled(first: int = 13, final: bool = True) -> Callable[..., Any]:
    """Rounds of shifts and exclusive ors."""

    def run(x: torch.Tensor) -> torch.Tensor:
        x = x ^ (x << first)
        x = x ^ (x >> 7)
        return x ^ (x << 17) if final else x + (x << 17)

    return run


def _parity(odd: bool = False) -> Callable[..., Any]:
    def run(bits: torch.Tensor) -> torch.Tensor:
        total = bits.sum(1)
        return (total + 1) % 2 if odd else total % 2

    return run


def _nibbles(high_first: bool = True, signed: bool = False) -> Callable[..., Any]:
    """Two numbers of four bits in each byte."""

    def run(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        high, low = (x >> 4).to(torch.int32), (x & 15).to(torch.int32)
        out = torch.stack([high, low] if high_first else [low, high], -1).flatten(-2)
        if signed:
            out = torch.where(out > 7, out - 16, out)
        return out * scale

    return run


def _checksum(modulus: int = 65521) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        first = (x.long().sum(-1) + 1) % modulus
        at = torch.arange(x.shape[-1], 0, -1, device="cuda")
        return first + 65536 * ((x * at).sum(-1) % modulus)

    return run


def _table_sum(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """A cyclic redundancy check of four bytes, by a table."""
    state = torch.full_like(x[:, 0], 255)
    for at in range(4):
        state = table[(state ^ x[:, at]) & 255] ^ (state >> 8)
    return state


def _table_sum_back(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    state = torch.full_like(x[:, 0], 255)
    for at in range(4):
        state = table[(state ^ x[:, 3 - at]) & 255] ^ (state >> 8)
    return state


def _hamming(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x[:, None] != y[None]).sum(-1)


def _deltas(order: int = 1, zigzag: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        d = x.diff(dim=-1, n=order)
        return (d << 1) ^ (d >> 31) if zigzag else d

    return run


def _restored(exclusive: bool = False) -> Callable[..., Any]:
    def run(d: torch.Tensor) -> torch.Tensor:
        total = d.cumsum(-1)
        return total - d if exclusive else total

    return run


def _runs(x: torch.Tensor) -> Any:
    """Where runs start, and which run each element is in."""
    start = torch.cat([torch.ones_like(x[:, :1], dtype=torch.bool), x[:, 1:] != x[:, :-1]], 1)
    return start, start.cumsum(1) - 1


def _runs_only(x: torch.Tensor) -> torch.Tensor:
    start = torch.cat([torch.ones_like(x[:, :1], dtype=torch.bool), x[:, 1:] != x[:, :-1]], 1)
    return start.cumsum(1) - 1


def _picture(rounding: str = "round") -> Callable[..., Any]:
    """Blocks of a picture by a basis, and divided by a table of steps."""

    def run(x: torch.Tensor, basis: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        blocks = x.unflatten(1, (-1, 8)).unflatten(3, (-1, 8)).permute(0, 1, 3, 2, 4)
        blocks = blocks - 128.0
        out = (basis @ blocks @ basis.T) / steps
        return out.round() if rounding == "round" else out.trunc()

    return run


def _subsampled(x: torch.Tensor, m: torch.Tensor) -> Any:
    """Luma and halved chroma of a picture."""
    out = torch.einsum("dc,bchw->bdhw", m, x)
    return out[:, 0] + 0.0, F.avg_pool2d(out[:, 1:], 2)


def _shuffled(rounds: int = 1) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        for _ in range(rounds):
            left, right = x.chunk(2, -1)
            x = torch.cat([right, left ^ ((right * 5 + 3) & 255)], -1)
        return x

    return run


def _int(high: int = 256, *shape: int) -> torch.Tensor:
    return integers(high, *shape, dtype=torch.int32)


PROGRAMS: Programs = {
    "scrambled": lambda: (_scrambled(), (integers(10**6, 3000),)),
    "scrambled_added": lambda: (_scrambled(final=False), (integers(10**6, 3000),)),
    "scrambled_short": lambda: (_scrambled(), (_int(10**6, 3000),)),
    "parity": lambda: (_parity(), (_int(2, 90, 90),)),
    "parity_odd": lambda: (_parity(odd=True), (_int(2, 90, 90),)),
    "nibbles": lambda: (_nibbles(), (integers(256, 60, 50, dtype=torch.uint8), randn(100))),
    "nibbles_low": lambda: (_nibbles(high_first=False), (integers(256, 60, 50, dtype=torch.uint8), randn(100))),
    "nibbles_signed": lambda: (_nibbles(signed=True), (integers(256, 60, 50, dtype=torch.uint8), randn(100))),
    "nibbles_half": lambda: (_nibbles(), (integers(256, 60, 50, dtype=torch.uint8), randn(100, dtype=BF16))),
    "checksum": lambda: (_checksum(), (_int(256, 40, 500),)),
    "checksum_small": lambda: (_checksum(251), (_int(256, 40, 500),)),
    "table_sum": lambda: (_table_sum, (_int(256, 700, 4), _int(256, 256))),
    "table_sum_back": lambda: (_table_sum_back, (_int(256, 700, 4), _int(256, 256))),
    "hamming": lambda: (_hamming, (_int(4, 40, 64), _int(4, 50, 64))),
    "deltas": lambda: (_deltas(), (_int(999, 60, 200),)),
    "deltas_two": lambda: (_deltas(2), (_int(999, 60, 200),)),
    "deltas_zigzag": lambda: (_deltas(zigzag=True), (_int(999, 60, 200),)),
    "restored": lambda: (_restored(), (_int(9, 60, 200),)),
    "restored_before": lambda: (_restored(exclusive=True), (_int(9, 60, 200),)),
    "runs": lambda: (_runs, (_int(3, 60, 200),)),
    "runs_only": lambda: (_runs_only, (_int(3, 60, 200),)),
    "picture": lambda: (_picture(), (randn(2, 64, 64), randn(8, 8), randn(8, 8))),
    "picture_trunc": lambda: (_picture("trunc"), (randn(2, 64, 64), randn(8, 8), randn(8, 8))),
    "subsampled": lambda: (_subsampled, (randn(2, 3, 64, 48), randn(3, 3))),
    "shuffled": lambda: (_shuffled(), (_int(256, 60, 64),)),
    "shuffled_twice": lambda: (_shuffled(2), (_int(256, 60, 64),)),
    "scrambled_first_short": lambda: (_scrambled(21), (_int(10**6, 3000),)),
}  # fmt: skip
