"""Programs around a model: towers of recommenders, losses of contrast and preference, optimizers, the next token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several


def _contrast(temperature: float = 0.07) -> Callable[..., Any]:
    """Pictures and texts that belong together."""

    def run(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        a, b = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
        logits = a @ b.t() / temperature
        own = torch.arange(a.shape[0], device=a.device)
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.t(), own)) / 2

    return run


def _preferred(kind: str = "dpo") -> Callable[..., Any]:
    """The loss of an answer that is preferred to another, from the log chances of their tokens."""

    def run(good: torch.Tensor, bad: torch.Tensor, old_good: torch.Tensor, old_bad: torch.Tensor) -> torch.Tensor:
        gain, loss = good.sum(-1) - old_good.sum(-1), bad.sum(-1) - old_bad.sum(-1)
        if kind == "ipo":
            return (gain - loss - 5.0).pow(2).mean()
        z = 0.1 * (gain - loss)
        return -F.logsigmoid(z).mean()

    return run


def _preference_inputs(length: int = 96) -> tuple[torch.Tensor, ...]:
    return (*several(2, 64, length, grad=True), *several(2, 64, length))


def _distilled(heat: float = 2.0) -> Callable[..., Any]:
    """The loss of a student, half of it from a teacher."""

    def run(student: torch.Tensor, teacher: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        a, b = F.log_softmax(student / heat, -1), F.log_softmax(teacher / heat, -1)
        far = F.kl_div(a, b, log_target=True, reduction="batchmean")
        return 0.5 * heat**2 * far + 0.5 * F.cross_entropy(student, label)

    return run


def _policy(new: torch.Tensor, old: torch.Tensor, reward: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The loss of a group of answers, each with an advantage."""
    advantage = ((reward - reward.mean()) / (reward.std() + 1e-4))[:, None]
    ratio = torch.exp(new - old)
    loss = -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
    return (loss * mask).sum() / mask.sum()


def _policy_inputs() -> tuple[torch.Tensor, ...]:
    return randn(16, 96, grad=True), randn(16, 96), randn(16), (randn(16, 96) > -1).float()


