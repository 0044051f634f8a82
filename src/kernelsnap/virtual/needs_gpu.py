"""The error of what only a real GPU has, with the line that asked for it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import torch

import kernelsnap
from kernelsnap.errors import KernelsnapError

_PACKAGES = tuple(str(Path(str(module.__file__)).parent) for module in (torch, kernelsnap))


class NeedsGpuError(KernelsnapError):
    """Something needs a real GPU: a value, an address, a measurement, a stream or a launch."""

    def __init__(self, what: str, needs: str) -> None:
        """Say what was asked for, what it needs, and which line outside torch asked."""
        super().__init__(f"{what} needs {needs} ({_asking_line()})")


def _asking_line() -> str:
    """The line outside torch and kernelsnap that led here."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith((*_PACKAGES, "<")):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "in torch itself"
