"""Whether two pieces of code compute the same, their lines being in another order.

Every line is given a number for what it computes: its form and the numbers of what it reads, in the block that it
stands in. Lines that touch memory keep their order against stores. Two pieces compute the same if they hold the same
numbers equally often; the names in them do not matter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping

from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, Atom, NormalLine

# Lines that change memory or must stay where they are; everything that is no plain assignment is one too.
_EFFECT = re.compile(
    r"\btl\.(?:store|atomic_\w+|debug_barrier|device_\w+|inline_asm\w*)\(|\.(?:run|store)\(|_barrier\("
)
_READ = re.compile(r"\bload\w*\(|\.load\b")
# in_ptr0, out_ptr1, in_out_ptr0: what an argument is used for, not which tensor it is
POINTER = re.compile(r"(?<=\0)(?:in_out|in|out)_ptr(?=\{\}\0)")
# tmp0 = tl.load(in_ptr0 + what is the address
LOAD = re.compile(r"\s*\0tmp[^\0]*\0 = tl\.load\(\0\w+\{\}\0 \+ ")
_NAME = re.compile(r"[^\W\d]\w*")
_MARK = re.compile(r"\0[^\0]*\0")
# tmp0 =   tmp0, tmp1 =   tmp0 +=   tmp0: tl.constexpr =
_ASSIGNED = re.compile(r"\s*([^=()]*?)(?:: [\w.]+)? [-+*/%&|^@<>]{0,2}= ")


#: What the pointer arguments of a kernel are given: for each the tensor that it reads, and the one that it writes.
Operands = Mapping[Atom, tuple[Hashable, Hashable]]


def same_computation(old: AlphaNormalForm, new: AlphaNormalForm, addresses: bool = True) -> bool:
    """Whether one piece is the other with independent lines reordered and names changed.

    Without `addresses` it does not matter which elements of a tensor a line loads.
    """
    return _computed(old, {}, addresses) == _computed(new, {}, addresses)


def same_on_tensors(old: AlphaNormalForm, new: AlphaNormalForm, operands: tuple[Operands, Operands]) -> bool:
    """Whether two kernels compute the same from the same tensors, though their arguments stand in another order.

    A tensor may be read through an argument that is written over on one side, and through one that is not on the other.
    """
    return _computed(old, operands[0]) == _computed(new, operands[1])


def _computed(piece: AlphaNormalForm, operands: Operands, addresses: bool = True) -> Counter[Hashable]:
    values: dict[Hashable, Hashable] = {}
    blocks: list[tuple[int, Hashable]] = []
    effects: Hashable = 0
    arguments = 0
    found: Counter[Hashable] = Counter()
    for row in piece.lines:
        indent = len(row.shape) - len(row.shape.lstrip())
        while blocks and indent <= blocks[-1][0]:
            blocks.pop()
        block = blocks[-1][1] if blocks else 0
        if row.shape.startswith("arg "):
            argument = row.atoms[0] if row.atoms else row.shape
            tensors = operands.get(argument) if isinstance(argument, Atom) else None
            for use, tensor in enumerate(tensors or ()):
                found["argument", use, tensor, POINTER.sub("", row.shape)] += tensor is not None
            if tensors is None:
                values[argument] = ("argument", arguments)
                found["argument", arguments, row.shape] += 1
                arguments += 1
            continue
        shape = POINTER.sub("", row.shape) if operands else row.shape
        writes = bool(_EFFECT.search(shape))
        # The order in which a function names its arguments is that of the call, too.
        values |= {atom: None if row.signature else tensors[writes] for atom, tensors in operands.items()}
        reads = _reads(row, values)
        if not addresses and (load := LOAD.match(row.shape)):
            shape, reads = _without_address(row, load.end(), values)
        plain = _is_assignment(row) and not _EFFECT.search(row.shape)
        memory = effects if not plain or _READ.search(row.shape) else 0
        key = hash((shape, reads, block, memory))
        found[key] += 1
        for place, target in enumerate(_targets(row)):
            values[target] = (key, place)
        if not plain:
            effects = key
            if row.shape.rstrip().endswith(":"):
                blocks.append((indent, key))
    # What a name holds at the end of a block is what the next turn of a loop begins with.
    found.update(hash(("last", value)) for value in values.values())
    return found


def _without_address(row: NormalLine, start: int, values: dict[Hashable, Hashable]) -> tuple[str, Hashable]:
    """A load without the offset that begins at a place of its form: the form, and what the rest of it reads."""
    depth, end = 0, start
    while depth >= 0 and not (depth == 0 and row.shape[end] == ","):
        depth += (row.shape[end] in "([{") - (row.shape[end] in ")]}")
        end += 1
    marks = len(_MARK.findall(row.shape[:start])), len(_MARK.findall(row.shape[:end]))
    atoms = [*row.atoms[1 : marks[0]], *row.atoms[marks[1] :]]
    words = _NAME.findall(_MARK.sub(" ", row.shape[end:]))
    reads = tuple(_value(atom, values) for atom in atoms), tuple(values.get(word, word) for word in words)
    return row.shape[:start] + row.shape[end:], reads


def _is_assignment(row: NormalLine) -> bool:
    return " = " in row.shape and not row.shape.lstrip().startswith(("def ", "for ", "while ", "if ", "with ", "@"))


def _targets(row: NormalLine) -> list[Hashable]:
    match = _ASSIGNED.match(row.shape)
    if not match:
        return []
    # `tmp0 = ...` assigns its first name, `tmp0 += ...` too.
    marks = len(_MARK.findall(match.group(1)))
    atoms: list[Hashable] = [*row.atoms[:marks], *(a for a, on in zip(row.atoms, row.assigns, strict=True) if on)]
    return [*dict.fromkeys(atoms), *_NAME.findall(_MARK.sub(" ", match.group(1)))]


def _reads(row: NormalLine, values: dict[Hashable, Hashable]) -> Hashable:
    marked = [_value(atom, values) for atom, assigned in zip(row.atoms, row.assigns, strict=True) if not assigned]
    words = _NAME.findall(_MARK.sub(" ", row.shape))
    return tuple(marked), tuple(values.get(word, word) for word in words)


def _value(atom: Atom, values: dict[Hashable, Hashable]) -> Hashable:
    # By its name: where nothing says what a name is, the same name is all that is the same.
    return values.get(atom, atom)
