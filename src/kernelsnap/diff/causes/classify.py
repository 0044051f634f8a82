"""Name the causes of a change: of the program first, then of kernels, then of lines of code.

`_STAGES` is the order of the search. In each stage all finders of a phase are asked, and what they found is taken in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from kernelsnap.diff.causes import attention, program, reductions
from kernelsnap.diff.causes.cause_names import CauseName, Mark, Phase, Scope
from kernelsnap.diff.causes.effects import with_effects
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.family import CauseSearch, ShownByProgram
from kernelsnap.diff.causes.finding import Cause, Finding
from kernelsnap.diff.causes.follows import near, not_following
from kernelsnap.diff.causes.kernel_code import FUSION
from kernelsnap.diff.causes.lines import other_modifications
from kernelsnap.diff.causes.parts import parts
from kernelsnap.diff.causes.reasons import with_reasons
from kernelsnap.diff.causes.registry import CAUSES, FAMILIES
from kernelsnap.diff.match.items import EXTERN

_Findings = Sequence[Finding]
#: Causes that are named only where nothing of a kernel's code or launches differs.
_HARMLESS = frozenset([CauseName.METADATA, CauseName.RENUMBERING])
#: What findings with a mark are named by at last.
_NAMED = {Mark.DRAWN: CauseName.INTRINSIC, Mark.CHOSEN: CauseName.CONSTANTS}


def classify(facts: Facts) -> tuple[Cause, ...]:
    """The causes of what differs between two goldens, in the order of `CauseName`; `unknown` among them if need be.

    What the operations of the program show decides, where both goldens have them; unless graphs are cut in other
    places, or that leaves something unexplained, and the code explains it.
    """
    shown = program.shown_by_program(facts)
    found = _found(facts, shown)
    if shown is not None and any(finding.cause == CauseName.GRAPH_BREAKS for finding in found):
        found = _found(facts, None)
    elif shown is not None and any(finding.cause == CauseName.UNKNOWN for finding in found):
        others = _found(facts, None)
        if all(finding.cause != CauseName.UNKNOWN for finding in others):
            found = others
    unique = [_as_named(finding) for finding in _joined_evidence(found)]
    names = {finding.cause for finding in unique}
    causes = [Cause(name, tuple(f for f in unique if f.cause == name)) for name in CauseName if name in names]
    return with_effects(with_reasons(causes, facts), facts)


def _as_named(finding: Finding) -> Finding:
    """The finding under the cause that it is named by, where more follows from it than from that cause elsewhere."""
    return next((replace(finding, cause=cause) for mark, cause in _NAMED.items() if mark in finding.marks), finding)


def _found(facts: Facts, shown: ShownByProgram | None) -> list[Finding]:
    """The evidence for all causes, by what the operations of the program show."""
    whole = CauseSearch(facts, program=shown)
    found = list(_asked(Phase.PROGRAM, whole))
    searches: list[CauseSearch] = []
    for part, of_stretch in parts(facts, lambda part: tuple(_asked(Phase.STRETCH, replace(whole, facts=part)))):
        search = replace(whole, facts=part, found=of_stretch, plan_changed_elsewhere=_changes_plan(found))
        searches.append(_searched(search))
        found += _placed(searches[-1].named, part)
    for search in searches:
        others = [finding for other in searches if other is not search for finding in other.named]
        elsewhere = _changes_plan(others) or any(
            _more_or_fewer(other.facts) for other in searches if other is not search
        )
        last = _with_host(replace(search, plan_changed_elsewhere=elsewhere))
        found += _placed(last.named, search.facts)
        if search.facts.live - last.helpers and not last.named:
            words = "no cause was found for this change"
            found.append(Finding(CauseName.UNKNOWN, "", words, about=tuple(sorted(search.facts.live))))
    after = tuple(_asked(Phase.AFTER, replace(whole, named=tuple(found))))
    found += not_following(after, found, facts)
    found += _asked(Phase.MACHINE_CODE, replace(whole, named=tuple(found)))
    found += _of_settings(whole, found)
    return _without_harmless(found) or list(_asked(Phase.UNEXPLAINED, whole))


def _of_settings(whole: CauseSearch, found: _Findings) -> Iterator[Finding]:
    """What a setting brings that differs, where something else hid it: a setting that brings nothing else."""
    hidden = whole.facts.certain - {finding.cause for finding in found}
    for phase in Phase if hidden else ():
        of_phase = [finding for finding in _asked(phase, whole) if finding.cause in hidden]
        if phase == Phase.HOST and of_phase:  # which lines follow from other changes is not known
            of_phase = [Finding(CauseName.HOST, "host", "other host code", "host code")]
        yield from of_phase


def _asked(phase: Phase, search: CauseSearch) -> Iterator[Finding]:
    for family in FAMILIES:
        for find in family.finders.get(phase, ()):
            for finding in find(search):
                judged = finding if family is program.FAMILY else program.judged(finding, phase, search)
                if judged is not None:
                    yield judged


def _joined_evidence(found: Iterable[Finding]) -> list[Finding]:
    """Evidence that was found in several parts, once, about the kernels of all of them."""
    joined: dict[Finding, tuple[int, ...]] = {}
    for finding in found:
        key = replace(finding, about=())
        joined[key] = tuple(dict.fromkeys((*joined.get(key, ()), *finding.about)))
    return [replace(finding, about=about) for finding, about in joined.items()]


def _searched(search: CauseSearch) -> CauseSearch:
    """What is found and named in one part of a comparison, its host code aside."""
    if any(finding.cause == CauseName.GRAPH_BREAKS for finding in search.found):
        return _explained(search, search.found)
    for stage in _STAGES:
        if not search.over:
            search = stage.take(search, list(_asked(stage.phase, search)))
    return search


def _with_host(search: CauseSearch) -> CauseSearch:
    """What host code shows is named where nothing changed that it follows from."""
    changed = _changes_plan(search.named) or _more_or_fewer(search.facts)
    return search if changed or search.over else _name(search, list(_asked(Phase.HOST, search)))


def _more_or_fewer(part: Facts) -> bool:
    """Whether a kernel or a library call is new or gone."""
    return any(pair.pair.status in ("new", "gone") for pair in part.changed)


def _changes_plan(findings: Iterable[Finding]) -> bool:
    return any(CAUSES[finding.cause].changes_plan or finding.scope == Scope.STRIDES for finding in findings)


def _placed(findings: Iterable[Finding], part: Facts) -> Iterator[Finding]:
    """The findings about a part as a whole are about its pairs."""
    for finding in findings:
        yield finding if finding.about else replace(finding, about=tuple(sorted(part.live)))


@dataclass(frozen=True)
class _Stage:
    """A phase of the search, and what becomes of what its finders give."""

    phase: Phase
    take: Callable[[CauseSearch, _Findings], CauseSearch]


def _with_helpers(search: CauseSearch, found: _Findings) -> CauseSearch:
    """Note which attention changed, and which kernels are there for that alone: the causes of both are named."""
    of_attention = [f for f in found if f.cause == CauseName.ATTENTION or Mark.ATTENTION in f.marks]
    attended = frozenset(place for finding in of_attention for place in finding.about)
    whole = search.facts.whole or search.facts
    modified = {pair.place for pair in whole.changed if other_modifications(pair)}
    # A call of another library feeds on no kernels but those of the program.
    generated = {p for f in of_attention if not all(map(search.facts.is_call, f.about)) for p in f.about}
    helpers = attention.helpers(search.facts, generated | modified)
    return replace(search, found=(*search.found, *found), attended=attended, helpers=helpers)


def _add(search: CauseSearch, found: _Findings) -> CauseSearch:
    return replace(search, found=(*search.found, *found))


def _rewritten(search: CauseSearch, found: _Findings) -> CauseSearch:
    """A call that torch rewrote is no other backend, unless a template has a part in it.

    Where other tensors are saved for backward, what is recomputed is no other operation; what neither graph had before
    is, and everything else follows.
    """
    kept = search.found
    if found:
        kept = tuple(f for f in kept if f.cause != CauseName.TEMPLATE or Mark.TEMPLATE in f.marks)
    search = _add(replace(search, found=kept), found)
    if all(finding.cause != CauseName.PARTITIONING for finding in search.found):
        return search
    certain = search.program.findings if search.program else ()
    named = [
        f for f in search.found if f.cause == CauseName.PARTITIONING or Mark.NEW_OPERATION in f.marks or f in certain
    ]
    numbers = [f for f in certain if f.cause == CauseName.CONSTANTS and search.facts.live.intersection(f.about)]
    return _explained(search, [*named, *(f for f in numbers if f not in named)])


def _explained(search: CauseSearch, named: _Findings) -> CauseSearch:
    """All kernels follow from what is named; the types in which the program computes do not."""
    return replace(search, named=(*named, *_asked(Phase.TYPES, search)), over=True)


def _without_helpers(search: CauseSearch, found: _Findings) -> CauseSearch:
    return _add(search, [finding for finding in found if not search.helpers.intersection(finding.about[:1])])


def _named(search: CauseSearch, found: _Findings) -> CauseSearch:
    """All that was found of program and kernels is there: what follows from nothing else is named."""
    facts = search.facts
    everything = _without_stages((*search.found, *found), facts)
    everything = _moved(everything, facts)
    return replace(search, found=everything, named=not_following(everything, everything, facts))


def _moved(found: tuple[Finding, ...], facts: Facts) -> tuple[Finding, ...]:
    """Where kernels were split and others merged, and there are as many as before, operations have moved."""
    causes = {finding.cause for finding in found}
    launches = [
        sum(step.kind != EXTERN for plan in golden.plan for step in plan.steps) for golden in (facts.old, facts.new)
    ]
    if not causes >= FUSION or launches[0] != launches[1]:
        return found
    return tuple(replace(f, cause=CauseName.OP_MOVED) if f.cause in FUSION else f for f in found)


def _without_stages(found: _Findings, facts: Facts) -> tuple[Finding, ...]:
    """A reduction that became two kernels, or one again, is no fusion that was split or merged.

    Unless there are more, or fewer, kernels than before when both stages of a reduction are counted as one.
    """
    stages = [finding for finding in found if finding.scope == Scope.STAGES]
    more = reductions.more_kernels(facts) if stages else 0
    explained = {CauseName.TILING} | FUSION
    if more:
        explained -= {CauseName.FUSION_SPLIT if more > 0 else CauseName.FUSION_MERGE}
    return tuple(f for f in found if f.cause not in explained or not any(near(f, stage, facts) for stage in stages))


def _with_code(search: CauseSearch, found: _Findings) -> CauseSearch:
    """What lines of code show is named unless it follows, be it from another line."""
    return replace(search, named=_joined(search, not_following(found, (*search.named, *found), search.facts)))


def _with_numbers(search: CauseSearch, found: _Findings) -> CauseSearch:
    """Numbers count where kernels were only fused in another way; then leave out what follows from lines of code."""
    causes = {finding.cause for finding in search.found}
    only_fused = causes & FUSION and not any(CAUSES[name].changes_numbers for name in causes)
    named = _joined(search, found if only_fused else ())
    return replace(search, named=not_following(named, named, search.facts))


def _name(search: CauseSearch, found: _Findings) -> CauseSearch:
    return replace(search, named=_joined(search, found))


def _joined(search: CauseSearch, found: Iterable[Finding]) -> tuple[Finding, ...]:
    return (*search.named, *found)


def _without_harmless(found: _Findings) -> list[Finding]:
    """What changes no launch and no instruction is named only where nothing else is; machine code aside."""
    causes = {finding.cause for finding in found} - {CauseName.RESOURCES}
    hidden = frozenset[CauseName]()
    if causes - _HARMLESS - {CauseName.HOST}:
        hidden = _HARMLESS
    elif CauseName.HOST in causes:
        hidden = frozenset([CauseName.RENUMBERING])
    return [finding for finding in found if finding.cause not in hidden]


#: The order of the search. A stage's finders know what the stages before it have found.
_STAGES = (
    _Stage(Phase.RUNNERS, _with_helpers),
    _Stage(Phase.OPERATIONS, _add),
    _Stage(Phase.REWRITES, _rewritten),
    _Stage(Phase.TENSORS, _add),
    _Stage(Phase.KERNELS, _without_helpers),
    _Stage(Phase.CALLS, _named),
    _Stage(Phase.CODE, _with_code),
    _Stage(Phase.NUMBERS, _with_numbers),
    _Stage(Phase.CHECKS, _name),
)
