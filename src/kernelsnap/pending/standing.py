"""Finds the file that now has the golden which a pending one would replace, and whether it changed since."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from kernelsnap.golden.digests import digest_of, digest_of_file
from kernelsnap.golden.files import read_text
from kernelsnap.golden.resources import resources_path
from kernelsnap.golden.sharing import head_of
from kernelsnap.golden.store import file_name, golden_text, names_below
from kernelsnap.golden.variants import fallbacks, stem_of
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.moving import former_file

#: pending: the golden is the one that was compared. recorded: it is what was generated already. outdated: neither.
State = Literal["pending", "recorded", "outdated"]


@dataclass
class Standing:
    """The goldens of a tree, listed once: to look up one of them reads no folder again."""

    goldens: Path

    @cached_property
    def _files(self) -> dict[tuple[str, str], set[str]]:
        """The files of each case, by folder and what their names have in common."""
        found: dict[tuple[str, str], set[str]] = {}
        for path in names_below(self.goldens):
            folder, _, name = path.rpartition("/")
            found.setdefault(_key(folder, name), set()).add(path)
        return found

    def files(self, entry: Pending) -> set[str]:
        """The files of the entry's case, for all targets, below the tree."""
        folder, _, name = entry.golden.rpartition("/")
        return self._files.setdefault(_key(folder, name), set())

    def targets(self, entry: Pending) -> set[str]:
        """The targets that files of the entry's case name, and the entry's own."""
        heads = (head_of(self.goldens / name) for name in self.files(entry))
        return {entry.target, *(target for _, targets in heads for target in targets)}

    def refresh(self, entry: Pending, targets: set[str]) -> None:
        """Look again for the files of the entry's case, which may be those of these targets."""
        folder, _, name = entry.golden.rpartition("/")
        paths = {f"{folder}/{file_name(entry.case, target)}".lstrip("/") for target in targets}
        self._files[_key(folder, name)] = {path for path in paths if (self.goldens / path).is_file()}

    def file(self, entry: Pending) -> Path | None:
        """The file with the golden for the entry's target, for a move the one of the old case; None: there is none."""
        if entry.golden in self.files(entry):
            return self.goldens / entry.golden
        # What a new variant was compared with is the golden that was read without it.
        found = self.file_for(entry, entry.target)
        return found or (former_file(self.goldens, entry) if entry.moved_from else None)

    def file_for(self, entry: Pending, machine: str) -> Path | None:
        """The file with the golden of the entry's case that a machine reads which has this label; None: there is none.

        See `kernelsnap.golden.variants` for labels.
        """
        heads = {name: head_of(self.goldens / name) for name in sorted(self.files(entry))}
        for label in fallbacks(machine):
            for name, (case, labels) in heads.items():
                if case == str(entry.case) and label in labels:
                    return self.goldens / name
        return None

    def digest(self, entry: Pending) -> str:
        """The digest of the golden for the entry's target; "" where there is none."""
        path = self.file(entry)
        return digest_of(golden_text(path)) if path else ""

    def resources_digest(self, entry: Pending) -> str:
        """The digest of the resources file of the entry's target; "" where there is none."""
        try:
            return digest_of_file(read_text(resources_path(self.goldens / entry.golden)))
        except FileNotFoundError:
            return ""

    def state(self, entry: Pending, *, quick: bool = False) -> State:
        """What became of the golden since it was compared.

        With `quick`, a file of the same size and time is taken for the same, and is not read.
        """
        if not entry.resources and quick and entry.seen and self._is_as_seen(entry):
            return "pending"
        golden = self.digest(entry)
        if entry.resources:
            resources = self.resources_digest(entry)
            if golden != entry.text:
                return "outdated"
            return _state(resources, entry.resources, entry.replaces_resources)
        return _state(golden, entry.text, entry.replaces)

    def _is_as_seen(self, entry: Pending) -> bool:
        try:
            status = os.stat(f"{self.goldens}/{entry.compared_with}")  # noqa: PTH116  ten thousand of them, as text
        except OSError:
            return False
        return [status.st_size, status.st_mtime_ns] == list(entry.seen or ())


def _state(now: str, generated: str, compared: str) -> State:
    return "pending" if now == compared else "recorded" if now == generated else "outdated"


def _key(folder: str, name: str) -> tuple[str, str]:
    stem = stem_of(name)
    # What is cut of a long name depends on the target, and the digest after it does not.
    return folder, stem.rpartition("~")[2] if "~" in stem else stem
