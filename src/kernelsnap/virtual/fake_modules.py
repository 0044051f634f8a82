"""Modules, parameters and optimizers while every tensor is fake: what torch's own code for them cannot do then."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch

from kernelsnap.virtual import private

_swap_tensors = torch.utils.swap_tensors


def swap_tensors(t1: torch.Tensor, t2: torch.Tensor) -> None:
    """``torch.utils.swap_tensors``, also for fake tensors: ``module.to("cuda")`` and ``module.half()`` need it.

    A module converts a fake parameter by swapping its content, which keeps tied parameters tied. torch refuses to
    swap a tensor with a weak reference to it, and fake mode's memo holds one to most fake tensors. The memo only
    finds the fake of a meta tensor again, and that meta tensor's content moves away here: so it forgets the two.
    """
    for tensor in (t1, t2):
        if isinstance(tensor, private.FAKE_TENSOR.get()):
            _forget(tensor)
    _swap_tensors(t1, t2)


def _forget(tensor: Any) -> None:
    memo = tensor.fake_mode.fake_tensor_converter.tensor_memo
    for reference in weakref.getweakrefs(tensor):
        # The references of a WeakValueDictionary know their key.
        if isinstance(reference, weakref.KeyedRef) and memo.get(reference.key) is tensor:
            del memo[reference.key]


def trunc_normal() -> Callable[..., Any]:
    """``torch.nn.init.trunc_normal_``, also for fake tensors: torch draws until every value is in bounds, and looks."""
    original = private.TRUNC_NORMAL.get()

    def initialised(tensor: Any, *args: object, **kwargs: object) -> Any:
        if isinstance(tensor, private.FAKE_TENSOR.get()):
            return tensor
        return original(tensor, *args, **kwargs)

    return initialised


@torch.compiler.disable  # type: ignore[untyped-decorator]  # torch does not annotate it
def real_subclass(cls: type[torch.Tensor], *args: Any) -> torch.Tensor:
    """Make a tensor of a subclass that has no data of its own (an attention bias): a real one, for no fake can be."""
    with private.WITHOUT_MODES.get()():
        return torch.Tensor.__new__(cls, *args)


class NewSubclass:
    """`__new__` of such a subclass. Dynamo is shown torch's own: it breaks the graph there, and says why."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __get__(self, instance: object, owner: type[torch.Tensor]) -> Callable[..., torch.Tensor]:
        """What makes a tensor, or what Dynamo is to see while it traces."""
        tracing = private.TRACING_CONTEXT.get().try_get() is not None
        return torch.Tensor.__new__ if tracing else real_subclass


# Dynamo does not trace `Optimizer._init_group`: it runs it for real, outside fake mode. A step count made there
# (``torch.zeros((), device=p.device)``) would be a real tensor on the CPU, and the optimizer's step a C++ kernel.


def optimizer_call_method() -> Callable[..., Any]:
    """``OptimizerVariable.call_method`` until torch 2.15, with the state of fake parameters made in their fake mode."""
    original = private.OPTIMIZER_CALL_METHOD.get()

    def call_method(variable: Any, tx: Any, name: str, *rest: Any) -> Any:
        with _state_is_fake(variable.value) if name == private.INIT_GROUP.name else contextlib.nullcontext():
            return original(variable, tx, name, *rest)

    return call_method


def optimizer_methods() -> dict[str, Any]:
    """``OptimizerVariable.tp_methods`` since torch 2.15, with the same change."""
    table: dict[str, Any] = private.OPTIMIZER_METHODS.get()
    init_group = table[private.INIT_GROUP.name]

    def handler(variable: Any, tx: Any, *rest: Any) -> Any:
        with _state_is_fake(variable.value):
            return init_group.handler(variable, tx, *rest)

    return {**table, private.INIT_GROUP.name: type(init_group)(handler)}


@contextlib.contextmanager
def _state_is_fake(optimizer: Any) -> Iterator[None]:
    name = private.INIT_GROUP.name
    mode = _fake_mode(optimizer) if hasattr(optimizer, name) else None
    if mode is None:
        yield
        return

    def init_group(*args: Any, **kwargs: Any) -> Any:
        # Dynamo goes on to read the optimizer's attributes: it has to find what was there.
        delattr(optimizer, name)
        with mode:
            return getattr(optimizer, name)(*args, **kwargs)

    setattr(optimizer, name, init_group)
    try:
        yield
    finally:
        vars(optimizer).pop(name, None)


def _fake_mode(optimizer: Any) -> Any:
    """The mode of the first fake parameter; None where all are real."""
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    fake = private.FAKE_TENSOR.get()
    return next((parameter.fake_mode for parameter in parameters if isinstance(parameter, fake)), None)
