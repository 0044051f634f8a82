"""Fusions that were wished for and not expected (WouldBeNiceIfItWorked of the seed cases).

The golden of each says what is generated today. A wish that is met is an ordinary case with the wished number; one that
is not has a second test, `..._wish`, which is expected to fail: the day it passes, the wish moves up.
"""

from __future__ import annotations

import pytest
import torch

from kernelsnap import capture


def many_operands(a, b, b2):
    """The add before the multiplication could take the one after it along."""
    c = a + b
    d = torch.mm(c, c)
    e = c + b + b2
    return d + e + b2, e


def farthest(a, b):
    """Like FusionTests.test_neighbor, with a last dimension that is too long to be unrolled."""
    return ((a - b) ** 2).sum(dim=-1).amax(dim=1)


@pytest.fixture
def operands(tensors):
    first, last = tensors((10, 10), (10, 10))
    (half,) = tensors((10, 10), dtype=torch.float16)
    return first, half, last


class WouldBeNiceIfItWorked:
    def test_horizontal(self, check, tensors):
        # Met: the column sum and the pointwise output share one kernel and read the input once.
        check(lambda a: (a.sum(dim=0), a.cos()), *tensors((10, 10)), numel=210)

    def test_softmax_outer(self, check, tensors):
        # Met: three passes over the columns in one kernel.
        check(lambda a: torch.softmax(a, dim=0), *tensors((10, 10)), numel=200)

    def test_fusion_choice4(self, check, operands):
        check(many_operands, *operands, numel=1050, config={"realize_opcount_threshold": 0})

    @pytest.mark.xfail(reason="the half-precision operand is read by both kernels: 1050", raises=AssertionError)
    def test_fusion_choice4_wish(self, operands):
        captured = capture(many_operands, *operands, config={"realize_opcount_threshold": 0})
        assert captured.bytes_accessed // 4 == 1000

    def test_neighbor(self, check, tensors):
        check(farthest, *tensors((10, 1, 8), (1, 10, 8)), numel=370)

    @pytest.mark.xfail(reason="two reductions of different dimensions: the sums reach memory", raises=AssertionError)
    def test_neighbor_wish(self, tensors):
        assert capture(farthest, *tensors((10, 1, 8), (1, 10, 8))).bytes_accessed // 4 == 170
