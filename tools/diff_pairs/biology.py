"""Programs of biology: alignments of sequences, folding, expression of genes, spiking neurons, doses, populations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn


def _align(gap: float = 1.0, local: bool = True) -> Callable[..., Any]:
    """Scores of an alignment along one row of the table, with the row before."""

    def run(before: torch.Tensor, match: torch.Tensor) -> torch.Tensor:
        diagonal = F.pad(before[:, :-1], (1, 0)) + match
        best = torch.maximum(diagonal, before - gap)
        return best.clamp(min=0.0) if local else best

    return run


def _outer_mean(heads: int = 0, norm: bool = True) -> Callable[..., Any]:
    """The mean over sequences of outer products of their columns."""

    def run(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        pair = torch.einsum("sic,sjd->ijcd", left, right)
        return pair.flatten(-2) / left.shape[0] if norm else pair.flatten(-2)

    return run


def _triangle(
    incoming: bool = False, gate: Callable[[torch.Tensor], torch.Tensor] = torch.sigmoid
) -> Callable[..., Any]:
    """A triangular update of pairs."""

    def run(z: torch.Tensor, a: torch.Tensor, b: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        left, right = z * a, z * b
        both = torch.einsum("kic,kjc->ijc" if incoming else "ikc,jkc->ijc", left, right)
        return z + gate(z * g) * both

    return run


def _expression(pseudo: float = 1.0, scale: float = 1e4, base_two: bool = False) -> Callable[..., Any]:
    """Counts of genes in cells, normalized by the depth of each cell."""

    def run(counts: torch.Tensor) -> torch.Tensor:
        depth = counts.sum(1, keepdim=True)
        value = counts / depth * scale
        return torch.log2(value + pseudo) if base_two else torch.log1p(value)

    return run


def _variable_genes(unbiased: bool = True, by: int = 0) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        return x.var(by, unbiased=unbiased) / (x.mean(by) + 1e-6)

    return run


def _dropouts(scale: float = 0.5) -> Callable[..., Any]:
    """A likelihood of counts with more zeros than a Poisson distribution has."""

    def run(y: torch.Tensor, mu: torch.Tensor, pi: torch.Tensor) -> torch.Tensor:
        poisson = y * torch.log(mu) - mu - torch.lgamma(y + 1)
        none = torch.logaddexp(F.logsigmoid(pi), F.logsigmoid(-pi) - mu)
        return -(torch.where(y < scale, none, F.logsigmoid(-pi) + poisson)).mean()

    return run


def _dropouts_binomial(y: torch.Tensor, mu: torch.Tensor, pi: torch.Tensor) -> torch.Tensor:
    r = F.softplus(pi)
    both = torch.lgamma(y + r) - torch.lgamma(r) - torch.lgamma(y + 1)
    return -(both + r * torch.log(r / (r + mu)) + y * torch.log(mu / (r + mu))).mean()


def _spikes(decay: float = 0.9, soft: bool = True, steps: int = 4, out: str = "spikes") -> Callable[..., Any]:
    """Neurons that leak, integrate and fire."""

    def run(current: torch.Tensor) -> Any:
        volt, fired = torch.zeros_like(current[0]), []
        for step in range(steps):
            volt = volt * decay + current[step]
            spike = (volt > 1.0).to(volt.dtype)
            volt = volt - spike if soft else volt * (1 - spike)
            fired.append(spike)
        rates = torch.stack(fired)
        return rates if out == "spikes" else rates.mean(0) if out == "rate" else (rates, volt)

    return run


class _Surrogate(torch.autograd.Function):
    """A step whose gradient is that of a fast sigmoid."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, slope: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return grad / (1 + ctx.slope * x.abs()).square(), None


