"""Raises clear errors on a machine without a C++ compiler, where torch would give a wrong answer or crash."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from kernelsnap.virtual import private
from kernelsnap.virtual.guard import CompilerMissingError

# Written out by torch where there is no cuDNN, with other strides than cuDNN's.
_RECURRENT = ("lstm.input", "gru.input", "rnn_tanh.input", "rnn_relu.input")


class _RefusingEngine:
    """torch's autograd engine for CPU graphs; a graph on the virtual GPU raises."""

    def __init__(self, engine: Any, missing: CompilerMissingError) -> None:
        self._engine = engine
        self._missing = missing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run_backward(self, roots: Any, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(root, torch.Tensor) and root.is_cuda for root in roots):
            raise _refusal("a backward pass on the virtual GPU", self._missing)
        return self._engine.run_backward(roots, *args, **kwargs)


def _refusal(what: str, missing: CompilerMissingError) -> CompilerMissingError:
    return CompilerMissingError(f"{what} needs kernelsnap's C++ part: {missing}")


@contextlib.contextmanager
def _kernels(functions: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Call these functions for operators on CUDA tensors, in place of torch's own decompositions."""
    library = torch.library.Library("aten", "IMPL")
    for name, function in functions.items():
        for key in ("AutogradCUDA", "CUDA"):
            library.impl(name, function, key)
    try:
        yield
    finally:
        private.LIBRARY_DESTROY.of(library)()


@contextlib.contextmanager
def refusing(missing: CompilerMissingError) -> Iterator[None]:
    """Make autograd, convolutions, attention and recurrent layers on CUDA tensors raise `CompilerMissingError`.

    A convolution would not fail: it would be lowered as on a GPU without cuDNN, to other code than everywhere else.
    Nor would `scaled_dot_product_attention`, on a CPU wheel: it would be written out.
    """
    select = private.SELECT_CONV_BACKEND.get()

    def select_conv_backend(*args: Any, **kwargs: Any) -> Any:
        tensor = kwargs["input"] if "input" in kwargs else args[0]
        if tensor.is_cuda:
            raise _refusal("a convolution on the virtual GPU", missing)
        return select(*args, **kwargs)

    def attention(*args: Any, **kwargs: Any) -> Any:
        raise _refusal("scaled_dot_product_attention on the virtual GPU", missing)

    def recurrent(*args: Any, **kwargs: Any) -> Any:
        raise _refusal("a recurrent layer on the virtual GPU", missing)

    engine = _RefusingEngine(private.EXECUTION_ENGINE.get(), missing)
    with (
        _kernels({"scaled_dot_product_attention": attention, **dict.fromkeys(_RECURRENT, recurrent)}),
        private.EXECUTION_ENGINE.replaced(engine),
        private.SELECT_CONV_BACKEND.replaced(select_conv_backend),
    ):
        yield
