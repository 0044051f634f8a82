"""How an iteration space is split when inputs disagree about the order of dimensions (the seed cases TilingTests)."""

from __future__ import annotations

import pytest


class TilingTests:
    @pytest.mark.parametrize(
        "fn",
        [pytest.param(lambda a, b: a + b.t(), id="right"), pytest.param(lambda a, b: a.t() + b, id="left")],
    )
    def test_tiling_simple(self, check, tensors, fn):
        check(fn, *tensors((10, 10), (10, 10)), numel=300)

    def test_tiling_three(self, check, tensors):
        check(lambda a, b, c: a + b.permute(1, 2, 0) + c.permute(2, 0, 1), *tensors(*[(10, 10, 10)] * 3), numel=4000)
