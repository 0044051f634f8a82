"""Lets causes lead with the compiler's own reason, where goldens have it (`why`), and with the setting that differs.

Which kernels are asked about is decided by how they were paired; of the reasons only the kind decides what is alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf, prod

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.facts import Facts, KernelPair
from kernelsnap.diff.causes.finding import Cause, Finding
from kernelsnap.diff.causes.settings import brought_by
from kernelsnap.diff.match.items import EXTERN, Item
from kernelsnap.model.golden import Golden, Plan
from kernelsnap.model.why import NO_EPILOGUE, NO_PROLOGUE, Apart, Reason, Why, without_number

#: Reasons to keep kernels apart that are limits, and what each is by default: a lower one was set.
_LIMITS: Mapping[Reason, float] = {Reason.MAX_SIZE: 64, Reason.MAX_BUFFERS: inf}
# exceeds max fusion (max_fusion_size 1)
_LIMIT = re.compile(r"\(\w+ (\d+)\)\Z")
#: Of the reasons for one finding no more are quoted.
_MOST = 2
_SPLIT = frozenset([CauseName.FUSION_SPLIT, CauseName.OP_MOVED])
_FUSION = _SPLIT | {CauseName.FUSION_MERGE}


def with_reasons(causes: Iterable[Cause], facts: Facts) -> list[Cause]:
    """The causes with the reason before the evidence: of fusion Inductor's own words, else the setting that differs."""
    reasons = _Reasons(facts)
    return [
        replace(cause, findings=tuple(map(reasons.given, cause.findings)))
        if cause.name in _FUSION
        else _with_settings(cause, facts)
        for cause in causes
    ]


def _with_settings(cause: Cause, facts: Facts) -> Cause:
    """The cause with the settings that bring it before its first evidence."""
    bringing = {name: values for name, values in facts.settings.items() if cause.name in brought_by([name])}
    if not bringing:
        return cause
    words = "; ".join(f"setting {name} {' -> '.join(values)}" for name, values in [*bringing.items()][:_MOST])
    first, *others = cause.findings
    return replace(cause, findings=(first.led_by(words, ", ".join(bringing)), *others))


def kept_apart(facts: Facts, *, after: bool) -> frozenset[int]:
    """The pairs, by place, with kernels that a setting of one side keeps apart, of the new one if `after`.

    That is no consequence of what kernels compute. Nothing where a side has no reasons.
    """
    here, other = (facts.new, facts.old) if after else (facts.old, facts.new)
    if not (here.why and other.why):
        return frozenset()
    elsewhere = {apart.text for why in other.why for apart in why.apart}
    plans = {plan.graph: plan for plan in here.plan}
    limited = {
        (why.graph, without_number(name))
        for why in here.why
        for apart in why.apart
        if apart.text not in elsewhere and why.graph in plans
        for names in apart.pairs
        if _is_limit(apart) or apart.text == NO_PROLOGUE or _is_whole_epilogue(apart, names, plans[why.graph])
        for name in names
    }
    return frozenset(
        pair.place
        for pair in facts.changed
        for item in (pair.new if after else pair.old)
        if (item.ref.graph, item.ref.name) in limited
    )


def reads_otherwise(pair: KernelPair, facts: Facts) -> bool | None:
    """Whether Inductor says that a reduction goes over its inputs in another direction; None where it does not say.

    It takes other blocks for that: `reduction  in a loop, hint outer`.
    """
    hints = [reduction_hint(side[0], golden) for side, golden in ((pair.old, facts.old), (pair.new, facts.new))]
    return hints[0] != hints[1] if None not in hints else None


def reduction_hint(item: Item, golden: Golden) -> str | None:
    """The direction in which a reduction reads, as the compiler's reasons have it: `inner`."""
    decided = (it for why in golden.why if why.graph == item.ref.graph for it in why.decided)
    return next((it.hint for it in decided if it.kernel == item.ref.name and it.hint), None)


def _is_whole_epilogue(apart: Apart, names: tuple[str, str], plan: Plan) -> bool:
    """Whether a template takes in no epilogue, though there is one: pointwise, and over all that it writes."""
    steps = {step.name: step for step in plan.steps}
    template, epilogue = (steps.get(without_number(name)) for name in names)
    if apart.text != NO_EPILOGUE or template is None or epilogue is None or epilogue.kind != "pointwise":
        return False
    sizes = [size for _, size in epilogue.sizes]
    written = [buffer.shape for buffer in template.writes if buffer.shape]
    if not all(size.isdecimal() for shape in (sizes, *written) for size in shape):
        return False
    return any(prod(map(int, shape)) == prod(map(int, sizes)) for shape in written)


def _is_limit(apart: Apart) -> bool:
    """Whether it is a limit below the one that Inductor has by default."""
    limit = _LIMIT.search(apart.text)
    return limit is not None and apart.reason in _LIMITS and int(limit.group(1)) < _LIMITS[apart.reason]


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
