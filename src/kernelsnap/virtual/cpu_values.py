"""Keeps the values of small tensors on the CPU that a program makes outside of compiled code.

A model may compute a setting with tensors: `torch.linspace(0, 0.1, depth, device="cpu").tolist()` gives its layers'
drop rates. The values are the same on every machine, with a GPU or without. In fake mode such a tensor has none; so
beside each fake tensor whose values are known a real one is kept, and an operator of known tensors runs on these, too.
Code that is traced never sees them: there, torch itself decides what is a constant.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import torch

from kernelsnap.errors import DataDependentError
from kernelsnap.shared.assigned import assigned
from kernelsnap.virtual import private

#: A tensor of more elements is data.
_LARGEST = 1024
#: What makes a tensor of numbers alone, always with the same values.
_FACTORIES = frozenset(
    getattr(torch.ops.aten, name)
    for name in ("arange", "eye", "full", "linspace", "logspace", "ones", "scalar_tensor", "zeros")
)
#: What makes a tensor without values.
_WITHOUT_VALUES = ("empty", "new_empty")

#: Where a tensor keeps its values.
_ATTRIBUTE = "_kernelsnap_values"

Dispatch = Callable[..., Any]

#: Whether operators refuse numbers that nobody knows.
_refused: ContextVar[bool] = ContextVar("kernelsnap_unknown_numbers_refused", default=False)


@contextlib.contextmanager
def unknown_numbers_refused() -> Iterator[None]:
    """Inside the block nothing is computed with the value of a fake tensor outside of compiled code.

    Dynamo compiles no code that is given such a number, which `.item()` returns after a graph break: it runs, and
    the golden would lack what a GPU compiles with a number that is known there. To return or to log it is no harm.
    """
    with assigned(_refused, True):
        yield


def _check_numbers(func: Any, args: Any) -> None:
    if any(isinstance(value, torch.SymFloat | torch.SymInt | torch.SymBool) for value in args):
        raise DataDependentError(
            f"`{func}` is given a number that was read from a tensor (an `.item()`), and a fake tensor has no value; "
            "on a GPU the code that follows is compiled with that number. Give the function the number, or keep the "
            "tensor"
        )


class _Known:
    """The values of tensors. Each keeps its own: torch swaps no tensor that has a weak reference (`module.to`)."""

    def __init__(self) -> None:
        self._writes = 0

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor with the values of this one; the tensor itself where they are not known."""
        known, writes, values = getattr(tensor, _ATTRIBUTE, (None, 0, tensor))
        return values if known is self and writes == self._writes else tensor

    def keep(self, tensor: torch.Tensor, values: torch.Tensor) -> None:
        """Note the values of a tensor."""
        setattr(tensor, _ATTRIBUTE, (self, self._writes, values))

    def forget(self) -> None:
        """One of the tensors was written to: its views have other values as well."""
        self._writes += 1


def knowing_cpu_values(dispatch: Dispatch) -> Dispatch:
    """A fake mode's `dispatch` that answers with values where they are known."""
    known = _Known()

    def answer(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        # A higher-order operator has no schema.
        schema = getattr(func, private.OPERATOR_SCHEMA.name, None)
        if schema is None or private.TRACING_CONTEXT.get().try_get() is not None:
            return dispatch(func, types, args, kwargs)
        if _refused.get() and schema.returns:  # a check of a number returns nothing
            _check_numbers(func, args)
        if schema.is_mutable:
            if any(known.of(tensor) is not tensor for tensor in _tensors((args, kwargs))):
                known.forget()
            return dispatch(func, types, args, kwargs)
        if not _has_known_values(func, args, kwargs, known):
            return dispatch(func, types, args, kwargs)
        given = private.TREE_MAP.get()(lambda leaf: _real(leaf, known), (args, kwargs))
        if func is private.LOCAL_SCALAR.get().default:
            return _on_real_tensors(func, *given)
        result = dispatch(func, types, args, kwargs)
        fakes = list(_tensors(result))
        if fakes and all(_is_small(fake) for fake in fakes):
            for fake, values in zip(fakes, _tensors(_on_real_tensors(func, *given)), strict=True):
                known.keep(fake, values)
        return result

    return answer


def _has_known_values(func: Any, args: Any, kwargs: Any, known: _Known) -> bool:
    """Whether what an operator returns is decided by values that are known."""
    tensors = list(_tensors((args, kwargs)))
    device = kwargs.get("device")
    return (
        (all(_real(tensor, known) is not tensor or _is_real(tensor) for tensor in tensors))
        and (bool(tensors) or func.overloadpacket in _FACTORIES)
        and (device is None or torch.device(device).type == "cpu")
        and torch.Tag.nondeterministic_seeded not in func.tags
        and not func.overloadpacket.__name__.startswith(_WITHOUT_VALUES)
    )


def _real(leaf: Any, known: _Known) -> Any:
    return known.of(leaf) if isinstance(leaf, torch.Tensor) else leaf


def _is_real(tensor: torch.Tensor) -> bool:
    """A tensor with values, as `torch.tensor([1, 2])` makes them before it is made a fake one."""
    return type(tensor) is torch.Tensor and _is_small(tensor)


def _is_small(tensor: torch.Tensor) -> bool:
    size = tensor.numel()
    return tensor.device.type == "cpu" and isinstance(size, int) and size <= _LARGEST


def _on_real_tensors(func: Any, args: Any, kwargs: Any) -> Any:
    with private.WITHOUT_MODES.get()():
        return func(*args, **kwargs)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    leaves: list[Any] = []
    private.TREE_MAP.get()(leaves.append, value)
    return (leaf for leaf in leaves if isinstance(leaf, torch.Tensor))
