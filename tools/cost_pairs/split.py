"""In which half of the pairs a pair is. Imports no torch."""

from __future__ import annotations

import hashlib


def half(name: str) -> str:
    """`fit` or `held out`: decided by the name of the pair alone, before anything was measured."""
    return ("fit", "held out")[hashlib.sha256(name.encode()).digest()[0] & 1]
