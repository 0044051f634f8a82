"""What `capture` follows: outputs and gradients of any form, settings, several graphs."""

from __future__ import annotations

import collections
import dataclasses
import types

import pytest
import torch
from torch import nn
from torch._inductor import metrics, scheduler

from kernelsnap import capture
from kernelsnap.errors import UnsupportedTorchError
from kernelsnap.golden.build import build_golden
from on_gpu import randn

pytestmark = pytest.mark.usefixtures("on_h100")


def phases(captured):
    return [graph.phase for graph in captured.graphs]


class ModelOutput(collections.OrderedDict):
    """As transformers' outputs are: a mapping whose items are attributes, too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclasses.dataclass
class Pair:
    first: torch.Tensor
    second: object


def test_an_inference_graph():
    captured = capture(torch.softmax, randn(10, 10), -1)
    assert captured.target == "h100"
    assert phases(captured) == ["inference"]
    assert captured.kernels == 1
    assert captured.bytes_accessed == 800
    assert "async_compile.triton" in captured.text


def test_forward_and_backward():
    captured = capture(torch.softmax, randn(10, 10, requires_grad=True), -1, backward=True)
    assert phases(captured) == ["forward", "backward"]


def test_without_backward_only_the_forward_is_compiled():
    assert phases(capture(torch.softmax, randn(10, 10, requires_grad=True), -1)) == ["forward"]


def test_the_gradient_of_an_input_alone():
    weight = randn(10, 10)
    captured = capture(lambda x, w: (x * w).sin(), randn(10, 10, requires_grad=True), weight, backward=True)
    assert phases(captured) == ["forward", "backward"]
    assert weight.grad is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda a, b: (a, b),
        lambda a, b: [a, [b]],
        lambda a, b: {"a": a, "b": b},
        lambda a, b: {"a": (a, {"b": b})},
        lambda a, b: Pair(a, b),
        lambda a, b: Pair(a, [b]),
        lambda a, b: (a, None, 3, b),
    ],
    ids=["tuple", "lists", "dict", "nested", "dataclass", "dataclass of lists", "others between"],
)
def test_every_output_gets_a_gradient(wrap):
    def fn(x, y):
        return wrap(x.sin(), y.cos())

    x, y = randn(10, requires_grad=True), randn(20, requires_grad=True)
    captured = capture(fn, x, y, backward=True)
    assert phases(captured) == ["forward", "backward"]
    assert x.grad is not None
    assert y.grad is not None


def test_the_outputs_of_a_model_in_a_mapping_of_its_own():
    def fn(x):
        return ModelOutput(logits=x.sin(), loss=x.cos().sum())

    assert phases(capture(fn, randn(10, requires_grad=True), backward=True)) == ["forward", "backward"]


def test_an_output_that_needs_no_gradient_is_left_alone():
    captured = capture(lambda x: (x.sin(), x.argmax()), randn(10, requires_grad=True), backward=True)
    assert phases(captured) == ["forward", "backward"]


def test_a_module_gets_gradients_for_its_parameters():
    module = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)).cuda()
    captured = capture(module, randn(4, 8), backward=True)
    assert phases(captured) == ["forward", "backward"]
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_keyword_arguments_reach_the_function():
    def fn(x, *, scale, other=None):
        return x * scale if other is None else x * scale + other

    assert len(capture(fn, randn(10), scale=2.0).graphs[0].inputs) == 1
    assert len(capture(fn, randn(10), scale=2.0, other=randn(10)).graphs[0].inputs) == 2


def test_dynamic_shapes_have_symbols():
    captured = capture(lambda x: torch.softmax(x, -1), randn(10, 12), dynamic=True)
    # The sizes are inputs, too, and come first.
    (shape,) = [buffer.shape for buffer in captured.graphs[0].inputs if buffer.shape is not None]
    assert not any(size.isdigit() for size in shape)
    assert captured.graphs[0].kernels[0].sizes[0][1] == "dynamic"


def test_sizes_are_static_however_often_a_function_is_captured_with_others():
    def fn(x):
        return x.sin()

    for size in (10, 11, 12):
        assert capture(fn, randn(size)).graphs[0].inputs[0].shape == (str(size),)


def test_a_setting_of_inductor_holds_for_one_capture():
    def fn(x):
        return torch.softmax(x, -1) @ x.sin()

    before = torch._inductor.config.max_fusion_size
    assert capture(fn, randn(10, 10), config={"max_fusion_size": 1}).kernels > capture(fn, randn(10, 10)).kernels
    assert torch._inductor.config.max_fusion_size == before


@pytest.mark.parametrize("mode", ["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"])
@pytest.mark.parametrize("backward", [False, True])
def test_every_mode_of_torch_compile(mode, backward):
    captured = capture(torch.softmax, randn(64, 64, requires_grad=backward), -1, mode=mode, backward=backward)
    assert captured.kernels == 1 + backward


def test_a_graph_break_gives_several_graphs():
    def fn(x):
        x = x.cos()
        torch._dynamo.graph_break()
        return x.sin().sum(0)

    for _ in range(2):  # the second time the reason is known already
        captured = capture(fn, randn(10, 10, requires_grad=True), backward=True)
        assert phases(captured) == ["forward", "backward", "forward", "backward"]
        assert captured.graph_breaks == ("Call to `torch._dynamo.graph_break()`",)
    golden = build_golden(captured, "case")
    assert [plan.graph for plan in golden.plan] == ["forward.0", "backward.0", "forward.1", "backward.1"]


def test_two_graphs_of_the_same_text_are_two_graphs():
    def fn(x):
        y = torch.sin(x)
        torch._dynamo.graph_break()
        return torch.sin(y)

    first, second = build_golden(capture(fn, randn(10)), "case").code[1::2]
    assert first.text == second.text


def test_a_function_that_is_compiled_already():
    compiled = torch.compile(torch.sin, dynamic=False)
    assert capture(compiled, randn(10)).kernels == 1
    assert capture(compiled, randn(10)).kernels == 1
    assert capture(torch.compile(nn.ReLU()), randn(10)).kernels == 1


def test_a_compiled_function_inside():
    inner = torch.compile(torch.sin)
    assert capture(lambda x: inner(x) + 1, randn(10)).kernels == 1


def test_autocast():
    def fn(x, w):
        with torch.autocast("cuda", dtype=torch.bfloat16):
            return (x @ w).relu()

    captured = capture(fn, randn(16, 16, requires_grad=True), randn(16, 16, requires_grad=True), backward=True)
    assert "bf16" in captured.text


def test_random_numbers_use_a_seed_buffer():
    captured = capture(nn.functional.dropout, randn(64, 64, requires_grad=True), 0.5, backward=True)
    assert phases(captured) == ["forward", "backward"]
    assert "inductor_random" in captured.graphs[0].text


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_the_graph_is_for_inference(mode):
    with mode():
        assert phases(capture(torch.sin, randn(10, requires_grad=True))) == ["inference"]


def test_gradients_of_a_checkpointed_function():
    def fn(x):
        return torch.utils.checkpoint.checkpoint(lambda y: torch.softmax(y.sin(), -1), x, use_reentrant=False)

    assert phases(capture(fn, randn(64, 64, requires_grad=True), backward=True)) == ["forward", "backward"]


# --- metrics that nothing counts


@pytest.mark.parametrize(
    ("owner", "name"),
    [(metrics, "ir_nodes_pre_fusion"), (scheduler.BaseSchedulerNode, "get_read_write_buffer_accesses")],
)
def test_a_counter_that_is_gone_is_named(monkeypatch, owner, name):
    monkeypatch.delattr(owner, name)
    with pytest.raises(UnsupportedTorchError, match=rf"\.{name}, which kernelsnap uses"):
        capture(torch.sin, randn(8))


def test_a_counter_that_nothing_feeds_is_an_error_and_no_zero(monkeypatch):
    """The scheduler counts elsewhere, as after a change of torch that keeps the old name."""
    monkeypatch.setattr(scheduler, "metrics", types.SimpleNamespace(**vars(metrics)))
    with pytest.raises(UnsupportedTorchError, match=r"did not count .* torch\._inductor\.metrics\.ir_nodes_pre_fusion"):
        capture(torch.sin, randn(8))


def test_kernels_without_scheduler_nodes_are_an_error(monkeypatch):
    codegen = scheduler.Scheduler.codegen

    def forgetful(self):
        codegen(self)
        self.nodes = []

    monkeypatch.setattr(scheduler.Scheduler, "codegen", forgetful)
    with pytest.raises(UnsupportedTorchError, match="no nodes in the scheduler of a graph with 1 kernels"):
        capture(torch.sin, randn(8))


def test_counters_that_are_set_back_between_graphs_still_count():
    def two(x):
        y = x.sin()
        torch._dynamo.graph_break()
        metrics.reset()
        torch._dynamo.graph_break()
        return y.cos()

    assert [graph.counts.nodes_before_fusion for graph in capture(two, randn(8)).graphs] == [1, 1]
