"""The GPUs that code can be captured for: one entry each. Adding a GPU is adding one here.

What all GPUs of one compute capability (NVIDIA) or architecture (AMD) have in common is a target that names no product.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kernelsnap.targets.target import PER_ARCHITECTURE, PER_PRODUCT, Source, Target

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB

_SHARED_MEMORY = ("shared_memory_per_block", "shared_memory_per_block_optin", "shared_memory_per_multiprocessor")


def _cuda(major: int, minor: int, threads: int, shared_kib: int, source: Source | None = None) -> Target:
    """A compute capability: threads and shared memory (KiB) of one multiprocessor; the rest is the same in all.

    A block gets 48 KiB of shared memory unless it opts in, and then all but the 1 KiB that CUDA keeps for itself.
    """
    table = "CUDA C++ Programming Guide, table 'Technical Specifications per Compute Capability'"
    return Target(
        name="",
        device_name="",
        backend="cuda",
        arch=major * 10 + minor,
        major=major,
        minor=minor,
        warp_size=32,
        regs_per_multiprocessor=65536,
        max_threads_per_multi_processor=threads,
        max_threads_per_block=1024,
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


def _cdna(arch: str, registers: int, shared_kib: int, *sources: Source) -> Target:
    """An architecture of AMD. Shared memory belongs to a compute unit, and one block may have all of it."""
    shared = shared_kib * _KIB
    return Target(
        name="",
        device_name="",
        backend="hip",
        arch=arch,
        gcnArchName=f"{arch}:sramecc+:xnack-",
        major=9,
        minor=int(arch[-2]),
        warp_size=64,
        regs_per_multiprocessor=registers,
        max_threads_per_multi_processor=2048,
        max_threads_per_block=1024,
        shared_memory_per_block=shared,
        shared_memory_per_block_optin=shared,
        shared_memory_per_multiprocessor=shared,
        sources=(Source(("major", "minor"), "published", _NAME), *sources),
    )


CDNA_3 = _cdna(
    "gfx942",
    65536,
    64,
    Source(
        ("warp_size", "max_threads_per_multi_processor", "max_threads_per_block", *_SHARED_MEMORY),
        "published",
        "AMD CDNA 3 Architecture whitepaper; ROCm documentation, 'Accelerator and GPU hardware specifications'",
    ),
    Source(("regs_per_multiprocessor",), "reported", "TorchInductor's own output on an MI300X with ROCm 6"),
)
CDNA_4 = _cdna(
    "gfx950",
    131072,
    160,
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
)


def _gpu(name: str, device_name: str, architecture: Target, numbers: tuple[int, ...], *sources: Source) -> Target:
    """A product: what every GPU of its architecture has, and its own numbers, in the order and units of `PER_PRODUCT`.

    These are: multiprocessors, memory, L2, clock, clock of the memory (both in kHz), and width of the bus in bits.
    """
    own: dict[str, Any] = dict(zip(PER_PRODUCT, numbers, strict=True))
    sources = (*architecture.sources, *sources)
    return replace(architecture, name=name, device_name=device_name, sources=sources, **own)


_ALL_BUT_MEMORY = tuple(field for field in PER_PRODUCT if field != "total_memory")


ENTRIES: tuple[Target, ...] = (
    _gpu(
        "h100",
        "NVIDIA H100 80GB HBM3",
        HOPPER_90,
        (132, 85_017_493_504, 50 * _MIB, 1_980_000, 2_619_000, 5120),
        Source(PER_PRODUCT, "measured", "an H100 SXM5 80GB: torch.cuda.get_device_properties of torch 2.11"),
    ),
    _gpu(
        "h200",
        "NVIDIA H200",
        HOPPER_90,
        (132, 150_109_880_320, 60 * _MIB, 1_980_000, 3_201_000, 6016),
        Source(PER_PRODUCT, "measured", "an H200 SXM5 141GB: torch.cuda.get_device_properties of torch 2.11"),
    ),
    _gpu(
        "b200",
        "NVIDIA B200",
        BLACKWELL_100,
        (148, 182_642 * _MIB, 126 * _MIB + _MIB // 2, 1_965_000, 3_996_000, 7680),
        Source(
            PER_PRODUCT,
            "reported",
            "memory by torch.cuda.get_device_properties; SMs, L2, bus width and memory clock by the CUDA runtime "
            "and nvidia-smi (pytorch/ao pull request 4002; older drivers report a bus of 8192 bits); SM clock as "
            "in benchmarks that name it (FlashInfer)",
        ),
    ),
    _gpu(
        "a100",
        "NVIDIA A100-SXM4-80GB",
        AMPERE_80,
        (108, 84_987_740_160, 40 * _MIB, 1_410_000, 1_593_000, 5120),
        Source(
            _ALL_BUT_MEMORY,
            "published",
            "NVIDIA A100 Tensor Core GPU Architecture whitepaper, table 'Comparison of NVIDIA Data Center "
            "GPUs', and the A100 80GB datasheet; the same as deviceQuery reports on such GPUs",
        ),
        Source(("total_memory",), "reported", "deviceQuery on such GPUs; this is the least that was seen"),
    ),
    _gpu(
        "l4",
        "NVIDIA L4",
        ADA_89,
        (58, 23_612_293_120, 48 * _MIB, 2_040_000, 6_251_000, 192),
        Source(
            _ALL_BUT_MEMORY,
            "published",
            "NVIDIA L4 Tensor Core GPU datasheet and NVIDIA Ada GPU Architecture whitepaper (AD104); the same as "
            "deviceQuery reports on such a GPU",
        ),
        Source(("total_memory",), "reported", "deviceQuery on such a GPU (less than 24 GiB for ECC)"),
    ),
    _gpu(
        "rtx4090",
        "NVIDIA GeForce RTX 4090",
        ADA_89,
        (128, 25_250_627_584, 72 * _MIB, 2_520_000, 10_501_000, 384),
        Source(
            _ALL_BUT_MEMORY,
            "published",
            "NVIDIA Ada GPU Architecture whitepaper, table 'GeForce RTX 4090 vs GeForce RTX 3090 Ti'; the same as "
            "deviceQuery reports on such GPUs",
        ),
        Source(("total_memory",), "reported", "deviceQuery on such a GPU; it differs between drivers"),
    ),
    _gpu(
        "rtx5090",
        "NVIDIA GeForce RTX 5090",
        BLACKWELL_120,
        (170, 33_680_457_728, 96 * _MIB, 2_550_000, 14_001_000, 512),
        Source(
            PER_PRODUCT,
            "reported",
            "deviceQuery on two such GPUs (NVIDIA/nccl issue 1637); overclocked cards report a higher clock",
        ),
    ),
    _gpu(
        "mi300x",
        "AMD Instinct MI300X",
        CDNA_3,
        (304, 196_592 * _MIB, 4 * _MIB, 2_100_000, 1_300_000, 8192),
        Source(
            ("multi_processor_count", "clock_rate", "memory_clock_rate", "memory_bus_width"),
            "published",
            "AMD CDNA 3 Architecture whitepaper and the MI300X data sheet; ROCm documentation, 'Accelerator and "
            "GPU hardware specifications'",
        ),
        Source(
            ("total_memory", "L2_cache_size"),
            "reported",
            "torch on such a GPU (ROCm/legacy-rocm-build issue 4203); the L2 is one XCD's",
        ),
    ),
    _gpu(
        "mi350",
        "AMD Instinct MI350X",
        CDNA_4,
        (256, 288 * _GIB, 4 * _MIB, 2_200_000, 2_000_000, 8192),
        Source(
            ("multi_processor_count",),
            "reported",
            "TorchInductor's own output on such a GPU: DeviceProperties(type='hip', cc='gfx950', ...)",
        ),
        Source(
            ("clock_rate", "L2_cache_size"),
            "reported",
            "rocminfo on an MI350X (ROCm/device-metrics-exporter issue 315)",
        ),
        Source(
            ("total_memory", "memory_clock_rate", "memory_bus_width"),
            "published",
            "AMD CDNA 4 Architecture whitepaper: 288 GB in eight stacks of 1024 bits at 8 Gbit/s, reported as a "
            "quarter of that rate, as on the MI300X; memory size is nominal",
        ),
    ),
    Target(name="cpu", device_name="CPU", backend="cpu", arch="cpu", sources=()),
)
