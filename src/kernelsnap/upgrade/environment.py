"""The two environments of an upgrade, and mixtures of both: one with some packages as the other has them.

A package is taken from another environment by links: nothing is downloaded, and a build of one's own is taken as it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from kernelsnap.bisect.axes.environments import TORCH, Environments, Interpreter, installed_versions
from kernelsnap.bisect.axes.installer import environment as installer_environment
from kernelsnap.bisect.dialog import agreement
from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.observe.process import ask_python
from kernelsnap.golden.toolchain import COMPILERS, SHOWN, Toolchain
from kernelsnap.shared.wording import listed

_FILES_OF = """
import importlib.metadata as m, json
found = m.distribution({name!r})
tops = sorted({{file.parts[0] for file in found.files or ()}} - {{"..", "__pycache__"}})
print("kernelsnap", json.dumps([str(found.locate_file(top)) for top in tops]))
"""


@dataclass(frozen=True)
class Environment:
    """One side of an upgrade, or a mixture of both."""

    interpreter: Interpreter
    versions: Mapping[str, str]  # public versions of everything that is installed, by canonical name

    @property
    def key(self) -> str:
        """Equal for environments with the same interpreter and packages."""
        content = json.dumps([self.interpreter.python, sorted(self.versions.items())])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def version(self, package: str) -> str:
        """The version of a package; "" where it is not installed."""
        return next((self.versions[name] for name in _names(package) if name in self.versions), "")

    def of(self, packages: Collection[str]) -> dict[str, str]:
        """The versions of these packages, as far as they are installed."""
        return {name: version for name in packages if (version := self.version(name))}


def environment_of(interpreter: Interpreter, together: Sequence[str] = ()) -> Environment:
    """What is installed in an interpreter. Raises `SkipStepError` where these packages do not import together."""
    found = installed_versions(interpreter, together)
    return Environment(interpreter, {canonicalize_name(name): _public(version) for name, version in found.items()})


def _public(version: str) -> str:
    try:
        return Version(version).public
    except InvalidVersion:
        return version


def _names(package: str) -> tuple[str, ...]:
    return COMPILERS.get(package, (canonicalize_name(package),))


@dataclass(frozen=True)
class Asked:
    """An environment as a user writes it: the path of a Python or of its environment, or exact versions."""

    option: str  # as errors call it
    words: tuple[str, ...]
    recorded: Toolchain  # what the goldens were recorded with
    environments: Environments

    def opened(self, *, yes: bool) -> Environment:
        """The environment; made where it is not there yet, once the user agrees.

        Raises:
            BisectError: there is no such environment, it cannot be made, or the user does not agree.
        """
        try:
            return environment_of(self._interpreter(yes=yes))
        except SkipStepError as error:
            raise BisectError(f"{self.option} {' '.join(self.words)}: {error}") from None

    @property
    def named(self) -> Mapping[str, str]:
        """The versions that were asked for, by package; none where an interpreter was."""
        return {} if self._python() else dict(map(self._exact, self.words))

    def _python(self) -> str:
        """The interpreter that the words name; "" where they are versions."""
        path = Path(self.words[0])
        if len(self.words) > 1 or not path.exists():
            return ""
        return str((path / "bin" / "python" if path.is_dir() else path).absolute())

    def _exact(self, word: str) -> tuple[str, str]:
        try:
            found = Requirement(word)
            (exact,) = (one.version for one in found.specifier if one.operator == "==")
        except (InvalidRequirement, ValueError):
            raise BisectError(
                f"{self.option} {word}: expected the path of a Python, or exact versions such as torch==2.14.1"
            ) from None
        return canonicalize_name(found.name), exact

    def _interpreter(self, *, yes: bool) -> Interpreter:
        if python := self._python():
            return Interpreter(python)
        named = dict(self.named)
        # torch gets a whole environment, with what else the goldens need; any other package goes over the one at hand.
        if TORCH in named:
            named = {name: max(lines, key=Version) for name, lines in self.recorded.packages.items()} | named
        layers = {name: version for name, version in named.items() if TORCH not in named or name in SHOWN}
        wanted = tuple(sorted(f"{name}=={version}" for name, version in named.items() if name not in layers))
        made = Environments(
            self.environments.folder, self.environments.python, (*wanted, *self.environments.requirements)
        )
        if not (made.has_base() and all(made.is_made(*layer) for layer in layers.items())):
            what = listed([*wanted, *(f"{name}=={version}" for name, version in layers.items())])
            agreement(f"{what} will be installed below {made.folder}", yes=yes)
        interpreter = made.base()
        for name, version in layers.items():
            interpreter = made.make(name, version, interpreter)
        return interpreter


def mixture(
    old: Environment, new: Environment, taken: Collection[str], others: Collection[str], to: Path
) -> Environment:
    """The environment that has some packages as the new one has them, and others as the old one.

    torch brings along all of its environment: the packages besides are linked over it.

    Args:
        old, new: the two environments.
        taken: the packages of the new one.
        others: those of the old one.
        to: a folder for the links.

    Raises:
        SkipStepError: a package cannot be taken from its environment, or they do not import together.
    """
    base = new if TORCH in taken else old
    layers = []
    for name in (*taken, *others):
        source = new if name in taken else old
        if source is not base and name != TORCH:
            layers.append(_linked(source, name, to / name))
    packages = (*taken, *others)
    made = environment_of(Interpreter(base.interpreter.python, (*layers, *base.interpreter.path)), packages)
    for name in packages:
        wanted = (new if name in taken else old).version(name)
        if made.version(name) != wanted:
            raise SkipStepError(f"{name} {wanted or 'none'} is wanted, and {made.version(name) or 'none'} is imported")
    return made


def _linked(source: Environment, package: str, folder: Path) -> Path:
    """A folder with links to the files of a package in an environment."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    name = next((name for name in _names(package) if name in source.versions), "")
    if name:
        code, path = _FILES_OF.format(name=name), source.interpreter.path
        python, what = source.interpreter.python, f"{package} cannot be taken from {source.interpreter.python}"
        for file in json.loads(ask_python(python, code, installer_environment(path), SkipStepError, what)):
            (folder / Path(file).name).symlink_to(file)
    return folder
