"""The private names of torch and triton that a capture reads and replaces, and the list of all that kernelsnap does.

A name that torch has in some releases only is marked with `since` or `until`; all others are in torch 2.11 to 2.15, and
triton 3.6 to 3.9. The tuples are attributes of objects, which are reached without their `Name`: what uses them calls
`require` before it begins. Names that the virtual device itself needs are in `kernelsnap.virtual.private`.
"""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.shared.private_names import Name, names_in
from kernelsnap.virtual import release

_CONFIG = "torch._inductor.config"
_GRAPH = "torch._inductor.graph:GraphLowering"
_SCHEDULER = "torch._inductor.scheduler"
_SELECT = "torch._inductor.select_algorithm"
_TRITON = "torch._inductor.codegen.triton"
_AUTOTUNER = "torch._inductor.runtime.triton_heuristics:CachingAutotuner"
_ASYNC_COMPILE = "torch._inductor.async_compile:AsyncCompile"
_BISECTOR = "torch._inductor.compiler_bisector"
_PATTERNS = "torch._inductor.pattern_matcher"
_CUTEDSL = "torch._inductor.codegen.cutedsl.cutedsl_template"

# Running a compile, and its settings (`run`)
RUN_AND_GET_CODE = Name("torch._inductor.utils", "run_and_get_code")
COUNTERS = Name("torch._dynamo.utils", "counters")
OPTIMIZED_MODULE = Name("torch._dynamo.eval_frame", "OptimizedModule")
COMPILED_FROM = Name("torch._dynamo.eval_frame:_TorchDynamoContext", "_torchdynamo_orig_callable", on_instances=True)
CONFIG = Name("torch._inductor", "config")
KNOWN_SETTINGS = Name("torch.utils._config_module:ConfigModule", "_config", on_instances=True)
FUNCTORCH_CONFIG = Name("torch._functorch", "config")
DYNAMO_CONFIG = Name("torch._dynamo", "config")
# What torch makes for its logs
PROFILE_GUARDS = Name("torch._dynamo.guards", "profile_guard_manager")
SAVE_GRAPH_REPRO = Name("torch._dynamo.repro.after_aot", "save_graph_repro")
TRACE_LOG = Name("torch._logging._internal", "trace_log")
SETTINGS = (
    KNOWN_SETTINGS,
    Name(_CONFIG, "force_disable_caches"),
    Name(_CONFIG, "compile_threads"),
    Name(_CONFIG, "shape_padding"),
    Name(_CONFIG, "force_shape_pad"),
    Name(_CONFIG, "deterministic"),
    Name(f"{_CONFIG}:cpp", "threads"),
    Name(f"{_CONFIG}:cpp", "vec_isa_ok"),
    Name(f"{_CONFIG}:triton", "autotune_at_compile_time"),
    Name(f"{_CONFIG}:triton", "use_tensor_descriptor"),
)

# Which settings are not as by default (`why/asked`)
SETTING_DEFAULT = Name("torch.utils._config_module:_ConfigEntry", "default", on_instances=True)
SETTING_STANDS_FOR = Name("torch.utils._config_module:_ConfigEntry", "alias", on_instances=True)
SETTING_DEPRECATED = Name(
    "torch.utils._config_module:_ConfigEntry",
    "deprecated",
    optional="older releases do not mark settings",
    on_instances=True,
)
IGNORED_BY_CACHES = Name(_CONFIG, "_cache_config_ignore_prefix")
OF_SETTINGS = (SETTING_DEFAULT, SETTING_STANDS_FOR, IGNORED_BY_CACHES, KNOWN_SETTINGS, FUNCTORCH_CONFIG, DYNAMO_CONFIG)

# What a failed compile raises (`run`, `session`)
UNSUPPORTED_BY_DYNAMO = Name("torch._dynamo.exc", "Unsupported")
DYNAMO_EXCEPTION = Name("torch._dynamo.exc", "TorchDynamoException")
DATA_DEPENDENT_GUARD = Name("torch.fx.experimental.symbolic_shapes", "GuardOnDataDependentSymNode")
C_MODULE = Name("torch", "_C")

