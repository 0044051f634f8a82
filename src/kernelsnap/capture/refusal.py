"""`capture_refusal`: a golden of the error with which torch rejects a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernelsnap.capture.run import capture, first_line, this_target
from kernelsnap.errors import CaptureError, KernelsnapError
from kernelsnap.model.capture import Capture


def capture_refusal(fn: Callable[..., Any], *args: Any, **options: Any) -> Capture:
    """Compile a function that torch rightly rejects, and return a `Capture` that holds the error.

    For errors that your users see: the golden then keeps the message from changing unnoticed.

    Args:
        fn: as in `capture`.
        args: as in `capture`.
        options: the keyword arguments of `capture`.

    Returns:
        A capture without graphs, whose `refusal` is the type of the error and the first line of its message, without
        paths, addresses and line numbers.

    Raises:
        CaptureError: torch compiled the function. kernelsnap's own errors are raised as `capture` raises them.
    """
    try:
        capture(fn, *args, **options)
    except KernelsnapError:
        raise
    except Exception as error:
        return Capture(this_target(), (), refusal=f"{type(error).__name__}: {first_line(str(error))}")
    raise CaptureError("torch compiled the function: a refusal was expected")
