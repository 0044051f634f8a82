"""A program as a graph of the values that it computes, forward and backward, with what each operator does to them.

Backward takes what forward saves, under the same names, and may compute some of it again. Here both are one graph, and
what is computed twice is one value: which values are saved for backward is no part of what is computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kernelsnap.model.capture import VIEWS

INPUT, TANGENT, OUTPUT, CONSTANT, GETITEM = "input", "tangent", "output", "constant", "getitem"
#: Operators that change a type; that give elements another place, and compute nothing; that write into an input; and
#: that make a tensor of no other tensor.
CASTS = frozenset(["convert_element_type", "_to_copy"])
TURNS = frozenset(["permute", "transpose", "t"])
MOVES = TURNS | {"clone", "constant_pad_nd", "slice", "select", "as_strided", "split", "split_with_sizes", "unbind"}
#: Matmuls, which torch decomposes by a choice of its own: each form is an operation.
PRODUCTS = frozenset(["mm", "bmm", "addmm", "baddbmm"])
WRITES = frozenset(["copy_"])
FILLS = frozenset(["full", "full_like", "scalar_tensor", "empty", "iota", "lift_fresh_copy"])
#: What an operation on random numbers takes, and what is there for host code alone.
#: `copy` casts what is then written into an input.
_NO_OPERATION = frozenset([
    "inductor_seeds", "inductor_lookup_seed", "_assert_scalar", "_assert_async", "is_pinned", "copy",
])  # fmt: skip
#: Operators with results of the shape of what they take that are not computed of each element alone.
NOT_POINTWISE = frozenset([
    "mm", "bmm", "addmm", "baddbmm", "convolution", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "sort",
    "flip", "roll", "index_put", "index_put_", "scatter", "scatter_add", "scatter_reduce", "slice_scatter",
    "_softmax", "_log_softmax", "cat",
])  # fmt: skip
_ENDS = frozenset([INPUT, OUTPUT, TANGENT, CONSTANT])
#: Operators that are there for what they do, though nothing takes their result.
_EFFECTS = WRITES | {"triton_kernel_wrapper_mutation", "_assert_async", "_assert_scalar"}
_SIZES = frozenset(["int", "float", "bool"])
#: A number of the user that is an input.
_NUMBER = "f64[]"
# f32[8, 16]: the type before the bracket
_DTYPE = re.compile(r"\b\w++(?=\[)")


@dataclass(frozen=True)
class Value:
    """What one operation computes."""

    place: int  # among the values of its program
    target: str  # "mul.Tensor"; "input", "tangent", "output", "constant"
    literals: str  # its arguments, with % in place of each value that it takes; what an input is known by
    operands: tuple[int, ...]  # the places of these values, in their order
    result: str  # "f32[8, 16]"
    origin: str  # the operator of the program that it was decomposed from, or its own
    within: str  # the function that an operation is given, if it is a part of one: "sdpa_score0"
    graph: str
    steps: tuple[tuple[str, str], ...]  # graphs and kernels that compute it
    backward: bool  # whether backward alone computes it

    @cached_property
    def operator(self) -> str:
        """What is called: "mul" of "mul.Tensor", "iota" of "prims::iota"."""
        return operator_of(self.target)

    @property
    def is_size(self) -> bool:
        """Whether it is no tensor."""
        return self.result in _SIZES

    @cached_property
    def is_view(self) -> bool:
        """Whether it only says how elements are indexed, or takes one of several results."""
        return self.operator in VIEWS - MOVES or self.target == GETITEM or self.is_size

    @cached_property
    def computes(self) -> bool:
        """Whether it computes with numbers, or joins tensors."""
        return not (self.target in _ENDS or self.is_view or self.operator in CASTS | MOVES | FILLS | _NO_OPERATION)

    @cached_property
    def is_passed_on(self) -> bool:
        """Whether it has elements of the first value that it takes: as a view, a part, in another place or type."""
        return bool(self.operands) and (self.is_view or self.operator in CASTS | MOVES)

    @property
    def is_decomposed(self) -> bool:
        """Whether it is a part of an operator of the program."""
        return self.origin != self.operator

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """The types of its results."""
        return tuple(_DTYPE.findall(self.result))

    @cached_property
    def shape(self) -> str:
        """Its results without types and strides: "[8, 16]"."""
        return _DTYPE.sub("", self.result.partition(" strides ")[0])

    @property
    def strides(self) -> str:
        """The strides of an input that is not contiguous."""
        return self.result.partition(" strides ")[2]


@dataclass(frozen=True)
class Program:
    """All values of a golden, each after those that it takes."""

    values: tuple[Value, ...]
    saved: frozenset[int]  # what forward saves for backward
    users: Mapping[int, tuple[int, ...]] = field(default_factory=dict)  # what takes each value

    def next_to(self, places: Iterable[int]) -> set[int]:
        """What takes some values, and what they take."""
        return {at for place in places for at in (*self.values[place].operands, *self.users.get(place, ()))}

    def near(self, places: Iterable[int], far: int) -> set[int]:
        """All values that are at most so far from one of some, these among them; a view has no length."""
        found = set(places)
        edge = set(found)
        for _ in range(far):
            reached = set[int]()
            while edge := self.next_to(edge) - found:
                found |= edge
                reached |= edge
                edge = {at for at in edge if self.values[at].is_view}
            edge = reached
        return found

    def takers(self, place: int) -> set[int]:
        """What takes a value, directly or as a view or part of it."""
        found: set[int] = set()
        waiting = [place]
        while waiting:
            users = {*self.users.get(waiting.pop(), ())} - found
            found |= users
            waiting += [at for at in users if self.values[at].is_view or self.values[at].operator in MOVES]
        return found

    def source(self, place: int) -> Value:
        """What a value is a view, a part, or a cast of; the value itself where it is computed."""
        return self.values[self._sources[place]]

    @cached_property
    def _sources(self) -> list[int]:
        found: list[int] = []
        for value in self.values:
            found.append(found[value.operands[0]] if value.is_passed_on else value.place)
        return found

    @cached_property
    def constant(self) -> frozenset[int]:
        """What is computed of nothing that the program is given."""
        found: set[int] = set()
        for value in self.values:
            filled = value.operator in FILLS and value.operator != "lift_fresh_copy"
            if (filled or (value.operands and value.target != OUTPUT)) and found.issuperset(value.operands):
                found.add(value.place)
        return frozenset(found)

    @cached_property
    def numbers(self) -> frozenset[int]:
        """Numbers of the user that are inputs, as where sizes are symbolic, and what is computed of these alone."""
        found: set[int] = set()
        for value in self.values:
            of_numbers = not found.isdisjoint(value.operands) and (found | self.constant).issuperset(value.operands)
            if (value.target == INPUT and value.result == _NUMBER) or (of_numbers and value.shape == "[]"):
                found.add(value.place)
        return frozenset(found)

    @cached_property
    def attention(self) -> frozenset[int]:
        """Flex attention, the functions that it is given, and what is computed for their sake alone: masks, biases."""
        first: dict[int, int] = {}  # for each flex attention where what it attends to ends among its operands
        for value in self.values:
            if is_flex(value):
                functions = (n for n, at in enumerate(value.operands) if self.values[at].target == CONSTANT)
                first[value.place] = next(functions, len(value.operands))
        if not first:
            return frozenset()
        found = {*first, *(value.place for value in self.values if value.within)}
        for value in reversed(self.values):
            users = self.users.get(value.place, ())
            attended = any(value.place in self.values[at].operands[: first[at]] for at in users if at in first)
            effect = value.target in _ENDS or value.operator in _EFFECTS
            if found.issuperset(users) and not attended and (users or not effect):
                found.add(value.place)
        return frozenset(found)


def operator_of(target: str) -> str:
    """An operator without its namespace and its overload: "mul" of "mul.Tensor", "iota" of "prims::iota"."""
    return target.rpartition("::")[2].partition(".")[0]


def is_flex(value: Value) -> bool:
    """Whether it is flex attention."""
    return value.operator in ("flex_attention", "flex_attention_backward")
