"""The wheels axis: versions of a package, each in an environment of its own that is kept for the next time."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import InvalidVersion, Version

from kernelsnap.bisect.axis import SkipStepError, Step
from kernelsnap.bisect.environments import Environments, check_imports, installed_versions, sorted_versions
from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe import Place

_GIGABYTE = 1e9


@dataclass(frozen=True)
class WheelsAxis:
    """The versions of a package in a range."""

    environments: Environments
    folder: Path  # where the case runs
    steps: tuple[Step, ...]
    offset: int
    prepared: Mapping[str, str]  # interpreters of the user's, by version
    start_known: bool
    probes: tuple[int, ...] = ()
    kind: str = field(default="wheels")

    def is_cheap(self, step: Step) -> bool:
        """Whether its environment is there."""
        return step.name in self.prepared or self.environments.is_made(step.name)

    @contextmanager
    def place(self, step: Step) -> Iterator[Place]:
        """The user's own tree, run in the step's environment."""
        if step.name in self.prepared:
            python = self.prepared[step.name]
            check_imports(python, self.environments.modules)
        else:
            python = str(self.environments.make(step.name))
        yield Place(self.folder, python)


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


def wheels_axis(
    text: str, folder: Path, environments: Environments, given: Sequence[str], ask: Callable[[str], bool]
) -> WheelsAxis:
    """The versions of `torch=2.11.0..2.14.1`.

    Args:
        text: the range; see `parse_range`.
        folder: where the case runs.
        environments: how those that are not there are made.
        given: prepared ones, `2.11.0=/path/to/python` each; if there are any, only these are searched.
        ask: whether to go on, where environments will be made.

    Raises:
        BisectError: there is no such version, or the user does not want to go on.
    """
    package, first, last = parse_range(text)
    prepared = _prepared(package, given)
    versions = sorted_versions(list(prepared)) if prepared else environments.available()
    low, high = _place(package, versions, first, 0), _place(package, versions, last, len(versions) - 1)
    if low > high:
        raise BisectError(f"--axis {text}: {first} is newer than {last}")
    chosen = versions[low : high + 1]
    if not first and not last and not prepared:
        raise BisectError(f"--axis {text}: name at least one end")
    steps = tuple(Step(version, f"{version} {prepared.get(version, '')}".strip()) for version in chosen)
    axis = WheelsAxis(environments, folder, steps, low, prepared, start_known=bool(first))
    missing = [step.name for step in steps if not axis.is_cheap(step)]
    if missing and not ask(_what_it_takes(package, missing, environments.folder)):
        raise BisectError("nothing was installed")
    return axis


def _prepared(package: str, given: Sequence[str]) -> dict[str, str]:
    """The user's interpreters by the version of the package that each has."""
    prepared: dict[str, str] = {}
    for text in given:
        version, separator, python = text.partition("=")
        if not (separator and version and python):
            raise BisectError(f"--env {text}: expected VERSION=PYTHON, such as 2.11.0=/path/to/bin/python")
        try:
            found = installed_versions(python).get(package.lower())
        except SkipStepError as error:
            raise BisectError(f"--env {text}: {error}") from None
        if found is None or Version(found).public != Version(version).public:
            raise BisectError(
                f"--env {text}: this interpreter has {f'{package} {found}' if found else f'no {package}'}"
            )
        prepared[version] = python
    return prepared


def _place(package: str, versions: Sequence[str], version: str, default: int) -> int:
    if not version:
        return default
    for index, known in enumerate(versions):
        if Version(known) == Version(version):
            return index
    close = difflib.get_close_matches(version, versions, n=5, cutoff=0.4) or versions[-5:]
    raise BisectError(f"there is no {package} {version} to be had; there are {', '.join(close)} among {len(versions)}")


def _what_it_takes(package: str, missing: Sequence[str], folder: Path) -> str:
    """What making environments costs, in words."""
    most = min(len(missing), len(missing).bit_length() + 2)
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free / _GIGABYTE
    return (
        f"up to {most} of {len(missing)} versions of {package} will be installed below {folder}, each in an "
        f"environment of its own: about 1 GB each for a CPU build of torch, 6 GB for one with CUDA. "
        f"{free:.0f} GB are free there"
    )
