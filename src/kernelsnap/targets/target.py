"""What a target is: every property of a GPU that TorchInductor and Triton read, and where each number comes from.

And what such a description must fulfil: the range of every number, and what follows from another one.
"""

from __future__ import annotations

from collections.abc import Iterator
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


_KIB, _GIB = 1024, 1024**3

#: The least and the largest value of every number, in its unit. They are wide: what they catch is another unit.
RANGES: dict[str, tuple[int, int]] = {
    # TorchInductor refuses to generate Triton code below capability 7.0 (torch/_inductor/scheduler.py).
    "major": (7, 99),
    "minor": (0, 15),
    "multi_processor_count": (1, 4096),
    "total_memory": (_GIB // 2, 16 * 1024 * _GIB),
    "L2_cache_size": (_KIB, 4 * _GIB),
    "clock_rate": (100_000, 10_000_000),
    "memory_clock_rate": (100_000, 100_000_000),
    "memory_bus_width": (16, 65536),
    "warp_size": (32, 64),
    "regs_per_multiprocessor": (4096, 1024 * 1024),
    "max_threads_per_multi_processor": (256, 8192),
    "max_threads_per_block": (256, 8192),
    "shared_memory_per_block": (16 * _KIB, 4 * 1024 * _KIB),
    "shared_memory_per_block_optin": (16 * _KIB, 4 * 1024 * _KIB),
    "shared_memory_per_multiprocessor": (16 * _KIB, 4 * 1024 * _KIB),
}
#: In the words of a message; a number that is not here is a plain count.
UNITS = {
    "total_memory": "bytes",
    "L2_cache_size": "bytes",
    "shared_memory_per_block": "bytes",
    "shared_memory_per_block_optin": "bytes",
    "shared_memory_per_multiprocessor": "bytes",
    "clock_rate": "kHz",
    "memory_clock_rate": "kHz",
    "memory_bus_width": "bits",
}
# The first may not be larger than the second.
_ORDERED = (
    ("max_threads_per_block", "max_threads_per_multi_processor"),
    ("shared_memory_per_block", "shared_memory_per_block_optin"),
    ("shared_memory_per_block_optin", "shared_memory_per_multiprocessor"),
)


def arch_of(backend: str, major: int, minor: int, gcn_arch_name: str) -> int | str:
    """What Triton calls the architecture: 90 for capability 9.0, ``gfx942`` for ``gfx942:sramecc+:xnack-``."""
    return major * 10 + minor if backend == "cuda" else gcn_arch_name.split(":")[0]


def problems(target: Target) -> Iterator[tuple[str, str]]:
    """What is wrong with the description of a GPU: the field, and what to change."""
    for field, (least, largest) in RANGES.items():
        value = getattr(target, field)
        if not least <= value <= largest:
            unit = f" {UNITS[field]}" if field in UNITS else ""
            yield field, f"expected {least:_} to {largest:_}{unit}, found {value:_}"
    for smaller, larger in _ORDERED:
        if getattr(target, smaller) > getattr(target, larger):
            yield smaller, f"{getattr(target, smaller):_} is more than {larger}, {getattr(target, larger):_}"
    yield from _nvidia(target) if target.backend == "cuda" else _amd(target)


def _nvidia(target: Target) -> Iterator[tuple[str, str]]:
    if target.warp_size != 32:
        yield "warp_size", f"every NVIDIA GPU has 32, found {target.warp_size}"
    if target.gcnArchName:
        yield "gcnArchName", 'only AMD GPUs have one: leave it out, or give backend = "hip"'
    if target.arch != arch_of("cuda", target.major, target.minor, ""):
        yield "arch", f"{target.arch} does not follow from major {target.major} and minor {target.minor}"


def _amd(target: Target) -> Iterator[tuple[str, str]]:
    if target.warp_size not in (32, 64):
        yield "warp_size", f"an AMD GPU has 32 or 64, found {target.warp_size}"
    name = target.gcnArchName.split(":")[0]
    digits = name.removeprefix("gfx")
    # LLVM's AMDGPU user guide: gfx, major, minor and stepping, the last two of one hexadecimal digit each.
    if (
        name == digits
        or len(digits) < 3
        or not digits[:-2].isdecimal()
        or not set(digits[-2:]) <= set("0123456789abcdef")
    ):
        yield "gcnArchName", f'expected the name of an architecture, such as "gfx942:sramecc+:xnack-", found "{name}"'
    elif (int(digits[:-2]), int(digits[-2], 16)) != (target.major, target.minor):
        yield "gcnArchName", f"{name} does not agree with major {target.major} and minor {target.minor}"
    elif target.arch != name:
        yield "arch", f"{target.arch} does not follow from gcnArchName, {target.gcnArchName}"
