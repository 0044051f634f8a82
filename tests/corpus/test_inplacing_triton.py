"""User Triton kernels that write into a buffer, with no copy of it made for them (InplacingTests of the seed cases)."""

from __future__ import annotations

import pytest
import torch
import triton
import triton.language as tl
from torch.library import triton_op, wrap_triton


@triton.jit
def add_kernel(left, right, result, size, BLOCK_SIZE: tl.constexpr):  # noqa: N803 (Triton's own convention)
    place = tl.program_id(0) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    inside = place < size
    sums = tl.load(left + place, mask=inside) + tl.load(right + place, mask=inside)
    tl.store(result + place, sums, mask=inside)


@triton.jit
def sin_kernel(source, result, size, BLOCK_SIZE: tl.constexpr):  # noqa: N803
    place = tl.program_id(0) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    inside = place < size
    tl.store(result + place, tl.sin(tl.load(source + place, mask=inside)), mask=inside)


@triton.jit
def sin_twice_kernel(source, result, copy, size, BLOCK_SIZE: tl.constexpr):  # noqa: N803
    place = tl.program_id(0) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    inside = place < size
    sines = tl.sin(tl.load(source + place, mask=inside))
    tl.store(result + place, sines, mask=inside)
    tl.store(copy + place, sines, mask=inside)


def add(x, y):
    """The sum of two vectors, by a kernel that writes into a buffer of zeros."""
    result = torch.zeros_like(x)
    size = result.numel()
    add_kernel[(size,)](x, y, result, size, BLOCK_SIZE=16)
    return result


def add_beside_pointwise(x, y):
    result = torch.zeros_like(x)
    size = result.numel()
    beside = x + 1
    add_kernel[(size,)](x, y, result, size, BLOCK_SIZE=16)
    return result, beside


def add_then_change_input(x, y):
    result = add(x, y)
    x.add_(1)
    return result


def add_and_double_view(x, y):
    return add(x, y), x.view(-1) * 2


def add_then_double_view_in_place(x, y):
    result = add(x, y)
    x.view(-1).mul_(2)
    return result


class Sin(torch.autograd.Function):
    """Sine whose backward is a sine as well: what matters is that both write into a buffer of their own."""

    @staticmethod
    def forward(ctx, x):
        result = torch.empty_like(x)
        sin_kernel[(x.numel(),)](x, result, x.numel(), BLOCK_SIZE=4)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, gradient):
        (saved,) = ctx.saved_tensors
        result = torch.empty_like(gradient)
        sin_kernel[(saved.numel(),)](saved, result, saved.numel(), BLOCK_SIZE=4)
        return result


@pytest.fixture
def sin_op():
    """A `triton_op` that the partitioner sees as one node; defined for one test, then gone."""
    with torch.library._scoped_library("kernelsnap_corpus", "FRAGMENT"):

        @triton_op("kernelsnap_corpus::sin", mutates_args={})
        def sin(x: torch.Tensor) -> list[torch.Tensor]:
            result, copy = torch.empty_like(x), torch.empty_like(x)
            wrap_triton(sin_twice_kernel)[(x.numel(),)](x, result, copy, x.numel(), BLOCK_SIZE=4)
            return [result, copy]

        yield sin


class InplacingTests:
    def test_inplace_triton_kernel_v1(self, check, tensors):
        check(add, *tensors((10,), (10,)), numel=50)

    def test_inplace_triton_kernel_v2(self, check, tensors):
        check(add_beside_pointwise, *tensors((10,), (10,)), numel=70)

    def test_inplace_triton_kernel_v3(self, check, tensors):
        check(add_then_change_input, *tensors((10,), (10,)), numel=80)

    def test_inplace_triton_kernel_v4(self, check, tensors):
        check(add_and_double_view, *tensors((10,), (10,)), numel=70)

    def test_inplace_triton_kernel_v5(self, check, tensors):
        check(add_then_double_view_in_place, *tensors((10,), (10,)), numel=80)

    def test_inplace_triton_kernel_v6(self, check, tensors):
        (x,) = tensors((10,))
        check(add, x, x.view(-1), numel=50)

    def test_inplace_triton_kernel_training(self, check, tensors):
        # Two launches of 9: three elements read, and three that the kernel changes, read and written. The backward asks
        # nothing of the gradient, so both stand in the forward graph. An older torch counted one of them: 9.
        check(Sin.apply, *tensors((3,), requires_grad=True), numel=18, backward=True)

    def test_triton_kernel_not_fusable_with_users(self, check, tensors, sin_op):
        class SinSigmoid(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                result, saved = sin_op(x)
                ctx.save_for_backward(x, saved)
                return result

            @staticmethod
            def backward(ctx, gradient):
                x, saved = ctx.saved_tensors
                return gradient * saved.sigmoid() * x

        # A sigmoid in the forward could not fuse with the kernel whose result it reads: it would cost another buffer.
        check(SinSigmoid.apply, *tensors((3,), requires_grad=True), numel=27, backward=True)
