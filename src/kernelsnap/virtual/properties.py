"""What ``torch.cuda`` hands out about a GPU, made from a target."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import torch

from kernelsnap.targets.lookup import Target


class DeviceProperties(SimpleNamespace):
    """Stands in for ``torch._C._CudaDeviceProperties``: same attribute names, same units."""


def device_properties(target: Target) -> DeviceProperties:
    """The object that ``torch.cuda.get_device_properties`` returns for this target."""
    return DeviceProperties(
        name=target.device_name,
        major=target.major,
        minor=target.minor,
        warp_size=target.warp_size,
        multi_processor_count=target.multi_processor_count,
        regs_per_multiprocessor=target.regs_per_multiprocessor,
        max_threads_per_multi_processor=target.max_threads_per_multi_processor,
        max_threads_per_block=target.max_threads_per_block,
        total_memory=target.total_memory,
        L2_cache_size=target.L2_cache_size,
        shared_memory_per_block=target.shared_memory_per_block,
        shared_memory_per_block_optin=target.shared_memory_per_block_optin,
        shared_memory_per_multiprocessor=target.shared_memory_per_multiprocessor,
        clock_rate=target.clock_rate,
        memory_clock_rate=target.memory_clock_rate,
        memory_bus_width=target.memory_bus_width,
        # On CUDA builds torch says the name of the GPU here.
        gcnArchName=target.gcnArchName or target.device_name,
        is_integrated=0,
        is_multi_gpu_board=0,
    )


class VirtualGenerator(torch.Generator):
    """A random generator of the virtual GPU: seeds are kept, numbers are never drawn from it.

    It is a CPU generator underneath, plus the Philox offset that only CUDA generators have.
    """

    _offset = 0

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The device that torch.cuda's generators report."""
        return torch.device("cuda", 0)

    def get_offset(self) -> int:
        """Philox offset, in random numbers drawn: 0 until someone sets it."""
        return self._offset

    def set_offset(self, offset: int) -> torch.Generator:
        """Remember the Philox offset."""
        self._offset = offset
        return self


def memory_info(target: Target) -> SimpleNamespace:
    """What ``torch.cuda.mem_get_info`` reads from the CUDA runtime: everything is free, in bytes."""
    return SimpleNamespace(cudaMemGetInfo=lambda device: (target.total_memory, target.total_memory))


def nvidia_smi(target: Target) -> Callable[[list[str]], list[int]]:
    """Stands in for ``triton.testing.nvsmi``, which asks the command nvidia-smi: clocks in MHz."""
    known = {"clocks.max.sm": target.clock_rate // 1000, "clocks.max.memory": target.memory_clock_rate // 1000}
    return lambda attributes: [known[attribute] for attribute in attributes]
