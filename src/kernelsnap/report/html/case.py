"""What the HTML page shows of one golden that changed: causes, numbers, the plan before and after, every text."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kernelsnap.diff.compare import Diff
from kernelsnap.diff.match.pairs import Pair
from kernelsnap.diff.metrics import MetricDelta
from kernelsnap.diff.text.hunks import Section, sections
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.estimates import TimeByPart, time_by_part
from kernelsnap.golden.build import TOTAL
from kernelsnap.golden.canonical import HOST
from kernelsnap.model.golden import RESOURCES
from kernelsnap.report.html.picture import SIGNS, Picture, picture
from kernelsnap.report.html.plan_graph import PlanChange, plan_changes
from kernelsnap.report.html.side_by_side import Block, Text, block

#: Layers whose text is shown for each kernel, in the order in which it is read.
_PER_KERNEL = ("code", "config")


@dataclass(frozen=True)
class PlanView:
    """One graph of the plan before and after."""

    id: str
    graph: str
    change: PlanChange
    old: Picture | None
    new: Picture | None
    text: Block | None

    @property
    def old_graph(self) -> str:
        """What the graph was called before; "" where there was none."""
        return self.change.old.graph if self.change.old else ""


@dataclass(frozen=True)
class PartView:
    """One kernel, or the host code of a graph."""

    id: str
    graph: str
    name: str
    kind: str
    sign: str
    says: str  # what became of it, where that takes more than the sign
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class CaseView:
    """One golden."""

    id: str
    change: Change
    times: TimeByPart | None  # what was estimated
    metrics: tuple[MetricDelta, ...]  # of the golden as a whole, those that moved
    by_graph: tuple[MetricDelta, ...]
    other: tuple[Block, ...]  # texts that belong to no graph: graph breaks, a refusal
    plans: tuple[PlanView, ...]
    same_graphs: tuple[str, ...]
    parts: tuple[PartView, ...]

    def place_of(self, kernel: str) -> str:
        """The place in the page of the code of `forward k1`; "" if it did not change, or this is no kernel."""
        return next((part.id for part in self.parts if f"{part.graph} {part.name}" == kernel), "")


def case_view(change: Change, diff: Diff, full: bool) -> CaseView:
    """All that is shown of a golden that both sides have; with `full` nothing is left out."""
    place = case_id(change.name)
    graphs = diff.old_graphs
    texts = _texts(diff, graphs)
    parts = tuple(_parts(place, diff, texts, graphs, full))
    plans = tuple(_plans(place, diff, texts, graphs, full))
    moved = [delta for delta in diff.metrics if delta.verdict != "unchanged"]
    several = len({delta.graph for delta in diff.metrics}) > 2
    return CaseView(
        place,
        change,
        time_by_part(diff) if change.time.told else None,
        tuple(delta for delta in moved if delta.graph == TOTAL),
        tuple(delta for delta in moved if delta.graph != TOTAL and several),
        tuple(_others(texts, full)),
        plans,
        tuple(plan.graph for plan in diff.new.plan if plan.graph not in {view.graph for view in plans}),
        parts,
    )


#: Both sides of a section of the golden file, by what it is about: layer, graph, kernel.
_Texts = Mapping[tuple[str, ...], tuple[Text | None, Text | None]]


def _texts(diff: Diff, graphs: Mapping[str, str]) -> _Texts:
    """The sections that differ, or that one side does not have; under the old names of their graphs."""
    # Reasons are not compared.
    old, new = _by_key(sections(replace(diff.old, why=()), {})), _by_key(sections(replace(diff.new, why=()), graphs))
    found = {key: (old.get(key), new.get(key)) for key in [*new, *(key for key in old if key not in new)]}
    return {key: both for key, both in found.items() if not (both[0] and both[1] and both[0].lines == both[1].lines)}


def _by_key(found: Iterable[Section]) -> dict[tuple[str, ...], Text]:
    texts = {}
    number = 1
    seen: Counter[tuple[str, ...]] = Counter()
    for section in found:
        seen[section.key] += 1
        key = section.key if seen[section.key] == 1 else (*section.key, str(seen[section.key]))
        # The first line is the heading, which the page has in its own form.
        indent = "  " if section.layer == "plan" else "    "
        lines = section.lines if len(section.lines) == 1 else section.lines[1:]
        first = number + len(section.lines) - len(lines)
        text = tuple(line.removeprefix(indent) for line in lines)
        texts[key] = Text(first, text, code=section.layer in _PER_KERNEL)
        number += len(section.lines)
    return texts


def _block(label: str, both: tuple[Text | None, Text | None], full: bool) -> Block:
    old, new = (side or Text(1, (), code=False) for side in both)
    return block(label, old, new, full)


def _others(texts: _Texts, full: bool) -> Iterator[Block]:
    for key, both in texts.items():
        if key[0] == "plan" and any(side and _alone(side) for side in both):
            yield _block("plan", both, full)


def _alone(text: Text) -> bool:
    """Whether a section of the plan is one line about no graph."""
    return len(text.lines) == 1 and text.lines[0].startswith(("graph break", "refused"))


def _plans(place: str, diff: Diff, texts: _Texts, graphs: Mapping[str, str], full: bool) -> Iterator[PlanView]:
    for change in plan_changes(diff):
        both = texts.get(("plan", graphs.get(change.graph, change.graph)))
        if both is None and not change.changed:
            continue
        yield PlanView(
            graph_id(place, change.graph),
            change.graph,
            change,
            picture(change.old) if change.old else None,
            picture(change.new) if change.new else None,
            _block("plan", both, full) if both else None,
        )


def _parts(place: str, diff: Diff, texts: _Texts, graphs: Mapping[str, str], full: bool) -> Iterator[PartView]:
    """Kernels whose code or configuration differs, and host code, in the order of the new golden; then those gone."""
    names = {old: new for new, old in graphs.items()}
    pairs = _pairs_by_name(diff.pairs, graphs)
    order = {(graphs.get(code.graph, code.graph), code.name): place for place, code in enumerate(diff.new.code)}
    keys = dict.fromkeys((key[1], key[2]) for key in texts if key[0] in (*_PER_KERNEL, RESOURCES) and len(key) > 2)
    for graph, name in sorted(keys, key=lambda key: order.get(key, len(order))):
        blocks = (
            *(_block(layer, texts[layer, graph, name], full) for layer in _PER_KERNEL if (layer, graph, name) in texts),
            *(
                _block(f"{RESOURCES} on {key[3]}", both, full)
                for key, both in texts.items()
                if key[0] == RESOURCES and key[1:3] == (graph, name)
            ),
        )
        pair, kind = pairs.get((graph, name), (None, ""))
        shown = names.get(graph, graph)
        yield PartView(
            part_id(place, shown, name),
            shown,
            "host code" if name == HOST else name,
            kind,
            SIGNS.get(pair.status if pair else _status(blocks), SIGNS["changed"]),
            _became(pair) if pair else "",
            blocks,
        )


def _pairs_by_name(pairs: Iterable[Pair], graphs: Mapping[str, str]) -> dict[tuple[str, str], tuple[Pair, str]]:
    """For each kernel what became of it, and its kind, on both sides where that changed."""
    found: dict[tuple[str, str], tuple[Pair, str]] = {}
    for pair in pairs:
        for part in pair.new:
            same = [*pair.old[:1], part] if part == pair.new[0] else [part]
            kind = " → ".join(dict.fromkeys(one.kind for one in same))
            found[graphs.get(part.graph, part.graph), part.name] = (pair, kind)
        for part in pair.old:
            found.setdefault((part.graph, part.name), (pair, part.kind))
    return found


def _status(blocks: Sequence[Block]) -> str:
    """What became of texts that only one side may have."""
    sides = [any(block.old_lines for block in blocks), any(block.new_lines for block in blocks)]
    return "changed" if all(sides) else "gone" if sides[0] else "new"


def _became(pair: Pair) -> str:
    """`k0 → k0 k1` where several kernels are involved."""
    if len(pair.old) <= 1 and len(pair.new) <= 1:
        return ""
    return " → ".join(" ".join(part.name for part in side) for side in (pair.old, pair.new))


_LONGEST = 80
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


def case_id(name: str) -> str:
    """The place of a golden, from its path: `test-fusion-fusiontests-test-softmax-h100-1f0c4a9b`.

    The end tells apart paths that read the same in lower case and without punctuation.
    """
    return f"{_plain(name.removesuffix('.ksnap'))[:_LONGEST].strip('-')}-{_digest(name)}"


def graph_id(case: str, graph: str) -> str:
    """The place of a graph's plan within its golden's place: `….forward`, `….forward-1` for `forward.1`."""
    return f"{case}.{_plain(graph)}"


def part_id(case: str, graph: str, part: str) -> str:
    """The place of a kernel or of host code within its golden's place: `….forward.k1`."""
    place = f"{graph_id(case, graph)}.{_plain(part)}"
    # Only the name of a kernel that a user wrote can lose anything here.
    return place if _plain(part) == part else f"{place}-{_digest(part)}"


def _plain(text: str) -> str:
    return _NOT_PLAIN.sub("-", text.lower()).strip("-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
