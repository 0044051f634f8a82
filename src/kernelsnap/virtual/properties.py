"""The properties of a GPU: what ``torch.cuda`` answers about a virtual one, and what this machine's own says."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import torch

from kernelsnap.targets.device_reading import DeviceReadingError, Reading
from kernelsnap.targets.target import Target
from kernelsnap.virtual import private


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


def read_gpu(index: int = 0) -> Reading:
    """Ask the GPU of this number, through torch and through Triton.

    Triton compiles a small C module to ask; where it cannot, torch alone is asked.

    Raises:
        DeviceReadingError: torch sees no GPU of this number, and why.
    """
    if not torch.cuda.is_available():
        raise DeviceReadingError(f"there is no GPU to read: {_why_none()}")
    if not 0 <= index < torch.cuda.device_count():
        raise DeviceReadingError(f"there is no GPU {index}: torch sees {torch.cuda.device_count()}, counted from 0")
    properties = torch.cuda.get_device_properties(index)
    names = [name for name in dir(properties) if not name.startswith("_")]
    found = {name: value for name in names if isinstance(value := getattr(properties, name), int | str)}
    limits, triton = _limits(index)
    return Reading("hip" if torch.version.hip else "cuda", found, torch.__version__, limits, triton)


def _why_none() -> str:
    if not torch.version.cuda and not torch.version.hip:
        return (
            f"torch {torch.__version__} is built for the CPU only; install a build for your GPU (https://pytorch.org)"
        )
    return f"torch {torch.__version__} finds no GPU; look at `nvidia-smi` or `rocminfo`"


def _limits(index: int) -> tuple[dict[str, int | str], str]:
    """What Triton's driver says, and Triton's version; nothing, and why, where it cannot be asked."""
    try:
        import triton

        return dict(private.DRIVER.get().active.utils.get_device_properties(index)), triton.__version__
    except Exception as error:  # no Triton, no C compiler for it, another Triton: torch's numbers are all there is
        return {}, f"({type(error).__name__}: {' '.join(str(error).split())[:200]})"
