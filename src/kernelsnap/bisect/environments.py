"""Environments of packages for the wheels axis: those a user prepared, and those made here and kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from kernelsnap.bisect.axis import SkipStepError
from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe import run_command

# What pip says where another try, or another version, would not help.
_FATAL = (
    ("No space left on device", "the disk is full"),
    ("NewConnectionError", "the index cannot be reached"),
    ("Temporary failure in name resolution", "the index cannot be reached"),
    ("Max retries exceeded", "the index cannot be reached"),
)
# Available versions: 2.14.1, 2.14.0, 2.13.0
_AVAILABLE = re.compile(r"^Available versions: (.*)$", re.MULTILINE)
_PROBE = """
import importlib.metadata as m, json
import {modules}
print("kernelsnap", json.dumps({{d.metadata["Name"]: d.version for d in m.distributions()}}))
"""
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
_DONE = ".kernelsnap-complete"


@dataclass(frozen=True)
class Environments:
    """Where environments with one version of a package come from."""

    package: str
    folder: Path  # where those made here are kept
    requirements: tuple[str, ...] = ()  # what else is installed, as pip reads it
    modules: tuple[str, ...] = ("torch",)  # what must import together
    pip: tuple[str, ...] = ()  # more arguments for pip, such as an index

    def python(self, version: str) -> Path:
        """The interpreter of an environment made here."""
        return (
            self.folder / f"{self.package}-{version}-py{sys.version_info[0]}.{sys.version_info[1]}" / "bin" / "python"
        )

    def is_made(self, version: str) -> bool:
        """Whether the environment is there already."""
        return (self.python(version).parents[1] / _DONE).exists()

    def make(self, version: str) -> Path:
        """The interpreter of the environment with this version, made where it is not there.

        Raises:
            SkipStepError: the version cannot be installed, or does not import.
            BisectError: the disk is full, or the index cannot be reached.
        """
        python = self.python(version)
        folder = python.parents[1]
        if not self.is_made(version):
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            wanted = f"{self.package}=={version}"
            self._run([sys.executable, "-m", "venv", "--without-pip", str(folder)], f"an environment for {wanted}")
            if self.requirements:
                # torch names the one triton it was tested with: the version wanted goes over it.
                self._pip(python, *self.requirements)
                self._pip(python, "--no-deps", wanted)
            else:
                self._pip(python, wanted)
            (folder / _DONE).touch()
        check_imports(str(python), self.modules)
        return python

    def available(self) -> list[str]:
        """The versions that the configured index has, oldest first.

        Raises:
            BisectError: the index cannot be reached, or does not know the package.
        """
        command = [*_PIP, "index", "versions", self.package, "--pre", *self.pip]
        status, output = run_command(command, Path.cwd(), _environment(), None)
        found = _AVAILABLE.search(output)
        if status or not found:
            raise BisectError(f"no versions of {self.package} are known: {_why(output)}")
        return sorted_versions(found.group(1).split(", "))

    def _pip(self, python: Path, *arguments: str) -> None:
        # This process's pip: to install one into each environment takes longer than most wheels.
        command = [*_PIP, "--python", str(python), "install", *self.pip, *arguments]
        self._run(command, " ".join(arguments))

    def _run(self, command: Sequence[str], what: str) -> None:
        status, output = run_command(command, self.folder, _environment(), None)
        if status:
            for text, reason in _FATAL:
                if text in output:
                    raise BisectError(f"{what} cannot be installed: {reason}. What was made before is kept")
            raise SkipStepError(f"{what} cannot be installed: {_why(output)}")


def installed_versions(python: str, modules: Sequence[str] = ()) -> dict[str, str]:
    """The versions of everything installed for an interpreter, by lower-case name.

    Raises:
        SkipStepError: it does not start, or the modules do not import together.
    """
    code = _PROBE.format(modules=", ".join(["sys", *modules]))
    try:
        status, output = run_command([python, "-c", code], Path.cwd(), _environment(), 300)
    except OSError as error:
        raise SkipStepError(f"{python} does not start: {error.strerror or error}") from None
    line = next((line for line in output.splitlines() if line.startswith("kernelsnap ")), None)
    if status or line is None:
        raise SkipStepError(f"{', '.join(modules)} do not import together: {_why(output)}")
    return {name.lower(): version for name, version in json.loads(line.removeprefix("kernelsnap ")).items() if name}


def check_imports(python: str, modules: Sequence[str]) -> None:
    """Raise `SkipStepError` where the modules do not import together."""
    installed_versions(python, modules)


def sorted_versions(versions: Sequence[str]) -> list[str]:
    """Versions in order, oldest first, nightlies by their date; what is no version is left out."""
    found = {}
    for text in versions:
        try:
            found[text] = Version(text)
        except InvalidVersion:
            continue
    return sorted(found, key=lambda text: found[text])


def _environment() -> dict[str, str]:
    """Without what would bring this process's own packages in."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def _why(output: str) -> str:
    """The line of an output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() and "traceback" not in line.lower()]
    return (errors or lines or ["it said nothing"])[-1][:300]
