"""Letters in tables: the same one for what is the same."""

from __future__ import annotations


def letter_of(number: int) -> str:
    """A, B, ..., Z, A1, B1, ... for 0, 1, ..."""
    letter = chr(ord("A") + number % 26)
    return letter if number < 26 else f"{letter}{number // 26}"
