"""Name the causes of a change: the whole first, then kernels, then lines; what a cause explains is not named again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from kernelsnap.diff.causes import choices, host, kernels, whole
from kernelsnap.diff.causes.kinds import ORDER, Cause, Finding, said_by
from kernelsnap.diff.causes.lines import line_findings, same_function
from kernelsnap.diff.facts import Facts, KernelPair

#: What changes the plan: host code follows it, and so do hints.
STRUCTURAL = frozenset(
    [
        "graph-breaks",
        "operations",
        "shapes",
        "dtype",
        "partitioning",
        "attention",
        "template",
        "fusion-split",
        "fusion-merge",
        "op-moved",
        "reduction-strategy",
        "tiling",
        "in-placing",
    ]
)
#: What follows from another cause, and is not named beside it.
FOLLOWS = {
    "shapes": frozenset(
        [
            "indexing",
            "mask",
            "caching",
            "launch",
            "tiling",
            "constants",
            "metadata",
            "unknown",
            "fusion-split",
            "fusion-merge",
        ]
    ),
    "dtype": frozenset(["dtype", "caching", "launch", "metadata", "unknown", "intrinsic", "constants"]),
    "in-placing": frozenset(["indexing", "metadata", "unknown"]),
    "operations": frozenset(["tiling", "in-placing", "constants", "metadata"]),
    "fusion-split": frozenset(["tiling", "in-placing", "metadata"]),
    "fusion-merge": frozenset(["tiling", "in-placing", "metadata"]),
    "reduction-strategy": frozenset(["in-placing"]),
    "layout": frozenset(["in-placing", "mask", "metadata"]),
    "attention": frozenset(["metadata", "indexing", "constants", "unknown", "mask", "intrinsic"]),
}
_WHOLE: tuple[Callable[[Facts], Iterator[Finding]], ...] = (whole.graph_breaks, whole.partitioning)
_FUSION = frozenset(["fusion-split", "fusion-merge"])
_BACKEND = (kernels.backend, kernels.attention)
_PLAN = (whole.tensors, whole.operations, whole.reduced)
_KERNELS = (
    kernels.reduction_strategy,
    kernels.fusion,
    whole.moved_operations,
    kernels.layout_copies,
    kernels.tiling,
    kernels.in_placing,
    choices.candidates,
)


def classify(facts: Facts) -> tuple[Cause, ...]:
    """The causes of what differs between two goldens, in the order of the table; `unknown` among them if need be."""
    findings = list(_findings(facts))
    if any(finding.cause != "metadata" for finding in findings):
        kept = () if any(finding.cause in STRUCTURAL for finding in findings) else ("provenance",)
        findings = [finding for finding in findings if finding.cause != "metadata" or finding.pattern in kept]
    if len({finding.cause for finding in findings} - {"metadata"}) > 0:
        findings = [finding for finding in findings if finding.cause != "renumbering"] or findings
    if not findings:
        findings = [Finding("unknown", "", "no cause was found for this change")]
    names = sorted({finding.cause for finding in findings}, key=ORDER.__getitem__)
    return tuple(Cause(name, tuple(f for f in dict.fromkeys(findings) if f.cause == name)) for name in names)


def _findings(facts: Facts) -> Iterator[Finding]:
    found = [finding for find in _WHOLE for finding in find(facts)]
    if found:
        yield from found
        return
    found = [finding for find in _BACKEND for finding in find(facts)]
    attended = {place for f in found if f.cause == "attention" or "attention" in f.evidence for place in f.about}
    if attended:
        shapes = list(whole.attended_tensors(facts))
        found = [finding for finding in found if not shapes or finding.cause != "launch"] + shapes
    else:
        found += [finding for find in _PLAN for finding in find(facts)]
    masks = kernels.block_mask(facts, attended)
    plan_causes = {finding.cause for finding in found}
    for find in _KERNELS:
        found += (f for f in _not_following(find(facts), found, facts) if not masks.intersection(f.about[:1]))
    found += host.input_strides(facts) if not plan_causes & STRUCTURAL else ()
    covered = bool(plan_causes & {"operations", "template", "indexing"})
    fused = {facts.pairs[place].item.part.graph for f in found if f.cause in _FUSION for place in f.about}
    for pair in facts.changed:
        if kernels.part_of_fusion(pair, facts, fused) or pair.place in masks:
            continue
        if not kernels.explained(pair, found):
            by_fusion = covered or pair.item.part.graph in fused
            found += _not_following(_pair_findings(pair, facts, by_fusion), found, facts)
        elif _in_place_only(pair, found):
            found += _not_following(line_findings(pair, facts.operands(pair)), found, facts)
    yield from _one_reason(found, facts)
    structural = {finding.cause for finding in found} & STRUCTURAL or _new_or_gone(facts)
    if not structural or (structural == {"dtype"} and not plan_causes):
        yield from host.host(facts)


def _not_following(findings: Iterable[Finding], found: Sequence[Finding], facts: Facts) -> list[Finding]:
    """Those that are no consequence of what was found: for the golden as a whole, or for a kernel that is near."""
    by_scope: dict[str, list[Finding]] = {}
    for cause in found:
        by_scope.setdefault(_scope(cause), []).append(cause)
    leading: dict[str, list[Finding]] = {}
    for scope, causes in by_scope.items():
        for name in FOLLOWS.get(scope, ()):
            leading.setdefault(name, []).extend(causes)
    return [f for f in findings if not any(_near(f, cause, facts) for cause in leading.get(f.cause, ()))]


def _near(finding: Finding, cause: Finding, facts: Facts) -> bool:
    """Whether two findings are about the same kernels, or about some that exchange a buffer; or one about all."""
    if not finding.about or not cause.about:
        return True
    return any(facts.near(one, other) for one in finding.about for other in cause.about)


def _scope(finding: Finding) -> str:
    """The cause; `layout` where it is one of the plan: padding, or a copy into another layout."""
    plan = finding.cause == "indexing" and (finding.where == "" or finding.pattern.startswith("copy"))
    return "layout" if plan else finding.cause


def _one_reason(found: list[Finding], facts: Facts) -> Iterator[Finding]:
    """A reduction that became two kernels, or one again, is no fusion that was split or merged.

    Unless there are more, or fewer, kernels than before when both stages of a reduction are counted as one.
    """
    stages = [finding for finding in found if finding.pattern in kernels.STAGES]
    more = kernels.more_kernels(facts) if stages else 0
    no_fusion = {"fusion-split"} if more < 0 else {"fusion-merge"} if more > 0 else _FUSION
    for finding in found:
        by_stages = finding.cause in no_fusion | {"tiling"} and any(_near(finding, stage, facts) for stage in stages)
        if not by_stages:
            yield finding


def _in_place_only(pair: KernelPair, found: list[Finding]) -> bool:
    return {finding.cause for finding in found if pair.place in finding.about} == {"in-placing"}


def _new_or_gone(facts: Facts) -> bool:
    return any(pair.pair.status in ("new", "gone") for pair in facts.changed)


def _pair_findings(pair: KernelPair, facts: Facts, covered: bool) -> Iterator[Finding]:
    """What is to be said of a kernel that nothing has explained; `covered`: its graph has a cause of much."""
    if not pair.one_to_one:
        if not covered:
            yield said_by(pair, "unknown", f"kernel is {pair.pair.status}")
    elif pair.old[0].part.kind != pair.new[0].part.kind:
        if not covered:
            yield said_by(pair, "unknown", f"{pair.old[0].part.kind} -> {pair.new[0].part.kind}")
    elif covered and pair.old[0].ops != pair.new[0].ops:
        yield from same_function(pair)
    else:
        yield from line_findings(pair, facts.operands(pair))