# One graph: its code, what it counts, and what replaces running it (`hooks`)
COMPILE_TO_MODULE = Name(_GRAPH, "compile_to_module")  # generates the code of a graph, then loads and compiles it
SAVE_OUTPUT_CODE = Name(_GRAPH, "save_output_code")  # is given the generated text; `run_and_get_code` listens here
LOWERING_INIT = Name(_GRAPH, "__init__")
COMPILE_FX_INNER = Name("torch._inductor.compile_fx", "_compile_fx_inner")  # compiles one graph
COMPILED_FX_GRAPH = Name("torch._inductor.output_code", "CompiledFxGraph")
NODES_BEFORE_FUSION = Name("torch._inductor.metrics", "ir_nodes_pre_fusion")
# The code that Dynamo traced for the graph being compiled; the backward keeps the context of its forward (`traced`).
TRACED_CODE = Name("torch._guards:TracingContext", "get_traced_code")
# The Triton kernels that a user wrote: nodes of a graph name them by a number.
WRITTEN_KERNEL = Name("torch._higher_order_ops.triton_kernel_wrap:kernel_side_table", "get_kernel")
CONSTANTS_OF_WRITTEN_KERNEL = Name("torch._higher_order_ops.triton_kernel_wrap:kernel_side_table", "get_constant_args")
OPERATOR = Name("torch._ops", "OpOverload")
# Where the inputs of a graph come from, and what they and its outputs are (`user_names`)
COMPILE_FX = Name("torch._inductor.compile_fx", "compile_fx")  # is given each graph that Dynamo traced
TRACING_CONTEXT = Name("torch._guards:TracingContext", "try_get")
# Set on the nodes of a graph that are its inputs.
DYNAMO_SOURCE = Name("torch._dynamo.output_graph:OutputGraph", "_dynamo_source", on_instances=True)
PARAMETER_SOURCES = Name("torch._dynamo.output_graph:OutputGraph", "_param_name_to_source", on_instances=True)
OUTPUT_NAMES = Name(_GRAPH, "get_output_names")
_DESCRIPTORS = "torch._functorch._aot_autograd.descriptors"
OF_NAMES = (
    Name(f"{_DESCRIPTORS}:PlainAOTInput", "idx", on_instances=True),
    Name(f"{_DESCRIPTORS}:PlainAOTOutput", "idx", on_instances=True),
    Name(f"{_DESCRIPTORS}:GradAOTOutput", "grad_of", on_instances=True),
    Name(f"{_DESCRIPTORS}:TangentAOTInput", "output", on_instances=True),
    Name(f"{_DESCRIPTORS}:ParamAOTInput", "target", on_instances=True),
    Name(f"{_DESCRIPTORS}:BufferAOTInput", "target", on_instances=True),
    Name(f"{_DESCRIPTORS}:InputMutationAOTOutput", "mutated_input", on_instances=True),
    Name(f"{_DESCRIPTORS}:ViewBaseAOTInput", "base_of", on_instances=True),
    Name(f"{_DESCRIPTORS}:SyntheticBaseAOTInput", "base_of", on_instances=True),
    Name(f"{_DESCRIPTORS}:IntermediateBaseAOTOutput", "base_of", on_instances=True),
    Name(f"{_DESCRIPTORS}:SubclassGetAttrAOTInput", "base", on_instances=True),
    Name(f"{_DESCRIPTORS}:SubclassGetAttrAOTOutput", "base", on_instances=True),
    Name(_DESCRIPTORS, "SavedForBackwardsAOTOutput"),
    Name(_DESCRIPTORS, "SavedForBackwardsNoVcCheckAOTOutput"),
    OUTPUT_NAMES,
    DYNAMO_SOURCE,
    PARAMETER_SOURCES,
)
OF_GRAPHS = (
    Name(_GRAPH, "codegen"),
    Name(_GRAPH, "scheduler", on_instances=True),
    Name(_GRAPH, "device_types", on_instances=True),
    Name(_GRAPH, "is_inference", on_instances=True),
    Name(_GRAPH, "is_backward", on_instances=True),
    Name(_GRAPH, "cpp_wrapper", on_instances=True),
    Name(_GRAPH, "fx_wrapper", on_instances=True),
    Name("torch._inductor.output_code:CompiledFxGraph", "current_callable", on_instances=True),
    Name("torch._inductor.output_code:CompiledFxGraph", "cache_key", on_instances=True),
    Name("torch._inductor.output_code:CompiledFxGraph", "fx_kwargs", on_instances=True),
    Name(f"{_SCHEDULER}:Scheduler", "nodes", on_instances=True),
    Name(f"{_SCHEDULER}:BaseSchedulerNode", "get_read_write_buffer_accesses"),
    Name(_GRAPH, "name_to_buffer", on_instances=True),
    Name(_GRAPH, "graph_inputs", on_instances=True),
    Name("torch._inductor.ir:Buffer", "maybe_get_size"),
    Name("torch._inductor.ir:Buffer", "maybe_get_dtype"),
)

