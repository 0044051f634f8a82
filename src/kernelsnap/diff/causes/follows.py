"""Leave out what follows from a cause: a kernel that was split has other code, other launches and another host call.

Each cause declares its consequences (`CauseKind.follows`). A consequence is left out in the kernels that a cause is
about, and, unless it is among the cause's `only_here`, in those that exchange a buffer with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kernelsnap.diff.causes.cause_names import CauseName, Scope
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.registry import CAUSES, FOLLOWS


def not_following(findings: Iterable[Finding], found: Iterable[Finding], facts: Facts) -> tuple[Finding, ...]:
    """Those that are no consequence of what was found: for the golden as a whole, or for a kernel that is near.

    What a setting brings that differs follows from nothing but what a setting brings, too.
    """
    reached: dict[tuple[CauseName | Scope, bool], _Reached] = {}
    for cause in found:
        only_here = CAUSES[cause.cause].only_here
        for kind in FOLLOWS[cause.kind]:
            for of_setting in {False, cause.cause in facts.brought}:
                reached.setdefault((kind, of_setting), _Reached(facts)).by(cause, near=kind not in only_here)
    return tuple(f for f in findings if not _follows(f, reached, facts))


def _follows(finding: Finding, reached: Mapping[tuple[CauseName | Scope, bool], _Reached], facts: Facts) -> bool:
    by = reached.get((finding.kind, finding.cause in facts.brought))
    return by is not None and by.holds(finding)


class _Reached:
    """The kernels in which something follows from causes that were found."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._everywhere = False
        self._places: set[int] = set()
        self._graphs: set[str] = set()  # of causes that reach other graphs, too

    def by(self, cause: Finding, near: bool) -> None:
        """One more cause: it reaches the kernels that it is about, and those near them if so asked."""
        self._everywhere |= not cause.about
        for place in cause.about:
            self._places.add(place)
            if near:
                self._places |= self._facts.neighbourhood(place)
                self._graphs.add(self._facts.at(place).graph)

    def holds(self, finding: Finding) -> bool:
        """Whether a finding is about one of them, or about the whole."""
        if self._everywhere or not finding.about:
            return True
        return any(place in self._places or self._graphs - {self._facts.at(place).graph} for place in finding.about)


def near(finding: Finding, other: Finding, facts: Facts) -> bool:
    """Whether two findings are about the same kernels, or about some that exchange a buffer; or one about all."""
    if not finding.about or not other.about:
        return True
    return any(facts.near(one, another) for one in finding.about for another in other.about)
