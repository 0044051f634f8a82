"""Operators whose results torch knows only by running them on the GPU: their shapes, stated here.

Without a meta kernel, fake mode calls the operator on real zeros. A GPU answers; a machine without one cannot.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor


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
        library._destroy()
