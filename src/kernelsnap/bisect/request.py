"""What a user asks `kernelsnap bisect`, `attribute` and `upgrade` for: the command line as typed data.

`kernelsnap.cli` makes them; the names are those of the options.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from kernelsnap.bisect.observe.forked import StepProcesses
from kernelsnap.bisect.observe.observe import Job
from kernelsnap.bisect.observe.state import digest, state_path


@dataclass(frozen=True, kw_only=True)
class CasesRequest:
    """What every command takes that runs cases elsewhere."""

    words: tuple[str, ...]  # the command line as it was given, to be shown in reports
    cases: tuple[str, ...]  # node ids, test modules or folders
    select: str  # of those, what pytest's -k selects
    target: str | None
    pytest: tuple[str, ...]  # more arguments for pytest
    timeout: float  # seconds
    python: str  # the interpreter that runs cases, or that environments are made of
    requirement: tuple[str, ...]
    yes: bool  # install without asking
    state: Path | None
    fresh: bool

    @property
    def command(self) -> str:
        """The command line, ready to paste into a shell."""
        return shlex.join(["kernelsnap", *self.words])

    def job(self, tool: Path, case: str = "", script: str = "", processes: StepProcesses | None = None) -> Job:
        """What runs at every step, with kernelsnap from this folder, and in processes that these start."""
        target = ["--kernelsnap-target", self.target] if self.target else []
        return Job(case, tool, (*target, *self.pytest), script, self.timeout, processes)


@dataclass(frozen=True, kw_only=True)
class Request(CasesRequest):
    """What `kernelsnap bisect` and `kernelsnap attribute` take."""

    repeats: int
    env: tuple[str, ...]  # prepared environments
    repository: Path
    build: str
    overlay: tuple[str, ...]
    over: tuple[str, ...]  # installed packages that those of a checkout are laid over
    json: bool

    def identity(self, case: str) -> dict[str, str]:
        """What a step generates depends on this, besides the axis; states are kept apart by it."""
        return {
            "kernelsnap": version("kernelsnap"),
            "case": case,
            "folder": str(Path.cwd()),
            "arguments": shlex.join([self.target or "", *self.pytest]),
        }

    def state_file(self, identity: Mapping[str, str], *, many: bool) -> Path:
        """Where to keep what is seen; `--state` is a file where there is one case, and a folder where there are many.

        Args:
            identity: see `Request.identity` and `Axis.identity`.
            many: whether there are many cases.
        """
        usual = state_path(identity)
        return usual if self.state is None else self.state / usual.name if many else self.state

    def overlay_identity(self) -> str:
        """Names and hashes of the files that every commit gets."""
        return " ".join(f"{name} {digest(Path(name))}" for name in self.overlay)


@dataclass(frozen=True, kw_only=True)
class BisectRequest(Request):
    """What `kernelsnap bisect` takes."""

    axis: str | None  # None: propose one
    predicate: str
    script: str
    reference: str | None
    goldens: Path
    exec: bool
    range: str
    all_parents: bool
    old: tuple[str, ...]  # settings of the one side
    new: tuple[str, ...]  # and of the other
    subsystem: tuple[str, ...]
    sweep: int
    limit: int | None
    shard: str
    merge: bool


@dataclass(frozen=True, kw_only=True)
class AttributeRequest(Request):
    """What `kernelsnap attribute` takes."""

    factors: tuple[str, ...]  # such as `torch=2.13.0,2.14.1`


@dataclass(frozen=True, kw_only=True)
class UpgradeRequest(CasesRequest):
    """What `kernelsnap upgrade` takes."""

    old: tuple[str, ...]  # an environment: the path of a Python, or exact versions; () for the goldens as they are
    new: tuple[str, ...]
    shard: str
    merge: tuple[Path, ...]  # states of shards, to be put together
    commit: bool
    reason: str
    reasons: Path | None
    json: bool
    html: Path | None


@dataclass(frozen=True)
class Finished:
    """What a command ends with."""

    report: str  # for standard output
    status: int  # the exit status
