"""The factors of an attribution (package versions, settings, commits), and workspaces for the cells of their table."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Literal

from packaging.version import InvalidVersion, Version

from kernelsnap.bisect.attribute.attribution import Cell
from kernelsnap.bisect.axes.config import literal
from kernelsnap.bisect.axes.environments import TORCH, Environments, Interpreter, installed_versions
from kernelsnap.bisect.axes.git import GitAxis
from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.observe.observe import Workspace
from kernelsnap.bisect.outcome import AxisStep

#: A level of a setting that leaves it as torch has it.
DEFAULT = "default"
# torch=2.13.0,2.14.1   config:max_fusion_size=1,64   git=v1.2,HEAD
_FACTOR = re.compile(r"(config:)?([A-Za-z0-9][\w.-]*)=(.+)\Z", re.DOTALL)


@dataclass(frozen=True)
class Factor:
    """What a change may come from: versions of a package, values of a setting, or commits."""

    kind: Literal["package", "config", "git"]
    name: str
    levels: tuple[str, ...]  # as its user wrote them

    @property
    def title(self) -> str:
        """What reports call it."""
        return "the commit" if self.kind == "git" else self.name


def is_factor(word: str) -> bool:
    """Whether a word is a factor, and not a case."""
    return "::" not in word and _FACTOR.match(word) is not None


def parse_factor(word: str) -> Factor:
    """The factor that a word names.

    Raises:
        BisectError: it has fewer than two levels, one twice, or one that is no version.
    """
    found = _FACTOR.match(word)
    if not found:
        raise BisectError(f"{word}: expected PACKAGE=VERSION,VERSION, config:SETTING=VALUE,VALUE or git=COMMIT,COMMIT")
    prefix, name, text = found.groups()
    if prefix:
        factor = Factor("config", name, tuple(_values(text)))
    else:
        factor = Factor("git" if name == "git" else "package", name, tuple(filter(None, text.split(","))))
    if len(set(factor.levels)) < max(2, len(factor.levels)):
        raise BisectError(f"{word}: a factor has at least two levels, and each once")
    for level in factor.levels if factor.kind == "package" else ():
        try:
            Version(level)
        except InvalidVersion:
            raise BisectError(f"{word}: {level!r} is no version") from None
    return factor


def _values(text: str) -> list[str]:
    """The values between commas, which a list or string may hold as well."""
    try:
        values = ast.parse(f"[{text}]", mode="eval").body
        assert isinstance(values, ast.List)
        return [ast.unparse(value) for value in values.elts]
    except SyntaxError:
        return text.split(",")


def check_factors(factors: Sequence[Factor]) -> None:
    """Refuse factors that do not make a table.

    Raises:
        BisectError: there is none, or one twice.
    """
    names = [(factor.kind, factor.name) for factor in factors]
    if not names:
        raise BisectError(
            "name at least one factor, such as torch=2.13.0,2.14.1 or config:max_fusion_size=1,64; `kernelsnap bisect` "
            "with the case alone proposes the packages whose versions differ from what was recorded"
        )
    if len(set(names)) < len(names):
        raise BisectError("a factor is named twice: give all its levels at once, such as torch=2.13.0,2.14.0,2.14.1")


@dataclass(frozen=True)
class Cells:
    """The cells of the table, each of which can be made ready to run cases in."""

    factors: tuple[Factor, ...]
    folder: Path  # where cases run, unless commits are a factor
    environments: Environments
    prepared: Mapping[str, str] = field(default_factory=dict)  # interpreters of the user's, by version of torch
    commits: GitAxis | None = None  # with a step for each level of the factor git

    @cached_property
    def all(self) -> tuple[Cell, ...]:
        """Every cell, those of one commit after another: only one is checked out at a time."""
        cells = product(*(range(len(factor.levels)) for factor in self.factors))
        return tuple(sorted(cells, key=self._commit))

    def step(self, cell: Cell) -> AxisStep:
        """The cell as a step that cases can be run at."""
        key: dict[str, Any] = {}
        for factor, level in zip(self.factors, cell, strict=True):
            text = factor.levels[level]
            if factor.kind == "git" and self.commits:
                key[factor.name] = self.commits.steps[level].key
            elif factor.kind == "config":
                key[f"config:{factor.name}"] = text
            else:
                key[factor.name] = f"{text} {self._prepared(factor, text)}".rstrip()
        return AxisStep(self.name(cell), json.dumps(key, sort_keys=True))

    def name(self, cell: Cell) -> str:
        """`torch 2.14.1, triton 3.8.0`."""
        return ", ".join(
            f"{factor.name} {factor.levels[level]}" for factor, level in zip(self.factors, cell, strict=True)
        )

    def missing(self) -> dict[str, list[str]]:
        """The versions that will be installed, by package."""
        missing = {
            factor.name: [
                level for level in factor.levels if not (self._prepared(factor, level) or self._is_made(factor, level))
            ]
            for factor in self.factors
            if factor.kind == "package"
        }
        return {name: levels for name, levels in missing.items() if levels}

    @contextmanager
    def prepare(self, cell: Cell) -> Iterator[Workspace]:
        """Make a cell ready.

        Raises:
            SkipStepError: a version cannot be installed, the versions do not import together, or a build fails.
        """
        interpreter = self._interpreter(cell)
        levels = self._levels(cell, "config")
        settings = {name: literal(level) for name, level in levels.items() if level != DEFAULT}
        with ExitStack() as stack:
            folder, path = self.folder, tuple[Path, ...]()
            if self.commits:
                workspace = stack.enter_context(self.commits.prepare(self.commits.steps[self._commit(cell)]))
                folder, path = workspace.folder, workspace.path
            yield Workspace(folder, interpreter.python, (*path, *interpreter.path), settings)

    def _interpreter(self, cell: Cell) -> Interpreter:
        """The environment of a cell: torch's, and over it a layer of each other package."""
        versions = self._levels(cell, "package")
        interpreter = self.environments.base() if TORCH not in versions else None
        for name in sorted(versions, key=lambda name: name != TORCH):
            version = versions[name]
            if name == TORCH and version in self.prepared:
                interpreter = Interpreter(self.prepared[version])
            else:
                interpreter = self.environments.make(name, version, interpreter)
        assert interpreter is not None
        if versions:
            there = installed_versions(interpreter, list(versions))
            for name, version in versions.items():
                found = there.get(name.lower(), "none")
                if found == "none" or Version(found).public != Version(version).public:
                    raise SkipStepError(f"{name} {version} was asked for, and {found} is imported")
        return interpreter

    def _levels(self, cell: Cell, kind: str) -> dict[str, str]:
        """The levels of the factors of one kind, by their names."""
        pairs = zip(self.factors, cell, strict=True)
        return {factor.name: factor.levels[level] for factor, level in pairs if factor.kind == kind}

    def _commit(self, cell: Cell) -> int:
        """The level of the factor git; 0 where commits are none."""
        return sum(level for factor, level in zip(self.factors, cell, strict=True) if factor.kind == "git")

    def _prepared(self, factor: Factor, level: str) -> str:
        return self.prepared.get(level, "") if factor.name == TORCH else ""

    def _is_made(self, factor: Factor, level: str) -> bool:
        # A layer is there for each Python that it goes over.
        pythons = set(self.prepared.values()) if factor.name != TORCH else set()
        return all(self.environments.is_made(factor.name, level, python) for python in pythons or {""})
