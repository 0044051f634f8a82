"""Triton's view of the virtual GPU: a driver that knows its target and launches nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch

from kernelsnap.errors import UnsupportedTritonError
from kernelsnap.targets.target import Target
from kernelsnap.virtual import private

# Triton's own names of its backends.
_TRITON_BACKENDS = {"cuda": "nvidia", "hip": "amd"}


def _utils(target: Target) -> SimpleNamespace:
    """The part of a driver that asks the GPU: its limits, and a loader that loads nothing."""
    limits = {
        "max_shared_mem": target.shared_memory_per_block_optin,
        "multiprocessor_count": target.multi_processor_count,
        "max_num_regs": target.regs_per_multiprocessor,
        "warpSize": target.warp_size,
        "sm_clock_rate": target.clock_rate,
        "mem_clock_rate": target.memory_clock_rate,
        "mem_bus_width": target.memory_bus_width,
        "arch": target.gcnArchName,
    }
    return SimpleNamespace(
        get_device_properties=lambda device: limits,
        # module, function, registers, spills, threads: a handle of 0 is never launched.
        load_binary=lambda *args: (0, 0, 0, 0, target.max_threads_per_block),
    )


class _NoLauncher:
    """Takes the place of a kernel launcher, and does nothing when called."""

    def __init__(self, *args: object) -> None:
        pass

    def __call__(self, *args: object, **kwargs: object) -> None:
        pass


def virtual_driver(target: Target) -> Any:
    """A driver of Triton's backend for this target.

    It is an instance of that backend's own driver class, because torch asks for that with ``isinstance`` before
    it would replace the active driver; the class's constructor, which loads the vendor's library, is not run.
    """
    backends, gpu_target = private.TRITON_BACKENDS.get(), private.GPU_TARGET.get()
    name = _TRITON_BACKENDS[target.backend]
    if name not in backends:
        raise UnsupportedTritonError(f"this triton was built without its '{name}' backend, which {target.name} needs")
    base: Any = backends[name].driver

    class VirtualDriver(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self.utils = _utils(target)
            self.launcher_cls = _NoLauncher
            self.get_device_capability = torch.cuda.get_device_capability
            self.get_current_stream = lambda device: 0
            self.get_current_device = lambda: 0
            self.set_current_device = lambda device: None

        def get_current_target(self) -> Any:
            return gpu_target(target.backend, target.arch, target.warp_size)

        def get_active_torch_device(self) -> torch.device:
            return torch.device("cuda", 0)

    return VirtualDriver()


@contextlib.contextmanager
def active_driver(target: Target) -> Iterator[None]:
    """Make Triton's active and default driver the virtual one; put back what was there.

    The default is replaced as well: ``driver.reset_active()`` would look for a GPU otherwise. Raises
    `UnsupportedTritonError` where Triton keeps its drivers elsewhere.
    """
    driver = virtual_driver(target)
    with private.ACTIVE_DRIVER.replaced(driver), private.DEFAULT_DRIVER.replaced(driver):
        yield


@contextlib.contextmanager
def launches_refused(refuse: Callable[[str], None]) -> Iterator[None]:
    """Call `refuse` with what is launched in place of each launch inside the block, where the virtual driver is active.

    A kernel that was compiled before keeps the launcher that it has.
    """

    class Refusing(_NoLauncher):
        def __init__(self, source: Any, *args: object) -> None:
            self._name = f"launching the Triton kernel {getattr(source, 'name', '')}".rstrip()

        def __call__(self, *args: object, **kwargs: object) -> None:
            refuse(self._name)

    active = private.ACTIVE_DRIVER.get()
    before, active.launcher_cls = active.launcher_cls, Refusing
    try:
        yield
    finally:
        active.launcher_cls = before
