"""The checks of the project in this folder: its pytest, its targets, and the toolchain of its goldens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsnap.doctor.check import Check, asked, private_names_check
from kernelsnap.errors import GoldenError
from kernelsnap.golden import store, toolchain
from kernelsnap.golden.sharing import undefined_targets
from kernelsnap.golden.toolchain import Toolchain
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
    except (GoldenError, OSError) as error:
        checks.append(Check("goldens", "warning", str(error), "restore the file from version control"))
    checks.append(_flash(recorded))
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
    present = toolchain.installed()
    if not recorded.versions:
        yield Check("goldens", "warning", f"{files} in {goldens}; {toolchain.FILE} does not say what recorded them")
    elif changed := toolchain.changed(recorded, present, recorded.versions):
        difference = toolchain.difference(recorded, present, recorded.versions)
        wanted = [f"{name}=={recorded.versions[name]}" for name in changed if name in recorded.versions]
        # Its dependencies are gigabytes that generating its text does not need.
        alone = "--no-deps " if changed == [_FLASH] else ""
        yield Check(
            "goldens", "warning", f"{files} in {goldens}, {difference}", f"pip install {alone}{' '.join(wanted)}"
        )
    else:
        yield Check("goldens", "ok", f"{files} in {goldens}, recorded with what is installed")
    for sentence in undefined_targets(goldens, table):
        yield Check("undefined targets", "warning", sentence)


def _flash(recorded: Toolchain) -> Check:
    version = toolchain.installed().versions.get(_FLASH)
    if version:
        return Check(_FLASH, "ok", version)
    wanted = recorded.versions.get(_FLASH)
    if wanted:
        do = f"pip install --no-deps {_FLASH}=={wanted}"
        return Check(_FLASH, "warning", "not installed; goldens of flex attention's FLASH backend need it", do)
    return Check(_FLASH, "ok", "not installed; only flex attention's FLASH backend would need it")
