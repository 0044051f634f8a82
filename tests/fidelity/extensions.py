"""Custom operators and Triton kernels that a user wrote."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch.library import custom_op, triton_op, wrap_triton

from .case import bf16, infer, t, train


@triton.jit
def scale_kernel(x_ptr, out_ptr, n, factor, BLOCK: tl.constexpr):  # noqa: N803
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets, mask) * factor, mask)


@triton.autotune([triton.Config({"BLOCK": 256}, num_warps=2), triton.Config({"BLOCK": 512})], key=["n"])
@triton.jit
def tuned_kernel(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):  # noqa: N803
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    total = tl.load(x_ptr + offsets, mask) + tl.load(y_ptr + offsets, mask)
    tl.store(out_ptr + offsets, total, mask)


@triton.jit
def increment_kernel(x_ptr, n, BLOCK: tl.constexpr):  # noqa: N803
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.load(x_ptr + offsets, offsets < n) + 1, offsets < n)


def scaled(x):
    out = torch.empty_like(x)
    scale_kernel[(triton.cdiv(x.numel(), 256),)](x, out, x.numel(), 2.5, BLOCK=256)
    return out


def tuned(x, y):
    out = torch.empty_like(x)
    tuned_kernel[lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)](x, y, out, x.numel())
    return out


def incremented(x):
    y = x * 2
    increment_kernel[(triton.cdiv(y.numel(), 128),)](y, y.numel(), BLOCK=128)
    return y.relu()


@custom_op("kernelsnap_fidelity::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@twice.register_fake
def _(x):
    return torch.empty_like(x)


twice.register_autograd(lambda ctx, gradient: gradient * 2)


@custom_op("kernelsnap_fidelity::add_one_", mutates_args={"x"})
def add_one_(x: torch.Tensor) -> None:
    x.add_(1)


@triton_op("kernelsnap_fidelity::scale", mutates_args={})
def scale(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    wrap_triton(scale_kernel)[(triton.cdiv(x.numel(), 256),)](x, out, x.numel(), 2.5, BLOCK=256)
    return out


scale.register_autograd(lambda ctx, gradient: gradient * 2.5)


def in_place(x):
    y = x.sin()
    add_one_(y)
    return y.cos()


CASES = [
    infer("triton_kernel", lambda x: scaled(x.relu()) + 1, t(1000)),
    infer("triton_autotuned", lambda x, y: tuned(x, y.cos()) * 2, t(1000), t(1000)),
    infer("triton_in_place", incremented, t(1000)),
    infer("triton_bf16_dynamic", lambda x: scaled(x) + 1, bf16(1000), dynamic=True),
    infer("triton_twice", lambda x: scaled(scaled(x) + 1), t(1000)),
    infer("custom_op", lambda x: twice(x + 1) * 3, t(64, 10)),
    infer("custom_op_in_place", in_place, t(64, 10)),
    infer("triton_op", lambda x: scale(x.sin()).cos(), t(1000)),
    train("custom_op_train", lambda x: twice(x.sin()).cos(), t(64, 10)),
    train("triton_op_train", lambda x: scale(x.sin()).cos(), t(1000)),
]
