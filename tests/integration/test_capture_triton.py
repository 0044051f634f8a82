"""Kernels and operators that a user wrote, in a capture."""

from __future__ import annotations

import pytest
import torch
import triton
import triton.language as tl

from kernelsnap import capture
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import parse, render

pytestmark = pytest.mark.usefixtures("on_h100")


@triton.jit
def helper(x):
    return x * 2


@triton.jit
def doubled(x_ptr, y_ptr, n, BLOCK: tl.constexpr):  # noqa: N803
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n  # the last block is not full
    tl.store(y_ptr + offsets, helper(tl.load(x_ptr + offsets, mask=mask)), mask=mask)


@triton.autotune([triton.Config({"BLOCK": 64}, num_warps=2), triton.Config({"BLOCK": 128}, num_warps=4)], key=["n"])
@triton.jit
def tuned(x_ptr, y_ptr, n, BLOCK: tl.constexpr):  # noqa: N803
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < n) * 3, mask=offsets < n)


def double(x, block=128):
    y = torch.empty_like(x)
    doubled[(triton.cdiv(x.numel(), block),)](x, y, x.numel(), BLOCK=block)
    return y


@torch.library.triton_op("kernelsnap_tests::double", mutates_args={})
def double_op(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty_like(x)
    torch.library.wrap_triton(doubled)[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
    return y


@torch.library.custom_op("kernelsnap_tests::opaque", mutates_args={})
def opaque(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@opaque.register_fake
def _(x):
    return torch.empty_like(x)


@torch.library.custom_op("kernelsnap_tests::bump", mutates_args={"x"})
def bump(x: torch.Tensor) -> None:
    x.add_(1)


@bump.register_fake
def _(x):
    return None


def x():
    return torch.randn(1000, device="cuda")


def golden_of(fn):
    golden = build_golden(capture(fn, x()), "case")
    assert parse(render(golden)) == golden
    assert ".py" not in render(golden)
    return golden


def steps(golden):
    return [(step.name, step.kind) for step in golden.plan[0].steps]


@pytest.mark.parametrize("fn", [double, double_op], ids=["function", "triton_op"])
def test_a_users_kernel_is_a_step_between_others(fn):
    golden = golden_of(lambda x: fn(x.sin()) + 1)
    assert steps(golden) == [("k0", "pointwise"), ("k1", "user Triton"), ("k2", "pointwise")]
    (code,) = [code for code in golden.code if code.name == "k1"]
    assert "def doubled(x_ptr, y_ptr, n, BLOCK: tl.constexpr):" in code.text
    assert "def helper(x):" in code.text
    assert "the last block" not in code.text


def test_a_users_kernel_reads_and_writes_what_it_says():
    golden = golden_of(double)
    assert golden.plan[0].steps[0].reads == ("arg0",)
    assert [buffer.name for buffer in golden.plan[0].steps[0].writes] == ["buf0"]


def test_one_kernel_with_two_settings_is_two_kernels():
    golden = golden_of(lambda x: double(double(double(x), 256)))
    assert [name for name, _ in steps(golden)] == ["k0", "k1", "k0"]


def test_the_users_own_autotuning_shows_every_candidate():
    def fn(x):
        y = torch.empty_like(x)
        tuned[lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)](x, y, x.numel())
        return y

    (config,) = golden_of(fn).config
    assert [(launch.blocks, launch.num_warps) for launch in config.configs] == [
        ((("BLOCK", 64),), 2),
        ((("BLOCK", 128),), 4),
    ]


def test_a_custom_operator_is_a_call_into_a_library():
    golden = golden_of(lambda x: opaque(x.sin()) + 1)
    assert steps(golden)[1] == ("torch.ops.kernelsnap_tests.opaque.default", "extern")
    assert golden.plan[0].steps[1].ops[0].aten == ("kernelsnap_tests.opaque",)


def test_an_operator_that_mutates_writes_what_it_changes():
    def fn(x):
        y = x.sin()
        bump(y)
        return y + 1

    step = golden_of(fn).plan[0].steps[1]
    assert step.reads == ("buf0",)
    assert [buffer.name for buffer in step.writes] == ["buf0"]
