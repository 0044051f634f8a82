"""Values that are not there: what asks for one is refused, by name and place, in place of getting a made-up answer.

A capture goes on where a value is asked, with a symbol, as torch itself does. A test must not: `x.item() == y.item()`
between symbols, addresses that are all 0, or a peak of 0 bytes would compare nothing and pass. `refusing_values` is for
tests that were written for a real GPU.

Private API, checked on torch 2.11 to 2.14: `FakeTensorMode.dispatch` and `FakeTensorMode.shape_env`.
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
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from kernelsnap.virtual.needs_gpu import NeedsGpuError
from kernelsnap.virtual.triton_driver import launches_refused

_VALUES = "the values of a tensor, and a tensor on the virtual device has none"
_ADDRESS = "the address of a tensor, and a tensor on the virtual device has none"
_MEMORY = "to measure memory, and the virtual device uses none"
_WAIT = "to wait for the GPU, on which nothing runs: a time measured around it would mean nothing"

# Where a name lives, what it is called, and what it would need. A fake tensor answers some with nothing, and refuses
# others with an obscure message.
_REFUSED: tuple[tuple[Any, str, str, str], ...] = (
    *((FakeTensor, name, f"Tensor.{name}()", _VALUES) for name in ("numpy", "__array__")),
    (FakeTensor, "__reduce_ex__", "saving or pickling a tensor", _VALUES),
    (FakeTensor, "__dlpack__", "Tensor.__dlpack__()", _ADDRESS),
    (torch._C, "_to_dlpack", "torch.to_dlpack()", _ADDRESS),
    (torch, "to_dlpack", "torch.to_dlpack()", _ADDRESS),
    (torch.utils.dlpack, "to_dlpack", "torch.utils.dlpack.to_dlpack()", _ADDRESS),
)
# Torch's own code may ask these: what it makes of them changes no generated code.
_REFUSED_TO_OTHERS: tuple[tuple[Any, str, str, str], ...] = (
    (FakeTensor, "data_ptr", "Tensor.data_ptr()", _ADDRESS),
    (torch._C, "_cuda_memoryStats", "a statistic of torch.cuda's memory", _MEMORY),
    (torch._C, "_cuda_synchronize", "torch.cuda.synchronize()", _WAIT),
)


# Where a mode that refuses values keeps the symbols that it would give.
_SYMBOLS = "_kernelsnap_symbols"


@dataclass
class Refusals:
    """What was refused so far, also where the code went on."""

    errors: list[NeedsGpuError] = field(default_factory=list)

    def refuse(self, what: str, needs: str) -> NeedsGpuError:
        """Note a refusal, and return the error to raise."""
        error = NeedsGpuError(what, needs)
        self.errors.append(error)
        return error


def virtual_fake_mode() -> FakeTensorMode:
    """Fake tensors of static sizes, except where a size depends on data: those get a symbol and go on."""
    # Not a class of its own: torch looks up higher-order operators by the mode's exact type.
    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv(), static_shapes=True)
    # A copied tensor would copy its mode: be of another one, and free a second time what this one holds.
    vars(mode)["__deepcopy__"] = lambda memo: mode
    return mode


@contextlib.contextmanager
def _refusing_mode(mode: Any, refusals: Refusals) -> Iterator[None]:
    """Refuse values of the mode's tensors inside the block, except while a graph runs."""
    symbols, mode.shape_env = mode.shape_env, ShapeEnv(allow_scalar_outputs=False, allow_dynamic_output_shape_ops=False)

    def dispatch(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> object:
        try:
            return FakeTensorMode.dispatch(mode, func, types, args, kwargs or {})
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            raise refusals.refuse(_name(func), _VALUES) from error

    mode.dispatch = dispatch
    setattr(mode, _SYMBOLS, symbols)
    try:
        yield
    finally:
        mode.shape_env = symbols
        del mode.dispatch
        delattr(mode, _SYMBOLS)


@contextlib.contextmanager
def running_a_graph() -> Iterator[None]:
    """Let values be symbols inside the block, which runs a compiled graph: there, generated code would know them."""
    mode: Any = torch._guards.active_fake_mode()
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
    mode = torch._guards.active_fake_mode()
    assert mode is not None
    refusals = Refusals()
    with contextlib.ExitStack() as stack:
        for owner, name, what, needs in (*_REFUSED, *_REFUSED_TO_OTHERS):
            original = getattr(owner, name) if (owner, name, what, needs) in _REFUSED_TO_OTHERS else None
            stack.enter_context(mock.patch.object(owner, name, _refusing(refusals, what, needs, original)))
        stack.enter_context(mock.patch.object(FakeTensor, "__format__", _formatted))
        address = property(lambda tensor: _raise(refusals.refuse("Tensor.__cuda_array_interface__", _ADDRESS)))
        stack.enter_context(mock.patch.object(FakeTensor, "__cuda_array_interface__", address))
        stack.enter_context(launches_refused(lambda kernel: _raise(refusals.refuse(kernel, "to run on the GPU"))))
        stack.enter_context(_refusing_mode(mode, refusals))
        yield refusals


def _refusing(refusals: Refusals, what: str, needs: str, original: Callable[..., Any] | None) -> Callable[..., Any]:
    """What refuses; torch itself gets the answer of the original, if there is one."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if original and _asked_by_torch():
            return original(*args, **kwargs)
        raise refusals.refuse(what, needs)

    return refuse


def _formatted(tensor: FakeTensor, spec: str) -> str:
    # As for a real tensor: one element is formatted as the number it is.
    if spec and tensor.dim() == 0:
        return format(tensor.item(), spec)
    return object.__format__(tensor, spec)


def _raise(error: Exception) -> None:
    raise error


def _name(func: Any) -> str:
    return "Tensor.item()" if func is torch.ops.aten._local_scalar_dense.default else str(func)


def _asked_by_torch() -> bool:
    """Whether the call came from torch or Triton themselves, and not through a public function of torch.cuda."""
    frame: FrameType | None = sys._getframe(2)
    # A function that Triton generates, to look at the arguments of a launch, has no module.
    while frame is not None and (not (name := _module(frame)) or name.startswith("torch.cuda")):
        frame = frame.f_back
    return frame is not None and name.partition(".")[0] in ("torch", "triton")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
