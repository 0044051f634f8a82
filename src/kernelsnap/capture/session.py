"""A virtual GPU for tests that were written for a real one, and which errors mean that they need a real one."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.as_on_gpu import Ran, compiled_as_on_gpu, counted_as_on_gpu
from kernelsnap.capture.hooks import GeneratedGraph, recording
from kernelsnap.capture.loading import Run, loaded_without_compiling
from kernelsnap.capture.nothing_but_code import nothing_but_code
from kernelsnap.capture.refusal import first_line
from kernelsnap.capture.run import causes, forget_compiled
from kernelsnap.capture.settings import PADDING, SETTINGS
from kernelsnap.capture.timed import no_timing
from kernelsnap.errors import CaptureError
from kernelsnap.shared.private_names import Name, require
from kernelsnap.targets.target import Target
from kernelsnap.virtual import virtual_device
from kernelsnap.virtual.needs_gpu import NeedsGpuError, is_users
from kernelsnap.virtual.no_kernel import operator_without_result
from kernelsnap.virtual.observing import refusing_observers
from kernelsnap.virtual.private import OF_PROFILERS
from kernelsnap.virtual.streams import harmless_streams
from kernelsnap.virtual.values import Refusals, refusing_values

# What torch says where a GPU, a CUDA build or real data is missing; checked on 2.11 to 2.15.
_MESSAGES = re.compile(
    r"this needs a real GPU"  # ours, from C++
    r"|requires CUDA support|Tried to instantiate dummy base class"
    r"|Not available for 'meta' device type|Cannot access data pointer of Tensor"
    r"|Mixing fake modes NYI|should not be a FakeTensor|supported for tensor subclasses|NVTX functions not installed"
)


#: Settings of a session. Caches are off unless a test turns them on: one of an earlier run would hide a compile.
_SETTINGS: tuple[tuple[Name, Mapping[str, Any]], ...] = (
    (
        private.CONFIG,
        {name: SETTINGS[name] for name in ("compile_threads", PADDING)}
        | {"fx_graph_cache": False, "fx_graph_remote_cache": False},
    ),
    (private.FUNCTORCH_CONFIG, {"enable_autograd_cache": False, "enable_remote_autograd_cache": False}),
    (
        private.DYNAMO_CONFIG,
        {"automatic_dynamic_local_pgo": False, "automatic_dynamic_remote_pgo": False},
    ),
)


@dataclass(frozen=True)
class VirtualSession:
    """What happened since the session began, or since the last `forget`."""

    refusals: Refusals
    graphs: list[GeneratedGraph]
    ran: Ran
    known: dict[str, Run]

    def forget(self) -> None:
        """Begin anew, for the next test."""
        self.refusals.errors.clear()
        self.graphs.clear()
        self.ran.forget()
        self.known.clear()


@contextlib.contextmanager
def virtual_session(target: str | Target) -> Iterator[VirtualSession]:
    """Generate code for this GPU inside the block, whoever calls `torch.compile`; run none of it.

    A compiled function computes fake tensors. What torch shows of generated code is as on a GPU: `run_and_get_code`,
    metrics, logs, debug folders, files, counters. What needs the GPU raises `NeedsGpuError`, or `CaptureError` for a
    choice by timing; both are noted in what this yields.

    Raises what `virtual_device` raises.
    """
    require(*private.SETTINGS, *OF_PROFILERS)
    ran = Ran()
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        enter(virtual_device(target))
        enter(harmless_streams())
        for config, settings in _SETTINGS:
            enter(config.get().patch(dict(settings)))
        enter(nothing_but_code())
        graphs = enter(recording(run=False, load=True))
        known = enter(loaded_without_compiling())
        refusals = enter(refusing_values())
        enter(no_timing(refusals.errors.append))
        enter(counted_as_on_gpu(ran, refusals))
        enter(compiled_as_on_gpu(ran, known, enter(refusing_observers(refusals))))
        stack.callback(forget_compiled)
        yield VirtualSession(refusals, graphs, ran, known)


def needed(error: BaseException) -> str:
    """What the code that raised this error needed a real GPU for; "" if the error has another reason."""
    chain = list(causes(error))
    for cause in chain:
        # Test classes of torch add to a message how to run the test.
        if isinstance(cause, NeedsGpuError):
            return first_line(str(cause))
        if isinstance(cause, CaptureError):
            return f"{first_line(str(cause))} ({_place(error)})"
    if any(isinstance(cause, private.DYNAMO_EXCEPTION.get()) for cause in chain):
        # A GPU does not help Dynamo to trace.
        return ""
    for cause in chain:
        if what := _missing(cause):
            return f"{what} ({_place(cause)})"
    return ""


def _missing(error: BaseException) -> str:
    if isinstance(error, private.DATA_DEPENDENT_GUARD.get()):
        return "a size depends on the values of a tensor, and a tensor on the virtual device has none"
    if isinstance(error, AttributeError) and error.obj is private.C_MODULE.get() and "cuda" in str(error.name).lower():
        return f"torch._C.{error.name} is only there with one"
    if operator := operator_without_result(error, tracing=False):
        return f"`{operator}` runs a kernel that only a build for GPUs has"
    return first_line(str(error)) if _MESSAGES.search(str(error)) else ""


def _place(error: BaseException) -> str:
    """The innermost line of the traceback that is the user's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "in torch itself"