def _surrogate(slope: float = 10.0, twice: bool = False, detached: bool = False) -> Callable[..., Any]:
    def run(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        volt = x @ w
        spike = _Surrogate.apply(volt - 1.0, slope)
        volt = volt - (spike.detach() if detached else spike)
        return (spike + _Surrogate.apply(volt * 0.9 - 1.0, slope) if twice else spike * volt).mean()

    return run


def _doses(absorb: float = 1.2, clear: float = 0.3) -> Callable[..., Any]:
    """The concentration in two compartments after an oral dose."""

    def run(t: torch.Tensor, dose: torch.Tensor) -> torch.Tensor:
        factor = absorb / (absorb - clear)
        return dose[:, None] * factor * (torch.exp(-clear * t) - torch.exp(-absorb * t))

    return run


def _epidemic(exposed: bool = False, limit: bool = False) -> Callable[..., Any]:
    """A step of an epidemic in many regions."""

    def run(s: torch.Tensor, i: torch.Tensor, travel: torch.Tensor) -> Any:
        force = 0.3 * i / (s + i + 1.0)
        new = s * (1 - torch.exp(-force)) if exposed else s * force
        new = torch.minimum(new, s) if limit else new
        i = i + new - 0.1 * i
        return s - new, i + (travel @ i - i) * 0.01

    return run


def _kmers(size: int = 3, reverse: bool = False) -> Callable[..., Any]:
    """Counts of the words in sequences of four letters."""

    def run(letters: torch.Tensor) -> torch.Tensor:
        code = torch.zeros_like(letters[:, : letters.shape[1] - size + 1])
        for at in range(size):
            part = letters[:, at : letters.shape[1] - size + 1 + at]
            code = code * 4 + (3 - part if reverse else part)
        out = torch.zeros(letters.shape[0], 4**size, device=letters.device)
        return out.scatter_add_(1, code, torch.ones_like(code, dtype=torch.float32))

    return run


def _contacts(limit: float = 8.0, ignore: int = 0, soft: bool = False) -> Callable[..., Any]:
    """Which residues of a protein are near each other."""

    def run(x: torch.Tensor) -> torch.Tensor:
        gap = (x[:, :, None] - x[:, None]).square().sum(-1).add(1e-6).sqrt()
        near = torch.sigmoid(limit - gap) if soft else (gap < limit).float()
        if ignore:
            at = torch.arange(x.shape[1], device=x.device)
            near = near * ((at[:, None] - at).abs() >= ignore)
        return near.sum(-1)

    return run


def _distogram(bins: int = 16, first: float = 2.0) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> torch.Tensor:
        edges = torch.linspace(first, 22, bins, device=x.device)
        return F.one_hot(torch.bucketize(torch.cdist(x, x), edges), bins + 1).float().mean((1, 2))

    return run


def _tree(joined: str = "product") -> Callable[..., Any]:
    """Likelihoods of the letters at an inner node of a tree, from those of its two children."""

    def run(left: torch.Tensor, right: torch.Tensor, p: torch.Tensor, q: torch.Tensor) -> Any:
        both = (left @ p.t()) * (right @ q.t()) if joined == "product" else (left @ p.t()) + (right @ q.t())
        top = both.amax(-1, keepdim=True)
        return both / top, top.log().squeeze(-1)

    return run


def _columns_masked(rate: float = 0.15, keep: bool = False) -> Callable[..., Any]:
    """Letters of an alignment that a model has to restore."""

    def run(letters: torch.Tensor) -> Any:
        hidden = torch.rand(letters.shape, device=letters.device) < rate
        seen = torch.where(hidden, 22, letters)
        return (seen, hidden) if keep else seen

    return run


_CURRENT = (5, 60, 70)
PROGRAMS: Programs = {
    "align": lambda: (_align(), (randn(40, 200), randn(40, 200))),
    "align_gap": lambda: (_align(gap=2.5), (randn(40, 200), randn(40, 200))),
    "align_global": lambda: (_align(local=False), (randn(40, 200), randn(40, 200))),
    "align_half": lambda: (_align(), (randn(40, 200, dtype=BF16), randn(40, 200, dtype=BF16))),
    "outer_mean": lambda: (_outer_mean(), (randn(20, 24, 8), randn(20, 24, 8))),
    "outer_sum": lambda: (_outer_mean(norm=False), (randn(20, 24, 8), randn(20, 24, 8))),
    "outer_deep": lambda: (_outer_mean(), (randn(50, 24, 8), randn(50, 24, 8))),
    "triangle": lambda: (_triangle(), (randn(30, 30, 16), randn(16), randn(16), randn(16))),
    "triangle_incoming": lambda: (_triangle(incoming=True), (randn(30, 30, 16), randn(16), randn(16), randn(16))),
    "triangle_tanh": lambda: (_triangle(gate=torch.tanh), (randn(30, 30, 16), randn(16), randn(16), randn(16))),
    "triangle_full": lambda: (_triangle(), (randn(30, 30, 16), randn(16), randn(16), randn(30, 1, 16))),
    "expression": lambda: (_expression(), (randn(50, 700).abs(),)),
    "expression_million": lambda: (_expression(scale=1e6), (randn(50, 700).abs(),)),
    "expression_two": lambda: (_expression(base_two=True), (randn(50, 700).abs(),)),
    "expression_more": lambda: (_expression(), (randn(50, 3000).abs(),)),
    "expression_counts": lambda: (_expression(), (integers(90, 50, 700, dtype=torch.int32),)),
    "variable": lambda: (_variable_genes(), (randn(90, 400),)),
    "variable_biased": lambda: (_variable_genes(unbiased=False), (randn(90, 400),)),
    "variable_cells": lambda: (_variable_genes(by=1), (randn(90, 400),)),
    "variable_turned": lambda: (_variable_genes(), (randn(400, 90).t(),)),
    "dropouts": lambda: (_dropouts(), (randn(90, 40), randn(90, 40).abs(), randn(90, 40))),
    "dropouts_binomial": lambda: (_dropouts_binomial, (randn(90, 40), randn(90, 40).abs(), randn(90, 40))),
    "dropouts_shared": lambda: (_dropouts(), (randn(90, 40), randn(90, 40).abs(), randn(40))),
    "spikes": lambda: (_spikes(), (randn(*_CURRENT),)),
    "spikes_hard": lambda: (_spikes(soft=False), (randn(*_CURRENT),)),
    "spikes_slow": lambda: (_spikes(decay=0.95), (randn(*_CURRENT),)),
    "spikes_rate": lambda: (_spikes(out="rate"), (randn(*_CURRENT),)),
    "spikes_volt": lambda: (_spikes(out="both"), (randn(*_CURRENT),)),
    "spikes_five": lambda: (_spikes(steps=5), (randn(*_CURRENT),)),
    "surrogate": lambda: (_surrogate(), (randn(64, 48), randn(48, 80, grad=True)), TRAIN),
    "surrogate_steep": lambda: (_surrogate(25.0), (randn(64, 48), randn(48, 80, grad=True)), TRAIN),
    "surrogate_detached": lambda: (_surrogate(detached=True), (randn(64, 48), randn(48, 80, grad=True)), TRAIN),
    "doses": lambda: (_doses(), (randn(30, 100).abs(), randn(30))),
    "doses_slow": lambda: (_doses(absorb=0.8), (randn(30, 100).abs(), randn(30))),
    "epidemic": lambda: (_epidemic(), (randn(64).abs(), randn(64).abs(), randn(64, 64))),
    "epidemic_exact": lambda: (_epidemic(exposed=True), (randn(64).abs(), randn(64).abs(), randn(64, 64))),
    "epidemic_capped": lambda: (_epidemic(limit=True), (randn(64).abs(), randn(64).abs(), randn(64, 64))),
    "kmers": lambda: (_kmers(), (integers(4, 20, 90),)),
    "kmers_two": lambda: (_kmers(size=2), (integers(4, 20, 90),)),
    "kmers_reverse": lambda: (_kmers(reverse=True), (integers(4, 20, 90),)),
    "contacts": lambda: (_contacts(), (randn(4, 60, 3),)),
    "contacts_far": lambda: (_contacts(12.0), (randn(4, 60, 3),)),
    "contacts_soft": lambda: (_contacts(soft=True), (randn(4, 60, 3),)),
    "contacts_long": lambda: (_contacts(ignore=6), (randn(4, 60, 3),)),
    "distogram": lambda: (_distogram(), (randn(2, 40, 3),)),
    "distogram_start": lambda: (_distogram(first=3.0), (randn(2, 40, 3),)),
    "distogram_fine": lambda: (_distogram(bins=32), (randn(2, 40, 3),)),
    "tree": lambda: (_tree(), (randn(500, 4), randn(500, 4), randn(4, 4), randn(4, 4))),
    "tree_sum": lambda: (_tree("sum"), (randn(500, 4), randn(500, 4), randn(4, 4), randn(4, 4))),
    "masked": lambda: (_columns_masked(), (integers(21, 30, 80),)),
    "masked_more": lambda: (_columns_masked(0.4), (integers(21, 30, 80),)),
    "masked_kept": lambda: (_columns_masked(keep=True), (integers(21, 30, 80),)),
}  # fmt: skip
