"""Programs of a city: traffic and its maps, power grids, water and heat, elections and surveys, insurance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

# ruff: noqa: N803


def _flow(capacity: float = 0.6, ring: bool = False) -> Callable[..., Any]:
    """How many cars go from each cell of a road to the next."""

    def run(cars: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
        demand = (cars * free).clamp(max=capacity)
        supply = (0.5 * (1.0 - cars)).clamp(max=capacity)
        ahead = torch.roll(supply, -1, -1) if ring else F.pad(supply[:, 1:], (0, 1), value=1.0)
        moved = torch.minimum(demand, ahead)
        return cars - moved + F.pad(moved[:, :-1], (1, 0))

    return run


def _delay(power: float = 4.0, by: str = "bureau", per: str = "route") -> Callable[..., Any]:
    """How long each route takes with so many cars on its links."""

    def run(volume: torch.Tensor, capacity: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
        share = volume / capacity
        if by == "conical":
            time = free * (2.0 + torch.sqrt(16.0 * (1.0 - share) ** 2 + 1.36) - 4.0 * (1.0 - share) - 1.17)
        else:
            time = free * (1.0 + 0.15 * share**power)
        return time.sum(0) if per == "link" else time.sum(-1)

    return run


def _assigned(spread: float = 1.0, closed: bool = True) -> Callable[..., Any]:
    """Travellers choose routes, and load the links of these."""

    def run(cost: torch.Tensor, shut: torch.Tensor, trips: torch.Tensor, link: torch.Tensor) -> torch.Tensor:
        score = -spread * cost
        if closed:
            score = score.masked_fill(shut, -1e9)
        taken = trips[:, None] * torch.softmax(score, -1)
        return torch.zeros(500, device=cost.device).index_add(0, link.flatten(), taken.flatten())

    return run


class _Speeds(torch.nn.Module):
    """Speeds of sensors, from those of their neighbours."""

    def __init__(
        self,
        norm: str = "layer",
        eps: float = 1e-5,
        loss: str = "absolute",
        residual: bool = False,
        shared: bool = False,
    ) -> None:
        super().__init__()
        self.first = torch.nn.Linear(48, 96, device="cuda")
        self.second = self.first if shared else torch.nn.Linear(48, 96, device="cuda")
        kinds = {"layer": torch.nn.LayerNorm, "rms": torch.nn.RMSNorm}
        self.norm = kinds[norm](48, eps=eps, device="cuda")
        self.loss, self.residual = loss, residual

    def forward(self, near: torch.Tensor, seen: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        h = F.glu(self.first(near @ seen), -1)
        h = h + seen if self.residual else h
        h = self.norm(h)
        out = F.glu(self.second(near @ h), -1)
        if self.loss == "huber":
            return F.huber_loss(out, target)
        return (out - target).abs().mean()


def _matched(pick: str = "best", traced: bool = False) -> Callable[..., Any]:
    """Which roads a vehicle was on: each step adds how likely it went from one to another."""

    def run(seen: torch.Tensor, moves: torch.Tensor) -> Any:
        score, back = seen[:, 0], []
        for i in range(1, seen.shape[1]):
            both = score[:, :, None] + moves
            if pick == "all":
                score = both.logsumexp(1) + seen[:, i]
                continue
            best = both.max(1)
            score = best.values + seen[:, i]
            back.append(best.indices)
        return (score, torch.stack(back)) if traced else score

    return run


def _injected(by: int = -1) -> Callable[..., Any]:
    """The power that each bus of a grid takes or gives."""

    def run(volt: torch.Tensor, angle: torch.Tensor, g: torch.Tensor, b: torch.Tensor) -> Any:
        gap = angle[:, None] - angle[None, :]
        pair = volt[:, None] * volt[None, :]
        cos, sin = gap.cos(), gap.sin()
        active = (pair * (g * cos + b * sin)).sum(by)
        return active, (pair * (g * sin - b * cos)).sum(by)

    return run


def _swing(damping: float = 0.05, written: bool = False) -> Callable[..., Any]:
    """Generators that swing against each other, for one step."""

    def run(angle: torch.Tensor, speed: torch.Tensor, power: torch.Tensor, tie: torch.Tensor) -> Any:
        pull = (tie * (angle[:, :, None] - angle[:, None, :]).sin()).sum(-1)
        faster = speed + 0.01 * (power - pull - damping * speed)
        if written:
            speed.copy_(faster)
            angle.add_(0.01 * faster)
            return speed.square().mean(-1)
        return angle + 0.01 * faster, faster

    return run


def _load(reduce: str = "mean") -> Callable[..., Any]:
    """The loss of forecasts of a load, as quantiles."""

    def run(out: torch.Tensor, load: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        gap = load[:, None] - out
        each = torch.maximum(level * gap, (level - 1) * gap)
        return each.sum(-1).mean() if reduce == "rows" else each.mean()

    return run


def _pipes(power: float = 1.852) -> Callable[..., Any]:
    """The pressure that water loses in each pipe, and the sum at each end."""

    def run(flow: torch.Tensor, rough: torch.Tensor, wide: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        loss = 10.67 * flow.sign() * flow.abs() ** power / (rough**1.852 * wide**4.87)
        return torch.zeros(80, device=flow.device).scatter_add(0, end, loss)

    return run


@triton.jit
def _decay(chlorine, age, out, total, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    left = tl.load(chlorine + at, at < total) * tl.exp(-0.3 * tl.load(age + at, at < total))
    tl.store(out + at, left, at < total)


@triton.jit
def _decay_twice(chlorine, age, out, total, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    old = tl.load(age + at, at < total)
    left = tl.load(chlorine + at, at < total) * (0.6 * tl.exp(-0.3 * old) + 0.4 * tl.exp(-0.02 * old))
    tl.store(out + at, left, at < total)


@triton.jit
def _decay_fast(chlorine, age, out, total, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    left = tl.load(chlorine + at, at < total) * tl.exp2(-0.432808512266689 * tl.load(age + at, at < total))
    tl.store(out + at, left, at < total)


def _clean(kernel: Any = _decay, warps: int = 4, block: int = 256) -> Callable[..., Any]:
    """The chlorine that is left in each pipe, by a kernel of the user's."""

    def run(chlorine: torch.Tensor, age: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(chlorine)
        grid = (triton.cdiv(chlorine.numel(), block),)
        kernel[grid](chlorine, age.relu(), out, chlorine.numel(), BLOCK=block, num_warps=warps)
        return out.mean(-1)

    return run


def _exchanged(guard: float = 1e-3) -> Callable[..., Any]:
    """The heat that houses take from a network."""

    def run(hot: torch.Tensor, cold: torch.Tensor, area: torch.Tensor) -> torch.Tensor:
        near, far = hot[:, 0] - cold[:, 1], hot[:, 1] - cold[:, 0]
        even = (near - far).abs() < guard
        return area * torch.where(even, near, (near - far) / torch.log((near / far).abs() + 1e-9))

    return run


class _Tank(torch.nn.Module):
    """Levels of tanks that are kept from step to step."""

    def __init__(self, full: float = 5.0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(64, 200, device="cuda", dtype=dtype))
        self.full = full

    def forward(self, inflow: torch.Tensor, demand: torch.Tensor) -> torch.Tensor:
        wanted = self.level + inflow - demand
        self.level.copy_(wanted.clamp(0.0, self.full))
        return F.relu(-wanted).sum(-1)


def _counted(by: str = "scatter", weighted: bool = True) -> Callable[..., Any]:
    """Votes for each party in each district."""

    def run(ballot: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if by == "hot":
            return (F.one_hot(ballot, 12) * weight[..., None]).sum(1)
        start = torch.zeros(ballot.shape[0], 12, device=ballot.device)
        return start.scatter_add(1, ballot, weight if weighted else torch.ones_like(weight))

    return run


def _seats(step: int = 1, number: int = 20) -> Callable[..., Any]:
    """The highest quotients win the seats."""

    def run(votes: torch.Tensor) -> torch.Tensor:
        divisor = torch.arange(0, 24, device=votes.device) * step + 1
        quotient = votes[:, :, None] / divisor
        return quotient.flatten(1).topk(number).values[:, -1]

    return run


def _raked(rounds: int = 2, eps: float = 1e-6, columns_first: bool = False) -> Callable[..., Any]:
    """Weights of a survey that are fitted to known totals."""

    def run(table: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        for _ in range(rounds):
            if columns_first:
                table = table * (columns / (table.sum(-2) + eps))[:, None, :]
            table = table * (rows / (table.sum(-1) + eps))[:, :, None]
            if not columns_first:
                table = table * (columns / (table.sum(-2) + eps))[:, None, :]
        return table

    return run


class _Turnout(torch.nn.Module):
    """Who votes: a regression with a level for each place and each age."""

    def __init__(self, shrunk: float = 0.01) -> None:
        super().__init__()
        self.place = torch.nn.Embedding(400, 16, device="cuda")
        self.age = torch.nn.Embedding(12, 16, device="cuda")
        self.head = torch.nn.Linear(16, 1, device="cuda")
        self.shrunk = shrunk

    def forward(self, place: torch.Tensor, age: torch.Tensor, voted: torch.Tensor) -> torch.Tensor:
        own = self.place(place)
        h = torch.tanh(own + self.age(age))
        return F.binary_cross_entropy_with_logits(self.head(h).squeeze(-1), voted) + self.shrunk * own.square().mean()


def _claims(kind: str = "tweedie", exposed: bool = True) -> Callable[..., Any]:
    """The deviance of expected claims."""

    def run(x: torch.Tensor, w: torch.Tensor, paid: torch.Tensor, years: torch.Tensor) -> torch.Tensor:
        mu = torch.exp((x * w).sum(-1))
        mu = mu * years if exposed else mu
        if kind == "poisson":
            return (mu - paid * torch.log(mu)).mean()
        return (mu**0.5 / 0.5 - paid * mu**-0.5 / -0.5).mean()

    return run


def _ladder(diagonal: int = 0) -> Callable[..., Any]:
    """How claims grow from year to year, over the part of the triangle that is known."""

    def run(paid: torch.Tensor) -> torch.Tensor:
        total = paid.cumsum(-1)
        known = torch.tril(torch.ones(total.shape[-2:], device=paid.device), diagonal).flip(0)
        seen = total * known
        return seen[:, :, 1:].sum(1) / (seen[:, :, :-1].sum(1) + 1e-6)

    return run


def _lives(whole: bool = False) -> Callable[..., Any]:
    """What a life annuity is worth."""

    def run(rate: torch.Tensor, benefit: torch.Tensor) -> torch.Tensor:
        alive = torch.exp(torch.cumsum(torch.log1p(-torch.sigmoid(rate)), -1))
        year = torch.arange(rate.shape[-1], device=rate.device, dtype=rate.dtype)
        paid = alive * benefit * 1.02**-year
        return paid if whole else paid.sum(-1)

    return run


class _Counter(torch.nn.Module):
    """A recurrent net over counts of vehicles."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.GRU(8, 32, batch_first=True, device="cuda")

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        scaled = torch.log1p(seen.abs())
        out, _ = self.cell(scaled)
        return torch.sigmoid(out).mean(1)


def _grids() -> tuple[torch.Tensor, ...]:
    return randn(96), randn(96), randn(96, 96), randn(96, 96)


def _swings() -> tuple[torch.Tensor, ...]:
    return randn(32, 40), randn(32, 40), randn(32, 40), randn(32, 40, 40)


def _sensors() -> tuple[torch.Tensor, ...]:
    return randn(120, 120), randn(16, 120, 48), randn(16, 120, 48)


def _network() -> tuple[torch.Tensor, ...]:
    return randn(900), randn(900), randn(900), integers(80, 900)


def _trips(routes: int = 6) -> tuple[torch.Tensor, ...]:
    return randn(300, routes), randn(300, routes) > 1, randn(300), integers(500, 300, routes)


def _policies() -> tuple[torch.Tensor, ...]:
    return randn(2000, 20), randn(20, grad=True), randn(2000), randn(2000)


def _voters() -> tuple[torch.Tensor, ...]:
    return integers(400, 512), integers(12, 512), randn(512)


PROGRAMS: Programs = {
    "flow": lambda: (_flow(), several(2, 60, 300)),
    "flow_narrow": lambda: (_flow(0.4), several(2, 60, 300)),
    "flow_ring": lambda: (_flow(ring=True), several(2, 60, 300)),
    "flow_narrow_ring": lambda: (_flow(0.4, ring=True), several(2, 60, 300)),
    "flow_half": lambda: (_flow(), several(2, 60, 300, dtype=BF16)),
    "delay": lambda: (_delay(), several(3, 200, 120)),
    "delay_steep": lambda: (_delay(5.0), several(3, 200, 120)),
    "delay_conical": lambda: (_delay(by="conical"), several(3, 200, 120)),
    "delay_link": lambda: (_delay(per="link"), several(3, 200, 120)),
    "delay_one": lambda: (_delay(), (randn(200, 120), randn(120), randn(200, 120))),
    "assigned": lambda: (_assigned(), _trips()),
    "assigned_sure": lambda: (_assigned(2.0), _trips()),
    "assigned_open": lambda: (_assigned(closed=False), _trips()),
    "assigned_nine": lambda: (_assigned(), _trips(9)),
    "speeds_train": lambda: (_Speeds(), _sensors(), TRAIN),
    "speeds_eps_train": lambda: (_Speeds(eps=1e-3), _sensors(), TRAIN),
    "speeds_rms_train": lambda: (_Speeds("rms"), _sensors(), TRAIN),
    "speeds_huber_train": lambda: (_Speeds(loss="huber"), _sensors(), TRAIN),
    "speeds_residual_train": lambda: (_Speeds(residual=True), _sensors(), TRAIN),
    "speeds_shared_train": lambda: (_Speeds(shared=True), _sensors(), TRAIN),
    "matched": lambda: (_matched(), (randn(24, 4, 50), randn(50, 50))),
    "matched_all": lambda: (_matched("all"), (randn(24, 4, 50), randn(50, 50))),
    "matched_traced": lambda: (_matched(traced=True), (randn(24, 4, 50), randn(50, 50))),
    "injected": lambda: (_injected(), _grids()),
    "injected_columns": lambda: (_injected(0), _grids()),
    "injected_turned": lambda: (_injected(), (randn(96), randn(96), randn(96, 96).t(), randn(96, 96).t())),
    "swing": lambda: (_swing(), _swings()),
    "swing_damped": lambda: (_swing(0.2), _swings()),
    "swing_written": lambda: (_swing(written=True), _swings()),
    "load_train": lambda: (_load(), (randn(600, 9, grad=True), randn(600), randn(9)), TRAIN),
    "load_rows_train": lambda: (_load(reduce="rows"), (randn(600, 9, grad=True), randn(600), randn(9)), TRAIN),
    "load_five_train": lambda: (_load(), (randn(600, 5, grad=True), randn(600), randn(5)), TRAIN),
    "pipes": lambda: (_pipes(), _network()),
    "pipes_square": lambda: (_pipes(2.0), _network()),
    "clean": lambda: (_clean(), several(2, 60, 300)),
    "clean_warps": lambda: (_clean(warps=8), several(2, 60, 300)),
    "clean_twice": lambda: (_clean(_decay_twice), several(2, 60, 300)),
    "clean_fast": lambda: (_clean(_decay_fast), several(2, 60, 300)),
    "clean_twice_block": lambda: (_clean(_decay_twice, block=512), several(2, 60, 300)),
    "exchanged": lambda: (_exchanged(), (randn(700, 2), randn(700, 2), randn(700))),
    "exchanged_guard": lambda: (_exchanged(1e-2), (randn(700, 2), randn(700, 2), randn(700))),
    "tank": lambda: (_Tank(), several(2, 64, 200)),
    "tank_high": lambda: (_Tank(8.0), several(2, 64, 200)),
    "tank_half": lambda: (_Tank(dtype=BF16), several(2, 64, 200)),
    "counted": lambda: (_counted(), (integers(12, 80, 400), randn(80, 400))),
    "counted_hot": lambda: (_counted("hot"), (integers(12, 80, 400), randn(80, 400))),
    "counted_even": lambda: (_counted(weighted=False), (integers(12, 80, 400), randn(80, 400))),
    "seats": lambda: (_seats(), (randn(50, 9),)),
    "seats_odd": lambda: (_seats(2), (randn(50, 9),)),
    "seats_more": lambda: (_seats(number=30), (randn(50, 9),)),
    "raked": lambda: (_raked(), (randn(90, 14, 10), randn(90, 14), randn(90, 10))),
    "raked_eps": lambda: (_raked(eps=1e-3), (randn(90, 14, 10), randn(90, 14), randn(90, 10))),
    "raked_columns": lambda: (_raked(columns_first=True), (randn(90, 14, 10), randn(90, 14), randn(90, 10))),
    "turnout_train": lambda: (_Turnout(), _voters(), TRAIN),
    "turnout_free_train": lambda: (_Turnout(0.001), _voters(), TRAIN),
    "claims_train": lambda: (_claims(), _policies(), TRAIN),
    "claims_poisson_train": lambda: (_claims(kind="poisson"), _policies(), TRAIN),
    "claims_even_train": lambda: (_claims(exposed=False), _policies(), TRAIN),
    "ladder": lambda: (_ladder(), (randn(40, 30, 30),)),
    "ladder_less": lambda: (_ladder(-1), (randn(40, 30, 30),)),
    "lives": lambda: (_lives(), (randn(300, 100), randn(300, 1))),
    "lives_whole": lambda: (_lives(whole=True), (randn(300, 100), randn(300, 1))),
    "counter": lambda: (_Counter().requires_grad_(False), (randn(20, 6, 8),)),
}  # fmt: skip
