"""The functions that host code may call apart from kernels and operators: each with a line in which it occurs.

From the code generator of Inductor's wrapper (`torch._inductor.codegen.wrapper`, and what it is called from: `ir`,
`simd`, `scheduler`, `debug_utils`, `device_op_overrides`), torch 2.11 to 2.15. A function that is in no table here is
unknown, and may run anything: the host code cannot be read then.
"""

from __future__ import annotations

import re

#: What makes memory, by the last part of its name and the places of shape and type in its arguments.
ALLOCATORS = {
    "empty_strided": (0, 2),  # and empty_strided_cuda, ..._cpu: empty_strided_cuda((64, 1), (1, 1), torch.float32)
    "tracked_empty_strided": (0, 2),  # tracked_empty_strided((4, ), (1, ), dtype=torch.float32, device='cuda', ...)
    "alloc_from_pool": (3, 2),  # alloc_from_pool(pool1, 0, torch.float32, (64, 64), (64, 1))
    "_alloc_from_pool": (3, 2),
}

#: What gives a tensor another shape in place: reinterpret_tensor(buf1, (64, ), (1, ), 0)
RESHAPERS = (
    "reinterpret_tensor",
    "torch.ops.inductor._reinterpret_tensor",
    "inductor_ops._reinterpret_tensor",
)

#: The reductions with which the host ends one that a kernel began; their results have the type of what they reduce.
SAME_TYPE = ("amax", "amin", "prod", "sum")

#: What returns its argument as it is. The first copies a tensor whose address is not a multiple of 16; those that
#: torch allocates are never such.
UNCHANGED = (
    "copy_if_misaligned",  # arg0_1 = copy_if_misaligned(arg0_1)
)

#: What makes a value that reaches tensors.
REFERENCES = (
    "triton.tools.tensor_descriptor.TensorDescriptor",  # buf1 = triton.tools....from_tensor(arg0_1, [32, 64])
    "triton.tools.experimental_descriptor",  # buf1 = triton....create_1d_tma_descriptor(arg0_1.data_ptr(), 8, 4, 4)
    "c_void_p",  # k.k(c_void_p(buf0.data_ptr()), c_void_p(raw_stream0))
)

#: What shows the values of tensors to the host, which copies them from the device.
SHOWING = (
    "print",  # print('x = {}'.format(buf0))
    "_print_debugging_tensor_value_info",  # _print_...("inductor: before_launch - k - buf0", buf0)
    "run_intermediate_hooks",  # run_intermediate_hooks('sin', buf0)
    "torch.save",  # torch.save(buf0, 'before_launch_k_buf0.pt')
)

# What runs nothing on the device.
_HOST = (
    "assert_alignment",  # assert_alignment(buf0, 16, 'torch.ops.aten.mm')
    "assert_size_stride",  # assert_size_stride(arg0_1, (64, ), (1, ), 'input')
    "assert_size_stride_grouped",  # assert_size_stride_grouped((arg0_1, arg1_1), ((8,), (8,)), ((1,), (1,)), 'input')
    "assert_tensor_metadata",  # assert_tensor_metadata(arg0_1, (64, ), (1, ), torch.float32, 'input')
    "check_memory_step",  # check_memory_step(allocated=['buf0'], freed=[])
    "track_tensor",  # track_tensor(buf0, 'buf0')
    "get_raw_stream",  # raw_stream0 = get_raw_stream(0)
    "get_external_object_by_index",  # stream1 = get_external_object_by_index(3)
    "_get_stream_by_index",
    "align",  # pool0 = empty_strided_cuda((align(4*s77), ), (1, ), torch.uint8)
    "start_graph",  # start_graph()
    "end_graph",
    "record_function",  # with record_function('graph_0_inductor_wrapper_call'):
    "nvtx._device_range_start",  # training_annotation = nvtx._device_range_start('forward')
    "nvtx._device_range_end",
    "torch.Event",  # _d2h_event_buf0 = torch.Event()
    "torch.device",
    "device",  # torch.ops.aten.randperm.default(8, device=device(type='cuda', index=0))
    "async_compile.multi_kernel",
    "RuntimeError",  # raise RuntimeError('u0 >= 0')
    *("abs", "bool", "float", "int", "isinstance", "len", "max", "min", "range", "round", "str"),
)
# torch.cuda.set_device(0)   torch.xpu.synchronize()   with torch.cuda._DeviceGuard(0):
_OF_DEVICE = re.compile(
    r"torch\.(cuda|xpu|mtia|mps|accelerator)\."
    r"(set_device|_DeviceGuard|device|synchronize|current_stream|current_device|stream|use_mem_pool"
    r"|nvtx\.range_push|nvtx\.range_pop)\Z"
)
#: Methods of what is no tensor: args.clear()   _d2h_event_buf0.record()   u0.__floordiv__(2)
METHODS = ("clear", "record", "synchronize", "wait", "__floordiv__", "format")
#: Attributes that describe a tensor: buf0.shape
DESCRIPTIONS = ("device", "dtype", "is_cuda", "layout", "ndim", "shape")


def is_host_only(path: str) -> bool:
    """Whether a function is known to run nothing on the device."""
    return path in _HOST or path.startswith("math.") or _OF_DEVICE.match(path) is not None
