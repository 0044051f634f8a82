"""What max-autotune may choose from: candidates that came, went or moved, where the same one is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest

from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.kinds import Finding
from kernelsnap.model.golden import Golden, KernelChoice


def candidates(facts: Facts) -> Iterator[Finding]:
    """Other candidates for a choice, or another number of choices."""
    old, new = (_by_graph(golden) for golden in (facts.old, facts.new))
    for graph in dict.fromkeys([*old, *new]):
        for before, after in zip_longest(old.get(graph, []), new.get(graph, [])):
            if before is None or after is None:
                word = "new" if before is None else "gone"
                choice = before or after
                yield Finding("launch", graph, f"{word} choice of max-autotune: {choice.name}", f"{word} choice")
            elif (before.shared, before.candidates) != (after.shared, after.candidates):
                yield Finding("launch", graph, f"candidates of {after.name}: {_moved(before, after)}", "candidates")


def _by_graph(golden: Golden) -> dict[str, list[KernelChoice]]:
    found: dict[str, list[KernelChoice]] = {}
    for choice in golden.choices:
        found.setdefault(choice.graph, []).append(choice)
    return found


def _moved(before: KernelChoice, after: KernelChoice) -> str:
    sides = [
        Counter(
            (one.name, *sorted({*one.settings, *(choice.shared if one.settings else ())})) for one in choice.candidates
        )
        for choice in (before, after)
    ]
    gone, new = sides[0] - sides[1], sides[1] - sides[0]
    if gone or new:
        return f"{len(before.candidates)} -> {len(after.candidates)}, {new.total()} new, {gone.total()} gone"
    return "in another order"
