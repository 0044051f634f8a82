"""What one run of pytest knows about goldens: where they are, which were compared, and with which toolchain."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.utils import canonicalize_name

from kernelsnap.errors import GoldenError, GoldenPathError, KernelsnapError
from kernelsnap.golden import sharing, toolchain
from kernelsnap.golden.compared_resources import ComparedResources
from kernelsnap.golden.files import read_text, sweep
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.prune import Orphan
from kernelsnap.golden.sharing import undefined_targets
from kernelsnap.golden.store import Case
from kernelsnap.golden.templates.folding import templates_named
from kernelsnap.golden.templates.settle import keep_templates
from kernelsnap.golden.templates.template import Template, read_template
from kernelsnap.golden.toolchain import Toolchain
from kernelsnap.golden.versions import (
    ComparedGolden,
    compilers_here,
    differences,
    keep_toolchain,
    may_be_compared,
    told_versions,
)
from kernelsnap.model.budget import Use
from kernelsnap.normalize.meta import unjudged_facts
from kernelsnap.pending.entry import Pending, from_json
from kernelsnap.plugin.private import worker_input
from kernelsnap.plugin.targets import OPTION, targets_of
from kernelsnap.plugin.variants import OPTION as VARIANT
from kernelsnap.shared.wording import internal_error

if TYPE_CHECKING:
    from kernelsnap.plugin.moves import Former

GOLDENS_INI = "kernelsnap_goldens"
TESTS_INI = "kernelsnap_tests"
PACKAGES_INI = "kernelsnap_packages"
WHY_OPTION = "--kernelsnap-why"

_COLOR = "kernelsnap_color"
#: The exit status of a run in which a hook of kernelsnap failed.
BROKEN = 2


class PackageNameError(KernelsnapError):
    """The project names a package that is not installed."""


@dataclass
class GoldenRun:
    """One run of pytest, or one worker's part of it."""

    config: pytest.Config
    # The goldens that were compared, by target and case, because targets may share a file.
    compared: dict[str, ComparedGolden] = field(default_factory=dict)
    # The names of those whose test failed before it came to compare them.
    not_reached: set[str] = field(default_factory=set)
    # The templates that gave text of goldens that may be recorded, by name.
    templates: dict[str, Template] = field(default_factory=dict)
    # The resources that were compared with their files.
    resources: ComparedResources = field(default_factory=ComparedResources)
    # The tests that were collected, and whether some of these were left out.
    tests: set[str] = field(default_factory=set)
    selected: bool = False
    # Those that ran to their end, each after its target.
    whole: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    # Whether something went wrong outside of the tests.
    broken: bool = False
    # Files that belong to no test; None where this was not looked for.
    orphans: tuple[Orphan, ...] | None = None
    # The goldens that no test has any more, by case and label; None where nobody looked yet.
    formers: dict[tuple[str, str], Former] | None = None
    # The paths, below the goldens, of those that were not there when they were to be compared.
    missing: set[str] = field(default_factory=set)
    # When the run began, in nanoseconds since the epoch.
    started: int = field(default_factory=time.time_ns)
    # Sentences about goldens that were recorded with other versions than are here.
    other_toolchain: list[str] = field(default_factory=list)
    # What changed in the goldens whose tests failed for it, by node id.
    failed: dict[str, list[Pending]] = field(default_factory=dict)
    # The budgets that were checked, by target and case.
    budgets: dict[str, list[Use]] = field(default_factory=dict)
    # The names of goldens by folder, in a run that records none.
    listed: dict[Path, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    # Why cases may have one of several goldens.
    allowed: dict[str, str] = field(default_factory=dict)
    # Variants of goldens that are for other releases than those here, by label and case.
    unchecked: set[str] = field(default_factory=set)
    # Facts that torch gave kernels and that kernelsnap does not know: they are in no golden.
    unjudged: set[str] = field(default_factory=set)

    @cached_property
    def goldens(self) -> Path:
        """The folder of the goldens."""
        return self.config.rootpath / str(self.config.getini(GOLDENS_INI))

    @cached_property
    def tests_root(self) -> Path:
        """The folder whose test modules the goldens mirror."""
        return self.config.rootpath / str(self.config.getini(TESTS_INI))

    @cached_property
    def recorded(self) -> Toolchain | None:
        """The toolchain that the goldens were recorded with."""
        return toolchain.read(self.goldens)

    @cached_property
    def packages_named(self) -> tuple[str, ...]:
        """The packages that the project names as ones that its goldens depend on.

        Raises:
            PackageNameError: one of them is not installed.
        """
        names = tuple(canonicalize_name(name) for name in self.config.getini(PACKAGES_INI))
        for name in names:
            if not toolchain.version_here(name):
                raise PackageNameError(f"{PACKAGES_INI}: no package {name} is installed here")
        return names

    def names_of(self, folder: Path, case: Case) -> Collection[str] | None:
        """The names of files that may be goldens of a case; the folder is listed once. None if this run records."""
        if self.creates:
            return None
        if folder not in self.listed:
            self.listed[folder] = sharing.by_case(folder)
        return self.listed[folder].get(sharing.beginning_of(case), ())

    @cached_property
    def versions(self) -> dict[str, str]:
        """The versions of torch and triton that are here."""
        return compilers_here()

    @property
    def color(self) -> bool:
        """Whether the terminal that the report ends up on shows colour."""
        told = worker_input(self.config)
        if told is not None:
            return bool(told.get(_COLOR))
        return self.config.pluginmanager.has_plugin("terminalreporter") and self.config.get_terminal_writer().hasmarkup

    def tell_worker(self, told: dict[str, Any]) -> None:
        """Give a worker of pytest-xdist what only the controller knows."""
        told[_COLOR] = self.color

    @property
    def updates(self) -> bool:
        """Whether goldens that differ are rewritten."""
        return bool(self.config.getoption("update_snapshots"))

    @property
    def fills_why(self) -> bool:
        """Whether goldens that are equal get the reasons that the compiler gives now."""
        return self.updates and bool(self.config.getoption(WHY_OPTION))

    @property
    def creates(self) -> bool:
        """Whether goldens that are missing are recorded: asking for new ones only does not count in CI."""
        return self.updates or (bool(self.config.getoption("update_new_snapshots_only")) and not in_ci())

    @cached_property
    def without_root(self) -> str:
        """Why no golden may be recorded: nothing but the files that pytest is called with decides on the root; or "".

        An absolute folder of goldens depends on no root.
        """
        config = self.config
        is_given = config.inipath or config.getoption("rootdir") or (config.rootpath / "setup.py").is_file()
        if is_given or Path(str(config.getini(GOLDENS_INI))).is_absolute():
            return ""
        return (
            f"nothing is recorded: it would be in {self.goldens}, because pytest found no configuration, and takes for "
            f"its root the folder that the files which it is called with have in common. Make a pytest.ini (or "
            f"[tool.pytest.ini_options] in pyproject.toml) in the folder of the project"
        )

    def check_root(self) -> None:
        """Raise `GoldenPathError` where this run would record goldens below a root that nobody chose."""
        if self.creates and self.without_root:
            raise GoldenPathError(self.without_root)

    def shown(self, path: Path) -> str:
        """A path as messages name it: relative to the folder that pytest was started in."""
        start = self.config.invocation_params.dir
        return os.path.relpath(path, start) if path.is_relative_to(self.config.rootpath) else str(path)

    def update_command(self, module: Path, test: str, target: str | None, *options: str) -> str:
        """The command that records the goldens of one test again."""
        asked = [OPTION, target] if target else []
        variant = self.config.getoption(VARIANT)
        asked += [VARIANT, variant] if variant else []
        return shlex.join(["pytest", f"{self.shown(module)}::{test}", *asked, *options, "--snapshot-update"])

    def remember(self, case: str, target: str, compared: ComparedGolden) -> None:
        """Note that the golden of a case was compared, for one target."""
        self.compared[f"{target} {case}"] = compared

    def other_versions(self, compared: ComparedGolden) -> list[str]:
        """How what a golden was recorded with differs from what is here, a sentence for each package."""
        return differences(self.recorded, compared) if self.recorded else []

    def not_compared(self, name: str) -> list[str]:
        """Note that a golden's test failed before it came to compare it; see `other_versions`."""
        self.not_reached.add(name)
        return self.other_versions(ComparedGolden(name))

    def report(self) -> dict[str, Any]:
        """What a worker tells the controller."""
        return {
            "compared": {key: asdict(golden) for key, golden in sorted(self.compared.items())},
            "not_reached": sorted(self.not_reached),
            "missing": sorted(self.missing),
            "resources": self.resources.report(),
            "templates": {name: template.text for name, template in sorted(self.templates.items())},
            "tests": sorted(self.tests),
            "whole": sorted(self.whole),
            "selected": self.selected,
            "budgets": {key: [asdict(use) for use in uses] for key, uses in self.budgets.items()},
            "allowed": dict(sorted(self.allowed.items())),
            "unchecked": sorted(self.unchecked),
            "unjudged": sorted(self.unjudged),
            "failed": {test: [head.to_json() for head in heads] for test, heads in self.failed.items()},
        }

    def add(self, report: dict[str, Any]) -> None:
        """Take over what a worker told."""
        self.compared |= {key: ComparedGolden(**golden) for key, golden in report["compared"].items()}
        self.not_reached |= set(report["not_reached"])
        self.missing |= set(report["missing"])
        self.resources.add(report["resources"])
        self.templates |= {name: read_template(name, text) for name, text in report["templates"].items()}
        self.tests |= set(report["tests"])
        self.whole |= set(report["whole"])
        self.selected |= report["selected"]
        for key, uses in report["budgets"].items():
            self.budgets.setdefault(key, []).extend(Use(**{**use, "kernels": tuple(use["kernels"])}) for use in uses)
        self.allowed |= report["allowed"]
        self.unchecked |= set(report["unchecked"])
        self.unjudged |= set(report["unjudged"])
        for test, heads in report["failed"].items():
            self.failed[test] = [from_json(head, test) for head in heads]

    @contextmanager
    def guarded(self, hook: str) -> Iterator[None]:
        """Make a note of an error inside the block, whose trace `--full-trace` shows; the run goes on to its end."""
        try:
            yield
        except GoldenError as error:
            self.notes.append(str(error))
            self.broken = True
        except Exception as error:
            if self.config.getoption("fulltrace"):
                raise
            self.notes += internal_error(error, f"{hook} of {self.shown(self.goldens)}", "--full-trace")
            self.broken = True

    def finish(self) -> bool:
        """Keep `toolchain.toml` and the templates true; whether that went well. To be called once, after all tests."""
        if self.unjudged:
            self.notes.append(unjudged_facts(self.unjudged))
        try:
            with tree_lock(self.goldens) if self.creates and self.goldens.is_dir() else nullcontext():
                if self.creates:
                    sweep(self.goldens)
                if self.compared:
                    self._keep_templates()
                if self.compared or self.not_reached:
                    self._keep_toolchain()
                if self.compared:
                    self.notes += self.resources.finish(self.goldens, creates=self.creates, updates=self.updates)
        except GoldenError as error:
            self.notes.append(str(error))
            return False
        return True

    def _keep_templates(self) -> None:
        if not (self.creates and self.templates):
            return
        self.notes += keep_templates(
            self.goldens, self.templates.values(), self._was_compared, replaces=self.updates, shown=self.shown
        )

    def _keep_toolchain(self) -> None:
        if self.creates and self.goldens.is_dir():
            compared = self.compared.values()
            changed, notes = keep_toolchain(
                self.goldens, compared, lambda: list(self._not_compared()), updates=self.updates
            )
            if changed:
                self.notes.append(f"{self.shown(self.goldens / toolchain.FILE)} now names the toolchain of this run")
            self.notes += [*notes, *(self.undefined_targets() if notes else ())]
        if recorded := toolchain.read(self.goldens):
            reached = {golden.name for golden in self.compared.values()}
            failed = [ComparedGolden(name) for name in sorted(self.not_reached - reached)]
            self.other_toolchain = list(told_versions(recorded, [*self.compared.values(), *failed]))
            self.notes += self.other_toolchain

    def _not_compared(self) -> Iterator[str]:
        for path, _ in self._heads_not_compared():
            yield path.relative_to(self.goldens).as_posix()

    def _heads_not_compared(self) -> Iterator[tuple[Path, str]]:
        for path, case, labels in sharing.heads_below(self.goldens):
            if not all(f"{label} {case}" in self.compared for label in may_be_compared(labels, self.versions)):
                yield path, case

    def _was_compared(self, path: Path) -> bool:
        return self.was_compared(*sharing.head_of(path))

    def was_compared(self, case: str, targets: Collection[str]) -> bool:
        """Whether the golden of a case was compared, for all of these targets."""
        return bool(targets) and all(f"{target} {case}" in self.compared for target in targets)

    def undefined_targets(self) -> tuple[str, ...]:
        """What to say about goldens of targets that this project does not define."""
        return undefined_targets(self.goldens, targets_of(self.config))


def templates_of(path: Path) -> frozenset[str]:
    """The templates that the text of a golden names."""
    return templates_named(read_text(path))


RUN = pytest.StashKey[GoldenRun]()


def in_ci() -> bool:
    """Whether this runs in continuous integration, by the variable `CI` that services set."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")
