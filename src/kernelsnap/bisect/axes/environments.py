"""Makes environments of packages and keeps them, and lists what is installed in any interpreter.

torch gets an environment of its own, with all that it depends on. Any other package is a layer: a folder with nothing
but it, from which is imported first. torch names the one Triton that it was built with, and a layer goes over that one;
an environment of several gigabytes is so made once for all versions of Triton.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from kernelsnap.bisect.axes.installer import (
    Installer,
    available,
    environment,
    find_installer,
    run_installer,
    size_of,
)
from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.observe.process import ask_python
from kernelsnap.bisect.observe.state import bisect_folder
from kernelsnap.bisect.request import CasesRequest

#: The package that has an environment of its own.
TORCH = "torch"
# What is imported to see whether versions go together; of other packages whatever they are imported as.
_TOGETHER = {"torch": ("torch",), "triton": ("torch", "triton")}
_PROBE = """
import importlib, importlib.metadata as m, json, re, sys
packages = {packages!r}
modules = {modules!r}
names = dict((d.metadata["Name"], d.version) for d in reversed(list(m.distributions())) if d.metadata["Name"])
for top, owners in (m.packages_distributions() if packages else {{}}).items():
    if top.isidentifier() and not top.startswith("_") and set(packages) & {{re.sub("[-_.]+", "-", o).lower() for o in owners}}:
        modules.append(top)
for module in modules:
    importlib.import_module(module)
print("kernelsnap", json.dumps(names))
"""  # noqa: E501
_DONE = ".kernelsnap-complete"


@dataclass(frozen=True)
class Interpreter:
    """A Python, and folders that it imports from before all others."""

    python: str
    path: tuple[Path, ...] = ()  # the layers, the uppermost first


@dataclass(frozen=True)
class Environments:
    """Makes environments and layers below a folder, and keeps them for the next time."""

    folder: Path
    python: str = sys.executable  # what environments are made of, and layers go over where nothing else is asked for
    requirements: tuple[str, ...] = ()  # what else an environment holds, as pip reads it
    installer: Callable[[], Installer] = field(default=find_installer)

    def path(self, package: str, version: str, python: str = "") -> Path:
        """The folder of one version of a package: an environment for torch, a layer for any other.

        Args:
            package, version: what it holds.
            python: the interpreter that a layer is for, where that is another.
        """
        name = f"{canonicalize_name(package)}-{version}-{_python_tag(python or self.python)}"
        return self.folder / (f"{name}{self._suffix}" if package == TORCH else f"{name}-layer")

    def is_made(self, package: str, version: str, python: str = "") -> bool:
        """Whether it is there already; see `path`."""
        return _is_whole(self.path(package, version, python))

    def make(self, package: str, version: str, over: Interpreter | None = None) -> Interpreter:
        """The interpreter with a version of a package; its environment or layer is made if it is not there yet.

        Args:
            package, version: what is wanted.
            over: what a layer goes over; by default an environment of the requirements, or the interpreter.

        Raises:
            SkipStepError: the version cannot be installed.
            BisectError: the disk is full, or the index cannot be reached.
        """
        wanted = f"{package}=={version}"
        if package == TORCH:
            return Interpreter(self._environment(self.path(package, version), [wanted, *self.requirements]))
        over = over or self.base()
        folder = self.path(package, version, over.python)
        with _made(folder) as scratch:
            if scratch:
                run_installer(self.installer().layer(over.python, folder, wanted), wanted, scratch)
        return Interpreter(over.python, (folder, *over.path))

    def base(self) -> Interpreter:
        """The interpreter that layers go over, where no version of torch is asked for."""
        if not self.requirements:
            return Interpreter(self.python)
        return Interpreter(self._environment(self._base, self.requirements))

    def has_base(self) -> bool:
        """Whether that is there already."""
        return not self.requirements or _is_whole(self._base)

    @property
    def _base(self) -> Path:
        return self.folder / f"requirements-{_python_tag(self.python)}{self._suffix}"

    def usual_size(self, package: str) -> float | None:
        """The bytes that a version of the package takes, by those that are there; None where none is."""
        name = f"{canonicalize_name(package)}-*-py*"
        sizes = [int(path.read_text() or 0) for path in self.folder.glob(f"{name}/{_DONE}")]
        return sum(sizes) / len(sizes) if any(sizes) else None

    @property
    def _suffix(self) -> str:
        text = json.dumps(sorted(self.requirements))
        return f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}" if self.requirements else ""

    def _environment(self, folder: Path, wanted: Sequence[str]) -> str:
        python, what = str(folder / "bin" / "python"), " ".join(wanted)
        with _made(folder) as scratch:
            if scratch:
                installer = self.installer()
                run_installer(installer.make(self.python, folder), f"an environment for {what}", scratch)
                run_installer(installer.install(python, *wanted), what, scratch)
        return python


def environments_of(request: CasesRequest) -> Environments:
    """The environments that a command uses: those in the cache folder, of its interpreter and requirements."""
    return Environments(bisect_folder() / "environments", request.python, request.requirement)


@contextmanager
def _made(folder: Path) -> Iterator[Path | None]:
    """Lock a folder while the block makes it; yields a folder for temporary files, None where it is made already.

    Whatever ends the block before its end takes the half-made folder with it; what a kill left is removed first.
    """
    if _is_whole(folder):
        yield None
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        # Another bisection may be making it right now.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_whole(folder):
            yield None
            return
        scratch = folder.with_name(f"{folder.name}.tmp")
        try:
            for left in (folder, scratch):
                shutil.rmtree(left, ignore_errors=True)
            scratch.mkdir()
            yield scratch
            (folder / _DONE).write_text(str(size_of(folder)))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    return (folder / _DONE).exists()


@lru_cache
def _python_tag(python: str) -> str:
    """`py3.11` for an interpreter, whose wheels no other one takes."""
    code = "import sys; print('kernelsnap py%d.%d' % sys.version_info[:2])"
    return ask_python(python, code, environment(), BisectError, f"{python} is no Python")


def installed_versions(interpreter: Interpreter, packages: Sequence[str] = ()) -> dict[str, str]:
    """The versions of everything installed, by lower-case name.

    Args:
        interpreter: where to look.
        packages: what must import together.

    Raises:
        SkipStepError: the interpreter does not start, or the packages do not import together.
    """
    modules = [module for package in packages for module in _TOGETHER.get(package, ())]
    others = [canonicalize_name(package) for package in packages if package not in _TOGETHER]
    code = _PROBE.format(packages=others, modules=list(dict.fromkeys(modules)))
    what = f"{', '.join(packages)} do not import together"
    found = json.loads(ask_python(interpreter.python, code, environment(interpreter.path), SkipStepError, what))
    return {name.lower(): version for name, version in found.items()}


def available_versions(package: str) -> list[str]:
    """The versions that the configured index has, oldest first.

    Raises:
        BisectError: the index cannot be reached, or does not know the package.
    """
    return sorted_versions(available(package))


def sorted_versions(versions: Sequence[str]) -> list[str]:
    """Versions in order, oldest first, nightlies by their date; what is no version is left out."""
    found = {}
    for text in versions:
        try:
            found[text] = Version(text)
        except InvalidVersion:
            continue
    return sorted(found, key=lambda text: found[text])
