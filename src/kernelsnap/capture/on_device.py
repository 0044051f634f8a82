"""Refuses a capture with no tensor on the virtual GPU: its golden would be of code for the CPU."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch

from kernelsnap.capture import private
from kernelsnap.errors import NotOnDeviceError
from kernelsnap.virtual import active_target
from kernelsnap.virtual.private import NEW_FAKE_TENSOR

# What torch calls the device of every GPU target, AMD's too.
GPU = "cuda"
# How many tensors a message names.
_MOST_NAMED = 3


def check_on_device(devices: Iterable[str], fn: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> None:
    """Raise `NotOnDeviceError` unless one of the devices that a capture used is the virtual GPU, where that is one.

    Args:
        devices: the types of the devices of everything that was compiled.
        fn: what was captured, for the message.
        args: what it was called with.
        kwargs: what it was called with by name.
    """
    target = active_target()
    if target is None or not target.is_gpu or GPU in devices:
        return
    elsewhere = [f"{name} ({tensor.device})" for name, tensor in _known(fn, args, kwargs)]
    more = len(elsewhere) - _MOST_NAMED
    named = ", ".join([*elsewhere[:_MOST_NAMED], *([f"{more} more"] if more > 0 else [])])
    raise NotOnDeviceError(
        f"no tensor of this capture is on the virtual {target.name}, so that its golden would be of code for another "
        f"device: {named or 'all tensors are made inside the function'}. Make them on the device, as in "
        "`torch.randn(8, 8, device=kernel_device)` or `module.to(kernel_device)` (outside of a test, the device is "
        '"cuda"); or choose the target `cpu`, if C++ code for the CPU is what you want'
    )


def known_devices(fn: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> set[str]:
    """The types of the devices of inputs, parameters, and variables that the function gets from around it."""
    return {tensor.device.type for _, tensor in _known(fn, args, kwargs)}


@contextlib.contextmanager
def watched_devices() -> Iterator[set[str]]:
    """Inside the block the set grows by the type of the device of every fake tensor that is made."""
    seen: set[str] = set()
    original = NEW_FAKE_TENSOR.get()

    def new(cls: Any, mode: Any, elem: Any, device: Any, *args: Any, **kwargs: Any) -> Any:
        seen.add(torch.device(device).type)
        return original(cls, mode, elem, device, *args, **kwargs)

    with NEW_FAKE_TENSOR.replaced(new):
        yield seen


def _known(fn: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors that can be found without running the function, and what a user would call them."""
    for number, value in enumerate(args):
        yield from ((f"argument {number}", tensor) for tensor in tensors(value))
    for name, value in kwargs.items():
        yield from ((f"argument {name}", tensor) for tensor in tensors(value))
    yield from _held(fn)


def _held(fn: Callable[..., Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a module, of the module that a method belongs to, and of a function's globals and closure."""
    fn = getattr(fn, private.COMPILED_FROM.name, fn)
    module = fn if isinstance(fn, torch.nn.Module) else getattr(fn, "__self__", None)
    if isinstance(module, torch.nn.Module):
        yield from ((f"parameter {_name(name)}", tensor) for name, tensor in module.named_parameters())
        yield from ((f"buffer {_name(name)}", tensor) for name, tensor in module.named_buffers())
    elif inspect.isfunction(fn):
        try:
            variables = inspect.getclosurevars(fn)
        except ValueError:
            # A variable of the function around it has no value yet. Whether that is an error is for the call to show.
            return
        for name, value in {**variables.globals, **variables.nonlocals}.items():
            yield from ((f"variable {name}", tensor) for tensor in _of(value))


def _of(value: object) -> Iterator[torch.Tensor]:
    """The tensors in a value, or in a module."""
    if isinstance(value, torch.nn.Module):
        yield from (*value.parameters(), *value.buffers())
    else:
        yield from tensors(value)


def _name(name: str) -> str:
    # What torch.compile returns for a module holds that module.
    return name.removeprefix("_orig_mod.")


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in tuples, lists, mappings and dataclasses, in order; each once."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from tensors(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors(getattr(value, field.name))
