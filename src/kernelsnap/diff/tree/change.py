"""What changed in one golden, in short: layers, causes and numbers of a `Diff`, small enough to keep ten thousand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.tree.cost import NO_ESTIMATE, Cost, Time, cost_of
from kernelsnap.errors import GoldenFormatError, HostCodeError
from kernelsnap.golden.build import TOTAL
from kernelsnap.golden.files import decoded
from kernelsnap.golden.format import parse
from kernelsnap.golden.store import SUFFIX
from kernelsnap.model.golden import Golden

if TYPE_CHECKING:
    from kernelsnap.diff.causes.finding import Cause
    from kernelsnap.diff.compare import Diff
    from kernelsnap.diff.metrics import MetricDelta

Status = Literal["changed", "new", "gone", "unreadable"]


@dataclass(frozen=True)
class Change:
    """One golden that is not the same on both sides: a short view of its `Diff`, where both sides have it."""

    name: str  # its path below the tree
    status: Status
    case: str = ""
    target: str = ""
    layers: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    metrics: tuple[MetricDelta, ...] = ()  # of the golden as a whole
    kernels: tuple[tuple[str, int], ...] = ()  # how many were split, merged, new, ...
    operations: frozenset[str] = frozenset()  # that its kernels and calls run more often, or less: "+ mul", "- exp"
    error: str = ""  # why it is unreadable
    shared_with: tuple[str, ...] = ()  # the other targets that read the golden
    time: Time = NO_ESTIMATE  # what it is estimated to take, where that was asked for
    diff: Diff | None = field(default=None, compare=False, repr=False)  # None for one side only, and once it is let go

    @property
    def cause_names(self) -> tuple[CauseName, ...]:
        """Its causes by name, in the order of the table."""
        return tuple(cause.name for cause in self.causes)

    @cached_property
    def cost(self) -> Cost:
        """What it costs more than before, or less."""
        return cost_of(((delta.name, delta.old, delta.new) for delta in self.metrics), self.time)

    @property
    def identity(self) -> str:
        """Which golden it is; see `number_of_goldens`."""
        return self.name

    @cached_property
    def fingerprint(self) -> str:
        """Equal for goldens that changed in the same way, whatever their names, sizes and numbers; stable."""
        patterns = sorted({(f.cause.value, f.pattern or f.evidence) for cause in self.causes for f in cause.findings})
        return hashlib.sha256(repr((self.status, self.layers, patterns)).encode()).hexdigest()[:12]

    def delta(self, metric: str) -> int | None:
        """How a metric moved; None where a side does not have it."""
        for found in self.metrics:
            if found.name == metric and found.old is not None and found.new is not None:
                return found.new - found.old
        return None


def change_of(name: str, old: bytes | None, new: bytes | None) -> Change | None:
    """The change from one file's content to another's; None if both say the same. A file that is not there is None."""
    from kernelsnap.diff.compare import compare  # late: a list of pending goldens has changes, and compares nothing

    try:
        before, after = golden_of(name, old, "old"), golden_of(name, new, "new")
        if before is None or after is None:
            only = before or after
            assert only is not None
            status: Status = "new" if before is None else "gone"
            return Change(name, status, only.case, only.target, shared_with=only.shared_with)
        diff = compare(before, after)
        return None if diff.same else changed(name, diff, after)
    except (GoldenFormatError, RecursionError, MemoryError) as error:
        return Change(name, "unreadable", error=_says(name, error))


def golden_of(name: str, content: bytes | None, side: str) -> Golden | None:
    """The golden of one side; None where there is no file."""
    where = f"{name} ({side})"
    return None if content is None else parse(decoded(content, where, SUFFIX), where)


def _says(name: str, error: Exception) -> str:
    if isinstance(error, HostCodeError):
        return f"{name}: {error}"
    if isinstance(error, RecursionError | MemoryError):
        return f"{name}: its code is nested too deeply, or is too long, to be read as Python"
    return str(error)


def changed(name: str, diff: Diff, new: Golden) -> Change:
    """The change that a comparison found, in the golden of this name."""
    return Change(
        name,
        "changed",
        new.case,
        new.target,
        diff.layers,
        diff.causes,
        metrics=tuple(delta for delta in diff.metrics if delta.graph == TOTAL),
        kernels=tuple(sorted(diff.kernels.items())),
        operations=frozenset(_operations(diff)),
        shared_with=new.shared_with,
        diff=diff,
    )


def _operations(diff: Diff) -> Iterator[str]:
    """Each operation that runs more often than before, or less; how much does not matter."""
    before, after = (
        Counter(aten for plan in side.plan for step in plan.steps for op in step.ops for aten in op.aten)
        for side in (diff.old, diff.recorded)
    )
    yield from (f"+ {aten}" for aten in after - before)
    yield from (f"- {aten}" for aten in before - after)
