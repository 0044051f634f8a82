"""What a real GPU has at hand while code is generated for it, and a machine without one has to be told."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.bias import CausalBias, causal_lower_right

from kernelsnap import capture, virtual_device
from kernelsnap.virtual import NeedsGpuError


def test_a_constant_made_on_the_gpu_is_not_copied_there():
    with virtual_device("h100"):
        text = capture(
            lambda x: x + torch.tensor([1.0, 2.0, 3.0], device="cuda"), torch.zeros(4, 3, device="cuda")
        ).text
    assert "lift_fresh_copy" in text
    assert "device_put" not in text


def test_a_long_constant_is_on_the_gpu():
    with virtual_device("h100"):
        text = capture(lambda x: x + torch.tensor([*range(9)], device="cuda"), torch.zeros(9, device="cuda")).text
    assert "_tensor_constant0 = None  # device(type='cuda', index=0)" in text


def test_a_fused_gru_cell_is_captured_forward_and_backward():
    with virtual_device("h100"), torch.device("cuda"):
        cell = torch.nn.GRUCell(32, 64)
        text = capture(cell, torch.zeros(8, 32), torch.zeros(8, 64), backward=True, allow_no_kernels=True).text
    assert "_thnn_fused_gru_cell" in text


def test_a_causal_bias_can_be_made_and_is_as_before_afterwards():
    before = vars(CausalBias).get("__new__")
    with virtual_device("h100"):
        q = torch.zeros(2, 4, 64, 64, device="cuda", dtype=torch.bfloat16)
        k = torch.zeros(2, 4, 128, 64, device="cuda", dtype=torch.bfloat16)
        bias = causal_lower_right(64, 128)
        text = capture(lambda: F.scaled_dot_product_attention(q, k, k, attn_mask=bias) + 1).text
    assert "attention" in text
    assert vars(CausalBias).get("__new__") is before
    assert type(causal_lower_right(4, 8)) is CausalBias


def test_dynamo_breaks_the_graph_at_an_attention_bias_as_it_does_on_a_gpu():
    """It was held against a GPU: the reason is part of a golden."""

    def attend(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=causal_lower_right(q.size(2), k.size(2))) + 1

    with virtual_device("h100"):
        q, k, v = (torch.randn(2, 4, n, 64, device="cuda", dtype=torch.bfloat16) for n in (64, 100, 100))
        captured = capture(attend, q, k, v)
    assert captured.graph_breaks == ("Calling subclass default constructor with more than tensor argument",)


def test_a_copied_tensor_is_of_the_same_device():
    with virtual_device("h100"):
        module = torch.nn.BatchNorm1d(8, device="cuda")
        copied = copy.deepcopy(module)
        assert copied.running_mean.fake_mode is module.running_mean.fake_mode
        assert copied(module(torch.ones(4, 8, device="cuda"))).is_cuda


@pytest.mark.parametrize("name", ["Stream", "Event", "CUDAGraph", "current_stream", "default_stream"])
def test_streams_and_graphs_of_cuda_are_refused_by_name(name):
    with virtual_device("h100"), pytest.raises(NeedsGpuError, match=rf"torch\.cuda\..* virtual h100 \({__file__}:"):
        getattr(torch.cuda, name)()


def test_device_independent_streams_are_harmless():
    with virtual_device("h100"):
        stream, event = torch.Stream(device="cuda"), torch.Event(device="cuda")
        event.record(stream)
        stream.wait_event(event)
        assert event.query()
        assert stream.query()


def test_descriptors_that_triton_may_refuse_are_warned_about():
    def add(**config):
        with virtual_device("h100"):
            x = torch.ones(64, 512, device="cuda")
            capture(lambda x: (x + 1).relu(), x, config={"assume_aligned_inputs": True, **config})

    with pytest.warns(UserWarning, match=r"use_tensor_descriptor.*triton_poi_fused_add_relu_0"):
        add(**{"triton.use_tensor_descriptor": True})
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*use_tensor_descriptor")
        add()
