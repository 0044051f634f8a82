"""Kernels that a user wrote in Triton inside a compiled model, as Liger does: RMSNorm and SwiGLU, with gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from kernelsnap import capture

triton = pytest.importorskip("triton")
tl = triton.language

ROWS, WIDTH, HIDDEN = 4096, 1024, 2816


@triton.jit
def rms_norm_forward(x_ptr, weight_ptr, out_ptr, rstd_ptr, width, eps, BLOCK: tl.constexpr):  # noqa: N803
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    x = tl.load(x_ptr + row * width + columns, mask=mask, other=0.0).to(tl.float32)
    rstd = tl.rsqrt(tl.sum(x * x, 0) / width + eps)
    weight = tl.load(weight_ptr + columns, mask=mask, other=0.0).to(tl.float32)
    tl.store(rstd_ptr + row, rstd)
    tl.store(out_ptr + row * width + columns, x * rstd * weight, mask=mask)


@triton.jit
def rms_norm_backward(dout_ptr, x_ptr, weight_ptr, rstd_ptr, dx_ptr, dweight_ptr, width, BLOCK: tl.constexpr):  # noqa: N803
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    place = row * width + columns
    dout = tl.load(dout_ptr + place, mask=mask, other=0.0).to(tl.float32)
    normed = tl.load(x_ptr + place, mask=mask, other=0.0).to(tl.float32) * tl.load(rstd_ptr + row)
    scaled = dout * tl.load(weight_ptr + columns, mask=mask, other=0.0).to(tl.float32)
    dx = (scaled - normed * (tl.sum(scaled * normed, 0) / width)) * tl.load(rstd_ptr + row)
    tl.store(dx_ptr + place, dx, mask=mask)
    tl.atomic_add(dweight_ptr + columns, dout * normed, mask=mask)


@triton.jit
def swiglu_forward(gate_ptr, up_ptr, out_ptr, size, BLOCK: tl.constexpr):  # noqa: N803
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = place < size
    gate = tl.load(gate_ptr + place, mask=mask).to(tl.float32)
    tl.store(out_ptr + place, gate * tl.sigmoid(gate) * tl.load(up_ptr + place, mask=mask), mask=mask)


@triton.jit
def swiglu_backward(dout_ptr, gate_ptr, up_ptr, dgate_ptr, dup_ptr, size, BLOCK: tl.constexpr):  # noqa: N803
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = place < size
    dout = tl.load(dout_ptr + place, mask=mask).to(tl.float32)
    gate = tl.load(gate_ptr + place, mask=mask).to(tl.float32)
    chance = tl.sigmoid(gate)
    slope = chance * (1 + gate * (1 - chance))
    tl.store(dgate_ptr + place, dout * slope * tl.load(up_ptr + place, mask=mask), mask=mask)
    tl.store(dup_ptr + place, dout * gate * chance, mask=mask)


class RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        out, rstd = torch.empty_like(x), torch.empty(x.shape[0], device=x.device)
        rms_norm_forward[(x.shape[0],)](x, weight, out, rstd, x.shape[1], 1e-6, BLOCK=WIDTH)
        ctx.save_for_backward(x, weight, rstd)
        return out

    @staticmethod
    def backward(ctx, dout):
        x, weight, rstd = ctx.saved_tensors
        dx, dweight = torch.empty_like(x), torch.zeros(weight.shape, device=x.device)
        rms_norm_backward[(x.shape[0],)](dout.contiguous(), x, weight, rstd, dx, dweight, x.shape[1], BLOCK=WIDTH)
        return dx, dweight.to(weight.dtype)


class SwiGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gate, up):
        out = torch.empty_like(gate)
        swiglu_forward[(triton.cdiv(gate.numel(), 1024),)](gate, up, out, gate.numel(), BLOCK=1024)
        ctx.save_for_backward(gate, up)
        return out

    @staticmethod
    def backward(ctx, dout):
        gate, up = ctx.saved_tensors
        dgate, dup = torch.empty_like(gate), torch.empty_like(up)
        grid = (triton.cdiv(gate.numel(), 1024),)
        swiglu_backward[grid](dout.contiguous(), gate, up, dgate, dup, gate.numel(), BLOCK=1024)
        return dgate, dup


class Block(nn.Module):
    """The feed-forward half of a decoder layer: norm, gated MLP, residual."""

    def __init__(self, own_kernels: bool) -> None:
        super().__init__()
        self.own_kernels = own_kernels
        self.norm = nn.Parameter(torch.ones(WIDTH))
        self.gate, self.up = nn.Linear(WIDTH, HIDDEN, bias=False), nn.Linear(WIDTH, HIDDEN, bias=False)
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = RmsNorm.apply(x, self.norm) if self.own_kernels else F.rms_norm(x, (WIDTH,), self.norm, 1e-6)
        gate, up = self.gate(normed), self.up(normed)
        return x + self.down(SwiGlu.apply(gate, up) if self.own_kernels else F.silu(gate) * up)


class LigerStyleTests:
    @pytest.mark.parametrize("own_kernels", [True, False], ids=["user-triton", "generated"])
    def test_feed_forward(self, kernel_snapshot, kernel_device, own_kernels):
        """The same block with kernels of the user's own, and with those that Inductor makes of the plain formula."""
        with torch.device(kernel_device):
            block = Block(own_kernels).to(torch.bfloat16)
        x = torch.randn(ROWS, WIDTH, dtype=torch.bfloat16, device=kernel_device, requires_grad=True)
        captured = capture(block, x, backward=True)
        assert captured == kernel_snapshot
        kinds = [kernel.kind for graph in captured.graphs for kernel in graph.kernels]
        assert kinds.count("user Triton") == (4 if own_kernels else 0)
        assert not captured.graph_breaks
