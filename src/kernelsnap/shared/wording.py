"""Wording that several reports share."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(words: Sequence[str], most: int) -> list[str]:
    """The first words, and `and 3 more` for the others."""
    more = len(words) - most
    return [*words[:most], f"and {more} more"] if more > 0 else list(words)
