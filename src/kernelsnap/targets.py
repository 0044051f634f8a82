"""The GPUs that code can be captured for: one entry of one table each.

A target holds every property that TorchInductor and Triton read while they generate code, as
``torch.cuda.get_device_properties`` reports them, and where each number comes from. Adding a GPU is adding
one entry to `_TARGETS`. This module imports no torch.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from kernelsnap.errors import KernelsnapError

Backend = Literal["cuda", "hip", "cpu"]

# The name that stands for the real GPU of this machine. It has no table entry: its properties are known there only.
NATIVE = "native"

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB

_CUDA_TECHNICAL_SPECIFICATIONS = "CUDA C++ Programming Guide, table 'Technical Specifications per Compute Capability'"


class UnknownTargetError(KernelsnapError):
    """A target name that stands in no table entry."""


@dataclass(frozen=True)
class Source:
    """Where some of a target's numbers come from: the names of its fields, and a citation."""

    fields: tuple[str, ...]
    citation: str


# Fixed by the compute capability alone.
_PER_CAPABILITY = (
    "warp_size",
    "regs_per_multiprocessor",
    "max_threads_per_multi_processor",
    "max_threads_per_block",
    "shared_memory_per_block",
    "shared_memory_per_block_optin",
    "shared_memory_per_multiprocessor",
)
_PER_PRODUCT = (
    "major",
    "minor",
    "multi_processor_count",
    "total_memory",
    "L2_cache_size",
    "clock_rate",
    "memory_clock_rate",
    "memory_bus_width",
)


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


