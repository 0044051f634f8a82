"""The capture of a function that torch rightly refuses to compile: users see its message, so it has a golden."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernelsnap.capture.run import capture, first_line, this_target
from kernelsnap.errors import CaptureError, KernelsnapError
from kernelsnap.model.capture import Capture


def capture_refusal(fn: Callable[..., Any], *args: Any, **options: Any) -> Capture:
    """Compile `fn(*args)` as `capture` does, and return the error that torch refuses it with.

    The refusal is the first line of the error's message, without what names a machine or a place in a file.

    Raises:
        CaptureError: torch compiled it. What `capture` itself raises for a call that it cannot capture passes through.
    """
    try:
        capture(fn, *args, **options)
    except KernelsnapError:
        raise
    except Exception as error:
        return Capture(this_target(), (), refusal=f"{type(error).__name__}: {first_line(str(error))}")
    raise CaptureError("torch compiled the function: a refusal was expected")
