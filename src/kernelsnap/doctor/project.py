"""Checks of the project in a folder: its pytest, its targets, and the versions that its goldens were recorded with."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsnap.doctor.check import Check, asked, private_names_check
from kernelsnap.errors import GoldenError
from kernelsnap.golden import store, toolchain
from kernelsnap.golden.sharing import heads_below, undefined_targets
from kernelsnap.golden.toolchain import Toolchain, golden_names
from kernelsnap.shared.wording import counted
from kernelsnap.targets.lookup import BUILT_IN, TargetConfigError, TargetTable, project_targets

_FLASH = "flash-attn-4"
_INSTALL_PYTEST = "pip install 'pytest<10' 'syrupy<8' 'pytest-xdist<4'"


@dataclass(frozen=True)
class Project:
    """What is known of a project, and the checks that came of finding it out."""

    goldens: Path
    recorded: Toolchain
    table: TargetTable
    checks: tuple[Check, ...]


def look_at(folder: Path) -> Project:
    """The project that this folder belongs to, as pytest sees it."""
    answers, ended = asked("kernelsnap.plugin.probe", (), folder)
    answer: dict[str, Any] = answers[0] if answers else {"error": ended}
    checks = [_pytest(answer)]
    if "private" in answer:
        checks.append(private_names_check("pytest internals", answer["private"], _INSTALL_PYTEST))
    table = BUILT_IN
    try:
        table = project_targets(Path(answer.get("rootdir", folder)))
    except TargetConfigError as error:
        checks.append(Check("own targets", "missing", str(error), "correct the file"))
    else:
        if table.file:
            checks.append(Check("own targets", "ok", f"{', '.join(table.defined)}, defined in {table.file}"))
    goldens = Path(answer.get("goldens", folder / "goldens"))
    recorded = Toolchain()
    try:
        recorded = toolchain.read(goldens) or recorded
        checks += _goldens(goldens, recorded, table)
        checks += _packages(folder, Path(answer.get("rootdir", folder)), goldens, recorded)
    except (GoldenError, OSError) as error:
        checks.append(Check("goldens", "warning", str(error), "restore the file from version control"))
    if all(check.name != _FLASH for check in checks):
        checks.append(_flash())
    return Project(goldens, recorded, table, tuple(checks))


def _pytest(answer: dict[str, Any]) -> Check:
    if "error" in answer:
        return Check("pytest", "missing", f"does not start here: {answer['error']}", "run `pytest --collect-only`")
    if not answer["plugin"]:
        return Check(
            "pytest",
            "missing",
            f"{answer['version']} does not load kernelsnap's plugin",
            "install kernelsnap beside it; unset PYTEST_DISABLE_PLUGIN_AUTOLOAD and `-p no:kernelsnap`",
        )
    return Check("pytest", "ok", f"{answer['version']}, with kernelsnap's plugin; rootdir {answer['rootdir']}")


def _goldens(goldens: Path, recorded: Toolchain, table: TargetTable) -> Iterator[Check]:
    files = len(list(store.golden_files(goldens)))
    if not files:
        yield Check("goldens", "ok", f"none yet in {goldens}")
        return
    changed = {
        name: sentence
        for name, version in recorded.versions.items()
        if (sentence := toolchain.difference(name, version, toolchain.version_here(name)))
    }
    if not recorded.versions:
        yield Check("goldens", "warning", f"{files} in {goldens}; {toolchain.FILE} does not say what recorded them")
    elif changed:
        do = _both_ways([f"{name}=={recorded.versions[name]}" for name in changed], [])
        yield Check("goldens", "warning", f"{files} in {goldens}, {'; '.join(changed.values())}", do)
    else:
        yield Check("goldens", "ok", f"{files} in {goldens}, recorded with the torch and triton that are installed")
    for sentence in undefined_targets(goldens, table):
        yield Check("undefined targets", "warning", sentence)


def _packages(folder: Path, rootdir: Path, goldens: Path, recorded: Toolchain) -> Iterator[Check]:
    """The packages that goldens were recorded with in another version than is here."""
    modules: dict[tuple[str, str], list[str]] = defaultdict(list)  # of each golden, by package and recorded version
    for path, case, _ in heads_below(goldens) if recorded.packages else ():
        module = os.path.relpath(rootdir / case.partition("::")[0], folder)
        for golden in golden_names(path, goldens):
            for package in recorded.packages_of(golden).items():
                modules[package].append(module)
    for (name, version), found in sorted(modules.items()):
        if sentence := toolchain.difference(name, version, toolchain.version_here(name)):
            number = counted(len(found), "golden")
            # Its dependencies are gigabytes that generating its text does not need.
            options = ["--no-deps"] if name == _FLASH else []
            do = _both_ways([*options, f"{name}=={version}"], sorted(set(found)))
            yield Check(name, "warning", f"{sentence}: {number}", do)


def _both_ways(requirements: Sequence[str], modules: Sequence[str]) -> str:
    """Install what was recorded, or record again what these test modules compare."""
    again = shlex.join(["pytest", *modules, "--snapshot-update"])
    return f"pip install {shlex.join(requirements)}   or record again: {again}"


def _flash() -> Check:
    if version := toolchain.version_here(_FLASH):
        return Check(_FLASH, "ok", version)
    return Check(_FLASH, "ok", "not installed; only flex attention's FLASH backend would need it")
