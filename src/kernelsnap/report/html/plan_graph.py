"""The fusion plan of a change as two graphs: what runs, which buffers go from one step to another, what became of each.

Steps are kernel launches and library calls. A buffer goes from the step that wrote it last to each step that reads it.
What a graph takes and returns is kept with the step that reads or writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kernelsnap.diff.causes.effects import buffer_bytes
from kernelsnap.diff.compare import Diff
from kernelsnap.diff.match.items import EXTERN, KernelRef
from kernelsnap.diff.match.pairs import Pair, Status, match_graphs
from kernelsnap.golden.user_names import as_named
from kernelsnap.model.capture import Buffer, FusedOp
from kernelsnap.model.golden import Plan, PlanStep

#: A plan of more steps than this is drawn as the steps that changed and those that exchange buffers with them.
MOST_DRAWN = 6
#: A plan in which no step changed is drawn as a whole, unless it has more steps than this.
MOST_SAME = 24
#: No picture has more steps than this.
MOST_CHANGED = 60

_SAME: frozenset[Status] = frozenset(["unchanged", "renamed"])


@dataclass(frozen=True)
class Op:
    """One expression of the source that a step computes, and whether the same step of the other side does not."""

    text: str
    only_here: bool


@dataclass(frozen=True)
class Box:
    """One step of a plan."""

    index: int  # its place in the plan
    step: PlanStep
    status: Status
    pair: int  # equal for the steps of both sides that are the same, or parts of the same
    others: tuple[str, ...]  # what these are called on the other side
    ops: tuple[Op, ...]
    takes: tuple[Buffer, ...]  # inputs of the graph
    returns: tuple[Buffer, ...]
    from_hidden: tuple[Buffer, ...] = ()  # what it exchanges with steps that are not drawn
    to_hidden: tuple[Buffer, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything became of it but another name."""
        return self.status not in _SAME


@dataclass(frozen=True)
class Flow:
    """Buffers that go from one step to another; both are places in the plan."""

    source: int
    target: int
    buffers: tuple[Buffer, ...]


@dataclass(frozen=True)
class PlanGraph:
    """One side of one graph, as far as it is drawn."""

    graph: str
    boxes: tuple[Box, ...]
    flows: tuple[Flow, ...]
    steps: int  # all steps of the plan

    @property
    def left_out(self) -> int:
        """Steps that are not drawn."""
        return self.steps - len(self.boxes)


@dataclass(frozen=True)
class PlanChange:
    """One graph before and after; None for a side that does not have it."""

    graph: str
    old: PlanGraph | None
    new: PlanGraph | None
    changed: int  # steps of both sides that changed

    @property
    def left_out(self) -> int:
        """Steps of both sides that are not drawn."""
        return sum(side.left_out for side in (self.old, self.new) if side)


def total_bytes(buffers: Iterable[Buffer]) -> int | None:
    """The bytes of several buffers; None if those of one are not known."""
    sizes = [buffer_bytes(buffer) for buffer in buffers]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def plan_changes(diff: Diff) -> tuple[PlanChange, ...]:
    """The graphs of a diff in the order of the new golden, those that are gone last."""
    return tuple(_plan_change(diff.pairs, old, new) for old, new in match_graphs(diff.old, diff.new))


@dataclass(frozen=True)
class _PlanSide:
    """One side of a graph: for each step of the plan the pair it belongs to, and what goes where."""

    plan: Plan
    pairs: tuple[Pair, ...]  # one for each step
    numbers: Mapping[Pair, int]
    is_old: bool
    first: tuple[bool, ...]  # whether a step is the one that its pair's counterpart is compared with
    flows: Mapping[tuple[int, int], tuple[Buffer, ...]]

    @property
    def changed(self) -> set[Pair]:
        return {pair for pair in self.pairs if pair.status not in _SAME}

    def neighbours(self, pairs: Collection[Pair]) -> set[Pair]:
        """The pairs of steps that exchange a buffer with a step of one of these pairs."""
        return {self.pairs[end] for ends in self.flows if any(self.pairs[e] in pairs for e in ends) for end in ends}

    @property
    def ops(self) -> Mapping[Pair, Counter[FusedOp]]:
        """What the first part of each pair computes on this side."""
        found: dict[Pair, Counter[FusedOp]] = {}
        for step, pair, first in zip(self.plan.steps, self.pairs, self.first, strict=True):
            if first:
                found.setdefault(pair, Counter()).update(step.ops)
        return found


def _plan_change(pairs: Iterable[Pair], old: Plan | None, new: Plan | None) -> PlanChange:
    pairs = tuple(pairs)
    before, after = _side(old, pairs, is_old=True), _side(new, pairs, is_old=False)
    sides = [side for side in (before, after) if side]
    changed = set().union(*(side.changed for side in sides))
    shown: Collection[Pair] = {pair for side in sides for pair in side.pairs}
    if max(len(side.plan.steps) for side in sides) > (MOST_DRAWN if changed else MOST_SAME):
        shown = changed.union(*(side.neighbours(changed) for side in sides))
        if max(_count(side, shown) for side in sides) > MOST_CHANGED:
            shown = [pair for pair in pairs if pair in changed][:MOST_CHANGED]
    return PlanChange(
        sides[-1].plan.graph,
        _drawn(before, shown, after.ops if after else {}) if before else None,
        _drawn(after, shown, before.ops if before else {}) if after else None,
        sum(_count(side, changed) for side in sides),
    )


