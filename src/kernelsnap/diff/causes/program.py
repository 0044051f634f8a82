"""Names causes by comparing the programs of two goldens, where both recorded the operations of theirs.

What they show is certain: whether another operation runs, a tensor has another shape, other tensors are saved. It takes
the place of what plans and code let one infer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kernelsnap.diff.causes import origins_alone, origins_both, origins_ends
from kernelsnap.diff.causes.cause_names import CauseName, Mark, Phase, Scope
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.family import CauseSearch, Family, ShownByProgram
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.origins import Origin, consequences, independent
from kernelsnap.diff.causes.settings import lay_out
from kernelsnap.diff.match.items import EXTERN
from kernelsnap.diff.program.comparison import Comparison
from kernelsnap.diff.program.literals import follow
from kernelsnap.diff.program.reading import program_of
from kernelsnap.diff.program.values import Value, is_flex
from kernelsnap.golden.canonical import USER_TRITON
from kernelsnap.model.why import without_number

#: What the operations decide alone, and what they decide if they show any difference at all.
_DECIDED = frozenset([CauseName.OPERATIONS, CauseName.SHAPES])
_DECIDED_WITH_OTHERS = frozenset([CauseName.DTYPE, CauseName.CONSTANTS])
#: How far from an operation that no kernel computes, a view, one is looked for that a kernel does.
_FAR = 8


def shown_by_program(facts: Facts) -> ShownByProgram | None:
    """What the operations show; None where they were not recorded, or the program is cut into other graphs."""
    graphs = [[plan.graph for plan in golden.plan] for golden in (facts.old, facts.new)]
    if sorted(graphs[0]) != sorted(graphs[1]) or facts.old.graph_breaks != facts.new.graph_breaks:
        return None
    old, new = program_of(facts.old), program_of(facts.new)
    if old is None or new is None:
        return None
    compared = Comparison(old, new)
    if compared.saves_others and CauseName.OPERATIONS in _causes(origins_of(compared)):
        compared = _with_products_apart(facts, compared)
    places = _Places(facts, compared)
    about: dict[Finding, set[int]] = {}
    for part in compared.parts:
        for finding, of_part in _located(part, places):
            about.setdefault(finding, set()).update(of_part)
    if CauseName.OPERATIONS in facts.brought and all(f.cause != CauseName.OPERATIONS for f in about):
        for finding, of in _rewritten(compared, places):
            about.setdefault(finding, set()).update(of)
    findings = tuple(replace(finding, about=tuple(sorted(of))) for finding, of in about.items())
    return ShownByProgram(findings, places.run_otherwise(), bool(compared.saved_otherwise))


def _located(part: Comparison, places: _Places) -> Iterator[tuple[Finding, set[int]]]:
    """Where the differences of a part begin, with the pairs of kernels that each is about or that follow from it."""
    found = _origins_of_part(part)
    named = [origin for origin in found if origin.cause != CauseName.ATTENTION or _of_function(origin, part)]
    following = {cause: places.of(*consequences(cause, part)) for cause in _causes(named)}
    values: dict[Finding, tuple[set[int], set[int]]] = {}
    for origin in named:
        gone, come = values.setdefault(origin.finding, (set(), set()))
        gone.update(origin.old)
        come.update(origin.new)
    for finding, sides in values.items():
        yield finding, places.of(*sides) | following[finding.cause]


def _rewritten(compared: Comparison, places: _Places) -> Iterator[tuple[Finding, set[int]]]:
    """Operations of torch's rewriting that have other numbers, where a setting decides how it rewrites."""
    for a, b in compared.pairs:
        if a.is_decomposed and b.is_decomposed and a.literals != b.literals:
            words = f"{a.origin} is made of the same operations with other numbers"
            yield Finding(CauseName.OPERATIONS, "", words, f"{a.origin} rewritten"), places.of([a.place], [b.place])


def _of_function(origin: Origin, compared: Comparison) -> bool:
    """Whether a flex attention of both sides is given another function; what else it is given its kernels show."""
    old, new = compared.programs
    if any(is_flex(value) for _, value in compared.lone()):
        return False
    values = [*map(old.values.__getitem__, origin.old), *map(new.values.__getitem__, origin.new)]
    sized = len(values) > 1 and follow(values[0].literals, values[1].literals, compared.factors, ())
    return all(value.within for value in values) and not sized


