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


def buffers(*names):
    """Lines that allocate buffers."""
    return "".join(f"{name} = empty_strided_cuda((4, ), (1, ), torch.float32)\n" for name in names)


def ran(statement, *names):
    """What one statement runs, on the inputs `arg0` and `arg1`, and on allocated buffers."""
    return calls(host(f"arg0, arg1 = args\nargs.clear()\n{buffers(*names)}{statement}"))


def test_launches_and_library_calls_stand_in_order():
    found = host(f"""
arg0_1, = args
{buffers("buf0", "buf1")}
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
    assert len(ran("k.run(arg0, buf0)\nk.run(buf0, buf1)", "buf0", "buf1")) == 2


@pytest.mark.parametrize(
    ("statement", "dtype", "shape"),
    [
        ("buf0 = empty_strided_cuda((4, 8), (8, 1), torch.float32)", "f32", ("4", "8")),
        ("buf0 = empty_strided_cpu((), (), torch.bool)", "b8", ()),
        ("buf0 = empty_strided_cuda((s77, 2*s77), (1, 1), torch.float8_e4m3fn)", "float8_e4m3fn", ("s77", "2 * s77")),
        ("buf0 = alloc_from_pool(arg0, 0, torch.int64, (3, ), (1, ))", "i64", ("3",)),
        ("buf0 = tracked_empty_strided((3, ), (1, ), dtype=torch.int32, device='cuda', name='buf0')", "i32", ("3",)),
        ("buf0 = empty_strided_cuda((8, ), (1, ), torch.int8).as_strided((4, ), (2, ))", "i8", ("8",)),
    ],
)
def test_an_allocation_gives_a_buffer_its_type_and_shape(statement, dtype, shape):
    found = host(f"arg0, arg1 = args\ns77 = arg1\n{statement}\nk.run(arg0, buf0)")
    assert [call.writes for call in found.calls] == [(Buffer("buf0", dtype, shape),)]
    assert found.memory == ()


def test_a_buffer_that_takes_over_another_has_its_value():
    found = host(
        f"arg0, = args\n{buffers('buf0')}k.run(arg0, buf0)\n"
        "buf1 = buf0; del buf0\nother.run(buf1, buf1)\nreturn (buf1, )"
    )
    assert calls(found)[1] == ("other", ("buf0",), ("buf1",))
    assert found.outputs == ("buf1",)


def test_a_view_is_its_base():
    found = host(
        f"arg0, = args\n{buffers('buf0')}k.run(reinterpret_tensor(arg0, (4, ), (1, ), 0), buf0)\n"
        "return (reinterpret_tensor(buf0, (2, ), (1, )), )"
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
arg0, = args
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


def test_parts_of_a_pool_are_buffers_of_their_own():
    found = host("""
arg0, = args
pool0 = empty_strided_cuda((64, ), (1, ), torch.uint8)
buf0 = alloc_from_pool(pool0, 0, torch.float32, (4, ), (1, ))
buf1 = alloc_from_pool(pool0, 32, torch.float32, (4, ), (1, ))
k.run(arg0, buf0)
k.run(buf0, buf1)
return (buf1, )
""")
    assert calls(found) == [("k", ("arg0",), ("buf0",)), ("k", ("buf0",), ("buf1",))]


def test_a_view_that_takes_the_name_of_its_base_is_the_base():
    found = host("""
arg0, = args
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
        ("-(s77 // 2)", "-(s77 // 2)"),
        ("s77 if s77 > 4 else 4", "s77 if s77 > 4 else 4"),
    ],
)
def test_a_size_that_is_returned_is_an_expression_of_symbols(returned, said):
    assert host(f"arg0_1, arg1_1 = args\ns77 = arg0_1\ns27 = arg1_1\nreturn ({returned}, )").outputs == (said,)


# What the host code itself runs on the device.


