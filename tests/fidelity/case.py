"""What a fidelity case is: a function, its inputs, and how to capture it; small enough to run for real on a GPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Input:
    """A tensor on "cuda", made when the case is built: a fake one inside the virtual device, a real one outside."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    grad: bool = False
    below: int | None = None  # integers in [0, below)
    view: Callable[[torch.Tensor], torch.Tensor] | None = None  # what the function gets to see of it

    def make(self) -> torch.Tensor:
        """The tensor."""
        if self.dtype == torch.bool:
            tensor = torch.rand(self.shape, device="cuda") > 0.5
        elif self.below is not None:
            tensor = torch.randint(0, self.below, self.shape, device="cuda", dtype=self.dtype)
        elif self.dtype.itemsize == 1:
            tensor = torch.randn(self.shape, device="cuda").to(self.dtype)
        else:
            tensor = torch.randn(self.shape, device="cuda", dtype=self.dtype)
        if self.view is not None:
            tensor = self.view(tensor).detach()
        return tensor.requires_grad_(self.grad)


@dataclass(frozen=True)
class Built:
    """A function, a module or an argument that is made when the case is built, on "cuda"."""

    factory: Callable[[], Any]

    def make(self) -> Any:
        """What the factory makes."""
        with torch.device("cuda"):
            return self.factory()


@dataclass(frozen=True)
class Case:
    """One capture: `family/name` is what a recording and a report call it."""

    name: str
    fn: Callable[..., Any] | Built
    inputs: tuple[Any, ...]
    training: bool
    options: Mapping[str, Any] = field(default_factory=dict)  # of `kernelsnap.capture`
    dynamo: Mapping[str, Any] = field(default_factory=dict)  # of `torch._dynamo.config`
    functorch: Mapping[str, Any] = field(default_factory=dict)  # of `torch._functorch.config`
    family: str = ""

    @property
    def key(self) -> str:
        """The case's unique name."""
        return f"{self.family}/{self.name}"

    def make(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function and its arguments, to be called where they are captured."""
        fn = self.fn.make() if isinstance(self.fn, Built) else self.fn
        return fn, tuple(_made(value) for value in self.inputs)


def _made(value: Any) -> Any:
    if isinstance(value, Input | Built):
        return value.make()
    if isinstance(value, list):
        return [_made(item) for item in value]
    return value


def t(*shape: int, dtype: torch.dtype = torch.float32, **options: Any) -> Input:
    """A tensor of normal random numbers (truth values for bool)."""
    return Input(shape, dtype, **options)


def i(*shape: int, below: int, dtype: torch.dtype = torch.int64) -> Input:
    """A tensor of integers in [0, below)."""
    return Input(shape, dtype, below=below)


def bf16(*shape: int, **options: Any) -> Input:
    """A bfloat16 tensor."""
    return Input(shape, torch.bfloat16, **options)


def fp16(*shape: int, **options: Any) -> Input:
    """A float16 tensor."""
    return Input(shape, torch.float16, **options)


def infer(name: str, fn: Callable[..., Any] | Built, *inputs: Any, **options: Any) -> Case:
    """A case whose inputs require no gradient."""
    return _case(name, fn, inputs, False, options)


def train(name: str, fn: Callable[..., Any] | Built, *inputs: Any, **options: Any) -> Case:
    """A case that follows the gradient; every floating-point input requires one."""
    return _case(name, fn, tuple(map(_requiring, inputs)), True, {"backward": True, **options})


def _case(name: str, fn: Any, inputs: tuple[Any, ...], training: bool, options: dict[str, Any]) -> Case:
    patches = {key: options.pop(key, {}) for key in ("dynamo", "functorch")}
    return Case(name, fn, inputs, training, {"allow_no_kernels": True, **options}, **patches)


def both(name: str, fn: Callable[..., Any] | Built, *inputs: Any, **options: Any) -> list[Case]:
    """The same function for inference and for training."""
    return [infer(name, fn, *inputs, **options), train(f"{name}_train", fn, *inputs, **options)]


def _requiring(value: Any) -> Any:
    if isinstance(value, Input) and value.below is None and value.dtype.is_floating_point:
        return dataclasses.replace(value, grad=True)
    if isinstance(value, list):
        return [_requiring(item) for item in value]
    return value
