"""A capture of what is not on the virtual GPU, because `device=` was forgotten, is an error and no golden."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

import torch

from kernelsnap import capture, capture_refusal
from kernelsnap.errors import NotOnDeviceError

pytestmark = pytest.mark.usefixtures("on_h100")


def on_cpu(*shape, **options):
    return torch.randn(*shape, device="cpu", **options)


def on_gpu(*shape, **options):
    return torch.randn(*shape, device="cuda", **options)


class Scale(torch.nn.Module):
    def __init__(self, device):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(8, device=device))
        self.register_buffer("shift", torch.ones(8, device=device))

    def forward(self, x):
        return x * self.weight + self.shift


def closing_over(tensor):
    return lambda: tensor.sin() + 1


def made_inside(**options):
    return lambda: torch.arange(64, **options).sin()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: capture(torch.softmax, on_cpu(8, 8), -1), r"argument 0 \(cpu\)"),
        (lambda: capture(torch.softmax, on_cpu(8, 8), dim=-1, backward=False), r"argument 0 \(cpu\)"),
        (lambda: capture(lambda *, x: x.sin(), x=on_cpu(8)), r"argument x \(cpu\)"),
        (lambda: capture(lambda pair: pair["a"][0] + 1, {"a": [on_cpu(8)]}), r"argument 0 \(cpu\)"),
        (lambda: capture(Scale("cpu"), on_cpu(8)), r"parameter weight \(cpu\), buffer shift \(cpu\)"),
        (lambda: capture(torch.compile(Scale("cpu")), on_cpu(8)), r"parameter weight \(cpu\)"),
        (lambda: capture(torch.compile(torch.sin), on_cpu(8)), r"argument 0 \(cpu\)"),
        (lambda: capture(Scale("cpu").forward, on_cpu(8)), r"parameter weight \(cpu\)"),
        (lambda: capture(closing_over(on_cpu(8))), r"variable tensor \(cpu\)"),
        (lambda: capture(made_inside()), "all tensors are made inside the function"),
        (lambda: capture(lambda *t: sum(t), *(on_cpu(8) for _ in range(4))), r"argument 2 \(cpu\), 1 more"),
        (lambda: capture(torch.sin, on_cpu(8, requires_grad=True), backward=True), r"argument 0 \(cpu\)"),
        (lambda: capture(torch.mm, on_cpu(8, 8), on_cpu(8, 8), allow_no_kernels=True), r"argument 1 \(cpu\)"),
    ],
)
def test_a_forgotten_device_is_an_error_that_names_what_is_elsewhere(call, named):
    with pytest.raises(NotOnDeviceError, match=named) as error:
        call()
    assert "no tensor of this capture is on the virtual h100" in str(error.value)
    assert "device=kernel_device" in str(error.value)


def breaks(x):
    x = x.sin()
    torch._dynamo.graph_break()
    return x.cuda().cos()


@pytest.mark.parametrize(
    "call",
    [
        lambda: capture(torch.sin, on_gpu(8)),
        lambda: capture(made_inside(device="cuda")),
        lambda: capture(closing_over(on_gpu(8))),
        lambda: capture(Scale("cuda"), on_cpu(())),
        lambda: capture(lambda x: x.cuda() + 1, on_cpu(8)),
        lambda: capture(lambda x: x.cpu() + 1, on_gpu(8)),
        lambda: capture(lambda x: x.cuda().sin().cpu(), on_cpu(8)),
        lambda: capture(lambda x, y: (x.sin(), y.sin()), on_cpu(8), on_gpu(8)),
        lambda: capture(breaks, on_cpu(8)),
        lambda: capture(torch.mm, on_gpu(8, 8), on_gpu(8, 8), allow_no_kernels=True),
        lambda: capture(lambda x: torch.tensor([1.0, 2.0], device="cuda") + x, on_cpu(())),
    ],
)
def test_one_tensor_on_the_device_is_enough(call):
    assert call().target == "h100"


def refused(x):
    raise ValueError("not for this dtype")


@pytest.mark.parametrize(
    "call",
    [
        lambda: capture_refusal(refused, on_cpu(8)),
        lambda: capture_refusal(lambda: refused(torch.ones(3) + 1)),
    ],
)
def test_a_refusal_with_tensors_elsewhere_is_an_error_too(call):
    with pytest.raises(NotOnDeviceError, match="no tensor of this capture is on the virtual h100"):
        call()


def without_tensors():
    raise ValueError("never")


@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        (lambda: capture_refusal(refused, on_gpu(8)), "ValueError: not for this dtype"),
        (lambda: capture_refusal(lambda x: refused(x + torch.ones((), device="cuda")), on_cpu(())), "ValueError"),
        (lambda: capture_refusal(without_tensors), "ValueError: never"),
    ],
)
def test_a_refusal_of_something_on_the_device_is_recorded(call, refusal):
    assert refusal in call().refusal


def test_a_variable_around_the_function_that_has_no_value_yet_hides_nothing():
    def use(x):
        return x + later

    with pytest.raises(NotOnDeviceError, match="argument 0"):
        capture_refusal(use, on_cpu(8))
    later = 1
