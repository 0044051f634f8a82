"""Gives a context variable another value for the length of a block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TypeVar

_Value = TypeVar("_Value")


@contextlib.contextmanager
def assigned(variable: ContextVar[_Value], value: _Value) -> Iterator[_Value]:
    """Inside the block the variable has this value, which is yielded; after it, the value from before."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)