def _parts(pair: Pair, *, is_old: bool) -> tuple[KernelRef, ...]:
    return pair.old if is_old else pair.new


def _side(plan: Plan | None, pairs: Sequence[Pair], *, is_old: bool) -> _PlanSide | None:
    if plan is None:
        return None
    pair_of = {part: pair for pair in pairs for part in _parts(pair, is_old=is_old)}
    firsts = {own[0] for pair in pairs if (own := _parts(pair, is_old=is_old))}
    plan = as_named(plan)
    known = {(part.step if part.kind == EXTERN else part.name): part for part in pair_of if part.graph == plan.graph}
    parts = [known[index if step.kind == EXTERN else step.name] for index, step in enumerate(plan.steps)]
    return _PlanSide(
        plan,
        tuple(pair_of[part] for part in parts),
        {pair: number for number, pair in enumerate(pairs)},
        is_old,
        tuple(part in firsts for part in parts),
        _flows(plan),
    )


def _count(side: _PlanSide, pairs: Collection[Pair]) -> int:
    return sum(pair in pairs for pair in side.pairs)


def _flows(plan: Plan) -> dict[tuple[int, int], tuple[Buffer, ...]]:
    """The buffers that go from one step to a later one, by the places of both."""
    writer: dict[str, tuple[int, Buffer]] = {}
    found: dict[tuple[int, int], tuple[Buffer, ...]] = {}
    for index, step in enumerate(plan.steps):
        for name in dict.fromkeys(step.reads):
            if name in writer:
                source, buffer = writer[name]
                found[source, index] = (*found.get((source, index), ()), buffer)
        for buffer in step.writes:
            writer[buffer.name] = (index, buffer)
    return found


def _drawn(side: _PlanSide, shown: Collection[Pair], theirs: Mapping[Pair, Counter[FusedOp]]) -> PlanGraph:
    places = [index for index, pair in enumerate(side.pairs) if pair in shown]
    inside = frozenset(places)
    flows = tuple(Flow(*ends, buffers) for ends, buffers in side.flows.items() if inside.issuperset(ends))
    boxes = tuple(_box(side, index, inside, theirs) for index in places)
    return PlanGraph(side.plan.graph, boxes, flows, len(side.plan.steps))


def _box(side: _PlanSide, index: int, inside: frozenset[int], theirs: Mapping[Pair, Counter[FusedOp]]) -> Box:
    step, pair = side.plan.steps[index], side.pairs[index]
    into = {ends[0]: buffers for ends, buffers in side.flows.items() if ends[1] == index}
    out = {ends[1]: buffers for ends, buffers in side.flows.items() if ends[0] == index}
    written = {buffer.name for buffers in into.values() for buffer in buffers}
    inputs = {buffer.name: buffer for buffer in side.plan.inputs}
    later = {buffer.name for other in side.plan.steps[index + 1 :] for buffer in other.writes}
    return Box(
        index,
        step,
        pair.status,
        side.numbers[pair],
        tuple(part.name for part in _parts(pair, is_old=not side.is_old)),
        tuple(_ops(step, theirs[pair] if side.first[index] and pair.status not in _SAME and pair in theirs else None)),
        takes=tuple(inputs[name] for name in dict.fromkeys(step.reads) if name in inputs and name not in written),
        returns=tuple(
            _result(side.plan, b) for b in step.writes if b.name in side.plan.outputs and b.name not in later
        ),
        from_hidden=_outside(into, inside),
        to_hidden=_outside(out, inside),
    )


def _result(plan: Plan, buffer: Buffer) -> Buffer:
    """An output under the name of what it is, where that is known: `grad(x)`."""
    results = dict(zip(plan.outputs, plan.results, strict=True)) if plan.results else {}
    return replace(buffer, name=results.get(buffer.name) or buffer.name)


def _outside(flows: Mapping[int, tuple[Buffer, ...]], inside: frozenset[int]) -> tuple[Buffer, ...]:
    return tuple(dict.fromkeys(buffer for end, buffers in flows.items() if end not in inside for buffer in buffers))


def _ops(step: PlanStep, theirs: Counter[FusedOp] | None) -> Iterator[Op]:
    """The operations of a step; marked where the counterpart, if there is one to compare with, does not have them."""
    left = Counter(theirs)
    for op in step.ops:
        aten = " ".join(op.aten)
        text = aten if op.source == aten else f"{op.source or '(no source)'} = {aten}"
        yield Op(text, theirs is not None and not left[op])
        left[op] -= 1
