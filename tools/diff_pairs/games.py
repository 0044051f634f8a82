"""Programs of board games: nets over boards, legal moves, searches in trees, bitboards, ratings, dice, replays."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.flex_attention import flex_attention

from diff_pairs.flex_parts import mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


class _Board(torch.nn.Module):
    """A net with a policy and a value of a position."""

    def __init__(self, act: Any = F.relu, squeezed: bool = False) -> None:
        super().__init__()
        conv = partial(torch.nn.Conv2d, device="cuda", bias=False)
        self.stem, self.body = conv(12, 32, 3, padding=1), conv(32, 32, 3, padding=1)
        self.norms = torch.nn.ModuleList(torch.nn.BatchNorm2d(32, device="cuda") for _ in range(2))
        self.squeeze = torch.nn.Linear(32, 32, device="cuda") if squeezed else None
        self.policy = torch.nn.Linear(32, 20, device="cuda")
        self.value = torch.nn.Linear(32, 1, device="cuda")
        self.act = act

    def forward(self, x: torch.Tensor) -> Any:
        h = self.act(self.norms[0](self.stem(x)))
        inner = self.norms[1](self.body(h))
        if self.squeeze is not None:
            inner = inner * torch.sigmoid(self.squeeze(inner.mean((2, 3))))[:, :, None, None]
        h = self.act(h + inner)
        value = self.value(h.mean((2, 3))).squeeze(-1)
        return self.policy(h.flatten(2).mT), torch.tanh(value)


def _board(**options: Any) -> torch.nn.Module:
    return _Board(**options).eval().requires_grad_(False)


def _legal(by: str = "fill", heat: float = 1.0, log: bool = True) -> Callable[..., Any]:
    """Chances of the moves that the rules allow."""

    def run(x: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        x = torch.where(allowed, x, -1e9) if by == "where" else x.masked_fill(~allowed, -1e9)
        return F.log_softmax(x / heat, -1) if log else F.softmax(x / heat, -1)

    return run


def _puct(c: float = 1.25, chosen: str = "argmax") -> Callable[..., Any]:
    """Which move to look at next."""

    def run(q: torch.Tensor, p: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        value = torch.where(n > 0, q, 0.0)
        score = value + c * p * n.sum(-1, keepdim=True).sqrt() / (1 + n)
        return score.argmax(-1) if chosen == "argmax" else score.amax(-1)

    return run


def _bits(back: bool = False, dtype: torch.dtype = torch.float32) -> Callable[..., Any]:
    """Planes of zeros and ones, from whole numbers."""

    def run(boards: torch.Tensor) -> torch.Tensor:
        places = torch.arange(boards.element_size() * 8, device=boards.device)
        places = places.flip(0) if back else places
        planes = (boards[..., None] >> places) & 1
        return planes.to(dtype)

    return run


def _rated(k: float = 32.0, by: str = "power") -> Callable[..., Any]:
    """Ratings after a round of games."""

    def run(rating: torch.Tensor, a: torch.Tensor, b: torch.Tensor, won: torch.Tensor) -> torch.Tensor:
        gap = rating[a] - rating[b]
        hope = torch.sigmoid(gap * math.log(10) / 400) if by == "sigmoid" else 1 / (1 + torch.pow(10.0, -gap / 400))
        change = k * (won - hope)
        return rating.index_add(0, a, change).index_add(0, b, -change)

    return run


def _turned(mirror: bool = False) -> Callable[..., Any]:
    """A position as it looks from all sides."""

    def run(x: torch.Tensor) -> torch.Tensor:
        views = torch.stack([torch.rot90(x, i, (-2, -1)) for i in range(4)])
        if mirror:
            views = torch.cat([views, views.flip(-1)])
        return torch.tanh(views).mean(0)

    return run


def _minimax(soft: float = 4.0) -> Callable[..., Any]:
    """The value of a game whose players take turns."""

    def run(leaves: torch.Tensor) -> torch.Tensor:
        inner = leaves.unflatten(-1, (-1, 6))
        lower = -torch.logsumexp(-inner * soft, -1) / soft
        return lower.unflatten(-1, (-1, 6)).amax(-1)

    return run


def _dice(x: torch.Tensor) -> torch.Tensor:
    rolls = torch.randint(1, 7, (x.shape[0], 4), device=x.device).float()
    return x + rolls.sum(-1)


def _replayed(power: float = 0.6, right: bool = False) -> Callable[..., Any]:
    """What is drawn again, more often where it was a surprise."""

    def run(surprise: torch.Tensor, stored: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        chance = (surprise.abs() + 1e-3).pow(power)
        total = chance.cumsum(0)
        at = torch.searchsorted(total, u.sigmoid() * total[-1], right=right).clamp(max=stored.shape[0] - 1)
        return stored[at]

    return run


def _judged(decay: float = 1e-4) -> Callable[..., Any]:
    """What a net is trained by: the winner, the search's policy, and small weights."""

    def run(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor, target: torch.Tensor, won: torch.Tensor) -> torch.Tensor:
        h = F.relu(x @ w)
        guess = torch.tanh(h @ v)
        return F.mse_loss(guess, won) + F.cross_entropy(h, target) + decay * w.square().sum()

    return run


