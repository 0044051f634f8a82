"""Numerical programs: images, rays, particles, prices, hidden states, polynomials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _prices(put: bool = False, rate: float = 0.03) -> Callable[..., Any]:
    """What an option costs, by Black and Scholes."""

    def run(spot: torch.Tensor, strike: torch.Tensor, years: torch.Tensor) -> torch.Tensor:
        spread = 0.2 * years.sqrt()
        one = (torch.log(spot / strike) + (rate + 0.02) * years) / spread
        two = one - spread
        if put:
            return strike * torch.exp(-rate * years) * torch.special.ndtr(-two) - spot * torch.special.ndtr(-one)
        return spot * torch.special.ndtr(one) - strike * torch.exp(-rate * years) * torch.special.ndtr(two)

    return run


def _volume(white: bool = False, step: float = 0.1, log: bool = False) -> Callable[..., Any]:
    """The colour along rays: densities, what is left of the light, and a background."""

    def run(density: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
        if log:
            spent = F.softplus(density) * step
            left = torch.exp(-(spent.cumsum(-1) - spent))
            alpha = 1 - torch.exp(-spent)
        else:
            alpha = 1 - torch.exp(-F.softplus(density) * step)
            left = torch.cumprod(F.pad(1 - alpha, (1, 0), value=1.0), -1)[..., :-1]
        weights = alpha * left
        seen = (weights[..., None] * colour.sigmoid()).sum(1)
        return seen + (1 - weights.sum(-1, keepdim=True)) if white else seen

    return run


def _waves(octaves: int = 6, both: bool = True) -> Callable[..., Any]:
    """Sines and cosines of a place, of twice the frequency each."""

    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        angles = (x[..., None] * 2.0 ** torch.arange(octaves, device="cuda")).flatten(-2)
        parts = torch.cat([angles.sin(), angles.cos() if both else (angles + 0.5).sin()], -1)
        return (parts @ w).relu()

    return run


def _similarity(low: float = 0.01, width: int = 7) -> Callable[..., Any]:
    """Structural similarity of two pictures."""

    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        def mean(z: torch.Tensor) -> torch.Tensor:
            return F.avg_pool2d(z, width, 1)

        mx, my = mean(x), mean(y)
        vx, vy, both = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
        c1, c2 = low**2, 0.03**2
        return (((2 * mx * my + c1) * (2 * both + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean()

    return run


def _variation(square: bool = False, both: bool = True) -> Callable[..., Any]:
    """How much neighbours in a picture differ."""

    def run(x: torch.Tensor) -> torch.Tensor:
        down = x[:, :, 1:] - x[:, :, :-1]
        right = x[..., 1:] - x[..., :-1]
        of = torch.square if square else torch.abs
        return of(down).mean() + of(right).mean() if both else of(down).mean()

    return run


def _life(born: int = 3) -> Callable[..., Any]:
    """One step of Conway's game of life on a torus."""

    def run(cells: torch.Tensor) -> torch.Tensor:
        places = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
        near = sum(torch.roll(cells, place, (0, 1)) for place in places)
        return ((near == born) | ((near == 2) & (cells == 1))).to(cells.dtype)

    return run


def _heat(walls: str = "constant", rate: float = 0.1) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            p = F.pad(x[None, None], (1, 1, 1, 1), mode=walls)[0, 0]
            x = x + rate * (p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * x)
        return x

    return run


