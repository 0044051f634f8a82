"""What a bisection found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernelsnap.bisect.axis import Step
from kernelsnap.bisect.observe.observe import Observation
from kernelsnap.bisect.question import Reply
from kernelsnap.bisect.search import Answer
from kernelsnap.diff.compare import Diff, compare


@dataclass(frozen=True)
class Asked:
    """One question put to one step."""

    step: Step
    reply: Reply
    fingerprint: str  # of what it generates; "" where that is unknown


@dataclass(frozen=True)
class Change:
    """A transition: the steps that may have made it, and what it is."""

    before: Step
    after: Step
    candidates: tuple[Step, ...]
    answer: Answer  # from `after` on
    repeats: int
    diffs: tuple[Diff, ...]  # of each golden, from before to after
    moved: tuple[str, ...] = ()  # packages of other versions after than before, in words
    notes: tuple[str, ...] = ()  # what else was found out about it, in words


@dataclass(frozen=True)
class Outcome:
    """What a bisection found out."""

    axis: str
    case: str
    question: str
    reference: str  # what "golden" means, in words; "" where nothing was compared with one
    first: Step
    last: Step
    steps: int  # between the two, both included
    nodes: int  # those of them that differ from the step before
    changes: tuple[Change, ...]
    asked: tuple[Asked, ...]
    others: tuple[tuple[Step, Step], ...]  # neighbours of those asked that generate different code, and answer alike
    untested: int
    flaky: tuple[Step, ...]
    complete: bool
    toolchain: dict[str, str]  # of the last step
    notes: tuple[str, ...] = ()  # what could not be searched, in words

    @property
    def certain(self) -> bool:
        """Whether there is a change, and each has a single candidate."""
        return bool(self.changes) and all(len(change.candidates) == 1 for change in self.changes)


def diffs(before: Observation, after: Observation) -> Sequence[Diff]:
    """How the goldens of two observations differ; only those that both have."""
    names = [name for name in before.goldens if name in after.goldens]
    return [diff for name in names if not (diff := compare(before.golden(name), after.golden(name))).same]


def moved(before: Observation, after: Observation) -> tuple[str, ...]:
    """The packages whose versions differ between two observations: `triton 3.6.0 -> 3.7.1`."""
    names = {**after.toolchain, **before.toolchain}
    versions = {name: (before.toolchain.get(name, "none"), after.toolchain.get(name, "none")) for name in names}
    return tuple(f"{name} {old} -> {new}" for name, (old, new) in sorted(versions.items()) if old != new)
