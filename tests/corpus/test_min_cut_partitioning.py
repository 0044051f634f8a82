"""What is saved for the backward and what is computed again (MinCutPartitioningTests of the seed cases)."""

from __future__ import annotations

import pytest
import torch


class SinOfRotated(torch.autograd.Function):
    """Saves its sine, and its cosine under another shape, so that the backward sees one saved value through a view."""

    @staticmethod
    def forward(ctx, x):
        sine, cosine = x.sin(), x.cos()
        ctx.save_for_backward(cosine.view(10, 10), sine)
        return cosine.cos()

    @staticmethod
    def backward(ctx, gradient):
        cosine, sine = ctx.saved_tensors
        return torch.mm(gradient.view(10, 10), cosine).view(100) * sine


@pytest.fixture
def check_training(check, tensors):
    """`check` of the forward and the backward, every input a leaf that requires a gradient."""

    def check_training(fn, *shapes, numel, config=None):
        check(fn, *tensors(*shapes, requires_grad=True), numel=numel, backward=True, config=config)

    return check_training


class MinCutPartitioningTests:
    def test_partitioning_full_remat(self, check_training):
        check_training(lambda x: x.cos().cos().cos(), (10,), numel=50)

    def test_partitioning_partial_remat(self, check_training):
        # The sum of four is saved, its cosine is not.
        check_training(lambda a, b, c, d: (a + b + c + d).cos().cos(), *[(10,)] * 4, numel=90)

    def test_partitioning_dtype(self, check_training):
        # One byte an element of the mask is saved, not four of the input: 450 elements, not 600.
        check_training(lambda x: (x < 0) * x, (100,), numel=450)

    def test_partitioning_unremat_bw(self, check_training):
        def mm_tanh(x):
            return torch.mm(x, x.new_ones(x.shape)).tanh().tanh()

        check_training(mm_tanh, (10, 10), numel=1300)

    def test_partitioning_unremat_bw2(self, check_training):
        def two_products(a):
            a = torch.mm(a, a) + 1
            return torch.mm(a, a + 2)

        check_training(two_products, (10, 10), numel=2600, config={"pattern_matcher": False})

    def test_partitioning_keops(self, check_training):
        # The outer product of 20 by 20 never reaches memory.
        check_training(lambda a, b: (a * b).cos().sum(dim=1), (20, 1), (1, 20), numel=220)

    def test_partitioning_cat(self, check_training):
        check_training(lambda a, b: torch.cat([torch.tanh(a), b]), (10,), (10,), numel=70)

    def test_partitioning_relu(self, check_training):
        check_training(torch.relu, (16,), numel=72)

    def test_partitioning_with_view(self, check_training):
        check_training(SinOfRotated.apply, (100,), numel=900)

    def test_partitioning_long_chain_add(self, check_training):
        def residual(x):
            for _ in range(2):
                squared = x * x
                x = x + torch.mm(squared, squared) * 2
            return x

        check_training(residual, (10, 10), numel=3900, config={"pattern_matcher": False})
