"""What ptxas, cuobjdump and AMDGCN assembly say, in numbers; what they do not say is an error, never 0."""

from __future__ import annotations

import dataclasses

import pytest

from kernelsnap.capture.machine_code.machine_code import UnreadableMachineCodeError, amd_numbers, nvidia_numbers
from kernelsnap.model.resources import InstructionMix

LOG = """\
ptxas info    : 35 bytes gmem
ptxas info    : Compiling entry function 'k' for 'sm_90a'
ptxas info    : Function properties for k
    48 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 22 registers, used 1 barriers, 48 bytes cumulative stack size
"""
HEAD = """
Resource usage:
 Common:
  GLOBAL:35 CONSTANT[4]:16
 Function k:
  REG:22 STACK:48 SHARED:1024 LOCAL:0 CONSTANT[0]:568 TEXTURE:0 SURFACE:0 SAMPLER:0

	code for sm_90a
		Function : k
	.headerflags	@"EF_CUDA_TEXMODE_UNIFIED EF_CUDA_64BIT_ADDRESS EF_CUDA_SM90"
"""
ASSEMBLY = """\
	.amdgcn_target "amdgcn-amd-amdhsa--gfx942"
k:                                      ; @k
	.loc	1 18 0 prologue_end             ; <k>:18:0
	s_load_dwordx2 s[2:3], s[0:1], 0x0
{body}
	s_endpgm
	s_nop 0
	.amdhsa_next_free_vgpr 33
	.amdgpu_metadata
---
amdhsa.kernels:
  - .agpr_count:     4
    .group_segment_fixed_size: 0
    .private_segment_fixed_size: 12
    .sgpr_count:     21
    .sgpr_spill_count: 1
    .vgpr_count:     33
    .vgpr_spill_count: 3
	.end_amdgpu_metadata
"""


def listing(*operations: str) -> str:
    lines = [
        f"        /*{16 * place:04x}*/                   {operation} ;     /* 0x00000a00ff017b82 */\n"
        f"                                                                 /* 0x000e220000000800 */\n"
        for place, operation in enumerate(operations)
    ]
    return HEAD + "".join(lines) + "\t\t..........\n"


def sass(*operations: str) -> InstructionMix:
    mix = nvidia_numbers("k", LOG, listing(*operations))["instructions"]
    assert isinstance(mix, InstructionMix)
    return mix


def amdgcn(*lines: str) -> InstructionMix:
    mix = amd_numbers("k", ASSEMBLY.format(body="\n".join(f"\t{line}" for line in lines)))["instructions"]
    assert isinstance(mix, InstructionMix)
    return mix


def only(mix: InstructionMix, beside: int) -> dict[str, int]:
    """The classes that occur; `beside` instructions are those of every listing."""
    found = {name: value for name, value in dataclasses.asdict(mix).items() if value}
    return {**found, "total": found["total"] - beside}


def test_what_nvidia_says():
    numbers = nvidia_numbers("k", LOG, listing("NOP", "EXIT"))
    assert numbers == {
        "registers": 22,
        "stack": 48,
        "static_shared": 1024,
        "spill_stores": 16,
        "spill_loads": 24,
        "instructions": InstructionMix(total=1),
    }


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("HMMA.16816.F32 R4, R8, R14, R4", "tensor"),
        ("HGMMA.64x128x16.F32 R24, gdesc[UR8], R24", "tensor"),
        ("UTCHMMA gdesc[UR4], gdesc[UR6], tmem[UR8]", "tensor"),
        ("@!P1 FFMA R0, R1, R2, R3", "fp32"),
        ("FADD.FTZ R0, R1, R2", "fp32"),
        ("FFMA2 R2, R4.F32x2.HI_LO, R6, R8", "fp32"),
        ("MUFU.EX2 R3, R3", "special"),
        ("@P0 LDG.E.EL.128 R8, desc[UR4][R2.64]", "global_loads"),
        ("@!UPT STG.E desc[UR4][R2.64], R5", "global_stores"),
        ("LDSM.16.M88.4 R4, [R7]", "shared_loads"),
        ("STS.64 [R7], R4", "shared_stores"),
        ("LDL.LU R4, [R1+0x8]", "local_loads"),
        ("STL [R1], R4", "local_stores"),
        ("LDGSTS.E.BYPASS.128 [R7], desc[UR4][R2.64]", "copies"),
        ("UTMALDG.2D [UR8], [UR4]", "copies"),
        ("REDG.E.ADD.F32.FTZ.RN.STRONG.GPU desc[UR4][R2.64], R5", "atomics"),
        ("ATOMG.E.ADD.STRONG.GPU PT, R0, desc[UR4][R2.64], R5", "atomics"),
        ("SHFL.BFLY PT, R3, R2, 0x10, 0x1f", "shuffles"),
        ("BAR.SYNC.DEFER_BLOCKING 0x0", "barriers"),
        # A move in the fp16 pipe, no matrix; the dependency barrier of copies; an fp64 addition; a uniform load.
        ("HFMA2.MMA R2, -RZ, RZ, 0, 0", None),
        ("LDGDEPBAR", None),
        ("DADD R2, R4, R6", None),
        ("ULDC.64 UR6, c[0x0][0x210]", None),
        ("IMAD.MOV.U32 R3, RZ, RZ, 0x80", None),
    ],
)
def test_classes_of_sass(operation, kind):
    assert only(sass("EXIT", operation, "NOP"), 1) == {"total": 1, **({kind: 1} if kind else {})}


