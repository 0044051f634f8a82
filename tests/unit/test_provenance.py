"""Where a kernel's operations came from, as Inductor's comments say it."""

from __future__ import annotations

import pytest

from kernelsnap.capture.read.provenance import provenance
from kernelsnap.model.capture import Buffer, FusedOp


def comment(text):
    return [f"# {line}" for line in text.strip().splitlines()]


FULL = comment("""
Topologically Sorted Source Nodes: [layer_norm, relu], Original ATen: [aten.native_layer_norm, aten.relu]
Source node to ATen node mapping:
  layer_norm => add, mul
  relu => relu
Graph fragment:
  %x : Tensor "f32[64, 1024][1024, 1]cuda:0" = PlaceHolder[target=x]
  %n : Tensor "i64[][]cuda:0" = PlaceHolder[target=n]
  %add : Tensor "f32[64, 1]"[num_users=1] = call_function[target=torch.ops.aten.add.Tensor](args = (%x, 1), kwargs = {})
  %mul : Tensor "f32[64, 1]"[num_users=1] = call_function[target=torch.ops.aten.mul.Tensor](args = (%x, 1), kwargs = {})
  %relu : Tensor "f32[64]"[num_users=1] = call_function[target=torch.ops.aten.relu.default](args = (%x,), kwargs = {})
  %made : [num_users=1] = call_function[target=torch.ops.prims.iota.default](args = (%x,), kwargs = {})
  return %add
""")


def test_operations_are_grouped_by_the_expression_that_they_came_from():
    assert provenance(FULL).ops == (
        FusedOp("layer_norm", ("add", "mul")),
        FusedOp("relu", ("relu",)),
        FusedOp("", ("prims.iota",)),
    )


UNSORTED = comment("""
Unsorted Source Nodes: [matmul, relu], Original ATen: [aten.mm, aten.relu]
Source node to ATen node mapping:
  matmul => mm, sum_1
  relu => relu_2
""")


def test_operations_of_several_graphs_are_known_by_the_names_of_their_nodes():
    found = provenance(UNSORTED)
    assert found.ops == (FusedOp("matmul", ("mm", "sum")), FusedOp("relu", ("relu",)))
    assert not found.in_order
    assert provenance(FULL).in_order


def test_the_inputs_of_the_fragment_have_types_and_shapes():
    assert provenance(FULL).inputs == (Buffer("x", "f32", ("64", "1024")), Buffer("n", "i64", ()))


def test_a_short_comment_gives_names_alone():
    short = comment("Topologically Sorted Source Nodes: [softmax], Original ATen: [aten._softmax]")
    assert provenance(short).ops == (FusedOp("softmax", ("_softmax",)),)


def test_an_empty_comment_gives_nothing():
    assert provenance([]).ops == ()
    assert provenance(comment("Unsorted Source Nodes: [], Original ATen: []")).ops == ()


@pytest.mark.parametrize(
    ("target", "operation"),
    [
        ("aten.sum", "sum"),
        ("prims.iota", "prims.iota"),
        ("mylib.op", "mylib.op"),
    ],
)
def test_operations_outside_aten_keep_their_namespace(target, operation):
    found = provenance(comment(f"Topologically Sorted Source Nodes: [a], Original ATen: [{target}]"))
    assert found.ops == (FusedOp("a", (operation,)),)
