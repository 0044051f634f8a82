"""What is asked of a step: a small tree of conditions, and its answer for what the step generated.

A condition looks at one golden and at the reference that it is held against. `kernelsnap.bisect.grammar` reads the text
that a user writes. A kind of condition is one dataclass here, one entry in `grammar.WORDS` or `grammar.CALLS`, and one
line of docs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from kernelsnap.bisect.errors import PredicateError
from kernelsnap.diff.compare import compare
from kernelsnap.golden.build import TOTAL
from kernelsnap.golden.format import render, render_layer
from kernelsnap.model.golden import Golden

if TYPE_CHECKING:
    from kernelsnap.diff.causes.kinds import Cause


@dataclass(frozen=True)
class Evidence:
    """What a condition is asked about."""

    golden: Golden
    reference: Golden | None  # None where the predicate needs none
    failed: bool = False  # whether the test failed although its golden was recorded: a budget of its own


class Condition(Protocol):
    """Something that holds, or does not hold, of what a step generated."""

    @property
    def needs_reference(self) -> bool:
        """Whether it compares with another golden."""

    def holds(self, evidence: Evidence) -> bool:
        """Whether it holds."""


@dataclass(frozen=True)
class Differs:
    """The golden says something else than the reference, in any layer or in one."""

    layer: str = ""
    needs_reference: bool = True

    def holds(self, evidence: Evidence) -> bool:
        """Whether the layer, or any layer, differs."""
        layers = compare(_reference(evidence), evidence.golden).layers
        return self.layer in layers if self.layer else bool(layers)


@dataclass(frozen=True)
class Contains:
    """The golden holds a text, in any layer or in one."""

    text: str
    layer: str = ""
    needs_reference: bool = False

    def holds(self, evidence: Evidence) -> bool:
        """Whether the text stands in it."""
        golden = evidence.golden
        return self.text in (render_layer(golden, self.layer) if self.layer else render(golden))


@dataclass(frozen=True)
class Fails:
    """The test fails although its golden is recorded anew: a budget in the test is broken."""

    needs_reference: bool = False

    def holds(self, evidence: Evidence) -> bool:
        """Whether it failed."""
        return evidence.failed


@dataclass(frozen=True)
class Because:
    """A cause of the difference from the reference has this name."""

    name: str
    needs_reference: bool = True

    def holds(self, evidence: Evidence) -> bool:
        """Whether it is among the causes."""
        return any(cause.name == self.name for cause in causes(_reference(evidence), evidence.golden))


@dataclass(frozen=True)
class Value:
    """A number: `factor`, or `factor` times a metric of the golden or of the reference."""

    factor: float = 1.0
    metric: str = ""
    of_reference: bool = False

    def number(self, evidence: Evidence) -> float:
        """Its value."""
        if not self.metric:
            return self.factor
        golden = _reference(evidence) if self.of_reference else evidence.golden
        for metric in golden.metrics:
            if metric.graph == TOTAL and metric.name == self.metric:
                return self.factor * metric.value
        raise PredicateError(f"the golden of {golden.case} has no metric {self.metric!r}: it leaves that layer out")


COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Compared:
    """Two numbers compared: `bytes_accessed > 1.1 * golden`."""

    left: Value
    comparison: str
    right: Value

    @property
    def needs_reference(self) -> bool:
        """Whether either side is of the reference."""
        return self.left.of_reference or self.right.of_reference

    def holds(self, evidence: Evidence) -> bool:
        """Whether the comparison is true."""
        return COMPARISONS[self.comparison](self.left.number(evidence), self.right.number(evidence))


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    inner: Condition

    @property
    def needs_reference(self) -> bool:
        """Whether the condition does."""
        return self.inner.needs_reference

    def holds(self, evidence: Evidence) -> bool:
        """Whether the condition does not hold."""
        return not self.inner.holds(evidence)


@dataclass(frozen=True)
class Joined:
    """Two conditions, of which both must hold, or one."""

    left: Condition
    both: bool
    right: Condition

    @property
    def needs_reference(self) -> bool:
        """Whether either does."""
        return self.left.needs_reference or self.right.needs_reference

    def holds(self, evidence: Evidence) -> bool:
        """Whether both hold, or one does."""
        left, right = self.left.holds(evidence), self.right.holds(evidence)
        return (left and right) if self.both else (left or right)


def _reference(evidence: Evidence) -> Golden:
    if evidence.reference is None:
        raise PredicateError(f"there is no golden to compare {evidence.golden.case} with")
    return evidence.reference


def cause_names() -> dict[str, str]:
    """The causes that a predicate may ask for: the name of each, by its name and by its title."""
    # This function and the next are the one place that knows where causes are named.
    from kernelsnap.diff.causes.kinds import CAUSES

    return {word: cause.name for cause in CAUSES for word in (cause.title, cause.name)}


def causes(old: Golden, new: Golden) -> tuple[Cause, ...]:
    """Why two goldens differ, with what speaks for it; nothing if they do not."""
    from kernelsnap.diff.tree.change import change_of

    # Under one name: what differs is the step, not the case.
    new = replace(new, case=old.case, target=old.target)
    change = change_of(old.case, render(old).encode(), render(new).encode())
    return change.causes if change else ()
