"""Operators that the virtual device answers itself, because torch would run them on the GPU.

Without a kernel for tensors without data, fake mode calls an operator on real zeros to learn what its results are like:
on a GPU with the GPU's kernel, here with that for the CPU, if there is one. And constant folding and pattern
initialisation leave fake mode for a moment, and make real 0-d tensors on the device of the graph: they are small and
only their values are read, so they go to the CPU.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

from kernelsnap.virtual import private
from kernelsnap.virtual.needs_gpu import NeedsGpuError

# Could not run 'aten::batch_norm_stats' with arguments from the 'CPU' backend.
_NOT_ON_CPU = re.compile(r"\ACould not run '.*' with arguments from the 'CPU' backend")
_KERNEL = "a kernel that only a GPU has: capture what comes before and after it"


def fallback_kernel() -> Callable[..., Any]:
    """torch's function that calls an operator on zeros; what it returns for tensors on the GPU is on the GPU."""
    original = private.RUN_FALLBACK_KERNEL.get()

    def run(mode: Any, operator: Any, arguments: Any, *rest: Any) -> Any:
        fake = private.FAKE_TENSOR.get()
        inputs = [argument for argument in arguments if isinstance(argument, fake)]
        device = next((tensor.device for tensor in inputs if tensor.is_cuda), None)
        given = {id(tensor) for tensor in inputs}

        def placed(value: Any) -> Any:
            if not isinstance(value, fake) or value.is_cuda or id(value) in given:
                return value
            if value.layout != torch.strided:
                raise NeedsGpuError(f"the sparse tensor that {operator} returns", _KERNEL)
            with mode:
                return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=device)

        try:
            result = original(mode, operator, arguments, *rest)
        except NotImplementedError as error:
            if device is None or not _NOT_ON_CPU.search(str(error)):
                raise
            raise NeedsGpuError(str(operator), _KERNEL) from error
        return result if device is None else private.TREE_MAP.get()(placed, result)

    return run


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
