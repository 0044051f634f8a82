"""Puts the compiler's reasons into words: why two steps are not one kernel, and what would have to change.

Used for goldens (`kernelsnap why`) and for captures (`capture(...).why()`). The kind of a reason decides what is told;
the sentence of the compiler is only quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kernelsnap.model.why import Apart, Decided, Reason, Why, numbered, without_number
from kernelsnap.model.why_changes import IN_TURN, MIXED_ORDER, change_of, meaning_of


@dataclass(frozen=True)
class Step:
    """One step of a graph, as far as these words need it."""

    name: str
    kind: str  # "extern" for a call into a library
    sizes: tuple[tuple[str, str], ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    ops: tuple[str, ...] = ()  # ATen operations

    @property
    def described(self) -> str:
        """`persistent reduction, x 64  r0 128`."""
        kind = "library call" if self.kind == "extern" else self.kind
        return ", ".join([kind, *(["  ".join(f"{name} {size}" for name, size in self.sizes)] if self.sizes else [])])


#: How a kernel is tiled: hardly ever what somebody asks about all kernels.
_TILING = "tiling"
_BATCHED = ("extern_kernels.bmm", "extern_kernels.baddbmm")
_SOFTMAX = {"exp", "prims.prepare_softmax_online", "_softmax"}


def reasons(graph: str, why: Why, steps: Sequence[Step], *names: str) -> list[str]:
    """All that is known of one graph; of one of its steps; or why two of them are not one kernel."""
    if not names:
        return [*_all_reasons(graph, why), *_attention_by_hand(why, steps)]
    return list(why_apart(graph, why, steps, *names) if len(names) > 1 else why_step(graph, why, steps, *names))


def _attention_by_hand(why: Why, steps: Sequence[Step]) -> Iterator[str]:
    """Products with a softmax between them, in which torch did not see attention."""
    products = [step for step in steps if step.name.startswith(_BATCHED)]
    made = {name for step in products for name in step.writes}
    taken = {name for step in products for name in step.reads}
    soft = [it.name for it in steps if {*it.ops} & _SOFTMAX and made & {*it.reads} and taken & {*it.writes}]
    if soft and not any(it.what == "attention" for it in why.decided):
        yield f"  attention: products with a softmax between them ({', '.join(soft)}) match no pattern of torch's"
        yield "    What would change it: torch.nn.functional.scaled_dot_product_attention in their place"


def _all_reasons(graph: str, why: Why) -> Iterator[str]:
    """All that is known of one graph, a line each."""
    yield graph
    if why.apart:
        yield "  two kernels, not one:"
    for apart in why.apart:
        pairs = ", ".join(" ".join(pair) for pair in apart.pairs)
        yield f"    {pairs}: {_quoted(apart)}"
    if why.more:
        yield f"    and {why.more} pairs more"
    decided = [f"    {it.kernel or 'graph'}: {it.what}: {it.text}" for it in why.decided]
    yield from ["  decided:", *decided] if decided else ()
    changes = dict.fromkeys((it.what, change) for it in why.decided if (change := change_of(it)) and it.what != _TILING)
    yield from ["  what would change it:"] if changes else ()
    yield from (f"    {what}: {change}" for what, change in changes)
    for fired in why.fired:
        yield f"  {fired.kind}: {', '.join(f'{name} {times}' for name, times in fired.times)}"


def why_apart(graph: str, why: Why, steps: Sequence[Step], first: str, second: str) -> Iterator[str]:
    """Why two steps of a graph, of different names, are not one kernel, and what would have to change.

    Nothing where the graph does not have both.
    """
    by_name = dict(zip(numbered(step.name for step in steps), steps, strict=True))
    if first not in by_name or second not in by_name:
        return
    one, other = by_name[first], by_name[second]
    yield f"{graph}: {first} ({one.described}) and {second} ({other.described})"
    shared = [*_shared(first, one, second, other), *_between(by_name, first, second)]
    if not shared:
        yield "  They share no tensor: Inductor fuses only steps that share one."
        yield "  What would change it: combo_kernels=True launches small kernels that share nothing together."
        return
    yield from (f"  {line}" for line in shared)
    apart = why.of(first, second) or _library(first, one, second, other)
    if apart is None:
        left_out = f"; {why.more} pairs of this graph were left out" if why.more else ""
        yield f"  No reason was recorded for these two{left_out}."
        return
    yield f"  {_quoted(apart)}"
    stages = [(split, of) for split, *of in _stages(why, by_name) if {first, second} & {*of}]
    if not any({first, second} == {*of} for _, of in stages):
        yield f"  That is: {meaning_of(apart)[0]}."
        yield f"  What would change it: {_change(apart, one, other) or 'no setting and no size that can be named'}."
    for split, of in stages:
        yield f"  {' and '.join(filter(None, of))} are the stages of one reduction, {split.text}."
        yield f"  What would change that: {change_of(split)}."


def _change(apart: Apart, one: Step, other: Step) -> str:
    """What would make two steps one kernel; "" where nothing can be named."""
    if {*one.writes} & {*other.writes}:
        return IN_TURN
    reading = not ({*one.writes} & {*other.reads} or {*one.reads} & {*other.writes})
    if apart.reason is Reason.NO_SHARED_DATA and reading and "reduction" in one.kind and "reduction" in other.kind:
        return MIXED_ORDER
    return meaning_of(apart)[1]


def why_step(graph: str, why: Why, steps: Sequence[Step], name: str) -> Iterator[str]:
    """What was decided about one step, and why it is not one kernel with others; nothing where the graph lacks it."""
    by_name = dict(zip(numbered(step.name for step in steps), steps, strict=True))
    if name not in by_name:
        return
    step = by_name[name]
    yield f"{graph}: {name} ({step.described})"
    about = [it for it in why.decided if it.kernel in (name, without_number(name))]
    for it in about:
        yield f"  {it.what}: {it.text}"
        if change := change_of(it):
            yield f"    What would change it: {change}."
    if "clone" in step.ops:
        yield "  clone: the program asks for a copy: contiguous(), clone(), or a reshape that the strides do not allow"
        yield "    What would change it: an operation that takes these strides; or a layout that allows the view."
    called = [
        _library(name, step, other, by_name[other]) for other in by_name if _shared(name, step, other, by_name[other])
    ]
    for apart in (*why.apart, *filter(None, called)):
        others = [other for pair in apart.pairs if name in pair for other in pair if other != name]
        if others:
            yield f"  not one kernel with {', '.join(others)}: {_quoted(apart)}"
            neighbour = by_name.get(others[0])
            if change := _change(apart, step, neighbour) if neighbour else "":
                yield f"    What would change it: {change}."


def _stages(why: Why, steps: Mapping[str, Step]) -> Iterator[tuple[Decided, str, str]]:
    """The reductions that are done in two stages, and the steps that are the stages."""
    for split in why.decided:
        first = steps.get(split.kernel)
        if split.what == "split" and first:
            reading = (name for name, step in steps.items() if {*step.reads} & {*first.writes})
            second = next((name for name in reading if "reduction" in steps[name].kind), "")
            yield split, split.kernel, second


def _between(steps: Mapping[str, Step], first: str, second: str) -> Iterator[str]:
    """The steps that need what the one computes, and compute what the other needs."""
    names = [*steps]
    start, end = sorted((names.index(first), names.index(second)))
    needs = {*steps[names[start]].writes}
    after: dict[str, set[str]] = {}
    for name in names[start + 1 : end]:
        if needs & {*steps[name].reads}:
            after[name] = {*steps[name].writes}
            needs |= after[name]
    wanted, found = {*steps[names[end]].reads}, []
    for name in reversed(after):
        if after[name] & wanted:
            wanted |= {*steps[name].reads}
            found.append(name)
    if found:
        yield f"between them: {', '.join(reversed(found))}"


def steps_called(steps: Iterable[Step]) -> tuple[str, ...]:
    """What the steps of a graph are called."""
    return numbered(step.name for step in steps)


def _quoted(apart: Apart) -> str:
    return f'{apart.reason}: Inductor says "{apart.text}"'


def _shared(first: str, one: Step, second: str, other: Step) -> list[str]:
    """What two steps share, a line for each tensor."""
    return list(_sharing(first, one, second, other))


def _sharing(first: str, one: Step, second: str, other: Step) -> Iterator[str]:
    touched = dict.fromkeys([*one.writes, *one.reads])
    for name in [name for name in touched if name in other.writes or name in other.reads]:
        if name in one.writes:
            yield f"{first} writes {name}, and {second} {'writes' if name in other.writes else 'reads'} it"
        elif name in other.writes:
            yield f"{first} reads {name}, and {second} writes it"
        else:
            yield f"both read {name}"


def _library(first: str, one: Step, second: str, other: Step) -> Apart | None:
    """The reason for a pair with a call into a library, which no golden has: it is always the same."""
    if "extern" not in (one.kind, other.kind):
        return None
    text = "node1 is extern but not a triton kernel" if one.kind == "extern" else "node2 is extern or nop"
    return Apart(((first, second),), Reason.LIBRARY, text)
