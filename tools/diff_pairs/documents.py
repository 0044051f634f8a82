"""Programs of documents and of what reads them: retrieval, ranking, spectra, reactions, compilers, hashes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils.checkpoint import checkpoint

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _bm25(b: float = 0.75, plus: bool = False) -> Callable[..., Any]:
    """The best documents for words that were asked for."""

    def run(count: torch.Tensor, rare: torch.Tensor, length: torch.Tensor) -> Any:
        norm = 1.2 * (1 - b + b * length / length.mean())
        weight = count * 2.2 / (count + norm[:, None])
        weight = weight + 1.0 if plus else weight
        return (weight * rare).sum(-1).topk(10)

    return run


def _late(masked: bool = False) -> Callable[..., Any]:
    """Each word of a question looks for the nearest of each document."""

    def run(question: torch.Tensor, text: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        near = torch.einsum("qd,nkd->nqk", question, text)
        if masked:
            near = near.masked_fill(~real[:, None], -1e4)
        return near.amax(-1).sum(-1)

    return run


class _Encoder(torch.nn.Module):
    """Questions and passages in one space, learned from pairs."""

    def __init__(self, smooth: float = 0.0, frozen: bool = False) -> None:
        super().__init__()
        self.question = torch.nn.Linear(96, 64, device="cuda")
        self.passage = torch.nn.Linear(96, 64, device="cuda")
        self.smooth, self.frozen = smooth, frozen

    def forward(self, q: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        q = F.normalize(torch.tanh(self.question(q)), dim=-1)
        p = F.normalize(torch.tanh(self.passage(p)), dim=-1)
        score = q @ (p.detach() if self.frozen else p).t() / 0.05
        own = torch.arange(q.shape[0], device=q.device)
        return F.cross_entropy(score, own, label_smoothing=self.smooth)


def _packed(window: int = 0, gain: float | None = None) -> Callable[..., Any]:
    """Attention within each of the documents that are packed into one row."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, doc: torch.Tensor) -> torch.Tensor:
        def mask(b: Any, h: Any, i: Any, j: Any) -> Any:
            near = (doc[i] == doc[j]) & (i >= j)
            return near & (i - j < window) if window else near

        blocks = create_block_mask(mask, None, None, q.shape[2], k.shape[2], device=q.device)
        return flex_attention(q, k, v, block_mask=blocks, scale=gain)

    return run


