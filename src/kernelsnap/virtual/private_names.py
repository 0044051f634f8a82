"""Private names of torch: in which releases they exist, and where they are found."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import torch
from packaging.version import Version

from kernelsnap.virtual.support import UnsupportedTorchError


@dataclass(frozen=True)
class Name:
    """One private name: where it lives (``module`` or ``module:Class``) and in which torch releases."""

    owner: str
    name: str
    since: str | None = None
    until: str | None = None

    def __str__(self) -> str:
        """The name as one would write it in Python."""
        return f"{self.owner.replace(':', '.')}.{self.name}"

    def exists_in(self, release: Version) -> bool:
        """Whether a torch of this release has the name: from `since` on and before `until`."""
        return (self.since is None or release >= Version(self.since)) and (
            self.until is None or release < Version(self.until)
        )


def missing(name: Name) -> UnsupportedTorchError:
    """The error that says that this torch does not have the name."""
    return UnsupportedTorchError(
        f"torch {torch.__version__} has no {name}, which the virtual device needs: this torch is not supported yet"
    )


def owner_of(name: Name) -> Any:
    """The module or class that a name lives in.

    Raises `UnsupportedTorchError`, naming it, where this torch has no such module or class.
    """
    module, _, attribute = name.owner.partition(":")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise missing(name) from error
    if attribute and not hasattr(found, attribute):
        raise missing(name)
    return getattr(found, attribute) if attribute else found
