"""Operations that do nothing leave no kernel behind (NoopTests of the seed cases)."""

from __future__ import annotations

import pytest
import torch

aten, prims = torch.ops.aten, torch.ops.prims


def unfusible(x):
    """A call that Inductor hands to ATen as it is: it neither fuses nor optimizes through it."""
    return aten._lazy_clone(x)


@pytest.fixture
def check_noop(check):
    """20 elements: what the one call reads and writes. No kernel is generated."""

    def check_noop(fn, *args):
        check(fn, *args, numel=20, allow_no_kernels=True)

    return check_noop


class NoopTests:
    def test_noop_clones(self, check_noop, tensors):
        check_noop(lambda a: unfusible(a.clone()), *tensors((10,)))

    def test_noop_clones_returned(self, check, tensors):
        # The clone is an output too, so it has to be made.
        def both(a):
            b = a.clone()
            return b, unfusible(b)

        check(both, *tensors((10,)), numel=40)

    def test_noop_slice_scatter(self, check_noop, tensors):
        check_noop(lambda a: unfusible(aten.slice_scatter(a, a)), *tensors((10,)))

    def test_noop_dtype_conversion(self, check_noop, tensors):
        check_noop(lambda a: unfusible(prims.convert_element_type(a, torch.float32)), *tensors((10,)))

    def test_noop_device_conversion(self, check_noop, tensors, kernel_device):
        check_noop(lambda a: unfusible(prims.device_put(a, kernel_device)), *tensors((10,)))

    @pytest.mark.parametrize(
        "rounding",
        [
            pytest.param(aten.ceil, id="ceil"),
            pytest.param(aten.floor, id="floor"),
            pytest.param(aten.round, id="round"),
            pytest.param(lambda a: aten.pow(a, 1), id="pow-1"),
        ],
    )
    def test_noop_int_ops(self, check_noop, indices, rounding):
        check_noop(lambda a: unfusible(rounding(a)), indices(10, below=10))

    def test_noop_cat(self, check_noop, tensors):
        check_noop(lambda a: unfusible(torch.cat([a])), *tensors((10,)))

    def test_noop_cat_nested(self, check, tensors):
        # What is returned must not be the input itself: one copy is left of two nested cats.
        check(lambda a: torch.cat([torch.cat([a])]), *tensors((10,)), numel=20)
