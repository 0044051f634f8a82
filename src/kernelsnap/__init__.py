"""Golden-file snapshot tests for the GPU code that torch.compile generates, on a machine without a GPU."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelsnap.inductor.kernel_resources import kernel_resources
    from kernelsnap.inductor.refusal import capture_refusal
    from kernelsnap.inductor.run import capture
    from kernelsnap.virtual import virtual_device

# Imported when they are asked for: reading and comparing goldens must not wait for torch, nor need it.
_NEEDS_TORCH = {
    "capture": "kernelsnap.inductor.run",
    "capture_refusal": "kernelsnap.inductor.refusal",
    "kernel_resources": "kernelsnap.inductor.kernel_resources",
    "virtual_device": "kernelsnap.virtual",
}

__all__ = ["capture", "capture_refusal", "kernel_resources", "virtual_device"]


def __getattr__(name: str) -> object:
    if name in _NEEDS_TORCH:
        return getattr(importlib.import_module(_NEEDS_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
