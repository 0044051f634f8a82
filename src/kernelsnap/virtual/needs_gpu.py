"""The error for what only a real GPU can do, with the line of the user's code that asked for it."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import FrameType

import torch

from kernelsnap.errors import KernelsnapError

# Python itself and installed packages; torch and kernelsnap also where they are installed editable.
_INSTALLED = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(torch.__file__).parent),
    str(Path(__file__).parents[1]),
)


class NeedsGpuError(KernelsnapError):
    """Something needs a real GPU: a value, an address, a measurement, a stream or a launch."""

    def __init__(self, what: str, needs: str) -> None:
        """Say what was asked for, what it needs, and which line of the user's asked."""
        super().__init__(f"{what} needs {needs} ({_asking_line()})")


def is_users(file: str) -> bool:
    """Whether a file, as frames name it, is the user's: not installed, and not generated."""
    return not file.startswith((*_INSTALLED, "<"))


def user_is_asking() -> bool:
    """Whether code of the user's led here."""
    return _users_frame() is not None


def _asking_line() -> str:
    """The innermost line of the user's that led here."""
    frame = _users_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "in torch itself"


def _users_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return frame
