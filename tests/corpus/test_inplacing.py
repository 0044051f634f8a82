"""Writes in place need no copy of what they write to: scatters and custom operators (InplacingTests of the seed cases).

User Triton kernels: see test_inplacing_triton.
"""

from __future__ import annotations

import re

import pytest
import torch
from torch.library import custom_op

from kernelsnap import capture

aten = torch.ops.aten


@pytest.fixture
def library():
    """A library whose operators are gone after the test."""
    with torch.library._scoped_library("kernelsnap_corpus", "FRAGMENT") as library:
        yield library


@pytest.fixture
def sin_into(library):
    """`sin_into(x, result)` overwrites `result` with the sine of `x`."""

    def sin(x, result):
        result.copy_(x.sin())

    library.define("sin_into(Tensor x, Tensor(a!) result) -> ()")
    library.impl("sin_into", sin, "CompositeExplicitAutograd")
    return torch.ops.kernelsnap_corpus.sin_into


@pytest.fixture
def append_to_caches(library):
    """`append_to_caches(query, keys, values)` returns a result and changes two caches, as attention with a cache."""

    def append(query, keys, values):
        keys.add_(1)
        values.add_(1)
        return query + 1

    library.define("append_to_caches(Tensor query, Tensor(a!) keys, Tensor(b!) values) -> Tensor")
    library.impl("append_to_caches", append, "CompositeExplicitAutograd")
    library.impl("append_to_caches", lambda query, keys, values: torch.empty_like(query), "Meta")
    return torch.ops.kernelsnap_corpus.append_to_caches


def allocations(text):
    return len(re.findall(r"= empty_strided_\w+\(", text))


def assign_after_cos(a, b):
    a = a.cos()
    a[b] = 1
    return a


class InplacingTests:
    @pytest.mark.parametrize(
        ("fn", "numel"),
        [
            # The fresh cosine is written (20 with its input) before the scatter: 2 indices, 2 values twice.
            pytest.param(assign_after_cos, 26, id="assign"),
            # No copy of the ten elements: the scatter goes into the input.
            pytest.param(lambda a, b: a.copy_(aten.index_put(a, (b,), torch.tensor(1.0))), 6, id="index_put"),
            pytest.param(lambda a, b: a.copy_(aten._unsafe_index_put(a, (b,), torch.tensor(1.0))), 6, id="unsafe"),
        ],
    )
    def test_inplace_scatter(self, check, tensors, indices, fn, numel):
        check(fn, *tensors((10,)), indices(2, below=5), numel=numel)

    def test_inplace_scatter_noop_view(self, check, tensors, indices):
        def assign(a, b):
            a[:, b] = 1
            return a

        check(assign, *tensors((10, 10)), indices(2, below=5), numel=42)

    def test_inplace_randperm_scatter(self, check, tensors):
        def add_to_random_rows(x, y, scale):
            rows = torch.randperm(x.shape[0], device=x.device)[: y.shape[0]]
            return x.index_add_(0, rows, y * scale)

        check(add_to_random_rows, *tensors((10, 10), (5, 10), (10,)), numel=250)

    def test_inplace_custom_op(self, kernel_snapshot, tensors, sin_into):
        def three_sines(x, result):
            sin_into(x, result)
            sin_into(result, result)
            sin_into(result, result)
            return result

        captured = capture(three_sines, *tensors((3,), (3,)), fullgraph=True, allow_no_kernels=True)
        assert captured.bytes_accessed // 4 == 21
        assert allocations(captured.text) == 0
        assert captured == kernel_snapshot

    def test_inplace_custom_op_intermediate(self, kernel_snapshot, tensors, sin_into):
        def three_sines(x):
            result = torch.empty_like(x)
            sin_into(x, result)
            sin_into(result, result)
            sin_into(result, result)
            return result

        captured = capture(three_sines, *tensors((3,)), fullgraph=True, allow_no_kernels=True)
        assert captured.bytes_accessed // 4 == 21
        assert allocations(captured.text) == 1
        assert captured == kernel_snapshot

    def test_inplace_custom_op_two_mutated_inputs(self, kernel_snapshot, tensors, append_to_caches):
        query, keys, values = tensors((3,), (3,), (3,))

        def two_steps():
            return append_to_caches(query, keys, values) + append_to_caches(query, keys, values)

        captured = capture(two_steps, fullgraph=True)
        assert captured.bytes_accessed // 4 == 45
        assert allocations(captured.text) == 0
        # The one kernel adds into the result of an operator.
        assert "in_out" in captured.text
        assert captured == kernel_snapshot

    def test_inplace_custom_op_training(self, check, tensors, library):
        @custom_op("kernelsnap_corpus::sin", mutates_args={"result"})
        def sin(x: torch.Tensor, result: torch.Tensor) -> None:
            result.copy_(x.sin())

        class Sin(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                result = torch.empty_like(x)
                sin(x, result)
                ctx.save_for_backward(result)
                return result

            @staticmethod
            def backward(ctx, gradient):
                (saved,) = ctx.saved_tensors
                result = torch.empty_like(gradient)
                sin(saved, result)
                return result

        # Two calls of 9 elements, and both in the forward: see test_inplace_triton_kernel_training.
        check(Sin.apply, *tensors((3,), requires_grad=True), numel=18, backward=True, allow_no_kernels=True)

    def test_inplace_custom_op_training_two_mutated_inputs(self, check, tensors, library):
        @custom_op("kernelsnap_corpus::sin_cos", mutates_args={"sine", "cosine"})
        def sin_cos(x: torch.Tensor, sine: torch.Tensor, cosine: torch.Tensor) -> None:
            sine.copy_(x.sin())
            cosine.copy_(x.cos())

        def both(x):
            sine, cosine = torch.empty_like(x), torch.empty_like(x)
            sin_cos(x, sine, cosine)
            return x.clone(), sine, cosine

        check(both, *tensors((3,), requires_grad=True), numel=21)
