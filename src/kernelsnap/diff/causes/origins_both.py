"""Finds the operations of both versions of a program that take other tensors or other arguments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from kernelsnap.diff.causes.cause_names import CauseName, Mark, Scope
from kernelsnap.diff.causes.origins import Origin
from kernelsnap.diff.program.comparison import Comparison
from kernelsnap.diff.program.literals import Difference, difference, is_rounded, lists, other_numbers, others_neutral
from kernelsnap.diff.program.values import (
    CASTS,
    CONSTANT,
    FILLS,
    INPUT,
    MOVES,
    OUTPUT,
    TANGENT,
    TURNS,
    Value,
    is_flex,
)

_COMMUTATIVE = frozenset(
    ["add", "mul", "maximum", "minimum", "bitwise_and", "bitwise_or", "logical_and", "logical_or", "eq"]
)
#: Operators that go along a dimension, which is one of their numbers.
_ALONG = frozenset([
    "sum", "mean", "amax", "amin", "argmax", "argmin", "var", "var_mean", "std", "prod", "any", "all", "xor_sum",
    "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "logsumexp", "norm", "linalg_vector_norm", "median",
    "_softmax", "_log_softmax", "prepare_softmax_online", "native_layer_norm", "sort", "topk", "kthvalue", "mode",
    "gather", "scatter", "scatter_add", "scatter_reduce", "index_select", "index_add", "cat", "stack", "flip", "roll",
])  # fmt: skip
#: Operators with a window, whose size is the first of their lists.
_WINDOWS = frozenset([
    "max_pool2d_with_indices", "max_pool3d_with_indices", "_low_memory_max_pool_with_offsets", "avg_pool2d",
    "avg_pool3d", "_adaptive_avg_pool2d", "upsample_nearest2d", "upsample_bilinear2d",
])  # fmt: skip
#: Operators of which a word says what they compute: which numbers are drawn, how values at one place are combined.
_BY_WORD = frozenset(["inductor_random", "scatter_reduce", "scatter_reduce_", "index_reduce", "segment_reduce"])
#: Operators that write into a place or add to it, and those that sort, by a switch.
_PLACING = frozenset(["index_put", "index_put_", "_unsafe_index_put", "_index_put_impl_", "index_add", "put"])
_ORDERING = frozenset(["sort", "topk", "argsort", "kthvalue"])
#: Operators that put parts of tensors together.
_INTO_PARTS = frozenset(["slice_scatter", "select_scatter"])
_JOINING = _INTO_PARTS | {"cat", "constant_pad_nd"}
#: Random numbers, of a shape that is an argument.
_DRAWN = frozenset(["inductor_random", "inductor_randint", "rand", "randn", "randint"])
#: Kernels that the user wrote: their code tells what became of them.
_WRITTEN = frozenset(["triton_kernel_wrapper_mutation", "triton_kernel_wrapper_functional"])
# {eps: 1e-06, HALF: 64}: eps, 1e-06
_FRACTION = re.compile(r"\b(\w++): (-?\d++(?:\.\d++(?:e[-+]?\d++)?|e-\d++))")
# num_warps: 4   fwd_num_stages: 2
_LAUNCH = re.compile(r"\b(?:[a-z]{3}_)?num_(?:warps|stages): \d++")


def changed(compared: Comparison) -> Iterator[Origin]:
    """Operations of both sides that take other values, or other arguments."""
    for a, b in compared.pairs:
        if a.target in (INPUT, OUTPUT, TANGENT, CONSTANT):
            continue
        if compared.attends(0, a) or compared.attends(1, b):
            if _LAUNCH.sub("", a.literals) != _LAUNCH.sub("", b.literals) or a.operator != b.operator:
                yield Origin.both(a, b, CauseName.ATTENTION, f"{a.operator} with other arguments")
        elif not compared.follows_forward(a, b) and not _is_index(a, b, compared):
            if len(a.operands) != len(b.operands):
                yield from _more_or_fewer(a, b, compared)
                continue
            yield from _given_others(a, b, compared)
            if a.operator in _WRITTEN:
                if _fractions(a) != _fractions(b):
                    yield Origin.both(a, b, CauseName.CONSTANTS)
                continue
            if a.literals != b.literals:
                yield from _made_otherwise(a, b, compared)
            elif a.dtypes != b.dtypes and a.operator in FILLS:
                yield Origin.both(a, b, CauseName.DTYPE, f"{a.operator} {a.result} -> {b.result}")


def _fractions(value: Value) -> dict[str, str]:
    """The numbers that a kernel of the user is given and that are no integers, which can be sizes or blocks."""
    return dict(_FRACTION.findall(value.literals))


def _is_index(a: Value, b: Value, compared: Comparison) -> bool:
    """Whether both are indexes, computed of nothing that the user gives: the code has what they are used for."""
    constant = a.place in compared.programs[0].constant and b.place in compared.programs[1].constant
    return constant and all(not dtype.startswith(("f", "bf")) for dtype in a.dtypes)


def _more_or_fewer(a: Value, b: Value, compared: Comparison) -> Iterator[Origin]:
    others = [
        sum(
            not source.is_size and source.place not in program.numbers for source in map(program.source, value.operands)
        )
        for program, value in zip(compared.programs, (a, b), strict=True)
    ]
    if others[0] != others[1] and not (a.is_view or a.operator in MOVES | FILLS | CASTS or is_flex(a)):
        of_list = a.operator in ("cat", "stack") or a.operator.startswith("_foreach")
        more = of_list and (compared.other_outputs or compared.other_inputs)
        cause = CauseName.SHAPES if more else CauseName.OPERATIONS
        yield Origin.both(a, b, cause, f"{a.operator} of {others[0]} -> {others[1]} tensors")


def _given_others(a: Value, b: Value, compared: Comparison) -> Iterator[Origin]:
    """An operation on another value that both sides have, on another part of it, or on an input of one side."""
    match = compared.match
    exchanged = sorted(match.get(at, -1) for at in a.operands) == sorted(b.operands)
    if a.operator in CASTS or is_flex(a) or (exchanged and a.operator in _COMMUTATIVE):
        return
    old, new = compared.programs
    for x, y in zip(a.operands, b.operands, strict=True):
        one, other = old.source(x), new.source(y)
        if match.get(x) == y or any(v.is_size for v in (one, other)):
            continue
        if any(v.operator in FILLS for v in (one, other)):
            if INPUT in (one.target, other.target):
                yield Origin.both(a, b, CauseName.OPERATIONS, f"{a.operator} takes a number in place of a tensor")
            continue
        known = one.place in match, other.place in compared.known[1]
        if all(known) and match[one.place] != other.place:
            if _is_of_other_parts(one, other, compared):
                yield Origin.both(a, b, CauseName.INDEXING, f"{a.operator} takes other parts", Scope.LAYOUT)
                continue
            if _has_another_number(one, other, compared):
                yield Origin.both(one, other, CauseName.CONSTANTS)
                continue
            yield Origin.both(a, b, CauseName.OPERATIONS, f"{a.operator} takes other operands")
        elif all(known) and x in match and y in compared.known[1] and not compared.moved_alike(x, y):
            yield Origin.both(a, b, CauseName.INDEXING, f"{a.operator} takes another part", Scope.LAYOUT)
        elif any(known) and (one if known[1] else other).target == INPUT and not all(known):
            yield Origin.both(a, b, CauseName.OPERATIONS, f"{a.operator} takes another tensor")


def _has_another_number(a: Value, b: Value, compared: Comparison) -> bool:
    """Whether two values are made in the same way of the same values with other numbers, which nothing else has.

    x * 0.25 and x * 0.75 became x * 0.5 and x * 0.25: no part took the other's place.
    """
    same = [compared.match.get(at) for at in a.operands] == list(b.operands)
    if a.operator != b.operator or not a.operands or not same or not difference(a.literals, b.literals).numbers:
        return False
    old, new = (
        Counter(
            program.values[at].literals
            for at in program.users.get(value.operands[0], ())
            if program.values[at].operator == value.operator and program.values[at].operands == value.operands
        )
        for program, value in zip(compared.programs, (a, b), strict=True)
    )
    return old != new


def _is_of_other_parts(a: Value, b: Value, compared: Comparison) -> bool:
    """Whether two values are computed in the same way of the same tensors, but of other parts of them."""
    old, new = compared.programs
    sources = [
        (compared.match.get(old.source(x).place), new.source(y).place)
        for x, y in zip(a.operands, b.operands, strict=False)
    ]
    alike = (a.operator, a.literals, len(a.operands)) == (b.operator, b.literals, len(b.operands))
    return alike and bool(sources) and all(one == other for one, other in sources)


def _made_otherwise(a: Value, b: Value, compared: Comparison) -> Iterator[Origin]:
    """The same operation on the same values with other arguments."""
    others = difference(a.literals, b.literals)
    if others.types:
        yield Origin.both(a, b, CauseName.DTYPE, scope=Scope.MOVED_CAST if a.operator in FILLS else None)
    if a.is_view:
        cause = _of_view(a, b, compared)
    elif a.operator in MOVES | _INTO_PARTS:
        cause = _of_move(a, b, compared)
    elif a.operator in FILLS:
        cause = CauseName.CONSTANTS if _fills_otherwise(a, b, others) else None
    else:
        cause = _of_arguments(a, b, others, compared)
    if cause is not None:
        neutral = cause == CauseName.CONSTANTS and others_neutral(a.literals, b.literals)
        turned = cause in (CauseName.OPERATIONS, CauseName.SHAPES) and a.operator in _ALONG
        scope = Scope.LAYOUT if cause == CauseName.INDEXING else Scope.NEUTRAL if neutral else None
        yield Origin.both(a, b, cause, scope=Scope.ACROSS if turned else scope, mark=_mark(a, cause, compared))


def _mark(value: Value, cause: CauseName, compared: Comparison) -> Mark | None:
    if value.operator == "pow" and cause == CauseName.CONSTANTS:
        return Mark.EXPONENT
    chosen = value.operator in _ORDERING and cause == CauseName.SHAPES
    return Mark.CHOSEN if chosen and not compared.other_outputs else None


def _of_view(a: Value, b: Value, compared: Comparison) -> CauseName | None:
    """Elements of the same tensor that are grouped otherwise; next to attention that is another number of heads."""
    source = compared.programs[0].source(a.place)
    if not compared.same_shapes_given(a, b) or a.shape == b.shape or source.place not in compared.match:
        return None
    if source.is_size or source.operator in FILLS:
        return None
    if _is_turned_back(a, b, compared):
        return CauseName.INDEXING
    attention = any("attention" in value.operator for value in compared.programs[0].values)
    other = attention or compared.other_outputs or compared.other_inputs
    return CauseName.SHAPES if other else CauseName.OPERATIONS


def _is_turned_back(a: Value, b: Value, compared: Comparison) -> bool:
    """Whether one side alone turns the dimensions of what it groups otherwise."""
    return any(
        program.values[at].operator in TURNS and at not in known
        for program, known, value in zip(compared.programs, compared.known, (a, b), strict=True)
        for at in program.near([value.place], 1)
    )


def _of_move(a: Value, b: Value, compared: Comparison) -> CauseName | None:
    if a.operator == "constant_pad_nd" and lists(a.literals) == lists(b.literals):
        return CauseName.CONSTANTS
    if not compared.same_shapes_given(a, b):
        return None
    if a.operator in TURNS and a.place in compared.for_other_products:
        return CauseName.OPERATIONS
    return CauseName.SHAPES if a.shape != b.shape and not _is_joined_again(a, compared) else CauseName.INDEXING


def _is_joined_again(value: Value, compared: Comparison) -> bool:
    """Whether the parts of a tensor are put together again, so that nothing after that has another shape."""
    old, new = compared.programs
    waiting, seen = [value.place], {value.place}
    while waiting:
        for user in (old.values[at] for at in old.users.get(waiting.pop(), ())):
            other = compared.match.get(user.place)
            if other is None or user.target == OUTPUT:
                return False
            if user.shape == new.values[other].shape:
                if user.operator not in _JOINING:
                    return False
            elif user.place not in seen:
                seen.add(user.place)
                waiting.append(user.place)
    return True


def _fills_otherwise(a: Value, b: Value, others: Difference) -> bool:
    """Whether a tensor of one shape is filled with another number; the step of a range follows from sizes.

    The same number is another one in another type: -1e9 is -998244352 as bfloat16, and the least one depends on it.
    """
    if others.types and all(is_rounded(*pair) for pair in other_numbers(a.literals, b.literals)):
        return False
    return a.operator != "iota" and a.shape == b.shape and (others.numbers or others.switches)


def _of_arguments(a: Value, b: Value, others: Difference, compared: Comparison) -> CauseName | None:
    """What another argument of an operation that computes is."""
    same = compared.same_shapes_given(a, b)
    if others.words and a.operator in _BY_WORD:
        return CauseName.OPERATIONS
    if (others.switches and a.operator in _PLACING) or (others.words and a.operator == "div"):
        return None  # another instruction, which the code has
    if others.switches and a.operator in _ORDERING:
        return CauseName.CONSTANTS
    if a.operator in _DRAWN and a.shape != b.shape:
        return None
    if a.operator in _WINDOWS:
        return _of_window(a, b, others, same)
    if a.operator in _ALONG and same and "correction" not in a.literals:
        softmax = "softmax" in f"{a.origin} {a.operator}"
        if a.shape != b.shape and not softmax:
            return CauseName.SHAPES
        if others.numbers:
            return CauseName.OPERATIONS
    if (a.shape != b.shape or not same) and not (others.switches or others.words):
        if same:
            return CauseName.SHAPES
        return CauseName.CONSTANTS if others.numbers and not lists(a.literals) else None
    return CauseName.CONSTANTS if others.numbers or others.words or others.switches else None


def _of_window(a: Value, b: Value, others: Difference, same: bool) -> CauseName | None:
    before, after = lists(a.literals), lists(b.literals)
    if others.switches and a.shape == b.shape and before == after:
        return CauseName.OPERATIONS
    if not same:
        return None
    return CauseName.SHAPES if a.shape != b.shape or before[:1] != after[:1] else CauseName.CONSTANTS