def _read(one: bool = False) -> Callable[..., Any]:
    """Attention by torch's own function, over rows that are turned first."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        k = F.layer_norm(k, k.shape[-1:])
        out = F.scaled_dot_product_attention(q, k, k if one else v, bias)
        return torch.sigmoid(out.transpose(1, 2).flatten(2))

    return run


def _coded(by: str = "gather") -> Callable[..., Any]:
    """Distances to vectors that are stored as codes, by tables."""

    def run(table: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        if by == "take":
            part = torch.arange(table.shape[0], device=table.device)
            found = table[part, code.long()]
        else:
            found = torch.gather(table.expand(code.shape[0], -1, -1), 2, code.long()[:, :, None]).squeeze(-1)
        return found.sum(-1)

    return run


def _shingles(prime: int = 2147483647, dtype: torch.dtype = torch.int64, keep: str = "least") -> Callable[..., Any]:
    """A sketch of each document: the least of each of many hashes."""

    def run(word: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        word = word.to(dtype)
        mixed = (word[:, None, :] * a.to(dtype)[:, None] + b.to(dtype)[:, None]) % prime
        least = mixed.amin(-1)
        return (least & 1).to(torch.uint8) if keep == "bit" else least

    return run


def _rolled(shift: bool = False) -> Callable[..., Any]:
    """A hash of each window of bytes."""

    def run(text: torch.Tensor) -> torch.Tensor:
        window = text.long().unfold(-1, 6, 1)
        out = torch.zeros_like(window[..., 0])
        for i in range(6):
            out = ((out << 5) ^ (out >> 3) ^ window[..., i]) if shift else out * 257 + window[..., i]
        return out & 0xFFFFFFFF

    return run


def _alike(eps: float = 1e-6) -> Callable[..., Any]:
    """How alike spectra are."""

    def run(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        a, b = a.abs().sqrt(), b.abs().sqrt()
        return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1) + eps)

    return run


def _smooth(groups: int = 1) -> Callable[..., Any]:
    """Spectra that are smoothed, and the slope of these."""

    def run(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        y = F.conv1d(x.abs(), kernel, groups=groups)
        return F.relu(y[..., 2:] - y[..., :-2])

    return run


def _peaks(least: float = 0.1, wide: int = 5) -> Callable[..., Any]:
    """Where a spectrum is highest around."""

    def run(x: torch.Tensor) -> torch.Tensor:
        top = F.max_pool1d(x, wide, 1, wide // 2)
        return torch.where((x >= top) & (x > least), x, 0.0)

    return run


def _kinetics(cold: float = 300.0) -> Callable[..., Any]:
    """How fast substances come and go in a flask."""

    def run(amount: torch.Tensor, energy: torch.Tensor, heat: torch.Tensor, net: torch.Tensor) -> torch.Tensor:
        rate = torch.exp(-energy / (8.314e-3 * (heat[:, None] + cold)))
        first, second = amount.chunk(2, -1)
        return (rate * first * second) @ net

    return run


def _live(both: bool = False) -> Callable[..., Any]:
    """Which variables are live at each block, as bits."""

    def run(use: torch.Tensor, kill: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        live = use
        for _ in range(3):
            then = live[after]
            out = then[:, 0] & then[:, 1] if both else then[:, 0] | then[:, 1]
            live = use | (out & ~kill)
        return live

    return run


class _Cost(torch.nn.Module):
    """How long a loop nest takes: a net that ranks schedules."""

    def __init__(self, saved: bool = True) -> None:
        super().__init__()
        self.embed = torch.nn.Linear(40, 128, device="cuda")
        self.layers = torch.nn.ModuleList(torch.nn.Linear(128, 128, device="cuda") for _ in range(2))
        self.head = torch.nn.Linear(128, 1, device="cuda")
        self.saved = saved

    def _inner(self, h: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            h = h + F.dropout(F.gelu(layer(h)), 0.1)
        return h

    def forward(self, loops: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.embed(loops))
        h = self._inner(h) if self.saved else checkpoint(self._inner, h, use_reentrant=False)
        out = self.head(h).squeeze(-1)
        half = out.shape[0] // 2
        sign = (time[:half] - time[half:]).sign()
        return F.relu(0.1 - sign * (out[:half] - out[half:])).mean()


def _product(act: str = "relu") -> Callable[..., Any]:
    """One product, and what comes after it."""

    def run(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        y = x @ w
        return F.relu(y + b) if act == "relu" else torch.tanh(y) * b

    return run


def _gated(residual: bool = False, cast: bool = True) -> Callable[..., Any]:
    """A row of features, gated by its own norm."""

    def run(x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        y = x.float() if cast else x
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-5)
        out = (y * g).to(x.dtype)
        out = F.silu(out) * torch.exp(-x.abs())
        return out + x if residual else out

    return run


def _crossed() -> Callable[..., Any]:
    """Counts of words by document, and of documents by word."""

    def run(x: torch.Tensor, y: torch.Tensor) -> Any:
        left = torch.log1p(x.abs())
        return left * 2.0, (left.t() + y).relu()

    return run


def _parts() -> Callable[..., Any]:
    """Features that do not depend on each other, of several sizes."""

    def run(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> Any:
        return a.sin() + 1, F.gelu(b), torch.softmax(c, -1), c.cumsum(0)

    return run


def _hits() -> Callable[..., Any]:
    """Hits of fragments in a library of spectra."""

    def run(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(64, x.shape[1], device=x.device)
        return out.index_put((at,), x * 0.5, accumulate=True).sqrt()

    return run


def _faces() -> Callable[..., Any]:
    """A cube of counts, with each of two others that lie differently."""

    def run(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> Any:
        return x + a.permute(0, 2, 1), torch.tanh(x) * b.permute(2, 1, 0)

    return run


def _two_shards() -> Callable[..., Any]:
    """Scores of two parts of a library, which are not of the same length."""

    def run(x: torch.Tensor, y: torch.Tensor, gain: torch.Tensor) -> Any:
        return torch.sigmoid(x) * gain, torch.log1p(y.abs()) * gain

    return run


def _turned_in() -> Callable[..., Any]:
    """A linear layer over the positions of a text."""

    def run(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.tanh(F.linear(torch.relu(x).permute(0, 2, 1), w, b))

    return run


def _bucketed() -> Callable[..., Any]:
    """Tables of a hash, read at the bucket of each key."""

    def run(key: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return table[(key * 31 + 7) % 64].square()

    return run


class _Grown(torch.nn.Module):
    """A module with a parameter of its own for each word."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(200, 64, device="cuda"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x * self.gain.sigmoid(), -1)