# Constants of a graph (`fake_constants`)
SAME_TENSOR = Name("torch._inductor.graph", "is_same_tensor")
GET_CONSTANT = Name(_GRAPH, "get_attr")
STORAGE_ADDRESS = Name("torch:UntypedStorage", "_cdata")
OF_CONSTANTS = (
    Name(_CONFIG, "always_keep_tensor_constants"),
    Name(f"{_CONFIG}:aot_inductor", "use_runtime_constant_folding"),
    Name(_GRAPH, "can_inline_constant"),
    Name(_GRAPH, "mutated_named_buffers", on_instances=True),
)

# What loads the text of a graph as a module, and the kernels in it (`loading`)
LOAD_MODULE = Name("torch._inductor.codecache:PyCodeCache", "load_by_key_path")
LOAD_TRITON = Name(_ASYNC_COMPILE, "triton")
LOAD_CPP = Name(_ASYNC_COMPILE, "cpp")
LOAD_CPP_BINDING = Name(_ASYNC_COMPILE, "cpp_pybinding")
LOAD_CUDA = Name(_ASYNC_COMPILE, "cuda")
LOAD_ROCM = Name(_ASYNC_COMPILE, "rocm")
LOAD_CUTEDSL = Name(_ASYNC_COMPILE, "cutedsl")
LOAD_NV_GEMM = Name(_ASYNC_COMPILE, "nv_universal_gemm")
PRECOMPILE_KERNEL = Name(_AUTOTUNER, "precompile")
KERNEL_CODE_LOG = Name("torch._inductor.async_compile", "kernel_code_log")

# Compiling ahead of time: both wrappers, and what needs a GPU or compiles C++ (`aot`)
AOT_COMPILE = Name("torch._inductor", "aot_compile")
GENERATE_CPP_WRAPPER = Name(_GRAPH, "codegen_with_cpp_wrapper")
TUNE_FOR_CPP_WRAPPER = Name("torch._inductor.codegen.wrapper:PythonWrapperCodegen", "generate_and_run_autotune_block")
GENERATE_LAUNCHER = Name("torch._inductor.codegen.cpp_wrapper_gpu:DeferredTritonCallWrapper", "generate")
COMPILE_CPP_WRAPPER = Name("torch._inductor.codecache:AotCodeCompiler", "compile")
TREE_FLATTEN = Name("torch.utils._pytree", "tree_flatten")
TREE_UNFLATTEN = Name("torch.utils._pytree", "tree_unflatten")
PARAMETERS = Name("torch.nn:Module", "_parameters", on_instances=True)
BUFFERS = Name("torch.nn:Module", "_buffers", on_instances=True)
OF_AOT = (
    Name(_GRAPH, "removed_buffers", on_instances=True),
    Name(_GRAPH, "removed_operations", on_instances=True),
    Name(_GRAPH, "inplaced_to_remove", on_instances=True),
    Name("torch._inductor.sizevars:SizeVarAllocator", "precomputed_replacements", on_instances=True),
    Name("torch._inductor.sizevars:SizeVarAllocator", "inv_precomputed_replacements", on_instances=True),
    Name(_CONFIG, "fx_wrapper"),
)

# The comment above a kernel that does the work of several nodes (`hooks`)
DEFINE_KERNEL = Name(f"{_TRITON}:TritonScheduling", "define_kernel")
DESCRIBE_KERNEL = Name("torch._inductor.utils", "get_kernel_metadata")
DESCRIBE_TRITON_KERNEL = Name(_TRITON, "get_kernel_metadata")  # the same, as imported by what defines kernels
SINGLE_NODE = Name(_SCHEDULER, "SchedulerNode")  # one computation: any other node is several, or a call (`traffic`)
DESCRIBE_CALL = Name("torch._inductor.ir", "get_kernel_metadata")  # the same, for calls into libraries
OF_CALLS = (Name("torch._inductor.ir:IRNode", "origins", on_instances=True),)
FOREACH_NODE = Name(_SCHEDULER, "ForeachKernelSchedulerNode")
SCHEDULER_NODE = Name(_SCHEDULER, "BaseSchedulerNode")
OF_KERNELS = (
    Name(f"{_TRITON}:TritonKernel", "features", on_instances=True),
    Name("torch._inductor.codegen.simd_kernel_features:SIMDKernelFeatures", "node_schedule", on_instances=True),
    Name("torch._inductor.codegen.triton_combo_kernel:ComboKernel", "sub_kernels", on_instances=True),
)

