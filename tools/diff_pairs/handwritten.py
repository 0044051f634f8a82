"""Programs with Triton kernels that a user wrote: a softmax, a product, a norm, a histogram."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from diff_pairs.sides import Programs, integers, randn

# ruff: noqa: N803


@triton.jit
def _softmax_unsafe(x, out, width, scale, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    value = tl.load(x + row * width + at) * scale
    value = value - tl.max(value, 0)
    top = tl.exp(value)
    tl.store(out + row * width + at, top / tl.sum(top, 0))


@triton.jit
def _softmax_plain(x, out, width, scale, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + row * width + at, inside, other=float("-inf")) * scale
    value = value - tl.max(value, 0)
    top = tl.exp(value)
    tl.store(out + row * width + at, top / tl.sum(top, 0), inside)


@triton.jit
def _softmax_cached(x, out, width, scale, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + row * width + at, inside, other=float("-inf"), eviction_policy="evict_first") * scale
    value = value - tl.max(value, 0)
    top = tl.exp(value)
    tl.store(out + row * width + at, top / tl.sum(top, 0), inside)


@triton.jit
def _softmax_base2(x, out, width, scale, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + row * width + at, inside, other=float("-inf")) * scale
    value = value - tl.max(value, 0)
    top = tl.exp2(value * 1.4426950408889634)
    tl.store(out + row * width + at, top / tl.sum(top, 0), inside)


def _rows(kernel: Any = _softmax_plain, scale: float = 0.5, after: Any = torch.relu, width: int = 100) -> Any:
    def run(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        kernel[(x.shape[0],)](x, out, x.shape[1], scale, BLOCK=128)
        return after(out - 0.01)

    return run, (randn(50, width),)


@triton.jit
def _product(a, b, c, K, stride, M: tl.constexpr, N: tl.constexpr, STEP: tl.constexpr):
    row = tl.program_id(0) * M + tl.arange(0, M)
    column = tl.program_id(1) * N + tl.arange(0, N)
    total = tl.zeros((M, N), tl.float32)
    for k in range(0, K, STEP):
        inner = k + tl.arange(0, STEP)
        left = tl.load(a + row[:, None] * K + inner[None, :])
        right = tl.load(b + inner[:, None] * stride + column[None, :])
        total += tl.dot(left, right)
    tl.store(c + row[:, None] * stride + column[None, :], total)


def _multiplied(kernel: Any = _product, before: Any = torch.sin, step: int = 32, rows: int = 32, **run: int) -> Any:
    def call(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        a, c = before(a), torch.empty(128, 64, device="cuda")
        kernel[(128 // rows, 2)](a, b, c, 96, 64, M=rows, N=32, STEP=step, **run)
        return c + 1

    return call, (randn(128, 96), randn(96, 64))


@triton.jit
def _count(x, out, number, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < number
    slot = tl.load(x + at, inside, other=0)
    tl.atomic_add(out + slot, 1, inside)


def _counted(kernel: Any = _count, block: int = 256, start: int = 0) -> Any:
    def run(x: torch.Tensor) -> torch.Tensor:
        out = torch.full((64,), start, device="cuda", dtype=torch.int32)
        kernel[(triton.cdiv(x.numel(), block),)](x, out, x.numel(), BLOCK=block)
        return out.cumsum(0)

    return run, (integers(64, 5000),)


PROGRAMS: Programs = {
    "rows": lambda: _rows(),
    "rows_base2": lambda: _rows(_softmax_base2),
    "rows_cached": lambda: _rows(_softmax_cached),
    "rows_unsafe": lambda: _rows(_softmax_unsafe),
    "product": lambda: _multiplied(),
    "product_step": lambda: _multiplied(step=16),
    "product_rows": lambda: _multiplied(rows=64),
    "product_stages": lambda: _multiplied(num_stages=4),
    "counted": lambda: _counted(),
    "counted_block": lambda: _counted(block=1024),
}
