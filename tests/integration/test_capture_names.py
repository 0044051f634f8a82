"""A plan has the names that the user gave: of parameters, buffers, arguments, gradients; the same in all graphs."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional

from kernelsnap import capture, virtual_device
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import parse, render


@pytest.fixture(scope="module", autouse=True)
def _device():
    with virtual_device("h100"), torch.device("cuda"):
        yield


def plans(fn, *args, **options):
    """The plans of a capture by graph, after its golden was found to be read back as it was written."""
    golden = build_golden(capture(fn, *args, **options), "case")
    assert parse(render(golden)) == golden
    return {plan.graph: plan for plan in golden.plan}


def inputs(plan):
    """The user's names of the tensors that a graph takes, and the code's where there is none."""
    names = dict(plan.names)
    return [names.get(buffer.name, buffer.name) for buffer in plan.inputs]


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(64))
        self.register_buffer("scale", torch.ones(64))
        self.raw = torch.ones(64)

    def forward(self, x):
        return functional.rms_norm(x, (64,), self.weight) * self.scale + self.raw


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Norm(), Norm()])
        self.blocks = nn.ModuleDict({"a b": nn.Sequential(nn.ReLU(), Norm())})
        self.out = nn.Linear(64, 64)

    def forward(self, x, batch, *rest, mask):
        for layer in self.layers:
            x = layer(x)
        return self.out(self.blocks["a b"](x) * batch["ids"]) + rest[0] * mask


def test_parameters_and_buffers_have_their_qualified_names_and_arguments_theirs():
    x = torch.randn(32, 64)
    found = plans(Model(), x, {"ids": torch.randn(32, 64)}, torch.randn(64), mask=torch.randn(64))
    assert set(inputs(found["forward"])) == {
        "x",
        "batch['ids']",
        "rest[0]",
        "mask",
        *(f"layers.{number}.{name}" for number in (0, 1) for name in ("weight", "scale", "raw")),
        *(f"blocks.a_b.1.{name}" for name in ("weight", "scale", "raw")),
        "out.weight",
        "out.bias",
    }


def test_a_training_step_has_the_same_names_in_both_graphs():
    x = torch.randn(32, 64, requires_grad=True)
    found = plans(Norm(), x, backward=True)
    forward, backward = found["forward"], found["backward"]
    assert inputs(forward) == ["weight", "x", "scale", "raw"]
    assert inputs(backward) == ["weight", "x", "scale", "saved(rsqrt)", "grad(output[0])"]
    assert [result for result in forward.results if result] == ["output[0]", "saved(rsqrt)"]
    assert [result for result in backward.results if result] == ["grad(weight)", "grad(x)"]
    assert dict(zip(backward.results, backward.outputs, strict=True))["grad(x)"].startswith("buf")


@dataclass
class Batch:
    ids: torch.Tensor
    more: dict[str, list[torch.Tensor]]


Pair = namedtuple("Pair", "q k")
table = None


def default(x, y=None):
    return x + (table if y is None else y)


@pytest.mark.parametrize(
    ("fn", "args", "names"),
    [
        (lambda x, y: x * y, lambda t: (t, t + 1), ["x", "y"]),
        (lambda xs: xs[0] * xs[2][1], lambda t: ([t, t, (t, t + 1)],), ["xs[0]", "xs[2][1]"]),
        (lambda b: b["my key"] + b[3], lambda t: ({"my key": t, 3: t + 1},), ["b['my_key']", "b[3]"]),
        (lambda b: b.ids + b.more["z"][0], lambda t: (Batch(t, {"z": [t + 1]}),), ["b.ids", "b.more['z'][0]"]),
        (lambda p: p.q * p.k, lambda t: (Pair(t, t + 1),), ["p.q", "p.k"]),
        (lambda *xs: xs[0] * xs[1], lambda t: (t, t + 1), ["xs[0]", "xs[1]"]),
        (torch.add, lambda t: (t, t + 1), ["args[0]", "args[1]"]),
        (lambda x: x.add_(1), lambda t: (t,), ["x"]),
        (lambda x, y: (x.add_(1), y.mul_(2)), lambda t: (lambda b: (b[:4], b[2:6]))(torch.randn(8)), ["base(x)"]),
        (lambda x, n: x[:n] * 2, lambda t: (t, 3), ["x"]),
    ],
)
def test_arguments_of_every_form(fn, args, names):
    assert inputs(plans(fn, *args(torch.randn(4, 8)))["inference"]) == names


def test_what_a_function_closes_over_and_globals():
    global table
    table, weight = torch.randn(8), torch.randn(8)
    assert inputs(plans(lambda x: default(x) * weight, torch.randn(8))["inference"]) == ["x", "table", "weight"]


def test_sizes_keep_the_names_that_shapes_use():
    found = plans(lambda x, w: (x @ w).relu(), torch.randn(5, 8), torch.randn(8, 8), dynamic=True)["inference"]
    assert inputs(found) == ["arg0", "arg1", "x", "w"]
    assert [buffer.shape for buffer in found.inputs][:2] == [None, None]


def test_both_sides_of_a_graph_break():
    def broken(x, y):
        z = x * y
        torch._dynamo.graph_break()
        return z + y

    found = plans(broken, torch.randn(8), torch.randn(8))
    assert [inputs(plan) for plan in found.values()] == [["x", "y"], ["z", "y"]]


def test_the_state_of_an_optimizer():
    weights = [nn.Parameter(torch.randn(8)) for _ in range(2)]
    optimizer = torch.optim.SGD(weights, lr=1e-3)
    for weight in weights:
        weight.grad = torch.randn(8)
    assert set(inputs(plans(optimizer.step)["inference"])) == {
        f"{form}param_groups[0]['params'][{number}]{end}"
        for number in (0, 1)
        for form, end in (("", ""), ("grad(", ")"))
    }


class Hostile(nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("buf0", "primals_0", "a b", "new\nline", "ü\u202e", "x" * 200, "#2", "q: r", "inputs", "x"):
            self.register_parameter(name, nn.Parameter(torch.ones(8)))

    def forward(self, x):
        for weight in self._parameters.values():
            x = x * weight
        return x


def test_hostile_names_are_one_token_each_and_differ():
    found = plans(Hostile(), torch.randn(4, 8), backward=True)
    names = inputs(found["forward"])
    assert names[:7] == ["x", "buf0#", "primals_0#", "a_b", "new_line", "ü_", "x" * 91 + "~aa20c23e"]
    assert names[7:] == ["_2", "q:_r", "inputs", "x#2"]
    assert "grad(x#2)" in found["backward"].results
    assert set(names) - {"x"} <= set(inputs(found["backward"]))


def test_names_are_the_same_whatever_was_captured_before():
    module, x = Norm(), torch.randn(32, 64, requires_grad=True)
    first = plans(module, x, backward=True)
    plans(lambda a, b: a * b, torch.randn(8), torch.randn(8))
    assert plans(module, x, backward=True) == first
