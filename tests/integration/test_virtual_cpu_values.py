"""A setting of a model may be computed with tensors on the CPU, whose values are the same with a GPU or without."""

from __future__ import annotations

import pytest
import torch

from kernelsnap import capture
from kernelsnap.virtual import virtual_device


@pytest.fixture(autouse=True)
def device():
    with virtual_device("h100"), torch.device("cuda"):
        yield


def cpu(function, *args, **kwargs):
    return function(*args, device="cpu", **kwargs)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # As models of images make the drop rates of their layers.
        (lambda: [rates.tolist() for rates in cpu(torch.linspace, 0, 3, 4).split([1, 3])], [[0.0], [1.0, 2.0, 3.0]]),
        (lambda: [rate.item() for rate in cpu(torch.linspace, 0, 3, 4)], [0.0, 1.0, 2.0, 3.0]),
        (lambda: cpu(torch.tensor, [[1, 2], [3, 4]]).T.tolist(), [[1, 3], [2, 4]]),
        (lambda: cpu(torch.full, (2,), 0.5).mul(3).tolist(), [1.5, 1.5]),
        (lambda: cpu(torch.arange, 6).flip(0).max().item(), 5),
        (lambda: bool((cpu(torch.arange, 6) < 6).all()), True),
        (lambda: int(torch.cat([cpu(torch.ones, 2), cpu(torch.zeros, 1)]).sum()), 2),
        (lambda: 2.0 if cpu(torch.eye, 3)[1, 1] > 0.5 else 0.0, 2.0),
        (lambda: [cpu(torch.zeros, 3).to(torch.int32).cumsum(0)[-1].item()], [0]),
        (lambda: cpu(torch.arange, 8).view(2, 4).sum(1).tolist(), [6, 22]),
        (lambda: torch.where(cpu(torch.arange, 3) > 1, 1, 0).tolist(), [0, 0, 1]),
        (lambda: cpu(torch.logspace, 0, 2, 3).tolist(), [1.0, 10.0, 100.0]),
    ],
)
def test_values_on_the_cpu_are_known(values, expected):
    assert values() == expected


def changed(tensor, view):
    view.add_(1)
    return tensor


@pytest.mark.parametrize(
    "tensor",
    [
        lambda: torch.arange(3),  # on the GPU
        lambda: cpu(torch.arange, 3).cuda(),
        lambda: torch.arange(3).cpu(),
        lambda: cpu(torch.rand, 3),
        lambda: cpu(torch.arange, 3) + cpu(torch.randint, 9, (3,)),
        lambda: cpu(torch.empty, 3),
        lambda: torch.empty_like(cpu(torch.arange, 3)),
        lambda: cpu(torch.arange, 3).new_empty(3),
        lambda: torch.bernoulli(cpu(torch.full, (3,), 0.5)),
        lambda: cpu(torch.arange, 3).add_(cpu(torch.randint, 9, (3,))),
        lambda: changed(base := cpu(torch.arange, 3), base[1:]),
        lambda: changed((base := cpu(torch.arange, 3))[1:], base),
    ],
)
def test_other_values_are_not_made_up(tensor):
    assert not isinstance(tensor()[-1].item(), int | float)


def test_a_large_tensor_is_not_computed():
    assert not isinstance(cpu(torch.ones, 1 << 40)[0].item(), float)


def test_a_graph_with_an_operator_without_a_schema_runs_as_before():
    from torch._higher_order_ops.associative_scan import associative_scan

    x = torch.randn(8, 4, requires_grad=True)
    assert capture(lambda x: associative_scan(torch.add, x, 0), x, backward=True).kernels >= 2


def test_a_graph_has_no_values_of_tensors_that_the_model_keeps():
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("scale", cpu(torch.arange, 4)[2].float())

        def forward(self, x):
            return x * self.scale

    module, x = Scaled(), torch.randn(64)
    assert module.scale.item() == 2.0
    (graph,) = capture(module, x).graphs
    assert len(graph.inputs) == 2
