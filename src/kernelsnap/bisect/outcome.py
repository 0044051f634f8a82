"""What a bisection found out, as data: the steps asked, where the answer changes, and what was not searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kernelsnap.bisect.observe.observe import Observation
from kernelsnap.bisect.predicate.question import Reply
from kernelsnap.bisect.search import Answer
from kernelsnap.diff.compare import Diff, compare


@dataclass(frozen=True)
class AxisStep:
    """One step of an axis."""

    name: str  # what its user calls it: a commit's abbreviated hash, a version
    key: str  # steps with the same key generate the same: a commit's tree
    title: str = ""  # a commit's subject

    def __str__(self) -> str:
        """How reports list it."""
        return f"{self.name}  {self.title}".rstrip()


@dataclass(frozen=True)
class Asked:
    """One question put to one step."""

    step: AxisStep
    reply: Reply
    fingerprint: str  # of what it generates; "" where that is unknown


@dataclass(frozen=True)
class AnswerChange:
    """Where the answer changes along an axis: the steps that may have done it, and how the goldens differ."""

    before: AxisStep
    after: AxisStep
    candidates: tuple[AxisStep, ...]
    answer: Answer  # from `after` on
    repeats: int  # how often both sides were asked again
    diffs: tuple[Diff, ...]  # of each golden, from before to after
    moved: tuple[str, ...] = ()  # packages of other versions after than before, in words
    notes: tuple[str, ...] = ()  # what else was found out about it, in words


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a search along an axis found out."""

    first: AxisStep
    last: AxisStep
    steps: int  # between the two, both included
    nodes: int  # those of them that differ from the step before
    changes: tuple[AnswerChange, ...] = ()
    others: tuple[tuple[AxisStep, AxisStep], ...] = ()  # neighbours that generate different code, with the same answer
    untested: int = 0  # steps of which nothing is known
    flaky: tuple[AxisStep, ...] = ()  # those that answered differently when asked again
    complete: bool = True  # False where the limit ended the search
    notes: tuple[str, ...] = ()  # what could not be searched, in words


@dataclass(frozen=True, kw_only=True)
class Outcome(Findings):
    """The findings for one case, with the question and every answer; `session.CaseSession.outcome` builds it."""

    axis: str
    case: str
    question: str
    reference: str  # what "golden" means, in words; "" where nothing was compared with one
    asked: tuple[Asked, ...]
    toolchain: Mapping[str, str]  # of the last step

    @property
    def certain(self) -> bool:
        """Whether there is a change, and each has a single candidate."""
        return bool(self.changes) and all(len(change.candidates) == 1 for change in self.changes)


def diffs(before: Observation, after: Observation) -> tuple[Diff, ...]:
    """How the goldens of two observations differ; only those that both have."""
    names = [name for name in before.goldens if name in after.goldens]
    return tuple(diff for name in names if not (diff := compare(before.golden(name), after.golden(name))).same)


def moved(before: Observation, after: Observation) -> tuple[str, ...]:
    """The packages whose versions differ between two observations: `triton 3.6.0 -> 3.7.1`."""
    names = {**after.toolchain, **before.toolchain}
    versions = {name: (before.toolchain.get(name, "none"), after.toolchain.get(name, "none")) for name in names}
    return tuple(f"{name} {old} -> {new}" for name, (old, new) in sorted(versions.items()) if old != new)
