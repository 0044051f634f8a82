"""The table of what torch has cached about the GPU, and how the caches are cleared.

Every entry was checked with torch 2.11 to 2.15; what differs between releases says so with `since` or `until`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernelsnap.shared.private_names import Name, missing, release_of

# All are cleared on entry and on exit, so that neither a real GPU's nor a virtual
# one's survives into the other's time.
CACHES: tuple[Name, ...] = (
    Name("torch.utils._triton", "_device_supports_tma", until="2.14"),
    Name("torch.utils._triton", "_device_supports_tensor_descriptor", since="2.14"),
    Name("torch.utils._triton", "has_triton_reduction_ordering", since="2.14"),
    *(
        Name("torch.utils._triton", name)
        for name in (
            "has_triton_experimental_host_tma",
            "has_triton_tensor_descriptor_host_tma",
            "has_triton_tma",
            "has_triton_tma_device",
            "has_datacenter_blackwell_tma_device",
            "has_triton_stable_tma_api",
            "has_triton",
            "triton_backend",
            "triton_hash_with_backend",
        )
    ),
    Name("torch.utils._pallas", "has_cuda_pallas"),
    Name("torch.utils._pallas", "has_jax_cuda_backend"),
    Name("torch.utils._helion", "has_helion"),
    Name("torch._subclasses.fake_tensor", "init_gpu_context"),
    # Results of fake operators: a convolution's memory format depends on cuDNN, which not every target has.
    Name("torch._subclasses.fake_tensor", "FakeTensorMode"),
    Name("torch.nn.attention._fa3", "_get_device_major"),
    Name("torch.nn.attention._fa4", "_get_device_major"),
    Name("torch._dynamo.debug_utils", "_cuda_system_info_comment"),
    # Holds torch.cuda._exchange_device by identity.
    Name("torch._dynamo.variables.torch:TorchInGraphFunctionVariable", "_get_handlers"),
    Name("torch._inductor.runtime.hints:DeviceProperties", "create"),
    Name("torch._inductor.codecache:CacheBase", "get_system"),
    Name("torch._inductor.codegen.cuda.cuda_env", "get_cuda_arch"),
    Name("torch._inductor.codegen.cuda.cuda_env", "get_cuda_version"),
    Name("torch._inductor.comm_analysis", "_has_nvlink", since="2.13"),
    Name("torch._inductor.comm_analysis", "get_gpu_type"),
    # Asks flash-attn-4, which can be imported on some machines only: a capture reads its source.
    Name("torch._inductor.kernel.flex.flex_flash_attention", "flash_supports_aux_scalars", since="2.14"),
    Name("torch._inductor.kernel.mm", "_is_sm7x_or_older_gpu"),
    Name("torch._inductor.lookup_table.choices:LookupTableChoices", "_get_device_key"),
    *(
        Name("torch._inductor.runtime.caching.context:_CompileContext", name)
        for name in ("runtime", "runtime_version", "accelerator_properties")
    ),
    Name("torch._inductor.select_algorithm", "get_num_workers"),
    Name("torch._inductor.utils", "get_device_tflops", until="2.15"),
    Name("torch._inductor.utils", "_get_device_tflops", since="2.15"),
    *(
        Name("torch._inductor.utils", name)
        for name in (
            "_rocm_native_device_arch_name",
            "get_backend_num_stages",
            "get_gpu_type",
            "get_gpu_dram_gbps",
            "get_max_num_sms",
            "is_big_gpu",
            "use_contiguous",
            "using_b200",
        )
    ),
)


def cache_clearers() -> list[Callable[[], None]]:
    """What makes torch forget each cached answer about a GPU.

    Raises `UnsupportedTorchError`, naming it, where a cached function is missing or is no longer cached.
    """
    release = release_of("torch")
    clearers = []
    for name in CACHES:
        if name.exists_in(release):
            function: Any = name.get()
            if not hasattr(function, "cache_clear"):
                raise missing(Name(name.owner, f"{name.name}.cache_clear"))
            clearers.append(function.cache_clear)
    return clearers
