"""Optimizer steps and the foreach operations beneath them."""

from __future__ import annotations

import torch
from torch import nn

from .case import Built, bf16, infer, t


def parameters(dtype=torch.float32):
    shapes = (64, 32), (64,), (7, 9), (1000,), (16, 16, 3, 3)
    made = [torch.randn(shape, dtype=dtype, device="cuda").requires_grad_() for shape in shapes]
    for parameter in made:
        parameter.grad = torch.randn_like(parameter)
    return made


def step(kind, dtype=torch.float32, **options):
    def make():
        optimizer = kind(parameters(dtype), **options)

        def run():
            optimizer.step()

        return run

    return Built(make)


def clipped():
    made = parameters()
    optimizer = torch.optim.AdamW(made, lr=1e-3, foreach=True)

    def run():
        nn.utils.clip_grad_norm_(made, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad()

    return run


def ema(model, average):
    torch._foreach_lerp_(average, model, 0.01)


PAIR = [t(32, 8), t(100), t(5, 5)]
CASES = [
    infer("sgd", step(torch.optim.SGD, lr=0.1, foreach=False)),
    infer("sgd_momentum_foreach", step(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, foreach=True)),
    infer("adam_default", step(torch.optim.Adam, lr=1e-3)),
    infer("adam_capturable", step(torch.optim.Adam, lr=1e-3, capturable=True, foreach=True)),
    infer("adamw_foreach", step(torch.optim.AdamW, lr=1e-3, foreach=True)),
    infer("adamw_for_loop", step(torch.optim.AdamW, lr=1e-3, foreach=False)),
    infer("adamw_fused", step(torch.optim.AdamW, lr=1e-3, fused=True)),
    infer("adamw_amsgrad_bf16", step(torch.optim.AdamW, torch.bfloat16, lr=1e-3, amsgrad=True, foreach=True)),
    infer(
        "adamw_tensor_lr",
        Built(lambda: step(torch.optim.AdamW, lr=torch.tensor(1e-3), foreach=True, capturable=True).make()),
    ),
    infer("rmsprop", step(torch.optim.RMSprop, lr=1e-3, foreach=True)),
    infer("adagrad", step(torch.optim.Adagrad, lr=1e-3, foreach=True)),
    infer("nadam", step(torch.optim.NAdam, lr=1e-3, foreach=True)),
    infer("clipped_adamw", Built(clipped)),
    infer("foreach_add", lambda a, b: torch._foreach_add(torch._foreach_mul(a, 2.0), b), PAIR, PAIR),
    infer("foreach_norm", lambda a: torch._foreach_norm(a), PAIR),
    infer("foreach_addcdiv", lambda a, b, c: torch._foreach_addcdiv(a, b, c, 0.5), PAIR, PAIR, PAIR),
    infer("foreach_ema", ema, PAIR, PAIR),
    infer("foreach_many", lambda a: torch._foreach_sqrt(torch._foreach_abs(a)), [bf16(33, n) for n in range(1, 60)]),
]
