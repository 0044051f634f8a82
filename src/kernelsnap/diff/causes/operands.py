"""Which tensors the arguments of a kernel are, under names that are the same on both sides of a comparison."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from kernelsnap.diff.causes.dataflow import Operands
from kernelsnap.diff.match.items import Item, KernelRef
from kernelsnap.diff.match.pairs import MatchedGraph

#: For each kernel or call the tensors that it reads and writes when it first runs, in the order of the plan.
Tensors = dict[KernelRef, tuple[list[Hashable], list[Hashable]]]


def tensors_of(graphs: Iterable[MatchedGraph], places: Mapping[KernelRef, int], old: bool) -> Tensors:
    """A tensor is an input of its graph, or what a pair of kernels writes, known by their places."""
    found: Tensors = {}
    for graph in graphs:
        plan, items = (graph.old_plan, graph.old) if old else (graph.new_plan, graph.new)
        if plan is None:
            continue
        last: dict[str, Hashable] = {buffer.name: ("input", place) for place, buffer in enumerate(plan.inputs)}
        by_name = {item.ref.name: item.ref for item in items}
        by_step = {item.ref.step: item.ref for item in items}
        for index, step in enumerate(plan.steps):
            part = by_step.get(index) or by_name[step.name]
            written: list[Hashable] = [("written", places[part], place) for place in range(len(step.writes))]
            found.setdefault(part, ([last.get(name, name) for name in step.reads], written))
            last |= {buffer.name: tensor for buffer, tensor in zip(step.writes, written, strict=True)}
    return found


def operands_of(item: Item, tensors: Tensors) -> Operands:
    """The tensors of a generated kernel's arguments, which stand in the order of the plan; empty where they do not."""
    rows = [row for row in item.normal_form.lines if row.shape.startswith("arg ") and row.atoms]
    reads = [row.atoms[0] for row in rows if row.atoms[0].family in ("in_ptr", "in_out_ptr")]
    writes = [row.atoms[0] for row in rows if row.atoms[0].family in ("out_ptr", "in_out_ptr")]
    given = tensors.get(item.ref)
    if len(item.steps) != 1 or given is None or (len(reads), len(writes)) != (len(given[0]), len(given[1])):
        return {}
    read, written = dict(zip(reads, given[0], strict=True)), dict(zip(writes, given[1], strict=True))
    return {atom: (read.get(atom), written.get(atom)) for atom in (*reads, *writes)}
