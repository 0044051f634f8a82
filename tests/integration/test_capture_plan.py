"""What a plan says about data: each read names what a line above wrote, each size its symbol, each kernel its work."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

import torch

from kernelsnap import capture, virtual_device
from kernelsnap.golden.build import build_golden
from kernelsnap.model.capture import Buffer, FusedOp
from on_gpu import randn


@pytest.fixture(autouse=True)
def h100():
    with virtual_device("h100"):
        yield


def plan(fn, *args, **options):
    return build_golden(capture(fn, *args, **options), "case").plan[0]


def unexplained_reads(plan):
    """What steps read that is no input and that no step above writes."""
    known = {buffer.name for buffer in plan.inputs}
    for step in plan.steps:
        yield from (name for name in step.reads if name not in known)
        known |= {buffer.name for buffer in step.writes}


def concatenated(x, y, w):
    parts = [x @ w, y.softmax(-1), x.sum(-1, keepdim=True)]
    return torch.cat(parts, 1).relu() @ torch.ones(21, 3, device="cuda")


@pytest.mark.parametrize("backward", [False, True])
def test_parts_of_a_concatenation_are_written_to_the_buffer_that_is_read(backward):
    tensors = [randn(*shape, requires_grad=backward) for shape in ((8, 16), (8, 4), (16, 16))]
    golden = build_golden(capture(concatenated, *tensors, backward=backward), "case")
    assert [list(unexplained_reads(plan)) for plan in golden.plan] == [[]] * (1 + backward)
    # Three kernels write a part each; the multiplication reads the whole.
    product = next(step for step in golden.plan[0].steps if step.ops and step.ops[0].source == "matmul.1")
    parts = [step for step in golden.plan[0].steps if product.reads[0] in {buffer.name for buffer in step.writes}]
    assert [part.kind for part in parts] == ["persistent reduction", "pointwise", "pointwise"]
    assert {part.writes[0].shape for part in parts} == {("8", "21")}


def test_sizes_that_a_graph_returns_are_said_as_its_shapes_say_them():
    def fn(x, y):
        return x.sum(-1) + y.sum(-1), x.shape[0] * x.shape[1], max(x.shape[1], y.shape[1]), x.shape[1]

    found = plan(fn, randn(8, 16), randn(8, 4), dynamic=True)
    (x, y) = [buffer.shape for buffer in found.inputs if buffer.shape]
    assert found.steps[0].writes[0].shape == (x[0],)
    assert set(found.outputs[1].split(" * ")) == set(x)
    assert found.outputs[2:] == (f"max({x[1]}, {y[1]})", x[1])
    assert {*x, *y} == {"s0", "s1", "s2"}


def test_sizes_that_a_forward_graph_saves_are_their_symbols():
    found = plan(lambda x: x.view(-1).sin() * x.shape[0], randn(8, 16, requires_grad=True), dynamic=True, backward=True)
    assert found.outputs[-2:] == ("s0", "s1")


def parallel(a, b, c, d):
    return (a * 2).softmax(-1) + 1, b.sin() * 2, c.sum(-1).relu(), d.sum() / 3


def test_a_combo_kernel_says_which_expressions_it_computes():
    tensors = randn(64, 33), randn(1000), randn(128, 77), randn(64)
    single, combo = (plan(parallel, *tensors, config={"combo_kernels": combine}).steps for combine in (False, True))
    assert len(combo) < len(single)
    # All that the kernels compute when each stands alone, and nothing twice.
    assert said(combo) == said(single)
    assert all("," not in source for step in combo for source, _ in ((op.source, op.aten) for op in step.ops))
    merged = next(step for step in combo if "+" in dict(step.sizes).get("x", ""))
    assert merged.sizes == (("x", "128+1"), ("r0", "77+64"))
    assert [op.source for op in merged.ops] == ["sum", "relu", "sum.1", "truediv"]


def said(steps):
    return sorted((op.source.partition(".")[0], op.aten) for step in steps for op in step.ops)


def test_a_foreach_kernel_says_which_expressions_it_computes():
    lists = [[randn(64, 64), randn(7)] for _ in range(2)]

    def fn():
        return torch._foreach_add(torch._foreach_mul(lists[0], 2.0), lists[1])

    (step,) = plan(fn).steps
    assert step.kind == "foreach"
    assert step.ops == (FusedOp("_foreach_mul", ("_foreach_mul",)), FusedOp("_foreach_add", ("_foreach_add",)))


def test_the_operations_of_a_subgraph_are_said():
    a, b = (randn(*shape, dtype=torch.bfloat16) for shape in ((32, 32768), (32768, 32)))
    settings = {"max_autotune_gemm_backends": "TRITON"}
    found = plan(lambda a, b: (a @ b).relu(), a, b, mode="max-autotune-no-cudagraphs", config=settings)
    assert [op for step in found.steps for op in step.ops] == [
        FusedOp("matmul", ("mm",)),
        FusedOp("matmul", ("mm",)),
        FusedOp("relu", ("relu",)),
    ]
    # What is computed in place over a subgraph's result has its type and shape.
    assert found.steps[-1].writes == (Buffer("buf2", "bf16", ("32", "32")),)
