"""The GPU that is not there: torch generates its code on a machine without one."""

from kernelsnap.virtual.device import VirtualDeviceError, active_target, require_autograd, virtual_device
from kernelsnap.virtual.guard import CompilerMissingError
from kernelsnap.virtual.needs_gpu import NeedsGpuError
from kernelsnap.virtual.support import UnsupportedTorchError, UnsupportedTritonError

__all__ = [
    "CompilerMissingError",
    "NeedsGpuError",
    "UnsupportedTorchError",
    "UnsupportedTritonError",
    "VirtualDeviceError",
    "active_target",
    "require_autograd",
    "virtual_device",
]
