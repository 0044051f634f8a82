"""What a failed compile does to `__torch_function__`, undone.

Dynamo's C++ guards switch `__torch_function__` off while they are checked. A guard that raises, as one on the value
of a fake tensor does, leaves it off for the thread: `torch.device` as a context then does nothing, subclasses of
tensors are not seen, and what the process compiles next is other code. Private API, checked on torch 2.11, 2.13 and
2.14: `torch._C._get_torch_function_state`, `torch._C._set_torch_function_state`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from kernelsnap.virtual.support import UnsupportedTorchError


@contextlib.contextmanager
def torch_functions_kept() -> Iterator[None]:
    """Whether `__torch_function__` is on is the same after the block as before it.

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals above.
    """
    get, restore = (getattr(torch._C, f"_{verb}_torch_function_state", None) for verb in ("get", "set"))
    if get is None or restore is None:
        raise UnsupportedTorchError(
            f"torch {torch.__version__} has no torch._C._get_torch_function_state and _set_torch_function_state, with "
            "which a failed compile is undone: this torch is not supported yet"
        )
    state = get()
    try:
        yield
    finally:
        restore(state)
