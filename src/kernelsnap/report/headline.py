"""The headline of a diff: the first layer that differs, and how."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator

from kernelsnap.diff.compare import Diff
from kernelsnap.diff.match.items import EXTERN, KernelRef
from kernelsnap.diff.match.pairs import Pair, match_graphs
from kernelsnap.golden.canonical import source_stem
from kernelsnap.model.golden import RESOURCES, Golden, Plan, PlanStep
from kernelsnap.shared.wording import counted, listed


def headline(diff: Diff) -> str:
    """The first layer that differs and how: `plan differs: fusion changed: 1 kernel became 2`."""
    layer = diff.first_layer
    if layer is None:
        return "no difference"
    if layer == "plan":
        found = list(dict.fromkeys(_plan(diff)))
        return f"plan differs: {'; '.join(found)}" if found else "plan differs"
    if layer == "metrics":
        return f"metrics differ: {listed(dict.fromkeys(d.name for d in diff.metrics if d.verdict != 'unchanged'))}"
    if layer == RESOURCES:
        if bool(diff.old.resources) != bool(diff.new.resources):
            return f"resources are {'new' if diff.new.resources else 'gone'}"
        return f"resources differ in {listed(changed_places(diff, layer))}"
    return f"{layer} differs in {listed(changed_places(diff, layer))}"


def changed_places(diff: Diff, layer: str) -> list[str]:
    """The kernels (and `host`) whose part of a layer differs, with their graph where there are several."""
    old, new = _places(diff.old, layer), _places(diff.new, layer)
    several = len({plan.graph for plan in (*diff.old.plan, *diff.new.plan)}) > 1
    changed = [place for place in {**new, **old} if old.get(place) != new.get(place)]
    return [f"{graph} {name}" if several else name for graph, name in changed]


def _places(golden: Golden, layer: str) -> dict[tuple[str, str], object]:
    if layer == "code":
        return {(piece.graph, piece.name): piece for piece in golden.code}
    if layer == RESOURCES:
        entries = [(found.target, entry) for found in golden.resources for entry in found.entries]
        places = dict.fromkeys((entry.graph, entry.kernel) for _, entry in entries)
        return {place: [e for e in entries if (e[1].graph, e[1].kernel) == place] for place in places}
    return {(entry.graph, entry.kernel): entry for entry in golden.config}


def _plan(diff: Diff) -> Iterator[str]:
    several = len({plan.graph for plan in (*diff.old.plan, *diff.new.plan)}) > 1
    found = [*_graphs(diff), *_fusion(diff.pairs), *_kernels(diff, several)]
    yield from found or _data_or_order(diff, several)


def _kernels(diff: Diff, several: bool) -> Iterator[str]:
    for pair in diff.pairs:
        if pair.status == "new" and _has_graph(diff.old, pair.new[0]):
            yield f"{_name(pair.new[0], several)} is new"
        elif pair.status == "gone" and _has_graph(diff.new, pair.old[0]):
            yield f"{_name(pair.old[0], several)} is gone"
        elif pair.status == "reordered":
            yield f"{_name(pair.new[0], several)} runs in another order"
        elif pair.status == "changed":
            yield from _change(diff, pair, _name(pair.new[0], several))


def _graphs(diff: Diff) -> Iterator[str]:
    if diff.old.refusal != diff.new.refusal:
        yield "torch refuses to compile it" if diff.new.refusal else "torch no longer refuses to compile it"
    before, after = diff.old.graph_breaks, diff.new.graph_breaks
    if len(before) != len(after):
        yield f"{counted(len(after), 'graph break')}, was {len(before)}"
    elif before != after:
        yield "graph breaks changed"
    old, new = ([plan.graph for plan in golden.plan] for golden in (diff.old, diff.new))
    for graph in new:
        if graph not in old:
            yield f"graph {graph} is new"
    for graph in old:
        if graph not in new:
            yield f"graph {graph} is gone"


def _has_graph(golden: Golden, part: KernelRef) -> bool:
    return any(plan.graph == part.graph for plan in golden.plan)


def _fusion(pairs: Iterable[Pair]) -> Iterator[str]:
    """Splits together, then merges together: what a reviewer counts is kernels, those that are new or gone too."""
    pairs = list(pairs)
    for status, also in (("split", "new"), ("merged", "gone")):
        if any(pair.status == status for pair in pairs):
            found = [pair for pair in pairs if pair.status in (status, also)]
            kernels = ([part for pair in found for part in getattr(pair, side)] for side in ("old", "new"))
            before, after = (sum(part.kind != EXTERN for part in parts) for parts in kernels)
            yield f"fusion changed: {counted(before, 'kernel')} became {after}"


def _change(diff: Diff, pair: Pair, name: str) -> Iterator[str]:
    """How the plan of one kernel changed; nothing if only its code did."""
    old, new = pair.old[0], pair.new[0]
    if old.kind != new.kind:
        yield f"{name} is {new.kind}, was {old.kind}"
        return
    before, after = _step(diff.old.plan, old), _step(diff.new.plan, new)
    if before is None or after is None:
        return
    if before.name != after.name:
        yield f"{after.name} instead of {before.name}"
    if before.sizes != after.sizes:
        yield f"iteration space of {name} changed"
    if before.ops != after.ops:
        yield (
            f"expressions of {name} in another order" if _only_order(before, after) else f"operations of {name} changed"
        )


def _data_or_order(diff: Diff, several: bool) -> Iterator[str]:
    """How two plans differ that run the same kernels and calls: the data that they pass on, else names or an order."""
    both = [(old, new) for old, new in match_graphs(diff.old, diff.new) if old and new]
    if any(_data(old) != _data(new) for old, new in both):
        yield "inputs, buffers or outputs changed"
        return
    if any(_user_names(old) != _user_names(new) for old, new in both):
        yield "tensors have other names"
    steps = [(new.graph, *pair) for old, new in both for pair in zip(old.steps, new.steps, strict=True)]
    found: defaultdict[str, list[str]] = defaultdict(list)
    for graph, before, after in steps:
        name = f"{graph} {after.name}" if several else after.name
        if before.sizes != after.sizes:
            found["iteration space of {} changed"].append(name)
        if before.ops != after.ops:
            how = "in another order" if _only_order(before, after) else "have other numbers"
            found[f"expressions of {{}} {how}"].append(name)
    yield from (sentence.format(listed(dict.fromkeys(names))) for sentence, names in found.items())


def _data(plan: Plan) -> Hashable:
    """All that a plan shows of its data: what it takes, what each step reads and writes, and what it returns."""
    return plan.inputs, plan.memory, tuple((step.reads, step.writes) for step in plan.steps), plan.outputs


def _user_names(plan: Plan) -> Hashable:
    """What a plan shows of what the user calls its data."""
    names = dict(plan.names)
    return [names.get(buffer.name) for buffer in plan.inputs], plan.results


def _only_order(before: PlanStep, after: PlanStep) -> bool:
    """Whether two steps have the same operations in another order, whatever number an expression has: `softmax.1`."""
    old, new = ([(source_stem(op.source), op.aten) for op in step.ops] for step in (before, after))
    return old != new and Counter(old) == Counter(new)


def _step(plans: Iterable[Plan], part: KernelRef) -> PlanStep | None:
    return next((plan.steps[part.step] for plan in plans if plan.graph == part.graph and part.step >= 0), None)


def _name(part: KernelRef, with_graph: bool) -> str:
    return f"{part.graph} {part.name}" if with_graph else part.name
