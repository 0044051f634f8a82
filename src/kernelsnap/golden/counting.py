"""How goldens are counted, in every report and every message; the glossary has the definition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Counted(Protocol):
    """What is known about a golden, for one target or for several that share it."""

    @property
    def identity(self) -> object:
        """Equal for all that is about one golden."""


def number_of_goldens(found: Iterable[Counted]) -> int:
    """How many goldens these are about: one that several targets share, or are about to share, is one."""
    return len({one.identity for one in found})
