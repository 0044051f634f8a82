"""What a target is: every property of a GPU that TorchInductor and Triton read, and where each number comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Backend = Literal["cuda", "hip", "cpu"]
#: How a number is known: read from such a GPU for this project, reported by such a GPU to others, stated by the vendor,
#: or given by the project that defines the target.
Kind = Literal["measured", "reported", "published", "given"]


@dataclass(frozen=True)
class Source:
    """Where some of a target's numbers come from: the names of its fields, how they are known, and a citation."""

    fields: tuple[str, ...]
    kind: Kind
    citation: str


#: The numbers that are fixed by the compute capability (NVIDIA) or architecture (AMD) alone.
PER_ARCHITECTURE = (
    "major",
    "minor",
    "warp_size",
    "regs_per_multiprocessor",
    "max_threads_per_multi_processor",
    "max_threads_per_block",
    "shared_memory_per_block",
    "shared_memory_per_block_optin",
    "shared_memory_per_multiprocessor",
)
PER_PRODUCT = (
    "multi_processor_count",
    "total_memory",
    "L2_cache_size",
    "clock_rate",
    "memory_clock_rate",
    "memory_bus_width",
)
#: The fields of a target that are numbers, all of which a GPU has, in the order in which they are shown.
NUMBERS = (*PER_ARCHITECTURE[:2], *PER_PRODUCT, *PER_ARCHITECTURE[2:])


@dataclass(frozen=True)
class Target:
    """One GPU (or the CPU) that code is generated for.

    The fields from `major` on carry the names, units and meaning that they have in
    ``torch.cuda.get_device_properties``: memory sizes in bytes, clocks in kHz, the bus width in bits.
    For the CPU they are 0: nothing reads them.
    """

    name: str
    device_name: str
    backend: Backend
    arch: int | str
    sources: tuple[Source, ...]
    warp_size: int = 0
    major: int = 0
    minor: int = 0
    multi_processor_count: int = 0
    regs_per_multiprocessor: int = 0
    max_threads_per_multi_processor: int = 0
    max_threads_per_block: int = 0
    total_memory: int = 0
    L2_cache_size: int = 0
    shared_memory_per_block: int = 0
    shared_memory_per_block_optin: int = 0
    shared_memory_per_multiprocessor: int = 0
    clock_rate: int = 0
    memory_clock_rate: int = 0
    memory_bus_width: int = 0
    gcnArchName: str = ""  # noqa: N815 (torch's name for it)

    @property
    def is_gpu(self) -> bool:
        """Whether tensors of this target live on a GPU ("cuda" in torch's words, for AMD GPUs as well)."""
        return self.backend != "cpu"
