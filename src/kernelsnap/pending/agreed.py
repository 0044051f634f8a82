"""Remembers which goldens agreed in the last runs: accepting all others then updates `toolchain.toml` and templates.

The versions in `toolchain.toml` are of all goldens: they move when each was compared with code of the new ones. After a
run in which 488 goldens agree and 12 differ, it is kept that the 488 did, with a digest of what they said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernelsnap.errors import GoldenError
from kernelsnap.golden.digests import digest_of, digest_of_file
from kernelsnap.golden.files import read_text
from kernelsnap.golden.resources import resources_files
from kernelsnap.golden.sharing import head_of
from kernelsnap.golden.store import golden_text, names_below
from kernelsnap.golden.versions import ComparedGolden
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.folder import PendingFolder
from kernelsnap.shared.data_files import typed


@dataclass(frozen=True)
class _Kept:
    """What is kept of it: of each golden its name, its packages and the digest of its text."""

    versions: dict[str, str]
    goldens: dict[str, tuple[str, dict[str, str], str]]
    resources: dict[str, str]
    tools: dict[str, str]


@dataclass
class Agreed:
    """Goldens that agree with what these versions of torch and triton generate; keys are target and case."""

    versions: Mapping[str, str]
    goldens: dict[str, ComparedGolden] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)  # digests of the resources files that agree
    tools: dict[str, str] = field(default_factory=dict)  # that these were compiled with

    def add(self, entries: Iterable[Pending]) -> None:
        """Note that these have been accepted."""
        for entry in entries:
            if entry.resources:
                self.resources[key_of(entry)] = entry.resources
                self.tools |= entry.tools
            else:
                name = entry.golden.removesuffix(".ksnap")
                self.goldens[key_of(entry)] = ComparedGolden(name, entry.packages, agrees=True, digest=entry.text)

    def still(self, goldens: Path, written: Mapping[str, str]) -> dict[str, ComparedGolden]:
        """Those that say in this tree what they said; `written` are the keys of files that were just written."""
        found = {key: self.goldens[key] for key in written.values() if key in self.goldens}
        for name in names_below(goldens) if self.goldens else ():
            if name in written:
                continue
            path = goldens / name
            try:
                case, targets = head_of(path)
                keys = [key for target in targets if (key := f"{target} {case}") in self.goldens]
                digest = digest_of(golden_text(path)) if keys else ""
            except GoldenError:
                continue  # its own test reports it
            found |= {key: self.goldens[key] for key in keys if self.goldens[key].digest == digest}
        return found

    def resources_still(self, goldens: Path) -> set[str]:
        """The keys of the resources files that have in this tree what they had."""
        there = {}
        for path in resources_files(goldens) if self.resources else ():
            case, targets = head_of(path)
            there[f"{' '.join(targets)} {case}"] = digest_of_file(read_text(path))
        return {key for key, digest in self.resources.items() if there.get(key) == digest}

    def to_json(self) -> dict[str, Any]:
        """What is kept of it."""
        goldens = {key: [one.name, dict(one.packages), one.digest] for key, one in self.goldens.items()}
        return {"versions": dict(self.versions), "goldens": goldens, "resources": self.resources, "tools": self.tools}


def key_of(entry: Pending) -> str:
    """How an entry's golden is called here and by a run."""
    return f"{entry.target} {entry.case}"


def read_agreed(folder: PendingFolder, versions: Mapping[str, str]) -> Agreed:
    """What is known to agree with these versions."""
    try:
        found = typed(_Kept, folder.compared())
    except ValueError:  # nothing is known
        return Agreed(versions)
    if found.versions != dict(versions):
        return Agreed(versions)
    goldens = {
        key: ComparedGolden(name, packages, agrees=True, digest=digest)
        for key, (name, packages, digest) in found.goldens.items()
    }
    return Agreed(versions, goldens, found.resources, found.tools)
