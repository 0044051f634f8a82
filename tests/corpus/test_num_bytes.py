"""Memory traffic of small functions, by Inductor's own count (the rows NumBytesMetricTests of the seed cases)."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu, relu

# The group fusion passes that were the default when these numbers were first written down.
GROUP_FUSIONS = {
    "split_cat_fx_passes": False,
    "pre_grad_fusion_options": {
        "batch_linear": {},
        "batch_linear_lhs": {},
        "batch_layernorm": {},
        "batch_tanh": {},
        "batch_relu": {},
        "batch_sigmoid": {},
    },
    "post_grad_fusion_options": {},
}


def square(a):
    return torch.mm(a, a)


class NumBytesMetricTests:
    @pytest.mark.parametrize(
        ("fn", "shapes", "numel"),
        [
            pytest.param(torch.cos, [(10,)], 20, id="unary"),
            pytest.param(torch.add, [(10,), (10,)], 30, id="binary"),
            pytest.param(torch.add, [(10, 10), (10,)], 210, id="broadcast"),
            pytest.param(lambda a: a + a, [(10,)], 20, id="same-input-twice"),
            pytest.param(lambda a: a + a.t(), [(10, 10)], 200, id="transposed"),
            pytest.param(lambda a, b, c: (a.cos(), b.sin() + c.sin()), [(10,)] * 3, 50, id="two-outputs"),
        ],
    )
    def test_pointwise(self, check, tensors, fn, shapes, numel):
        check(fn, *tensors(*shapes), numel=numel)

    @pytest.mark.parametrize("dim", [1, 0], ids=["rows", "columns"])
    def test_reduction(self, check, tensors, dim):
        check(lambda a: a.sum(dim=dim), *tensors((10, 10)), numel=110)

    @pytest.mark.parametrize(
        ("fn", "inputs", "numel", "kernels"),
        [
            pytest.param(square, 1, 200, False, id="square"),
            pytest.param(torch.mm, 2, 300, False, id="mm"),
            pytest.param(lambda a: square(a.cos()).cos(), 1, 600, True, id="cos-mm-cos"),
            pytest.param(lambda a: torch.mm(a.cos(), a.sin()), 1, 600, True, id="mm-of-two"),
        ],
    )
    def test_extern(self, check, tensors, fn, inputs, numel, kernels):
        check(fn, *tensors(*[(10, 10)] * inputs), numel=numel, allow_no_kernels=not kernels)

    @pytest.mark.parametrize(
        ("fn", "shapes", "numel"),
        [
            pytest.param(lambda a, b: torch.cat([a.sin(), b.sin()]), [(10,)] * 2, 40, id="two-sins"),
            pytest.param(lambda a, b: torch.cat([a, b]), [(10,)] * 2, 40, id="plain"),
            pytest.param(lambda a, b: torch.cat([a.cos(), b]), [(10,)] * 2, 40, id="cos-and-plain"),
            pytest.param(lambda a: torch.cat([a.cos(), a.sin()]), [(10,)], 30, id="one-input"),
            pytest.param(lambda a, b: torch.cat([torch.mm(a, a), b.sin()]), [(10, 10)] * 2, 400, id="mm-and-sin"),
            pytest.param(
                lambda *xs: torch.cat([x + i for i, x in enumerate(xs)]) + 10, [(10, 10)] * 3, 600, id="three"
            ),
            pytest.param(
                lambda *xs: torch.cat([x + i for i, x in enumerate(xs)]) + 10, [(10, 10)] * 5, 1000, id="five"
            ),
            pytest.param(lambda a, b: torch.cat([a.sum(0), b.sum(0)]) + 10, [(10, 10, 10)] * 2, 2600, id="sums"),
        ],
    )
    def test_cat(self, check, tensors, fn, shapes, numel):
        check(fn, *tensors(*shapes), numel=numel)

    @pytest.mark.parametrize(
        ("fn", "numel"),
        [
            pytest.param(lambda a, b: torch.cat([torch.softmax(a, -1), torch.softmax(b, -1)]), 400, id="softmaxes"),
            pytest.param(
                lambda a, b: torch.cat([torch.softmax(a, -1), torch.softmax(b, -1)]).cos(), 680, id="softmaxes-cos"
            ),
            pytest.param(lambda a, b: torch.cat([a.cos(), torch.mm(b, b)]).cos(), 600, id="cos-mm-cos"),
            pytest.param(lambda a, b: torch.cat([torch.mm(a, a), torch.mm(b, b)]).cos(), 800, id="mm-mm-cos"),
            pytest.param(lambda a, b: torch.cat([a, b]).cos(), 400, id="plain-cos"),
            pytest.param(lambda a, b: torch.cat([a, b.cos()]), 400, id="plain-and-cos"),
            pytest.param(
                lambda a, b: torch.constant_pad_nd(torch.cat([torch.mm(a, a), b]), [2, 2], 0.5), 680, id="mm-pad"
            ),
        ],
    )
    def test_cat_pointwise(self, check, tensors, fn, numel):
        check(fn, *tensors((10, 10), (10, 10)), numel=numel)

    def test_cat_pointwise_many_complex_inputs(self, check, tensors):
        def many(*inputs):
            return torch.cat([gelu(x) for x in inputs]) + 10

        check(many, *tensors(*[(10, 10)] * 16), numel=6400, config=GROUP_FUSIONS)

    def test_cat_pointwise_many_simple_inputs(self, check, tensors):
        # batch_relu stacks the inputs before the cat and takes them apart again: more traffic than 16 gelus.
        def many(*inputs):
            return torch.cat([relu(x) for x in inputs]) + 10

        check(many, *tensors(*[(10, 10)] * 16), numel=9600, config=GROUP_FUSIONS)

    def test_cat_pointwise_config_option(self, check, tensors):
        check(
            lambda a, b: torch.cat([a + 1, b + 2]) + 3,
            *tensors((10, 10), (10, 10)),
            numel=400,
            config={"max_pointwise_cat_inputs": 0},
        )

    def test_index(self, check, tensors, indices):
        check(lambda a, b: a[b], *tensors((10,)), indices(10, below=10), numel=30)
