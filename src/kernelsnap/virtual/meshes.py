"""Device meshes of `torch.distributed` while every tensor is fake: the ranks in a mesh are real numbers.

A mesh keeps its ranks in a tensor on the CPU and reads them. What it computes of them is computed outside of fake mode.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import torch

from kernelsnap.errors import DataDependentError
from kernelsnap.virtual import private


def _without_fake_mode() -> contextlib.AbstractContextManager[Any]:
    """Fake mode off, unless it is Dynamo's: what it traces is none of ours."""
    tracing = private.TRACING_CONTEXT.get().try_get() is not None
    return contextlib.nullcontext() if tracing else private.WITHOUT_MODES.get()()


def _outside(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def outside(*args: Any, **kwargs: Any) -> Any:
        with _without_fake_mode():
            return function(*args, **kwargs)

    return outside


def method(name: str) -> Any:
    """What `DeviceMesh` has under this name, a method, static method or property, with real ranks."""
    original = vars(private.DEVICE_MESH.get())[name]
    if isinstance(original, staticmethod):
        return staticmethod(_outside(original.__func__))
    if isinstance(original, property):
        assert original.fget is not None
        return property(_outside(original.fget))
    return _outside(original)


def init() -> Callable[..., None]:
    """`DeviceMesh.__init__` with real ranks."""
    original = vars(private.DEVICE_MESH.get())["__init__"]
    fake = private.FAKE_TENSOR.get()

    @functools.wraps(original)
    def init(self: Any, device_type: str, mesh: Any = None, **options: Any) -> None:
        if isinstance(mesh, fake):
            raise DataDependentError(
                "DeviceMesh(...) reads the ranks in its tensor, and a fake tensor has no values: give it a list, as in "
                'DeviceMesh("cuda", [[0, 1], [2, 3]]), or call init_device_mesh("cuda", (2, 2))'
            )
        with _without_fake_mode():
            # `init_device_mesh` numbers the ranks, in fake mode; any other mesh gets those of the mesh it is made from.
            if isinstance(options.get("_rank_map"), fake):
                options["_rank_map"] = torch.arange(options["_layout"].numel(), dtype=torch.int, device="cpu")
            original(self, device_type, mesh, **options)

    return init
