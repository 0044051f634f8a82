"""What a real GPU has at hand while code is generated for it, and a machine without one has to be told."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.bias import CausalBias, causal_lower_right

from kernelsnap import capture, virtual_device


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
