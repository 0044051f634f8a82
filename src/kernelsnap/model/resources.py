"""What the machine code of a kernel needs: registers, spills, stack, shared memory, instructions. Imports no torch.

The numbers are those of Triton's own compilers, run without a GPU. On NVIDIA, `ptxas -v` gives registers, stack and
spills, and `cuobjdump` static shared memory and SASS; on AMD, the metadata of the code object gives all but the
instructions, which are those of its assembly. How much shared memory a launch asks for is in Triton's metadata.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Literal

from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.metrics import MetricKind


@dataclass(frozen=True)
class InstructionMix:
    """How many machine instructions of each class a kernel's code has. An instruction in a loop counts once.

    The classes do not add up to the total: address arithmetic, branches and the like are in the total only.
    """

    total: int = 0  #: all of them, without the NOP instructions that fill up the end
    tensor: int = 0  #: matrix multiply-accumulate on tensor cores (HMMA, HGMMA, UTCHMMA; MFMA, WMMA on AMD)
    fp32: int = 0  #: arithmetic on 32-bit floats (FFMA, FADD, FMUL; `v_fma_f32` on AMD, two at once count once)
    special: int = 0  #: special functions (MUFU; `v_exp_f32`, `v_rcp_f32` on AMD)
    global_loads: int = 0  #: from global memory to registers
    global_stores: int = 0  #: from registers to global memory
    shared_loads: int = 0  #: from shared memory to registers
    shared_stores: int = 0  #: from registers to shared memory
    local_loads: int = 0  #: from a thread's own memory (its stack, and what was spilled)
    local_stores: int = 0  #: to a thread's own memory
    copies: int = 0  #: from global to shared memory or back without registers (LDGSTS, TMA; loads into LDS on AMD)
    atomics: int = 0  #: atomic operations on memory
    shuffles: int = 0  #: exchanges between the threads of a warp
    barriers: int = 0  #: barriers of a whole block


@dataclass(frozen=True)
class KernelResources:
    """The machine code of one kernel in one launch configuration. A number that its backend does not give is None."""

    graph: str  #: its name in the golden, such as "forward"
    kernel: str  #: its name in the golden, such as "k0"
    launch: LaunchConfig  #: the launch configuration
    _: KW_ONLY
    registers: int  #: 32-bit registers per thread; on AMD vector registers, accumulation registers included
    accumulation_registers: int | None = None  #: per thread; AMD only
    scalar_registers: int | None = None  #: per wavefront; AMD only
    spill_stores: int | None = None  #: bytes per thread that spilling stores; NVIDIA only
    spill_loads: int | None = None  #: bytes per thread that spilling loads; NVIDIA only
    vector_spills: int | None = None  #: vector registers spilled; AMD only
    scalar_spills: int | None = None  #: scalar registers spilled; AMD only
    stack: int  #: bytes per thread (the stack frame; on AMD scratch, the private segment)
    shared: int  #: shared memory that the launch asks for, in bytes per block (from Triton's metadata)
    static_shared: int | None = None  #: bytes per block in the code itself, with what CUDA reserves; NVIDIA only
    instructions: InstructionMix  #: how many of each class

    @property
    def spills(self) -> int:
        """0 if and only if nothing is spilled. Bytes stored and loaded per thread (NVIDIA), spilled registers (AMD)."""
        return sum(
            value or 0 for value in (self.spill_stores, self.spill_loads, self.vector_spills, self.scalar_spills)
        )


@dataclass(frozen=True)
class NotCompiled:
    """A kernel or library call that was not compiled to machine code here, and why."""

    graph: str  #: its name in the golden, such as "forward"
    kernel: str  #: its name in the golden, such as "k1"; of a library call, the callee
    reason: str  #: why it was not compiled
    launch: LaunchConfig | None = None  #: the one configuration that this is about; None for the kernel as a whole


@dataclass(frozen=True)
class Resources:
    """The machine-code numbers of everything that a capture launches: by graph, then in order of first launch."""

    target: str  #: the name of the GPU
    entries: tuple[KernelResources | NotCompiled, ...]  #: in the order of the golden
    case: str = ""  #: the test, where a file was read
    #: What compiled them, such as ("ptxas", "12.9"), ("triton", "3.7.1"); kept once for all files of a tree.
    tools: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def kernels(self) -> tuple[KernelResources, ...]:
        """One entry for each kernel and launch configuration that was compiled."""
        return tuple(entry for entry in self.entries if isinstance(entry, KernelResources))

    @property
    def not_compiled(self) -> tuple[NotCompiled, ...]:
        """What was not compiled (library calls, C++ and CuteDSL kernels, rejected configurations), with the reason."""
        return tuple(entry for entry in self.entries if isinstance(entry, NotCompiled))


@dataclass(frozen=True)
class ResourceField:
    """How a file shows one number of a kernel."""

    name: str
    field: str
    unit: str  #: "" for a count


_BYTES = frozenset(("spill_stores", "spill_loads", "stack", "shared", "static_shared"))


def _shown(kind: type, but: Collection[str]) -> tuple[ResourceField, ...]:
    """The fields of a class as a file shows them, in their order: `spill stores` for `spill_stores`."""
    names = [field.name for field in fields(kind) if field.name not in but]
    return tuple(ResourceField(name.replace("_", " "), name, "B" if name in _BYTES else "") for name in names)


#: In the order of a file. Those of a backend that does not tell them are left out.
NEEDS = _shown(KernelResources, ("graph", "kernel", "launch", "instructions"))
#: Classes of instructions, below the line of their total. Those that do not occur are left out.
MIX = _shown(InstructionMix, ("total",))

#: What a report says of the resources of a golden, over all kernels and configurations.
RESOURCE_METRICS = (
    MetricKind("registers", "", "lower", "the most 32-bit registers per thread that a kernel needs"),
    MetricKind("spilled bytes", "B", "lower", "bytes per thread that spills store and load, of all kernels (NVIDIA)"),
    MetricKind("spilled registers", "", "lower", "vector and scalar registers spilled, of all kernels (AMD)"),
    MetricKind("stack", "B", "lower", "the largest stack frame of a thread"),
    MetricKind("shared memory", "B", "lower", "the most shared memory that a launch asks for per block"),
    MetricKind("instructions", "", "lower", "machine instructions in the code of all kernels"),
    MetricKind("tensor core instructions", "", "neither", "those of them that multiply matrices"),
    MetricKind("local memory accesses", "", "lower", "those of them that load from or store to a thread's own memory"),
)


def resource_values(resources: Iterable[Resources]) -> dict[str, int]:
    """The values of `RESOURCE_METRICS` by name; without those that nothing was compiled for, or no backend tells."""
    kernels = [kernel for found in resources for kernel in found.kernels]
    if not kernels:
        return {}
    mixes = [kernel.instructions for kernel in kernels]
    values = {
        "registers": max(kernel.registers for kernel in kernels),
        "spilled bytes": _total(kernels, "spill_stores", "spill_loads"),
        "spilled registers": _total(kernels, "vector_spills", "scalar_spills"),
        "stack": max(kernel.stack for kernel in kernels),
        "shared memory": max(kernel.shared for kernel in kernels),
        "instructions": sum(mix.total for mix in mixes),
        "tensor core instructions": sum(mix.tensor for mix in mixes),
        "local memory accesses": sum(mix.local_loads + mix.local_stores for mix in mixes),
    }
    return {name: value for name, value in values.items() if value is not None}


_Spilled = Literal["spill_stores", "spill_loads", "vector_spills", "scalar_spills"]


def _total(kernels: list[KernelResources], *names: _Spilled) -> int | None:
    """The sum over the kernels that tell it; None where none does."""
    found = [value for kernel in kernels for name in names if (value := getattr(kernel, name)) is not None]
    return sum(found) if found else None
