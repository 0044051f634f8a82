"""In which half of the pairs a pair is. Imports no torch."""

from __future__ import annotations

import hashlib


def half(name: str) -> str:
    """`fit` or `held out`: decided by the name of the pair alone, before anything was measured."""
    return ("fit", "held out")[hashlib.sha256(name.encode()).digest()[0] & 1]


def half_by_program(name: str) -> str:
    """The same of the fourth set: by the program that is changed, so that no program is changed in both halves."""
    program = next(part for part in name.split(".") if part.startswith("fourth_"))
    return ("fourth, learned from", "fourth, clean")[hashlib.sha256(program.encode()).digest()[0] & 1]
