"""What a pair of functions is, and what programs are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

#: A function and its arguments; then options of `capture`, if it takes any.
Program = tuple[Callable[..., Any], tuple[Any, ...]] | tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
#: By name; everything is made when it is asked for, on the device.
Programs = dict[str, Callable[[], Program]]

BF16, F16, F32, F64 = torch.bfloat16, torch.float16, torch.float32, torch.float64
TRAIN = {"backward": True}
#: Channels last in memory.
LAST: dict[str, Any] = {"memory_format": torch.channels_last}


@dataclass(frozen=True)
class Side:
    """One program, compiled with some settings of Inductor."""

    program: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """A name that no other side has."""
        return " ".join([self.program, *(f"{name}={value}" for name, value in sorted(self.settings.items()))])


@dataclass(frozen=True)
class Pair:
    """Two sides, of which the second is what a change made of the first."""

    name: str
    old: Side
    new: Side


def randn(*shape: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> torch.Tensor:
    """A tensor on the device."""
    return torch.randn(shape, device="cuda", dtype=dtype, requires_grad=grad)


def bf16(*shape: int, grad: bool = False) -> torch.Tensor:
    """A tensor of 16 bits on the device."""
    return randn(*shape, dtype=BF16, grad=grad)


def integers(high: int, *shape: int, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    """Random integers below `high`, on the device."""
    return torch.randint(0, high, shape, device="cuda", dtype=dtype)


def several(number: int, *shape: int, **options: Any) -> tuple[torch.Tensor, ...]:
    """Tensors of one shape."""
    return tuple(randn(*shape, **options) for _ in range(number))
