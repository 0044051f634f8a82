"""Which neighbour a node fuses with when it could fuse with several (SchedulerFusionTests of the seed cases)."""

from __future__ import annotations

import pytest
import torch

# Every intermediate result is realized, and no graph pattern is replaced: the scheduler alone decides.
SCHEDULER_ONLY = {"realize_opcount_threshold": 0, "pattern_matcher": False}


class SchedulerFusionTests:
    def test_fusion_choice1(self, check, tensors):
        # The second cos takes the cos before the mm with it (one kernel for both), or stays alone.
        def choice(a):
            c = a.cos()
            d = torch.mm(c, c)
            e = c.cos()
            return d + e

        check(choice, *tensors((10, 10)), numel=700, config=SCHEDULER_ONLY)

    def test_fusion_choice2(self, check, tensors):
        # The sum fuses with the cos that it reads (210), the add stays alone (210), the mm is a library call (200).
        def choice(a):
            c = a.cos()
            d = torch.mm(c, c)
            e = c.sum(dim=1)
            return d + e

        check(choice, *tensors((10, 10)), numel=620, config=SCHEDULER_ONLY)

    def test_fusion_choice3(self, check, tensors):
        def choice(a):
            c = a.cos()
            d = torch.mm(c, c)
            e = c + a
            return d + e, e

        check(choice, *tensors((10, 10)), numel=800, config=SCHEDULER_ONLY)

    @pytest.mark.kernelsnap_target("cpu")
    @pytest.mark.parametrize(
        ("fn", "weights", "numel"),
        [
            pytest.param(lambda x, w: x * w + 1.0, 1, 1331, id="one-weight"),
            pytest.param(lambda x, w1, w2: x * w1 + x * w2, 2, 1342, id="two-weights"),
        ],
    )
    def test_fusion_choice4_cpu(self, check, tensors, fn, weights, numel):
        check(fn, *tensors((2, 3, 10, 11), *[(11,)] * weights), numel=numel, config=SCHEDULER_ONLY)
