"""Operators that the virtual device answers itself, because torch would run them on the GPU.

Without a meta kernel, fake mode calls an operator on real zeros to learn the shapes of its results; these are stated
here. And constant folding and pattern initialisation leave fake mode for a moment, and make real 0-d tensors on the
device of the graph: they are small and only their values are read, so they go to the CPU.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from kernelsnap.virtual import private


def _gru_cell(
    input_gates: Tensor,
    hidden_gates: Tensor,
    state: Tensor,
    input_bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The next state, and what the backward pass needs: five values per element of the state."""
    batch, size = state.shape
    return torch.empty_like(state, memory_format=torch.contiguous_format), state.new_empty((batch, 5 * size))


def _gru_cell_backward(
    gradient: Tensor, workspace: Tensor, has_bias: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
    """The gradients of both inputs' gates, of the state, and of both biases."""
    batch, size = gradient.shape
    input_gates, hidden_gates = (workspace.new_empty((batch, 3 * size)) for _ in range(2))
    biases = [workspace.new_empty(3 * size) if has_bias else None for _ in range(2)]
    state = torch.empty_like(gradient, memory_format=torch.contiguous_format)
    return input_gates, hidden_gates, state, biases[0], biases[1]


_KERNELS: dict[str, Callable[..., object]] = {
    "_thnn_fused_gru_cell": _gru_cell,
    "_thnn_fused_gru_cell_backward": _gru_cell_backward,
}


@contextlib.contextmanager
def shapes_known() -> Iterator[None]:
    """Inside the block fake mode knows these operators' results."""
    library = torch.library.Library("aten", "IMPL")
    for name, kernel in _KERNELS.items():
        library.impl(name, kernel, "Meta")
    try:
        yield
    finally:
        private.LIBRARY_DESTROY.of(library)()


# A CUDA wheel has CUDA kernels; only the two that allocate are replaced, and the rest follows from their result.
_ALLOCATORS = ("empty.memory_format", "empty_strided")


def _on_cpu(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Call an operator with the CPU in place of every CUDA device."""

    def moved(value: Any) -> Any:
        is_cuda = isinstance(value, torch.device) and value.type == "cuda"
        return torch.device("cpu") if is_cuda else value

    tree_map = private.TREE_MAP.get()
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
        private.LIBRARY_DESTROY.of(library)()


def _make_on_cpu(op: Any) -> Any:
    return lambda *args, **kwargs: _on_cpu(op, *args, **kwargs)