def _forward(best: bool = False, steps: int = 4) -> Callable[..., Any]:
    """The forward algorithm of a hidden Markov model."""

    def run(start: torch.Tensor, moves: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        state = start + seen[:, 0]
        for at in range(1, steps):
            ways = state[:, :, None] + moves
            state = (ways.amax(1) if best else ways.logsumexp(1)) + seen[:, at]
        return state.logsumexp(-1)

    return run


def _chamfer(soft: bool = False, power: bool = True) -> Callable[..., Any]:
    """How far two clouds of points are from each other."""

    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        gap = x[:, :, None] - y[:, None]
        far = gap.square().sum(-1) if power else gap.abs().sum(-1)
        if soft:
            return -(-far).logsumexp(2).mean() - (-far).logsumexp(1).mean()
        return far.amin(2).mean() + far.amin(1).mean()

    return run


def _lennard(cut: float = 2.5, shifted: bool = False) -> Callable[..., Any]:
    """The energy of particles that repel each other near by."""

    def run(at: torch.Tensor) -> torch.Tensor:
        square = (at[:, None] - at[None]).square().sum(-1) + torch.eye(at.shape[0], device="cuda")
        sixth = square.reciprocal().pow(3)
        energy = 4 * (sixth * sixth - sixth) + (0.016 if shifted else 0)
        return torch.where(square < cut * cut, energy, 0.0).sum(-1)

    return run


def _chebyshev(count: int = 5, first: float = 1.0) -> Callable[..., Any]:
    """A sum of Chebyshev's polynomials."""

    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        x = x.tanh()
        before, now = torch.full_like(x, first), x
        total = w[0] * before + w[1] * now
        for n in range(2, count):
            before, now = now, 2 * x * now - before
            total = total + w[n] * now
        return total

    return run


def _harmonics(x: torch.Tensor) -> torch.Tensor:
    a, b, c = x.unbind(-1)
    return torch.stack([a * b, b * c, 3 * c * c - 1, a * c, a * a - b * b], -1)


def _harmonics_unit(x: torch.Tensor) -> torch.Tensor:
    return _harmonics(F.normalize(x, dim=-1))


def _grow(shrink: bool = False, width: int = 3) -> Callable[..., Any]:
    """Dilation or erosion of a picture, and what it adds."""

    def run(x: torch.Tensor) -> torch.Tensor:
        if shrink:
            return x + F.max_pool2d(-x, width, 1, width // 2)
        return F.max_pool2d(x, width, 1, width // 2) - x

    return run


def _jitter(gamma: float = 0.8, centre: bool = True) -> Callable[..., Any]:
    def run(x: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
        mean = x.mean((1, 2, 3), keepdim=True) if centre else x.mean((2, 3), keepdim=True)
        return ((x - mean) * strength.view(-1, 1, 1, 1) + mean).clamp(0, 1) ** gamma

    return run


def _smooth(window: int = 16) -> Callable[..., Any]:
    """A rolling mean, from running sums."""

    def run(x: torch.Tensor) -> torch.Tensor:
        total = F.pad(x.cumsum(-1), (1, 0))
        return (total[:, window:] - total[:, :-window]) / window

    return run


def _kalman(joseph: bool = False) -> Callable[..., Any]:
    """One update of many small Kalman filters with one reading each."""

    def run(state: torch.Tensor, cover: torch.Tensor, row: torch.Tensor, seen: torch.Tensor) -> Any:
        spread = cover @ row
        noise = (row * spread).sum(-1, keepdim=True) + 0.5
        gain = spread / noise
        state = state + gain * (seen - state @ row)[:, None]
        kept = cover - gain[:, :, None] * spread[:, None]
        return state, (kept + kept.transpose(1, 2)) * 0.5 if joseph else kept

    return run


def _roots(x: torch.Tensor) -> torch.Tensor:
    """Horner's rule and one step of Newton."""
    value = ((2 * x - 3) * x + 1) * x - 0.5
    return x - value / ((6 * x - 6) * x + 1)


def _roots_guarded(x: torch.Tensor) -> torch.Tensor:
    value = ((2 * x - 3) * x + 1) * x - 0.5
    slope = (6 * x - 6) * x + 1
    return x - value / torch.where(slope.abs() < 1e-3, 1e-3, slope)


def _emphasis(factor: float = 0.97, floor: float = 1e-5, power: int = 1) -> Callable[..., Any]:
    """The logarithm of a filtered sound's energy in frames."""

    def run(x: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
        sharp = x[:, 1:] - factor * x[:, :-1]
        frames = sharp.unfold(1, 64, 32)
        energy = (frames @ bank).abs() if power == 1 else (frames @ bank).square()
        return energy.clamp(min=floor).log10() * 10

    return run


def _crossings(x: torch.Tensor) -> torch.Tensor:
    return (x[:, 1:].sign() != x[:, :-1].sign()).float().mean(-1)


def _crossings_up(x: torch.Tensor) -> torch.Tensor:
    return (x[:, 1:].sign() > x[:, :-1].sign()).float().mean(-1)


def _quaternion(conjugate: bool = False) -> Callable[..., Any]:
    def run(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        a, b, c, d = p.unbind(-1)
        e, f, g, h = q.unbind(-1)
        if conjugate:
            f, g, h = -f, -g, -h
        parts = [a * e - b * f - c * g - d * h, a * f + b * e + c * h - d * g,
                 a * g - b * h + c * e + d * f, a * h + b * g - c * f + d * e]  # fmt: skip
        return torch.stack(parts, -1)

    return run


_RAYS = (40, 64)
PROGRAMS: Programs = {
    "prices": lambda: (_prices(), several(3, 5000)),
    "prices_put": lambda: (_prices(put=True), several(3, 5000)),
    "prices_rate": lambda: (_prices(rate=0.05), several(3, 5000)),
    "prices_double": lambda: (_prices(), several(3, 5000, dtype=torch.float64)),
    "volume": lambda: (_volume(), (randn(*_RAYS), randn(*_RAYS, 3))),
    "volume_white": lambda: (_volume(white=True), (randn(*_RAYS), randn(*_RAYS, 3))),
    "volume_log": lambda: (_volume(log=True), (randn(*_RAYS), randn(*_RAYS, 3))),
    "waves": lambda: (_waves(), (randn(500, 3), randn(36, 64))),
    "waves_shifted": lambda: (_waves(both=False), (randn(500, 3), randn(36, 64))),
    "waves_eight": lambda: (_waves(8), (randn(500, 3), randn(48, 64))),
    "similarity": lambda: (_similarity(), several(2, 2, 3, 40, 40)),
    "similarity_low": lambda: (_similarity(low=0.02), several(2, 2, 3, 40, 40)),
    "similarity_wide": lambda: (_similarity(width=11), several(2, 2, 3, 40, 40)),
    "variation": lambda: (_variation(), (randn(2, 3, 50, 60, grad=True),), TRAIN),
    "variation_square": lambda: (_variation(square=True), (randn(2, 3, 50, 60, grad=True),), TRAIN),
    "variation_down": lambda: (_variation(both=False), (randn(2, 3, 50, 60, grad=True),), TRAIN),
    "life": lambda: (_life(), (integers(2, 60, 70),)),
    "life_six": lambda: (_life(6), (integers(2, 60, 70),)),
    "life_bytes": lambda: (_life(), (integers(2, 60, 70, dtype=torch.uint8),)),
    "heat": lambda: (_heat(), (randn(60, 70),)),
    "heat_mirror": lambda: (_heat("reflect"), (randn(60, 70),)),
    "forward": lambda: (_forward(), (randn(12), randn(12, 12), randn(50, 6, 12))),
    "forward_best": lambda: (_forward(best=True), (randn(12), randn(12, 12), randn(50, 6, 12))),
    "forward_short": lambda: (_forward(steps=3), (randn(12), randn(12, 12), randn(50, 6, 12))),
    "chamfer": lambda: (_chamfer(), (randn(4, 70, 3), randn(4, 90, 3))),
    "chamfer_soft": lambda: (_chamfer(soft=True), (randn(4, 70, 3), randn(4, 90, 3))),
    "chamfer_city": lambda: (_chamfer(power=False), (randn(4, 70, 3), randn(4, 90, 3))),
    "lennard": lambda: (_lennard(), (randn(120, 3),)),
    "lennard_near": lambda: (_lennard(cut=2.0), (randn(120, 3),)),
    "lennard_shifted": lambda: (_lennard(shifted=True), (randn(120, 3),)),
    "chebyshev": lambda: (_chebyshev(), (randn(40, 50), randn(6))),
    "chebyshev_six": lambda: (_chebyshev(6), (randn(40, 50), randn(6))),
    "chebyshev_half": lambda: (_chebyshev(), (randn(40, 50, dtype=BF16), randn(6, dtype=BF16))),
    "harmonics": lambda: (_harmonics, (randn(900, 3),)),
    "harmonics_unit": lambda: (_harmonics_unit, (randn(900, 3),)),
    "harmonics_rows": lambda: (_harmonics, (randn(3, 900).t(),)),
    "grow": lambda: (_grow(), (randn(2, 1, 40, 50),)),
    "grow_shrink": lambda: (_grow(shrink=True), (randn(2, 1, 40, 50),)),
    "grow_wide": lambda: (_grow(width=5), (randn(2, 1, 40, 50),)),
    "jitter": lambda: (_jitter(), (randn(8, 3, 30, 30), randn(8))),
    "jitter_gamma": lambda: (_jitter(gamma=1.2), (randn(8, 3, 30, 30), randn(8))),
    "jitter_channels": lambda: (_jitter(centre=False), (randn(8, 3, 30, 30), randn(8))),
    "smooth": lambda: (_smooth(), (randn(20, 600),)),
    "smooth_wide": lambda: (_smooth(32), (randn(20, 600),)),
    "smooth_double": lambda: (_smooth(), (randn(20, 600, dtype=torch.float64),)),
    "kalman": lambda: (_kalman(), (randn(300, 6), randn(300, 6, 6), randn(6), randn(300))),
    "kalman_even": lambda: (_kalman(joseph=True), (randn(300, 6), randn(300, 6, 6), randn(6), randn(300))),
    "roots": lambda: (_roots, (randn(4000),)),
    "roots_guarded": lambda: (_roots_guarded, (randn(4000),)),
    "emphasis": lambda: (_emphasis(), (randn(4, 1025), randn(64, 20))),
    "emphasis_power": lambda: (_emphasis(power=2), (randn(4, 1025), randn(64, 20))),
    "crossings": lambda: (_crossings, (randn(30, 800),)),
    "crossings_up": lambda: (_crossings_up, (randn(30, 800),)),
    "quaternion": lambda: (_quaternion(), several(2, 1000, 4)),
    "quaternion_back": lambda: (_quaternion(conjugate=True), several(2, 1000, 4)),
}  # fmt: skip
