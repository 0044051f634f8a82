"""Finds the operations, copies and casts that only one of two versions of a program has."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.cause_names import CauseName, Mark, Scope
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.operations import softmax_words
from kernelsnap.diff.causes.origins import Origin
from kernelsnap.diff.program.comparison import Comparison
from kernelsnap.diff.program.literals import length
from kernelsnap.diff.program.values import CASTS, INPUT, MOVES, OUTPUT, PRODUCTS, WRITES, Program, Value

#: What both results of a softmax are computed with in one pass over its input.
_ONE_PASS = "prepare_softmax_online"
#: Of slice(%, 3, 0, 9223372036854775807): one with more takes every second element, say.
_SLICE_OF_ALL = 8


def operations(compared: Comparison, of_constants: bool = False) -> Iterator[Origin]:
    """Operations that one side alone has: those that tensors of the user have a part in, or the others."""
    sides = [
        [
            value
            for value in values
            if value.computes
            and value.place not in program.numbers
            and not compared.moves_only(side, value)
            and not _is_dropped_write(compared, side, value)
        ]
        for side, (program, values) in enumerate(zip(compared.programs, compared.alone, strict=True))
    ]
    sides = [_not_run_otherwise(*sides), _not_run_otherwise(*reversed(sides))]
    sides = [
        [value for value in values if (value.place in program.constant) == of_constants]
        for program, values in zip(compared.programs, sides, strict=True)
    ]
    passes = list(_softmax_in_passes(compared, sides))
    yield from passes
    told = {at for origin in passes for at in origin.old}, {at for origin in passes for at in origin.new}
    for side, values in enumerate(sides):
        for value in values:
            if value.place in told[side]:
                continue
            if compared.attends(side, value):
                yield Origin.alone(side, value, CauseName.ATTENTION, value.operator)
            elif not compared.follows_forward(value):
                scope = Scope.POINTWISE if compared.only_pointwise else None
                yield Origin.alone(side, value, CauseName.OPERATIONS, value.operator, scope)


def _softmax_in_passes(compared: Comparison, sides: list[list[Value]]) -> Iterator[Origin]:
    """Softmax that goes over its input once on one side, and in the steps that it has otherwise on the other."""
    seen: set[int] = set()
    for side, values in enumerate(sides):
        for online in values:
            given = compared.known[side].get(online.operands[0]) if online.operator == _ONE_PASS else None
            if given is not None and given not in seen:
                seen.add(given)
                steps = _of_softmax(compared.programs[1 - side], given)
                others = tuple(value.place for value in sides[1 - side] if value.place in steps)
                mine = (online.place,)
                words = softmax_words(twice=side == 0)
                marks = frozenset([Mark.NEW_OPERATION])
                finding = Finding(CauseName.OPERATIONS, "", words, "softmax passes", marks=marks)
                yield Origin(finding, *((others, mine) if side else (mine, others)))


def _of_softmax(program: Program, given: int) -> set[int]:
    """The greatest value of a tensor, and what is left of it, raised and added up: `sum(exp(x - amax(x)))`."""
    found: set[int] = set()
    taken = {given}
    for operators in (("amax", "sub"), ("exp",), ("sum",)):
        taken = {at for place in taken for at in program.takers(place) if program.values[at].operator in operators}
        found |= taken
    return found


def _is_dropped_write(compared: Comparison, side: int, value: Value) -> bool:
    """Whether an input is written over on one side, and what would be is returned by both."""
    if value.operator not in WRITES or len(value.operands) < 2:
        return False
    written = compared.known[side].get(value.operands[1])
    outputs = [[v for v in program.values if v.target == OUTPUT] for program in compared.programs]
    returned = {at for output in outputs[1 - side] for at in output.operands}
    return written in returned and len(outputs[0]) == len(outputs[1])


def _not_run_otherwise(mine: list[Value], others: list[Value]) -> list[Value]:
    """Without what is one operation on one side, a library's, and decomposed on the other."""
    attention = {value.operator for value in (*mine, *others) if "scaled_dot_product" in value.operator}
    ours, theirs = (
        (
            {value.operator for value in values if not value.is_decomposed} - PRODUCTS,
            {value.origin for value in values if value.is_decomposed},
        )
        for values in (mine, others)
    )
    whole_there, whole_here = ours[1] & theirs[0], ours[0] & theirs[1]
    return [
        value
        for value in mine
        if not (value.is_decomposed and value.origin in whole_there)
        and not (value.operator in whole_here and not value.is_decomposed)
        and not (len(attention) > 1 and value.operator in attention)
    ]


def moves(compared: Comparison) -> Iterator[Origin]:
    """Elements that one side alone gives another place, where nothing else is computed."""
    if sum(any(map(_steps_over, program.values)) for program in compared.programs) == 1:
        for side, value in compared.lone():
            if _steps_over(value):
                yield Origin.alone(side, value, CauseName.OPERATIONS, "every so many elements")
        return
    results = [{value.result for value in values if value.operator in MOVES} for values in compared.alone]
    operators = [{value.operator for value in values} for values in compared.alone]
    cause, scope = (CauseName.SHAPES, None) if compared.other_outputs else (CauseName.INDEXING, Scope.LAYOUT)
    for side, value in compared.lone():
        same = value.result in results[1 - side]  # by another operator
        of_library = value.is_decomposed and value.origin in operators[1 - side]
        constant = value.place in compared.programs[side].constant
        follows = same or of_library or constant or compared.attends(side, value) or compared.follows_forward(value)
        if compared.moves_only(side, value) and not follows:
            yield Origin.alone(side, value, cause, value.operator, scope)


def _steps_over(value: Value) -> bool:
    """Whether it takes every second element, say: slice(%, 3, 0, 9223372036854775807, 2)."""
    return value.operator == "slice" and length(value.literals) > _SLICE_OF_ALL


def casts(compared: Comparison) -> Iterator[Origin]:
    """Casts that one side alone has, but for those next to an operation or an input that is new or gone itself."""
    forward = any(value.operator in CASTS and not value.backward for _, value in compared.lone())
    for side, value in compared.lone():
        floating = any(dtype.startswith(("f", "bf", "c")) for dtype in value.dtypes)
        number = value.place in compared.programs[side].numbers
        if value.operator not in CASTS or not floating or number or compared.attends(side, value):
            continue
        if compared.follows_forward(value) or (value.backward and forward):
            continue
        program, known = compared.programs[side], compared.known[side]
        beside = [program.values[at] for at in program.next_to([value.place]) if at not in known]
        further = program.next_to(other.place for other in beside if other.operator in CASTS)
        beside += [program.values[at] for at in further if at not in known]
        if not any(other.computes or other.target == INPUT for other in beside):
            yield Origin.alone(side, value, CauseName.DTYPE, f"cast to {', '.join(value.dtypes)}", Scope.MOVED_CAST)