def _crossed(bag: str = "sum", act: bool = False) -> Callable[..., Any]:
    """A tower: bags of ids, their crosses, and a score."""

    def run(ids: torch.Tensor, dense: torch.Tensor, table: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        found = table[ids]
        found = found.sum(1) if bag == "sum" else found.mean(1)
        first = torch.cat((found, dense), -1)
        x = first
        for i in range(2):
            inner = x @ w[i]
            x = first * (torch.tanh(inner) if act else inner) + x
        return torch.sigmoid(x.sum(-1))

    return run


def _tower_inputs(rows: int = 500) -> tuple[torch.Tensor, ...]:
    return integers(rows, 128, 10), randn(128, 16), randn(rows, 32), randn(2, 48, 48)


def _interacted(own: bool = False) -> Callable[..., Any]:
    """The products of all pairs of features."""

    def run(x: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
        z = x @ x.mT
        i, j = torch.tril_indices(x.shape[1], x.shape[1], offset=0 if own else -1, device=x.device)
        return torch.cat((dense, z[:, i, j]), -1)

    return run


def _two_towers(share: bool = False) -> Callable[..., Any]:
    """Users and items in one batch; popular items are corrected for."""

    def run(user: torch.Tensor, item: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
        item = user if share else item
        logits = user @ item.t() - torch.log(chance)
        return (torch.logsumexp(logits, -1) - logits.diagonal()).mean()

    return run


def _two_inputs() -> tuple[torch.Tensor, ...]:
    return (*several(2, 96, 32, grad=True), randn(96).abs() + 0.1)


def _lion(cautious: bool = False) -> Callable[..., Any]:
    """A step by the sign alone, and only where the gradient agrees."""

    def run(p: torch.Tensor, g: torch.Tensor, m: torch.Tensor) -> None:
        step = torch.sign(0.9 * m + 0.1 * g)
        if cautious:
            step = step * (step * g > 0)
        p.mul_(1 - 1e-5).sub_(1e-4 * step)
        m.lerp_(g, 0.01)

    return run


def _orthogonal(steps: int = 3) -> Callable[..., Any]:
    """Muon: a step that a Newton-Schulz iteration makes orthogonal."""

    def run(g: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        m.mul_(0.95).add_(g)
        x = (g + 0.95 * m).bfloat16()
        x = x / (x.norm() + 1e-7)
        for _ in range(steps):
            y = x @ x.t()
            x = 3.4445 * x + (-4.775 * y + 2.0315 * y @ y) @ x
        return x

    return run


def _clipped(norm: float = 2.0, always: bool = False) -> Callable[..., Any]:
    """Gradients are scaled down to a norm, and averages follow the weights."""

    def run(*tensors: torch.Tensor) -> Any:
        half = len(tensors) // 2
        grads, means = tensors[:half], tensors[half:]
        total = torch.stack([torch.linalg.vector_norm(g, norm) for g in grads]).norm(norm)
        share = 1.0 / (total + 1e-6) if always else (1.0 / (total + 1e-6)).clamp(max=1.0)
        return [m * 0.999 + g * share * 0.001 for g, m in zip(grads, means, strict=True)]

    return run


def _gradient_inputs() -> tuple[torch.Tensor, ...]:
    return (*several(2, 50, 60), randn(400), *several(2, 50, 60), randn(400))


def _nucleus(p: float = 0.9, low: float = 0.0) -> Callable[..., Any]:
    """The next token of those whose chances sum to p."""

    def run(logits: torch.Tensor) -> torch.Tensor:
        chance, order = torch.softmax(logits / 0.8, -1).sort(-1, descending=True)
        kept = chance.cumsum(-1) - chance < p
        if low:
            kept = kept & (chance > low * chance[:, :1])
        chance = chance * kept
        place = (chance / torch.empty_like(chance).exponential_()).argmax(-1, keepdim=True)
        return order.gather(-1, place)

    return run


def _penalized(by: float = 1.2, kind: str = "scale", window: int = 0) -> Callable[..., Any]:
    """Tokens that came before are less likely."""

    def run(logits: torch.Tensor, past: torch.Tensor) -> torch.Tensor:
        past = past[:, -window:] if window else past
        if kind == "count":
            often = torch.zeros_like(logits).scatter_add(-1, past, torch.ones_like(past, dtype=logits.dtype))
            return logits - by * often
        found = logits.gather(-1, past)
        return logits.scatter(-1, past, torch.where(found < 0, found * by, found / by))

    return run


def _verified(greedy: bool = False) -> Callable[..., Any]:
    """How many guessed tokens a larger model accepts."""

    def run(guess: torch.Tensor, small: torch.Tensor, large: torch.Tensor) -> Any:
        if greedy:
            good = large.argmax(-1) == guess
        else:
            q, p = (torch.softmax(x, -1).gather(-1, guess[..., None]).squeeze(-1) for x in (small, large))
            good = torch.rand_like(p) < p / q
        return good.int().cumprod(-1).sum(-1)

    return run


def _guided(share: float = 0.0, dtype: torch.dtype = torch.float32) -> Callable[..., Any]:
    """Logits with and without the prompt."""

    def run(given: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
        given, free = torch.log_softmax(given.to(dtype), -1), torch.log_softmax(free.to(dtype), -1)
        mixed = free + 1.5 * (given - free)
        if share:
            mixed = share * mixed * given.std(-1, keepdim=True) / mixed.std(-1, keepdim=True) + (1 - share) * mixed
        return mixed.argmax(-1)

    return run


def _beams(end: bool = False) -> Callable[..., Any]:
    """The best continuations of a few texts, of which one token may be forbidden."""

    def run(score: torch.Tensor, logits: torch.Tensor, length: torch.Tensor) -> Any:
        total = score[..., None] + torch.log_softmax(logits, -1)
        if end:
            total = total.index_fill(-1, torch.tensor([2], device=score.device), float("-inf"))
        best = (total / ((5 + length[..., None]) / 6) ** 0.6).flatten(1).topk(4)
        return best.values, best.indices // logits.shape[-1], best.indices % logits.shape[-1]

    return run


_LOGITS = (8, 1000)
PROGRAMS: Programs = {
    "contrast": lambda: (_contrast(), several(2, 96, 64, grad=True), TRAIN),
    "contrast_cold": lambda: (_contrast(0.05), several(2, 96, 64, grad=True), TRAIN),
    "preferred": lambda: (_preferred(), _preference_inputs(), TRAIN),
    "preferred_ipo": lambda: (_preferred(kind="ipo"), _preference_inputs(), TRAIN),
    "preferred_long": lambda: (_preferred(), _preference_inputs(length=160), TRAIN),
    "distilled": lambda: (_distilled(), (randn(64, 200, grad=True), randn(64, 200), integers(200, 64)), TRAIN),
    "distilled_hot": lambda: (_distilled(4.0), (randn(64, 200, grad=True), randn(64, 200), integers(200, 64)), TRAIN),
    "policy": lambda: (_policy, _policy_inputs(), TRAIN),
    "crossed": lambda: (_crossed(), _tower_inputs()),
    "crossed_mean": lambda: (_crossed(bag="mean"), _tower_inputs()),
    "crossed_act": lambda: (_crossed(act=True), _tower_inputs()),
    "crossed_act_rows": lambda: (_crossed(act=True), _tower_inputs(900)),
    "crossed_rows": lambda: (_crossed(), _tower_inputs(900)),
    "interacted": lambda: (_interacted(), (randn(64, 20, 16), randn(64, 16))),
    "interacted_own": lambda: (_interacted(own=True), (randn(64, 20, 16), randn(64, 16))),
    "two_towers": lambda: (_two_towers(), _two_inputs(), TRAIN),
    "two_towers_shared": lambda: (_two_towers(share=True), _two_inputs(), TRAIN),
    "lion": lambda: (_lion(), several(3, 300, 200)),
    "lion_cautious": lambda: (_lion(cautious=True), several(3, 300, 200)),
    "orthogonal": lambda: (_orthogonal(), several(2, 96, 128)),
    "orthogonal_steps": lambda: (_orthogonal(4), several(2, 96, 128)),
    "clipped": lambda: (_clipped(), _gradient_inputs()),
    "clipped_one": lambda: (_clipped(norm=1.0), _gradient_inputs()),
    "clipped_always": lambda: (_clipped(always=True), _gradient_inputs()),
    "nucleus": lambda: (_nucleus(), (randn(*_LOGITS),)),
    "nucleus_wide": lambda: (_nucleus(0.95), (randn(*_LOGITS),)),
    "nucleus_low": lambda: (_nucleus(low=0.05), (randn(*_LOGITS),)),
    "penalized": lambda: (_penalized(), (randn(*_LOGITS), integers(1000, 8, 40))),
    "penalized_count": lambda: (_penalized(0.5, "count"), (randn(*_LOGITS), integers(1000, 8, 40))),
    "penalized_late": lambda: (_penalized(window=16), (randn(*_LOGITS), integers(1000, 8, 40))),
    "verified": lambda: (_verified(), (integers(300, 8, 5), *several(2, 8, 5, 300))),
    "verified_best": lambda: (_verified(True), (integers(300, 8, 5), *several(2, 8, 5, 300))),
    "guided": lambda: (_guided(), several(2, *_LOGITS, dtype=BF16)),
    "guided_narrow": lambda: (_guided(dtype=BF16), several(2, *_LOGITS, dtype=BF16)),
    "guided_rescaled": lambda: (_guided(share=0.7), several(2, *_LOGITS, dtype=BF16)),
    "beams": lambda: (_beams(), (randn(4, 4), randn(4, 4, 300), integers(20, 4, 4))),
    "beams_end": lambda: (_beams(end=True), (randn(4, 4), randn(4, 4, 300), integers(20, 4, 4))),
}  # fmt: skip
