"""What all GPUs of one compute capability (NVIDIA) or architecture (AMD) have in common, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from kernelsnap.targets.target import PER_ARCHITECTURE, Backend, Source

_KIB = 1024

_SHARED_MEMORY = ("shared_memory_per_block", "shared_memory_per_block_optin", "shared_memory_per_multiprocessor")


@dataclass(frozen=True)
class Architecture:
    """The properties of a target that follow from its architecture, named as in `Target`; memory in bytes."""

    backend: Backend
    name: int | str  # what Triton calls it: 90, "gfx942"
    major: int
    minor: int
    warp_size: int
    regs_per_multiprocessor: int
    max_threads_per_multi_processor: int
    shared_memory_per_block: int
    shared_memory_per_block_optin: int
    shared_memory_per_multiprocessor: int
    sources: tuple[Source, ...]
    gcn_arch_name: str = ""
    max_threads_per_block: int = 1024


def _cuda(major: int, minor: int, threads: int, shared_kib: int, source: Source | None = None) -> Architecture:
    """A compute capability: threads and shared memory (KiB) of one multiprocessor; the rest is the same in all.

    A block gets 48 KiB of shared memory unless it opts in, and then all but the 1 KiB that CUDA keeps for itself.
    """
    table = "CUDA C++ Programming Guide, table 'Technical Specifications per Compute Capability'"
    return Architecture(
        backend="cuda",
        name=major * 10 + minor,
        major=major,
        minor=minor,
        warp_size=32,
        regs_per_multiprocessor=65536,
        max_threads_per_multi_processor=threads,
        shared_memory_per_block=48 * _KIB,
        shared_memory_per_block_optin=(shared_kib - 1) * _KIB,
        shared_memory_per_multiprocessor=shared_kib * _KIB,
        sources=(source or Source(PER_ARCHITECTURE, "published", f"{table}, column {major}.{minor}"),),
    )


_MEASURED = Source(
    PER_ARCHITECTURE,
    "measured",
    "an H100 SXM5 80GB and an H200 SXM5 141GB: torch.cuda.get_device_properties of torch 2.11",
)

AMPERE_80 = _cuda(8, 0, threads=2048, shared_kib=164)
ADA_89 = _cuda(8, 9, threads=1536, shared_kib=100)
HOPPER_90 = _cuda(9, 0, threads=2048, shared_kib=228, source=_MEASURED)
BLACKWELL_100 = _cuda(10, 0, threads=2048, shared_kib=228)
BLACKWELL_120 = _cuda(12, 0, threads=1536, shared_kib=100)

_NAME = "the name of the architecture: gfx, major, minor and stepping, each of the last two one digit"

CDNA_3 = Architecture(
    backend="hip",
    name="gfx942",
    gcn_arch_name="gfx942:sramecc+:xnack-",
    major=9,
    minor=4,
    warp_size=64,
    regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=2048,
    shared_memory_per_block=64 * _KIB,
    shared_memory_per_block_optin=64 * _KIB,
    shared_memory_per_multiprocessor=64 * _KIB,
    sources=(
        Source(("major", "minor"), "published", _NAME),
        Source(
            ("warp_size", "max_threads_per_multi_processor", "max_threads_per_block", *_SHARED_MEMORY),
            "published",
            "AMD CDNA 3 Architecture whitepaper; ROCm documentation, 'Accelerator and GPU hardware specifications'",
        ),
        Source(("regs_per_multiprocessor",), "reported", "TorchInductor's own output on an MI300X with ROCm 6"),
    ),
)
CDNA_4 = Architecture(
    backend="hip",
    name="gfx950",
    gcn_arch_name="gfx950:sramecc+:xnack-",
    major=9,
    minor=5,
    warp_size=64,
    regs_per_multiprocessor=131072,
    max_threads_per_multi_processor=2048,
    shared_memory_per_block=160 * _KIB,
    shared_memory_per_block_optin=160 * _KIB,
    shared_memory_per_multiprocessor=160 * _KIB,
    sources=(
        Source(("major", "minor"), "published", _NAME),
        Source(
            ("warp_size", "regs_per_multiprocessor", "max_threads_per_multi_processor", "max_threads_per_block"),
            "reported",
            "TorchInductor's own output on an MI350X: DeviceProperties(type='hip', cc='gfx950', ...)",
        ),
        Source(
            _SHARED_MEMORY,
            "reported",
            "hipGetDeviceProperties and rocminfo on an MI355X (lightseekorg/tokenspeed pull request 119)",
        ),
    ),
)
