"""Runs all checks of `kernelsnap doctor`, in the order in which one depends on another, and those of the machine."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from kernelsnap.doctor.check import Check
from kernelsnap.doctor.project import look_at
from kernelsnap.doctor.torch_side import capture_check, now, probe, torch_checks
from kernelsnap.shared.places import cache_folder


def examine(folder: Path, *, quick: bool = False) -> tuple[Check, ...]:
    """What this machine can do for the project in this folder; `quick` leaves out the capture."""
    project = look_at(folder)
    started = now()
    facts = probe(folder, quick=quick)
    checks = [*_machine_checks(), *torch_checks(facts, project.recorded, project.table, started), *project.checks]
    if not quick and "error" not in facts["torch"]:
        checks.append(capture_check(facts))
    return tuple(checks)


def _machine_checks() -> Iterator[Check]:
    """What can be said without torch and without the project."""
    yield _python()
    yield _git()
    yield _cache()


def _python() -> Check:
    release = ".".join(platform.python_version_tuple()[:2])
    try:
        installed = metadata.metadata("kernelsnap")
    except metadata.PackageNotFoundError:
        says = f"{platform.python_version()}; kernelsnap is run from its source and not installed"
        return Check("Python", "warning", says, "pip install kernelsnap: pytest finds its plugin only then")
    prefix = "Programming Language :: Python :: "
    classifiers = installed.get_all("Classifier") or []
    known = [line.removeprefix(prefix) for line in classifiers if line.startswith(prefix)]
    says = f"{platform.python_version()}, kernelsnap {installed['Version']}"
    if release in known:
        return Check("Python", "ok", says)
    return Check("Python", "warning", f"{says}; checked with {', '.join(known)}")


def _git() -> Check:
    install = "install git: `kernelsnap bisect` and comparing revisions need it"
    path = shutil.which("git")
    if path is None:
        return Check("git", "warning", "not found", install)
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("git", "warning", f"{path} cannot be run: {error}", install)
    return Check("git", "ok", done.stdout.strip().removeprefix("git version "))


def _cache() -> Check:
    folder = cache_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Check(
            "cache folder",
            "warning",
            f"{folder} cannot be written ({error.strerror}): the C++ part is built anew in every process",
            "name another folder in $KERNELSNAP_CACHE",
        )
    return Check("cache folder", "ok", f"{folder}" if folder == existing else f"{folder}, not there yet")