# What max-autotune chooses from, and how (`candidates`)
CHOOSE = Name(f"{_SELECT}:AlgorithmSelectorCache", "__call__")
INPUTS_KEY = Name(_SELECT, "create_inputs_key")
PICK_DETERMINISTIC = Name(f"{_SELECT}:AlgorithmSelectorCache", "pick_deterministic_choice")
LIBRARY_CHOICE = Name(_SELECT, "ExternKernelCaller")
OF_CHOICES = (
    Name(f"{_SELECT}:TritonTemplateCaller", "name", on_instances=True),
    Name(f"{_SELECT}:TritonTemplateCaller", "description", on_instances=True),
)

# Where Inductor would choose by timing, and what takes the time (`timed`)
_OVERLAP = "torch._inductor.fx_passes.overlap_scheduling"
_BACKEND = f"{_TRITON}:TritonScheduling"
SHOULD_PAD = Name("torch._inductor.fx_passes.pad_mm", "should_pad")
SHOULD_PAD_REMEMBERED = Name("torch._inductor.fx_passes.pad_mm", "_should_pad")
SHOULD_PAD_TIMED = Name("torch._inductor.fx_passes.pad_mm", "get_cached_should_pad")
COMPILE_KERNEL = Name(f"{_SCHEDULER}:Scheduler", "compile_kernel")  # compiles what is then timed
SPEEDUP_BY_COMBO_KERNEL = Name(f"{_SCHEDULER}:Scheduler", "speedup_by_combo_kernel")
AUTOTUNE_SUBKERNELS = Name(
    "torch._inductor.codegen.simd:SIMDScheduling", "_autotune_subkernels_compile_time", since="2.14"
)
AUTOTUNE_SINGLE_FIELD = Name("torch._inductor.runtime.coordinate_descent_tuner:CoordescTuner", "autotune_single_field")
ESTIMATE_RUNTIME = Name(_SCHEDULER, "maybe_estimate_runtime_benchmark")
BENCHMARK_NODE = Name(_OVERLAP, "benchmark_node_with_cache_key")
BENCHMARK_COLLECTIVE = Name(
    "torch._inductor.fx_passes.node_runtime_estimation", "benchmark_collective_with_cuda_events"
)
WARM_UP_PROCESSES = Name("torch._inductor.autotune_process:AutotuneProcessPool", "warm_up")
ESTIMATE_NODE = Name("torch._functorch.partitioners", "estimate_runtime")
BENCHMARKER = Name("torch._inductor.runtime.benchmarking", "Benchmarker")
TAKE_A_TIME = (
    Name(_BACKEND, "benchmark_codegened_module"),
    Name(f"{_SELECT}:AlgorithmSelectorCache", "do_autotuning"),
    Name(_AUTOTUNER, "bench"),
    Name("torch._inductor.utils", "_do_bench_using_profiling"),
)

# What asks for this machine's vector instructions (`pinned`)
PICK_VECTOR_ISA = Name("torch._inductor.cpu_vec_isa", "pick_vec_isa")
PICK_VECTOR_ISA_OF_GEMM = Name("torch._inductor.codegen.cpp_micro_gemm", "pick_vec_isa")
NO_VECTOR_ISA = Name("torch._inductor.cpu_vec_isa", "invalid_vec_isa")
AVX2 = Name("torch._inductor.cpu_vec_isa", "VecAVX2")
AVX512 = Name("torch._inductor.cpu_vec_isa", "VecAVX512")

# What launches a kernel, and in which configurations (`launch_configs`, `machine_code`)
AUTOTUNER = Name("torch._inductor.runtime.triton_heuristics", "CachingAutotuner")
SET_DRIVER = Name("torch._inductor.runtime.triton_helpers", "set_driver_to_gpu")  # would ask for the real GPU's driver
OF_AUTOTUNERS = (Name(_AUTOTUNER, "configs", on_instances=True), Name(_AUTOTUNER, "fn", on_instances=True))
PRECOMPILE = Name(_AUTOTUNER, "_precompile_config")  # calls `triton.compile` for one configuration, as Inductor does

# What runs the code of a golden on a GPU (`kernelsnap.cost.measure`)
SLEEP = Name("torch.cuda", "_sleep")
TRITON_HELPERS = Name("torch._inductor.runtime", "triton_helpers")
LIBDEVICE = Name("torch._inductor.runtime.triton_helpers", "libdevice")
TRITON_MATH = Name("torch._inductor.runtime.triton_helpers", "math")

