"""Programs of weather and oceans: grids on a globe, spectra, stations, nets that forecast, scores of ensembles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn


class _Forecast(torch.nn.Module):
    """Convolutions around the globe, with a norm between them."""

    def __init__(self, norm: str = "batch", act: Any = F.gelu, wrap: bool = True, residual: str = "after") -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(6, 16, 3, padding=(1, 0) if wrap else 1, device="cuda")
        self.second = torch.nn.Conv2d(16, 6, 3, padding=(1, 0) if wrap else 1, device="cuda")
        norms: dict[str, Callable[[], torch.nn.Module]] = {
            "batch": lambda: torch.nn.BatchNorm2d(16, device="cuda"),
            "group": lambda: torch.nn.GroupNorm(4, 16, device="cuda"),
            "groups": lambda: torch.nn.GroupNorm(8, 16, device="cuda"),
            "instance": lambda: torch.nn.InstanceNorm2d(16, device="cuda"),
        }
        self.norm = norms[norm]()
        self.act, self.wrap, self.residual = act, wrap, residual

    def _around(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x, (1, 1, 0, 0), mode="circular") if self.wrap else x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.act(self.norm(self.first(self._around(x))))
        h = self.second(self._around(h))
        return x + h if self.residual == "after" else torch.relu(x + h) if self.residual == "relu" else h


def _forecast(**options: Any) -> torch.nn.Module:
    return _Forecast(**options).eval().requires_grad_(False)


def _area(power: float = 2.0, weighted: bool = True) -> Callable[..., Any]:
    """An error over a grid, in which rows near the poles weigh less."""

    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        rows = torch.linspace(-1.57, 1.57, x.shape[-2], device=x.device).cos()
        error = (x - y).abs().pow(power)
        return (error * rows[:, None] / rows.mean()).mean((-2, -1)) if weighted else error.mean((-2, -1))

    return run


def _ensemble(fair: bool = True, by: int = 0) -> Callable[..., Any]:
    """The score of an ensemble by its spread and its error."""

    def run(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        members = x.shape[by]
        spread = (x.unsqueeze(by) - x.unsqueeze(by + 1)).abs().sum((by, by + 1))
        return (x - y.unsqueeze(by)).abs().mean(by) - spread / (2 * members * (members - 1 if fair else members))

    return run


def _ensemble_sorted(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    ranked = x.sort(0).values
    weight = torch.arange(1 - x.shape[0], x.shape[0], 2, device=x.device)
    return (x - y).abs().mean(0) - (ranked * weight[:, None]).sum(0) / x.shape[0] ** 2


def _spectral(keep: int = 8, both: bool = False) -> Callable[..., Any]:
    """A layer that mixes channels at low frequencies."""

    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        waves = torch.fft.rfft(x, dim=-1)
        low = torch.einsum("bik,iok->bok", waves[..., :keep], w[..., :keep])
        out = torch.fft.irfft(F.pad(low, (0, waves.shape[-1] - keep)), n=x.shape[-1])
        return F.gelu(out + x) if both else F.gelu(out)

    return run


def _advect(scheme: str = "upwind") -> Callable[..., Any]:
    """A step of what the wind carries."""

    def run(c: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        left, right = torch.roll(c, 1, -1), torch.roll(c, -1, -1)
        if scheme == "upwind":
            return c - 0.1 * torch.where(u > 0, u * (c - left), u * (right - c))
        if scheme == "centred":
            return c - 0.05 * u * (right - left)
        limited = torch.minimum((c - left).abs(), (right - c).abs()) * torch.sign(c - left)
        return c - 0.1 * u * (c - left + 0.5 * limited)

    return run


def _rows_of(kind: str = "mean", numbers: bool = False) -> Callable[..., Any]:
    """Values of stations, gathered into the cells that they are in."""

    def run(value: torch.Tensor, cell: torch.Tensor) -> Any:
        empty = torch.zeros(50, value.shape[1], device=value.device)
        total = empty.index_add(0, cell, value)
        count = (
            torch.bincount(cell, minlength=50)
            if numbers
            else torch.zeros(50, device=value.device).index_add(0, cell, torch.ones_like(value[:, 0]))
        )
        return total / count.clamp(min=1)[:, None] if kind == "mean" else total

    return run


def _humidity(ice: bool = False) -> Callable[..., Any]:
    def run(t: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        water = 6.1078 * torch.exp(17.27 * (t - 273.15) / (t - 35.85))
        if ice:
            water = torch.where(t < 273.15, 6.1078 * torch.exp(21.87 * (t - 273.15) / (t - 7.65)), water)
        return 0.622 * water / (p - 0.378 * water)

    return run


def _filled(by: str = "where") -> Callable[..., Any]:
    """Cells without a value take the mean of the others."""

    def run(x: torch.Tensor) -> torch.Tensor:
        seen = ~torch.isnan(x)
        if by == "nan":
            return torch.where(seen, x, x.nanmean(-1, keepdim=True))
        mean = torch.where(seen, x, 0.0).sum(-1, keepdim=True) / seen.sum(-1, keepdim=True).clamp(min=1)
        return torch.where(seen, x, mean)

    return run


def _levels_between(side: str = "left") -> Callable[..., Any]:
    """Values at given pressures, between the levels of a model."""

    def run(pressure: torch.Tensor, value: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        at = torch.searchsorted(pressure, wanted, right=side == "right").clamp(1, pressure.shape[-1] - 1)
        low, high = pressure.gather(-1, at - 1), pressure.gather(-1, at)
        part = (wanted - low) / (high - low)
        return torch.lerp(value.gather(-1, at - 1), value.gather(-1, at), part)

    return run


def _driven(steps: int = 4, counted: bool = True) -> Callable[..., Any]:
    """A model of three numbers, step by step in a loop of the graph or of Python."""

    def step(x: torch.Tensor) -> torch.Tensor:
        a, b, c = x.unbind(-1)
        return x + 0.01 * torch.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], -1)

    def run(x: torch.Tensor) -> torch.Tensor:
        for _ in range(steps):
            x = step(x)
        return x

    def looped(x: torch.Tensor) -> torch.Tensor:
        _, out = torch._higher_order_ops.while_loop(
            lambda i, x: i < steps, lambda i, x: (i + 1, step(x)), (torch.zeros((), dtype=torch.int64), x)
        )
        return out

    return run if counted else looped


def _patches(size: int = 4, flat: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        parts = x.unflatten(-1, (-1, size)).unflatten(-3, (-1, size)).transpose(-3, -2)
        tokens = parts.flatten(-2).permute(0, 2, 3, 1, 4).flatten(-2)
        return F.layer_norm((tokens.flatten(1, 2) if flat else tokens) @ w, w.shape[1:])

    return run


_GLOBE = (2, 6, 24, 36)
PROGRAMS: Programs = {
    "forecast": lambda: (_forecast(), (randn(*_GLOBE),)),
    "forecast_group": lambda: (_forecast(norm="group"), (randn(*_GLOBE),)),
    "forecast_groups": lambda: (_forecast(norm="groups"), (randn(*_GLOBE),)),
    "forecast_instance": lambda: (_forecast(norm="instance"), (randn(*_GLOBE),)),
    "forecast_flat": lambda: (_forecast(wrap=False), (randn(*_GLOBE),)),
    "forecast_relu": lambda: (_forecast(residual="relu"), (randn(*_GLOBE),)),
    "forecast_plain": lambda: (_forecast(residual="none"), (randn(*_GLOBE),)),
    "forecast_train": lambda: (_Forecast(), (randn(*_GLOBE),), TRAIN),
    "forecast_silu_train": lambda: (_Forecast(act=F.silu), (randn(*_GLOBE),), TRAIN),
    "forecast_group_train": lambda: (_Forecast(norm="group"), (randn(*_GLOBE),), TRAIN),
    "forecast_last": lambda: (_forecast(), (randn(2, 24, 36, 6).permute(0, 3, 1, 2),)),
    "forecast_dynamic": lambda: (_forecast(), (randn(*_GLOBE),), {"dynamic": True}),
    "area": lambda: (_area(), (randn(8, 60, 90), randn(8, 60, 90))),
    "area_plain": lambda: (_area(weighted=False), (randn(8, 60, 90), randn(8, 60, 90))),
    "area_three": lambda: (_area(3.0), (randn(8, 60, 90), randn(8, 60, 90))),
    "area_half": lambda: (_area(), (randn(8, 60, 90, dtype=BF16), randn(8, 60, 90, dtype=BF16))),
    "area_train": lambda: (_area(), (randn(8, 60, 90, grad=True), randn(8, 60, 90)), TRAIN),
    "ensemble": lambda: (_ensemble(), (randn(6, 900), randn(900))),
    "ensemble_all": lambda: (_ensemble(fair=False), (randn(6, 900), randn(900))),
    "ensemble_sorted": lambda: (_ensemble_sorted, (randn(6, 900), randn(900))),
    "ensemble_more": lambda: (_ensemble(), (randn(20, 900), randn(900))),
    "ensemble_last": lambda: (_ensemble(by=1), (randn(900, 6), randn(900))),
    "spectral": lambda: (_spectral(), (randn(4, 12, 64), randn(12, 12, 20, dtype=torch.complex64))),
    "spectral_more": lambda: (_spectral(12), (randn(4, 12, 64), randn(12, 12, 20, dtype=torch.complex64))),
    "spectral_both": lambda: (_spectral(both=True), (randn(4, 12, 64), randn(12, 12, 20, dtype=torch.complex64))),
    "advect": lambda: (_advect(), (randn(40, 90), randn(40, 90))),
    "advect_centred": lambda: (_advect("centred"), (randn(40, 90), randn(40, 90))),
    "advect_limited": lambda: (_advect("limited"), (randn(40, 90), randn(40, 90))),
    "advect_turned": lambda: (_advect(), (randn(90, 40).t(), randn(90, 40).t())),
    "advect_row": lambda: (_advect(), (randn(40, 90), randn(40, 1))),
    "stations": lambda: (_rows_of(), (randn(300, 8), integers(50, 300))),
    "stations_total": lambda: (_rows_of("total"), (randn(300, 8), integers(50, 300))),
    "stations_counted": lambda: (_rows_of(numbers=True), (randn(300, 8), integers(50, 300))),
    "stations_short": lambda: (_rows_of(), (randn(300, 8), integers(50, 300, dtype=torch.int32))),
    "humidity": lambda: (_humidity(), (randn(50, 70), randn(50, 70))),
    "humidity_ice": lambda: (_humidity(ice=True), (randn(50, 70), randn(50, 70))),
    "filled": lambda: (_filled(), (randn(60, 200),)),
    "filled_nan": lambda: (_filled("nan"), (randn(60, 200),)),
    "between": lambda: (_levels_between(), (randn(30, 40), randn(30, 40), randn(30, 10))),
    "between_right": lambda: (_levels_between("right"), (randn(30, 40), randn(30, 40), randn(30, 10))),
    "between_more": lambda: (_levels_between(), (randn(30, 40), randn(30, 40), randn(30, 25))),
    "driven": lambda: (_driven(), (randn(500, 3),)),
    "driven_loop": lambda: (_driven(counted=False), (randn(500, 3),)),
    "driven_five": lambda: (_driven(5), (randn(500, 3),)),
    "patches": lambda: (_patches(), (randn(2, 3, 32, 48), randn(48, 64))),
    "patches_flat": lambda: (_patches(flat=True), (randn(2, 3, 32, 48), randn(48, 64))),
    "patches_eight": lambda: (_patches(8), (randn(2, 3, 32, 48), randn(192, 64))),
}  # fmt: skip
