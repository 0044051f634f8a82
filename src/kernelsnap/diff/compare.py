"""Compare two goldens: which layers differ, what it costs, which kernels it concerns, why, and the lines of it.

This is the only way to a comparison. Whoever compares two goldens calls `compare` once and passes the `Diff` on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from kernelsnap.diff.align.align import align_matched
from kernelsnap.diff.causes.classify import classify
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.finding import Cause
from kernelsnap.diff.match.pairs import Pair, Status, match_graphs, matched_graphs
from kernelsnap.diff.metrics import MetricDelta, metric_deltas
from kernelsnap.diff.text.hunks import Hunk, hunks
from kernelsnap.golden.canonical import HOST, canonical
from kernelsnap.golden.user_names import comparable_names
from kernelsnap.model.golden import LAYERS, RESOURCES, Golden


@dataclass(frozen=True)
class Diff:
    """Two goldens compared. What takes long is computed when it is first asked for, and kept."""

    old: Golden  # as it was stored
    recorded: Golden  # the new one as it was stored, except that it has the case and targets of the old one
    layers: tuple[str, ...]  # those that differ, in the order of `LAYERS`, then `RESOURCES`
    metrics: tuple[MetricDelta, ...]

    @property
    def same(self) -> bool:
        """Whether both goldens are equal in every layer after `canonical`."""
        return not self.layers

    @property
    def first_layer(self) -> str | None:
        """The first layer that differs, in the order that a reviewer asks; None if nothing does."""
        return self.layers[0] if self.layers else None

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Why they differ, each cause with its effect and its evidence."""
        return self._explained[1]

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """What became of each kernel and library call, under the names of `old` and `new`; empty if nothing changed."""
        return _rename(self._explained[0], self.recorded, self.new) if self.layers else ()

    @cached_property
    def new(self) -> Golden:
        """The new golden under the names of the old one."""
        return align_matched(self.recorded, self.old, self._explained[0]) if self.layers else self.old

    @cached_property
    def hunks(self) -> tuple[Hunk, ...]:
        """The lines that differ, of all layers, in the order of the file."""
        return hunks(self.old, self.new, self.old_graphs) if self.layers else ()

    @property
    def stored_pairs(self) -> tuple[Pair, ...]:
        """The same pairs in the same order, under the names of `old` and `recorded`."""
        return self._explained[0] if self.layers else ()

    @property
    def old_graphs(self) -> dict[str, str]:
        """What each graph of the new golden is called in the old one, if that has it."""
        return {new.graph: old.graph for old, new in match_graphs(self.old, self.recorded) if old and new}

    @property
    def kernels(self) -> Counter[Status]:
        """How many kernels and library calls were split, merged, changed, ..."""
        return Counter(pair.status for pair in self._explained[0])

    @cached_property
    def _explained(self) -> tuple[tuple[Pair, ...], tuple[Cause, ...]]:
        """The matched kernels under the names of `recorded`, and the causes: both come from one matching."""
        if not self.layers:
            return (), ()
        matched = matched_graphs(self.old, self.recorded)
        pairs = tuple(pair for graph in matched for pair in graph.pairs)
        return pairs, classify(Facts(self.old, self.recorded, matched))


def compare(old: Golden, new: Golden) -> Diff:
    """What changed from one golden to another. Case and target name a golden: they are not compared."""
    new = replace(new, case=old.case, target=old.target, shared_with=old.shared_with)
    old, new = comparable_names(old, new)
    return Diff(old, new, changed_layers(old, new), metric_deltas(old, new))


def changed_layers(old: Golden, new: Golden) -> tuple[str, ...]:
    """The layers in which two goldens say something else, whatever the names; in the order of `LAYERS`.

    What their machine code needs comes last.
    """
    if old == new:
        return ()
    before, after = map(canonical, _without_equal_code(old, new))
    return tuple(layer for layer in (*LAYERS, RESOURCES) if _contents(before, layer) != _contents(after, layer))


def _without_equal_code(old: Golden, new: Golden) -> tuple[Golden, Golden]:
    """Both goldens without the text of code that is equal on both sides, where it would get the same names too.

    What a graph's names become is decided by its plan, its host code and which kernels it has. Where all of these are
    equal, a kernel that is equal before `canonical` is equal after it.
    """
    equal = {
        (graph, name)
        for graph in {plan.graph for plan in old.plan}
        if _named_by(old, graph) == _named_by(new, graph)
        for (name, text), (_, other) in zip(_pieces(old, graph), _pieces(new, graph), strict=True)
        if text == other
    }

    def short(golden: Golden) -> Golden:
        code = (replace(piece, text="") if (piece.graph, piece.name) in equal else piece for piece in golden.code)
        return replace(golden, code=tuple(code))

    return short(old), short(new)


def _pieces(golden: Golden, graph: str) -> list[tuple[str, str]]:
    return [(piece.name, piece.text) for piece in golden.code if piece.graph == graph]


def _named_by(golden: Golden, graph: str) -> Hashable:
    """What decides which names `canonical` gives in a graph."""
    pieces = tuple((name, text if name == HOST else "") for name, text in _pieces(golden, graph))
    return tuple(plan for plan in golden.plan if plan.graph == graph), pieces


def _contents(golden: Golden, layer: str) -> Hashable:
    if layer == RESOURCES:
        return tuple((found.target, found.entries) for found in golden.resources)
    if layer not in golden.layers:
        return None  # not the same as an empty layer
    if layer == "plan":
        return golden.plan, golden.graph_breaks, golden.refusal
    return (golden.config, golden.choices) if layer == "config" else getattr(golden, layer)


def _rename(pairs: Iterable[Pair], new: Golden, aligned: Golden) -> tuple[Pair, ...]:
    """The pairs with their new parts under the names of the aligned golden."""
    names = {(piece.graph, piece.name): other.name for piece, other in zip(new.code, aligned.code, strict=True)}
    for plan, other_plan in zip(new.plan, aligned.plan, strict=True):
        names |= {(plan.graph, a.name): b.name for a, b in zip(plan.steps, other_plan.steps, strict=True)}
    return tuple(
        replace(
            pair,
            new=tuple(replace(part, name=names.get((part.graph, part.name), part.name)) for part in pair.new),
        )
        for pair in pairs
    )
