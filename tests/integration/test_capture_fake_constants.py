"""`freezing=True` makes constants of parameters, which are fake: they stay apart, and their values are not made up."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

import torch

from kernelsnap import capture, virtual_device
from kernelsnap.errors import DataDependentError
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render

FREEZING = {"freezing": True}


@pytest.fixture(scope="module", autouse=True)
def _device():
    with virtual_device("h100"), torch.no_grad():
        yield


def layers(size, *, tied=False):
    first, second = torch.nn.Linear(size, size), torch.nn.Linear(size, size)
    if tied:
        second.weight = first.weight
    return torch.nn.Sequential(first, torch.nn.ReLU(), second, torch.nn.GELU()).cuda().eval()


def frozen_operands(captured):
    lines = [line for line in captured.graphs[0].host.splitlines() if "extern_kernels.mm(" in line]
    return [line.split(", ")[1] for line in lines]


def test_two_parameters_of_one_shape_are_two_constants():
    first, second = frozen_operands(capture(layers(16), torch.ones(4, 16, device="cuda"), config=FREEZING))
    assert first != second


def test_one_parameter_of_two_layers_is_one_constant():
    first, second = frozen_operands(capture(layers(16, tied=True), torch.ones(4, 16, device="cuda"), config=FREEZING))
    assert first == second


class Scaled(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(shape))

    def forward(self, x):
        return x * self.scale


@pytest.mark.parametrize("shape", [(), (1,), (8,)])
def test_a_parameter_whose_values_would_be_in_the_code_is_an_error(shape):
    module, x = Scaled(shape).cuda().eval(), torch.ones(4, 8, device="cuda")
    with pytest.raises(DataDependentError, match=r"Inductor writes the values of the parameter `\w+` of shape"):
        capture(module, x, config=FREEZING)
    # The advice of the error.
    captured = capture(module, x, config={**FREEZING, "always_keep_tensor_constants": True})
    assert captured.kernels == 1


@pytest.mark.parametrize("shape", [(9,), (1, 8)])
def test_a_larger_parameter_is_a_tensor_and_its_golden_is_the_same_again(shape):
    def golden():
        captured = capture(Scaled(shape).cuda().eval(), torch.ones(4, shape[-1], device="cuda"), config=FREEZING)
        return render(build_golden(captured, "case"))

    assert golden() == golden()