@pytest.mark.parametrize(
    ("statement", "run"),
    [
        ("buf0.copy_(arg0, False)", [("aten.copy_", ("arg0",), ("buf0",))]),
        ("buf0.zero_()", [("aten.zero_", (), ("buf0",))]),
        ("buf2 = buf0[0 : 2].view(1, 2).sum(dim=0)", [("aten.sum", ("buf0",), ("buf2",))]),
        ("buf2 = buf0[0 * (2) * (2) : (0 + 1) * (2) * (2)].view(2, 2).amax(dim=0).view([1, 2])",
         [("aten.amax", ("buf0",), ("buf2",))]),
        ("buf2 = buf0[0 : 2].view(1, 2).sum(dim=0).view([2]).to(torch.bfloat16)",
         [("aten.sum", ("buf0",), ("buf2",)), ("aten.to", ("buf2",), ("buf2",))]),
        ("u0 = arg0.item()", [("aten.item", ("arg0",), ())]),
        ("u0 = 1 if arg0.item() else 0", [("aten.item", ("arg0",), ())]),
        ("u0_undivided = arg0.item()\nassert u0_undivided % 2 == 0, f'{u0_undivided}'\nu0 = u0_undivided // 2",
         [("aten.item", ("arg0",), ())]),
        ("k.run(arg0.item(), buf0)", [("aten.item", ("arg0",), ()), ("k", (), ("buf0",))]),
        ("assert not arg0.isnan().any().item()",
         [("aten.isnan", ("arg0",), ()), ("aten.any", (), ()), ("aten.item", (), ())]),
        ("buf2 = torch.as_strided(arg0, (2, ), (1, ))\nk.run(buf2, buf0)", [("k", ("arg0",), ("buf0",))]),
        ("buf2 = aten.view.dtype(reinterpret_tensor(arg0, (4, ), (1, ), 0), torch.int32)\nk.run(buf2, buf0)",
         [("k", ("arg0",), ("buf0",))]),
        ("buf2 = torch.ops.aten.view_as_real.default(arg0)\nk.run(buf2, buf0)", [("k", ("arg0",), ("buf0",))]),
        ("buf2 = torch.ops.aten.view_as_complex.default(arg0).clone()", [("aten.clone", ("arg0",), ("buf2",))]),
        ("arg0 = copy_if_misaligned(arg0)\nk.run(arg0, buf0)", [("k", ("arg0",), ("buf0",))]),
        ("arg0_orig = arg0\narg0 = copy_if_misaligned(arg0_orig)\nk.run(arg0, buf0)", [("k", ("arg0",), ("buf0",))]),
        ("print('x = {}'.format(arg0))", [("print", ("arg0",), ())]),
        ("run_intermediate_hooks('sin', arg0)", [("run_intermediate_hooks", ("arg0",), ())]),
        ("return_vars = (arg0, )\nfor var in return_vars:\n    if isinstance(var, torch.Tensor):\n        "
         "assert not var.isinf().any().item()",
         [("aten.isinf", ("arg0",), ()), ("aten.any", (), ()), ("aten.item", (), ())]),
    ],
)  # fmt: skip
def test_what_the_host_code_itself_runs_is_a_call(statement, run):
    assert ran(statement, "buf0", "buf1") == run


