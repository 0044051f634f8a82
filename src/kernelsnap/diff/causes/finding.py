"""What the classifier gives to reports: causes of a change, each with its evidence and with what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kernelsnap.diff.causes.cause_names import CauseName, Mark, Scope
from kernelsnap.diff.causes.facts import KernelPair
from kernelsnap.diff.match.items import KernelRef


@dataclass(frozen=True)
class Finding:
    """One piece of evidence for a cause. Its texts are for reports and for grouping; no decision reads them."""

    cause: CauseName
    where: str  # "forward k1", "host", or "" for the golden as a whole
    evidence: str
    pattern: str = ""  # what is equal wherever the same change happened; the evidence itself if empty
    scope: Scope | None = None
    about: tuple[int, ...] = ()  # the pairs of kernels that it concerns, by `KernelPair.place`; none: the whole
    marks: frozenset[Mark] = frozenset()

    @property
    def kind(self) -> CauseName | Scope:
        """What decides what follows from it, and from what it follows: its scope, or else its cause."""
        return self.scope or self.cause

    def led_by(self, words: str, kinds: str) -> Finding:
        """The finding with these words before its evidence; alike are those with the same kinds of reasons only."""
        pattern = f"{self.pattern or self.evidence} ({kinds})"
        return replace(self, evidence=f"{words}: {self.evidence}", pattern=pattern)

    @classmethod
    def of(
        cls,
        pair: KernelPair,
        cause: CauseName,
        evidence: str,
        pattern: str = "",
        *,
        scope: Scope | None = None,
        nearby: Iterable[KernelPair] = (),
        marks: frozenset[Mark] = frozenset(),
    ) -> Finding:
        """A finding in one pair of kernels, which concerns those nearby, too."""
        about = tuple(dict.fromkeys((pair.place, *(other.place for other in nearby))))
        return cls(cause, pair.name, evidence, pattern, scope, about, marks)


@dataclass(frozen=True)
class Effect:
    """What the kernels that a cause is about cost more than before."""

    kernels: int = 0  # launches
    bytes: int | None = 0  # accessed; None where it is not known how the golden's bytes divide between its causes
    old: tuple[KernelRef, ...] = field(default=(), compare=False)  # the kernels and calls that it is of
    new: tuple[KernelRef, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Cause:
    """One cause of a change, with all evidence for it."""

    name: CauseName
    findings: tuple[Finding, ...]
    effect: Effect = Effect()
