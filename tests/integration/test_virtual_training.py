"""What training code does beside tensor operations: it initialises weights, and keeps an optimizer's state."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor

from kernelsnap import capture
from kernelsnap.virtual import virtual_device


@pytest.mark.parametrize("bounds", [(-2.0, 2.0), (3.0, 4.0)], ids=["wide", "narrow"])
def test_a_truncated_normal_is_drawn_without_looking(bounds):
    with virtual_device("h100"):
        weight = torch.empty(8, 8, device="cuda")
        assert torch.nn.init.trunc_normal_(weight, 0.0, 1.0, *bounds) is weight


@pytest.mark.parametrize("capturable", [False, True])
def test_the_state_of_a_compiled_optimizer_is_on_the_gpu(capturable):
    with virtual_device("h100"):
        weights = [torch.nn.Parameter(torch.randn(size, 64, device="cuda")) for size in (32, 64)]
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        optimizer = torch.optim.AdamW(weights, foreach=True, capturable=capturable)
        captured = capture(optimizer.step)
        state = optimizer.state[weights[0]]["step"]
        assert isinstance(state, FakeTensor)
        assert state.device.type == "cuda"
        assert "_init_group" not in vars(optimizer)
        # The step counts and the update: no C++ kernel for counts on the CPU.
        assert [kernel.kind for graph in captured.graphs for kernel in graph.kernels] == ["foreach", "foreach"]
