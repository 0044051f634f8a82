"""Name the causes of a change: the whole first, then kernels, then lines; what a cause explains is not named again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from kernelsnap.diff.causes import backend, choices, fusion, host, kernels, program, reductions, tensors
from kernelsnap.diff.causes.kinds import ORDER, Cause, Finding, said_by
from kernelsnap.diff.causes.lines import line_findings
from kernelsnap.diff.causes.residual import beside
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
#: What follows from another cause, and is not named beside it in the same kernel, or in one near it.
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
            "attention code",
        ]
    ),
    "dtype": frozenset(["caching", "launch", "metadata", "unknown", "intrinsic", "constants", "in-placing"]),
    "in-placing": frozenset(["indexing", "metadata", "unknown"]),
    "in-placing at all": frozenset(["indexing", "metadata", "unknown"]),
    "operations": frozenset(
        [
            "tiling",
            "in-placing",
            "in-placing at all",
            "constants",
            "metadata",
            "fusion-split",
            "fusion-merge",
            "op-moved",
        ]
    ),
    "fusion-split": frozenset(["tiling", "in-placing", "metadata"]),
    "fusion-merge": frozenset(["tiling", "in-placing", "metadata"]),
    "reduction-strategy": frozenset(["in-placing"]),
    "layout": frozenset(["in-placing", "mask", "metadata"]),
    "op-moved": frozenset(["tiling", "in-placing", "constants", "metadata", "unknown", "indexing", "mask", "caching"]),
    "template": frozenset(["launch", "metadata"]),
    "attention": frozenset(["metadata", "indexing", "constants", "unknown", "mask", "intrinsic"]),
}
_WHOLE: tuple[Callable[[Facts], Iterator[Finding]], ...] = (program.graph_breaks, program.partitioning)
_KERNELS = (
    reductions.reduction_strategy,
    fusion.fusion,
    program.moved_operations,
    kernels.layout_copies,
    kernels.tiling,
    kernels.in_placing,
    choices.candidates,
)
#: Causes of which no kernel computes anything else, or is launched in another way.
_QUIET = frozenset(["metadata", "renumbering", "host"])
_FUSION = frozenset(["fusion-split", "fusion-merge"])


def classify(facts: Facts) -> tuple[Cause, ...]:
    """The causes of what differs between two goldens, in the order of the table; `unknown` among them if need be."""
    findings = list(_findings(facts))
    if any(finding.cause not in _QUIET for finding in findings):
        findings = [finding for finding in findings if finding.cause not in ("metadata", "renumbering")]
    elif any(finding.cause == "host" for finding in findings):
        findings = [finding for finding in findings if finding.cause != "renumbering"]
    if not findings and not facts.changed and not any(facts.host_rows):
        findings = [Finding("metadata", "", "the plan names expressions in another order", "order of expressions")]
    if not findings:
        findings = [Finding("unknown", "", "no cause was found for this change")]
    names = sorted({finding.cause for finding in findings}, key=ORDER.__getitem__)
    return tuple(Cause(name, tuple(f for f in dict.fromkeys(findings) if f.cause == name)) for name in names)


def _findings(facts: Facts) -> Iterator[Finding]:
    if breaks := list(program.graph_breaks(facts)):
        yield from breaks
        return
    found = [*program.partitioning(facts), *backend.backend(facts), *backend.attention(facts)]
    attended = {place for f in found if f.cause == "attention" or "attention" in f.evidence for place in f.about}
    helpers = backend.helpers(facts, attended)
    found += program.operations(facts, helpers)
    if any(f.cause == "partitioning" for f in found):
        yield from (
            f for f in found if f.cause == "partitioning" or (f.cause == "operations" and f.pattern.startswith("new "))
        )
        return
    if not attended:
        found += [*tensors.tensors(facts), *reductions.reduced(facts)]
    whole = {finding.cause for finding in found}
    for find in _KERNELS:
        found += (f for f in _not_following(find(facts), found, facts) if not helpers.intersection(f.about[:1]))
    found += host.input_strides(facts) if not whole & STRUCTURAL else ()
    found += _of_kernels(facts, found, helpers)
    found = [f for f in found if f in _not_following([f], [other for other in found if other is not f], facts)]
    yield from _one_reason(found, facts)
    yield from host.checks(facts)
    if not {finding.cause for finding in found} & STRUCTURAL and not _new_or_gone(facts):
        yield from host.arguments(facts)
        yield from host.host(facts, {finding.cause for finding in found})


def _of_kernels(facts: Facts, named: Sequence[Finding], helpers: Collection[int]) -> list[Finding]:
    """What is to be said of each kernel that changed, beside the causes that were named."""
    found = list(named)
    covered = any(f.cause in ("operations", "template") or f.scope == "layout" for f in named)
    fused = {facts.pairs[place].item.part.graph for f in named if f.cause in _FUSION for place in f.about}
    for pair in facts.changed:
        if pair.place in helpers:
            continue
        if fusion.part_of_fusion(pair, facts, fused):
            found += beside(pair)
        elif not kernels.explained(pair, named):
            by_fusion = covered or pair.item.part.graph in fused
            found += _not_following(_pair_findings(pair, facts, by_fusion), found, facts)
        elif _in_place_only(pair, found):
            found += _not_following(line_findings(pair, facts.operands(pair)), found, facts)
        elif not any(f.cause == "template" and pair.place in f.about for f in named):
            found += beside(pair)
    return found[len(named) :]


def _not_following(findings: Iterable[Finding], found: Sequence[Finding], facts: Facts) -> list[Finding]:
    """Those that are no consequence of what was found: for the golden as a whole, or for a kernel that is near."""
    by_scope: dict[str, list[Finding]] = {}
    for cause in found:
        by_scope.setdefault(cause.scope or cause.cause, []).append(cause)
    leading: dict[str, list[Finding]] = {}
    for scope, causes in by_scope.items():
        for name in FOLLOWS.get(scope, ()):
            leading.setdefault(name, []).extend(causes)
    return [f for f in findings if not any(_near(f, cause, facts) for cause in leading.get(f.scope or f.cause, ()))]


def _near(finding: Finding, cause: Finding, facts: Facts) -> bool:
    """Whether two findings are about the same kernels, or about some that exchange a buffer; or one about all."""
    if not finding.about or not cause.about:
        return True
    return any(facts.near(one, other) for one in finding.about for other in cause.about)


def _one_reason(found: list[Finding], facts: Facts) -> Iterator[Finding]:
    """A reduction that became two kernels, or one again, is no fusion that was split or merged.

    Unless there are more, or fewer, kernels than before when both stages of a reduction are counted as one.
    """
    stages = [finding for finding in found if finding.pattern in reductions.STAGES]
    more = reductions.more_kernels(facts) if stages else 0
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
        yield from beside(pair)
        if not covered:
            yield said_by(pair, "unknown", f"kernel is {pair.pair.status}")
    elif pair.old[0].part.kind != pair.new[0].part.kind:
        if not covered:
            yield said_by(pair, "unknown", f"{pair.old[0].part.kind} -> {pair.new[0].part.kind}")
    elif covered and pair.old[0].ops != pair.new[0].ops:
        yield from beside(pair)
    else:
        yield from line_findings(pair, facts.operands(pair))
