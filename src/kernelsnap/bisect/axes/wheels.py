"""The axis of a package's versions, each installed apart from the others and kept for the next time."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from packaging.version import InvalidVersion, Version

from kernelsnap.bisect.axes.environments import (
    TORCH,
    Environments,
    Interpreter,
    available_versions,
    environments_of,
    installed_versions,
    sorted_versions,
)
from kernelsnap.bisect.dialog import agreement
from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.line import LineAxis
from kernelsnap.bisect.observe.observe import Workspace
from kernelsnap.bisect.observe.state import digest
from kernelsnap.bisect.outcome import AxisStep
from kernelsnap.bisect.request import BisectRequest

_GIGABYTE = 1e9
# What a version of these takes, where none is there to be measured: for torch a CPU build, and one with CUDA.
_SIZES = {"torch": "about 1 GB each for a CPU build, 6 GB for one with CUDA", "triton": "about 0.7 GB each"}


@dataclass(frozen=True, kw_only=True)
class WheelsAxis(LineAxis):
    """The versions of a package in a range."""

    kind: ClassVar[str] = "wheels"

    package: str
    environments: Environments
    folder: Path  # where the case runs
    prepared: Mapping[str, str]  # interpreters of the user's, by version

    @classmethod
    def identity(cls, request: BisectRequest, test: Path) -> dict[str, str]:
        """The package, what is installed with it, the interpreter and the test."""
        package, _, _ = parse_range(str(request.axis))
        return {
            "axis": package,
            "requirements": " ".join(request.requirement),
            "python": request.python,
            "test": digest(test),
        }

    @classmethod
    @contextmanager
    def opened(cls, request: BisectRequest, state: Path) -> Iterator[WheelsAxis]:
        """The versions that `--axis` names, once the user agrees to install those that are not there.

        Where `--env` names prepared interpreters, only their versions are searched.
        """
        text = str(request.axis)
        package, first, last = parse_range(text)
        prepared = _prepared(package, request.env)
        versions = sorted_versions(list(prepared)) if prepared else available_versions(package)
        low = index_of(first, package, versions) if first else 0
        high = index_of(last, package, versions) if last else len(versions) - 1
        if low > high:
            raise BisectError(f"--axis {text}: {first} is newer than {last}")
        if not first and not last and not prepared:
            raise BisectError(f"--axis {text}: name at least one end")
        axis = cls(
            start_known=bool(first),
            steps=tuple(
                AxisStep(name, f"{name} {prepared.get(name, '')}".strip()) for name in versions[low : high + 1]
            ),
            offset=low,
            package=package,
            environments=environments_of(request),
            folder=Path.cwd(),
            prepared=prepared,
        )
        if missing := [step.name for step in axis.steps if not axis.is_cheap(step)]:
            agreement(what_it_takes(axis.environments, {package: missing}), yes=request.yes)
        yield axis

    def is_cheap(self, step: AxisStep) -> bool:
        """Whether its environment is there."""
        return step.name in self.prepared or self.environments.is_made(self.package, step.name)

    @contextmanager
    def prepare(self, step: AxisStep) -> Iterator[Workspace]:
        """The user's own tree, run in the step's environment.

        Raises:
            SkipStepError: the version cannot be installed, or does not import.
            BisectError: the disk is full, or the index cannot be reached.
        """
        if step.name in self.prepared:
            interpreter = Interpreter(self.prepared[step.name])
        else:
            interpreter = self.environments.make(self.package, step.name)
        installed_versions(interpreter, [self.package])
        yield Workspace(self.folder, interpreter.python, interpreter.path)


def parse_range(text: str) -> tuple[str, str, str]:
    """The package, first and last version of `torch=2.11.0..2.14.1`; a version is "" where it is left out.

    Raises:
        BisectError: it is not of this form.
    """
    package, _, versions = text.partition("=")
    first, dots, last = versions.partition("..")
    if not (package and dots):
        raise BisectError(f"--axis {text}: expected PACKAGE=FIRST..LAST, such as torch=2.11.0..2.14.1")
    for version in (first, last):
        try:
            Version(version or "0")
        except InvalidVersion:
            raise BisectError(f"--axis {text}: {version!r} is no version") from None
    return package, first, last


def _prepared(package: str, given: Sequence[str]) -> dict[str, str]:
    """The user's interpreters by the version of the package that each has."""
    prepared: dict[str, str] = {}
    for text in given:
        version, separator, python = text.partition("=")
        if not (separator and version and python):
            raise BisectError(f"--env {text}: expected VERSION=PYTHON, such as 2.11.0=/path/to/bin/python")
        check_prepared(text, package, version, python)
        prepared[version] = python
    return prepared


def check_prepared(text: str, package: str, version: str, python: str) -> None:
    """Refuse an interpreter, given as `--env TEXT`, that does not have this version of the package.

    Raises:
        BisectError: it does not start, or has another version, or none.
    """
    try:
        found = installed_versions(Interpreter(python)).get(package.lower())
    except SkipStepError as error:
        raise BisectError(f"--env {text}: {error}") from None
    if found is None or Version(found).public != Version(version).public:
        raise BisectError(f"--env {text}: this interpreter has {f'{package} {found}' if found else f'no {package}'}")


def index_of(version: str, package: str, versions: Sequence[str]) -> int:
    """The index of a version among these versions of a package, however it is written: `2.13` is `2.13.0`.

    Raises:
        BisectError: it is none of them.
    """
    for index, known in enumerate(versions):
        if Version(known) == Version(version):
            return index
    close = ", ".join(difflib.get_close_matches(version, versions, n=5, cutoff=0.4) or versions[-5:])
    raise BisectError(f"there is no {package} {version} to be had; there are {close} among {len(versions)}")


def what_it_takes(environments: Environments, missing: Mapping[str, Sequence[str]], *, search: bool = True) -> str:
    """What installing versions costs, in words.

    Args:
        environments: where they go.
        missing: the versions that are not there, by package.
        search: whether only as many of them will be needed as a search asks.
    """
    folder = environments.folder
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free / _GIGABYTE
    parts = []
    for package, versions in missing.items():
        count = str(len(versions))
        if search and (most := len(versions).bit_length() + 2) < len(versions):
            count = f"up to {most} of {count}"
        size = environments.usual_size(package)
        takes = (
            _SIZES.get(package, "of a size that is not known") if size is None else f"{size / _GIGABYTE:.1f} GB each"
        )
        form = "in an environment of its own" if package == TORCH else "in a folder of its own"
        parts.append(f"{count} version{'' if len(versions) == 1 else 's'} of {package}, each {form} ({takes})")
    return f"{', and '.join(parts)} will be installed below {folder}, where {free:.1f} GB are free"
