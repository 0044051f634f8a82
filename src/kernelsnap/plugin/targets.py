"""Which targets a test runs for: the command line, then its marker, then the configuration file, then h100."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from kernelsnap.errors import KernelsnapError
from kernelsnap.targets.lookup import NATIVE, TargetTable, project_targets, target, target_names

OPTION = "--kernelsnap-target"
INI = "kernelsnap_target"
MARKER = "kernelsnap_target"
DEFAULT = "h100"

_TABLE = pytest.StashKey[TargetTable]()


class TargetChoiceError(KernelsnapError):
    """The targets of a test, or of a run, are not chosen as they can be."""


@dataclass(frozen=True)
class ChosenTargets:
    """The targets that a test runs for; where there are none, why."""

    targets: tuple[str, ...]
    skip: str = ""


def targets_of(config: pytest.Config) -> TargetTable:
    """The built-in targets, and those that the project under test defines: the one of pytest's rootdir.

    Raises:
        TargetConfigError: the project defines a target wrongly.
    """
    if _TABLE not in config.stash:
        config.stash[_TABLE] = project_targets(config.rootpath)
    return config.stash[_TABLE]


def choose(config: pytest.Config, marker: pytest.Mark | None, *, command_line: bool = True) -> ChosenTargets:
    """The targets of a test that carries this marker.

    The marker also restricts: a test marked for some targets never runs for another one, whoever asks.

    Raises:
        TargetChoiceError: the marker, the command line or the configuration file names an unknown target.
        TargetConfigError: the project defines a target wrongly.
    """
    supported = _of_marker(marker, targets_of(config)) if marker else ()
    asked = of_command_line(config) if command_line else ()
    wanted = asked or supported or of_ini(config)
    kept = tuple(name for name in wanted if not supported or _supports(supported, name, targets_of(config)))
    if kept:
        return ChosenTargets(kept)
    return ChosenTargets((), f"marked for {', '.join(supported)}; this run asks for {', '.join(wanted)}")


def of_command_line(config: pytest.Config) -> tuple[str, ...]:
    """The targets that the command line asks for; none where it does not."""
    option: str | None = config.getoption(OPTION)
    return () if option is None else _names(option.split(","), OPTION, targets_of(config))


def of_ini(config: pytest.Config) -> tuple[str, ...]:
    """The targets that the configuration file asks for, or the default."""
    value: str = config.getini(INI) or DEFAULT
    return _names(value.split(","), f"{INI} in the configuration of pytest", targets_of(config))


def _of_marker(marker: pytest.Mark, table: TargetTable) -> tuple[str, ...]:
    where = f"the marker {MARKER}"
    if marker.kwargs or not all(isinstance(name, str) for name in marker.args):
        raise TargetChoiceError(f'{where} takes names only: @pytest.mark.{MARKER}("h100", "a100")')
    return _names(marker.args, where, table)


def _supports(supported: tuple[str, ...], name: str, table: TargetTable) -> bool:
    # Which GPU `native` is shows only when code is captured on it.
    return name in supported or (name == NATIVE and any(table.entries[other].is_gpu for other in supported))


def _names(values: Iterable[str], where: str, table: TargetTable) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for value in values if (name := value.strip())))
    if not names:
        raise TargetChoiceError(f"{where} names no target; the known ones are {', '.join(target_names(table))}")
    for name in names:
        if name != NATIVE:
            try:
                target(name, table)
            except KernelsnapError as error:
                raise TargetChoiceError(f"{where}: {error}") from None
    return names
