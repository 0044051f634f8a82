"""The virtual device: a context inside which torch, Dynamo, Inductor and Triton describe a GPU that is not there."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from kernelsnap.errors import KernelsnapError, UnsupportedTorchError
from kernelsnap.targets.lookup import NATIVE, is_native, resolve
from kernelsnap.targets.target import Target
from kernelsnap.virtual import guard, known_results, operators, private, sdpa, triton_driver, without_guard
from kernelsnap.virtual.caches import cache_clearers
from kernelsnap.virtual.guard import CompilerMissingError
from kernelsnap.virtual.patches import patched, replacements
from kernelsnap.virtual.release import check_torch, check_triton
from kernelsnap.virtual.values import virtual_fake_mode

# Imported before anything is patched: what they read at import has to be the truth.
_READ_CUDA_AT_IMPORT = (private.DEVICE_INTERFACE, private.TRACE_RULES, private.COMPILE_FX)


class VirtualDeviceError(KernelsnapError):
    """The virtual device cannot be entered here: it is busy with another target or belongs to another thread."""


@dataclass
class _Session:
    """The virtual device that this process is inside of."""

    target: Target
    thread: int
    fake_mode: Any
    missing: CompilerMissingError | None = None


_session: _Session | None = None
_session_lock = threading.Lock()


def active_target() -> Target | None:
    """The target whose virtual device is active in this process, if any."""
    return _session.target if _session else None


def require_autograd() -> None:
    """Raise `CompilerMissingError`, saying what to install, where autograd on the active device cannot work.

    To be called before a capture that follows a gradient or has an input that requires one.
    """
    if _session and _session.missing:
        raise CompilerMissingError(f"capturing a training graph needs kernelsnap's C++ part: {_session.missing}")


@contextlib.contextmanager
def virtual_device(target: str | Target) -> Iterator[Target]:
    """A context manager: inside it, torch generates code for a GPU that this machine does not have.

    torch, Dynamo, Inductor and Triton describe the target, a `FakeTensorMode` is active (tensors made on "cuda" are
    fake and take no memory), and nothing is launched. When the block ends, torch is exactly as it was. With the CPU as
    the target, only the fake mode is active. The same target may be entered again inside its own block.

    Args:
        target: the name of a built-in target ("h100"; `kernelsnap targets` lists them) or of one that the
            `pyproject.toml` of the working directory defines; or a `Target`.

    Yields:
        The `Target`, with the device's properties.

    Raises:
        UnknownTargetError: there is no target of this name.
        TargetConfigError: the project's definition of a target is wrong.
        UnsupportedTorchError: this torch is too old, or lacks an internal that is replaced.
        UnsupportedTritonError: the same of Triton.
        VirtualDeviceError: the block of another target is active, or another thread is inside one: what is replaced
            belongs to the whole process.
    """
    described = _described(target)
    outer = _claim(described)
    if outer is not None:
        with outer.fake_mode:
            yield described
        return
    try:
        with contextlib.ExitStack() as stack:
            _enter(described, stack)
            yield described
    finally:
        _release()


def _described(target: str | Target) -> Target:
    if isinstance(target, Target):
        return target
    if is_native(target):
        raise VirtualDeviceError(f"'{NATIVE}' is the real GPU of this machine: it needs no virtual device")
    return resolve(target)


def _claim(target: Target) -> _Session | None:
    """Become the one session of this process; the session that this thread is inside of already, if it is."""
    global _session
    with _session_lock:
        if _session is None:
            _session = _Session(target, threading.get_ident(), virtual_fake_mode())
            return None
        if _session.thread != threading.get_ident():
            raise VirtualDeviceError(
                f"another thread is inside the virtual device {_session.target.name}; it replaces parts of torch for "
                f"the whole process, so one thread at a time can be: use processes to capture in parallel"
            )
        if _session.target != target:
            raise VirtualDeviceError(
                f"the virtual device {_session.target.name} is active: leave it before entering {target.name}"
            )
        return _session


def _release() -> None:
    global _session
    with _session_lock:
        _session = None


def _enter(target: Target, stack: contextlib.ExitStack) -> None:
    """Enter everything that makes up the device, in the one order that works (each step says why)."""
    assert _session is not None
    check_torch()
    stack.enter_context(torch_functions_kept())
    if target.is_gpu:
        check_triton()
        for module in _READ_CUDA_AT_IMPORT:
            module.get()
        # Dynamo's rules hold torch's functions by identity: built now, they hold the originals.
        private.TRACE_RULES.get()()
        _start_autograd_engine()
        # Everything is looked up before anything is changed.
        changes, clearers = replacements(target), cache_clearers()
        # Done last on the way out, when everything else is as before.
        stack.callback(_call_all, clearers)
        # These two ask torch what it really is, so they come before the patches.
        _session.missing = stack.enter_context(guard.installed(target))
        stack.enter_context(operators.made_on_cpu())
        stack.enter_context(known_results.results_known())
        stack.enter_context(patched(changes))
        stack.enter_context(triton_driver.active_driver(target))
        stack.enter_context(sdpa.chosen_for(target, None if _session.missing else guard.answering_sdpa))
        _call_all(clearers)
        if _session.missing:
            stack.enter_context(without_guard.refusing(_session.missing))
        # The engine's device threads were counted without this device: let the calling thread do their work.
        stack.enter_context(torch.autograd.set_multithreading_enabled(False))
        _check_description(target)
    else:
        stack.enter_context(patched(replacements(target)))
    stack.enter_context(_session.fake_mode)


@contextlib.contextmanager
def torch_functions_kept() -> Iterator[None]:
    """Leave `__torch_function__` as it was before the block, also where a compile fails inside.

    Dynamo's C++ guards switch it off while they are checked. A guard that raises, as one on the value of a fake tensor
    does, leaves it off for the thread: `torch.device` as a context then does nothing, subclasses of tensors are not
    seen, and what the process compiles next is other code.
    """
    restore, state = private.SET_TORCH_FUNCTION_STATE.get(), private.GET_TORCH_FUNCTION_STATE.get()()
    try:
        yield
    finally:
        restore(state)


def _call_all(functions: Iterable[Callable[[], None]]) -> None:
    for function in functions:
        function()


def _start_autograd_engine() -> None:
    """Let the autograd engine count the real devices: it does so once per process, on its first backward pass."""
    with (
        private.WITHOUT_MODES.get()(),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        torch.zeros((), device="cpu", requires_grad=True).backward()


def _check_description(target: Target) -> None:
    """Raise `UnsupportedTorchError` unless torch now answers for this target: a wrong answer is a wrong golden."""
    interface = private.INTERFACE_FOR_DEVICE.get()("cuda")
    arch = target.arch if target.backend == "cuda" else str(target.gcnArchName).split(":")[0]
    answers = {
        "torch.cuda.is_available()": (torch.cuda.is_available(), True),
        "torch.cuda.device_count()": (torch.cuda.device_count(), 1),
        "torch.cuda.current_device()": (torch.cuda.current_device(), 0),
        "torch.cuda.get_device_name()": (torch.cuda.get_device_name(), target.device_name),
        "torch.cuda.get_device_capability()": (
            torch.cuda.get_device_capability(),
            (target.major, target.minor),
        ),
        "CudaInterface.get_compute_capability()": (interface.get_compute_capability(), arch),
        "CudaInterface.Worker.get_device_properties().multi_processor_count": (
            interface.Worker.get_device_properties().multi_processor_count,
            target.multi_processor_count,
        ),
        "CudaInterface.get_raw_stream(0)": (interface.get_raw_stream(0), 0),
        "torch.utils._triton.has_triton()": (private.HAS_TRITON.get()(), True),
    }
    for question, (answer, expected) in answers.items():
        if answer != expected:
            raise UnsupportedTorchError(
                f"inside the virtual device {target.name}, {question} of torch {torch.__version__} is {answer!r}, "
                f"not {expected!r}: this torch is not supported yet"
            )
