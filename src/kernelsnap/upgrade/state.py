"""The folder of an upgrade: what its runs have found so far, so that a run that is killed goes on where it was.

results.jsonl     a line for each case that was run, by where it was run
upgrade.json      what the folder is the state of
d/kernelsnap/     the new goldens that are pending, as pytest keeps them: `--cache` takes the folder
cells/NAME/       the same of each mixture of the two environments
from/goldens/     the goldens of the old side, where those of the project were recorded with other versions
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe.observe import CaseFile
from kernelsnap.bisect.observe.state import digest
from kernelsnap.golden import toolchain
from kernelsnap.golden.digests import digest_of_file
from kernelsnap.golden.files import write_error, write_text
from kernelsnap.golden.sharing import heads_below
from kernelsnap.golden.store import golden_files
from kernelsnap.golden.toolchain import Toolchain, golden_names
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.folder import COMPARED, ROOT, PendingFolder
from kernelsnap.shared.data_files import parsed_json, typed
from kernelsnap.shared.places import BELOW, NAME

#: The cell of the new side, and the one in which the goldens of the old side are recorded.
NEW, OLD = "", "from"
_RESULTS, _ABOUT = "results.jsonl", "upgrade.json"
_FORMAT = 1

Became = Literal["compared", "failed", "skipped"]


@dataclass(frozen=True)
class Result:
    """What became of one case in one cell."""

    cell: str
    case: str
    outcome: Became
    reason: str  # why it was not compared; for one that was, what else failed
    seen: str  # the state of its test and goldens then; see `seen_of`


class State:
    """The folder, which nobody else changes meanwhile."""

    def __init__(self, path: Path, root: Path) -> None:
        """Read what is there.

        Args:
            path: the folder.
            root: of the project whose goldens are upgraded.
        """
        self.path, self.root = path, root
        self._results: dict[tuple[str, str], Result] = {}
        lines = _lines(path / _RESULTS)
        if (path / _RESULTS).is_file():
            write_text(path / _RESULTS, "".join(lines))  # without what a killed process wrote of one
        for line in lines:
            try:
                self._take(typed(Result, parsed_json(line)))
            except ValueError as error:
                raise BisectError(
                    f"{path / _RESULTS} is none of an upgrade ({error}): begin anew with --fresh"
                ) from None

    def _take(self, result: Result) -> None:
        self._results[result.cell, result.case] = result

    def add(self, results: Iterable[Result]) -> None:
        """Keep more results."""
        found = list(results)
        path = self.path / _RESULTS
        try:
            with path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(asdict(result)) + "\n" for result in found)
        except OSError as error:
            raise write_error(path, error) from error
        for result in found:
            self._take(result)

    def result(self, cell: str, case: str) -> Result | None:
        """What became of a case in a cell; None where it was not run there."""
        return self._results.get((cell, case))

    def is_known(self, cell: str, case: str, seen: str) -> bool:
        """Whether a case was run in a cell, with the test and goldens that it has now."""
        found = self.result(cell, case)
        return found is not None and found.seen == seen

    def cache(self, cell: str) -> Path:
        """The folder that pytest has for its cache in a cell."""
        return self.path / "cells" / cell if cell else self.path

    def folder(self, cell: str = NEW) -> PendingFolder:
        """The goldens that are pending in a cell."""
        return PendingFolder(self.cache(cell) / BELOW / NAME, self.root)

    def entries(self, cases: Collection[str], cell: str = NEW) -> list[Pending]:
        """Those of these cases."""
        return [entry for entry in self.folder(cell).entries() if case_of(entry) in cases]

    @property
    def old_goldens(self) -> Path:
        """Where the goldens of the old side are recorded."""
        return self.path / OLD / "goldens"

    def write_about(self, about: Mapping[str, Any]) -> None:
        """Keep what the folder is the state of."""
        write_text(self.path / _ABOUT, json.dumps({"format": _FORMAT, **about}, indent=1) + "\n")
        # Another machine may have written the folder.
        write_text(self.folder().path / ROOT, os.path.relpath(self.root, self.folder().path) + "\n")

    @staticmethod
    def clear(path: Path) -> None:
        """Forget everything but who is at work on the folder."""
        for found in path.iterdir():
            if found.suffix != ".lock":
                shutil.rmtree(found) if found.is_dir() else found.unlink()


def case_of(entry: Pending) -> str:
    """The case that a pending golden is of, without the name of an assertion."""
    return f"{entry.module}::{entry.test}"


def read_about(path: Path) -> dict[str, Any]:
    """What a folder is the state of.

    Raises:
        BisectError: it is the state of no upgrade.
    """
    try:
        found: dict[str, Any] = parsed_json((path / _ABOUT).read_text(encoding="utf-8"))
        if found.pop("format") != _FORMAT:
            raise BisectError(f"{path} was written by another release of kernelsnap: run it again")
    except (OSError, ValueError, KeyError, TypeError):
        raise BisectError(f"{path} is the state of no upgrade: expected one that a shard names at its end") from None
    return found


def check_identity(path: Path, identity: Mapping[str, str]) -> None:
    """Refuse a folder that is the state of something else.

    Raises:
        BisectError: it is.
    """
    before = read_about(path)["identity"] if (path / _ABOUT).exists() else identity
    if other := sorted(name for name in {*before, *identity} if before.get(name) != identity.get(name)):
        raise BisectError(
            f"{path} is the state of another upgrade: it differs in {', '.join(other)}. Name another folder, or begin "
            f"anew with --fresh"
        )


def merge(sources: Sequence[Path], to: Path) -> dict[str, Any]:
    """Put the states of all shards into one folder; what that is the state of.

    Raises:
        BisectError: they are no shards of one upgrade, or some are missing.
    """
    abouts = [read_about(source) for source in sources]
    # Where the environments are does not matter.
    alike = [{**about, "shard": "", "identity": {}} for about in abouts]
    if any(about != alike[0] for about in alike):
        raise BisectError("these are the states of several upgrades, or of one whose tests or goldens changed since")
    found = {about["shard"] for about in abouts}
    number = abouts[0]["shard"].partition("/")[2] or "1"
    wanted = {f"{each}/{number}" for each in range(1, int(number) + 1)} if number != "1" else found
    if missing := sorted(wanted - found):
        raise BisectError(f"the shards {', '.join(missing)} are missing: name the folders of all {number}")
    State.clear(to)
    for source in sources:
        before = {name: _text(to / name) for name in (_RESULTS, *_below(to, COMPARED))}
        packages = _packages(to / OLD / "goldens")
        shutil.copytree(source, to, dirs_exist_ok=True)
        for name, text in before.items():
            both = text, _text(to / name)
            write_text(to / name, "".join(both) if name == _RESULTS else _joined(*map(json.loads, both)))
        if packages:
            goldens = to / OLD / "goldens"
            recorded = toolchain.read(goldens) or Toolchain()
            toolchain.write(goldens, recorded.with_packages({**packages, **_packages(source / OLD / "goldens")}))
    return {**abouts[0], "shard": ""}


def _below(path: Path, name: str) -> list[str]:
    return sorted(os.path.relpath(found, path) for found in path.rglob(name))


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What two shards found to agree with the same versions."""
    both = {name: {**one[name], **found} if isinstance(found, dict) else found for name, found in other.items()}
    return json.dumps(both, indent=1, sort_keys=True) + "\n"


