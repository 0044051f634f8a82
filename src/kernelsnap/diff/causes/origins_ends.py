"""Finds what two versions of a program take, return, or save for backward that the other one does not."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.cause_names import CauseName, Scope
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.origins import Origin
from kernelsnap.diff.program.comparison import Comparison
from kernelsnap.diff.program.values import INPUT, OUTPUT, TURNS, Value


def inputs(compared: Comparison) -> Iterator[Origin]:
    """Inputs of other shapes, types and strides, and more or fewer of them."""
    for a, b in compared.pairs:
        if a.target != INPUT or a.within or compared.attends(0, a) or compared.attends(1, b):
            continue
        name = "" if a.literals.isdecimal() else f" {a.literals}"
        words = f"input{name} {a.result} -> {b.result}"
        if a.shape != b.shape and _is_grouped_otherwise(a, b, compared):
            yield Origin.both(a, b, CauseName.OPERATIONS, "convolution of other groups")
        elif a.shape != b.shape:
            turned = _is_turned(a, b, compared)
            cause, scope = (CauseName.INDEXING, Scope.INPUT_STRIDES) if turned else (CauseName.SHAPES, None)
            yield Origin.both(a, b, cause, words, scope)
        elif a.strides != b.strides:
            yield Origin.both(a, b, CauseName.INDEXING, words, Scope.INPUT_STRIDES)
        if a.dtypes != b.dtypes and not a.is_size and not b.is_size:
            yield Origin.both(a, b, CauseName.DTYPE, words)
    for side, value in compared.lone():
        if value.target == INPUT and not value.within and not compared.attends(side, value):
            number = value.is_size or value.place in compared.programs[side].numbers
            scope = None if number else Scope.COUNT
            yield Origin.alone(side, value, CauseName.SHAPES, f"input {value.result}", scope)


def _is_grouped_otherwise(a: Value, b: Value, compared: Comparison) -> bool:
    """Whether an input is the weight of convolutions alone, whose number of groups, their last argument, is another."""
    old, new = compared.programs
    users = [old.values[at] for at in old.users.get(a.place, ())]
    others = [new.values[at] for user in users if (at := compared.match.get(user.place)) is not None]
    groups = [[value.literals.rpartition(", ")[2] for value in side] for side in (users, others)]
    convolutions = all(value.operator == "convolution" for value in (*users, *others))
    return bool(users) and convolutions and len(users) == len(others) and groups[0] != groups[1]


def _is_turned(a: Value, b: Value, compared: Comparison) -> bool:
    """Whether an input has its dimensions in another order, and the program turns it back."""
    if sorted(a.shape[1:-1].split(", ")) != sorted(b.shape[1:-1].split(", ")):
        return False
    return any(
        program.values[at].operator in TURNS and at not in known
        for program, known, value in zip(compared.programs, compared.known, (a, b), strict=True)
        for at in program.users.get(value.place, ())
    )


def outputs(compared: Comparison) -> Iterator[Origin]:
    """Outputs of other shapes, or more or fewer of them; with other operations of backward those are named."""
    backward = [{v.operator for v in program.values if v.backward and v.computes} for program in compared.programs]
    for side, value in compared.lone():
        if value.target == OUTPUT:
            if backward[side] - backward[1 - side]:
                yield Origin.alone(side, value, CauseName.OPERATIONS, f"output {value.result}")
                continue
            scope = Scope.GRADIENTS if value.backward else Scope.COUNT
            yield Origin.alone(side, value, CauseName.SHAPES, f"output {value.result}", scope)
    for a, b in compared.pairs:
        if a.target == OUTPUT and a.shape != b.shape and not a.backward:
            yield Origin.both(a, b, CauseName.SHAPES, f"output {a.result} -> {b.result}", Scope.OUTPUT_SHAPE)


def saved(compared: Comparison) -> Iterator[Origin]:
    """Other tensors that forward saves for backward, of the same program."""
    if others := compared.saved_otherwise:
        old = tuple(sorted(compared.known[1][place] for place in others))
        finding = Finding(CauseName.PARTITIONING, "", "other tensors are saved for backward")
        yield Origin(finding, old, tuple(sorted(others)))