@pytest.mark.parametrize(
    "statement",
    [
        "assert_size_stride(arg0, (4, ), (1, ), 'input')",
        "assert_size_stride_grouped((arg0, arg1), ((4, ), (4, )), ((1, ), (1, )), 'input')",
        "assert_tensor_metadata(arg0, (4, ), (1, ), torch.float32, 'input')",
        "assert_alignment(arg0, 16, 'input')",
        "torch.cuda.synchronize()",
        "torch.cuda.nvtx.range_push('graph 0')",
        "training_annotation = nvtx._device_range_start('forward')\nnvtx._device_range_end(training_annotation)",
        "from torch.profiler import record_function\nwith record_function('graph_0_inductor_wrapper_call'):\n    pass",
        "start_graph()\nend_graph(None)",
        "_d2h_event_buf0 = torch.Event()\n_d2h_event_buf0.record()\n_d2h_event_buf0.synchronize()",
        "stream1 = get_external_object_by_index(3)\nwith stream1:\n    raw_stream = get_raw_stream(0)",
        "arg0_size = arg0.size()\ns77 = arg0_size[0]\narg0_stride = arg0.stride()\ns12 = arg0_stride[1]",
        "u0 = arg0.size(0).__floordiv__(2)",
        "s77 = arg1\nu0_start = max(0, min(3, s77)) if 3 >= 0 else 0\nu0_end = s77\nu0 = max(0, u0_end - u0_start)",
        "s77 = arg1\nif not (s77 >= 0):\n    raise RuntimeError('s77 >= 0')\nbuf3 = None",
        "check_memory_step(allocated=['buf0'], freed=[])\ntrack_tensor(arg0, 'arg0')",
        "for kernel in globals().values():\n    if isinstance(kernel, CachingAutotuner):\n        kernel.precompile()",
        "triton_poi_fused_0_xnumel = 4 * 4",
        "print('nothing')",
        "s77 = arg1\npool0 = empty_strided_cuda((align(4*s77), ), (1, ), torch.uint8)",
        "del arg0, arg1",
    ],
)
def test_what_runs_nothing_on_the_device_is_no_call(statement):
    assert ran(statement) == []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("start_something(arg0)", "start_something"),
        ("arg0.launch_something()", "launch_something"),
        ("buf0 = torch.cuda.graphs.replay(arg0)", "torch.cuda.graphs.replay"),
        ("buf0 = mylib.op(arg0)", "mylib.op"),
        ("torch.ops.mylib.mutate.default(arg0)", "torch.ops.mylib.mutate.default"),
        ("buf0 = arg0 if buf9 else arg1", "buf9"),
        ("buf0 = [x for x in args]", "[x for x in args]"),
        ("class A: pass", "class A"),
        ("arg0.data = arg1", "arg0.data = arg1"),
        ("buf0 += arg1", "buf0 += arg1"),
        ("buf0 = empty_strided_cuda((4, ), (1, ), torch.float32)\nbuf1 = buf0 * 2", "buf0 * 2"),
        ("buf0 = arg0.grad", "grad"),
        ("k.run(buf3, arg0)", "buf3"),
    ],
)
def test_a_line_of_an_unknown_kind_is_an_error_that_names_it(statement, named):
    with pytest.raises(UnreadableCodeError, match="please report this") as raised:
        ran(statement)
    assert named in str(raised.value)
    assert statement.splitlines()[-1] in str(raised.value)


def test_a_line_of_the_module_of_an_unknown_kind_is_an_error():
    with pytest.raises(UnreadableCodeError, match=r"start_profiler\(\)"):
        host("return ()", "start_profiler()\n")


# Operators, by their schemas.


@pytest.mark.parametrize(
    ("statement", "run"),
    [
        ("aten.index_put_(buf0, [arg0], arg1, False)", ("aten.index_put_", ("buf0", "arg0", "arg1"), ("buf0",))),
        ("aten.scatter_reduce_.two(buf0, 0, arg0, arg1, reduce='sum', include_self=True)",
         ("aten.scatter_reduce_.two", ("buf0", "arg0", "arg1"), ("buf0",))),
        ("torch.ops.aten.split_with_sizes_copy.out(arg0, [2, 2], out=[buf0, buf1])",
         ("torch.ops.aten.split_with_sizes_copy.out", ("arg0",), ("buf0", "buf1"))),
        ("torch.ops.aten._foreach_add_.List([buf0, buf1], [arg0, arg1])",
         ("torch.ops.aten._foreach_add_.List", ("buf0", "buf1", "arg0", "arg1"), ("buf0", "buf1"))),
        ("torch.ops.aten.sort.values_stable(arg0, stable=True, values=buf0, indices=buf1)",
         ("torch.ops.aten.sort.values_stable", ("arg0",), ("buf0", "buf1"))),
        ("buf2 = extern_kernels.convolution(arg0, arg1, stride=(1, 1), padding=(0, 0), dilation=(1, 1), "
         "transposed=False, output_padding=(0, 0), groups=1, bias=None)",
         ("extern_kernels.convolution", ("arg0", "arg1"), ("buf2",))),
        ("extern_kernels.bias_addmm(arg0, arg1, reinterpret_tensor(arg1, (2, 2), (1, 2), 0), alpha=1, out=buf0)",
         ("extern_kernels.bias_addmm", ("arg0", "arg1"), ("buf0",))),
        ("aten.randint.low_out(-9, 9, [2], out=buf0)", ("aten.randint.low_out", (), ("buf0",))),
        ("aten.bernoulli_(buf0, 0.5)", ("aten.bernoulli_", ("buf0",), ("buf0",))),
        ("inductor_ops.resize_storage_bytes_(buf0, 0)", ("inductor_ops.resize_storage_bytes_", ("buf0",), ("buf0",))),
        ("torch.ops.aten.set_.source_Tensor(buf0, arg0)",
         ("torch.ops.aten.set_.source_Tensor", ("buf0", "arg0"), ("buf0",))),
        ("buf2 = torch.ops.higher_order.run_and_save_rng_state(torch.ops.aten.native_dropout.default, arg0, 0.5, True)",
         ("torch.ops.higher_order.run_and_save_rng_state", ("arg0",), ("buf2",))),
        ("buf2 = torch.stack([arg0, arg1], dim=0)", ("torch.stack", ("arg0", "arg1"), ("buf2",))),
    ],
)  # fmt: skip
def test_an_operator_reads_and_writes_what_its_schema_says(statement, run):
    pytest.importorskip("torch._inductor.lowering")  # registers Inductor's own operators
    filled = "buf0.zero_()\nbuf1.zero_()\n"
    assert ran(filled + statement, "buf0", "buf1")[2:] == [run]


