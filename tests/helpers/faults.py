"""Lets the n-th call that writes fail, or ends the process there: all calls of Python that change a file system.

    with Faults(errno.ENOSPC, at=7):
        ...

A disk that is full stays so, and a process that is killed does nothing any more: from the n-th call on, every call
fails. What a full disk does not refuse, such as to delete a file, goes on.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

#: The functions of `os` that change something; those that take no room on a disk are no fault where it is full.
_CALLS = ("mkdir", "replace", "rename", "link", "symlink", "unlink", "remove", "rmdir", "fsync", "chmod", "truncate")
_NEEDS_NO_ROOM = ("unlink", "remove", "rmdir", "chmod", "truncate", "rename", "replace")


class KilledError(BaseException):
    """The process ends here: nothing that catches errors goes on after it."""


class Faults:
    """Counts the calls that write, and lets them fail from one of them on.

    Args:
        kind: a number of `errno`, or None for a process that is killed.
        at: the first call that fails, from 0; None: none does, and they are counted.
    """

    def __init__(self, kind: int | None, at: int | None = None) -> None:
        self.kind, self.at, self.calls = kind, at, 0
        self._patches: list[Any] = []

    def __enter__(self) -> Faults:
        for name in _CALLS:
            self._replace(os, name, self._failing(name, getattr(os, name)))
        opening = self._opening(io.open)
        self._replace(io, "open", opening)
        self._replace(builtins, "open", opening)
        return self

    def __exit__(self, *_: object) -> None:
        for patch in reversed(self._patches):
            patch.stop()

    def _replace(self, where: Any, name: str, function: Callable[..., Any]) -> None:
        patch = mock.patch.object(where, name, function)
        patch.start()
        self._patches.append(patch)

    def check(self, name: str, path: object) -> None:
        """Count one call, which fails if it is one of those."""
        if self.kind == errno.ENOSPC and name in _NEEDS_NO_ROOM:
            return
        self.calls += 1
        if self.at is not None and self.calls > self.at:
            if self.kind is None:
                raise KilledError
            raise OSError(self.kind, os.strerror(self.kind), path if isinstance(path, str | Path) else None)

    def _failing(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **named: Any) -> Any:
            self.check(name, path)
            return function(path, *arguments, **named)

        return call

    def _opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+"):
                return function(file, mode, *arguments, **named)
            self.check("open", file)
            opened = function(file, mode, *arguments, **named)
            return _Written(opened, self) if "b" in mode else opened

        return call


class _Written:
    """An open file, of which half is written where it fails."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self._file, self._faults = file, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> int:
        try:
            self._faults.check("write", None)
        except BaseException:
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            raise
        return int(self._file.write(content))