def _position() -> tuple[torch.Tensor, ...]:
    return randn(128, 40, grad=True), randn(40, 73, grad=True), randn(73, grad=True), randn(128, 73).exp(), randn(128)


_squares = partial(qkv, queries=256, keys=256, heads=4, batch=2, width=32)


def _lines(kind: str = "both") -> Callable[..., Any]:
    """Squares see those of their file and rank, or near ones as a knight does."""
    kinds: dict[str, Callable[..., Any]] = {
        "both": lambda b, h, q, k: (q % 16 == k % 16) | (q // 16 == k // 16),
        "knight": lambda b, h, q, k: ((q % 16 - k % 16) * (q // 16 - k // 16)).abs() <= 2,
    }
    return kinds[kind]


def _seen(kind: str = "", **options: Any) -> Callable[..., Any]:
    if kind:
        options["block_mask"] = mask(_lines(kind), 256, 256)
    return lambda q, k, v: flex_attention(q, k, v, **options)


def _rollout(steps: int = 3) -> Callable[..., Any]:
    """A model of the game, unrolled; rewards are summed with a discount."""

    def run(h: torch.Tensor, w: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        total = torch.zeros_like(h[:, 0])
        for i in range(steps):
            h = torch.tanh(h @ w) + h
            total = total + 0.97**i * (h @ r)
        return total

    return run


_BOARDS = (8, 12, 10, 10)
_ROUND = (300, 500)
PROGRAMS: Programs = {
    "board": lambda: (_board(), (randn(*_BOARDS),)),
    "board_gelu": lambda: (_board(act=F.gelu), (randn(*_BOARDS),)),
    "board_squeezed": lambda: (_board(squeezed=True), (randn(*_BOARDS),)),
    "board_large": lambda: (_board(), (randn(8, 12, 19, 19),)),
    "board_train": lambda: (_Board(), (randn(*_BOARDS),), TRAIN),
    "board_silu_train": lambda: (_Board(act=F.silu), (randn(*_BOARDS),), TRAIN),
    "legal": lambda: (_legal(), (randn(64, 1858), randn(64, 1858) > 0)),
    "legal_where": lambda: (_legal("where"), (randn(64, 1858), randn(64, 1858) > 0)),
    "legal_few": lambda: (_legal(), (randn(64, 362), randn(64, 362) > 0)),
    "legal_shared": lambda: (_legal(), (randn(64, 1858), randn(1858) > 0)),
    "legal_chance_half": lambda: (_legal(log=False), (randn(64, 1858, dtype=BF16), randn(64, 1858) > 0)),
    "puct": lambda: (_puct(), several(3, 200, 82)),
    "puct_bold": lambda: (_puct(2.5), several(3, 200, 82)),
    "puct_bold_value": lambda: (_puct(2.5, chosen="amax"), several(3, 200, 82)),
    "bits": lambda: (_bits(), (integers(1000, 50, 12),)),
    "bits_back": lambda: (_bits(back=True), (integers(1000, 50, 12),)),
    "bits_half": lambda: (_bits(dtype=BF16), (integers(1000, 50, 12),)),
    "bits_short": lambda: (_bits(), (integers(1000, 50, 12, dtype=torch.int32),)),
    "rated": lambda: (_rated(), (randn(300), integers(*_ROUND), integers(*_ROUND), randn(500))),
    "rated_k": lambda: (_rated(16.0), (randn(300), integers(*_ROUND), integers(*_ROUND), randn(500))),
    "rated_sigmoid": lambda: (_rated(by="sigmoid"), (randn(300), integers(*_ROUND), integers(*_ROUND), randn(500))),
    "turned": lambda: (_turned(), (randn(30, 9, 9),)),
    "turned_mirror": lambda: (_turned(mirror=True), (randn(30, 9, 9),)),
    "minimax_soft": lambda: (_minimax(), (randn(20, 360),)),
    "minimax_softer": lambda: (_minimax(2.0), (randn(20, 360),)),
    "dice": lambda: (_dice, (randn(400),)),
    "replayed": lambda: (_replayed(), (randn(800), randn(800, 24), randn(128))),
    "replayed_even": lambda: (_replayed(0.5), (randn(800), randn(800, 24), randn(128))),
    "replayed_right": lambda: (_replayed(right=True), (randn(800), randn(800, 24), randn(128))),
    "judged_train": lambda: (_judged(), _position(), TRAIN),
    "judged_decay_train": lambda: (_judged(1e-3), _position(), TRAIN),
    "seen_lines": lambda: (_seen("both"), _squares()),
    "seen_knight": lambda: (_seen("knight"), _squares()),
    "seen_plain": lambda: (_seen(), _squares()),
    "seen_wide": lambda: (_seen(), _squares(width=64)),
    "seen_stages": lambda: (_seen(kernel_options={"num_stages": 1}), _squares()),
    "rollout": lambda: (_rollout(), (randn(64, 50), randn(50, 50), randn(50))),
    "rollout_half": lambda: (_rollout(), (randn(64, 50, dtype=BF16), randn(50, 50, dtype=BF16), randn(50, dtype=BF16))),
}  # fmt: skip