def test_what_amd_says():
    numbers = amd_numbers("k", ASSEMBLY.format(body=""))
    assert numbers == {
        "registers": 33,
        "accumulation_registers": 4,
        "scalar_registers": 21,
        "vector_spills": 3,
        "scalar_spills": 1,
        "stack": 12,
        "instructions": InstructionMix(total=2),
    }


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("v_mfma_f32_32x32x8_f16 v[0:15], v[16:17], v[18:19], v[0:15]", "tensor"),
        ("v_fma_f32 v1, v2, v3, v4", "fp32"),
        ("v_pk_mul_f32 v[0:1], v[2:3], v[4:5]", "fp32"),
        ("v_add_f32_e32 v1, v2, v3", "fp32"),
        ("v_add_f32_dpp v1, v2, v3 row_shr:1 row_mask:0xf bank_mask:0xf", "shuffles"),
        ("v_exp_f32_e32 v1, v2", "special"),
        ("buffer_load_dwordx4 v[2:5], v1, s[0:3], 0 offen", "global_loads"),
        ("global_load_dword v1, v[2:3], off", "global_loads"),
        ("buffer_load_dword v1, s[0:3], 0 offen lds", "copies"),
        ("global_load_lds_dwordx4 v[2:3], off", "copies"),
        ("global_load_dword v1, v[2:3], off ; lds follows", "global_loads"),
        ("global_store_dword v[2:3], v1, off", "global_stores"),
        ("ds_read_b128 v[0:3], v4", "shared_loads"),
        ("ds_write2st64_b32 v0, v1, v2", "shared_stores"),
        ("scratch_load_dword v1, off, off offset:4 ; 4-byte Folded Reload", "local_loads"),
        ("scratch_store_dword off, v1, off offset:4", "local_stores"),
        ("global_atomic_add_f32 v[0:1], v2, off", "atomics"),
        ("ds_add_f32 v0, v1", "atomics"),
        ("ds_bpermute_b32 v0, v1, v2", "shuffles"),
        ("s_barrier", "barriers"),
        ("v_add_f64 v[0:1], v[2:3], v[4:5]", None),
        ("v_mov_b32_e32 v1, 0", None),
    ],
)
def test_classes_of_amdgcn(line, kind):
    assert only(amdgcn(line), 2) == {"total": 1, **({kind: 1} if kind else {})}


@pytest.mark.parametrize(
    ("log", "text"),
    [
        ("", listing("EXIT")),
        ("ptxas info    : Used 22 registers", listing("EXIT")),
        (LOG, ""),
        (LOG, listing("EXIT").replace("Function k:", "Function other:")),
        (LOG, listing()),
        (LOG, listing("NOP", "NOP")),
        (LOG, listing("EXIT").replace("REG:22", "REG:many")),
    ],
)
def test_what_nvidia_does_not_say_is_an_error(log, text):
    with pytest.raises(UnreadableMachineCodeError, match="kernel k"):
        nvidia_numbers("k", log, text)


@pytest.mark.parametrize("name", [".vgpr_count:", ".sgpr_spill_count:", ".private_segment_fixed_size:", ".amdgpu_meta"])
def test_what_amd_does_not_say_is_an_error(name):
    with pytest.raises(UnreadableMachineCodeError, match="kernel k"):
        amd_numbers("k", ASSEMBLY.format(body="").replace(name, "."))


def test_two_kernels_in_one_listing_are_an_error():
    text = ASSEMBLY.format(body="")
    with pytest.raises(UnreadableMachineCodeError, match="vgpr_count 2 times"):
        amd_numbers("k", text + text.partition(".amdgpu_metadata")[2])


def test_a_function_that_the_kernel_calls_counts():
    log = LOG + LOG.replace("for k", "for helper").replace("16 bytes spill", "4 bytes spill")
    assert nvidia_numbers("k", log, listing("EXIT"))["spill_stores"] == 20


def test_a_name_is_no_pattern():
    text = listing("EXIT").replace("Function k:", "Function k$a.b:")
    assert nvidia_numbers("k$a.b", LOG, text)["registers"] == 22
    with pytest.raises(UnreadableMachineCodeError):
        nvidia_numbers("k.a.b", LOG, text)
