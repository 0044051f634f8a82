"""Where real "cuda" tensors go: to the CPU.

Constant folding and pattern initialisation leave fake mode for a moment and make real 0-d tensors on the device
of the graph. They are small and only their values are read.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._pytree import tree_map

# A CUDA wheel has CUDA kernels; only the two that allocate are replaced, and the rest follows from their result.
_ALLOCATORS = ("empty.memory_format", "empty_strided")


def _on_cpu(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Call an operator with the CPU in place of every CUDA device."""

    def moved(value: Any) -> Any:
        is_cuda = isinstance(value, torch.device) and value.type == "cuda"
        return torch.device("cpu") if is_cuda else value

    return op(*tree_map(moved, args), **tree_map(moved, kwargs))


def _overload(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


@contextlib.contextmanager
def made_on_cpu() -> Iterator[None]:
    """Redirect real CUDA tensors to the CPU; to be entered before ``torch.version.cuda`` is patched."""
    if torch.version.cuda is None and torch.version.hip is None:
        library = torch.library.Library("_", "IMPL")
        library.fallback(_on_cpu, "CUDA")
    else:
        library = torch.library.Library("aten", "IMPL")
        with warnings.catch_warnings():
            # That a registered kernel is overridden is the intention; the message has several lines.
            warnings.filterwarnings("ignore", message="(?s).*[Oo]verriding a previously registered kernel")
            for name in _ALLOCATORS:
                library.impl(name, _make_on_cpu(_overload(name)), "CUDA")
    try:
        yield
    finally:
        library._destroy()


def _make_on_cpu(op: Any) -> Any:
    return lambda *args, **kwargs: _on_cpu(op, *args, **kwargs)
