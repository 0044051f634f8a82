"""What the estimate knows of a GPU: its own rates, and what was fitted. Each number has its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsnap.targets.target import Target


@dataclass(frozen=True)
class Fitted:
    """What was fitted on the half of the recorded pairs that is for fitting: `tools/fit_cost.py`, docs/cost.md."""

    start: float = 3.23  # microseconds until the first kernel of a graph has begun and its end was noticed
    kernel: float = 1.42  # for each further kernel
    extern: float = 2.98  # that a product, a convolution or attention of a library takes at least
    dram: float = 0.892  # of the rate that memory clock and bus width give
    l2_rate: float = 5.1  # TB/s between L1 and L2
    l2_whole: float = 0.358  # how much more where warps ask for whole lines
    l1_rate: float = 0.896  # 128-byte lines a clock and multiprocessor
    issue: float = 0.84  # of the instructions that a multiprocessor could issue
    sfu: float = 0.896
    fp64: float = 1.0
    exchange: float = 2.0  # clocks of a multiprocessor for what threads of a warp exchange
    descent: float = 0.93  # what is left of a kernel's time when the autotuner looks beyond the configurations
    launched: float = 1.66  # programs in a nanosecond, of which each may be as short as it likes
    tensor: float = 0.741  # of the tensor cores' rate, in generated kernels
    library: float = 0.763  # and in libraries
    attention: float = 0.65  # with heads of 128
    attention_backward: float = 0.54
    memory_wait: float = 0.277  # microseconds until data comes from memory
    loop_wait: float = 0.246  # the same in a loop that is not unrolled
    unrolled: float = 3.96  # turns of a loop with a small body that load at a time
    small_body: float = 11.6  # instructions of a body from which on it is not unrolled
    dot_wait: float = 0.546  # the same with matrix products, of which a pipeline of several stages hides a part
    narrow: float = 0.0468  # how much longer memory takes if each thread moves single elements
    tail: float = 2.51  # of a program's life, while the last programs run on multiprocessors that are not full
    serial: float = 12.2  # of the clocks that a step of a reduction takes until the next can begin
    program: float = 0.726  # microseconds in which a program begins and ends
    barrier: float = 0.00113  # microseconds at which the warps of a program wait for each other
    chain: float = 10.7  # clocks from an instruction to one that needs its result
    atomic_rate: float = 88.5  # sectors that atomics are sent to, in 1000 a microsecond
    atomic_lanes: float = 441.0  # operations of single elements, in 1000 a microsecond
    atomic_same: float = 0.088  # operations of one sector, in 1000 a microsecond
    l1_kept: float = 64.0  # KiB of a buffer that all programs read, which stay in L1
    multiply: float = 0.347  # of the rate without tensor cores, of products in full fp32
    convolution: float = 0.678
    unaligned: float = 0.153  # of a library's product whose rows do not begin at multiples of 16 bytes
    together_dot: float = 5.36  # as `together`, of kernels with matrix products
    together: float = 4.8  # how well several limits overlap: 1 adds them, infinity takes the largest
    l2_share: float = 0.994  # of L2 that keeps what is read again
    registers: float = 1.7  # registers of a thread for each element that it has of the largest block
    library_thin: float = 0.815  # of memory's rate, in libraries


@dataclass(frozen=True)
class Machine:
    """The rates of one GPU."""

    name: str
    multiprocessors: int
    clock: float  # GHz
    dram: float  # TB/s, by memory clock and bus width
    l2: int  # bytes
    registers: int  # of a multiprocessor
    threads: int
    shared: int
    tensor: Mapping[str, float]  # TFLOP/s of tensor cores, by type
    fp32: float  # TFLOP/s without them
    fp64_lanes: float  # operations a clock and multiprocessor
    source: str
    measured: bool
    fitted: Fitted = field(default_factory=Fitted)


# Dense rates without sparsity, of NVIDIA's data sheets: H100 SXM5 and H200 (the same processor), A100, B200.
_HOPPER = {"bf16": 989.0, "fp16": 989.0, "tf32": 494.0, "fp8e4nv": 1979.0, "fp8e5": 1979.0, "fp64": 67.0, "i8": 1979.0}
_AMPERE = {"bf16": 312.0, "fp16": 312.0, "tf32": 156.0, "fp64": 19.5, "i8": 624.0}
_BLACKWELL = {"bf16": 2250.0, "fp16": 2250.0, "tf32": 1100.0, "fp8e4nv": 4500.0, "fp8e5": 4500.0, "fp64": 40.0,
              "i8": 4500.0}  # fmt: skip
_DATA_SHEET = "the vendor's data sheet for the tensor cores; the other rates follow from the target's own numbers; "
_NOT_MEASURED = "what was fitted is the H200's, and was not measured on this GPU"
_FP64_LANES = {(9, 0): 64.0, (8, 0): 32.0, (10, 0): 64.0}
_TENSOR = {
    "h200": (_HOPPER, True, "fitted on times that an H200 took"),
    "h100": (_HOPPER, False, _NOT_MEASURED),
    "a100": (_AMPERE, False, _NOT_MEASURED),
    "b200": (_BLACKWELL, False, _NOT_MEASURED),
}


def machine_for(target: Target) -> Machine | None:
    """The rates of a target; None where there are none: an AMD GPU, a CPU, a GPU that only a project describes."""
    if target.name not in _TENSOR:
        return None
    tensor, measured, how = _TENSOR[target.name]
    clock = target.clock_rate / 1e6
    return Machine(
        name=target.name,
        multiprocessors=target.multi_processor_count,
        clock=clock,
        # Two transfers a clock.
        dram=2 * target.memory_clock_rate * 1e3 * target.memory_bus_width / 8 / 1e12,
        l2=target.L2_cache_size,
        registers=target.regs_per_multiprocessor,
        threads=target.max_threads_per_multi_processor,
        shared=target.shared_memory_per_multiprocessor,
        tensor=tensor,
        fp32=target.multi_processor_count * 128 * 2 * clock / 1e3,
        fp64_lanes=_FP64_LANES[target.major, target.minor],
        source=_DATA_SHEET + how,
        measured=measured,
    )