def test_the_end_of_a_reduction_has_a_type_and_a_shape():
    found = host(
        "workspace_0 = empty_strided_cuda((8, ), (1, ), torch.float32)\n"
        "buf1 = workspace_0[0 * (2) * (4) : (0 + 1) * (2) * (4)].view(2, 4).sum(dim=0).view([1, 4])\n"
        "buf2 = workspace_0[0 * (2) * (4) : (0 + 1) * (2) * (4)].view(2, 4).sum(dim=0).view([4]).to(torch.bfloat16)"
    )
    assert [call.writes for call in found.calls] == [
        (Buffer("buf1", "f32", ("1", "4")),),
        (Buffer("buf2"),),
        (Buffer("buf2", "bf16", ("4",)),),
    ]


def test_an_item_of_what_a_call_returned_has_its_value():
    found = host(f"""
arg0, = args
buf0 = torch.ops.aten.sort.default(arg0)
buf1 = buf0[0]
buf2 = buf0[1]
del buf0
{buffers("buf3")}
k.run(buf2, buf3)
buf4 = buf1; del buf1  # reuse
k.run(buf3, buf4)
return (buf4, buf2, )
""")
    assert calls(found)[1:] == [("k", ("buf0",), ("buf3",)), ("k", ("buf3",), ("buf4",))]
    assert found.outputs == ("buf4", "buf0")


def test_descriptors_are_what_they_describe():
    found = host(
        """
arg0, = args
buf0 = empty_strided_cuda((4, ), (1, ), torch.float32)
buf1 = triton.tools.tensor_descriptor.TensorDescriptor.from_tensor(arg0, [32, 64])
buf2 = triton.tools.experimental_descriptor.create_1d_tma_descriptor(buf0.data_ptr(), 4, 4, 4)
k.run(buf1, buf2, 4, 1, 1, stream=raw_stream0)
return (buf0, )
""".replace("k.run", "raw_stream0 = get_raw_stream(0)\nk.run")
    )
    assert calls(found) == [("k", ("arg0",), ("buf0",))]


# Memory that no line writes.


def test_memory_that_is_only_allocated_is_listed():
    found = host(f"arg0, = args\n{buffers('workspace_0', 'buf0')}k.run(workspace_0, buf0)\nreturn (buf0, )")
    assert found.memory == (Buffer("workspace_0", "f32", ("4",)),)


def test_what_reads_and_writes_memory_that_nothing_wrote_only_writes_it():
    both = Kernel("both", "pointwise", "triton", "", arguments=K.arguments, reads=("a", "b"), writes=("b",))
    found = host(
        f"arg0, = args\n{buffers('workspace_0')}both.run(arg0, workspace_0)\nboth.run(arg0, workspace_0)",
        kernels=(both,),
    )
    assert calls(found) == [
        ("both", ("arg0",), ("workspace_0",)),
        ("both", ("arg0", "workspace_0"), ("workspace_0",)),
    ]
    assert found.memory == ()


