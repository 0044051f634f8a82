"""One program of a kernel while it is executed on stand-ins, and the values that are no numbers."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.cost.trace import Trace


@dataclass(frozen=True)
class Type:
    """One of Triton's types of elements."""

    name: str


@dataclass(frozen=True)
class PointerTo:
    """The type of an address, by that of its elements."""

    name: str


@dataclass(frozen=True)
class Module:
    """`tl`, `libdevice`, ...: something whose attributes are functions and types."""

    name: str


@dataclass(frozen=True)
class Function:
    """A function of Triton or Inductor, by its own name."""

    name: str


@dataclass(frozen=True)
class Local:
    """A function that the golden's text defines."""

    tree: ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class Loop:
    """The numbers that a `for` goes over."""

    start: float
    stop: float
    step: float


@dataclass
class Program:
    """One program of a kernel while it is executed, and what is known about its launch."""

    trace: Trace
    functions: Mapping[str, ast.FunctionDef]
    ids: tuple[int, ...]
    grid: tuple[int, ...]
    loaded: Mapping[str, Any] = field(default_factory=dict)  # what to load from a buffer, where that is known
    buffers: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    loops: int = 0
    depth: int = 0
    names: dict[str, Any] = field(default_factory=dict)  # those of the kernel itself, when it has ended
    # What was computed from the same unknown numbers is not computed again; operands are kept for their identity.
    computed: dict[tuple[Any, ...], tuple[list[Any], Any]] = field(default_factory=dict)
    call: Callable[[Any, list[Any]], Any] | None = None  # calls a function that the text defines


#: What a function is called with, by place and by name.
Arguments = list[Any]
Named = dict[str, Any]
