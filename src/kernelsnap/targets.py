"""The GPUs that code can be captured for, by name. This module imports no torch."""

from __future__ import annotations

import difflib

from kernelsnap.errors import KernelsnapError
from kernelsnap.target_model import Source, Target
from kernelsnap.target_table import ENTRIES

__all__ = [
    "NATIVE",
    "TARGETS",
    "Source",
    "Target",
    "UnknownTargetError",
    "is_native",
    "target",
    "target_names",
]

# The name that stands for the real GPU of this machine. It has no table entry: its properties are known there only.
NATIVE = "native"


class UnknownTargetError(KernelsnapError):
    """A target name that stands in no table entry."""


TARGETS: dict[str, Target] = {entry.name: entry for entry in ENTRIES}


def target_names() -> tuple[str, ...]:
    """Every name a user may give, `NATIVE` included, in the table's order."""
    return (*TARGETS, NATIVE)


def is_native(name: str) -> bool:
    """Whether this name stands for the real GPU of this machine."""
    return name == NATIVE


def target(name: str) -> Target:
    """The table's entry of this name.

    Raises `UnknownTargetError`, with the known names and the closest one, where there is none; also for
    `NATIVE`, whose properties only the machine with that GPU knows.
    """
    if name in TARGETS:
        return TARGETS[name]
    if is_native(name):
        raise UnknownTargetError(
            f"'{NATIVE}' is the real GPU of this machine, not a GPU described in the table; "
            f"the table has {', '.join(TARGETS)}"
        )
    closest = difflib.get_close_matches(name.lower(), target_names(), n=1, cutoff=0.5)
    hint = f" (did you mean '{closest[0]}'?)" if closest else ""
    raise UnknownTargetError(f"unknown target '{name}'{hint}; known targets: {', '.join(target_names())}")
