"""What operators return that have a kernel for GPUs only: shapes, strides and types, which is all that fake mode asks.

Those that programs reach through torch's public functions: recurrent layers, `ctc_loss`, fused cells. What else has no
kernel here is refused by name (`no_kernel`).
"""

from __future__ import annotations

import contextlib
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


def _recurrent_backward(
    sequence: Tensor,
    weights: list[Tensor],
    weight_stride: int,
    weight_buffer: Tensor,
    state: Tensor,
    cell: Tensor | None,
    output: Tensor,
    *gradients_and_options: Any,
) -> tuple[Tensor | None, Tensor | None, Tensor | None, list[Tensor | None]]:
    """The gradients of the sequence, of both states and of all weights, as cuDNN and MIOpen allocate them."""
    gradients, train, wanted = gradients_and_options[:3], gradients_and_options[-6], gradients_and_options[-1]
    if all(gradient is None for gradient in gradients):
        return None, None, None, [None] * len(weights)
    if not train:
        raise RuntimeError("cudnn RNN backward can only be called in training mode")

    def like(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.new_empty(tensor.shape)

    return like(sequence), like(state), like(cell), [like(weight) if wanted[3] else None for weight in weights]


def _use_cudnn_ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int
) -> bool:
    """Whether cuDNN computes the loss. It never does for padded targets, in which a row is a sequence.

    Where it may, the values of the lengths decide: this is left to torch's own kernel, and thereby refused.
    """
    if torch.version.hip:
        return False
    given = (log_probs, targets, *(each for each in (input_lengths, target_lengths) if isinstance(each, Tensor)))
    types = {tensor.dtype for tensor in given}
    if torch.backends.cudnn.enabled and blank == 0 and targets.dim() == 1 and types == {torch.float32, torch.int32}:
        raise NotImplementedError
    return False


def _use_miopen_ctc_loss(*arguments: Any) -> bool:
    """Whether MIOpen does; its conditions are left to torch's own kernel, and thereby refused."""
    if torch.version.hip:
        raise NotImplementedError
    return False


def _ctc_loss_backward(gradient: Tensor, log_probs: Tensor, *rest: Any) -> Tensor:
    return torch.empty_like(log_probs, memory_format=torch.contiguous_format)


#: Kernels for tensors without data, by operator.
_KERNELS: dict[str, Callable[..., object]] = {
    "_thnn_fused_gru_cell": _gru_cell,
    "_thnn_fused_gru_cell_backward": _gru_cell_backward,
    "_cudnn_rnn_backward": _recurrent_backward,
    "miopen_rnn_backward": _recurrent_backward,
    "_use_cudnn_ctc_loss": _use_cudnn_ctc_loss,
    "_use_cudnn_ctc_loss.Tensor": _use_cudnn_ctc_loss,
    "_use_miopen_ctc_loss": _use_miopen_ctc_loss,
    "_use_miopen_ctc_loss.Tensor": _use_miopen_ctc_loss,
    "_ctc_loss_backward": _ctc_loss_backward,
    "_ctc_loss_backward.Tensor": _ctc_loss_backward,
}


def _ctc_loss(mode: Any, operator: Any, log_probs: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    """The losses of the sequences, and what only the backward pass reads, whose size depends on the lengths."""
    steps, batch, _ = log_probs.shape
    return log_probs.new_empty(batch), log_probs.new_empty((batch, steps, 1))


def _refused(mode: Any, operator: Any, *arguments: Any) -> Any:
    raise private.DYNAMIC_OUTPUT_SHAPE.get()(operator)


#: What runs between two graphs, where a size of its result depends on values: torch has answers for tracing only.
_BETWEEN_GRAPHS: dict[str, Callable[..., object]] = {
    "_ctc_loss.default": _ctc_loss,
    "_ctc_loss.Tensor": _ctc_loss,
    # torch would put the sizes of the batches on the GPU, where the next function refuses them.
    "_pack_padded_sequence.default": _refused,
}


@contextlib.contextmanager
def results_known() -> Iterator[None]:
    """Inside the block fake mode knows these operators' results."""
    library = torch.library.Library("aten", "IMPL")
    for name, kernel in _KERNELS.items():
        if hasattr(torch.ops.aten, name.partition(".")[0]):
            library.impl(name, kernel, "Meta")
    implementations = private.FAKE_IMPLEMENTATIONS.get()
    before = dict(implementations)
    for name, implementation in _BETWEEN_GRAPHS.items():
        packet, _, overload = name.partition(".")
        operator = getattr(getattr(torch.ops.aten, packet), overload)
        implementations[operator] = _outside_of_tracing(implementation, before.get(operator, _refused))
    try:
        yield
    finally:
        implementations.clear()
        implementations.update(before)
        private.LIBRARY_DESTROY.of(library)()


def _outside_of_tracing(implementation: Callable[..., object], tracing: Callable[..., object]) -> Callable[..., object]:
    def answer(*arguments: Any) -> object:
        traced = private.TRACING_CONTEXT.get().try_get() is not None
        return (tracing if traced else implementation)(*arguments)

    return answer
