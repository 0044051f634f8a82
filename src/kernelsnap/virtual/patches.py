"""What the virtual device replaces in torch for as long as it is on: a table, and the code that makes and undoes it.

``torch.cuda``'s own Python functions stay the originals, so that Dynamo treats a call to them as it does on a
real GPU. What is replaced is what they ask: the C functions underneath and a few module globals. Every entry was
checked with torch 2.11 to 2.15; what differs between releases says so with `since` or `until`.

Not here: what torch has cached (`caches`), Triton's driver (`triton_driver`), and the C++ device guard and CUDA hooks
(`guard`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from kernelsnap.errors import UnsupportedTorchError
from kernelsnap.shared.private_names import Name, missing, release_of
from kernelsnap.targets.target import Target
from kernelsnap.virtual import fake_modules, meshes, operators, private, sdpa, sdpa_rules
from kernelsnap.virtual.needs_gpu import NeedsGpuError
from kernelsnap.virtual.properties import VirtualGenerator, device_properties, memory_info, nvidia_smi

# What torch's default wheels of the supported releases are built with: the same answer on every machine.
CUDA_VERSION = "13.0"
HIP_VERSION = "7.0"

_MISSING: Any = object()

_C = "torch._C"
_CUDA = "torch.cuda"
_DEVICE_INTERFACE = "torch._dynamo.device_interface"
_CUDA_INTERFACE = f"{_DEVICE_INTERFACE}:CudaInterface"
_MESH = "torch.distributed.device_mesh:DeviceMesh"
# What computes ranks, also of meshes that are a part of another.
_MESH_METHODS = (
    "mesh",
    "from_group",
    "__repr__",
    "_get_all_submeshes",
    "_create_flatten_mesh",
    "_create_unflatten_mesh",
    "_concatenate",
)


@dataclass(frozen=True)
class Patch:
    """One replaced name: the value it gets for a target, and why.

    What is `optional` is created where it is absent, and removed again. `cpu_too` marks what fake mode needs, whatever
    the target.
    """

    at: Name
    value: Callable[[Target], object]
    gives: str
    cpu_too: bool = False


def _returns(value: object) -> Callable[[Target], Callable[..., object]]:
    """The value of a patch that is a function of any arguments returning this."""
    return lambda target: lambda *args, **kwargs: value


def _c_function(name: str, result: object, gives: str) -> Patch:
    return Patch(Name(_C, name, optional=private.CUDA_BUILD), _returns(result), gives)


def _properties(target: Target) -> Callable[[int], object]:
    properties = device_properties(target)
    return lambda device: properties


def _static(value: object) -> Callable[[Target], object]:
    """The value of a patch that is a static method returning this, whatever it is asked."""
    return lambda target: staticmethod(lambda *args, **kwargs: value)


def _of_mesh(name: str) -> Patch:
    return Patch(Name(_MESH, name), lambda target: meshes.method(name), "a device mesh, which reads its ranks", True)


def _refused(what: str) -> Callable[[Target], object]:
    """The value of a patch that raises `NeedsGpuError`, as a static method."""

    def value(target: Target) -> object:
        def refuse(*args: object, **kwargs: object) -> object:
            raise NeedsGpuError(what, f"a GPU that something runs on, and nothing runs on the virtual {target.name}")

        return staticmethod(refuse)

    return value


PATCHES: tuple[Patch, ...] = (
    # What torch.cuda's functions ask of C++.
    _c_function("_cuda_getDeviceCount", 1, "is_available, device_count"),
    _c_function("_cuda_getDevice", 0, "current_device"),
    _c_function("_cuda_setDevice", None, "set_device"),
    _c_function("_cuda_hasPrimaryContext", True, "questions about an initialised device"),
    _c_function("_cuda_synchronize", None, "synchronize"),
    _c_function("_cuda_getCurrentRawStream", 0, "the stream that the generated host code names"),
    _c_function("_cuda_getArchFlags", None, "get_arch_list: empty, as in a build for no GPU in particular"),
    _c_function("_cuda_emptyCache", None, "empty_cache"),
    _c_function("_cuda_ipc_collect", None, "ipc_collect"),
    Patch(
        Name(_C, "_cuda_cudaCachingAllocator_is_enabled", since="2.13", optional=private.CUDA_BUILD),
        _returns(True),
        "CUDA graphs, which need the caching allocator",
    ),
    Patch(private.MEMORY_STATS, _returns({}), "memory_allocated, memory_reserved and their maxima: 0"),
    Patch(private.HOST_MEMORY_STATS, _returns({}), "host_memory_stats: nothing"),
    Patch(private.MEMORY_SNAPSHOT, _returns({"segments": [], "device_traces": []}), "memory_snapshot: nothing"),
    _c_function("_cuda_resetPeakMemoryStats", None, "reset_peak_memory_stats"),
    _c_function("_cuda_resetAccumulatedMemoryStats", None, "reset_accumulated_memory_stats"),
    # torch.cuda's state: initialised, one device. Nothing then initialises a real one.
    Patch(private.CUDA_INITIALIZED, lambda target: True, "_lazy_init does nothing"),
    Patch(Name(_CUDA, "_cached_device_count"), lambda target: 1, "device_count without NVML"),
    Patch(Name(_CUDA, "_is_in_bad_fork"), _returns(False), "a forked process may describe a GPU"),
    Patch(
        Name(_CUDA, "_get_device_properties", optional="only where CUDA is initialised"),
        _properties,
        "get_device_properties",
    ),
    Patch(Name(_CUDA, "default_generators"), lambda target: (VirtualGenerator(),), "manual_seed, get_rng_state"),
    Patch(Name(_CUDA, "_cudart"), memory_info, "mem_get_info"),
    # Bound at import on CUDA wheels, functions that raise on the CPU wheel.
    Patch(Name(_CUDA, "_exchange_device"), _returns(0), "with torch.cuda.device(0)"),
    Patch(Name(_CUDA, "_maybe_exchange_device"), _returns(0), "with torch.cuda.device(0)"),
    Patch(Name("torch.cuda.graphs", "_cuda_isCurrentStreamCapturing"), _returns(False), "no CUDA graph"),
    Patch(
        Name("torch.version", "cuda"),
        lambda target: CUDA_VERSION if target.backend == "cuda" else None,
        "which of CUDA and ROCm this is",
    ),
    Patch(
        Name("torch.version", "hip"),
        lambda target: HIP_VERSION if target.backend == "hip" else None,
        "which of CUDA and ROCm this is",
    ),
    # Dynamo's and Inductor's view. The class holds the functions that torch.cuda had when it was imported.
    Patch(Name(_CUDA_INTERFACE, "exchange_device"), _static(0), "device guards in compiled code"),
    Patch(Name(_CUDA_INTERFACE, "maybe_exchange_device"), _static(0), "device guards in compiled code"),
    Patch(Name(_CUDA_INTERFACE, "get_raw_stream"), _static(0), "None on the CPU wheel"),
    Patch(
        Name(_DEVICE_INTERFACE, "caching_worker_device_properties"),
        lambda target: {},
        "no properties cached from another GPU",
    ),
    Patch(
        Name(_DEVICE_INTERFACE, "caching_worker_current_devices"),
        lambda target: {},
        "no device cached from another GPU",
    ),
    Patch(Name(_DEVICE_INTERFACE, "device_interfaces"), lambda target: {}, "registry filled anew, with cuda:0"),
    Patch(Name(_DEVICE_INTERFACE, "_device_initialized"), lambda target: False, "registry filled anew"),
    # Streams and events order what runs, and nothing does. `torch.Stream` and `torch.Event` are harmless objects.
    Patch(Name("torch.cuda.streams:Stream", "__new__"), _refused("torch.cuda.Stream"), "a clear refusal"),
    Patch(Name("torch.cuda.streams:Event", "__new__"), _refused("torch.cuda.Event"), "a clear refusal"),
    Patch(Name("torch.cuda.graphs:CUDAGraph", "__new__"), _refused("torch.cuda.CUDAGraph"), "a clear refusal"),
    *(
        Patch(at, _refused("torch.cuda.Stream"), "a clear refusal")
        for at in (private.CURRENT_STREAM, private.DEFAULT_STREAM)
    ),
    # Which attention backends could run; which one does is asked of C++ (`sdpa.chosen_for`).
    Patch(Name(_C, "_is_flash_attention_available"), _returns(True), "is_flash_attention_available"),
    Patch(Name(_C, "_can_use_flash_attention"), sdpa.can_use_function(sdpa_rules.FLASH), "can_use_flash_attention"),
    Patch(
        Name(_C, "_can_use_mem_efficient_attention"),
        sdpa.can_use_function(sdpa_rules.EFFICIENT),
        "can_use_efficient_attention",
    ),
    Patch(Name(_C, "_can_use_cudnn_attention"), sdpa.can_use_function(sdpa_rules.CUDNN), "can_use_cudnn_attention"),
    Patch(Name("triton.testing", "nvsmi"), nvidia_smi, "the clock that estimates of run times are based on"),
    # Fake tensors must not touch a device although torch.cuda.is_available() says that there is one.
    Patch(
        Name("torch._subclasses.fake_tensor:FakeTensorMode", "avoid_device_init"),
        lambda target: property(lambda mode: True),
        "no device is initialised",
    ),
    Patch(
        private.RUN_FALLBACK_KERNEL,
        lambda target: operators.fallback_kernel(),
        "the device of what an operator returns that has no kernel for tensors without data",
    ),
    Patch(
        Name("torch.utils", "swap_tensors"), lambda target: fake_modules.swap_tensors, "module.to('cuda')", cpu_too=True
    ),
    Patch(
        Name("torch.nn.modules.rnn:RNNBase", "flatten_parameters"),
        _returns(None),
        "recurrent layers: where their weights lie in memory is not compiled, and torch would warn of a missing cuDNN",
    ),
    Patch(
        private.TRUNC_NORMAL,
        lambda target: fake_modules.trunc_normal(),
        "weights of vision models, whose values nobody reads",
        cpu_too=True,
    ),
    Patch(
        Name("torch.nn.attention.bias:CausalBias", "__new__", optional="inherited from its base"),
        lambda target: fake_modules.NewSubclass(),
        "causal_lower_right and causal_upper_left",
        cpu_too=True,
    ),
    Patch(
        private.OPTIMIZER_CALL_METHOD,
        lambda target: fake_modules.optimizer_call_method(),
        "the state of an optimizer whose step is compiled",
        cpu_too=True,
    ),
    Patch(
        private.OPTIMIZER_METHODS,
        lambda target: fake_modules.optimizer_methods(),
        "the state of an optimizer whose step is compiled",
        cpu_too=True,
    ),
    Patch(Name(_MESH, "__init__"), lambda target: meshes.init(), "a device mesh, which reads its ranks", cpu_too=True),
    *(_of_mesh(name) for name in _MESH_METHODS),
)


@dataclass(frozen=True)
class Replacement:
    """One patch about to be made: what will be set where, and what is there now."""

    owner: Any
    name: str
    original: object
    value: object


def replacements(target: Target) -> list[Replacement]:
    """What the table says for this target and this torch.

    Raises `UnsupportedTorchError`, naming it, where a name is missing or is no longer what it was.
    """
    release = release_of("torch")
    has_gpu_build = any(getattr(torch.version, name, None) is not None for name in ("cuda", "hip"))
    return [
        _replacement(patch, target, has_gpu_build)
        for patch in PATCHES
        if patch.at.exists_in(release) and (target.is_gpu or patch.cpu_too)
    ]


def _replacement(patch: Patch, target: Target, has_gpu_build: bool) -> Replacement:
    owner = patch.at.find_owner()
    # From __dict__, not getattr: a static method or a property has to come back as one.
    original = vars(owner).get(patch.at.name, _MISSING)
    if original is _MISSING and (not patch.at.optional or (patch.at.optional == private.CUDA_BUILD and has_gpu_build)):
        raise missing(patch.at)
    value = patch.value(target)
    if original is not _MISSING and _kind(value) and _kind(original) != _kind(value):
        raise UnsupportedTorchError(
            f"in torch {torch.__version__}, {patch.at} is a {type(original).__name__}, not a {_kind(value)} as "
            f"the virtual device expects: this torch is not supported yet"
        )
    return Replacement(owner, patch.at.name, original, value)


@contextlib.contextmanager
def patched(changes: list[Replacement]) -> Iterator[None]:
    """Make the replacements; put back exactly what was there, or nothing where nothing was."""
    made: list[Replacement] = []
    try:
        for change in changes:
            setattr(change.owner, change.name, change.value)
            made.append(change)
        yield
    finally:
        for change in reversed(made):
            if change.original is _MISSING:
                delattr(change.owner, change.name)
            else:
                setattr(change.owner, change.name, change.original)


def _kind(value: object) -> str:
    """What sort of thing a name holds, as far as that says whether its use has changed; empty where it does not."""
    if callable(value):
        return "function"
    return type(value).__name__ if isinstance(value, bool | dict | tuple | property) else ""
