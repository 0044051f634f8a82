"""What a program does around its tensors: graph breaks, autocast, checkpointing, control flow, hooks."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.checkpoint import checkpoint

from .case import Built, bf16, both, infer, t, train


def broken(x):
    y = x.relu() * 2
    torch._dynamo.graph_break()
    return y.softmax(-1)


def broken_twice(x, w):
    y = x @ w
    torch._dynamo.graph_break()
    y = F.gelu(y) + 1
    torch._dynamo.graph_break()
    return y.sum(-1)


@torch.compiler.disable
def not_compiled(x):
    return x + 1


def calls_eager(x):
    return not_compiled(x.sin()).cos()


class Mlp(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))


class Checkpointed(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.layers, self.options = nn.ModuleList(Mlp() for _ in range(2)), options

    def forward(self, x):
        for layer in self.layers:
            x = checkpoint(layer, x, use_reentrant=False, **self.options)
        return x


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(100, 32), nn.Linear(32, 100, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, ix):
        return self.head(self.embedding(ix) * self.scale)


def autocast(dtype):
    def fn(x, w, b):
        with torch.autocast("cuda", dtype):
            return F.layer_norm(F.linear(x, w), (64,), b).softmax(-1)

    return fn


def branch(x):
    return torch.cond(x.sum() > 0, lambda v: v.sin() + 1, lambda v: v.cos() * 2, (x,))


def loop(x):
    def step(n, v):
        return n + 1, v * 1.5

    return torch._higher_order_ops.while_loop(
        lambda n, v: n < 3, step, (torch.zeros((), dtype=torch.int64, device=x.device), x)
    )


def scan(x):
    return torch._higher_order_ops.associative_scan(lambda a, b: a + b, x, dim=0, combine_mode="pointwise")


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() < 2)


def second_order(x):
    return torch.func.grad(lambda v: (v.sin() ** 2).sum())(x)


CASES = [
    infer("graph_break", broken, t(64, 100)),
    infer("calls_eager", calls_eager, t(64, 100)),
    infer("autocast_bf16", autocast(torch.bfloat16), t(32, 64), t(64, 64), t(64)),
    *both("cond", branch, t(64)),
    *both("while_loop", loop, t(64)),
    infer("associative_scan", scan, t(64, 8)),
    *both("vmap", lambda x, w: torch.func.vmap(lambda v: (v * w).sum())(x), t(64, 32), t(32)),
    *both("func_grad", second_order, t(64)),
    *both("jacfwd", lambda x: torch.func.jacfwd(lambda v: v.sin() * v.sum())(x), t(8)),
    *both("many_outputs", lambda x: {"a": x + 1, "b": (x * 2, [x.sum()])}, t(64, 100)),
    *both("constant_tensor", lambda x: x + torch.tensor([1.0, 2.0, 3.0], device="cuda"), t(64, 3)),
    *both("cpu_scalar", lambda x: x * torch.tensor(2.5), t(64, 3)),
    *both("no_grad_module", Built(lambda: Mlp().requires_grad_(False)), t(16, 128)),
    train("graph_break_train", broken_twice, t(32, 64), t(64, 48)),
    train("calls_eager_train", calls_eager, t(64, 100)),
    train("autocast_bf16_train", autocast(torch.bfloat16), t(32, 64), t(64, 64), t(64)),
    train("autocast_fp16_train", autocast(torch.float16), t(32, 64), t(64, 64), t(64)),
    train("residual_mlp", Built(Mlp), t(16, 128)),
    train("checkpoint", Built(Checkpointed), t(16, 128)),
    train("checkpoint_bf16", Built(lambda: Checkpointed().to(torch.bfloat16)), bf16(16, 128)),
    train(
        "checkpoint_dropout",
        Built(lambda: lambda x: checkpoint(lambda v: F.dropout(v.relu(), 0.2).sin(), x, use_reentrant=False)),
        t(64, 100),
    ),
    train("tied_weights", Built(Tied), Built(lambda: torch.arange(50))),
    train("autograd_function", lambda x: Straight.apply(x * 3).sum(), t(64, 100)),
    train("detach_no_grad", lambda x: (x * x.detach().abs().mean()).relu(), t(64, 100)),
    train("two_losses", lambda x, w: ((x @ w).relu().sum(), (x @ w).sigmoid().mean()), t(32, 64), t(64, 16)),
    train("gru_cell", Built(lambda: nn.GRUCell(32, 64)), t(8, 32), t(8, 64)),
    train("unrolled_recurrence", lambda x, w: _recurrence(x, w), t(8, 5, 32), t(32, 32)),
]


def _recurrence(x, w):
    state = torch.zeros_like(x[:, 0])
    for step in x.unbind(1):
        state = torch.tanh(step + state @ w)
    return state
