"""How the two sides of a labelled pair are said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

NEWER = "2.14.1"

#: name: (function, arguments, options of `capture`); everything is made when it is asked for, inside a virtual device.
Programs = dict[str, Callable[[], tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]]


class Side(NamedTuple):
    """One capture: a program, settings of Inductor (`functorch.` for those of AOTAutograd), target, torch."""

    program: str
    settings: dict[str, Any] = {}  # noqa: RUF012
    target: str = "h100"
    torch: str = "2.13.0"


def setting(program: str, *others: str, base: dict[str, Any] | None = None, **values: Any) -> tuple[Side, Side]:
    """The program without and with settings; `triton__x` is `triton.x`."""
    names = {name.replace("__", "."): value for name, value in values.items()}
    return Side(program, base or {}), Side(program, {**(base or {}), **names})


def edit(old: str, new: str, **settings: Any) -> tuple[Side, Side]:
    """Two programs."""
    names = {name.replace("__", "."): value for name, value in settings.items()}
    return Side(old, names), Side(new, names)


def newer(program: str) -> tuple[Side, Side]:
    """The program under two versions of torch."""
    return Side(program), Side(program, torch=NEWER)


TRITON_MM = {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON", "deterministic": True}


def randn(*shape: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> torch.Tensor:
    """A tensor on the virtual device."""
    return torch.randn(shape, device="cuda", dtype=dtype, requires_grad=grad)
