"""What machine code needs: a few kernels whose registers, spills, shared memory and instructions are held as well.

Few, because these files change with every Triton and ptxas, where the other goldens stay.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from kernelsnap import capture, kernel_resources

pytestmark = pytest.mark.kernelsnap_target("h100")


@pytest.fixture
def check(kernel_snapshot):
    """Hold a capture and its resources against their files, and its spills against 0, which no update can change."""

    def check(captured):
        assert captured == kernel_snapshot(resources=True)
        assert max(kernel.spills for kernel in kernel_resources(captured).kernels) == 0

    return check


def test_softmax_with_a_stack(check):
    """The reduction of large arguments of `sin` keeps a table on the stack, which is no spill."""
    check(capture(lambda x: torch.softmax(x.sin(), -1), torch.randn(64, 1024, device="cuda")))


def test_layer_norm(check):
    x = torch.randn(64, 768, device="cuda", requires_grad=True)
    check(capture(lambda x: torch.nn.functional.layer_norm(x, (768,)), x, backward=True))


def test_flex_attention(check):
    heads = [torch.randn(1, 2, 256, 64, device="cuda", dtype=torch.float16) for _ in "qkv"]
    check(capture(flex_attention, *heads))
