"""What a comparison that failed says to pytest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """A comparison that failed, in words."""

    headline: str  # stands in pytest's `assert ...`
    lines: tuple[str, ...]