_TARGETS: tuple[Target, ...] = (
    Target(
        name="h100",
        device_name="NVIDIA H100 80GB HBM3",
        backend="cuda",
        arch=90,
        sources=(
            Source(
                (*_PER_CAPABILITY, *_PER_PRODUCT),
                "measured on an H100 SXM5 80GB: torch.cuda.get_device_properties of torch 2.11",
            ),
        ),
        warp_size=32,
        major=9,
        minor=0,
        multi_processor_count=132,
        regs_per_multiprocessor=65536,
        max_threads_per_multi_processor=2048,
        max_threads_per_block=1024,
        total_memory=85_017_493_504,
        L2_cache_size=50 * _MIB,
        shared_memory_per_block=48 * _KIB,
        shared_memory_per_block_optin=227 * _KIB,
        shared_memory_per_multiprocessor=228 * _KIB,
        clock_rate=1_980_000,
        memory_clock_rate=2_619_000,
        memory_bus_width=5120,
    ),
    Target(
        name="a100",
        device_name="NVIDIA A100-SXM4-80GB",
        backend="cuda",
        arch=80,
        sources=(
            Source(_PER_CAPABILITY, f"{_CUDA_TECHNICAL_SPECIFICATIONS}, column 8.0"),
            Source(
                _PER_PRODUCT,
                "NVIDIA A100 Tensor Core GPU Architecture whitepaper, table 'Comparison of NVIDIA Data Center "
                "GPUs', and the A100 80GB datasheet; memory size is nominal, the driver reports about 1% less",
            ),
        ),
        warp_size=32,
        major=8,
        minor=0,
        multi_processor_count=108,
        regs_per_multiprocessor=65536,
        max_threads_per_multi_processor=2048,
        max_threads_per_block=1024,
        total_memory=80 * _GIB,
        L2_cache_size=40 * _MIB,
        shared_memory_per_block=48 * _KIB,
        shared_memory_per_block_optin=163 * _KIB,
        shared_memory_per_multiprocessor=164 * _KIB,
        clock_rate=1_410_000,
        memory_clock_rate=1_593_000,
        memory_bus_width=5120,
    ),
    Target(
        name="b200",
        device_name="NVIDIA B200",
        backend="cuda",
        arch=100,
        sources=(
            Source(_PER_CAPABILITY, f"{_CUDA_TECHNICAL_SPECIFICATIONS}, column 10.0"),
            Source(
                tuple(field for field in _PER_PRODUCT if field != "clock_rate"),
                "what the driver reports on a B200: https://github.com/pytorch/ao/pull/4002 (memory size to 0.01 GiB)",
            ),
            Source(("clock_rate",), "https://hmc-tech.com/gpus/nvidia-b200-vs-nvidia-b100 (boost; NVIDIA states none)"),
        ),
        warp_size=32,
        major=10,
        minor=0,
        multi_processor_count=148,
        regs_per_multiprocessor=65536,
        max_threads_per_multi_processor=2048,
        max_threads_per_block=1024,
        total_memory=17835 * _GIB // 100,
        L2_cache_size=253 * _MIB // 2,
        shared_memory_per_block=48 * _KIB,
        shared_memory_per_block_optin=227 * _KIB,
        shared_memory_per_multiprocessor=228 * _KIB,
        clock_rate=1_980_000,
        memory_clock_rate=3_996_000,
        memory_bus_width=7680,
    ),
    Target(
        name="l4",
        device_name="NVIDIA L4",
        backend="cuda",
        arch=89,
        sources=(
            Source(_PER_CAPABILITY, f"{_CUDA_TECHNICAL_SPECIFICATIONS}, column 8.9"),
            Source(
                _PER_PRODUCT,
                "NVIDIA L4 Tensor Core GPU datasheet and NVIDIA Ada GPU Architecture whitepaper (AD104); "
                "memory size is nominal, the driver reports about 6% less (ECC)",
            ),
        ),
        warp_size=32,
        major=8,
        minor=9,
        multi_processor_count=58,
        regs_per_multiprocessor=65536,
        max_threads_per_multi_processor=1536,
        max_threads_per_block=1024,
        total_memory=24 * _GIB,
        L2_cache_size=48 * _MIB,
        shared_memory_per_block=48 * _KIB,
        shared_memory_per_block_optin=99 * _KIB,
        shared_memory_per_multiprocessor=100 * _KIB,
        clock_rate=2_040_000,
        memory_clock_rate=6_251_000,
        memory_bus_width=192,
    ),
    Target(
        name="rtx4090",
        device_name="NVIDIA GeForce RTX 4090",
        backend="cuda",
        arch=89,
        sources=(
            Source(_PER_CAPABILITY, f"{_CUDA_TECHNICAL_SPECIFICATIONS}, column 8.9"),
            Source(
                _PER_PRODUCT,
                "NVIDIA Ada GPU Architecture whitepaper, table 'GeForce RTX 4090 vs GeForce RTX 3090 Ti'; "
                "memory size is nominal, the driver reports about 2% less",
            ),
        ),
        warp_size=32,
        major=8,
        minor=9,
        multi_processor_count=128,
        regs_per_multiprocessor=65536,
        max_threads_per_multi_processor=1536,
        max_threads_per_block=1024,
        total_memory=24 * _GIB,
        L2_cache_size=72 * _MIB,
        shared_memory_per_block=48 * _KIB,
        shared_memory_per_block_optin=99 * _KIB,
        shared_memory_per_multiprocessor=100 * _KIB,
        clock_rate=2_520_000,
        memory_clock_rate=10_501_000,
        memory_bus_width=384,
    ),
    Target(
        name="mi300x",
        device_name="AMD Instinct MI300X",
        backend="hip",
        arch="gfx942",
        sources=(
            Source(
                (*_PER_CAPABILITY, *_PER_PRODUCT),
                "AMD CDNA 3 Architecture whitepaper and the MI300X data sheet; ROCm documentation, "
                "'Accelerator and GPU hardware specifications'. L2 is one XCD's; memory size is nominal",
            ),
        ),
        warp_size=64,
        major=9,
        minor=4,
        multi_processor_count=304,
        regs_per_multiprocessor=65536,
        max_threads_per_multi_processor=2048,
        max_threads_per_block=1024,
        total_memory=192 * _GIB,
        L2_cache_size=4 * _MIB,
        shared_memory_per_block=64 * _KIB,
        shared_memory_per_block_optin=64 * _KIB,
        shared_memory_per_multiprocessor=64 * _KIB,
        clock_rate=2_100_000,
        memory_clock_rate=1_300_000,
        memory_bus_width=8192,
        gcnArchName="gfx942:sramecc+:xnack-",
    ),
    Target(name="cpu", device_name="CPU", backend="cpu", arch="cpu", sources=()),
)

TARGETS: dict[str, Target] = {entry.name: entry for entry in _TARGETS}


def target_names() -> tuple[str, ...]:
    """Every name a user may give, `NATIVE` included, in the table's order."""
    return (*TARGETS, NATIVE)


def is_native(name: str) -> bool:
    """Whether this name stands for the real GPU of this machine."""
    return name == NATIVE


def target(name: str) -> Target:
    """The table's entry of this name.

    Raises `UnknownTargetError`, with the known names and the closest one, where there is none; also for
    `NATIVE`, whose properties only the machine with that GPU knows.
    """
    if name in TARGETS:
        return TARGETS[name]
    if is_native(name):
        raise UnknownTargetError(
            f"'{NATIVE}' is the real GPU of this machine, not a GPU described in the table; "
            f"the table has {', '.join(TARGETS)}"
        )
    closest = difflib.get_close_matches(name.lower(), target_names(), n=1, cutoff=0.5)
    hint = f" (did you mean '{closest[0]}'?)" if closest else ""
    raise UnknownTargetError(f"unknown target '{name}'{hint}; known targets: {', '.join(target_names())}")
