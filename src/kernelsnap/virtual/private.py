"""The private names of torch and triton that the virtual device reads and replaces.

A name that torch has in some releases only is marked with `since` or `until`; all others are in torch 2.11 to 2.15, and
triton 3.6 to 3.9. Two more tables belong to this one: what the device replaces for as long as it is on (`patches`), and
what torch has cached (`caches`). The C++ functions of torch that `guard` and `guard.cpp` call have no names in Python.
"""

from __future__ import annotations

from kernelsnap.shared.private_names import Name

#: Why a name may be missing that a build for the CPU lacks.
CUDA_BUILD = "only in a build with CUDA"

_FAKE = "torch._subclasses.fake_tensor"
_SHAPES = "torch.fx.experimental.symbolic_shapes"
_OPTIMIZER = "torch._dynamo.variables.optimizer:OptimizerVariable"
_AUTOTUNER = "torch._inductor.runtime.triton_heuristics:CachingAutotuner"
_MULTI_KERNEL = "torch._inductor.codegen.multi_kernel:MultiKernelCall"
_DRIVER = "triton.runtime:driver"

# Fake tensors, and the mode that makes them
FAKE_TENSOR = Name(_FAKE, "FakeTensor")
NEW_FAKE_TENSOR = Name(f"{_FAKE}:FakeTensor", "__new__")
FAKE_TENSOR_MODE = Name(_FAKE, "FakeTensorMode")
FAKE_MODE_DISPATCH = Name(f"{_FAKE}:FakeTensorMode", "dispatch")
OF_FAKE_TENSORS = (
    FAKE_MODE_DISPATCH,
    Name(f"{_FAKE}:FakeTensor", "fake_mode", on_instances=True),
    Name(f"{_FAKE}:FakeTensorMode", "fake_tensor_converter", on_instances=True),
    Name(f"{_FAKE}:FakeTensorMode", "shape_env", on_instances=True),
    Name(f"{_FAKE}:FakeTensorConverter", "tensor_memo"),
)
DATA_DEPENDENT_OUTPUT = Name(_FAKE, "DataDependentOutputException")
DYNAMIC_OUTPUT_SHAPE = Name(_FAKE, "DynamicOutputShapeException")
UNSUPPORTED_OPERATOR = Name(_FAKE, "UnsupportedOperatorException")
RUN_FALLBACK_KERNEL = Name(_FAKE, "run_fallback_kernel")
FAKE_IMPLEMENTATIONS = Name("torch._subclasses.fake_impls", "op_implementations_dict")
ACTIVE_FAKE_MODE = Name("torch._guards", "active_fake_mode")
TRACING_CONTEXT = Name("torch._guards", "TracingContext")
WITHOUT_MODES = Name("torch.utils._python_dispatch", "_disable_current_modes")
TREE_MAP = Name("torch.utils._pytree", "tree_map")
LOCAL_SCALAR = Name("torch:ops.aten", "_local_scalar_dense")
OPERATOR_SCHEMA = Name("torch._ops:OpOverload", "_schema", on_instances=True)

# Sizes with symbols
SHAPE_ENV = Name(_SHAPES, "ShapeEnv")
GUARD_OR_FALSE = Name(_SHAPES, "guard_or_false")
GUARD_OR_TRUE = Name(_SHAPES, "guard_or_true")
STATICALLY_KNOWN_TRUE = Name(_SHAPES, "statically_known_true")

# Meshes of devices
DEVICE_MESH = Name("torch.distributed.device_mesh", "DeviceMesh")

# Modules, parameters and optimizers
TRUNC_NORMAL = Name("torch.nn.init", "_no_grad_trunc_normal_")
OPTIMIZER_CALL_METHOD = Name(_OPTIMIZER, "call_method", until="2.15")
OPTIMIZER_METHODS = Name(_OPTIMIZER, "tp_methods", since="2.15")
INIT_GROUP = Name("torch.optim:Adam", "_init_group")

