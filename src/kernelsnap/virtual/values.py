"""Refuses to give values of virtual tensors, with the name and line of what asked, in place of made-up answers.

A capture goes on where a value is asked, with a symbol, as torch itself does. A test must not: `x.item() == y.item()`
between symbols, addresses that are all 0, or a peak of 0 bytes would compare nothing and pass. `refusing_values` is for
tests that were written for a real GPU.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from unittest import mock

import torch

from kernelsnap.errors import KernelsnapError
from kernelsnap.shared.private_names import require
from kernelsnap.virtual import private
from kernelsnap.virtual.cpu_values import knowing_cpu_values
from kernelsnap.virtual.needs_gpu import NeedsGpuError
from kernelsnap.virtual.triton_driver import launches_refused

_VALUES = "the values of a tensor, and a tensor on the virtual device has none"
_ADDRESS = "the address of a tensor, and a tensor on the virtual device has none"
_MEMORY = "to measure memory, and the virtual device uses none"
_WAIT = "to wait for the GPU, on which nothing runs: a time measured around it would mean nothing"

# What is refused: where it lives, its name, how a user knows it, and what it would need.
_Refused = tuple[Any, str, str, str]


def _refused() -> tuple[_Refused, ...]:
    """What is refused to everyone. A fake tensor answers some with nothing, and others with an obscure message."""
    fake = private.FAKE_TENSOR.get()
    return (
        *((fake, name, f"Tensor.{name}()", _VALUES) for name in ("numpy", "__array__")),
        (fake, "__reduce_ex__", "saving or pickling a tensor", _VALUES),
        (fake, "__dlpack__", "Tensor.__dlpack__()", _ADDRESS),
        (private.TO_DLPACK.find_owner(), private.TO_DLPACK.name, "torch.to_dlpack()", _ADDRESS),
        (torch, "to_dlpack", "torch.to_dlpack()", _ADDRESS),
        (torch.utils.dlpack, "to_dlpack", "torch.utils.dlpack.to_dlpack()", _ADDRESS),
    )


def _refused_to_others() -> tuple[_Refused, ...]:
    """What torch's own code may ask: what it makes of the answer changes no generated code."""
    memory = (private.MEMORY_STATS, private.HOST_MEMORY_STATS, private.MEMORY_SNAPSHOT)
    wait = private.SYNCHRONIZE
    return (
        (private.FAKE_TENSOR.get(), "data_ptr", "Tensor.data_ptr()", _ADDRESS),
        *((name.find_owner(), name.name, "a statistic of torch.cuda's memory", _MEMORY) for name in memory),
        (wait.find_owner(), wait.name, "torch.cuda.synchronize()", _WAIT),
    )


# Where a mode that refuses values keeps the symbols that it would give.
_SYMBOLS = "_kernelsnap_symbols"


@dataclass
class Refusals:
    """What was refused so far, also where the code went on."""

    errors: list[KernelsnapError] = field(default_factory=list)

    def refuse(self, what: str, needs: str) -> NeedsGpuError:
        """Note a refusal, and return the error to raise."""
        error = NeedsGpuError(what, needs)
        self.errors.append(error)
        return error


def virtual_fake_mode() -> Any:
    """Fake tensors of static sizes, except where a size depends on data: those get a symbol and go on."""
    # Not a class of its own: torch looks up higher-order operators by the mode's exact type.
    require(*private.OF_FAKE_TENSORS)
    mode = private.FAKE_TENSOR_MODE.get()(
        allow_non_fake_inputs=True, shape_env=private.SHAPE_ENV.get()(), static_shapes=True
    )
    # A copied tensor would copy its mode: be of another one, and free a second time what this one holds.
    vars(mode)["__deepcopy__"] = lambda memo: mode
    mode.dispatch = knowing_cpu_values(mode.dispatch)
    return mode


