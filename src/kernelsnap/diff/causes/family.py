"""How a family of causes is declared: its causes with their titles and consequences, and the functions that find them.

Each module of a family ends with a `Family`, and `registry.py` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.finding import Finding

#: Kinds of findings (`Finding.kind`).
Kinds = frozenset[CauseName | Scope]


@dataclass(frozen=True)
class ShownByProgram:
    """What the operations of both programs show of a change, where they were recorded."""

    findings: tuple[Finding, ...]
    runs_otherwise: frozenset[int]  # pairs, by place: a kernel on one side computes what a library does on the other
    saves_others: bool  # whether one side alone saves for backward what both compute


@dataclass(frozen=True)
class CauseSearch:
    """What is known when a finder is asked: both goldens, and what was found in earlier phases."""

    facts: Facts
    found: tuple[Finding, ...] = ()  # consequences included
    named: tuple[Finding, ...] = ()  # without what follows from something else
    attended: frozenset[int] = frozenset()  # places of pairs with attention that changed
    helpers: frozenset[int] = frozenset()  # places of pairs that are there for those alone
    plan_changed_elsewhere: bool = False  # whether what changes plans was named in other parts
    #: What the operations of both programs show; None where they were not recorded.
    program: ShownByProgram | None = None
    over: bool = False  # whether everything else follows from what was found

    @property
    def causes(self) -> frozenset[CauseName]:
        """The causes named until now."""
        return frozenset(finding.cause for finding in self.named)


Finder = Callable[[CauseSearch], Iterable[Finding]]


@dataclass(frozen=True)
class CauseKind:
    """One reason why generated code changes, and what the search has to know of it."""

    name: CauseName
    title: str
    meaning: str  # its line of documentation, in reports and in docs/diff.md
    follows: Kinds = frozenset()  # what follows from it, and is not named where it does
    scopes: Mapping[Scope, Kinds] = field(default_factory=dict)  # what follows from its findings of such a scope
    only_here: Kinds = frozenset()  # of what follows, that which does in its own kernels, not in those near them
    changes_plan: bool = False  # host code follows from it
    changes_numbers: bool = False  # kernels may compute with other numbers because of it


@dataclass(frozen=True)
class Family:
    """Causes that one module finds; in a phase its finders are asked in the order in which they are listed."""

    kinds: tuple[CauseKind, ...]
    finders: Mapping[Phase, tuple[Finder, ...]] = field(default_factory=dict)
