"""Which resources files a run compared or wrote; keeps the versions of their compilers in `toolchain.toml` true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kernelsnap.golden import toolchain
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.resources import resources_files
from kernelsnap.golden.sharing import head_of
from kernelsnap.golden.toolchain import Toolchain
from kernelsnap.golden.versions import compilers_here, may_be_compared, some
from kernelsnap.model.resources import Resources


@dataclass
class ComparedResources:
    """The resources files that were compared in one run of pytest, or in one worker's part of it."""

    compared: set[str] = field(default_factory=set)  # target and case
    tools: dict[str, str] = field(default_factory=dict)  # what compiled them, by name
    written: set[str] = field(default_factory=set)  # target and case
    agreed: dict[str, str] = field(default_factory=dict)  # a digest of each file that agrees, by target and case

    def remember(self, resources: Resources) -> None:
        """Note that the resources of a case were compared."""
        self.compared.add(_key(resources.case, resources.target))
        self.tools |= dict(resources.tools)

    def remember_agreed(self, resources: Resources, digest: str) -> None:
        """Note that their file, of this digest, has the same."""
        self.agreed[_key(resources.case, resources.target)] = digest

    def remember_written(self, resources: Resources) -> None:
        """Note that their file was written."""
        self.written.add(_key(resources.case, resources.target))

    def report(self) -> dict[str, Any]:
        """What a worker tells the controller."""
        return {
            "compared": sorted(self.compared),
            "tools": dict(self.tools),
            "written": sorted(self.written),
            "agreed": dict(self.agreed),
        }

    def add(self, report: dict[str, Any]) -> None:
        """Take over what a worker told."""
        self.compared |= set(report["compared"])
        self.tools |= report["tools"]
        self.written |= set(report["written"])
        self.agreed |= report["agreed"]

    def other_tools(self, goldens: Path) -> str:
        """How the compilers of this run differ from the recorded ones; "" where they do not."""
        recorded = (toolchain.read(goldens) or Toolchain()).resources
        changed = [name for name in sorted(self.tools) if name in recorded and recorded[name] != self.tools[name]]
        if not changed:
            return ""
        old, new = (", ".join(f"{name} {versions[name]}" for name in changed) for versions in (recorded, self.tools))
        return f"recorded with {old}; this is {new}"

    def finish(self, goldens: Path, *, creates: bool, updates: bool) -> Iterator[str]:
        """Keep the compilers in `toolchain.toml` true, after all tests; what to say about it.

        As with the versions of the goldens, they move only when every resources file was compared in this run.
        """
        if self.written:
            yield f"{len(self.written)} resources {'file was' if len(self.written) == 1 else 'files were'} written"
        recorded = toolchain.read(goldens) or Toolchain()
        changed = [name for name, version in self.tools.items() if recorded.resources.get(name) != version]
        if not changed:
            return
        other = self.other_tools(goldens)
        if not creates or (other and not updates):
            if other:
                yield f"the resources were {other}"
            return
        left = [name for name in _names(goldens) if not self._was_compared(goldens / name)] if other else []
        if left:
            yield (
                f"[resources] in {toolchain.FILE} was left as it is: the resources were {other}, but {len(left)} of "
                f"their files were not compared in this run ({some(left)}); update all of them in one run to move it"
            )
            return
        tools = self.tools if other else {**recorded.resources, **self.tools}
        with tree_lock(goldens):
            toolchain.write(goldens, replace(toolchain.read(goldens) or recorded, resources=tools))

    def _was_compared(self, path: Path) -> bool:
        case, labels = head_of(path)
        return all(_key(case, label) in self.compared for label in may_be_compared(labels, compilers_here()))


def _key(case: str, target: str) -> str:
    return f"{target} {case}"


def _names(goldens: Path) -> Iterator[str]:
    for path in resources_files(goldens):
        yield path.relative_to(goldens).as_posix()
