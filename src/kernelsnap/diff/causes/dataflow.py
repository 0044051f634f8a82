"""Whether two pieces of code compute the same, although their lines are in another order, by value numbering.

Every line gets a number for what it computes: its form, the numbers of what it reads, and the block that it is in.
Equal computations get equal numbers, and others get others: numbers are given out one by one, in one table for both
pieces, so that nothing rests on hashes being different. Lines that touch memory keep their order against stores. Two
pieces compute the same if they have the same numbers equally often; the names in them do not matter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping

from kernelsnap.diff.causes.line_forms import address_start, is_argument, names, without_names, without_use
from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, Atom, NormalLine
from kernelsnap.diff.match.items import Item, KernelRef
from kernelsnap.diff.match.pairs import MatchedGraph

# Lines that change memory or must stay where they are; everything that is no plain assignment is one too.
_EFFECT = re.compile(
    r"\btl\.(?:store|atomic_\w+|debug_barrier|device_\w+|inline_asm\w*)\(|\.(?:run|store)\(|_barrier\("
)
_READ = re.compile(r"\bload\w*\(|\.load\b")
_WORD = re.compile(r"[^\W\d]\w*")
# tmp0 =   tmp0, tmp1 =   tmp0 +=   tmp0: tl.constexpr =
_ASSIGNED = re.compile(r"\s*+([^=()]*?)(?:: [\w.]+)? [-+*/%&|^@<>]{0,2}= ")


#: What the pointer arguments of a kernel are given: for each the tensor that it reads, and the one that it writes.
Operands = Mapping[Atom, tuple[Hashable, Hashable]]
#: For each kernel or call the tensors that it reads and writes when it first runs, in the order of the plan.
Tensors = dict[KernelRef, tuple[list[Hashable], list[Hashable]]]


def same_computation(old: AlphaNormalForm, new: AlphaNormalForm, addresses: bool = True) -> bool:
    """Whether one piece is the other with independent lines reordered and names changed.

    Without `addresses` it does not matter which elements of a tensor a line loads.
    """
    numbers: _Numbers = {}
    return _computed(old, numbers, {}, addresses) == _computed(new, numbers, {}, addresses)


def same_on_tensors(old: AlphaNormalForm, new: AlphaNormalForm, operands: tuple[Operands, Operands]) -> bool:
    """Whether two kernels compute the same from the same tensors, though their arguments are in another order.

    A tensor may be read through an argument that is written over on one side, and through one that is not on the other.
    """
    numbers: _Numbers = {}
    return _computed(old, numbers, operands[0]) == _computed(new, numbers, operands[1])


#: The number of each computation; 0 is that of none.
_Numbers = dict[Hashable, int]


def _computed(
    piece: AlphaNormalForm, numbers: _Numbers, operands: Operands, addresses: bool = True
) -> Counter[Hashable]:
    """How often a piece computes what, by the numbers of its lines; what it leaves in its names counts, too."""
    values: dict[Hashable, Hashable] = {}
    blocks: list[tuple[int, Hashable]] = []
    effects: Hashable = 0
    arguments = 0
    found: Counter[Hashable] = Counter()
    for row in piece.lines:
        indent = len(row.shape) - len(row.shape.lstrip())
        block = _enclosing(blocks, indent)
        if is_argument(row.shape):
            argument = row.atoms[0] if row.atoms else row.shape
            tensors = operands.get(argument) if isinstance(argument, Atom) else None
            for use, tensor in enumerate(tensors or ()):
                found["argument", use, tensor, without_use(row.shape)] += tensor is not None
            if tensors is None:
                values[argument] = ("argument", arguments)
                found["argument", arguments, row.shape] += 1
                arguments += 1
            continue
        shape = without_use(row.shape) if operands else row.shape
        writes = bool(_EFFECT.search(shape))
        # The order in which a function names its arguments is that of the call, too.
        values |= {atom: None if row.signature else tensors[writes] for atom, tensors in operands.items()}
        start = None if addresses else address_start(row.shape)
        shape, reads = (shape, _reads(row, shape, values)) if start is None else _without_address(row, start, values)
        if row.signature:  # no argument is another one
            reads = reads, len({*row.atoms})
        plain = _is_assignment(row) and not _EFFECT.search(row.shape)
        memory = effects if not plain or _READ.search(row.shape) else 0
        key = numbers.setdefault((shape, reads, block, memory), len(numbers) + 1)
        found[key] += 1
        for place, target in enumerate(_targets(row)):
            values[target] = (key, place)
        if not plain:
            effects = key
            if row.shape.rstrip().endswith(":"):
                blocks.append((indent, key))
    # What a name holds at the end of a block is what the next turn of a loop begins with.
    found.update(("last", value) for value in values.values())
    return found


def _enclosing(blocks: list[tuple[int, Hashable]], indent: int) -> Hashable:
    """The block that a line is in, by its indentation; leaves the blocks that ended before it."""
    while blocks and indent <= blocks[-1][0]:
        blocks.pop()
    return blocks[-1][1] if blocks else 0


def _without_address(row: NormalLine, start: int, values: dict[Hashable, Hashable]) -> tuple[str, Hashable]:
    """A load without the offset that begins at a place of its form: the form, and what the rest of it reads."""
    depth, end = 0, start
    while depth >= 0 and not (depth == 0 and row.shape[end] == ","):
        depth += (row.shape[end] in "([{") - (row.shape[end] in ")]}")
        end += 1
    marks = len(names(row.shape[:start])), len(names(row.shape[:end]))
    atoms = [*row.atoms[1 : marks[0]], *row.atoms[marks[1] :]]
    words = _WORD.findall(without_names(row.shape[end:]))
    reads = tuple(_value(atom, values) for atom in atoms), tuple(values.get(word, word) for word in words)
    return row.shape[:start] + row.shape[end:], reads


def _is_assignment(row: NormalLine) -> bool:
    return " = " in row.shape and not row.shape.lstrip().startswith(("def ", "for ", "while ", "if ", "with ", "@"))


def _targets(row: NormalLine) -> list[Hashable]:
    match = _ASSIGNED.match(row.shape)
    if not match:
        return []
    # `tmp0 = ...` assigns its first name, `tmp0 += ...` too.
    marks = len(names(match.group(1)))
    atoms: list[Hashable] = [*row.atoms[:marks], *(a for a, on in zip(row.atoms, row.assigns, strict=True) if on)]
    return [*dict.fromkeys(atoms), *_WORD.findall(without_names(match.group(1)))]


def _reads(row: NormalLine, shape: str, values: dict[Hashable, Hashable]) -> Hashable:
    marked = [_value(atom, values) for atom, assigned in zip(row.atoms, row.assigns, strict=True) if not assigned]
    words = _WORD.findall(without_names(shape))
    return tuple(marked), tuple(values.get(word, word) for word in words)


def _value(atom: Atom, values: dict[Hashable, Hashable]) -> Hashable:
    # A name that was assigned nowhere is known by itself.
    return values.get(atom, atom)


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
    """The tensors of a generated kernel's arguments, which are in the order of the plan; empty where they are not."""
    rows = [row for row in item.normal_form.lines if is_argument(row.shape) and row.atoms]
    reads = [row.atoms[0] for row in rows if row.atoms[0].family in ("in_ptr", "in_out_ptr")]
    writes = [row.atoms[0] for row in rows if row.atoms[0].family in ("out_ptr", "in_out_ptr")]
    given = tensors.get(item.ref)
    if len(item.steps) != 1 or given is None or (len(reads), len(writes)) != (len(given[0]), len(given[1])):
        return {}
    read, written = dict(zip(reads, given[0], strict=True)), dict(zip(writes, given[1], strict=True))
    return {atom: (read.get(atom), written.get(atom)) for atom in (*reads, *writes)}
