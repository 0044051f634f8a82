"""Whether an error means that a real GPU was needed, in words."""

from __future__ import annotations

import re
import traceback

import torch
from torch._dynamo.exc import TorchDynamoException
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from kernelsnap.capture.run import causes, first_line
from kernelsnap.errors import CaptureError
from kernelsnap.virtual.needs_gpu import NeedsGpuError, is_users

# What torch says where a GPU, a CUDA build or real data is missing; checked on 2.11 to 2.14.
_MESSAGES = re.compile(
    r"this needs a real GPU"  # ours, from C++
    r"|requires CUDA support|Tried to instantiate dummy base class"
    r"|Not available for 'meta' device type|Cannot access data pointer of Tensor"
    r"|Mixing fake modes NYI|should not be a FakeTensor|supported for tensor subclasses|NVTX functions not installed"
)


def needed(error: BaseException) -> str:
    """What the code that raised this error needed a real GPU for; "" if the error has another reason."""
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, NeedsGpuError | CaptureError):
            return str(cause)
    if any(isinstance(cause, TorchDynamoException) for cause in chain):
        # A GPU does not help Dynamo to trace.
        return ""
    for cause in chain:
        if what := _missing(cause):
            return f"{what} ({_place(cause)})"
    return ""


def _missing(error: BaseException) -> str:
    if isinstance(error, GuardOnDataDependentSymNode):
        return "a size depends on the values of a tensor, and a tensor on the virtual device has none"
    if isinstance(error, AttributeError) and error.obj is torch._C and "cuda" in str(error.name).lower():
        return f"torch._C.{error.name} is only there with one"
    return first_line(str(error)) if _MESSAGES.search(str(error)) else ""


def _place(error: BaseException) -> str:
    """The innermost line of the traceback that is the user's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "in torch itself"
