"""The GPUs that code can be captured for, by name: the built-in ones, and those of a project. Imports no torch.

A project defines targets for itself in its `pyproject.toml`:

    [tool.kernelsnap.targets.h100-pcie]
    base = "h100"
    device_name = "NVIDIA H100 PCIe"
    multi_processor_count = 114

A table names every number, or a built-in GPU as its `base` and the numbers that differ.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kernelsnap.errors import KernelsnapError
from kernelsnap.shared.data_files import parsed_toml
from kernelsnap.targets.table import ENTRIES
from kernelsnap.targets.target import NUMBERS, Source, Target, arch_of, problems


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


FILE = "pyproject.toml"
TABLE = "tool.kernelsnap.targets"
#: Stands for the real GPU of a machine; no entry may have it.
NATIVE = "native"

_TEXTS = ("base", "device_name", "backend", "gcnArchName", "source")
#: Every key that a table may have.
KEYS = (*_TEXTS, *NUMBERS)
_REQUIRED = ("device_name", "backend", *NUMBERS)
_BASES = {entry.name: entry for entry in ENTRIES if entry.is_gpu}
# Part of a golden's file name, of a list separated by commas and of one separated by spaces.
_NAME = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")
LONGEST_NAME = 64


class TargetConfigError(KernelsnapError):
    """A target that a project defines is not as it should be."""


@dataclass(frozen=True)
class _Table:
    """One table of a file, for messages."""

    file: Path
    name: str

    def __str__(self) -> str:
        return f"{self.file}: [{TABLE}.{_as_written(self.name)}]"

    def error(self, key: str, what: str) -> TargetConfigError:
        return TargetConfigError(f"{self} {_as_written(key)}: {what}")


def _as_written(key: str) -> str:
    """A key as TOML writes it, in one line: one that is not bare stands in quotes."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def find_file(folder: Path) -> Path | None:
    """The nearest `pyproject.toml` from this folder upward that defines targets; None where none does.

    Raises:
        TargetConfigError: one on the way cannot be read.
    """
    for path in files_upward(folder):
        if _targets_in(path):
            return path
    return None


def files_upward(folder: Path) -> list[Path]:
    """Every `pyproject.toml` from this folder upward, the nearest first."""
    here = folder.resolve()
    return [path for above in (here, *here.parents) if (path := above / FILE).is_file()]


def read_targets(file: Path) -> dict[str, Target]:
    """The targets that a file defines, checked, in its order.

    Raises:
        TargetConfigError: the file cannot be read, or a table of it is wrong: which, and what to change.
    """
    found = _targets_in(file)
    if not isinstance(found, dict):
        raise TargetConfigError(f"{file}: {TABLE}: expected tables such as [{TABLE}.my-gpu], found {found!r}")
    return {name: _target(name, values, _Table(file, name)) for name, values in found.items()}


def check_name(name: str) -> None:
    """Raise `TargetConfigError` where no project may define a target of this name."""
    if name in (*TARGETS, NATIVE):
        raise TargetConfigError(f"the name '{name}' is built in: choose another, such as my-{name}")
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise TargetConfigError(
            f"a target's name is part of file names: lower-case letters, digits and single dashes or underscores "
            f"between them, at most {LONGEST_NAME} characters, not {name!r}"
        )


def _targets_in(file: Path) -> Any:
    """What a file has under `tool.kernelsnap.targets`; an empty dictionary where it has nothing there."""
    try:
        content: Any = parsed_toml(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise TargetConfigError(f"{file}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise TargetConfigError(f"{file}: not TOML: {error}") from None
    tool = content.get("tool", {})
    settings = tool.get("kernelsnap", {}) if isinstance(tool, dict) else {}
    if not isinstance(settings, dict):
        return {}
    for key, value in settings.items():
        if key != "targets" and isinstance(value, dict) and difflib.get_close_matches(key, ["targets"], cutoff=0.8):
            raise TargetConfigError(f"{file}: [tool.kernelsnap.{key}]: unknown key; did you mean [{TABLE}]?")
    return settings.get("targets", {})


def _target(name: str, values: Any, table: _Table) -> Target:
    try:
        check_name(name)
    except TargetConfigError as error:
        raise TargetConfigError(f"{table}: {error}") from None
    if not isinstance(values, dict):
        raise TargetConfigError(f"{table}: expected a table of numbers, found {values!r}")
    for key, value in values.items():
        _check(key, value, table)
    base = _base(values, table)
    numbers = {key: value for key, value in values.items() if key in NUMBERS}
    citation = values.get("source", f"{table.file.name}, [{TABLE}.{name}]")
    given = (Source(tuple(numbers), "given", citation),) if numbers else ()
    if base is None:
        if missing := [key for key in _REQUIRED if key not in values]:
            raise TargetConfigError(f'{table}: {", ".join(missing)} missing; give all of them, or a base ("h100", say)')
        base = Target(name, "", values["backend"], 0, ())
    target = replace(
        base,
        name=name,
        device_name=values.get("device_name", base.device_name),
        gcnArchName=values.get("gcnArchName", base.gcnArchName),
        sources=(*given, *_rest(base, numbers)),
        **numbers,
    )
    target = replace(target, arch=arch_of(target.backend, target.major, target.minor, target.gcnArchName))
    for key, what in problems(target):
        raise table.error(key, what)
    return target


def _check(key: str, value: Any, table: _Table) -> None:
    if key == "arch":
        raise table.error(key, "follows from major and minor (NVIDIA) or gcnArchName (AMD); leave it out")
    if key not in KEYS:
        close = difflib.get_close_matches(key, KEYS, n=1)
        raise table.error(key, f"unknown key; {f'did you mean {close[0]}?' if close else _there_are(KEYS)}")
    if key in NUMBERS and (not isinstance(value, int) or isinstance(value, bool)):
        raise table.error(key, f"expected a whole number, found {value!r}")
    if key in _TEXTS and (not isinstance(value, str) or not value.strip() or not value.isprintable()):
        raise table.error(key, f"expected text of one line, found {value!r}")


def _base(values: Mapping[str, Any], table: _Table) -> Target | None:
    backend = values.get("backend")
    if backend not in (None, "cuda", "hip"):
        raise table.error("backend", f'expected "cuda" (NVIDIA) or "hip" (AMD), found "{backend}"')
    name = values.get("base")
    if name is None:
        return None
    if name not in _BASES:
        close = difflib.get_close_matches(name.lower(), _BASES, n=1, cutoff=0.5)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        raise table.error("base", f"'{name}' is no built-in GPU{hint}; {_there_are(_BASES)}")
    if backend not in (None, _BASES[name].backend):
        raise table.error("backend", f'"{backend}" is not the one of its base, {name}: "{_BASES[name].backend}"')
    return _BASES[name]


def _rest(base: Target, given: Mapping[str, Any]) -> tuple[Source, ...]:
    """The sources of the numbers that are the base's: for this GPU the project vouches for them, not who cited them."""
    kept = (
        Source(
            tuple(field for field in source.fields if field not in given),
            "given",
            f"the base, {base.name} ({source.kind}: {source.citation})",
        )
        for source in base.sources
    )
    return tuple(source for source in kept if source.fields)


def _there_are(names: Iterable[str]) -> str:
    return f"there are {', '.join(names)}"
