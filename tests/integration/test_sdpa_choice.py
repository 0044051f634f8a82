"""Which backend scaled_dot_product_attention calls on a target, and that torch chooses for itself again afterwards."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention import SDPBackend, sdpa_kernel

from kernelsnap import capture, virtual_device
from kernelsnap.virtual import sdpa_rules

BF16, FP32 = torch.bfloat16, torch.float32


def qkv(dtype=BF16, dim=64, heads=4, kv_heads=4, length=64, kv_length=64, grad=False):
    shapes = (2, heads, length, dim), *[(2, kv_heads, kv_length, dim)] * 2
    return [torch.randn(shape, dtype=dtype, device="cuda", requires_grad=grad) for shape in shapes]


def called(function, *inputs, **options):
    """The attention operators that the generated code calls."""
    text = capture(function, *inputs, allow_no_kernels=True, **options).text
    return sorted(set(re.findall(r"aten\._scaled_dot_product_(\w+?)_attention", text)))


def attention(**options):
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options)


GROUPS_IN_EFFICIENT = sdpa_rules.this_release() >= (2, 14)


@pytest.mark.parametrize(
    ("target", "inputs", "options", "backend"),
    [
        ("h100", {}, {"is_causal": True}, ["cudnn"]),
        ("h100", {"dtype": FP32}, {}, ["efficient"]),
        ("h100", {"dim": 20}, {}, ["flash"]),
        ("h100", {"dim": 264}, {}, ["efficient"]),
        ("h100", {"heads": 8, "kv_heads": 2}, {"enable_gqa": True}, ["cudnn"]),
        ("h100", {"dtype": FP32, "heads": 8, "kv_heads": 2}, {"enable_gqa": True}, ["efficient"] * GROUPS_IN_EFFICIENT),
        ("h100", {"length": 1, "kv_length": 1}, {}, ["flash"]),
        ("a100", {}, {"is_causal": True}, ["flash"]),
        ("a100", {"kv_length": 100}, {"is_causal": True}, ["efficient"]),
        ("mi300x", {}, {"is_causal": True}, ["flash"]),
    ],
)
def test_a_target_calls_the_backend_that_its_gpu_would(target, inputs, options, backend):
    with virtual_device(target):
        assert called(attention(**options), *qkv(**inputs)) == backend


def test_the_backward_calls_the_same_backend():
    with virtual_device("h100"):
        text = capture(attention(is_causal=True), *qkv(grad=True), backward=True, allow_no_kernels=True).text
    assert "aten._scaled_dot_product_cudnn_attention_backward" in text


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (SDPBackend.FLASH_ATTENTION, ["flash"]),
        (SDPBackend.EFFICIENT_ATTENTION, ["efficient"]),
        (SDPBackend.CUDNN_ATTENTION, ["cudnn"]),
        (SDPBackend.MATH, []),
    ],
)
def test_sdpa_kernel_restricts_the_choice(backend, expected):
    def restricted(q, k, v):
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(q, k, v)

    with virtual_device("h100"):
        assert called(restricted, *qkv()) == expected


def test_sdpa_kernel_sets_the_order():
    def ordered(q, k, v):
        with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION], set_priority=True):
            return F.scaled_dot_product_attention(q, k, v)

    with virtual_device("h100"):
        assert called(ordered, *qkv()) == ["efficient"]


def test_no_backend_that_can_is_an_error_as_on_a_gpu():
    with (
        virtual_device("h100"),
        sdpa_kernel(SDPBackend.FLASH_ATTENTION),
        pytest.raises(RuntimeError, match="No available kernel"),
    ):
        F.scaled_dot_product_attention(*qkv(FP32))


def test_what_torch_says_it_can_use():
    with virtual_device("h100"):
        params = torch.backends.cuda.SDPAParams(*qkv(), None, 0.0, True, False)
        assert torch.backends.cuda.can_use_flash_attention(params)
        assert torch.backends.cuda.can_use_cudnn_attention(params)
        assert torch.backends.cuda.is_flash_attention_available()


def test_afterwards_torch_chooses_for_itself():
    order = torch._C._get_sdp_priority_order()
    names = ("_can_use_flash_attention", "_can_use_cudnn_attention", "_is_flash_attention_available")
    before = [getattr(torch._C, name) for name in names]
    with virtual_device("h100"):
        assert torch._C._get_sdp_priority_order()[0] == sdpa_rules.CUDNN
    assert torch._C._get_sdp_priority_order() == order
    assert [getattr(torch._C, name) for name in names] == before
    assert torch._fused_sdp_choice(*(torch.randn(1, 1, 8, 8) for _ in range(3))) in (sdpa_rules.MATH, sdpa_rules.FLASH)


def test_dynamic_sizes_are_asked_in_torch_s_order():
    with virtual_device("h100"):
        assert called(attention(is_causal=True), *qkv(), dynamic=True) == ["cudnn"]
