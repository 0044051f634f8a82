"""Parts of the networks of today: many residual streams, gates and routers, bytes, drafts, caches, targets, steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl

from diff_pairs.flex_parts import capped, flex, mask, qkv
from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

# ruff: noqa: N803


def _streams(x: torch.Tensor, mix: torch.Tensor, w: torch.Tensor, give: torch.Tensor) -> torch.Tensor:
    """Hyper-connections: several residual streams are mixed before a layer, and its result goes back into all."""
    flat = F.rms_norm(x, (x.shape[-1],))
    take = torch.tanh(flat @ mix)
    inner = (take * x).sum(1)
    inner = F.silu(inner @ w)
    return x + give[:, None] * inner[:, None]


def _values(eps: float = 1e-6) -> Callable[..., Any]:
    """Value residuals: a layer's values are mixed with those of the first layer before they are weighed."""

    def run(weights: torch.Tensor, v: torch.Tensor, first: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
        v = torch.lerp(v, first, torch.sigmoid(ratio)[:, None, None])
        out = weights @ v
        return F.rms_norm(out, (out.shape[-1],), eps=eps)

    return run


def _value_inputs(tokens: int = 48) -> tuple[torch.Tensor, ...]:
    return randn(6, tokens, tokens), randn(6, tokens, 32), randn(6, tokens, 32), randn(6)


def _differential(start: float = 0.8) -> Callable[..., Any]:
    """Differential attention: one softmax less another, and a norm for each head."""

    def run(a: torch.Tensor, b: torch.Tensor, v: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
        part = torch.exp(rate).sum(-1)[:, None, None] + start
        weights = torch.softmax(a, -1) - part * torch.softmax(b, -1)
        out = F.rms_norm(weights @ v, (v.shape[-1],))
        return out * (1.0 - start)

    return run


def _pairs_of_scores(keys: int = 80) -> tuple[torch.Tensor, ...]:
    return randn(4, 40, keys), randn(4, 40, keys), randn(4, keys, 64), randn(4, 16)


def _gated_delta(unit: bool = True) -> Callable[..., Any]:
    """Gated delta rule: the state decays, forgets what it has at a key, and stores the value there."""

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, decay: torch.Tensor, beta: torch.Tensor) -> Any:
        k = F.normalize(k, dim=-1) if unit else k
        state = torch.zeros(q.shape[0], q.shape[-1], v.shape[-1], device=q.device)
        out = []
        for i in range(2):
            gate = torch.exp(-F.softplus(decay[:, i]))[:, None, None]
            kept = state * gate
            old = (kept * k[:, i, :, None]).sum(1)
            new = torch.sigmoid(beta[:, i])[:, None] * (v[:, i] - old)
            state = kept + k[:, i, :, None] * new[:, None]
            out.append((state * q[:, i, :, None]).sum(1))
        return torch.stack(out, 1)

    return run


def _delta_inputs() -> tuple[torch.Tensor, ...]:
    return (*several(2, 24, 4, 16), randn(24, 4, 32), *several(2, 24, 4))


class _Shift(torch.nn.Module):
    """Token shift, with half of the channels from the token before and half from the one after."""

    def __init__(self) -> None:
        super().__init__()
        self.mu = torch.nn.Parameter(torch.randn(64, device="cuda"))
        self.up = torch.nn.Linear(64, 128, bias=False, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = F.pad(x, (0, 0, 1, -1))
        before = torch.cat((before[..., :32], F.pad(x, (0, 0, -1, 1))[..., 32:]), -1)
        h = self.up(torch.lerp(x, before, torch.sigmoid(self.mu)))
        h = torch.relu(h).square()
        return h.mean(-1)


class _Ahead(torch.nn.Module):
    """Heads that predict several tokens ahead, with a loss for each."""

    def __init__(self, shared: bool = False) -> None:
        super().__init__()
        made = [torch.nn.Linear(48, 200, bias=False, device="cuda") for _ in range(2)]
        self.heads = torch.nn.ModuleList([made[0]] * 2 if shared else made)

    def forward(self, x: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        total = x.new_zeros(())
        for n, head in enumerate(self.heads):
            logits = 30.0 * torch.tanh(head(x) / 30.0)
            total = total + 0.5**n * F.cross_entropy(logits, tokens[:, n])
        return total


def _keyed(split: bool = True) -> Callable[..., Any]:
    """Queries and keys are normalized before their product: for each head, or for all heads together."""

    def run(q: torch.Tensor, k: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        def prepared(x: torch.Tensor) -> torch.Tensor:
            x = x.unflatten(-1, (4, 32)) if split else x
            x = F.rms_norm(x, (x.shape[-1],), eps=1e-6)
            x = x if split else x.unflatten(-1, (4, 32))
            return (x * gain).transpose(1, 2)

        return torch.tanh(prepared(q) @ prepared(k).mT / 50.0) * 50.0

    return run


def _capped(ignored: bool = False) -> Callable[..., Any]:
    """The loss of capped logits, and of how large their sum is."""

    def run(x: torch.Tensor, w: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        logits = 15.0 * torch.tanh((x @ w.t()).float() / 15.0)
        norm = torch.logsumexp(logits, -1)
        loss = norm - logits.gather(-1, label[:, None])[:, 0] + 1e-4 * norm.square()
        if ignored:
            loss = torch.where(label == 0, 0.0, loss)
        return loss.mean()

    return run


def _logit_inputs() -> tuple[torch.Tensor, ...]:
    return randn(96, 64, dtype=BF16, grad=True), randn(640, 64, dtype=BF16, grad=True), integers(640, 96)


def _balanced(best: int = 2) -> Callable[..., Any]:
    """A router whose bias is moved towards experts that had too little, without a loss."""

    def run(x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor) -> Any:
        chance = torch.sigmoid(x @ w)
        picked = (chance + bias).topk(best, -1).indices
        weight = chance.gather(-1, picked)
        load = F.one_hot(picked, w.shape[1]).sum((0, 1)).float()
        gap = load.mean() - load
        bias.add_(1e-3 * torch.sign(gap))
        return weight / weight.sum(-1, keepdim=True), picked

    return run


def _hashed(rows: int = 1000, salt: str = "product") -> Callable[..., Any]:
    """Embeddings of pairs of tokens: a hash of both says which row."""

    def run(token: torch.Tensor, table: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
        before = F.pad(token[:, :-1], (1, 0))
        key = token * 31 + before * 17 if salt == "product" else (token * 31) ^ (before * 17)
        row = key % rows
        pair, single = table[row], plain[token]
        return pair + single

    return run


def _hash_inputs() -> tuple[torch.Tensor, ...]:
    return integers(256, 8, 60), randn(1000, 48), randn(256, 48)


def _per_layer(layer: int = 2, scale: float = 0.7071) -> Callable[..., Any]:
    """Per-layer embeddings: each layer has its own vector of a token, which a gate of the hidden state lets in."""

    def run(h: torch.Tensor, table: torch.Tensor, token: torch.Tensor, gate: torch.Tensor, up: torch.Tensor) -> Any:
        own = table[token][:, layer]
        let = F.gelu(h @ gate, approximate="tanh") * own
        out = let @ up
        out = F.rms_norm(out, (out.shape[-1],))
        return (h + out) * scale

    return run


def _layer_inputs(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    h, table = randn(70, 96, dtype=dtype), randn(300, 4, 32, dtype=dtype)
    return h, table, integers(300, 70), randn(96, 32, dtype=dtype), randn(32, 96, dtype=dtype)


def _splines(knots: int = 8) -> Callable[..., Any]:
    """A Kolmogorov-Arnold layer: a curve for each pair of an input and an output."""

    def run(x: torch.Tensor, weight: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
        grid = torch.linspace(-1.5, 1.5, knots + 1, device=x.device)
        at = x[:, :, None]
        basis = ((at >= grid[:-1]) & (at < grid[1:])).to(x.dtype)
        for n in range(1, 3):
            left = (at - grid[: -n - 1]) / (grid[n:-1] - grid[: -n - 1])
            right = (grid[n + 1 :] - at) / (grid[n + 1 :] - grid[1:-n])
            basis = left * basis[..., :-1] + right * basis[..., 1:]
        out = torch.einsum("bik,iko->bo", basis, weight)
        return out + F.silu(x) @ plain

    return run


def _spline_inputs(number: int) -> tuple[torch.Tensor, ...]:
    return randn(50, 12), randn(12, number, 20), randn(12, 20)


def _depths(added: bool = True) -> Callable[..., Any]:
    """Mixture of depths: only the tokens that a router picks go through the layer."""

    def run(x: torch.Tensor, router: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        score = x @ router
        best = score.topk(16, sorted=False)
        rows = x[best.indices]
        done = F.gelu(rows @ w) * torch.sigmoid(best.values)[:, None]
        return x.index_add(0, best.indices, done) if added else x.index_copy(0, best.indices, done)

    return run


def _dictionary(x: torch.Tensor, up: torch.Tensor, down: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """A sparse autoencoder of activations, and its loss."""
    code = torch.relu((x - bias) @ up)
    code = code * (code > 0.1)
    back = code @ F.normalize(down, dim=-1) + bias
    return (back - x).square().mean() + 1e-2 * code.sum(-1).mean()


def _dictionary_inputs() -> tuple[torch.Tensor, ...]:
    return randn(80, 48), *(randn(*size, grad=True) for size in ((48, 256), (256, 48), (48,)))


def _two_axes(dtype: torch.dtype = torch.float32) -> Callable[..., Any]:
    """Rotary positions over rows and columns of a picture: half of a head for each."""

    def run(x: torch.Tensor) -> torch.Tensor:
        rows, columns, width = x.shape[1:]
        rate = 100.0 ** (-torch.arange(0, width // 4, device=x.device, dtype=dtype) / (width // 4))
        y = torch.arange(rows, device=x.device)[:, None, None] * rate
        z = torch.arange(columns, device=x.device)[None, :, None] * rate
        angle = torch.cat((y.expand(rows, columns, -1), z.expand(rows, columns, -1)), -1)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        a, b = x.chunk(2, -1)
        return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)

    return run


def _patched(pool: str = "mean") -> Callable[..., Any]:
    """Bytes become patches: one begins where the next byte is hard to guess."""

    def run(logits: torch.Tensor, x: torch.Tensor) -> Any:
        chance = torch.log_softmax(logits, -1)
        hard = -(chance.exp() * chance).sum(-1)
        begins = hard > 1.5
        patch = begins.long().cumsum(-1).clamp(max=31)
        at = patch[..., None].expand_as(x)
        out = x.new_zeros(x.shape[0], 32, x.shape[-1])
        return out.scatter_reduce(1, at, x, pool, include_self=False), patch

    return run


def _verified(greedy: bool = False) -> Callable[..., Any]:
    """A draft is verified: how many of its tokens hold, and from what the next is drawn."""

    def run(draft: torch.Tensor, p: torch.Tensor, q: torch.Tensor, luck: torch.Tensor) -> Any:
        at = draft[..., None]
        if greedy:
            good = p[:, :-1].argmax(-1) == draft
        else:
            mine, its = p[:, :-1].gather(-1, at)[..., 0], q.gather(-1, at)[..., 0]
            good = luck < mine / its.clamp(min=1e-6)
        held = good.int().cumprod(-1).sum(-1)
        there = held[:, None, None].expand(-1, 1, p.shape[-1])
        left = (p.gather(1, there) - F.pad(q, (0, 0, 0, 1)).gather(1, there)).clamp(min=0)[:, 0]
        return held, left / left.sum(-1, keepdim=True)

    return run


def _draft_inputs() -> tuple[torch.Tensor, ...]:
    draft, luck = integers(300, 16, 5), torch.rand(16, 5, device="cuda")
    return draft, randn(16, 6, 300).softmax(-1), randn(16, 5, 300).softmax(-1), luck


def _min_p(share: float = 0.1) -> Callable[..., Any]:
    """Sampling among the tokens that are at least a share as likely as the best."""

    def run(logits: torch.Tensor) -> torch.Tensor:
        logits = logits / 0.8
        chance = torch.softmax(logits, -1)
        kept = logits.masked_fill(chance < share * chance.amax(-1, keepdim=True), float("-inf"))
        return (kept - torch.log(-torch.log(torch.rand_like(kept)))).argmax(-1)

    return run


def _watermark(green: float = 0.25) -> Callable[..., Any]:
    """How many tokens are of the colour that the one before favours, in standard deviations."""

    def run(token: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        key = token[:, :-1]
        colour = ((key * 7919 + token[:, 1:] * 104729) % 1024).float() / 1024.0
        hit = (colour < green).float() * seen[:, 1:]
        number = seen[:, 1:].sum(-1)
        hits = hit.sum(-1)
        return (hits - green * number) / torch.sqrt(green * (1.0 - green) * number + 1e-6)

    return run


def _narrow_cache(by: str = "token") -> Callable[..., Any]:
    """Keys are stored in four bits, and the scores of new queries are taken from what was stored."""

    def run(x: torch.Tensor, q: torch.Tensor) -> Any:
        grouped = x.unflatten(-1, (-1, 32))
        dim = -1 if by == "token" else 1
        low, high = grouped.amin(dim, keepdim=True), grouped.amax(dim, keepdim=True)
        step = ((high - low) / 15).clamp(min=1e-6)
        code = ((grouped - low) / step).round().clamp(0, 15).to(torch.uint8)
        back = code * step + low
        return code, step, (back.flatten(-2) * q[:, None]).sum(-1)

    return run


def _merged(unit: bool = False) -> Callable[..., Any]:
    """Adapters are merged into a weight."""

    def run(w: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        parts = b @ a
        change = parts.mean(0)
        new = w + 2.0 * change
        return new * (w.norm(dim=1, keepdim=True) / new.norm(dim=1, keepdim=True)) if unit else new

    return run


def _consistent(spread: float = 0.5, detached: bool = True) -> Callable[..., Any]:
    """A consistency loss: a net says the same from two points of a path."""

    def run(x: torch.Tensor, noise: torch.Tensor, t: torch.Tensor, s: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        def clean(z: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            skip = spread**2 / (time**2 + spread**2)
            out = spread * time / torch.sqrt(time**2 + spread**2)
            return skip * z + out * torch.tanh(z @ w)

        a, b = clean(x + t * noise, t), clean(x + s * noise, s)
        gap = (a - (b.detach() if detached else b)).square()
        return ((torch.sqrt(gap.sum(-1) + 0.03**2) - 0.03) / (t - s)[:, 0]).mean()

    return run


def _path_inputs(number: int = 60) -> tuple[torch.Tensor, ...]:
    s = torch.rand(number, 1, device="cuda")
    return *several(2, number, 32), s + 0.1, s, randn(32, 32, grad=True)


class _Flow(torch.nn.Module):
    """A loss of flow matching: a net tells the velocity between noise and data."""

    def __init__(self, shift: float = 3.0, bias: bool = True) -> None:
        super().__init__()
        self.time = torch.nn.Linear(16, 64, bias=bias, device="cuda")
        self.net = torch.nn.Linear(64, 64, device="cuda")
        self.shift = shift

    def forward(self, x: torch.Tensor, noise: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        t = self.shift * u / (1.0 + (self.shift - 1.0) * u)
        z = torch.lerp(x, noise, t[:, None])
        rate = torch.exp(-torch.arange(8, device=x.device) * 0.5)
        angle = t[:, None] * rate * 100.0
        told = self.time(torch.cat((angle.cos(), angle.sin()), -1))
        speed = self.net(F.silu(z + told))
        gap = (speed - (noise - x)).square().mean(-1)
        return gap.mean()


def _flow_inputs() -> tuple[torch.Tensor, ...]:
    return *several(2, 60, 64), torch.rand(60, device="cuda")


def _queued(stored: bool = True) -> Callable[..., Any]:
    """A contrastive loss against a queue of older keys, which the new ones then enter."""

    def run(q: torch.Tensor, k: torch.Tensor, queue: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        own, others = (q * k).sum(-1, keepdim=True), q @ queue.clone().t()
        loss = (torch.logsumexp(torch.cat((own, others), -1) / 0.2, -1) - own[:, 0] / 0.2).mean()
        if stored:
            queue.index_copy_(0, at, k.detach())
        return loss

    return run


def _queue_inputs() -> tuple[torch.Tensor, ...]:
    return randn(32, 48, grad=True), randn(32, 48), F.normalize(randn(512, 48), dim=-1), torch.arange(32, device="cuda")


def _teacher(one: bool = True) -> Callable[..., Any]:
    """A teacher follows its student, and its centred, sharpened opinion is what the student learns."""

    def run(slow: list[torch.Tensor], fast: list[torch.Tensor], out: torch.Tensor, centre: torch.Tensor) -> Any:
        if one:
            torch._foreach_lerp_(slow, fast, 1.0 - 0.996)
        else:
            for a, b in zip(slow, fast, strict=True):
                a.mul_(0.996).add_(b, alpha=1.0 - 0.996)
        told = torch.softmax((out - centre) / 0.04, -1)
        return told, centre.lerp(out.mean(0), 0.1)

    return run


def _teacher_inputs() -> tuple[Any, ...]:
    sizes = ((64, 48), (64,), (48, 96))
    return [randn(*s) for s in sizes], [randn(*s) for s in sizes], randn(40, 96), randn(96)


def _free(written: bool = True) -> Callable[..., Any]:
    """A step without a schedule: one sequence is stepped, and another is its average."""

    def run(x: torch.Tensor, z: torch.Tensor, g: torch.Tensor, v: torch.Tensor, share: torch.Tensor) -> Any:
        new = v * 0.999 + g * g * 0.001
        moved = z - 2e-3 * g / (new.sqrt() + 1e-8)
        mean = torch.lerp(x, moved, share)
        if written:
            x.copy_(mean), z.copy_(moved), v.copy_(new)
            return None
        return mean, moved, new

    return run


def _free_inputs() -> tuple[torch.Tensor, ...]:
    return *several(3, 80, 300), randn(80, 300).abs(), torch.rand((), device="cuda")


def _orthogonal(steps: int = 2, dtype: torch.dtype = BF16) -> Callable[..., Any]:
    """A step of Muon: the momentum is made orthogonal by a polynomial of it."""

    def run(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor) -> None:
        m.lerp_(g, 0.05)
        u = torch.lerp(g, m, 0.95)
        x = u.to(dtype)
        x = x / (x.norm() + 1e-7)
        for _ in range(steps):
            square = x @ x.mT
            x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
        p.mul_(0.999).add_(x, alpha=-0.02)

    return run


def _shampoo(p: torch.Tensor, g: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> Any:
    """A step of Shampoo with two factors, whose inverse roots are approached by the diagonal."""
    left = 0.95 * left + g @ g.t()
    right = 0.95 * right + g.t() @ g
    a, b = left.diagonal() + 1e-6, right.diagonal() + 1e-6
    step = a[:, None] ** -0.25 * g * b[None, :] ** -0.25
    step = step * (g.norm() / (step.norm() + 1e-6))
    return p - 0.1 * step, left, right


def _by_unit(dim: int = 1) -> Callable[..., Any]:
    """Gradients are clipped unit by unit, to a share of the weight's norm."""

    def run(weights: list[torch.Tensor], grads: list[torch.Tensor]) -> Any:
        out = []
        for w, g in zip(weights, grads, strict=True):
            most = w.norm(dim=dim, keepdim=True).clamp(min=1e-3) * 0.01
            size = g.norm(dim=dim, keepdim=True)
            out.append(torch.where(size > most, g * (most / size.clamp(min=1e-6)), g))
        return out

    return run


def _units(sizes: Sequence[tuple[int, int]] = ((64, 200), (48, 1000))) -> tuple[list[torch.Tensor], ...]:
    return [randn(*s) for s in sizes], [randn(*s) for s in sizes]


def _layerwise(base: float = 0.9) -> Callable[..., Any]:
    """A step whose rate falls from the last layer to the first, by the ratio of norms in each."""

    def run(params: list[torch.Tensor], grads: list[torch.Tensor]) -> list[torch.Tensor]:
        out = []
        for n, (p, g) in enumerate(zip(params, grads, strict=True)):
            step = g + 0.01 * p
            ratio = (p.norm() / (step.norm() + 1e-6)).clamp(max=10.0)
            out.append(p - 1e-2 * base ** (len(params) - n) * ratio * step)
        return out

    return run


def _flexed(span: int = 128, decay: bool = False, groups: bool = False) -> Any:
    """Flex attention with capped scores, or with slower decay in later heads, in a window with sinks."""

    def seen(b: Any, h: Any, i: Any, j: Any) -> Any:
        return (i >= j) & ((i - j < span) | (j < 4))

    def decayed(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return s - (i - j) * torch.exp2(-(h + 1.0))

    score = decayed if decay else capped(20.0)
    options = {"score_mod": score, "block_mask": mask(seen, 384, 384), "enable_gqa": groups}
    return flex(**options), qkv(384, 384, kv=2 if groups else 0)


@triton.jit
def _norm_turn(x, gain, cos, sin, out, eps, HALF: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, HALF)
    a = tl.load(x + row * 2 * HALF + at).to(tl.float32)
    b = tl.load(x + row * 2 * HALF + HALF + at).to(tl.float32)
    scale = tl.rsqrt((tl.sum(a * a, 0) + tl.sum(b * b, 0)) / (2 * HALF) + eps)
    a, b = a * scale * tl.load(gain + at), b * scale * tl.load(gain + HALF + at)
    c, s = tl.load(cos + row * HALF + at), tl.load(sin + row * HALF + at)
    tl.store(out + row * 2 * HALF + at, a * c - b * s)
    tl.store(out + row * 2 * HALF + HALF + at, a * s + b * c)


@triton.jit
def _norm_turn_root(x, gain, cos, sin, out, eps, HALF: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, HALF)
    a = tl.load(x + row * 2 * HALF + at).to(tl.float32)
    b = tl.load(x + row * 2 * HALF + HALF + at).to(tl.float32)
    scale = 1.0 / tl.sqrt((tl.sum(a * a, 0) + tl.sum(b * b, 0)) / (2 * HALF) + eps)
    a, b = a * scale * tl.load(gain + at), b * scale * tl.load(gain + HALF + at)
    c, s = tl.load(cos + row * HALF + at), tl.load(sin + row * HALF + at)
    tl.store(out + row * 2 * HALF + at, a * c - b * s)
    tl.store(out + row * 2 * HALF + HALF + at, a * s + b * c)


def _turned(kernel: Any = _norm_turn, eps: float = 1e-6, warps: int = 4) -> Callable[..., Any]:
    """A norm and a rotation of queries in one kernel that a user wrote."""

    def run(x: torch.Tensor, gain: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        kernel[(x.shape[0],)](x, gain, angle.cos(), angle.sin(), out, eps, HALF=64, num_warps=warps)
        return out

    return run


@triton.jit
def _mixed_step(x, z, g, rate, share, number, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < number
    new = tl.load(z + at, inside) - rate * tl.load(g + at, inside)
    mean = tl.load(x + at, inside)
    tl.store(z + at, new, inside)
    tl.store(x + at, mean + share * (new - mean), inside)


@triton.jit
def _mixed_step_streamed(x, z, g, rate, share, number, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < number
    new = tl.load(z + at, inside) - rate * tl.load(g + at, inside, eviction_policy="evict_first")
    mean = tl.load(x + at, inside)
    tl.store(z + at, new, inside)
    tl.store(x + at, mean + share * (new - mean), inside)


@triton.jit
def _mixed_step_open(x, z, g, rate, share, number, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    new = tl.load(z + at) - rate * tl.load(g + at)
    mean = tl.load(x + at)
    tl.store(z + at, new)
    tl.store(x + at, mean + share * (new - mean))


def _stepped(kernel: Any = _mixed_step, share: float = 0.02) -> Callable[..., Any]:
    """A step without a schedule in a kernel that a user wrote, after gradients are clipped by value."""

    def run(x: torch.Tensor, z: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        g = g.clamp(-1.0, 1.0)
        kernel[(triton.cdiv(x.numel(), 512),)](x, z, g, 1e-3, share, x.numel(), BLOCK=512)
        return x.square().sum()

    return run


def _long_gate(x: torch.Tensor) -> torch.Tensor:
    """A long chain of gates with numbers alone."""
    h = x
    for n in range(52):
        h = torch.tanh(h * (1.0 + 0.01 * n))
    return h.sum()


class _Sized(torch.nn.Module):
    """A layer and a norm, of sizes that may be unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(64, 96, device="cuda")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.inner(x), -1)


def _halves(x: torch.Tensor) -> Any:
    """A gate from one half, and a value from the other."""
    return F.silu(x[:, :64]), torch.tanh(x[:, 64:])


def _odd_width(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """A product of rows that are cut from a wider table, and padded before."""
    return F.pad(x, (0, 7, 0, 0)) @ w


_OPERATORS = torch.library.Library("stacks", "FRAGMENT")
_OPERATORS.define("bent(Tensor x) -> Tensor")
_OPERATORS.impl("bent", torch.erf, "CUDA")
_OPERATORS.impl("bent", torch.empty_like, "Meta")


def _own_operator(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """An operator of a library that says nothing of the compiler."""
    return torch.ops.stacks.bent(torch.relu(x * w)) + w


def _two_branches(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> Any:
    """The operator in two branches, each with something before it and behind it."""
    a = torch.ops.stacks.bent(torch.relu(x * w)).softmax(-1)
    b = torch.ops.stacks.bent(torch.tanh(y * w)).cumsum(-1)
    return a, b


def _turned_weights(x: torch.Tensor) -> Any:
    """Weights before they are normalized, their sums, and the same weights with pairs of heads in turn."""
    h = torch.exp(x)
    return h, h.sum(-1), h.view(64, 2, 64).permute(0, 2, 1).reshape(-1) * 2


def _class_inside(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Options in a class that the function itself defines."""
    h = torch.relu(x * w)

    class Options:
        scale = 0.5

    return torch.softmax(h * Options.scale, -1)


def _gated_rows(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Gates of as many tokens as there are, and their sums."""
    return torch.relu(x * w).sum(-1)


PROGRAMS: Programs = {
    "streams": lambda: (_streams, (randn(12, 4, 96), randn(96, 1), randn(96, 96), randn(4))),
    "values": lambda: (_values(), _value_inputs()),
    "values_long_eps": lambda: (_values(eps=1e-4), _value_inputs(96)),
    "differential": lambda: (_differential(), _pairs_of_scores()),
    "differential_start": lambda: (_differential(0.5), _pairs_of_scores()),
    "differential_long": lambda: (_differential(), _pairs_of_scores(1500)),
    "gated_delta": lambda: (_gated_delta(), _delta_inputs()),
    "gated_delta_free": lambda: (_gated_delta(unit=False), _delta_inputs()),
    "shift_train": lambda: (_Shift(), (randn(4, 30, 64),), TRAIN),
    "ahead_train": lambda: (_Ahead(), (randn(80, 48), integers(200, 80, 4)), TRAIN),
    "ahead_shared_train": lambda: (_Ahead(shared=True), (randn(80, 48), integers(200, 80, 4)), TRAIN),
    "keyed": lambda: (_keyed(), (*several(2, 6, 50, 128), randn(32))),
    "keyed_whole": lambda: (_keyed(split=False), (*several(2, 6, 50, 128), randn(32))),
    "capped_train": lambda: (_capped(), _logit_inputs(), TRAIN),
    "capped_ignored_train": lambda: (_capped(ignored=True), _logit_inputs(), TRAIN),
    "balanced": lambda: (_balanced(), (randn(90, 64), randn(64, 16), randn(16))),
    "balanced_four": lambda: (_balanced(best=4), (randn(90, 64), randn(64, 16), randn(16))),
    "hashed": lambda: (_hashed(), _hash_inputs()),
    "hashed_xor": lambda: (_hashed(salt="xor"), _hash_inputs()),
    "hashed_fewer": lambda: (_hashed(997), _hash_inputs()),
    "per_layer": lambda: (_per_layer(), _layer_inputs()),
    "per_layer_third": lambda: (_per_layer(3), _layer_inputs()),
    "per_layer_half": lambda: (_per_layer(), _layer_inputs(BF16)),
    "per_layer_third_scale": lambda: (_per_layer(3, 0.5), _layer_inputs()),
    "splines": lambda: (_splines(), _spline_inputs(6)),
    "splines_knots": lambda: (_splines(knots=10), _spline_inputs(8)),
    "depths": lambda: (_depths(), (randn(100, 64), randn(64), randn(64, 64))),
    "depths_copied": lambda: (_depths(added=False), (randn(100, 64), randn(64), randn(64, 64))),
    "dictionary_train": lambda: (_dictionary, _dictionary_inputs(), TRAIN),
    "two_axes": lambda: (_two_axes(), (randn(6, 14, 18, 64),)),
    "two_axes_double": lambda: (_two_axes(dtype=torch.float64), (randn(6, 14, 18, 64),)),
    "two_axes_last": lambda: (_two_axes(), (randn(6, 64, 14, 18).permute(0, 2, 3, 1),)),
    "patched": lambda: (_patched(), (randn(6, 90, 256), randn(6, 90, 48))),
    "patched_max": lambda: (_patched(pool="amax"), (randn(6, 90, 256), randn(6, 90, 48))),
    "verified": lambda: (_verified(), _draft_inputs()),
    "verified_greedy": lambda: (_verified(greedy=True), _draft_inputs()),
    "min_p": lambda: (_min_p(), (randn(24, 900),)),
    "min_p_low": lambda: (_min_p(0.02), (randn(24, 900),)),
    "watermark": lambda: (_watermark(), (integers(5000, 40, 200), (randn(40, 200) > -1).float())),
    "watermark_green": lambda: (_watermark(0.5), (integers(5000, 40, 200), (randn(40, 200) > -1).float())),
    "narrow": lambda: (_narrow_cache(), (randn(20, 60, 128), randn(20, 128))),
    "narrow_channel": lambda: (_narrow_cache(by="channel"), (randn(20, 60, 128), randn(20, 128))),
    "merged": lambda: (_merged(), (randn(96, 200), randn(3, 8, 200), randn(3, 96, 8))),
    "merged_unit": lambda: (_merged(unit=True), (randn(96, 200), randn(3, 8, 200), randn(3, 96, 8))),
    "consistent_train": lambda: (_consistent(), _path_inputs(), TRAIN),
    "consistent_both_train": lambda: (_consistent(detached=False), _path_inputs(), TRAIN),
    "consistent_spread_more_train": lambda: (_consistent(1.0), _path_inputs(90), TRAIN),
    "flow_train": lambda: (_Flow(), _flow_inputs(), TRAIN),
    "flow_shift_train": lambda: (_Flow(1.5), _flow_inputs(), TRAIN),
    "flow_plain_train": lambda: (_Flow(bias=False), _flow_inputs(), TRAIN),
    "queued_train": lambda: (_queued(), _queue_inputs(), TRAIN),
    "queued_kept_train": lambda: (_queued(stored=False), _queue_inputs(), TRAIN),
    "teacher": lambda: (_teacher(), _teacher_inputs()),
    "teacher_each": lambda: (_teacher(one=False), _teacher_inputs()),
    "free": lambda: (_free(), _free_inputs()),
    "free_returned": lambda: (_free(written=False), _free_inputs()),
    "muon": lambda: (_orthogonal(), several(3, 64, 96)),
    "muon_full": lambda: (_orthogonal(dtype=torch.float32), several(3, 64, 96)),
    "muon_three": lambda: (_orthogonal(3), several(3, 64, 96)),
    "shampoo": lambda: (_shampoo, (*several(2, 80, 120), randn(80, 80), randn(120, 120))),
    "by_unit": lambda: (_by_unit(), _units()),
    "by_unit_columns": lambda: (_by_unit(dim=0), _units()),
    "layerwise": lambda: (_layerwise(), _units(((64, 96), (96, 48)))),
    "layerwise_base": lambda: (_layerwise(0.8), _units(((64, 96), (96, 48)))),
    "flexed": lambda: _flexed(),
    "flexed_span": lambda: _flexed(span=200),
    "flexed_decay": lambda: _flexed(decay=True),
    "flexed_groups": lambda: _flexed(groups=True),
    "turned": lambda: (_turned(), (randn(300, 128), randn(128), randn(300, 64))),
    "turned_root": lambda: (_turned(_norm_turn_root), (randn(300, 128), randn(128), randn(300, 64))),
    "turned_eps_warps": lambda: (_turned(eps=1e-5, warps=1), (randn(300, 128), randn(128), randn(300, 64))),
    "stepped": lambda: (_stepped(), several(3, 4096)),
    "stepped_open": lambda: (_stepped(_mixed_step_open), several(3, 4096)),
    "stepped_streamed_share": lambda: (_stepped(_mixed_step_streamed, share=0.05), several(3, 4096)),
    "long_gate_train": lambda: (_long_gate, several(1, 60, 60, grad=True), TRAIN),
    "long_rows": lambda: (_gated_rows, several(2, 60, 700), {"dynamic": True}),
    "sized": lambda: (_Sized().requires_grad_(False), (randn(60, 64),), {"dynamic": True}),
    "halves": lambda: (_halves, (randn(60, 128),)),
    "odd_width": lambda: (_odd_width, (randn(600, 1008)[:, :1001], randn(1008, 256))),
    "own_operator": lambda: (_own_operator, several(2, 60, 64)),
    "two_branches": lambda: (_two_branches, several(3, 60, 64)),
    "turned_weights": lambda: (_turned_weights, (randn(64, 128),)),
    "class_inside": lambda: (_class_inside, several(2, 60, 64)),
}  # fmt: skip
