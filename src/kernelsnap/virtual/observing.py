"""Refuses what looks at code that runs, or runs it elsewhere: profilers, CUDA graphs, AOTInductor, other processes.

On the virtual device nothing is launched: a test that asserts "nothing was launched" would pass for the wrong reason.
And a process that the test starts has no virtual device.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from kernelsnap.shared.private_names import Name
from kernelsnap.virtual import private
from kernelsnap.virtual.needs_gpu import is_users, user_is_asking
from kernelsnap.virtual.values import Refusals, refusing

_LAUNCHES = "a GPU on which kernels run, and on the virtual device none does"
_PROCESS = "the GPU in that process, and the virtual device is only in this one"

# The name, how a user knows it, what it needs, and whether torch itself may ask.
_REFUSED: tuple[tuple[Name, str, str, bool], ...] = (
    (private.COMPILE_AOT, "compiling with AOTInductor", "a GPU that its code is compiled for and runs on", False),
    (private.RUN_KERNEL, "launching a kernel of generated code", _LAUNCHES, False),
    (private.AOTI_LOAD_PACKAGE, "torch._inductor.aoti_load_package()", _LAUNCHES, False),
    (private.CUDAGRAPH_CONTAINER, "the manager of CUDA graphs", _LAUNCHES, True),
    (private.CUDAGRAPH_MANAGER, "the manager of CUDA graphs", _LAUNCHES, True),
)

# Called only by code that runs. A test that replaces one of them wants to see that call.
_CALLED_BY_RUNNING_CODE = (
    private.RUN_KERNEL,
    private.BENCHMARK_LAUNCHER,
    private.BENCHMARK_CONFIGS,
    private.AUTOTUNE_TO_ONE,
    private.TUNE_COORDINATES,
    private.RUN_MULTI_KERNEL,
    private.BENCHMARK_SUB_KERNELS,
)

_STDLIB = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
_SITE = sysconfig.get_path("purelib")


@contextlib.contextmanager
def refusing_observers(refusals: Refusals) -> Iterator[Callable[[], None]]:
    """Refuse, inside the block, what only running code can show.

    Yields:
        A function to call where generated code would run. It raises `NeedsGpuError` if the test has replaced a function
        that only such code calls.
    """
    originals: list[tuple[Name, Any]] = []

    def check_not_replaced() -> None:
        for name, original in originals:
            if name.get() is not original:
                raise refusals.refuse(f"a call of {name}, which the test replaces,", _LAUNCHES)

    with contextlib.ExitStack() as stack:
        for name, what, needs, torch_may in _REFUSED:
            refused = functools.wraps(name.get())(refusing(refusals, what, needs, name.get() if torch_may else None))
            stack.enter_context(name.replaced(refused))
        stack.enter_context(private.MAKE_PROFILER.replaced(_with_cpu()))
        stack.enter_context(private.STOP_PROFILER.replaced(_without_results(refusals)))
        stack.enter_context(_processes_refused(refusals))
        originals += [(name, name.get()) for name in _CALLED_BY_RUNNING_CODE]
        yield check_not_replaced


class _NoResults:
    """Takes the place of what a profiler has recorded: reading any of it is refused."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def __getattr__(self, name: str) -> Any:
        raise self._refusals.refuse("what a profiler has recorded", _LAUNCHES)


def _with_cpu() -> Callable[..., None]:
    """A profiler of the GPU alone records the CPU, too: a CPU build of torch makes no other. Nothing of it is read."""
    make = private.MAKE_PROFILER.get()

    @functools.wraps(make)
    def made(profiler: Any, *args: Any, **options: Any) -> None:
        make(profiler, *args, **{**options, "use_cpu": True})

    return made


def _without_results(refusals: Refusals) -> Callable[..., Any]:
    stop = private.STOP_PROFILER.get()

    def stopped(profiler: Any, *args: Any) -> Any:
        # It would read them at once in order to keep them.
        profiler.acc_events = False
        result = stop(profiler, *args)
        profiler.kineto_results = _NoResults(refusals)
        return result

    return stopped


@contextlib.contextmanager
def _processes_refused(refusals: Refusals) -> Iterator[None]:
    """Refuse to start another Python, or a process of multiprocessing, for a test or for torch's helpers of tests."""
    import multiprocessing.process
    import subprocess

    start, popen = multiprocessing.process.BaseProcess.start, subprocess.Popen.__init__

    def start_process(process: Any) -> None:
        if _is_for_a_test():
            raise refusals.refuse("starting a process", _PROCESS)
        start(process)

    def init(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        if _runs_python(args) and _is_for_a_test():
            # What `__del__` looks for.
            self._child_created = False
            raise refusals.refuse("starting another Python process", _PROCESS)
        popen(self, args, *rest, **options)

    with (
        mock.patch.object(multiprocessing.process.BaseProcess, "start", start_process),
        mock.patch.object(subprocess.Popen, "__init__", init),
    ):
        yield


def _runs_python(args: Any) -> bool:
    """Whether a command starts a Python interpreter, as a list or as a line for a shell."""
    words = args.split() if isinstance(args, str) else [os.fsdecode(arg) for arg in args] if args else []
    return any(word == sys.executable for word in words) or bool(words and Path(words[0]).name.startswith("python"))


def _is_for_a_test() -> bool:
    """Whether a user's code asked, and not torch or Triton for themselves (a compiler, say)."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and _is_machinery(frame.f_code.co_filename, str(frame.f_globals.get("__name__", ""))):
        frame = frame.f_back
    if frame is None:
        return False
    module = str(frame.f_globals.get("__name__", ""))
    by_torch = module.partition(".")[0] in ("torch", "triton") and not module.startswith("torch.testing")
    return not by_torch and (is_users(frame.f_code.co_filename) or user_is_asking())


def _is_machinery(file: str, module: str) -> bool:
    """Whether a frame only passes on who asked: the standard library's, or torch's form of multiprocessing."""
    in_stdlib = file.startswith((*_STDLIB, "<")) and not file.startswith(_SITE)
    return in_stdlib or module.startswith("torch.multiprocessing")