def _sharded() -> Callable[..., Any]:
    """Sums that leave the device one by one."""

    def run(x: torch.Tensor, y: torch.Tensor) -> Any:
        first = torch.tanh(x).sum(0).cpu()
        second = torch.sigmoid(y).sum(0)
        return first, second.cpu(), second * 2.0

    return run


def _vocabulary() -> Callable[..., Any]:
    """The loss of the next word, over many words."""

    def run(x: torch.Tensor, w: torch.Tensor, word: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy((x @ w).float(), word)

    return run


def _slope() -> Callable[..., Any]:
    """How a score changes with its text, with a part that is computed again."""

    def run(x: torch.Tensor, w: torch.Tensor) -> Any:
        def inner(h: torch.Tensor) -> torch.Tensor:
            return torch.sin(torch.sigmoid(h @ w) * 2.0)

        out = checkpoint(inner, x, use_reentrant=False).square().sum()
        (grad,) = torch.autograd.grad(out, x)
        return out.detach(), grad

    return run


def _heads(size: int = 64) -> tuple[torch.Tensor, ...]:
    return *several(3, 2, 4, 512, size, dtype=BF16), integers(6, 512).sort().values


def _pages() -> tuple[torch.Tensor, ...]:
    return *several(3, 2, 128, 4, 64, dtype=BF16), randn(2, 4, 128, 128, dtype=BF16)


def _flask() -> tuple[torch.Tensor, ...]:
    return randn(400, 48), randn(24), randn(400), randn(24, 48)


def _hashes() -> tuple[torch.Tensor, ...]:
    return integers(5000, 120, 300), integers(9999, 16), integers(9999, 16)


def _bytes() -> torch.Tensor:
    return integers(256, 50, 600, dtype=torch.uint8)


def _library() -> tuple[torch.Tensor, ...]:
    return randn(16, 256), integers(256, 3000, 16, dtype=torch.uint8)


def _factors() -> tuple[torch.Tensor, ...]:
    return randn(128, 256, dtype=BF16), randn(256, 192, dtype=BF16), randn(192, dtype=BF16)


def _next_words() -> tuple[torch.Tensor, ...]:
    return randn(1024, 64, dtype=BF16, grad=True), randn(64, 4096, dtype=BF16, grad=True), integers(4096, 1024)


def _rows() -> tuple[torch.Tensor, ...]:
    return randn(300, 256, dtype=BF16), randn(256, dtype=BF16)


_TEXTS = (30, 70, 64)
PROGRAMS: Programs = {
    "bm25": lambda: (_bm25(), (randn(800, 40), randn(40), randn(800))),
    "bm25_long": lambda: (_bm25(0.4), (randn(800, 40), randn(40), randn(800))),
    "bm25_long_plus": lambda: (_bm25(0.4, plus=True), (randn(800, 40), randn(40), randn(800))),
    "late": lambda: (_late(), (randn(16, 64), randn(*_TEXTS), randn(30, 70) > 0)),
    "late_masked": lambda: (_late(masked=True), (randn(16, 64), randn(*_TEXTS), randn(30, 70) > 0)),
    "encoder_train": lambda: (_Encoder(), several(2, 128, 96), TRAIN),
    "encoder_smooth_train": lambda: (_Encoder(smooth=0.1), several(2, 128, 96), TRAIN),
    "encoder_frozen_train": lambda: (_Encoder(frozen=True), several(2, 128, 96), TRAIN),
    "packed": lambda: (_packed(), _heads()),
    "packed_window": lambda: (_packed(128), _heads()),
    "packed_gain": lambda: (_packed(gain=0.05), _heads()),
    "packed_big": lambda: (_packed(), _heads(size=128)),
    "read": lambda: (_read(), _pages()),
    "read_one": lambda: (_read(one=True), _pages()),
    "coded": lambda: (_coded(), _library()),
    "coded_take": lambda: (_coded("take"), _library()),
    "shingles": lambda: (_shingles(), _hashes()),
    "shingles_int": lambda: (_shingles(dtype=torch.int32), _hashes()),
    "shingles_prime_bit": lambda: (_shingles(4294967311, keep="bit"), _hashes()),
    "rolled": lambda: (_rolled(), (_bytes(),)),
    "rolled_shift": lambda: (_rolled(shift=True), (_bytes(),)),
    "alike": lambda: (_alike(), several(2, 250, 900)),
    "alike_eps": lambda: (_alike(eps=1e-3), several(2, 250, 900)),
    "smooth": lambda: (_smooth(), (randn(20, 4, 500), randn(4, 4, 7))),
    "smooth_groups": lambda: (_smooth(groups=4), (randn(20, 4, 500), randn(4, 1, 7))),
    "peaks": lambda: (_peaks(), (randn(40, 700),)),
    "peaks_high": lambda: (_peaks(0.3), (randn(40, 700),)),
    "peaks_wide": lambda: (_peaks(wide=7), (randn(40, 700),)),
    "kinetics": lambda: (_kinetics(), _flask()),
    "kinetics_warm": lambda: (_kinetics(320.0), _flask()),
    "live": lambda: (_live(), (integers(9999, 400), integers(9999, 400), integers(400, 400, 2))),
    "live_both": lambda: (_live(both=True), (integers(9999, 400), integers(9999, 400), integers(400, 400, 2))),
    "cost_train": lambda: (_Cost(), (randn(256, 40), randn(256)), TRAIN),
    "cost_again_train": lambda: (_Cost(saved=False), (randn(256, 40), randn(256)), TRAIN),
    "product": lambda: (_product(), _factors()),
    "product_tanh": lambda: (_product("tanh"), _factors()),
    "gated": lambda: (_gated(), _rows()),
    "gated_residual": lambda: (_gated(residual=True), _rows()),
    "gated_low": lambda: (_gated(cast=False), _rows()),
    "crossed": lambda: (_crossed(), (randn(300, 200), randn(200, 300))),
    "faces": lambda: (_faces(), (randn(32, 40, 48), randn(32, 48, 40), randn(48, 40, 32))),
    "two_shards": lambda: (_two_shards(), (randn(90, 64), randn(70, 64), randn(64))),
    "turned_in": lambda: (_turned_in(), (randn(8, 64, 48), randn(96, 64), randn(96))),
    "bucketed": lambda: (_bucketed(), (integers(99999, 4000), randn(64))),
    "grown": lambda: (_Grown().requires_grad_(False), (randn(30, 200, 64),), {"dynamic": True}),
    "sharded": lambda: (_sharded(), (randn(400, 80), randn(400, 80))),
    "vocabulary_train": lambda: (_vocabulary(), _next_words(), TRAIN),
    "slope": lambda: (_slope(), (randn(64, 48, grad=True), randn(48, 80))),
    "parts": lambda: (_parts(), (randn(4000), randn(90, 60), randn(50, 70))),
    "hits": lambda: (_hits(), (randn(20000, 4), integers(64, 20000))),
}  # fmt: skip