def test_memory_that_is_zeroed_is_not():
    found = host(f"arg0, = args\n{buffers('semaphores_0', 'buf0')}semaphores_0.zero_()\nk.run(semaphores_0, buf0)")
    assert found.memory == ()


def test_a_buffer_that_is_returned_as_it_was_allocated_is_listed():
    assert host(f"{buffers('buf0')}return (buf0, )").memory == (Buffer("buf0", "f32", ("4",)),)


def test_constants_are_listed_with_the_types_of_the_harness():
    harness = ast.parse(
        "def get_args():\n    global _tensor_constant0\n"
        "    _tensor_constant0 = rand_strided((4, 2), (2, 1), device='cuda:0', dtype=torch.int32)"
    )
    found = host(
        f"arg0, = args\n{buffers('buf0')}k.run(_tensor_constant0, buf0)",
        "_tensor_constant0 = None  # 6b86b273ff34\n",
        harness=harness.body[0],
    )
    assert found.memory == (Buffer("_tensor_constant0", "i32", ("4", "2")),)


# Inputs.


def test_inputs_have_the_types_and_shapes_of_the_harness():
    harness = ast.parse(
        "def get_args():\n    arg0_1 = rand_strided((4, 2), (2, 1), device='cuda:0', dtype=torch.int32)"
    )
    found = host(f"arg0_1, = args\n{buffers('buf0')}k.run(arg0_1, buf0)", harness=harness.body[0])
    assert found.inputs == (Buffer("arg0_1", "i32", ("4", "2")),)


def test_a_number_of_an_input_on_the_cpu_is_in_the_memory_of_the_host():
    harness = ast.parse("def get_args():\n    arg0_1 = rand_strided((), (), device='cpu', dtype=torch.float64)")
    found = host(f"arg0_1, = args\n{buffers('buf0')}k.run(arg0_1.item(), buf0)", harness=harness.body[0])
    assert [call.name for call in found.calls] == ["k"]


def test_dynamic_sizes_are_those_that_the_code_asserts():
    harness = ast.parse(
        "def get_args():\n    arg1_1 = rand_strided((4, 2), (2, 1), device='cuda:0', dtype=torch.int32)"
    )
    body = "arg0_1, arg1_1 = args\ns77 = arg0_1\nassert_size_stride(arg1_1, (s77, 2), (2, 1), 'input')"
    found = host(body, harness=harness.body[0])
    assert found.inputs == (Buffer("arg0_1"), Buffer("arg1_1", "i32", ("s77", "2")))


# Partitions, subgraphs, branches and loops.

PARTITIONS = """
def partition_0(args):
    arg0, = args
    buf0 = empty_strided_cuda((4, ), (1, ), torch.float32)
    k.run(arg0, buf0)
    return (buf0, )
def partition_1(args):
    buf1, = args
    buf2 = empty_strided_cuda((4, ), (1, ), torch.float32)
    k.run(buf1, buf2)
    return (buf2, )
"""


