"""Whether a capture may find no kernel although it does not say so: while decisions of the compiler are refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_optional: ContextVar[bool] = ContextVar("kernelsnap_kernels_optional", default=False)


def kernels_are_optional() -> bool:
    """Whether this code runs inside `kernels_optional`."""
    return _optional.get()


@contextlib.contextmanager
def kernels_optional() -> Iterator[None]:
    """A capture inside the block that finds no kernel is right."""
    token = _optional.set(True)
    try:
        yield
    finally:
        _optional.reset(token)