# What the device asks of Dynamo and Inductor before and after it is turned on
DEVICE_INTERFACE = Name("torch._dynamo", "device_interface")
INTERFACE_FOR_DEVICE = Name("torch._dynamo.device_interface", "get_interface_for_device")
TRACE_RULES = Name("torch._dynamo.trace_rules", "get_torch_obj_rule_map")
COMPILE_FX = Name("torch._inductor", "compile_fx")
HAS_TRITON = Name("torch.utils._triton", "has_triton")

# What a compile that fails leaves switched off
GET_TORCH_FUNCTION_STATE = Name("torch._C", "_get_torch_function_state")
SET_TORCH_FUNCTION_STATE = Name("torch._C", "_set_torch_function_state")

# The order in which torch tries the backends of attention
GET_SDP_PRIORITY = Name("torch._C", "_get_sdp_priority_order")
SET_SDP_PRIORITY = Name("torch._C", "_set_sdp_priority_order")

# Operators and autograd
OPERATOR = Name("torch._ops", "OpOverload")
LIBRARY_DESTROY = Name("torch.library:Library", "_destroy")
CUDA_INITIALIZED = Name("torch.cuda", "_initialized")
ENSURE_CUDA_GUARD = Name("torch._C", "_ensureCUDADeviceGuardSet")
SELECT_CONV_BACKEND = Name("torch._C", "_select_conv_backend")
EXECUTION_ENGINE = Name("torch.autograd:Variable", "_execution_engine")

# What is refused to tests that were written for a real GPU, and what they get in place of streams
TO_DLPACK = Name("torch._C", "_to_dlpack")
MEMORY_STATS = Name("torch._C", "_cuda_memoryStats", optional=CUDA_BUILD)
HOST_MEMORY_STATS = Name("torch._C", "_cuda_hostMemoryStats", optional=CUDA_BUILD)
MEMORY_SNAPSHOT = Name("torch._C", "_cuda_memorySnapshot", optional=CUDA_BUILD)
SYNCHRONIZE = Name("torch._C", "_cuda_synchronize", optional=CUDA_BUILD)
CURRENT_STREAM = Name("torch._C", "_cuda_getCurrentStream", optional=CUDA_BUILD)
DEFAULT_STREAM = Name("torch._C", "_cuda_getDefaultStream", optional=CUDA_BUILD)
SET_STREAM = Name("torch._C", "_cuda_setStream", optional=CUDA_BUILD)

# What only code that runs can show (`observing`)
COMPILE_AOT = Name("torch._inductor.compile_fx", "compile_fx_aot")
AOTI_LOAD_PACKAGE = Name("torch._inductor", "aoti_load_package")
CUDAGRAPH_CONTAINER = Name("torch._inductor.cudagraph_trees", "get_container")
CUDAGRAPH_MANAGER = Name("torch._inductor.cudagraph_trees", "get_manager")
MAKE_PROFILER = Name("torch.autograd.profiler:profile", "__init__")
STOP_PROFILER = Name("torch.autograd.profiler:profile", "__exit__")
OF_PROFILERS = (
    Name("torch.autograd.profiler:profile", "acc_events", on_instances=True),
    Name("torch.autograd.profiler:profile", "kineto_results", on_instances=True),
)
RUN_KERNEL = Name(_AUTOTUNER, "run")
BENCHMARK_LAUNCHER = Name(_AUTOTUNER, "bench")
BENCHMARK_CONFIGS = Name(_AUTOTUNER, "benchmark_all_configs")
AUTOTUNE_TO_ONE = Name(_AUTOTUNER, "autotune_to_one_config")
TUNE_COORDINATES = Name(_AUTOTUNER, "coordinate_descent_tuning")
RUN_MULTI_KERNEL = Name(_MULTI_KERNEL, "run")
BENCHMARK_SUB_KERNELS = Name(_MULTI_KERNEL, "benchmark_sub_kernels")

# Triton's backends, and the driver of the one that is active
TRITON_BACKENDS = Name("triton.backends", "backends")
GPU_TARGET = Name("triton.backends.compiler", "GPUTarget")
DRIVER = Name("triton.runtime", "driver")
ACTIVE_DRIVER = Name(_DRIVER, "_active")
DEFAULT_DRIVER = Name(_DRIVER, "_default")
