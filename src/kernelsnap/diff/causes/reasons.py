"""Lets causes that concern fusion lead with the compiler's own reason, where goldens have it (`why`).

Which kernels are asked about is decided by how they were paired; of the reasons only the kind decides what is alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.facts import Facts, KernelPair
from kernelsnap.diff.causes.finding import Cause, Finding
from kernelsnap.diff.match.items import EXTERN, Item
from kernelsnap.model.golden import Golden
from kernelsnap.model.why import Why

#: Of the reasons for one finding no more are quoted.
_MOST = 2
_SPLIT = frozenset([CauseName.FUSION_SPLIT, CauseName.OP_MOVED])
_FUSION = _SPLIT | {CauseName.FUSION_MERGE}


def with_reasons(causes: Iterable[Cause], facts: Facts) -> list[Cause]:
    """The causes with Inductor's reasons before the evidence of those that concern fusion."""
    reasons = _Reasons(facts)
    return [
        replace(cause, findings=tuple(map(reasons.given, cause.findings))) if cause.name in _FUSION else cause
        for cause in causes
    ]


@dataclass(frozen=True)
class _Part:
    """A generated kernel of one side, and the pair that it is in."""

    pair: KernelPair
    item: Item
    name: str  # as a report calls it


class _Reasons:
    """The reasons of both goldens."""

    def __init__(self, facts: Facts) -> None:
        self._pairs = {pair.place: pair for pair in facts.pairs}
        self._old, self._new = _by_graph(facts.old), _by_graph(facts.new)

    def given(self, finding: Finding) -> Finding:
        """The finding with the reasons for it before its evidence; as it is where there is none."""
        after = finding.cause in _SPLIT
        why = self._new if after else self._old
        found: dict[tuple[str, str], list[str]] = {}
        for one, other in _apart(self._parts(finding, after=after)):
            reasons = why.get(one.item.ref.graph)
            apart = reasons.of(one.item.ref.name, other.item.ref.name) if reasons else None
            if apart:
                found.setdefault((apart.reason, apart.text), []).append(f"{one.name}, {other.name}")
        if not found:
            return finding
        words = "; ".join(_sentence(finding.cause, names, text) for (_, text), names in [*found.items()][:_MOST])
        kinds = ", ".join(dict.fromkeys(kind for kind, _ in found))
        return finding.led_by(words, kinds)

    def _parts(self, finding: Finding, *, after: bool) -> Iterator[_Part]:
        for place in finding.about:
            pair = self._pairs[place]
            items, names = (pair.new, pair.new_names) if after else (pair.old, pair.old_names)
            for item, name in zip(items, names, strict=True):
                if item.ref.kind != EXTERN:
                    yield _Part(pair, item, name)


def _apart(parts: Iterable[_Part]) -> Iterator[tuple[_Part, _Part]]:
    """Kernels of one graph that are two on this side only: not those of which each has one of its own on the other."""
    for one, other in combinations(parts, 2):
        both_sides = one.pair is not other.pair and one.pair.one_to_one and other.pair.one_to_one
        if one.item.ref.graph == other.item.ref.graph and not both_sides:
            yield one, other


def _by_graph(golden: Golden) -> Mapping[str, Why]:
    return {why.graph: why for why in golden.why}


_WORDS = {
    CauseName.FUSION_SPLIT: "no longer fused: Inductor says",
    CauseName.OP_MOVED: "not fused: Inductor says",
    CauseName.FUSION_MERGE: "now fused: before, Inductor said",
}


def _sentence(cause: CauseName, names: list[str], text: str) -> str:
    number = len(names) - 1
    more = f" and {number} more pair{'s' * (number > 1)}" if number else ""
    return f'{names[0]}{more} {_WORDS[cause]} "{text}"'
