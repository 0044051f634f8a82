"""The sentences that reports of every form share: the headline of a diff, counts, causes, costs."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator

from kernelsnap.diff.causes.finding import Cause, Effect, Finding
from kernelsnap.diff.causes.registry import CAUSES
from kernelsnap.diff.compare import Diff
from kernelsnap.diff.match.items import EXTERN, KernelRef
from kernelsnap.diff.match.pairs import Pair, match_graphs
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.cost import Cost, Time
from kernelsnap.diff.tree.estimates import TimeByPart
from kernelsnap.diff.tree.group import EFFECTS, Group
from kernelsnap.diff.tree.summary import Extreme, MetricSummary
from kernelsnap.golden.canonical import source_stem
from kernelsnap.model.golden import RESOURCES, Golden, Plan, PlanStep
from kernelsnap.report.model import Report
from kernelsnap.shared.wording import SAME, counted, first_few, listed, micro, spaced

#: Of the measures of a cost, what is not counted in what it is called.
_UNITS = {"bytes accessed": "B"}
#: Metrics of machine code in the effect of a change.
_AS_BEFORE = "est. as before"
_RESOURCES = ("registers", "spilled bytes", "spilled registers")


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


def value(number: int | None, unit: str) -> str:
    """`1 240 B`; `none` where there is no number."""
    return "none" if number is None else f"{spaced(number)} {unit}".rstrip()


def percent(change: float) -> str:
    """A change in percent, with as many digits as show that it is one: `+3.2 %`, `-0.008 %`."""
    near_nothing = 1e-6 < abs(change) < 0.05
    return f"{change:+.{-math.floor(math.log10(abs(change))) if near_nothing else 1}f} %"


def first_line(report: Report) -> str:
    """How many goldens are worse and by how much, then how many there are: the first line of every form of report.

    `1 worse: est. 83 us -> 164 us  x1.97  slower (memory: 2.0 x the sectors), +400 B (+47.6 %); 5 goldens: 1 changed`.
    """
    parts = [overview(report)]
    if "changed" in report.statuses:
        (worse, more), (better, less) = report.judged("worse"), report.judged("better")
        (unknown, _), (without, moved) = report.judged("cannot tell"), report.judged("not estimated")
        parts = [f"{spaced(worse)} worse: {judged(more)}"] if worse else ["none worse"] if not without else []
        parts += [f"{spaced(better)} better: {judged(less)}"] if better else []
        parts += [f"{spaced(unknown)} cannot be told"] if unknown else []
        parts += [", ".join(filter(None, (f"{spaced(without)} not estimated", amount(moved))))] if without else []
        parts.append(overview(report))
    return "; ".join(parts)


def amount(cost: Cost) -> str:
    """`+400 B (+47.6 %), +1 kernel`: by how much a cost grew or shrank, in each measure that moved."""
    parts = []
    for name, old, new in cost:
        share = f" ({percent(100 * (new - old) / old)})" if old else ""
        parts.append(f"{_more(new - old, _UNITS.get(name, name.removesuffix('s')))}{share}")
    return ", ".join(parts)


def _more(number: int, unit: str) -> str:
    """`+400 B`, `-2 kernels`."""
    plural = "s" if abs(number) != 1 and unit != "B" else ""
    return f"{number:+,} {unit}{plural}".replace(",", " ")


def overview(report: Report) -> str:
    """`5 goldens: 2 changed, 1 new, 2 the same`."""
    if not report.compared:
        return "0 goldens: nothing to compare"
    parts = [f"{spaced(number)} {status}" for status, number in report.statuses.items()]
    return f"{counted(report.compared, 'golden')}: {', '.join([*parts, f'{spaced(report.same)} the same'])}"


def side(label: str, versions: str) -> str:
    """`main (1a2b3c4d5), recorded with torch 2.13.0, triton 3.7.1`."""
    return f"{label}, recorded with {versions}" if versions else label


def renamed(report: Report) -> str:
    """What was renamed, in a sentence; "" if nothing was."""
    number = len(report.renamed)
    what = "1 golden only changed its name" if number == 1 else f"{spaced(number)} goldens only changed their names"
    return f"{what}: gone under the old one, new under the other" if number else ""


def decisions(report: Report) -> Iterator[tuple[str, str]]:
    """What was decided about groups of the report before, and what is accepted for now; each with its reason."""
    for group in report.groups:
        if group.fingerprint in report.decided:
            yield f"before, about group {group.fingerprint}", report.decided[group.fingerprint]
    yield from (("accepted for now", sentence) for sentence in report.for_now)


def no_metric(report: Report) -> str:
    """That nothing became better or worse, where goldens changed; "" elsewhere."""
    return "no metric changed" if "changed" in report.statuses and not report.metrics else ""


def again(report: Report) -> str:
    """The words before the command that makes the report again."""
    return "again, with the same patch on standard input" if report.reads_input else "again"


def group_line(heading: str, size: int, cost: Cost) -> str:
    """`fusion split: 12 goldens, est. 83 us -> 164 us  x1.97  slower, +4 800 B`; what did not move is not in it."""
    return ", ".join(filter(None, (f"{heading}: {counted(size, 'golden')}", judged(cost))))


def judged(cost: Cost) -> str:
    """`est. 83 us -> 164 us  x1.97  slower (memory), +400 B (+47.6 %)`; "" where nothing moved."""
    shown = cost.verdict in ("worse", "better", "cannot tell")
    return ", ".join(filter(None, (estimate(cost.time) if shown else "", amount(cost))))


def estimate(time: Time) -> str:
    """`est. 83 us -> 164 us  x1.97  slower (x1.70 to x2.28; memory: 2.0 x the sectors)`; "" without an estimate.

    Where it cannot be told, the reason stands in place of numbers. What was measured comes first.
    """
    measured = f"measured {_times(time.old_measured, time.new_measured)}" if time.old_measured else ""
    return "; ".join(filter(None, (measured, _estimate(time))))


def _estimate(time: Time) -> str:
    if not time.told:
        return f"est. cannot tell: {time.unknown}" if time.untold else ""
    if not time.new and not time.old:
        return _AS_BEFORE
    low, high = time.interval
    is_moved = not _is_same(time.estimated_ratio)
    why = [f"x{low:.2f} to x{high:.2f}"] if is_moved else []
    why += [time.reason] if time.reason and is_moved else []
    why += [f"{spaced(time.untold)} cannot be told"] if time.untold else []
    return f"est. {_times(time.old, time.new)}" + (f" ({'; '.join(why)})" if why else "")


def _times(old: float, new: float) -> str:
    if not old or not new:
        return f"{micro(old)} -> {micro(new)}"
    ratio = new / old
    direction = "about the same" if _is_same(ratio) else "slower" if ratio > 1 else "faster"
    return f"{micro(old)} -> {micro(new)}  x{ratio:.2f}  {direction}"


def _is_same(ratio: float) -> bool:
    return abs(math.log(ratio)) < math.log(SAME)


def effect(change: Change) -> str:
    """`kernels 1 -> 2, bytes accessed 840 -> 1 240 B`; what did not move is left out, what is missing is said.

    Registers and spills are included where goldens are compared with their resources.
    """
    told = estimate(change.time) if change.time.verdict != "not estimated" else ""
    parts = []
    for name in (*EFFECTS, *_RESOURCES):
        for delta in change.metrics:
            if delta.name == name and delta.old != delta.new:
                old = value(delta.old, "" if delta.new is not None else delta.unit)
                share = f" ({percent(delta.percent)})" if delta.percent is not None else ""
                parts.append(f"{name} {old} -> {value(delta.new, delta.unit)}{share}")
    if not parts and told == _AS_BEFORE:
        return "time, kernels and bytes as before"
    return ", ".join(filter(None, (told, *(parts or ["kernels and bytes as before"]))))


def beyond(group: Group, member: Change) -> str:
    """What a member of a group has that the exemplar does not, or the other way round: `bytes accessed 840 -> 1240`."""
    return ", ".join(group.beyond(member)) or effect(member)


def cost(effect: Effect) -> str:
    """`+1 kernel, +400 B`: what the kernels of a cause cost more than before; "" where that is nothing or not known."""
    parts = ((effect.kernels, "kernel"), (effect.bytes, "B"))
    return ", ".join(_more(number, unit) for number, unit in parts if number)


def causes_with_time(change: Change, parts: TimeByPart | None) -> Iterator[tuple[Cause, Time | None]]:
    """The causes of a change, each with what its kernels are estimated to take, where that is known."""
    times = parts.causes if parts else (None,) * len(change.causes)
    yield from zip(change.causes, times, strict=True)


def kernel_times(parts: TimeByPart | None, most: int | None) -> list[str]:
    """The estimated time of each kernel that changed; nothing where there is one alone, as that is the whole change."""
    moved = [kernel for kernel in parts.kernels if kernel.time.verdict != "as before"] if parts else []
    if parts is None or len(parts.kernels) < 2:
        return []
    moved.sort(key=lambda kernel: -abs(kernel.time.new - kernel.time.old))
    lines = [f"{kernel.names}: {estimate(kernel.time)}" for kernel in moved]
    return lines if most is None else first_few(lines, most)


def titled(cause: Cause, time: Time | None = None) -> str:
    """`fusion split, est. 12 us -> 30 us  x2.50  slower (memory), +1 kernel, +400 B`."""
    return ", ".join(filter(None, (CAUSES[cause.name].title, cause_cost(cause, time))))


def cause_cost(cause: Cause, time: Time | None = None) -> str:
    """`est. 12 us -> 30 us  x2.50  slower (memory), +1 kernel, +400 B`; what did not move is left out."""
    taken = estimate(time) if time and time.verdict != "as before" else ""
    return ", ".join(filter(None, (taken, cost(cause.effect))))


def cause_lines(cause: Cause, most: int, time: Time | None = None) -> Iterator[tuple[str, str]]:
    """The first evidence of a cause, each with its title; the first one also has what the cause costs."""
    title = titled(cause, time)
    for line in evidence(cause.findings, most):
        yield title, line
        title = CAUSES[cause.name].title


def evidence(findings: tuple[Finding, ...], most: int) -> list[str]:
    """The first findings, each with its place; the others counted."""
    lines = [f"{f.where}: {f.evidence}" if f.where not in ("", "host") else f.evidence for f in findings]
    return first_few(lines, most)


def mean(ratio: float | None) -> str:
    """A ratio as a change: `+3.2 %`."""
    return "no ratio" if ratio is None else percent(100 * (ratio - 1))


def extreme(metric: MetricSummary, found: Extreme) -> str:
    """`+200.0 %, 1 -> 3`."""
    _, old, new = found
    return f"{mean(new / old)}, {value(old, '')} -> {value(new, metric.unit)}"


def way(verdict: str, better: str) -> str:
    """`less` or `more`: which way a number went."""
    if verdict not in ("improved", "regressed"):
        return verdict
    return "more" if (verdict == "improved") == (better == "higher") else "less"


def counts(metric: MetricSummary) -> str:
    """`1 less, 2 more, 7 unchanged`: a number alone does not tell which is better, see `Cost`."""
    parts = [
        (metric.improved, way("improved", metric.better)),
        (metric.regressed, way("regressed", metric.better)),
        (metric.moved, "changed"),
        (metric.unchanged, "unchanged"),
        (metric.missing, "missing"),
    ]
    return ", ".join(f"{spaced(number)} {word}" for number, word in parts if number)


def total(metric: MetricSummary) -> str:
    """`840 -> 1 240 B`, over the goldens that changed."""
    return f"{value(metric.old_total, '')} -> {value(metric.new_total, metric.unit)}"
