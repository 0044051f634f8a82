"""Makes a folder of kernelsnap and what it needs, so that every step of a bisection is recorded by the same tool.

An environment of another torch then needs neither kernelsnap nor pytest, and a commit that holds another kernelsnap
does not bring its own. Everything in the folder is pure Python, and links to what this process runs.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

_NAME = "kernelsnap"


def make_tool_folder(folder: Path) -> Path:
    """Fill a folder that goes first on the import path of a step's process; returns it."""
    # Not what an older Python or pytest left there.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for distribution in _closure(_NAME, set()):
        name = distribution.metadata["Name"]
        for module in _modules(distribution):
            link = folder / module.name
            link.symlink_to(module.resolve())
        # By this, plugins and versions are found.
        info = folder / f"{name.replace('-', '_')}-{distribution.version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {distribution.version}\n", encoding="utf-8"
        )
        if entry_points := distribution.read_text("entry_points.txt"):
            (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    return folder


def _closure(name: str, seen: set[str]) -> Iterator[metadata.Distribution]:
    """A distribution and all that it needs here."""
    if name.lower() in seen:
        return
    seen.add(name.lower())
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return
    yield distribution
    for line in distribution.requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from _closure(requirement.name, seen)


def _modules(distribution: metadata.Distribution) -> set[Path]:
    """The packages and modules at the top of a distribution."""
    if distribution.metadata["Name"] == _NAME:
        # Also where it is an editable install, with its files elsewhere.
        return {Path(__file__).parents[2]}
    tops = {file.parts[0] for file in distribution.files or [] if file.suffix == ".py"}
    return {Path(str(distribution.locate_file(top))) for top in tops if top != ".." and not top.endswith("-info")}