# Triton's compile to machine code (`machine_code`)
CODE_VARIABLES = Name("triton._C.libtriton", "get_cache_invalidating_env_vars")  # make Triton generate other code
GET_PTXAS = Name("triton.backends.nvidia.compiler", "get_ptxas")
KNOBS = Name("triton", "knobs")
OF_KNOBS = (
    Name("triton:knobs.cache", "dir"),
    Name("triton:knobs.nvidia", "cuobjdump"),
    Name("triton:knobs.nvidia", "dump_ptxas_log"),  # prints what `ptxas -v` does
)

# The templates of kernels: every one that was made, by name, and its text or the hash of it (`templates`)
TRITON_TEMPLATES = Name(f"{_SELECT}:TritonTemplate", "all_templates")
CUTEDSL_TEMPLATES = Name(f"{_CUTEDSL}:CuteDSLTemplate", "all_templates")
OF_TEMPLATES = (
    Name(f"{_SELECT}:TritonTemplate", "src_hash", on_instances=True),
    Name(f"{_CUTEDSL}:CuteDSLTemplate", "source", on_instances=True),
)

# The decisions of a compile (`decisions`)
DISABLE_SUBSYSTEM = Name(f"{_BISECTOR}:CompilerBisector", "disable_subsystem")  # asked before each pass and lowering
BISECTOR_BACKENDS = Name(_BISECTOR, "BACKENDS")  # what there is to refuse
CONFIG_CHANGE = Name(_BISECTOR, "ConfigChange")  # what is refused by a setting
APPLY_PATTERNS = Name(f"{_PATTERNS}:PatternMatcherPass", "apply")
PATTERN_ENTRIES = tuple(  # one replacement each
    Name(f"{_PATTERNS}:{entry}", "apply")
    for entry in ("GraphPatternEntry", "LoweringPatternEntry", "ReplacementPatternEntry")
)
MAKE_FALLBACK = Name("torch._inductor.lowering", "make_fallback")
MAKE_FALLBACK_OF_GRAPH = Name("torch._inductor.graph", "make_fallback")  # for an operation without a lowering
FUSE_NODES = Name(f"{_SCHEDULER}:Scheduler", "fuse_nodes")  # all fusions of one graph
FUSE_TWO_NODES = Name(f"{_SCHEDULER}:Scheduler", "fuse_two_nodes")  # one, after all that may speak against it was asked
FUSE_IF_SPEEDUP = Name(f"{_SCHEDULER}:Scheduler", "fuse_if_speedup")  # tells its caller whether they were fused
ARE_MIX_ORDER = Name(f"{_SCHEDULER}:MixOrderReduction", "are_mix_order_reductions")
VIRTUALIZED = Name("torch._inductor.virtualized", "V")
OF_FUSIONS = (
    Name(f"{_SCHEDULER}:Scheduler", "score_fusion_memory"),
    Name(f"{_SCHEDULER}:Scheduler", "get_fused_node"),
)

