"""Name the causes of a change: the whole first, then kernels, then lines; what a cause explains is not named again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from kernelsnap.diff.causes import backend, choices, fusion, host, kernels, program, reductions, resources, tensors
from kernelsnap.diff.causes.effects import with_effects
from kernelsnap.diff.causes.facts import Facts, KernelPair
from kernelsnap.diff.causes.follows import near, not_following
from kernelsnap.diff.causes.kinds import ORDER, Cause, Finding, said_by
from kernelsnap.diff.causes.lines import line_findings
from kernelsnap.diff.causes.residual import beside, numbers_of_fused
from kernelsnap.diff.match.items import EXTERN

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
#: Causes that may be why kernels have other numbers.
_OTHER_NUMBERS = frozenset(["operations", "shapes", "dtype", "template", "reduction-strategy", "constants"])


def classify(facts: Facts) -> tuple[Cause, ...]:
    """The causes of what differs between two goldens, in the order of the table; `unknown` among them if need be."""
    findings = list(_findings(facts))
    if any(finding.cause not in _QUIET for finding in findings):
        findings = [finding for finding in findings if finding.cause not in ("metadata", "renumbering")]
    elif any(finding.cause == "host" for finding in findings):
        findings = [finding for finding in findings if finding.cause != "renumbering"]
    findings += resources.moved(facts)
    if not findings:
        findings = list(resources.recorded(facts))
    if not findings and not facts.changed and not any(facts.host_rows):
        findings = [Finding("metadata", "", "the plan names expressions in another order", "order of expressions")]
    if not findings:
        findings = [Finding("unknown", "", "no cause was found for this change")]
    names = sorted(_names(findings), key=ORDER.__getitem__)
    unique = list(dict.fromkeys(findings))
    return with_effects([Cause(name, tuple(f for f in unique if f.cause == name)) for name in names], facts)


def _names(findings: Iterable[Finding]) -> set[str]:
    return {finding.cause for finding in findings}


def _findings(facts: Facts) -> Iterator[Finding]:
    if breaks := list(program.graph_breaks(facts)):
        yield from breaks
        return
    found = [*program.partitioning(facts), *backend.backend(facts), *backend.attention(facts)]
    attended = {place for f in found if f.cause == "attention" or "attention" in f.evidence for place in f.about}
    helpers = backend.helpers(facts, attended)
    replaced = {place for f in found if f.cause == "template" for place in f.about} - attended
    replaced |= {place for f in fusion.with_user_kernels(facts) for place in f.about}
    found += program.operations(facts, helpers | replaced)
    if joined := list(program.joined_matmuls(facts)):
        found = [f for f in found if f.cause != "template" or "template" in f.pattern] + joined
    if any(f.cause == "partitioning" for f in found):
        # What is recomputed is no other operation; what neither graph had before is.
        yield from (f for f in found if f.cause == "partitioning" or f.pattern.startswith("new "))
        return
    if attended:
        found += tensors.gradients(facts)
    else:
        given = list(tensors.tensors(facts))
        # Where another dimension shows in what comes out, it is another shape.
        found += [*given, *reductions.reduced(facts, "shapes" if _names(given) & {"shapes"} else "operations")]
    found += (f for find in _KERNELS for f in find(facts) if not helpers.intersection(f.about[:1]))
    found += [*host.strides(facts), *_calls(facts), *reductions.turned(facts)]
    found = list(_one_reason(found, facts))
    named = not_following(found, found, facts)
    named += _of_kernels(facts, found, named, helpers)
    if _names(found) & _FUSION and not _names(found) & _OTHER_NUMBERS:
        named += numbers_of_fused(facts)
    named = not_following(named, named, facts)
    yield from named
    yield from host.checks(facts)
    if not _names(named) & STRUCTURAL and not _new_or_gone(facts):
        if not any(finding.scope == "strides" for finding in named):  # they are given another view of the same tensor
            yield from host.arguments(facts)
        yield from host.host(facts, _names(named))


def _of_kernels(
    facts: Facts, found: Sequence[Finding], named: Sequence[Finding], helpers: Collection[int]
) -> list[Finding]:
    """What is to be said of each kernel that changed, beside what was found of it, named or a consequence."""
    more: list[Finding] = []
    covered = any(f.cause in ("operations", "template") or f.scope == "layout" for f in named)
    fused = {facts.pairs[place].item.ref.graph for f in named if f.cause in _FUSION for place in f.about}
    for pair in facts.changed:
        about = {f.cause for f in found if pair.place in f.about}
        if pair.place in helpers or "template" in about:
            continue
        elsewhere = covered or pair.item.ref.graph in fused
        if elsewhere and pair.one_to_one and pair.old[0].ops != pair.new[0].ops:
            more += beside(pair, facts)
        elif about == {"in-placing"}:
            more += line_findings(pair, facts.operands(pair))
        elif about or fusion.part_of_fusion(pair, facts, fused):
            more += beside(pair, facts)
        else:
            more += _pair_findings(pair, facts, elsewhere)
    return not_following(more, [*named, *more], facts)


def _one_reason(found: list[Finding], facts: Facts) -> Iterator[Finding]:
    """A reduction that became two kernels, or one again, is no fusion that was split or merged.

    Unless there are more, or fewer, kernels than before when both stages of a reduction are counted as one.
    """
    stages = [finding for finding in found if finding.pattern in reductions.STAGES]
    more = reductions.more_kernels(facts) if stages else 0
    no_fusion = {"fusion-split"} if more < 0 else {"fusion-merge"} if more > 0 else _FUSION
    for finding in found:
        by_stages = finding.cause in no_fusion | {"tiling"} and any(near(finding, stage, facts) for stage in stages)
        if not by_stages:
            yield finding


def _new_or_gone(facts: Facts) -> bool:
    return any(pair.pair.status in ("new", "gone") for pair in facts.changed)


def _calls(facts: Facts) -> Iterator[Finding]:
    """Library calls that are new or gone, of which others are there: an operation that is run once more, or less."""
    for pair in facts.changed:
        if pair.item.ref.kind == EXTERN and not pair.one_to_one:
            others = [item for other in facts.pairs for item in (other.old if pair.new else other.new)]
            again = any(item.ref.kind == EXTERN and item.ref.name == pair.item.ref.name for item in others)
            if again or backend.other_reduction(pair.item, facts.host_codes[bool(pair.new)]):
                says = f"a library call is {pair.pair.status}"
                yield said_by(pair, "operations", says, says)


def _pair_findings(pair: KernelPair, facts: Facts, covered: bool) -> Iterator[Finding]:
    """What is to be said of a kernel that nothing has explained; `covered`: its graph has a cause of much."""
    if not pair.one_to_one:
        yield from beside(pair, facts)
        if pair.item.ref.kind == EXTERN:
            says = f"a library call is {pair.pair.status}"
            yield said_by(pair, "template", says, says, scope="call")
        elif not covered:
            yield said_by(pair, "unknown", f"kernel is {pair.pair.status}")
    elif pair.old[0].ref.kind != pair.new[0].ref.kind:
        if not covered:
            cause = "unknown" if pair.old[0].ops == pair.new[0].ops else "operations"
            yield said_by(pair, cause, f"{pair.old[0].ref.kind} -> {pair.new[0].ref.kind}")
    else:
        yield from line_findings(pair, facts.operands(pair))
