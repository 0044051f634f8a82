"""Names the operators that have no result here, where torch's own message is about something else.

Either an operator's kernel is chosen in C++ and only a build for GPUs has one, or it runs between two graphs, where a
GPU has values and fake mode has none, and fake mode does not know the kind of tensor that it returns.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator

from kernelsnap.virtual import private

# What torch raises, each line an example:
#     false INTERNAL ASSERT FAILED at "...DispatchStub.cpp":281, ... DispatchStub: missing kernel for cuda
#     Could not run 'aten::empty.memory_format' with arguments from the 'SparseCUDA' backend.
#     ... INTERNAL ASSERT FAILED at ... Inconsistent key_set (=DispatchKeySet(SparseCsrCUDA)) and device (=cpu)
_NO_KERNEL = re.compile(
    r"DispatchStub: missing kernel for cuda|Could not run 'aten::(?:(?!Could not run).)*\bCUDA"
    r"|Inconsistent key_set (?:(?!Inconsistent).)*SparseCsrCUDA",
    re.DOTALL,
)
#     quantized nyi in meta tensors
#     NYI: aten._pin_memory.default
#     Internal error: NestedTensorImpl doesn't support sizes. Please file an issue.
#     aten::_cudnn_init_dropout_state: attempted to run this operator with Meta tensors, but there was no fake impl
#     The tensor has a non-zero number of elements, but its data is not allocated yet.
#     .numpy() is not supported for tensor subclasses.
_NO_FAKE = re.compile(
    r"nyi in meta tensors|\ANYI: aten|NestedTensorImpl doesn't support|there was no fake impl or Meta kernel registered"
    r"|its data is not allocated yet|is not supported for tensor subclasses"
)
# The functions that a line of Python calls, the outermost last: `x.cpu().numpy()`
_CALLED = re.compile(r"(?<![\w.])(?:\w+(?:\.\w+)*)\(|\.\w+\(")


def operator_without_result(error: BaseException, *, tracing: bool) -> str:
    """The operator that cannot be answered on the virtual GPU; "" if the error is about something else.

    Args:
        error: what torch raised.
        tracing: whether it did while a graph was traced. What fake mode does not know then, it does not know on a GPU.
    """
    obscure = not tracing and (
        isinstance(error, private.UNSUPPORTED_OPERATOR.get()) or bool(_NO_FAKE.search(str(error)))
    )
    if not obscure and not _NO_KERNEL.search(str(error)):
        return ""
    # torch's message may not name it. Fake mode's functions do, and else the last line of Python called it.
    operator = next(_operators(error), None)
    if operator:
        return operator
    frames = traceback.extract_tb(error.__traceback__)
    called = _CALLED.findall(frames[-1].line or "") if frames else []
    return str(called[-1]).strip(".(") if called else "an operator"


def _operators(error: BaseException) -> Iterator[str]:
    """The operators that fake mode was asked for, from the outermost."""
    trace = error.__traceback__
    while trace:
        operator = trace.tb_frame.f_locals.get("func")
        if isinstance(operator, private.OPERATOR.get()):
            yield str(operator)
        trace = trace.tb_next
