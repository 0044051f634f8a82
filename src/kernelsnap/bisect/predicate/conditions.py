"""The conditions of a predicate: whether something is so of what a case generated at a step.

A condition looks at one golden and at the reference that it is compared with. `grammar` reads the text that a user
writes. A kind of condition is one function here, one entry in `grammar.WORDS` or one branch of its parser, and one line
of docs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernelsnap.bisect.errors import PredicateError
from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.registry import CAUSES
from kernelsnap.diff.compare import compare
from kernelsnap.golden.build import TOTAL
from kernelsnap.golden.format import render, render_layer
from kernelsnap.golden.why_section import without_why
from kernelsnap.model.golden import Golden


@dataclass(frozen=True)
class Subject:
    """What a condition is about."""

    golden: Golden
    compared_with: Golden | None = None  # None where the predicate needs none
    failed: bool = False  # whether the test failed although its golden was recorded: a budget of its own

    @property
    def reference(self) -> Golden:
        """The golden to compare with.

        Raises:
            PredicateError: there is none.
        """
        if self.compared_with is None:
            raise PredicateError(f"there is no golden to compare {self.golden.case} with")
        return self.compared_with


@dataclass(frozen=True)
class Condition:
    """Something that holds, or does not hold, of a subject."""

    holds: Callable[[Subject], bool]
    needs_reference: bool = False  # whether it compares with another golden


def differs(layer: str = "") -> Condition:
    """The golden differs from the reference, in any layer or in one."""

    def holds(subject: Subject) -> bool:
        layers = compare(subject.reference, subject.golden).layers
        return layer in layers if layer else bool(layers)

    return Condition(holds, needs_reference=True)


def contains(text: str, layer: str = "") -> Condition:
    """The golden contains a text, in any layer or in one."""
    return Condition(lambda of: text in (render_layer(of.golden, layer) if layer else without_why(render(of.golden))))


def fails() -> Condition:
    """The test fails although its golden is recorded anew: a budget in the test is broken."""
    return Condition(lambda of: of.failed)


def has_cause(name: CauseName) -> Condition:
    """A cause of the difference from the reference has this name."""
    return Condition(
        lambda of: any(cause.name == name for cause in compare(of.reference, of.golden).causes), needs_reference=True
    )


def negated(inner: Condition) -> Condition:
    """The opposite of a condition."""
    return Condition(lambda of: not inner.holds(of), inner.needs_reference)


def joined(left: Condition, right: Condition, *, both: bool) -> Condition:
    """Two conditions, of which both must hold, or one. Both are looked at: an error in either is one."""

    def holds(subject: Subject) -> bool:
        found = left.holds(subject), right.holds(subject)
        return all(found) if both else any(found)

    return Condition(holds, left.needs_reference or right.needs_reference)


@dataclass(frozen=True)
class Number:
    """One side of a comparison: `factor`, or `factor` times a metric of the golden or of the reference."""

    factor: float = 1.0
    metric: str = ""
    of_reference: bool = False

    def value(self, subject: Subject) -> float:
        """What it is for a subject.

        Raises:
            PredicateError: the golden leaves out the layer of the metrics.
        """
        if not self.metric:
            return self.factor
        golden = subject.reference if self.of_reference else subject.golden
        for metric in golden.metrics:
            if metric.graph == TOTAL and metric.name == self.metric:
                return self.factor * metric.value
        raise PredicateError(f"the golden of {golden.case} has no metric {self.metric!r}: it leaves that layer out")


def compared(left: Number, compare: Callable[[float, float], bool], right: Number) -> Condition:
    """Two numbers compared: `bytes_accessed > 1.1 * golden`."""
    return Condition(lambda of: compare(left.value(of), right.value(of)), left.of_reference or right.of_reference)


def cause_names() -> dict[str, CauseName]:
    """The causes that a predicate may ask for: the name of each, by its name and by its title."""
    return {word: cause.name for cause in CAUSES.values() for word in (cause.title, cause.name)}
