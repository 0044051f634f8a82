"""Selects, of the facts that Inductor passes to its heuristics, those that describe the kernel.

A decorator carries `triton_meta` and `inductor_meta`: some of it describes the kernel, some repeats settings that hold
for the whole process, some names the machine. The tables list them; a key that is in neither is kept, so that a new
torch release cannot add a fact that goes unseen. Checked on torch 2.11 to 2.13
(`torch._inductor.codegen.triton.TritonKernel.inductor_meta_common`, `torch._inductor.runtime.autotune_cache`).
"""

from __future__ import annotations

from collections.abc import Iterable

#: Dropped: they belong to a machine or a process, or restate what another layer of the golden has.
ENVIRONMENT = {
    "backend_hash": "a hash of the Triton installation and the driver",
    "kernel_name": "restates the kernel's name, which ends in a counter",
    "triton.device": "the target's properties: the golden names its target",
    "precompile.device_capability": "the target's properties: the golden names its target",
    "precompile.device_index": "which of a machine's GPUs: the host code names it",
    "precompile.hw_info": "what the GPU and the installed CUTLASS report",
    "force_disable_caches": "a cache setting",
    "autotune_local_cache": "a cache setting",
    "autotune_remote_cache": "a cache setting",
    "bundled_autotune_remote_cache": "a cache setting",
    "is_fbcode": "where torch was built",
    "num_load": "restates the code, which the metrics layer counts",
    "num_store": "restates the code, which the metrics layer counts",
    "num_reduction": "restates the code, which the metrics layer counts",
    "mutated_arg_names": "is in the plan: what each launch writes",
}

#: Kept only where they differ from these: settings of the process that every kernel repeats.
DEFAULTS: dict[str, tuple[str, ...]] = {
    "assert_indirect_indexing": ("True",),
    "autotune_pointwise": ("True",),
    "dynamic_scale_rblock": ("True",),
    "incremental_autotune": ("False",),
    "max_autotune": ("False",),
    "max_autotune_pointwise": ("False",),
    "min_split_scan_rblock": ("256",),
    "spill_threshold": ("16",),
    "store_cubin": ("False",),
    "deterministic": ("False",),
    "batch_invariant": ("False",),
    "force_filter_reduction_configs": ("False",),
    "mix_order_reduction_allow_multi_stages": ("True",),
    "dynamic_disable_pipelining": ("True",),
    "are_deterministic_algorithms_enabled": ("False",),
    "triton.native_matmul": ("False",),
    "triton.enable_fp_fusion": ("True",),
    "triton.launch_pdl": ("False",),
    "triton.disable_ftz": ("False",),
    "atomic_add_found": ("False",),
    "autotune_hints": ("set()",),
    "no_x_dim": ("False", "None"),
    "optimize_mem": ("True",),
    "min_elem_per_thread": ("0",),
}


def kernel_meta(meta: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """What of a decorator's facts describes the kernel, sorted by name. Nothing unknown is dropped."""
    return tuple(sorted((k, v) for k, v in meta if k not in ENVIRONMENT and v not in DEFAULTS.get(k, ())))
