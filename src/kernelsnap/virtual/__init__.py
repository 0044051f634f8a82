"""The virtual GPU: with it, torch generates the code for a GPU on a machine that has none."""

from kernelsnap.errors import UnsupportedTorchError, UnsupportedTritonError
from kernelsnap.virtual.device import VirtualDeviceError, active_target, require_autograd, virtual_device
from kernelsnap.virtual.guard import CompilerMissingError
from kernelsnap.virtual.needs_gpu import NeedsGpuError

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
