"""Name the causes of a change: the whole first, then kernels, then lines; what a cause explains is not named again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kernelsnap.diff.causes import choices, host, kernels, resources, whole
from kernelsnap.diff.causes.kinds import ORDER, Cause, Finding
from kernelsnap.diff.causes.lines import line_findings
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
    "layout": frozenset(["tiling", "in-placing", "mask", "metadata"]),
    "attention": frozenset(["metadata", "indexing", "constants", "unknown", "mask", "intrinsic"]),
}
_WHOLE: tuple[Callable[[Facts], Iterator[Finding]], ...] = (whole.graph_breaks, whole.partitioning)
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
    findings += resources.moved(facts)
    if not findings:
        findings = list(resources.recorded(facts))
    if not findings:
        findings = [Finding("unknown", "", "no cause was found for this change")]
    names = sorted({finding.cause for finding in findings}, key=ORDER.__getitem__)
    return tuple(Cause(name, tuple(f for f in dict.fromkeys(findings) if f.cause == name)) for name in names)


def _findings(facts: Facts) -> Iterator[Finding]:
    found = [finding for find in _WHOLE for finding in find(facts)]
    yield from found
    if found:
        return
    found = [finding for find in _BACKEND for finding in find(facts)]
    if any(finding.cause == "attention" or "attention" in finding.evidence for finding in found):
        shapes = list(whole.attended_tensors(facts))
        yield from (finding for finding in found if not shapes or finding.cause != "launch")
        yield from shapes
        return
    found += [finding for find in _PLAN for finding in find(facts)]
    global_causes = {finding.cause for finding in found}
    for find in _KERNELS:
        found += _not_following(find(facts), {_scope(finding) for finding in found})
    found += host.input_strides(facts) if not global_causes & STRUCTURAL else ()
    covered = bool(global_causes & {"operations", "template", "indexing"})
    fused = {finding.where.split(" ")[0] for finding in found if finding.cause in ("fusion-split", "fusion-merge")}
    for pair in facts.changed:
        if kernels.part_of_fusion(pair, facts, fused):
            continue
        if not kernels.explained(pair, found):
            by_fusion = covered or pair.name.split(" ")[0] in fused
            found += _not_following(_pair_findings(pair, by_fusion), {_scope(f) for f in found if f.where != pair.name})
        elif _in_place_only(pair, found):
            found += _not_following(line_findings(pair), {"in-placing"})
    yield from _one_reason(found)
    structural = {finding.cause for finding in found} & STRUCTURAL or _new_or_gone(facts)
    if not structural or (structural == {"dtype"} and not global_causes):
        yield from host.host(facts)


def _scope(finding: Finding) -> str:
    """The cause; `layout` where it is one of the plan: padding, or a copy into another layout."""
    plan = finding.cause == "indexing" and (finding.where == "" or finding.pattern.startswith("copy"))
    return "layout" if plan else finding.cause


def _one_reason(found: list[Finding]) -> Iterator[Finding]:
    """A reduction that became two kernels, or one again, is no fusion that was split or merged."""
    stages = any("two kernels" in finding.evidence for finding in found)
    for finding in found:
        fusion = finding.cause in ("fusion-split", "fusion-merge") and "(pointwise)" not in finding.evidence
        if not (stages and (fusion or finding.cause == "tiling")):
            yield finding


def _not_following(findings: Iterator[Finding], causes: set[str]) -> Iterator[Finding]:
    following = frozenset().union(*(FOLLOWS.get(cause, frozenset()) for cause in causes))
    return (finding for finding in findings if finding.cause not in following)


def _in_place_only(pair: KernelPair, found: list[Finding]) -> bool:
    names = {f"{item.part.graph} {item.part.name}" for item in (*pair.old, *pair.new)}
    return {finding.cause for finding in found if finding.where in names} == {"in-placing"}


def _new_or_gone(facts: Facts) -> bool:
    return any(pair.pair.status in ("new", "gone") for pair in facts.changed)


def _pair_findings(pair: KernelPair, covered: bool) -> Iterator[Finding]:
    if pair.one_to_one:
        if pair.old[0].part.kind == pair.new[0].part.kind and not (covered and pair.old[0].ops != pair.new[0].ops):
            yield from line_findings(pair)
        elif not covered:
            yield Finding("unknown", pair.name, f"{pair.old[0].part.kind} -> {pair.new[0].part.kind}")
    elif not covered:
        yield Finding("unknown", pair.name, f"kernel is {pair.pair.status}")
