"""The cause `unknown`, and the two that are looked for only where nothing else was found."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.cause_names import CauseName, Phase
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.resources import recorded
from kernelsnap.diff.causes.tensor_names import exchanged


def unexplained(search: CauseSearch) -> Iterator[Finding]:
    """Machine code that one side alone recorded, inputs or names in another order, or that no cause was found."""
    facts = search.facts
    if resources := list(recorded(facts)):
        yield from resources
    elif operands := list(exchanged(facts)):
        yield from operands
    elif not facts.changed and not any(facts.host_rows):
        words = "the plan names expressions in another order"
        yield Finding(CauseName.METADATA, "", words, "order of expressions")
    else:
        yield Finding(CauseName.UNKNOWN, "", "no cause was found for this change")


FAMILY = Family(
    kinds=(CauseKind(CauseName.UNKNOWN, "unknown", "no cause explains it: read the diff"),),
    finders={Phase.UNEXPLAINED: (unexplained,)},
)
