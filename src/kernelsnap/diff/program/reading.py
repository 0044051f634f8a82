"""Reads the program of a golden from the operations that it recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from kernelsnap.diff.program.values import GETITEM, INPUT, OUTPUT, TANGENT, Program, Value, operator_of
from kernelsnap.model.golden import Golden, Plan
from kernelsnap.model.why import Operation, Why

#: Of a larger program nothing is compared.
_MOST = 20_000
# %mul_1   %sdpa_score0/add
_OPERAND = re.compile(r"%([\w/.]+)")
# s77  u0: the symbol of a size, and no type
_SYMBOL = re.compile(r"\b(?:s\d+|u(?!(?:8|16|32|64)\b)\d+)\b")
# getitem(%invoke_subgraph, 0)
_ITEM = re.compile(rf"{GETITEM}\(%([\w/.]+), (\d+)\)\Z")
_FORWARD, _BACKWARD, _TANGENTS, _SAVED = "forward", "backward", "tangents", "saved("
#: A call of a region that is compiled once.
_CALL = "invoke_subgraph"
#: Operators whose operands may be exchanged, and products that add, with those that do not.
_COMMUTATIVE = frozenset(["add.Tensor", "mul.Tensor"])
_PRODUCTS = {"addmm": "mm", "baddbmm": "bmm"}


def program_of(golden: Golden, apart: bool = False) -> Program | None:
    """The program of a golden; None where the operations of one of its graphs were not recorded, or it has too many.

    `apart` takes a product that adds, `addmm`, for a product and an addition.
    """
    recorded = {why.graph: why for why in golden.why if why.operations}
    number = sum(len(why.operations) for why in recorded.values())
    if not golden.plan or number > _MOST or any(plan.graph not in recorded for plan in golden.plan):
        return None
    reader = _Reader({graph: frozenset(_names_of_inputs(why)) for graph, why in recorded.items()}, apart)
    for plan in sorted(golden.plan, key=_is_backward):
        reader.add(plan, recorded[plan.graph])
    users: dict[int, list[int]] = {}
    for value in reader.values:
        for operand in dict.fromkeys(value.operands):
            users.setdefault(operand, []).append(value.place)
    return Program(tuple(reader.values), frozenset(reader.saved), {at: tuple(of) for at, of in users.items()})


class _Reader:
    """Adds graph after graph, each forward before its backward."""

    def __init__(self, inputs: Mapping[str, frozenset[str]], apart: bool) -> None:
        self._inputs = inputs
        self._apart = apart
        self.values: list[Value] = []
        self.saved: set[int] = set()
        self._known: dict[tuple[object, ...], int] = {}
        self._names: dict[str, dict[str, int]] = {}  # for each graph its operations
        self._returned: dict[str, list[int]] = {}  # for each graph what it returns
        self._results: dict[tuple[str, str, int], int] = {}  # of the calls of regions
        self._symbols: dict[str, str] = {}

    def add(self, plan: Plan, why: Why) -> None:
        """Take in the operations of one graph."""
        names = self._names.setdefault(plan.graph, {})
        regions = _regions(why)
        called = {
            name
            for name in regions
            if any(op.target == _CALL and f"(%{name}," in op.expression for op in why.operations)
        }
        saved = self._saved(plan, why)
        given = _names_of_user(plan, why)
        for operation in why.operations:
            within = _function_of(operation)
            if operation.name in called or within.partition("/")[0] in called:
                continue
            if operation.target == OUTPUT and not within:
                self._outputs(plan, operation, names)
            elif operation.target == INPUT and operation.name in saved:
                names[operation.name] = saved[operation.name]
                self.saved.add(saved[operation.name])
            elif operation.target == INPUT:
                tangent = _is_backward(plan) and operation.name.startswith(_TANGENTS)
                known_as = given.get(operation.name, operation.name)
                names[operation.name] = self._value(plan, operation, TANGENT if tangent else INPUT, known_as, ())
            elif operation.target == _CALL:
                self._call(plan, operation, regions, names)
            elif (result := self._result_of_call(plan, operation)) is not None:
                names[operation.name] = result
            else:
                names[operation.name] = self._computed(plan, operation, names)

    def _computed(self, plan: Plan, operation: Operation, names: Mapping[str, int]) -> int:
        """The value of an operation on values that are known."""
        target = operation.target
        literals, operands = self._arguments(operation, names)
        if self._apart and target in _PRODUCTS and literals == "%, %, %":
            product = self._value(plan, operation, _PRODUCTS[target], "%, %", operands[1:])
            target, literals, operands = "add.Tensor", "%, %", (operands[0], product)
        return self._value(plan, operation, target, literals, operands)

    def _saved(self, plan: Plan, why: Why) -> dict[str, int]:
        """What backward takes of forward: under the same name, or else in the order in which forward returns it."""
        if not _is_backward(plan):
            return {}
        graph = plan.graph.replace(_BACKWARD, _FORWARD, 1)
        forward = self._names.get(graph, {})
        given = [op for op in why.operations if op.target == INPUT and not _function_of(op)]
        given = [op for op in given if not op.name.startswith(_TANGENTS)]
        found = {op.name: forward[op.name] for op in given if op.name in forward}
        for op, place in zip(reversed(given), reversed(self._returned.get(graph, [])), strict=False):
            if op.name not in found and _type(self._with_symbols(op.result)) == _type(self.values[place].result):
                found[op.name] = place
        return found

    def _call(self, plan: Plan, call: Operation, regions: Mapping[str, list[Operation]], names: dict[str, int]) -> None:
        """The operations of a region that is compiled once, as if they were where it is called."""
        region, *given = _OPERAND.findall(call.expression)
        known = dict(names)
        waiting = iter(given)
        for operation in regions.get(region, ()):
            if operation.target == INPUT:
                argument = next(waiting, "")
                if argument in names:
                    known[operation.name] = names[argument]
            elif operation.target == OUTPUT:
                results = [known[name] for name in _OPERAND.findall(operation.expression) if name in known]
                self._results |= {(plan.graph, call.name, number): place for number, place in enumerate(results)}
            else:
                known[operation.name] = self._computed(
                    plan, replace(operation, steps=operation.steps or call.steps), known
                )

    def _result_of_call(self, plan: Plan, operation: Operation) -> int | None:
        """One of the results of a call of a region: getitem(%invoke_subgraph, 0)."""
        found = _ITEM.match(operation.expression)
        return self._results.get((plan.graph, found[1], int(found[2]))) if found else None

    def _outputs(self, plan: Plan, operation: Operation, names: Mapping[str, int]) -> None:
        """Every result is an output of its own, but for what is saved for backward."""
        returned = _OPERAND.findall(operation.expression)
        # The plan has None where a gradient is not asked for.
        results = [what for what, buffer in zip(plan.results, plan.outputs, strict=False) if buffer != "None"]
        known = results if len(results) == len(returned) else [""] * len(returned)
        taken = self._inputs.get(plan.graph.replace(_FORWARD, _BACKWARD, 1), frozenset())
        self._returned[plan.graph] = [names[name] for name in returned if name in names]
        number = 0
        for name, what in zip(returned, known, strict=True):
            saved = what.startswith(_SAVED) or (name in taken and not what.startswith(OUTPUT))
            if name in names and not (saved and plan.graph.startswith(_FORWARD)):
                of = replace(operation, result=self.values[names[name]].result)
                self._value(plan, of, OUTPUT, str(number), (names[name],))
                number += 1

    def _arguments(self, operation: Operation, names: Mapping[str, int]) -> tuple[str, tuple[int, ...]]:
        """The arguments of an operation, with % for each value, and the values."""
        operands: list[int] = []

        def take(match: re.Match[str]) -> str:
            if match[1] not in names:
                return match[0]
            operands.append(names[match[1]])
            return "%"

        arguments = operation.expression[len(operation.target) + 1 : -1]
        return self._with_symbols(_OPERAND.sub(take, arguments)), tuple(operands)

    def _with_symbols(self, text: str) -> str:
        """The text with symbols of sizes numbered in the order in which they occur."""
        return _SYMBOL.sub(lambda found: self._symbols.setdefault(found[0], f"s{len(self._symbols)}"), text)

    def _value(self, plan: Plan, operation: Operation, target: str, literals: str, operands: tuple[int, ...]) -> int:
        """The place of a value: that of an equal one, unless the operator writes into what it is given."""
        result = self._with_symbols(operation.result)
        steps = tuple((plan.graph, step) for step in operation.steps)
        taken = tuple(sorted(operands)) if target in _COMMUTATIVE else operands
        key = plan.graph if target in (INPUT, OUTPUT, TANGENT) else "", target, literals, taken, result
        known = self._known.get(key)
        if known is not None and not operator_of(target).endswith("_"):
            self.values[known] = replace(self.values[known], steps=(*self.values[known].steps, *steps))
            return known
        place = self._known[key] = len(self.values)
        origin, within = operation.origin or operator_of(target), _function_of(operation)
        self.values.append(
            Value(place, target, literals, operands, result, origin, within, plan.graph, steps, _is_backward(plan))
        )
        return place


def _is_backward(plan: Plan) -> bool:
    return plan.graph.startswith(_BACKWARD)


def _function_of(operation: Operation) -> str:
    """The function that an operation is a part of: "sdpa_score0" of "sdpa_score0/add"."""
    return operation.name.rpartition("/")[0]


def _type(result: str) -> str:
    """The type and the shape of a result, without strides."""
    return result.partition(" strides ")[0]


def _names_of_inputs(why: Why) -> list[str]:
    """The names of what a graph takes, in order."""
    return [op.name for op in why.operations if op.target == INPUT and not _function_of(op)]


def _names_of_user(plan: Plan, why: Why) -> dict[str, str]:
    """What the user calls each input of a graph, as far as it is known; else its number."""
    inputs = _names_of_inputs(why)
    names = dict(plan.names) if len(inputs) == len(plan.inputs) else {}
    buffers = [buffer.name for buffer in plan.inputs] if names else inputs
    return {name: names.get(buffer, str(n)) for n, (name, buffer) in enumerate(zip(inputs, buffers, strict=True))}


def _regions(why: Why) -> dict[str, list[Operation]]:
    """The operations of each function that an operation is given, by its name."""
    found: dict[str, list[Operation]] = {}
    for operation in why.operations:
        if within := _function_of(operation):
            found.setdefault(within, []).append(operation)
    return found
