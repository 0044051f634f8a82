"""What host code runs, in order, on small modules written by hand."""

from __future__ import annotations

import ast

import pytest

from kernelsnap.capture.read.host_code import read_host
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import Buffer, Kernel

K = Kernel("k", "pointwise", "triton", "", arguments=(("a", "*fp32"), ("b", "*fp32")), reads=("a",), writes=("b",))
OTHER = Kernel("other", "pointwise", "triton", "", arguments=K.arguments, reads=K.reads, writes=K.writes)


def host(body, before="", kernels=(K, OTHER), harness=None):
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return read_host(f"{before}def call(self, args):\n{lines}", kernels, harness)


def calls(found):
    return [(call.name, call.reads, tuple(buffer.name for buffer in call.writes)) for call in found.calls]


def test_launches_and_library_calls_stand_in_order():
    found = host("""
arg0_1, = args
buf0 = empty_strided_cuda((4, ), (1, ), torch.float32)
k.run(arg0_1, buf0)
extern_kernels.mm(buf0, arg0_1, out=buf1)
buf2 = torch.ops.aten.sort.default(buf1)
return (buf2, )
""")
    assert calls(found) == [
        ("k", ("arg0_1",), ("buf0",)),
        ("extern_kernels.mm", ("buf0", "arg0_1"), ("buf1",)),
        ("torch.ops.aten.sort.default", ("buf1",), ("buf2",)),
    ]
    assert [call.kind for call in found.calls] == ["launch", "extern", "extern"]
    assert found.outputs == ("buf2",)


def test_a_kernel_launched_twice_is_two_calls():
    assert len(host("k.run(a, b)\nk.run(b, c)").calls) == 2


@pytest.mark.parametrize(
    ("statement", "dtype", "shape"),
    [
        ("buf0 = empty_strided_cuda((4, 8), (8, 1), torch.float32)", "f32", ("4", "8")),
        ("buf0 = empty_strided_cpu((), (), torch.bool)", "b8", ()),
        ("buf0 = empty_strided_cuda((s77, 2*s77), (1, 1), torch.float8_e4m3fn)", "float8_e4m3fn", ("s77", "2 * s77")),
        ("buf0 = alloc_from_pool(pool, 0, torch.int64, (3, ), (1, ))", "i64", ("3",)),
    ],
)
def test_an_allocation_gives_a_buffer_its_type_and_shape(statement, dtype, shape):
    assert host(f"{statement}\nk.run(arg0, buf0)").calls[0].writes == (Buffer("buf0", dtype, shape),)


def test_a_buffer_that_takes_over_another_has_its_value():
    found = host("k.run(arg0, buf0)\nbuf1 = buf0; del buf0\nother.run(buf1, buf1)\nreturn (buf1, )")
    assert calls(found)[1] == ("other", ("buf0",), ("buf1",))
    assert found.outputs == ("buf1",)


def test_a_view_is_its_base():
    found = host(
        "k.run(reinterpret_tensor(arg0, (4, ), (1, ), 0), buf0)\nreturn (reinterpret_tensor(buf0, (2, ), (1, )), )"
    )
    assert calls(found) == [("k", ("arg0",), ("buf0",))]
    assert found.outputs == ("buf0",)


def test_writing_a_view_is_writing_its_base():
    found = host("""
arg0, = args
buf2 = empty_strided_cuda((8, ), (1, ), torch.float32)
buf0 = reinterpret_tensor(buf2, (4, ), (1, ), 0)  # alias
k.run(arg0, buf0)
buf1 = reinterpret_tensor(buf2, (4, ), (1, ), 4)  # alias
extern_kernels.mm(arg0, buf0, out=buf1)
del buf0
del buf1
buf3 = buf2; del buf2  # reuse
other.run(buf3, buf3)
return (buf3, )
""")
    whole = Buffer("buf2", "f32", ("8",))
    assert [call.writes for call in found.calls[:2]] == [(whole,), (whole,)]
    assert calls(found)[1:] == [
        ("extern_kernels.mm", ("arg0", "buf2"), ("buf2",)),
        ("other", ("buf2",), ("buf3",)),
    ]


def test_memory_that_is_reused_in_another_shape_is_a_buffer_of_its_own():
    found = host("""
buf0 = empty_strided_cuda((8, ), (1, ), torch.float32)
k.run(arg0, buf0)
buf1 = reinterpret_tensor(buf0, (2, 4), (4, 1), 0); del buf0  # reuse
other.run(arg0, buf1)
return (buf1, )
""")
    assert [call.writes for call in found.calls] == [
        (Buffer("buf0", "f32", ("8",)),),
        (Buffer("buf1", "f32", ("2", "4")),),
    ]


