"""Selects, of the facts that Inductor passes to its heuristics, those that decide something and are shown nowhere else.

A decorator carries `triton_meta` and `inductor_meta`: some of it decides how the kernel runs, some only led to a launch
configuration that the golden shows anyway, some repeats settings of the process, some names the machine. The tables
judge every key that torch 2.11 to 2.15 writes, by what reads it there. A key that is in no table does not change a
golden: it is left out, and reported once at the end of the run. A golden that was recorded before a key was judged
still has it; reading leaves out what `DROPPED` lists, so that such a golden compares like a new one.

Where torch writes the keys: `inductor_meta_common`, `inductor_meta_per_kernel` and `codegen_kernel` of
`torch._inductor.codegen.triton`, `combo_grid_meta` of `triton_combo_kernel`, `define_user_defined_triton_kernel` of
`codegen.wrapper`, `jit_lines` of `select_algorithm`. What reads them: `torch._inductor.runtime.triton_heuristics`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

Meta = tuple[tuple[str, str], ...]

#: What a golden shows, and what it decides. A name that ends in `.*` is every name with that beginning.
KEPT = {
    "argument": "a positional argument of the decorator",
    "grid_type": "how many programs are launched, and over which dimensions",
    "fixed_grid": "the names of the host's arguments that are the grid",
    "precomputed_grids": "the grid for each configuration of a kernel that the user wrote",
    "combo_grid_meta": "which program of a combo kernel does which part; filtered by `COMBO_DROPPED`",
    "template.*": "what a template was rendered with: tiles and the branches taken; another name is another template",
    "triton.native_matmul": "whether a matrix product became `tl.dot` in a generated kernel",
    "triton.launch_cooperative_grid": "an option of the launch: all programs run at once",
    "triton.enable_fp_fusion": "an option of Triton's compiler",
    "triton.launch_pdl": "an option of Triton's compiler",
    "triton.disable_ftz": "an option of Triton's compiler",
    "triton.matrix_instr_nonkdim": "an option of Triton's compiler for AMD",
    "triton.waves_per_eu": "an option of Triton's compiler for AMD",
    "triton.kpack": "an option of Triton's compiler for AMD",
    "triton.backend_options": "options of Triton's compiler that a user's launch gave (torch 2.14)",
    "triton.reset_to_zero": "arguments that a user's autotuner sets to zero before each trial",
    "host_tma_descriptor_args": "which arguments are descriptors that the launcher makes",
    "num_consumer_groups": "warp specialization",
    "num_buffers_warp_spec": "warp specialization",
    "persistent_reduction": "whether a cooperative reduction keeps its elements; its kind does not show that",
    "min_xblock": "a bound for the configurations that are tried on the GPU",
    "min_rblock": "a bound for the configurations that are tried on the GPU",
    "strict_reduction_rblock": "fixes the block of a reduction, and with it the order of a sum (torch 2.15)",
    "strict_sum_rblock": "fixes the block of a reduction, and with it the order of a sum (torch 2.14)",
    # Settings: each decides which configurations are tried on the GPU, or how. Shown where it is not the default.
    "assert_indirect_indexing": "a setting: whether indices are checked",
    "autotune_pointwise": "a setting: whether several configurations are tried",
    "max_autotune": "a setting: how many configurations are tried",
    "max_autotune_pointwise": "a setting: how many configurations are tried",
    "dynamic_scale_rblock": "a setting: smaller blocks are tried where registers run out",
    "dynamic_disable_pipelining": "a setting: a single stage is tried where shared memory runs out",
    "incremental_autotune": "a setting: configurations are tried in the background",
    "min_split_scan_rblock": "a setting: a bound for blocks of scans",
    "spill_threshold": "a setting: a configuration with more spills is not run",
    "deterministic": "a setting: no configuration is chosen by timing",
    "batch_invariant": "a setting: one configuration, whatever the batch",
    "are_deterministic_algorithms_enabled": "a setting of torch that some configurations depend on",
    "force_filter_reduction_configs": "a setting of torch's own tests",
    "mix_order_reduction_allow_multi_stages": "a setting: several stages for a mixed-order reduction",
    "coordinate_descent_tuning": "a setting: other configurations are searched on the GPU",
    "coordinate_descent_search_radius": "a setting of that search",
    "coordinate_descent_check_all_directions": "a setting of that search",
}

#: Kept only where they differ from these: what every kernel repeats.
DEFAULTS: dict[str, tuple[str, ...]] = {
    "fixed_grid": ("['_grid_0', '_grid_1', '_grid_2']",),
    "num_consumer_groups": ("0",),
    "num_buffers_warp_spec": ("0",),
    "assert_indirect_indexing": ("True",),
    "autotune_pointwise": ("True",),
    "max_autotune": ("False",),
    "max_autotune_pointwise": ("False",),
    "dynamic_scale_rblock": ("True",),
    "dynamic_disable_pipelining": ("True",),
    "incremental_autotune": ("False",),
    "min_split_scan_rblock": ("256",),
    "spill_threshold": ("16",),
    "deterministic": ("False",),
    "batch_invariant": ("False",),
    "are_deterministic_algorithms_enabled": ("False",),
    "force_filter_reduction_configs": ("False",),
    "mix_order_reduction_allow_multi_stages": ("True",),
    "coordinate_descent_tuning": ("False",),
    "triton.native_matmul": ("False",),
    "triton.enable_fp_fusion": ("True",),
    "triton.launch_pdl": ("False",),
    "triton.disable_ftz": ("False",),
}

_LAUNCHES = "leads to the candidates, which the launch lines show"
_COUNTS = "restates the code, which the metrics layer counts"
_CACHE = "a cache setting"
_MEASURES = "what a benchmark prints, and where"
_TARGET = "the target's properties: the golden names its target"

#: What a golden leaves out: it names the machine or the process, or another part of the golden shows what it led to.
DROPPED = {
    "size_hints": f"the sizes are in the plan; {_LAUNCHES}",
    "tile_hint": _LAUNCHES,
    "reduction_hint": _LAUNCHES,
    "min_elem_per_thread": _LAUNCHES,
    "autotune_hints": _LAUNCHES,
    "tiling_scores": f"how the tiling was chosen, which the plan shows; {_LAUNCHES}",
    "atomic_add_found": f"{_LAUNCHES}; the code has the atomics",
    "add_persistent_rblock": _LAUNCHES,
    "max_persistent_rblock": _LAUNCHES,
    "native_matmul_persistent_rblock": _LAUNCHES,
    "has_loadstore_with_contiguous_rdim": _LAUNCHES,
    "tma_min_block_sizes": _LAUNCHES,
    "uses_tma": f"the code has the descriptors; {_LAUNCHES}",
    "uses_device_tma": f"the code has the descriptors; {_LAUNCHES}",
    "RSPLIT_SIZE": "is in the launch lines",
    "config": "is in the launch lines",
    "configs": "is in the launch lines",
    "num_warps": "is in the launch lines",
    "num_stages": "is in the launch lines",
    "no_x_dim": "the code has no XBLOCK, or sets it to 1",
    "num_load": _COUNTS,
    "num_store": _COUNTS,
    "num_reduction": _COUNTS,
    "mutated_arg_names": "is in the plan: what each launch writes",
    "optimize_mem": "whether the autotuner copies what a kernel overwrites; the launched kernel is the same",
    "triton.restore_value": "what the autotuner copies between two trials; the launched kernel is the same",
    "kernel_name": "restates the kernel's name, which ends in a counter",
    "extra_launcher_args": "names for what the host code passes beside the kernel's arguments",
    "declared_constexpr_names": "the parameters of the code say `tl.constexpr`",
    "custom_kernel": "the plan names the kind: user Triton",
    "is_hip": _TARGET,
    "triton.device": _TARGET,
    "precompile.device_capability": _TARGET,
    "precompile.hw_info": "what the GPU and the installed CUTLASS report",
    "precompile.device_index": "which of a machine's GPUs: the host code names it",
    "backend_hash": "a hash of the Triton installation and the driver",
    "is_fbcode": "where torch was built",
    "store_cubin": _CACHE,
    "force_disable_caches": _CACHE,
    "autotune_local_cache": _CACHE,
    "autotune_remote_cache": _CACHE,
    "bundled_autotune_remote_cache": _CACHE,
    "use_fast_triton_launcher": "how arguments are handed to the driver",
    "kernel_num_gb": _MEASURES,
    "kernel_flop": _MEASURES,
    "profile_bandwidth": _MEASURES,
    "profile_bandwidth_regex": _MEASURES,
    "profile_bandwidth_output": _MEASURES,
    "profile_bandwidth_with_do_bench_using_profiling": _MEASURES,
}

_COMBO = "combo_grid_meta"
#: What is left out of `combo_grid_meta`, without the numbers of parts: `tile_hint` is `tile_hint_0`, `tile_hint_1`, ...
COMBO_DROPPED = {
    "size_hints": _LAUNCHES,
    "tile_hint": _LAUNCHES,
    "reduction_hint": _LAUNCHES,
    "autotune_grouping": _LAUNCHES,
    "stitched_launch_candidates": _LAUNCHES,
    "stitched_backend_kwargs": _LAUNCHES,
    "stitched_num_warps": _LAUNCHES,
    "stitched_num_stages": _LAUNCHES,
    "inductor_meta": "the hints of one part, as above",
    "block_arg_names": "the parameters of the code",
}
#: What is kept of it: with the launch, they are the grid.
COMBO_KEPT = frozenset(
    ("num_kernels", "min_blocks", "default_config", "heuristic", "no_x_dim", "xnumel", "ynumel", "znumel")
)
# no_x_dim_10
_PART = re.compile(r"(.*?)_\d+\Z")


def kernel_meta(meta: Iterable[tuple[str, str]], language: str = "triton") -> Meta:
    """What of a decorator's facts decides how the kernel runs, sorted by name.

    A CuteDSL kernel has no decorator: apart from `precompile.`, its facts are arguments that its text gives a library,
    and are kept.
    """
    kept = ((name, _of_combo(value, COMBO_KEPT) if name == _COMBO else value) for name, value in meta)
    return tuple(
        sorted(
            (name, value)
            for name, value in kept
            if name not in DROPPED and value not in DEFAULTS.get(name, ()) and _is_kept(name, language)
        )
    )


def unjudged(meta: Iterable[tuple[str, str]], language: str = "triton") -> frozenset[str]:
    """The names of facts that no table has: `kernel_meta` leaves them out, and the run reports them."""
    found = set()
    for name, value in meta:
        if name == _COMBO:
            stems = {_stem(key) for key, _ in _entries(value)}
            found |= {f"{_COMBO}.{stem}" for stem in stems - COMBO_KEPT - COMBO_DROPPED.keys()}
        elif name not in DROPPED and not _is_kept(name, language):
            found.add(name)
    return frozenset(found)


def without_hints(meta: Meta) -> Meta:
    """The facts of a golden that was recorded before some of them were judged, without these; unknown ones stay."""
    kept = ((name, _of_combo(value, None) if name == _COMBO else value) for name, value in meta)
    return tuple((name, value) for name, value in kept if name not in DROPPED and value not in DEFAULTS.get(name, ()))


def _is_kept(name: str, language: str) -> bool:
    family = f"{name.partition('.')[0]}.*" if "." in name else ""
    return name in KEPT or family in KEPT or (language == "cutedsl" and family != "precompile.*")


def _of_combo(value: str, kept: frozenset[str] | None) -> str:
    """The entries of `combo_grid_meta` that decide something; of those that nobody judged, all where `kept` is None."""
    entries = _entries(value)
    left = [
        text for key, text in entries if (_stem(key) in kept if kept is not None else _stem(key) not in COMBO_DROPPED)
    ]
    return value if len(left) == len(entries) else "{" + ", ".join(left) + "}"


def _entries(value: str) -> list[tuple[str, str]]:
    """The keys of a dictionary's text, each with its entry (`'min_blocks': 0`); none where it is no dictionary."""
    try:
        node = ast.parse(value, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    if not isinstance(node, ast.Dict):
        return []
    return [
        (str(key.value), f"{key.value!r}: {ast.get_source_segment(value, item)}")
        for key, item in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    ]


def _stem(key: str) -> str:
    match = _PART.match(key)
    return match.group(1) if match else key


def unjudged_facts(names: Iterable[str]) -> str:
    """What a run tells the user about such facts."""
    known = sorted(names)
    return (
        f"torch gave kernels facts that kernelsnap does not know, and that no golden shows: {', '.join(known)}. "
        f"torch's source tells whether they decide how a kernel runs: please report them"
    )
