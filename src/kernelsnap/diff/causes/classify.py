"""Name the causes of a change: of the program first, then of kernels, then of lines of code.

`_STAGES` is the order of the search. In each stage all finders of a phase are asked, and what they found is taken in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from kernelsnap.diff.causes import attention, reductions
from kernelsnap.diff.causes.cause_names import CauseName, Mark, Phase, Scope
from kernelsnap.diff.causes.effects import with_effects
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.family import CauseSearch
from kernelsnap.diff.causes.finding import Cause, Finding
from kernelsnap.diff.causes.follows import near, not_following
from kernelsnap.diff.causes.kernel_code import FUSION
from kernelsnap.diff.causes.registry import CAUSES, FAMILIES

_Findings = Sequence[Finding]
#: Causes that are named only where nothing of a kernel's code or launches differs.
_HARMLESS = frozenset([CauseName.METADATA, CauseName.RENUMBERING])


def classify(facts: Facts) -> tuple[Cause, ...]:
    """The causes of what differs between two goldens, in the order of `CauseName`; `unknown` among them if need be."""
    search = CauseSearch(facts)
    for stage in _STAGES:
        if stage.when(search):
            found = [f for family in FAMILIES for find in family.finders.get(stage.phase, ()) for f in find(search)]
            search = stage.take(search, found)
    unique = dict.fromkeys(search.named)
    causes = [Cause(name, tuple(f for f in unique if f.cause == name)) for name in CauseName if name in search.causes]
    return with_effects(causes, facts)


@dataclass(frozen=True)
class _Stage:
    """A phase of the search: whether it is needed, and what becomes of what its finders give."""

    phase: Phase
    when: Callable[[CauseSearch], bool]
    take: Callable[[CauseSearch, _Findings], CauseSearch]


def _always(search: CauseSearch) -> bool:
    return True


def _open(search: CauseSearch) -> bool:
    """Whether what was found does not explain everything."""
    return not search.over


def _plan_as_before(search: CauseSearch) -> bool:
    """Whether nothing changed that host code follows from."""
    changed = any(CAUSES[name].changes_plan for name in search.causes)
    return _open(search) and not changed and not any(p.pair.status in ("new", "gone") for p in search.facts.changed)


def _nothing_named(search: CauseSearch) -> bool:
    return not search.named


def _ends_if_any(search: CauseSearch, found: _Findings) -> CauseSearch:
    """Where there are other graphs, everything else follows."""
    return replace(search, named=tuple(found), over=bool(found))


def _with_helpers(search: CauseSearch, found: _Findings) -> CauseSearch:
    """Note which attention changed, and which kernels are there for that alone: the causes of both are named."""
    of_attention = [f for f in found if f.cause == CauseName.ATTENTION or Mark.ATTENTION in f.marks]
    attended = frozenset(place for finding in of_attention for place in finding.about)
    helpers = attention.helpers(search.facts, attended)
    return replace(search, found=tuple(found), attended=attended, helpers=helpers)


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
    named = [f for f in search.found if f.cause == CauseName.PARTITIONING or Mark.NEW_OPERATION in f.marks]
    return replace(search, named=tuple(named), over=True)


def _without_helpers(search: CauseSearch, found: _Findings) -> CauseSearch:
    return _add(search, [finding for finding in found if not search.helpers.intersection(finding.about[:1])])


def _named(search: CauseSearch, found: _Findings) -> CauseSearch:
    """All that was found of program and kernels is there: what follows from nothing else is named."""
    facts = search.facts
    everything = _without_stages((*search.found, *found), facts)
    return replace(search, found=everything, named=not_following(everything, everything, facts))


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


def _without_harmless(search: CauseSearch, found: _Findings) -> CauseSearch:
    """What changes no launch and no instruction is named only where nothing else is; machine code aside."""
    hidden = frozenset[CauseName]()
    if search.causes - _HARMLESS - {CauseName.HOST}:
        hidden = _HARMLESS
    elif CauseName.HOST in search.causes:
        hidden = frozenset([CauseName.RENUMBERING])
    return replace(search, named=(*(f for f in search.named if f.cause not in hidden), *found))


#: The order of the search. A stage's finders know what the stages before it have found.
_STAGES = (
    _Stage(Phase.GRAPHS, _always, _ends_if_any),
    _Stage(Phase.RUNNERS, _open, _with_helpers),
    _Stage(Phase.OPERATIONS, _open, _add),
    _Stage(Phase.REWRITES, _open, _rewritten),
    _Stage(Phase.TENSORS, _open, _add),
    _Stage(Phase.KERNELS, _open, _without_helpers),
    _Stage(Phase.CALLS, _open, _named),
    _Stage(Phase.CODE, _open, _with_code),
    _Stage(Phase.NUMBERS, _open, _with_numbers),
    _Stage(Phase.CHECKS, _open, _name),
    _Stage(Phase.HOST, _plan_as_before, _name),
    _Stage(Phase.MACHINE_CODE, _always, _without_harmless),
    _Stage(Phase.UNEXPLAINED, _nothing_named, _name),
)