@contextlib.contextmanager
def _refusing_mode(mode: Any, refusals: Refusals) -> Iterator[None]:
    """Refuse values of the mode's tensors inside the block, except while a graph runs."""
    symbols = mode.shape_env
    mode.shape_env = private.SHAPE_ENV.get()(allow_scalar_outputs=False, allow_dynamic_output_shape_ops=False)
    original = mode.dispatch
    asks_for_values = (private.DATA_DEPENDENT_OUTPUT.get(), private.DYNAMIC_OUTPUT_SHAPE.get())

    def dispatch(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> object:
        try:
            return original(func, types, args, kwargs or {})
        except asks_for_values as error:
            raise refusals.refuse(_name(func), _VALUES) from error

    mode.dispatch = dispatch
    setattr(mode, _SYMBOLS, symbols)
    try:
        yield
    finally:
        mode.shape_env = symbols
        mode.dispatch = original
        delattr(mode, _SYMBOLS)


@contextlib.contextmanager
def running_a_graph() -> Iterator[None]:
    """Let values be symbols inside the block, which runs a compiled graph: there, generated code would know them."""
    mode = private.ACTIVE_FAKE_MODE.get()()
    symbols = getattr(mode, _SYMBOLS, None)
    if symbols is None:
        yield
        return
    before, mode.shape_env = mode.shape_env, symbols
    try:
        yield
    finally:
        mode.shape_env = before


@contextlib.contextmanager
def refusing_values() -> Iterator[Refusals]:
    """Raise `NeedsGpuError` inside the block, which is to be inside a virtual GPU, where a real one would be needed."""
    mode = private.ACTIVE_FAKE_MODE.get()()
    assert mode is not None
    refusals = Refusals()
    with contextlib.ExitStack() as stack:
        for owner, name, what, needs in _refused():
            stack.enter_context(mock.patch.object(owner, name, refusing(refusals, what, needs, None)))
        for owner, name, what, needs in _refused_to_others():
            refused = refusing(refusals, what, needs, getattr(owner, name))
            stack.enter_context(mock.patch.object(owner, name, refused))
        fake = private.FAKE_TENSOR.get()
        stack.enter_context(mock.patch.object(fake, "__format__", _formatted))
        address = property(lambda tensor: _raise(refusals.refuse("Tensor.__cuda_array_interface__", _ADDRESS)))
        stack.enter_context(mock.patch.object(fake, "__cuda_array_interface__", address))
        stack.enter_context(launches_refused(lambda kernel: _raise(refusals.refuse(kernel, "to run on the GPU"))))
        stack.enter_context(_refusing_mode(mode, refusals))
        yield refusals


def refusing(refusals: Refusals, what: str, needs: str, original: Callable[..., Any] | None) -> Callable[..., Any]:
    """A function that refuses; torch itself gets the answer of the original, if there is one."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if original and asked_by_torch():
            return original(*args, **kwargs)
        raise refusals.refuse(what, needs)

    return refuse


def _formatted(tensor: torch.Tensor, spec: str) -> str:
    # As for a real tensor: one element is formatted as the number it is.
    if spec and tensor.dim() == 0:
        return format(tensor.item(), spec)
    return object.__format__(tensor, spec)


def _raise(error: Exception) -> None:
    raise error


def _name(func: Any) -> str:
    return "Tensor.item()" if func is private.LOCAL_SCALAR.get().default else str(func)


def asked_by_torch(depth: int = 2) -> bool:
    """Whether torch or Triton asked themselves, and not through a public function of torch.cuda.

    Who asked is the frame of this depth, of which 1 is the caller of this function.
    """
    frame: FrameType | None = sys._getframe(depth)
    # A function that Triton generates, to look at the arguments of a launch, has no module. Counters subtract others.
    while frame is not None and (not (name := _module(frame)) or name.startswith(("torch.cuda", "collections"))):
        frame = frame.f_back
    return frame is not None and name.partition(".")[0] in ("torch", "triton")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
