"""Names the operators that choose their implementation for CUDA in C++, below everything that the device replaces."""

from __future__ import annotations

import re
import traceback

# What torch raises for them, on a build for the CPU:
#     false INTERNAL ASSERT FAILED at "...DispatchStub.cpp":281, ... DispatchStub: missing kernel for cuda
#     Could not run 'aten::_use_cudnn_ctc_loss.Tensor' with arguments from the 'CPU' backend.
_NO_KERNEL = re.compile(r"DispatchStub: missing kernel for cuda|\ACould not run 'aten::(?P<operator>_?[\w.]*cudnn\w*)")
#     result = _VF.lstm(
_CALLED = re.compile(r"(\w+(?:\.\w+)*)\(")


def operator_without_kernel(error: BaseException) -> str:
    """The operator that has no implementation for the virtual GPU; "" if the error is about something else."""
    match = _NO_KERNEL.search(str(error))
    if not match:
        return ""
    if match["operator"]:
        return match["operator"]
    # The message does not name it: the last line of Python called it.
    frames = traceback.extract_tb(error.__traceback__)
    called = _CALLED.search(frames[-1].line or "") if frames else None
    return called[1] if called else "an operator"
