"""Programs of simulations: control tasks, stencils, molecules, spins, tournaments, returns of agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import TRAIN, Programs, integers, randn, several


def _cart(implicit: bool = False) -> Callable[..., Any]:
    """A step of the cart with a pole."""

    def run(state: torch.Tensor, action: torch.Tensor) -> Any:
        x, v, a, w = state.unbind(-1)
        force = torch.where(action == 1, 10.0, -10.0)
        push = (force + 0.05 * w.square() * a.sin()) / 1.1
        turn = (9.8 * a.sin() - a.cos() * push) / (0.5 * (4 / 3 - 0.1 * a.cos().square() / 1.1))
        pull = push - 0.05 * turn * a.cos() / 1.1
        v_new, w_new = v + 0.02 * pull, w + 0.02 * turn
        x_new = x + 0.02 * (v_new if implicit else v)
        a_new = a + 0.02 * (w_new if implicit else w)
        over = (x_new.abs() > 2.4) | (a_new.abs() > 0.2095)
        return torch.stack([x_new, v_new, a_new, w_new], -1), over

    return run


def _heat(rate: float = 0.1, border: str = "circular", nine: bool = False) -> Callable[..., Any]:
    def run(u: torch.Tensor) -> torch.Tensor:
        wide = F.pad(u[:, None], (1, 1, 1, 1), mode=border)[:, 0]
        near = wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:] + wide[:, :-2, 1:-1] + wide[:, 2:, 1:-1]
        if nine:
            far = wide[:, :-2, :-2] + wide[:, 2:, 2:] + wide[:, :-2, 2:] + wide[:, 2:, :-2]
            return u + rate * (near + 0.25 * far - 5 * u)
        return u + rate * (near - 4 * u)

    return run


def _carried(u: torch.Tensor, speed: torch.Tensor) -> torch.Tensor:
    """Advection by a field, upwind."""
    before, after = u.roll(1, -1), u.roll(-1, -1)
    return u - 0.1 * (speed.clamp(min=0) * (u - before) + speed.clamp(max=0) * (after - u))


def _forces(p: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
    gap = p[None] - p[:, None]
    square = gap.square().sum(-1) + 1e-3
    pull = m[None] / (square * square.sqrt())
    return (pull[..., None] * gap).sum(1)


def _basis(number: int = 16) -> Callable[..., Any]:
    """Distances in a basis of Gaussians, cut off smoothly."""

    def run(r: torch.Tensor) -> torch.Tensor:
        at = torch.linspace(0, 5.0, number, device="cuda")
        out = torch.exp(-10 * (r[:, None] - at).square())
        cut = 0.5 * (torch.cos(r * torch.pi / 5.0) + 1) * (r < 5.0)
        return out * cut[:, None]

    return run


def _spins(s: torch.Tensor) -> torch.Tensor:
    """Half a sweep over a lattice of spins."""
    near = s.roll(1, 1) + s.roll(-1, 1) + s.roll(1, 2) + s.roll(-1, 2)
    chance = torch.exp(-0.8 * s * near)
    at = torch.arange(s.shape[1], device="cuda")
    board = (at[:, None] + at) % 2 == 0
    flips = (torch.rand_like(s) < chance) & board
    return torch.where(flips, -s, s)


def _chosen(alpha: float = 0.6) -> Callable[..., Any]:
    """Which transitions are replayed, by their priority."""

    def run(priority: torch.Tensor, draw: torch.Tensor) -> Any:
        p = priority.abs().pow(alpha)
        total = p.cumsum(0)
        at = torch.searchsorted(total, draw * total[-1]).clamp(max=len(p) - 1)
        weight = (p[at] / total[-1] * len(p)).reciprocal()
        return at, weight / weight.amax()

    return run


def _returns(discount: float = 0.99) -> Callable[..., Any]:
    def run(reward: torch.Tensor, value: torch.Tensor, over: torch.Tensor) -> torch.Tensor:
        out, last = [], torch.zeros_like(value[:, 0])
        for at in reversed(range(reward.shape[1])):
            going = 1.0 - over[:, at]
            delta = reward[:, at] + discount * value[:, at + 1] * going - value[:, at]
            last = delta + discount * 0.95 * going * last
            out.append(last)
        return torch.stack(out[::-1], 1)

    return run


def _tournament(fitness: torch.Tensor, genes: torch.Tensor, rivals: torch.Tensor) -> torch.Tensor:
    best = fitness[rivals].argmax(1)
    return genes[rivals.gather(1, best[:, None])[:, 0]]


def _springs(scatter: bool = False) -> Callable[..., Any]:
    def run(p: torch.Tensor, v: torch.Tensor, ends: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
        i, j = ends.unbind(1)
        gap = p[j] - p[i]
        size = gap.norm(dim=-1)
        push = ((size - rest) / size.clamp(min=1e-6))[:, None] * gap
        if scatter:
            where = i[:, None].expand_as(push)
            return v + torch.zeros_like(p).scatter_add(0, where, push)
        return v + torch.zeros_like(p).index_add(0, i, push).index_add(0, j, -push)

    return run


def _energy(power: int = 2) -> Callable[..., Any]:
    """Bending energy of chains, for its gradient."""

    def run(p: torch.Tensor) -> torch.Tensor:
        bend = p[:, 2:] - 2 * p[:, 1:-1] + p[:, :-2]
        return bend.square().sum() if power == 2 else bend.abs().sum()

    return run


def _cart_state() -> tuple[torch.Tensor, torch.Tensor]:
    return randn(1000, 4), integers(2, 1000)


PROGRAMS: Programs = {
    "cart": lambda: (_cart(), _cart_state()),
    "cart_implicit": lambda: (_cart(implicit=True), _cart_state()),
    "heat": lambda: (_heat(), (randn(4, 60, 70),)),
    "heat_border": lambda: (_heat(border="replicate"), (randn(4, 60, 70),)),
    "heat_border_fast": lambda: (_heat(0.2, "replicate"), (randn(4, 60, 70),)),
    "heat_nine": lambda: (_heat(nine=True), (randn(4, 60, 70),)),
    "carried": lambda: (_carried, (randn(30, 400), randn(400))),
    "carried_each": lambda: (_carried, (randn(30, 400), randn(30, 400))),
    "forces": lambda: (_forces, (randn(200, 3), randn(200))),
    "forces_flat": lambda: (_forces, (randn(200, 2), randn(200))),
    "basis": lambda: (_basis(), (randn(900),)),
    "basis_more": lambda: (_basis(20), (randn(900),)),
    "spins": lambda: (_spins, (randn(8, 64, 64),)),
    "chosen": lambda: (_chosen(), (randn(2000), randn(64))),
    "chosen_alpha": lambda: (_chosen(0.7), (randn(2000), randn(64))),
    "returns": lambda: (_returns(), (randn(300, 6), randn(300, 7), randn(300, 6))),
    "returns_short": lambda: (_returns(0.95), (randn(300, 6), randn(300, 7), randn(300, 6))),
    "tournament": lambda: (_tournament, (randn(500), randn(500, 20), integers(500, 500, 4))),
    "tournament_large": lambda: (_tournament, (randn(500), randn(500, 20), integers(500, 500, 12))),
    "springs": lambda: (_springs(), (*several(2, 200, 3), integers(200, 500, 2), randn(500))),
    "springs_one": lambda: (_springs(scatter=True), (*several(2, 200, 3), integers(200, 500, 2), randn(500))),
    "energy": lambda: (_energy(), (randn(40, 100, 3, grad=True),), TRAIN),
    "energy_flat": lambda: (_energy(1), (randn(40, 100, 3, grad=True),), TRAIN),
}  # fmt: skip