# Why the code is as it is (`why`). A golden without these reasons is complete: a release may lack any of them.
_NO_FUSION = "a golden's `why` then has no reason for which kernels were not fused"
_NO_PASSES = "a golden's `why` then names no passes"
REFUSED_FUSION = Name(f"{_SCHEDULER}:WhyNoFuse", "__call__", optional=_NO_FUSION)  # is given each reason
CAN_FUSE = Name(f"{_SCHEDULER}:Scheduler", "can_fuse", optional=_NO_FUSION)
KERNEL_CALL = Name("torch._inductor.codegen.wrapper:PythonWrapperCodegen", "generate_kernel_call", optional=_NO_FUSION)
# C++ kernels hold the loops of several nodes, and are launched after all of them.
GROUP_CALL = Name("torch._inductor.codegen.cpp:KernelGroup", "call_kernel", optional=_NO_FUSION)
GROUPED_NODES = Name(
    "torch._inductor.codegen.cpp:KernelGroup", "scheduled_nodes", optional=_NO_FUSION, on_instances=True
)
GROUP_OF_NODE = Name(f"{_SCHEDULER}:BaseSchedulerNode", "group", optional=_NO_FUSION, on_instances=True)
CURRENT_NODE = Name(f"{_SCHEDULER}:Scheduler", "current_node", optional=_NO_FUSION, on_instances=True)
OF_REFUSALS = (
    Name(f"{_SCHEDULER}:WhyNoFuse", "name1", optional=_NO_FUSION, on_instances=True),
    Name(f"{_SCHEDULER}:WhyNoFuse", "name2", optional=_NO_FUSION, on_instances=True),
    Name(f"{_SCHEDULER}:BaseSchedulerNode", "get_operation_names", optional=_NO_FUSION),
    GROUP_OF_NODE,
    GROUPED_NODES,
)
GRAPH_BEING_LOWERED = Name("torch._inductor.virtualized", "V", optional=_NO_FUSION)
SPLIT_OF_REDUCTION = Name(
    "torch._inductor.ir:Reduction", "num_splits", optional="a golden's `why` then has no splits of reductions"
)
LOWERED_NODE = Name(
    _GRAPH, "current_node", optional="a golden's `why` then has no splits of reductions", on_instances=True
)
PERSISTENT = Name(
    "torch._inductor.choices:InductorChoices",
    "should_use_persistent_reduction",
    optional="a golden's `why` then does not tell up to which size reductions are persistent",
)
REDUCTION_HINT = Name(
    "torch._inductor.codegen.simd_kernel_features:SIMDKernelFeatures",
    "get_reduction_hint",
    optional="a golden's `why` then does not tell up to which size reductions are persistent",
)
_NO_LAYOUTS = "a golden's `why` then has no layouts"
CALL_FUNCTION = Name(_GRAPH, "call_function", optional=_NO_LAYOUTS)  # lowers one node of the graph
REQUIRE_STRIDES = Name("torch._inductor.ir:ExternKernel", "require_strides", optional=_NO_LAYOUTS)
DECIDE_LAYOUT = Name(_GRAPH, "decide_layout_opt", optional=_NO_LAYOUTS)  # whether convolutions run channels last
LOWERING_LOG = Name("torch._inductor.graph:log", "debug", optional=_NO_LAYOUTS)  # is given the reason
IS_STORED = Name("torch._inductor.ir", "is_storage_and_layout", optional=_NO_LAYOUTS)
LAYOUT_OF_NODE = Name("torch._inductor.ir:Buffer", "layout", optional=_NO_LAYOUTS, on_instances=True)
FIXED_LAYOUT = Name("torch._inductor.ir", "FixedLayout", optional=_NO_LAYOUTS)
OF_LAYOUTS = (CALL_FUNCTION, REQUIRE_STRIDES, DECIDE_LAYOUT, LOWERING_LOG, IS_STORED, LAYOUT_OF_NODE, FIXED_LAYOUT)
USE_FLEX_DECODING = Name(
    "torch._inductor.kernel.flex.flex_attention",
    "_use_flex_decoding",
    optional="a golden's `why` then does not tell why flex attention decodes or not",
)
IS_BIG_GPU = Name(
    "torch._inductor.utils",
    "is_big_gpu",
    optional="a golden's `why` then does not tell that a GPU is too small for templates of products",
)
CANDIDATE_TILINGS = Name(
    "torch._inductor.codegen.simd:SIMDScheduling",
    "candidate_tilings",
    optional="a golden's `why` then has no candidates of tilings",
)
_OBSERVER = "torch.fx.passes.graph_transform_observer:GraphTransformObserver"
APPLY_PASSES = (  # of a graph module, and of a graph
    Name(_OBSERVER, "apply_gm_pass", optional=_NO_PASSES),
    Name(_OBSERVER, "apply_graph_pass", optional=_NO_PASSES),
)
OF_PASSES = (
    Name(_OBSERVER, "passname", optional=_NO_PASSES, on_instances=True),
    Name(_OBSERVER, "gm", optional=_NO_PASSES, on_instances=True),
)

# Operators, their schemas, and constants that are subclasses of tensors
OPERATOR_PACKET = Name("torch._ops", "OpOverloadPacket")
OPERATOR_SCHEMA = Name("torch._ops:OpOverload", "_schema", on_instances=True)
HAS_KERNEL = Name("torch._C", "_dispatch_has_kernel_for_dispatch_key")
NO_TORCH_FUNCTION = Name("torch._C", "DisableTorchFunctionSubclass")


def all_names() -> Iterator[Name]:
    """Every private name of torch and triton that kernelsnap uses, those of the virtual device among them."""
    yield from release.names_of_device()
    yield from names_in(globals())


def check_torch() -> None:
    """Raise `UnsupportedTorchError` for a torch that is too old to be captured from, or lacks one of these names."""
    release.check_torch(all_names)