def test_partitions_run_where_they_are_called():
    found = host(
        f"""
arg0, = args
partition0_args = [arg0,]
(buf0,) = self.partitions[0](partition0_args)
{buffers("buf1")}
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
    sub_buf = empty_strided_cuda((4, ), (1, ), torch.float32)
    k.run(sub_arg, sub_buf)
    return (sub_buf, )
"""


def test_a_subgraph_called_twice_runs_twice_on_what_each_call_passes():
    found = host(
        """
arg0, = args
buf0 = [None] * 1
sub_args = [arg0,]
buf0 = sub(sub_args)
buf1 = buf0[0]
buf2 = [None] * 1
sub_args = [buf1,]
buf2 = sub(sub_args)
buf3 = buf2[0]
return (buf1, buf3, )
""",
        SUBGRAPH,
    )
    assert calls(found) == [("k", ("arg0",), ("buf1",)), ("k", ("buf1",), ("buf3",))]
    assert found.outputs == ("buf1", "buf3")


LOOP = """
arg0, arg1 = args
buf0 = [None] * 1
buf0[0] = arg1
cond_args = [buf0[0]]
(buf0_cond_result,) = cond(cond_args)
should_loop = buf0_cond_result
if not should_loop:
    buf0[0] = arg1.clone()
while should_loop:
    sub_args = [buf0[0]]
    (buf0[0],) = sub(sub_args)
    cond_args = [buf0[0]]
    (buf0_cond_result,) = cond(cond_args)
    should_loop = buf0_cond_result
buf1 = buf0[0]
return (buf1, )
"""


def test_the_condition_and_the_body_of_a_loop_count_once():
    found = host(LOOP, SUBGRAPH + SUBGRAPH.replace("sub", "cond").replace("k.run", "other.run"))
    assert calls(found) == [
        ("other", ("arg1",), ("buf0_cond_result",)),
        ("aten.item", ("buf0_cond_result",), ()),
        ("aten.clone", ("arg1",), ("buf1",)),
        ("aten.item", ("buf0_cond_result",), ()),
        ("k", ("arg1",), ("buf1",)),
    ]
    assert found.outputs == ("buf1",)
    assert found.memory == ()


STACKED = LOOP.replace("buf0[0] = arg1\n", "buf0.extend([[] for _ in range(1)])\nbuf0[0] = arg1\n", 1).replace(
    "    cond_args", "    buf0[1].append(buf0[0])\n    cond_args"
).replace("buf1 =", "if len(buf0[1]) > 0:\n    buf0[0] = torch.stack(buf0[1], dim=0)\nbuf1 =")  # fmt: skip


def test_a_loop_that_stacks_what_each_turn_computed():
    found = host(STACKED, SUBGRAPH + SUBGRAPH.replace("sub", "cond").replace("k.run", "other.run"))
    assert [call.name for call in found.calls][-2:] == ["k", "torch.stack"]
    assert {name for call in found.calls[-1:] for name in call.reads} == {"buf1"}


BRANCHES = """
arg0, arg1 = args
if arg0.item():
    sub_args = [arg1,]
    buf0 = sub(sub_args)
else:
    sub_args = [arg1,]
    buf0 = other_sub(sub_args)
buf1 = buf0[0]
return (buf1, )
"""


def test_the_output_of_a_condition_is_what_either_branch_writes():
    found = host(BRANCHES, SUBGRAPH + SUBGRAPH.replace("sub", "other_sub").replace("k.run", "other.run"))
    assert calls(found) == [
        ("aten.item", ("arg0",), ()),
        ("k", ("arg1",), ("buf1",)),
        ("other", ("arg1",), ("buf1",)),
    ]
    assert found.outputs == ("buf1",)


def test_a_branch_that_returns_what_it_was_given_is_one_of_two():
    same = "def other_sub(args):\n    other_arg, = args\n    return (other_arg, )\n"
    assert host(BRANCHES, SUBGRAPH + same).outputs == ("buf1 or arg1",)


def test_the_first_candidate_of_a_multi_kernel_stands_for_its_launch():
    before = (
        "arg_index = {0: [slice(0, 2)]}\n"
        "multi_kernel_0 = async_compile.multi_kernel('multi_kernel_0', [\n    k,\n    other,\n], arg_index=arg_index)\n"
    )
    found = host(f"arg0, = args\n{buffers('buf0')}multi_kernel_0.run(arg0, buf0)", before)
    assert calls(found) == [("k", ("arg0",), ("buf0",))]


@pytest.mark.parametrize("use", ["x = [k]", "start(k)", "y = k.new_way(a)", "return (k, )", "x = k.fn"])
def test_a_kernel_used_in_an_unknown_way_is_an_error(use):
    with pytest.raises(UnreadableCodeError, match=r"please report this|uses k in a way"):
        host(f"a, = args\n{use}")


def test_a_kernel_that_is_only_launched_in_a_function_that_nothing_calls_is_an_error():
    with pytest.raises(UnreadableCodeError, match="uses k in a way"):
        host("arg0, = args\nreturn (arg0, )", SUBGRAPH)


def test_a_loop_after_a_condition_of_another_is_read_too():
    found = host(f"""
arg0, arg1 = args
{buffers("buf0", "buf1")}
skip = arg0
again = arg1
if not skip:
    k.run(arg0, buf0)
while again:
    other.run(arg0, buf1)
    again = arg1
k.run(buf1, buf0)
return (buf0, )
""")
    assert [name for name, _, _ in calls(found) if name in ("k", "other")] == ["k", "other", "k"]