def _packages(goldens: Path) -> dict[str, dict[str, str]]:
    """What each golden of a folder was recorded with, besides torch and triton."""
    recorded = toolchain.read(goldens) if goldens.is_dir() else None
    names = (name for path in golden_files(goldens) for name in golden_names(path, goldens)) if recorded else ()
    return {name: recorded.packages_of(name) for name in names} if recorded else {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _lines(path: Path) -> list[str]:
    """The lines of a file, without one that a kill cut off."""
    return [line for line in _text(path).splitlines(keepends=True) if line.endswith("\n")]


def seen_of(cases: Sequence[CaseFile], folder: Path, goldens: Path | None) -> dict[str, str]:
    """For each case, a digest of its test module and of the files that its goldens are in.

    Args:
        cases: the cases.
        folder: where pytest runs.
        goldens: the folder of the goldens; None for the modules alone.
    """
    there: dict[str, list[str]] = {}
    for path, head, _ in heads_below(goldens) if goldens and goldens.is_dir() else ():
        there.setdefault(head, []).append(f"{path.name} {digest(path)}")
    found = {}
    for case in cases:
        named = (name for name in there if name == case.name or name.startswith(f"{case.name}@"))
        parts = [digest(folder / case.file), *(part for name in sorted(named) for part in sorted(there[name]))]
        found[case.name] = digest_of_file("\n".join(parts))
    return found
