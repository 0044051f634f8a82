"""Programs of farms and forests: fields seen by satellites, soil, greenhouses, herds, grain, fruit, pests, fish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch.utils.checkpoint import checkpoint

from diff_pairs.flex_parts import flex, mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

# ruff: noqa: N803


def _greenness(eps: float = 1e-6, soil: float = 0.0, near: int = 3) -> Callable[..., Any]:
    """How green each pixel of a scene is; the index may be corrected for bare soil."""

    def run(scene: torch.Tensor, cloud: torch.Tensor) -> torch.Tensor:
        infrared, red = scene[:, near], scene[:, 2]
        both = infrared + red + soil if soil else infrared + red
        index = (infrared - red) / (both + eps)
        index = index * (1.0 + soil) if soil else index
        return index.masked_fill(cloud, 0.0).mean(-1)

    return run


def _composed(over: int = 1) -> Callable[..., Any]:
    """One picture of a season from many with clouds."""

    def run(series: torch.Tensor, clear: torch.Tensor) -> torch.Tensor:
        return torch.where(clear > 0.5, series, -1.0).amax(over)

    return run


def _bucket(drain: float = 3.0, written: bool = False) -> Callable[..., Any]:
    """The water of a soil from day to day."""

    def run(water: torch.Tensor, rain: torch.Tensor, wanted: torch.Tensor, deep: torch.Tensor) -> torch.Tensor:
        now = water
        lost = torch.zeros_like(water)
        for day in range(3):
            share = (now / deep).clamp(0.0, 1.0)
            lost = lost + 0.2 * share**drain
            now = (now + rain[day] - wanted[day] * share - 0.2 * share**drain).clamp(min=0.0)
        if written:
            water.copy_(now)
            return lost
        return now + 0.0 * lost

    return run


def _evaporated(albedo: float = 0.23, windy: bool = True) -> Callable[..., Any]:
    """How much water a field of grass would give to the air."""

    def run(warm: torch.Tensor, sun: torch.Tensor, wind: torch.Tensor, damp: torch.Tensor) -> torch.Tensor:
        full = 0.6108 * torch.exp(17.27 * warm / (warm + 237.3))
        slope = 4098.0 * full / (warm + 237.3) ** 2
        net = (1.0 - albedo) * sun
        dry = full * (1.0 - torch.sigmoid(damp))
        air = 900.0 / (warm + 273.0) * dry * (wind if windy else 2.0)
        each = (0.408 * slope * net + 0.066 * air) / (slope + 0.066 * (1.0 + 0.34 * wind))
        return each.mean(1)

    return run


def _stages(right: bool = False) -> Callable[..., Any]:
    """The stage of a crop on each day, by the heat that it has had."""

    def run(low: torch.Tensor, high: torch.Tensor, limits: torch.Tensor) -> torch.Tensor:
        heat = ((low.clamp(min=8.0) + high.clamp(max=30.0)) / 2 - 8.0).relu()
        return torch.bucketize(heat.cumsum(-1), limits, right=right)

    return run


class _Irrigation(torch.nn.Module):
    """Valves of a greenhouse that follow how dry the beds are; what was missing is kept."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.register_buffer("missed", torch.zeros(48, 160, device="cuda", dtype=dtype))

    def forward(self, wet: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        gap = wanted - wet
        missed = self.missed + gap
        self.missed.copy_(missed)
        return torch.sigmoid(0.4 * gap + 0.1 * missed)


def _related() -> Callable[..., Any]:
    """How alike animals are, by their markers."""

    def run(markers: torch.Tensor) -> torch.Tensor:
        share = markers.mean(0) / 2
        spread = 2 * share * (1 - share) + 0.05
        centred = markers - 2 * share
        return centred @ centred.t() / spread.sum()

    return run


def _pedigree(rounds: int = 2, inbred: bool = True) -> Callable[..., Any]:
    """Relations of calves from those of their parents, for some generations."""

    def run(relation: torch.Tensor, sire: torch.Tensor, dam: torch.Tensor) -> torch.Tensor:
        for _ in range(rounds):
            mixed = 0.5 * (relation[sire] + relation[dam])
            own = 1.0 + 0.5 * relation[sire, dam] if inbred else torch.ones_like(relation[:, 0])
            relation = torch.diagonal_scatter(0.5 * (mixed + mixed.t()), own)
        return relation

    return run


def _spectrum(spread: int = 1, eps: float = 1e-5) -> Callable[..., Any]:
    """Protein of grain from its spectrum: each is scaled, smoothed, derived and weighed."""

    def run(light: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        dense = -torch.log10(light.abs() + 1e-3)
        dense = (dense - dense.mean(-1, keepdim=True)) / (dense.std(-1, correction=spread, keepdim=True) + eps)
        slope = dense[:, 4:] - dense[:, :-4]
        slope = (slope[:, 2:] + 2 * slope[:, 1:-1] + slope[:, :-2]) / 4
        return slope @ weight[: slope.shape[1]]

    return run


class _Fruit(torch.nn.Module):
    """Sorts fruit by pictures."""

    def __init__(self, norm: str = "batch", act: str = "relu", loss: str = "classes") -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 16, 3, padding=1, device="cuda")
        self.norm = {
            "batch": torch.nn.BatchNorm2d(16, device="cuda"),
            "group": torch.nn.GroupNorm(4, 16, device="cuda"),
            "few": torch.nn.GroupNorm(2, 16, device="cuda"),
        }[norm]
        self.head = torch.nn.Linear(16, 5, device="cuda")
        self.act = {"relu": F.relu, "hard": F.hardswish}[act]
        self.loss = loss

    def forward(self, picture: torch.Tensor, kind: torch.Tensor | None = None) -> torch.Tensor:
        h = F.max_pool2d(self.act(self.norm(self.first(picture))), 2)
        out = self.head(h.mean((2, 3)))
        if kind is None:
            return out
        if self.loss == "focal":
            each = F.cross_entropy(out, kind, reduction="none")
            return ((1 - torch.exp(-each)) ** 2 * each).mean()
        return F.cross_entropy(out, kind)


def _weighed() -> Callable[..., Any]:
    """The weight of pigs from pictures of their depth."""

    def run(depth: torch.Tensor, ground: torch.Tensor) -> Any:
        high = ground - depth
        on = high > 0.05
        volume = torch.where(on, high, 0.0).sum((-2, -1))
        length = on.any(-1).sum(-1)
        return 31.5 * volume / (length + 1), length

    return run


def _trapped(excess: bool = True) -> Callable[..., Any]:
    """The loss of expected counts of pests in traps."""

    def run(x: torch.Tensor, w: torch.Tensor, gate: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        score = x @ w
        each = score.exp() - count * score
        if excess:
            none = F.logsigmoid(gate)
            zero = -torch.logaddexp(none, F.logsigmoid(-gate) - each)
            each = torch.where(count < 0.5, zero, each - F.logsigmoid(-gate))
        return each.mean()

    return run


def _dose(price: float = 0.9, best: int = 1) -> Callable[..., Any]:
    """The dose of nitrogen that pays most on each plot."""

    def run(top: torch.Tensor, bend: torch.Tensor, soil: torch.Tensor) -> Any:
        dose = torch.linspace(0.0, 240.0, 64, device=top.device)
        grown = top[:, None] * (1.0 - torch.exp(-bend[:, None].abs() * (dose + soil[:, None])))
        profit = grown - price * dose / 100.0
        if best > 1:
            return profit.topk(best, -1)
        return profit.max(-1)

    return run


@triton.jit
def _grow(size, food, out, total, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    old = tl.load(size + at, at < total)
    new = old + 0.1 * old * (1.0 - old / (tl.load(food + at, at < total) + 1.0))
    tl.store(out + at, new, at < total)


@triton.jit
def _grow_gompertz(size, food, out, total, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    old = tl.load(size + at, at < total)
    new = old + 0.1 * old * tl.log((tl.load(food + at, at < total) + 1.0) / (old + 1e-3))
    tl.store(out + at, new, at < total)


@triton.jit
def _grow_streamed(size, food, out, total, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    old = tl.load(size + at, at < total, eviction_policy="evict_first")
    new = old + 0.1 * old * (1.0 - old / (tl.load(food + at, at < total, eviction_policy="evict_first") + 1.0))
    tl.store(out + at, new, at < total)


def _grown(kernel: Any = _grow) -> Callable[..., Any]:
    """Fish in tanks, by a kernel of the user's."""

    def run(size: torch.Tensor, food: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(size)
        grid = (triton.cdiv(size.numel(), 256),)
        kernel[grid](size, food.abs(), out, size.numel(), BLOCK=256, num_warps=4)
        return out.sum(-1)

    return run


@triton.jit
def _shade(height, near, out, trees, BLOCK: tl.constexpr):
    tree = tl.program_id(0)
    own = tl.load(height + tree)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, trees, BLOCK):
        at = start + tl.arange(0, BLOCK)
        other = tl.load(height + at, at < trees, 0.0)
        by = tl.load(near + tree * trees + at, at < trees, 0.0)
        total += tl.where(other > own, other * by, 0.0)
    tl.store(out + tree, tl.sum(total, 0))


@triton.jit
def _shade_deepest(height, near, out, trees, BLOCK: tl.constexpr):
    tree = tl.program_id(0)
    own = tl.load(height + tree)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, trees, BLOCK):
        at = start + tl.arange(0, BLOCK)
        other = tl.load(height + at, at < trees, 0.0)
        by = tl.load(near + tree * trees + at, at < trees, 0.0)
        total = tl.maximum(total, tl.where(other > own, other * by, 0.0))
    tl.store(out + tree, tl.max(total, 0))


def _shaded(kernel: Any = _shade, block: int = 128) -> Callable[..., Any]:
    """How much each tree of a stand is shaded by others, and what it grows then."""

    def run(height: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(height)
        kernel[(height.shape[0],)](height, near, out, height.shape[0], BLOCK=block)
        return height + 0.3 * torch.exp(-out)

    return run


def _canopy(reduce: str = "amax", own: bool = True) -> Callable[..., Any]:
    """The height of a forest in cells of a grid, from the points of a laser."""

    def run(ground: torch.Tensor, cell: torch.Tensor, height: torch.Tensor) -> torch.Tensor:
        return ground.scatter_reduce(0, cell, height.relu(), reduce, include_self=own)

    return run


def _pens(rule: str = "pen") -> Callable[..., Any]:
    """Animals that are seen one after another attend to those of their pen."""

    def same(b: Any, h: Any, i: Any, j: Any) -> Any:
        return i // 64 == j // 64

    def lately(b: Any, h: Any, i: Any, j: Any) -> Any:
        return (i >= j) & (i - j < 96)

    return flex(block_mask=mask(same if rule == "pen" else lately, 256, 256))


class _Yields(torch.nn.Module):
    """Yields of fields, from their soil and their weather."""

    def __init__(self, norm: str = "layer", residual: bool = False, shared: bool = False) -> None:
        super().__init__()
        self.soil = torch.nn.Embedding(40, 64, device="cuda")
        self.first = torch.nn.Linear(64, 64, device="cuda")
        self.second = self.first if shared else torch.nn.Linear(64, 64, device="cuda")
        kinds = {"layer": torch.nn.LayerNorm, "rms": torch.nn.RMSNorm}
        self.norm = kinds[norm](64, eps=1e-5, device="cuda")
        self.drop = torch.nn.Dropout(0.1)
        self.residual = residual

    def forward(self, soil: torch.Tensor, weather: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        h = self.soil(soil) + weather
        out = self.drop(F.silu(self.first(self.norm(h))))
        out = out + h if self.residual else out
        return F.mse_loss(self.second(out).mean(-1), target)


def _taper(up: bool = False) -> Callable[..., Any]:
    """How much wood a trunk holds below each height."""

    def run(wide: torch.Tensor, tall: torch.Tensor) -> torch.Tensor:
        part = torch.linspace(0.01, 0.99, 100, device=wide.device)
        radius = wide[:, None].abs() * (1.0 - part) ** 1.6
        piece = 3.14159 * radius.square() * tall[:, None].abs() / 100.0
        return piece.flip(-1).cumsum(-1) if up else piece.cumsum(-1)

    return run


def _sown(spread: str = "even", width: float = 0.5) -> Callable[..., Any]:
    """Where seeds fall, and how many find room."""

    def run(row: torch.Tensor) -> torch.Tensor:
        drift = torch.randn_like(row) if spread == "normal" else torch.rand_like(row) - 0.5
        place = row + width * drift
        return (place[:, 1:] - place[:, :-1] > 0.1).sum(-1)

    return run


def _ration(floor: float = 0.0) -> Callable[..., Any]:
    """Shares of feeds in a ration, and what they hold."""

    def run(score: torch.Tensor, feeds: torch.Tensor, need: torch.Tensor) -> torch.Tensor:
        share = torch.softmax(score, -1)
        share = share * (1.0 - 64 * floor) + floor if floor else share
        return F.relu(need - share @ feeds).square().sum(-1)

    return run


def _patched(size: int = 48) -> Callable[..., Any]:
    """Pictures of a drone on the grid of a map."""

    def run(picture: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        out = F.interpolate(picture, size=(size, size), mode="bilinear", align_corners=False)
        return (out * gain[:, None, None]).clamp(0.0, 1.0)

    return run


def _graded(scale: str = "row") -> Callable[..., Any]:
    """Classes of kernels of grain, by a product of whole numbers."""

    def run(x: torch.Tensor, w: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        out = torch._int_mm(x, w).to(torch.float32) * by
        return out.argmax(-1) if scale == "class" else out

    return run


def _bundled() -> Callable[..., Any]:
    """Readings of sensors with room for more, through a layer."""

    def run(seen: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return F.pad(torch.tanh(seen) * 0.5, (0, 2, 0, 0)) @ w

    return run


class _Ripened(torch.autograd.Function):
    """A product with a gradient that is written out, in wide numbers."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, w = ctx.saved_tensors
        wide = grad.float()
        return wide @ w.t(), x.t() @ wide


def _narrowly() -> Callable[..., Any]:
    """A net for the ripeness of fruit, in narrow numbers; each basket is a part of its own."""

    def inner(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.silu(_Ripened.apply(x, w)) @ v

    def run(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cuda", dtype=BF16):
            for _ in range(1):
                torch._dynamo.graph_break()
                out = inner(x, w, v)
        return out

    return run


def _parcels() -> Callable[..., Any]:
    """Parcels of several sizes, one after another."""

    def inner(part: torch.Tensor) -> torch.Tensor:
        return (part - part.mean(-1, keepdim=True)) / (part.std(-1, keepdim=True) + 1e-3)

    def run(*parts: torch.Tensor) -> list[torch.Tensor]:
        out = []
        for part in parts:
            torch._dynamo.graph_break()
            out.append(inner(part))
        return out

    return run


def _kept() -> Callable[..., Any]:
    """Feeds that are tried, of a set that is written where it is used."""

    def run(feed: torch.Tensor, need: torch.Tensor) -> torch.Tensor:
        left = need - 0.5 * feed.sigmoid()
        used = {2, 5, 7}
        return torch.cumsum(left.relu() * len(used), -1)

    return run


def _planned() -> Callable[..., Any]:
    """Plans of harvests by a class that is written where it is used."""

    def run(ripe: torch.Tensor, lost: torch.Tensor) -> torch.Tensor:
        worth = ripe.sigmoid() - lost.relu()

        class Plan:
            late = 0.3

        return torch.cummax(worth - Plan.late * lost, -1).values

    return run


class _Barn(torch.nn.Module):
    """Air of a barn; what each fan moves is a plain tensor of a part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.fans = torch.nn.Identity()
        self.fans.moved = randn(64)  # type: ignore[assignment]

    def forward(self, damp: torch.Tensor) -> torch.Tensor:
        return (damp - damp.tanh() * self.fans.moved).sum(-1)


_LIBRARY = torch.library.Library("farm", "DEF")
_LIBRARY.define("sieve(Tensor x, float width) -> Tensor")
_LIBRARY.impl("sieve", lambda x, width: torch.where(x > width, x, 0.0), "CompositeExplicitAutograd")


def _sieved() -> Callable[..., Any]:
    """Grain through a sieve that another package brings."""

    def run(grain: torch.Tensor) -> torch.Tensor:
        kept = torch.ops.farm.sieve(grain.abs(), 0.3)
        return kept.sum(-1) / (grain.abs().sum(-1) + 1.0)

    return run


def _again(kept: bool = True) -> Callable[..., Any]:
    """A net over days of weather, whose inner part may be computed again."""

    def run(x: torch.Tensor, w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        def inner(h: torch.Tensor) -> torch.Tensor:
            return F.dropout(torch.tanh(h @ w), 0.2, True) @ v

        return (inner(x) if kept else checkpoint(inner, x, use_reentrant=False)).square().mean()

    return run


def _days() -> tuple[torch.Tensor, ...]:
    return randn(90, 70), randn(3, 90, 70), randn(3, 90, 70), randn(90, 70).exp()


def _animals(number: int = 240) -> tuple[torch.Tensor, ...]:
    return (integers(3, number, 600, dtype=torch.int32).to(torch.float32),)


def _calves() -> tuple[torch.Tensor, ...]:
    return randn(150, 150), integers(150, 150), integers(150, 150)


def _fields() -> tuple[torch.Tensor, ...]:
    return integers(40, 256), randn(256, 64), randn(256)


def _pictures(form: Any = torch.contiguous_format) -> tuple[torch.Tensor, ...]:
    return (randn(8, 3, 32, 32).to(memory_format=form),)


def _judged() -> tuple[torch.Tensor, ...]:
    return randn(8, 3, 32, 32), integers(5, 8)


def _traps() -> tuple[torch.Tensor, ...]:
    return randn(1200, 24), randn(24, grad=True), randn(1200, grad=True), randn(1200)


def _points() -> tuple[torch.Tensor, ...]:
    return randn(4000), integers(4000, 30000), randn(30000)


def _whole(*shape: int) -> torch.Tensor:
    return integers(100, *shape, dtype=torch.int8)


_SCENE = (6, 5, 64, 300)
PROGRAMS: Programs = {
    "greenness": lambda: (_greenness(), (randn(*_SCENE), randn(6, 64, 300) > 1)),
    "greenness_soil": lambda: (_greenness(soil=0.5), (randn(*_SCENE), randn(6, 64, 300) > 1)),
    "greenness_edge": lambda: (_greenness(near=4), (randn(*_SCENE), randn(6, 64, 300) > 1)),
    "greenness_edge_eps": lambda: (_greenness(1e-3, near=4), (randn(*_SCENE), randn(6, 64, 300) > 1)),
    "composed": lambda: (_composed(), several(2, 20, 12, 500)),
    "composed_fields": lambda: (_composed(over=2), several(2, 20, 12, 500)),
    "bucket": lambda: (_bucket(), _days()),
    "bucket_drained": lambda: (_bucket(4.0), _days()),
    "bucket_written": lambda: (_bucket(written=True), _days()),
    "evaporated": lambda: (_evaporated(), several(4, 300, 120)),
    "evaporated_bare": lambda: (_evaporated(0.17), several(4, 300, 120)),
    "evaporated_calm": lambda: (_evaporated(windy=False), several(4, 300, 120)),
    "stages": lambda: (_stages(), (randn(70, 180), randn(70, 180), randn(9))),
    "stages_right": lambda: (_stages(right=True), (randn(70, 180), randn(70, 180), randn(9))),
    "irrigation": lambda: (_Irrigation(), several(2, 48, 160)),
    "irrigation_half": lambda: (_Irrigation(dtype=BF16), several(2, 48, 160)),
    "related": lambda: (_related(), _animals()),
    "related_more": lambda: (_related(), _animals(320)),
    "pedigree": lambda: (_pedigree(), _calves()),
    "pedigree_founders": lambda: (_pedigree(inbred=False), _calves()),
    "pedigree_three": lambda: (_pedigree(3), _calves()),
    "spectrum": lambda: (_spectrum(), (randn(200, 700), randn(700, 6))),
    "spectrum_spread": lambda: (_spectrum(0), (randn(200, 700), randn(700, 6))),
    "spectrum_eps": lambda: (_spectrum(eps=1e-3), (randn(200, 700), randn(700, 6))),
    "fruit": lambda: (_Fruit().eval().requires_grad_(False), _pictures()),
    "fruit_hard": lambda: (_Fruit(act="hard").eval().requires_grad_(False), _pictures()),
    "fruit_last": lambda: (_Fruit().eval().requires_grad_(False), _pictures(form=torch.channels_last)),
    "fruit_group": lambda: (_Fruit("group").eval().requires_grad_(False), _pictures()),
    "fruit_few": lambda: (_Fruit("few").eval().requires_grad_(False), _pictures()),
    "fruit_train": lambda: (_Fruit(), _judged(), TRAIN),
    "fruit_focal_train": lambda: (_Fruit(loss="focal"), _judged(), TRAIN),
    "weighed": lambda: (_weighed(), several(2, 30, 64, 96, dtype=torch.float16)),
    "weighed_one": lambda: (_weighed(), (randn(30, 64, 96, dtype=torch.float16), randn(64, 96, dtype=torch.float16))),
    "trapped_train": lambda: (_trapped(), _traps(), TRAIN),
    "trapped_plain_train": lambda: (_trapped(excess=False), _traps(), TRAIN),
    "dose": lambda: (_dose(), several(3, 400)),
    "dose_dear": lambda: (_dose(1.2), several(3, 400)),
    "dose_three": lambda: (_dose(best=3), several(3, 400)),
    "grown": lambda: (_grown(), several(2, 40, 250)),
    "grown_gompertz": lambda: (_grown(_grow_gompertz), several(2, 40, 250)),
    "grown_streamed": lambda: (_grown(_grow_streamed), several(2, 40, 250)),
    "shaded": lambda: (_shaded(), (randn(300), randn(300, 300))),
    "shaded_deepest": lambda: (_shaded(_shade_deepest), (randn(300), randn(300, 300))),
    "shaded_block": lambda: (_shaded(block=64), (randn(300), randn(300, 300))),
    "canopy": lambda: (_canopy(), _points()),
    "canopy_alone": lambda: (_canopy(own=False), _points()),
    "canopy_sum": lambda: (_canopy("sum"), _points()),
    "pens": lambda: (_pens(), qkv(256, 256)),
    "pens_lately": lambda: (_pens("lately"), qkv(256, 256)),
    "pens_heads": lambda: (_pens(), qkv(256, 256, 6)),
    "yields_train": lambda: (_Yields(), _fields(), TRAIN),
    "yields_residual_train": lambda: (_Yields(residual=True), _fields(), TRAIN),
    "yields_shared_train": lambda: (_Yields(shared=True), _fields(), TRAIN),
    "yields": lambda: (_Yields().eval().requires_grad_(False), _fields()),
    "yields_rms": lambda: (_Yields("rms").eval().requires_grad_(False), _fields()),
    "taper": lambda: (_taper(), several(2, 300)),
    "taper_up": lambda: (_taper(up=True), several(2, 300)),
    "sown": lambda: (_sown(), (randn(80, 400),)),
    "sown_normal": lambda: (_sown("normal"), (randn(80, 400),)),
    "sown_wide": lambda: (_sown(width=0.8), (randn(80, 400),)),
    "ration": lambda: (_ration(), (randn(64, 64), randn(64, 12), randn(64, 12))),
    "ration_floor": lambda: (_ration(floor=0.001), (randn(64, 64), randn(64, 12), randn(64, 12))),
    "patched": lambda: (_patched(), (randn(4, 5, 40, 60), randn(5))),
    "patched_fine": lambda: (_patched(size=64), (randn(4, 5, 40, 60), randn(5))),
    "graded": lambda: (_graded(), (_whole(64, 128), _whole(128, 32), randn(64, 1))),
    "graded_class": lambda: (_graded("class"), (_whole(64, 128), _whole(128, 32), randn(64, 1))),
    "again_train": lambda: (_again(), (randn(64, 48, grad=True), *several(2, 48, 48, grad=True)), TRAIN),
    "again_twice_train": lambda: (_again(False), (randn(64, 48, grad=True), *several(2, 48, 48, grad=True)), TRAIN),
    "bundled": lambda: (_bundled(), (randn(90, 1030), randn(1032, 40))),
    "narrowly_train": lambda: (_narrowly(), (randn(128, 64), *several(2, 64, 64, grad=True)), TRAIN),
    "parcels": lambda: (_parcels(), (randn(40, 100), randn(60, 100), randn(90, 100))),
    "kept": lambda: (_kept(), several(2, 40, 120)),
    "planned": lambda: (_planned(), several(2, 40, 120)),
    "barn": lambda: (_Barn(), (randn(200, 64),), {"dynamic": True}),
    "sieved": lambda: (_sieved(), (randn(40, 300),)),
}  # fmt: skip