def origins_of(compared: Comparison) -> list[Origin]:
    """Where the differences of two programs begin."""
    return [origin for part in compared.parts for origin in _origins_of_part(part)]


def _origins_of_part(compared: Comparison) -> list[Origin]:
    found = [*origins_alone.operations(compared), *origins_both.changed(compared), *origins_ends.inputs(compared)]
    if not compared.other_outputs and CauseName.SHAPES not in _causes(found):
        found += origins_alone.operations(compared, of_constants=True)
    if CauseName.OPERATIONS not in _causes(found):
        found += origins_alone.moves(compared)
    if not _causes(found) & {CauseName.OPERATIONS, CauseName.SHAPES, CauseName.ATTENTION}:
        found += origins_ends.outputs(compared)
    found += origins_alone.casts(compared)
    found = list(independent(found, compared))
    if _causes(found) <= {CauseName.CONSTANTS, CauseName.INDEXING}:  # another program may be best served by others
        found += origins_ends.saved(compared)
    return found


def _causes(found: Iterable[Origin]) -> set[CauseName]:
    return {origin.cause for origin in found}


def _with_products_apart(facts: Facts, compared: Comparison) -> Comparison:
    """The same, with products that add taken for two operations, if the programs are the same then.

    torch writes a product and an addition as one operation where nothing else takes the product, backward say.
    """
    old, new = program_of(facts.old, apart=True), program_of(facts.new, apart=True)
    if old is None or new is None:
        return compared
    apart = Comparison(old, new)
    return apart if CauseName.PARTITIONING in _causes(origins_of(apart)) else compared


def judged(finding: Finding, phase: Phase, search: CauseSearch) -> Finding | None:
    """A finding in the light of what the operations show; None where it contradicts that."""
    if finding.scope == Scope.CALL and _is_check(finding, search.facts):
        return replace(finding, cause=CauseName.HOST, scope=None)
    if finding.kind == CauseName.INDEXING and lay_out(search.facts.settings):
        finding = replace(finding, scope=Scope.STRIDES)
    if search.program is None:
        return finding
    if not _is_denied(finding, phase, search, search.program):
        return finding
    here = any(_overlap(other, finding) for other in search.program.findings)
    of_index = Mark.FORMULA in finding.marks and not here  # an index that is computed of no tensor
    return replace(finding, cause=CauseName.CONSTANTS) if of_index else None


def _is_denied(finding: Finding, phase: Phase, search: CauseSearch, program: ShownByProgram) -> bool:
    if finding.cause in search.facts.brought - _DECIDED:
        return False
    if finding.cause == CauseName.INTRINSIC:
        exponents = [other for other in program.findings if Mark.EXPONENT in other.marks]
        return Mark.POWER in finding.marks and any(_overlap(other, finding) for other in exponents)
    if finding.cause == CauseName.PARTITIONING:  # another program may be best served by other tensors
        return not (program.findings and program.saves_others)
    if finding.cause in _DECIDED or (finding.cause == CauseName.INDEXING and phase == Phase.OPERATIONS):
        return True
    if CauseName.OPERATIONS in search.facts.certain and _runs_them(finding, phase):
        about = [{*other.about} for other in program.findings if other.cause == CauseName.OPERATIONS]
        if any(not finding.about or places.intersection(finding.about) for places in about):
            return True  # a setting rewrites operations: what then runs them follows
    if finding.cause == CauseName.TEMPLATE and Mark.TEMPLATE not in finding.marks:
        here = [other for other in program.findings if search.facts.live.intersection(other.about)]
        moved = program.runs_otherwise & search.facts.live
        return not moved and any(other.cause == CauseName.OPERATIONS for other in here)
    if finding.cause == CauseName.ATTENTION:  # of the same functions, in another type: tiles follow from that
        causes = {other.cause for other in program.findings if _overlap(other, finding)}
        return CauseName.DTYPE in causes and CauseName.ATTENTION not in causes
    items = [item for place in finding.about for item in (*search.facts.at(place).old, *search.facts.at(place).new)]
    if finding.cause not in _DECIDED_WITH_OTHERS or any(item.ref.kind == USER_TRITON for item in items):
        return False
    here = [f for f in program.findings if not (f.about and finding.about) or _overlap(f, finding)]
    return bool(here) and all(other.cause != finding.cause for other in here)


