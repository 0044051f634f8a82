"""Reads what Triton's compilers print about one kernel: ptxas's log, cuobjdump's listing, AMDGCN assembly.

What cannot be found is an error, never a 0: two listings that nothing was read from would compare as the same.
Formats: ptxas and cuobjdump of CUDA 12.8 to 13.1, as triton 3.6 to 3.8 ship them; LLVM's AMDGPU code object version 5.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from kernelsnap.errors import CaptureError
from kernelsnap.model.resources import InstructionMix


class UnreadableMachineCodeError(CaptureError):
    """A compiler's log or listing is of a form that kernelsnap cannot read."""


# ptxas info    : Function properties for triton_poi_fused_add_0
#     32 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
_SPILLS = re.compile(
    r"Function properties for .*\n\s*\d+ bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill"
)
# Function triton_poi_fused_add_0:
#  REG:22 STACK:32 SHARED:1024 LOCAL:0 CONSTANT[0]:568 TEXTURE:0 SURFACE:0 SAMPLER:0
_USAGE = r"Function {name}:\s*REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)"
#         /*0080*/              @!P1 LDG.E.EL.128 R8, desc[UR4][R2.64] ;        /* 0x00... */
_SASS = re.compile(r"^[ \t]+/\*[0-9a-f]{4,}\*/[ \t]+(?:@!?U?P\w+[ \t]+)?([A-Z]\w*)", re.MULTILINE)
# By the first part of the opcode: HFMA2.MMA, which multiplies no matrix, is HFMA2.
_SASS_CLASSES = {
    "tensor": r"\w*MMA",
    "fp32": r"F(FMA|ADD|MUL)(2|32I)?",
    "special": r"MUFU",
    "global_loads": r"LDG?",
    "global_stores": r"STG?",
    "shared_loads": r"U?LDSM?",
    "shared_stores": r"STSM?",
    "local_loads": r"LDL",
    "local_stores": r"STL",
    "copies": r"LDGSTS|UTMALDG|UTMASTG|UBLKCP",
    "atomics": r"ATOM[GS]?|RED[GS]?|UTMAREDG|UBLKRED",
    "shuffles": r"SHFL|C?REDUX",
    "barriers": r"BAR",
}

# 	buffer_load_dwordx4 v[2:5], v1, s[0:3], 0 offen
_AMDGCN = re.compile(r"^\t([a-z]\w*)(.*)$", re.MULTILINE)
_LDS = re.compile(r"\blds\b")
_FP32 = r"v_(pk_|dual_)?(fma|fmac|mad|mac|fmamk|fmaak|madmk|madak|add|sub|subrev|mul)_(legacy_)?f32(_e32|_e64)?"
_AMD_ATOMICS = r"\w+_atomic_\w+|ds_(pk_)?(add|sub|rsub|inc|dec|min|max|and|or|xor|cmp|wrxchg|storexchg)\w*"
_AMDGCN_CLASSES = {
    "tensor": r"v_(mfma|smfmac|wmma|swmmac)_\w+",
    "fp32": _FP32,
    "special": r"v_(exp|log|rcp|rcp_iflag|rsq|sqrt|sin|cos)_(legacy_)?(f16|f32|f64|bf16)(_e32|_e64)?",
    "copies": r"(global|buffer)_load_\w*lds\w*",
    "atomics": _AMD_ATOMICS,
    "global_loads": r"(global|buffer|flat)_load_\w+",
    "global_stores": r"(global|buffer|flat)_store_\w+",
    "shared_loads": r"ds_(read|load)\w*",
    "shared_stores": r"ds_(write|store)\w*",
    "local_loads": r"scratch_load_\w+",
    "local_stores": r"scratch_store_\w+",
    "shuffles": r"ds_b?permute_\w+|ds_swizzle_\w+|v_permlane\w+|v_\w+_dpp",
    "barriers": r"s_barrier\w*",
}
_AMD_NUMBERS = {
    "registers": "vgpr_count",
    "accumulation_registers": "agpr_count",
    "scalar_registers": "sgpr_count",
    "vector_spills": "vgpr_spill_count",
    "scalar_spills": "sgpr_spill_count",
    "stack": "private_segment_fixed_size",
}


def nvidia_numbers(name: str, log: str, listing: str) -> dict[str, Any]:
    """The fields of `KernelResources` for the kernel `name`, but for its launch and what that asks for.

    Args:
        name: of the kernel's function in its cubin.
        log: what `ptxas -v` printed.
        listing: what `cuobjdump -res-usage -sass` printed.

    Raises:
        UnreadableMachineCodeError: a number is missing, or there is no instruction.
    """
    spills = _SPILLS.findall(log)
    if not spills:
        raise UnreadableMachineCodeError(f"kernel {name}: ptxas did not say what is spilled; its log: {log[:500]!r}")
    usage = re.search(_USAGE.format(name=re.escape(name)), listing)
    if usage is None:
        raise UnreadableMachineCodeError(f"kernel {name}: cuobjdump -res-usage does not list it: {listing[:500]!r}")
    registers, stack, static_shared, _ = map(int, usage.groups())
    return {
        "registers": registers,
        "stack": stack,
        "static_shared": static_shared,
        "spill_stores": sum(int(stores) for stores, _ in spills),
        "spill_loads": sum(int(loads) for _, loads in spills),
        "instructions": sass_mix(name, listing),
    }


def sass_mix(name: str, listing: str) -> InstructionMix:
    """The instructions in the SASS of a listing. Raises `UnreadableMachineCodeError` where there is none."""
    return _mix(name, (op for op in _SASS.findall(listing) if op != "NOP"), _SASS_CLASSES)


def amd_numbers(name: str, assembly: str) -> dict[str, Any]:
    """The same from the AMDGCN assembly of a kernel, which ends with the metadata of its code object.

    Raises:
        UnreadableMachineCodeError: a number is missing, or there is no instruction.
    """
    metadata = assembly.partition(".amdgpu_metadata")[2]
    numbers: dict[str, Any] = {}
    for field, key in _AMD_NUMBERS.items():
        found = re.findall(rf"^[ \t]+(?:- )?\.{key}:[ \t]+(\d+)$", metadata, re.MULTILINE)
        if len(found) != 1:
            raise UnreadableMachineCodeError(
                f"kernel {name}: the metadata of its code object names {key} {len(found)} times, not once"
            )
        numbers[field] = int(found[0])
    operations = (
        f"{op}_lds" if _LDS.search(operands.partition(";")[0]) and "_load_" in op else op
        for op, operands in _AMDGCN.findall(assembly)
        if op not in ("s_nop", "s_code_end")
    )
    return {**numbers, "instructions": _mix(name, operations, _AMDGCN_CLASSES)}


def _mix(name: str, operations: Iterable[str], classes: dict[str, str]) -> InstructionMix:
    counts = Counter(operations)
    if not counts:
        raise UnreadableMachineCodeError(f"kernel {name}: no instruction was found in the listing of its code")
    mix: Counter[str] = Counter()
    for operation, count in counts.items():
        mix[next((kind for kind, pattern in classes.items() if re.fullmatch(pattern, operation)), "")] += count
    return InstructionMix(total=counts.total(), **{kind: mix[kind] for kind in classes})
