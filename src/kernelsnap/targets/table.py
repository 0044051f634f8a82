"""The GPUs that code can be captured for: one entry each. Adding a GPU is adding one here."""

from __future__ import annotations

from kernelsnap.targets.architectures import (
    ADA_89,
    AMPERE_80,
    BLACKWELL_100,
    BLACKWELL_120,
    CDNA_3,
    CDNA_4,
    HOPPER_90,
    Architecture,
)
from kernelsnap.targets.target import PER_PRODUCT, Source, Target

_MIB = 1024 * 1024
_GIB = 1024 * _MIB


def _gpu(
    name: str,
    device_name: str,
    architecture: Architecture,
    *sources: Source,
    multi_processor_count: int,
    total_memory: int,
    l2_cache_size: int,
    clock_rate: int,
    memory_clock_rate: int,
    memory_bus_width: int,
) -> Target:
    """A product: what it has of its own, in the units of `Target`, with what every GPU of its architecture has."""
    return Target(
        name=name,
        device_name=device_name,
        backend=architecture.backend,
        arch=architecture.name,
        sources=(*architecture.sources, *sources),
        major=architecture.major,
        minor=architecture.minor,
        multi_processor_count=multi_processor_count,
        total_memory=total_memory,
        L2_cache_size=l2_cache_size,
        clock_rate=clock_rate,
        memory_clock_rate=memory_clock_rate,
        memory_bus_width=memory_bus_width,
        warp_size=architecture.warp_size,
        regs_per_multiprocessor=architecture.regs_per_multiprocessor,
        max_threads_per_multi_processor=architecture.max_threads_per_multi_processor,
        max_threads_per_block=architecture.max_threads_per_block,
        shared_memory_per_block=architecture.shared_memory_per_block,
        shared_memory_per_block_optin=architecture.shared_memory_per_block_optin,
        shared_memory_per_multiprocessor=architecture.shared_memory_per_multiprocessor,
        gcnArchName=architecture.gcn_arch_name,
    )


_ALL_BUT_MEMORY = tuple(field for field in PER_PRODUCT if field != "total_memory")


ENTRIES: tuple[Target, ...] = (
    _gpu(
        "h100",
        "NVIDIA H100 80GB HBM3",
        HOPPER_90,
        Source(PER_PRODUCT, "measured", "an H100 SXM5 80GB: torch.cuda.get_device_properties of torch 2.11"),
        multi_processor_count=132,
        total_memory=85_017_493_504,
        l2_cache_size=50 * _MIB,
        clock_rate=1_980_000,
        memory_clock_rate=2_619_000,
        memory_bus_width=5120,
    ),
    _gpu(
        "h200",
        "NVIDIA H200",
        HOPPER_90,
        Source(PER_PRODUCT, "measured", "an H200 SXM5 141GB: torch.cuda.get_device_properties of torch 2.11"),
        multi_processor_count=132,
        total_memory=150_109_880_320,
        l2_cache_size=60 * _MIB,
        clock_rate=1_980_000,
        memory_clock_rate=3_201_000,
        memory_bus_width=6016,
    ),
    _gpu(
        "b200",
        "NVIDIA B200",
        BLACKWELL_100,
        Source(
            PER_PRODUCT,
            "reported",
            "memory by torch.cuda.get_device_properties; SMs, L2, bus width and memory clock by the CUDA runtime "
            "and nvidia-smi (pytorch/ao pull request 4002; older drivers report a bus of 8192 bits); SM clock as "
            "in benchmarks that name it (FlashInfer)",
        ),
        multi_processor_count=148,
        total_memory=182_642 * _MIB,
        l2_cache_size=126 * _MIB + _MIB // 2,
        clock_rate=1_965_000,
        memory_clock_rate=3_996_000,
        memory_bus_width=7680,
    ),
    _gpu(
        "a100",
        "NVIDIA A100-SXM4-80GB",
        AMPERE_80,
        Source(
            _ALL_BUT_MEMORY,
            "published",
            "NVIDIA A100 Tensor Core GPU Architecture whitepaper, table 'Comparison of NVIDIA Data Center "
            "GPUs', and the A100 80GB datasheet; the same as deviceQuery reports on such GPUs",
        ),
        Source(("total_memory",), "reported", "deviceQuery on such GPUs; this is the least that was seen"),
        multi_processor_count=108,
        total_memory=84_987_740_160,
        l2_cache_size=40 * _MIB,
        clock_rate=1_410_000,
        memory_clock_rate=1_593_000,
        memory_bus_width=5120,
    ),
    _gpu(
        "l4",
        "NVIDIA L4",
        ADA_89,
        Source(
            _ALL_BUT_MEMORY,
            "published",
            "NVIDIA L4 Tensor Core GPU datasheet and NVIDIA Ada GPU Architecture whitepaper (AD104); the same as "
            "deviceQuery reports on such a GPU",
        ),
        Source(("total_memory",), "reported", "deviceQuery on such a GPU (less than 24 GiB for ECC)"),
        multi_processor_count=58,
        total_memory=23_612_293_120,
        l2_cache_size=48 * _MIB,
        clock_rate=2_040_000,
        memory_clock_rate=6_251_000,
        memory_bus_width=192,
    ),
    _gpu(
        "rtx4090",
        "NVIDIA GeForce RTX 4090",
        ADA_89,
        Source(
            _ALL_BUT_MEMORY,
            "published",
            "NVIDIA Ada GPU Architecture whitepaper, table 'GeForce RTX 4090 vs GeForce RTX 3090 Ti'; the same as "
            "deviceQuery reports on such GPUs",
        ),
        Source(("total_memory",), "reported", "deviceQuery on such a GPU; it differs between drivers"),
        multi_processor_count=128,
        total_memory=25_250_627_584,
        l2_cache_size=72 * _MIB,
        clock_rate=2_520_000,
        memory_clock_rate=10_501_000,
        memory_bus_width=384,
    ),
    _gpu(
        "rtx5090",
        "NVIDIA GeForce RTX 5090",
        BLACKWELL_120,
        Source(
            PER_PRODUCT,
            "reported",
            "deviceQuery on two such GPUs (NVIDIA/nccl issue 1637); overclocked cards report a higher clock",
        ),
        multi_processor_count=170,
        total_memory=33_680_457_728,
        l2_cache_size=96 * _MIB,
        clock_rate=2_550_000,
        memory_clock_rate=14_001_000,
        memory_bus_width=512,
    ),
    _gpu(
        "mi300x",
        "AMD Instinct MI300X",
        CDNA_3,
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
        multi_processor_count=304,
        total_memory=196_592 * _MIB,
        l2_cache_size=4 * _MIB,
        clock_rate=2_100_000,
        memory_clock_rate=1_300_000,
        memory_bus_width=8192,
    ),
    _gpu(
        "mi350",
        "AMD Instinct MI350X",
        CDNA_4,
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
        multi_processor_count=256,
        total_memory=288 * _GIB,
        l2_cache_size=4 * _MIB,
        clock_rate=2_200_000,
        memory_clock_rate=2_000_000,
        memory_bus_width=8192,
    ),
    Target(name="cpu", device_name="CPU", backend="cpu", arch="cpu", sources=()),
)