def _overlap(one: Finding, other: Finding) -> bool:
    """Whether two findings are about a kernel in common."""
    return not {*one.about}.isdisjoint(other.about)


def _runs_them(finding: Finding, phase: Phase) -> bool:
    """Whether a finding tells what runs operations: a template or a library, which of several, what it takes in."""
    chosen = phase == Phase.AFTER and finding.cause == CauseName.LAUNCH
    return chosen or finding.cause == CauseName.TEMPLATE or finding.scope == Scope.INTO_TEMPLATE


def _is_check(finding: Finding, facts: Facts) -> bool:
    """Whether calls that are new or gone make nothing that another step could take: they are checks of host code."""
    items = [item for place in finding.about for item in (*facts.at(place).old, *facts.at(place).new)]
    return bool(items) and not any(step.writes or step.ops for item in items for step in item.steps)


class _Places:
    """The pairs of kernels and calls that a difference is about, by place."""

    def __init__(self, facts: Facts, compared: Comparison) -> None:
        self._compared = compared
        self._kernels: tuple[dict[tuple[str, str], int], ...] = ({}, {})
        self._calls: tuple[dict[tuple[str, str], set[int]], ...] = ({}, {})
        for pair in facts.pairs:
            for side, items in enumerate((pair.old, pair.new)):
                for item in items:
                    if item.ref.kind == EXTERN:
                        for _, operator in item.ops:
                            self._calls[side].setdefault((item.ref.graph, operator), set()).add(pair.place)
                    else:
                        self._kernels[side][item.ref.graph, item.ref.name] = pair.place

    def of(self, old: Iterable[int], new: Iterable[int]) -> set[int]:
        """Those that compute some values of each side; where none does, those that compute what is next to them."""
        return self._near(0, old) | self._near(1, new)

    def _near(self, side: int, places: Iterable[int]) -> set[int]:
        program = self._compared.programs[side]
        found: set[int] = set()
        seen: set[int] = set()
        edge = set(places)
        for _ in range(_FAR):
            if found or not edge:
                break
            found = {place for at in edge for place in self._computing(side, program.values[at])}
            seen |= edge
            edge = program.next_to(edge) - seen
        return found

    def _computing(self, side: int, value: Value) -> Iterator[int]:
        steps = {(graph, without_number(step)) for graph, step in value.steps}
        yield from (self._kernels[side][step] for step in steps if step in self._kernels[side])
        if not steps:
            yield from self._calls[side].get((value.graph, value.operator), ())

    def run_otherwise(self) -> frozenset[int]:
        """Those that compute on one side what a library does on the other."""
        pairs = [(a, b) for a, b in self._compared.pairs if a.computes and a.dtypes == b.dtypes]
        pairs = [(a, b) for a, b in pairs if bool(a.steps) != bool(b.steps)]
        sides = [{at for pair in pairs for at in self._computing(side, pair[side])} for side in (0, 1)]
        return frozenset(sides[0] | sides[1])


def _of_part(search: CauseSearch) -> Iterator[Finding]:
    """What the operations show of the kernels of a part; what no changed kernel has to do with is in the last part."""
    live = search.facts.live
    changed = {pair.place for pair in (search.facts.whole or search.facts).changed}
    for finding in search.program.findings if search.program else ():
        late = finding.cause == CauseName.CONSTANTS and finding.scope != Scope.NEUTRAL
        if finding.cause == CauseName.PARTITIONING or late:
            continue
        if live.intersection(finding.about) or (not live and not changed.intersection(finding.about)):
            yield finding


def _numbers(search: CauseSearch) -> Iterator[Finding]:
    """Numbers that the code does not show to be others: the arguments of a library call."""
    for finding in search.program.findings if search.program else ():
        named = finding.cause in search.causes
        if finding.cause == CauseName.CONSTANTS and not named and search.facts.live.intersection(finding.about):
            yield finding


def _saved(search: CauseSearch) -> Iterator[Finding]:
    """Other tensors that are saved for backward: all of a stretch follows from that."""
    for finding in search.program.findings if search.program else ():
        if finding.cause == CauseName.PARTITIONING and search.facts.places.intersection(finding.about):
            yield finding


FAMILY = Family(
    kinds=(),
    finders={Phase.STRETCH: (_saved,), Phase.OPERATIONS: (_of_part,), Phase.CHECKS: (_numbers,)},
)
