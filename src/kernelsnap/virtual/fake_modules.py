"""Modules and tensors made while everything is fake, and moved with ``module.to("cuda")``, ``module.half()``."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

_swap_tensors = torch.utils.swap_tensors
_trunc_normal: Callable[..., torch.Tensor] = torch.nn.init._no_grad_trunc_normal_


def swap_tensors(t1: torch.Tensor, t2: torch.Tensor) -> None:
    """``torch.utils.swap_tensors``, also for fake tensors.

    A module converts a fake parameter by swapping its content, which keeps tied parameters tied. torch refuses to
    swap a tensor with a weak reference to it, and fake mode's memo holds one to most fake tensors. The memo only
    finds the fake of a meta tensor again, and that meta tensor's content moves away here: so it forgets the two.
    """
    for tensor in (t1, t2):
        if isinstance(tensor, FakeTensor):
            _forget(tensor)
    _swap_tensors(t1, t2)


def trunc_normal(tensor: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
    """``torch.nn.init.trunc_normal_``, also for fake tensors: torch draws until every value is in bounds, and looks."""
    if isinstance(tensor, FakeTensor):
        return tensor
    return _trunc_normal(tensor, *args, **kwargs)


@torch._dynamo.disable  # type: ignore[untyped-decorator]  # torch does not annotate it
def real_subclass(cls: type[torch.Tensor], *args: Any) -> torch.Tensor:
    """Make a tensor of a subclass that has no data of its own (an attention bias): a real one, for no fake can be."""
    with torch.utils._python_dispatch._disable_current_modes():
        return torch.Tensor.__new__(cls, *args)


class NewSubclass:
    """`__new__` of such a subclass. Dynamo is shown torch's own: it breaks the graph there, and says why."""

    @torch._dynamo.disable  # type: ignore[untyped-decorator]
    def __get__(self, instance: object, owner: type[torch.Tensor]) -> Callable[..., torch.Tensor]:
        """What makes a tensor, or what Dynamo is to see while it traces."""
        tracing = torch._guards.TracingContext.try_get() is not None
        return torch.Tensor.__new__ if tracing else real_subclass


def _forget(tensor: FakeTensor) -> None:
    memo = tensor.fake_mode.fake_tensor_converter.tensor_memo
    for reference in weakref.getweakrefs(tensor):
        # The references of a WeakValueDictionary know their key.
        if isinstance(reference, weakref.KeyedRef) and memo.get(reference.key) is tensor:
            del memo[reference.key]
