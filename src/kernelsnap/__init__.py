"""Golden-file snapshot tests for the GPU code that torch.compile generates, on a machine without a GPU."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelsnap.capture.aot import capture_aot
    from kernelsnap.capture.machine_code.kernel_resources import kernel_resources
    from kernelsnap.capture.run import capture, capture_refusal
    from kernelsnap.virtual import virtual_device

# Imported when they are asked for: reading and comparing goldens must not wait for torch, nor need it.
_NEEDS_TORCH = {
    "capture": "kernelsnap.capture.run",
    "capture_aot": "kernelsnap.capture.aot",
    "capture_refusal": "kernelsnap.capture.run",
    "kernel_resources": "kernelsnap.capture.machine_code.kernel_resources",
    "virtual_device": "kernelsnap.virtual",
}

__all__ = ["capture", "capture_aot", "capture_refusal", "kernel_resources", "virtual_device"]


def __getattr__(name: str) -> object:
    if name in _NEEDS_TORCH:
        from kernelsnap.shared.processes import collecting_garbage_rarely

        with collecting_garbage_rarely():
            return getattr(importlib.import_module(_NEEDS_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Root(ModuleType):
    """Keeps the name `capture` for the function.

    There is a package of that name, too, and Python's import system would set `kernelsnap.capture` to it as soon as any
    module in it is loaded. Write `from kernelsnap.capture import run` to get a module of the package.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _NEEDS_TORCH and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Root
