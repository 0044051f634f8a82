"""The GPUs that code can be captured for, by name: the built-in ones, and those of a project. Imports no torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from kernelsnap.errors import KernelsnapError
from kernelsnap.targets.pyproject import FILE, LONGEST_NAME, NATIVE, TABLE, TargetConfigError, find_file, read_targets
from kernelsnap.targets.table import ENTRIES
from kernelsnap.targets.target import Source, Target

__all__ = [
    "BUILT_IN",
    "NATIVE",
    "TARGETS",
    "Source",
    "Target",
    "TargetConfigError",
    "TargetTable",
    "UnknownTargetError",
    "is_native",
    "name_for_device",
    "project_targets",
    "resolve",
    "target",
    "target_names",
]


class UnknownTargetError(KernelsnapError):
    """A target name that stands in no table entry."""


#: The built-in targets.
TARGETS: dict[str, Target] = {entry.name: entry for entry in ENTRIES}


@dataclass(frozen=True)
class TargetTable:
    """Every target that can be named in one place: the built-in ones, and those that a file defines."""

    defined: Mapping[str, Target] = field(default_factory=lambda: MappingProxyType({}))
    file: Path | None = None

    @property
    def entries(self) -> dict[str, Target]:
        """All of them, by name, the built-in ones first."""
        return {**TARGETS, **self.defined}


#: What there is without a project.
BUILT_IN = TargetTable()


def project_targets(folder: Path) -> TargetTable:
    """The targets of the project that this folder belongs to.

    They stand in the nearest `pyproject.toml`, from the folder upward, that defines any.

    Raises:
        TargetConfigError: that file, or one on the way to it, cannot be read, or defines a target wrongly.
    """
    file = find_file(folder)
    return TargetTable(MappingProxyType(read_targets(file)), file) if file else BUILT_IN


def target_names(table: TargetTable = BUILT_IN) -> tuple[str, ...]:
    """Every name a user may give, `NATIVE` included, in the table's order."""
    return (*table.entries, NATIVE)


def is_native(name: str) -> bool:
    """Whether this name stands for the real GPU of this machine."""
    return name == NATIVE


def target(name: str, table: TargetTable = BUILT_IN) -> Target:
    """The table's entry of this name.

    Raises `UnknownTargetError`, with the known names and the closest one, where there is none; also for
    `NATIVE`, whose properties only the machine with that GPU knows.
    """
    entries = table.entries
    if name in entries:
        return entries[name]
    if is_native(name):
        raise UnknownTargetError(
            f"'{NATIVE}' is the real GPU of this machine, not a GPU described in the table; "
            f"the table has {', '.join(entries)}"
        )
    names = target_names(table)
    closest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    hint = f" (did you mean '{closest[0]}'?)" if closest else ""
    where = f"in {table.file}" if table.file else f"in {FILE}, [{TABLE}.NAME]"
    raise UnknownTargetError(
        f"unknown target '{name}'{hint}; known targets: {', '.join(names)}; a project defines its own {where}"
    )


def resolve(name: str) -> Target:
    """The built-in target of this name, or the one that the project of the working directory defines.

    Raises:
        UnknownTargetError: there is neither.
        TargetConfigError: the project's file is wrong (see `project_targets`).
    """
    return TARGETS[name] if name in TARGETS else target(name, project_targets(Path.cwd()))


def name_for_device(device_name: str) -> str:
    """A target's name for a GPU that no entry describes: ``nvidia-geforce-rtx-3080`` for what torch calls it."""
    return re.sub(r"[^a-z0-9]+", "-", device_name.lower()).strip("-")[:LONGEST_NAME].rstrip("-")