def test_views_of_each_other_end():
    found = host("""
buf0 = empty_strided_cuda((8, ), (1, ), torch.float32)
buf1 = reinterpret_tensor(buf0, (8, ), (1, ), 0)  # alias
buf0 = reinterpret_tensor(buf1, (8, ), (1, ), 0)  # alias
k.run(arg0, buf1)
return (buf0, )
""")
    assert found.outputs == ("buf0",)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("s77*s27", "s77 * s27"),
        ("max(s77, s27)", "max(s77, s27)"),
        ("math.ceil(s77 / 2)", "math.ceil(s77 / 2)"),
        ("s77", "s77"),
        ("arg0_1", "arg0_1"),
        ("None", "None"),
    ],
)
def test_a_size_that_is_returned_is_an_expression_of_symbols(returned, said):
    assert host(f"arg0_1, = args\ns77 = arg0_1\nreturn ({returned}, )").outputs == (said,)


def test_a_copy_between_devices_is_a_call():
    assert calls(host("buf0 = empty_strided_cpu((4, ), (1, ), torch.float32)\nbuf0.copy_(arg0, False)")) == [
        ("aten.copy_", ("arg0",), ("buf0",))
    ]


def test_an_operator_that_returns_nothing_writes_its_first_argument():
    found = host("arg0, = args\ntorch.ops.mylib.mutate.default(arg0)")
    assert calls(found) == [("torch.ops.mylib.mutate.default", ("arg0",), ("arg0",))]


def test_inputs_have_the_types_and_shapes_of_the_harness():
    harness = ast.parse(
        "def get_args():\n    arg0_1 = rand_strided((4, 2), (2, 1), device='cuda:0', dtype=torch.int32)"
    )
    found = host("arg0_1, = args\nk.run(arg0_1, buf0)", harness=harness.body[0])
    assert found.inputs == (Buffer("arg0_1", "i32", ("4", "2")),)


def test_dynamic_sizes_are_those_that_the_code_asserts():
    harness = ast.parse(
        "def get_args():\n    arg1_1 = rand_strided((4, 2), (2, 1), device='cuda:0', dtype=torch.int32)"
    )
    body = "arg0_1, arg1_1 = args\ns77 = arg0_1\nassert_size_stride(arg1_1, (s77, 2), (2, 1), 'input')"
    found = host(body, harness=harness.body[0])
    assert found.inputs == (Buffer("arg0_1"), Buffer("arg1_1", "i32", ("s77", "2")))


PARTITIONS = """
def partition_0(args):
    arg0, = args
    k.run(arg0, buf0)
    return (buf0, )
def partition_1(args):
    buf1, = args
    k.run(buf1, buf2)
    return (buf2, )
"""


def test_partitions_run_where_they_are_called():
    found = host(
        """
arg0, = args
partition0_args = [arg0,]
(buf0,) = self.partitions[0](partition0_args)
other.run(buf0, buf1)
partition1_args = [buf1,]
(buf2,) = self.partitions[1](partition1_args)
return (buf2, )
""",
        before=PARTITIONS,
    )
    assert calls(found) == [("k", ("arg0",), ("buf0",)), ("other", ("buf0",), ("buf1",)), ("k", ("buf1",), ("buf2",))]
    assert [buffer.name for buffer in found.inputs] == ["arg0"]
    assert found.outputs == ("buf2",)


SUBGRAPH = """
def sub(args):
    sub_arg, = args
    k.run(sub_arg, sub_buf)
    return (sub_buf, )
"""


def test_a_subgraph_called_twice_runs_twice():
    found = host(
        "sub_args = [a,]\nbuf0 = sub(sub_args)\nbuf1 = buf0[0]\nsub_args = [buf1,]\nbuf2 = sub(sub_args)", SUBGRAPH
    )
    assert [call.reads for call in found.calls] == [("a",), ("sub_buf",)]


def test_the_body_of_a_loop_counts_once():
    body = "sub_args = [a,]\nbuf0 = sub(sub_args)\nwhile go:\n    sub_args = [b,]\n    buf0 = sub(sub_args)"
    assert len(host(body, SUBGRAPH).calls) == 1


def test_the_output_of_a_condition_is_of_neither_branch():
    found = host(
        """
if arg0.item():
    sub_args = [a,]
    buf0 = sub(sub_args)
else:
    sub_args = [b,]
    buf0 = other_sub(sub_args)
buf1 = buf0[0]
return (buf1, )
""",
        SUBGRAPH + SUBGRAPH.replace("sub", "other_sub").replace("k.run", "other.run"),
    )
    assert len(found.calls) == 2
    assert found.outputs == ("buf0",)


def test_the_first_candidate_of_a_multi_kernel_stands_for_its_launch():
    before = (
        "multi_kernel_0 = async_compile.multi_kernel('multi_kernel_0', [\n    k,\n    other,\n], arg_index=arg_index)\n"
    )
    assert calls(host("multi_kernel_0.run(arg0, buf0)", before)) == [("k", ("arg0",), ("buf0",))]


@pytest.mark.parametrize("use", ["x = [k]", "start(k)", "y = k.new_way(a)", "return (k.run(a, b), )"])
def test_a_kernel_used_in_an_unknown_way_is_an_error(use):
    with pytest.raises(UnreadableCodeError, match="the host code uses k in a way"):
        host(use)
