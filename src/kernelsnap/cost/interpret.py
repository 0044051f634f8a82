"""Executes a Triton kernel on stand-ins, from its syntax tree: one program, with a closed list of operations.

The text of a golden may come from anybody. It is never given to `exec`, `eval` or an import: it is parsed, each node of
the tree has a function here, and whatever has none ends the estimate. Steps and elements are bounded.

A loop is not executed to its end: of its turns the first, one in the middle and, if it is cut off by a mask, the last
are, and each stands for as many turns as are like it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from kernelsnap.cost.arithmetic import binary_of_blocks, compared, unary_of_block
from kernelsnap.cost.axes import of_multiple, with_new_axes
from kernelsnap.cost.blocks import Block, Pointer
from kernelsnap.cost.language import attribute, call
from kernelsnap.cost.program import Function, Local, Loop, Module, Program
from kernelsnap.errors import CannotTellError

# Nodes of the tree that one program may execute, and calls inside calls.
_MOST_STEPS = 60_000
_DEEPEST = 12


class _Return(Exception):  # noqa: N818 (no error: how a function ends)
    def __init__(self, value: Any) -> None:
        self.value = value


def run(program: Program, kernel: ast.FunctionDef, arguments: Mapping[str, Any]) -> None:
    """Execute one program of a kernel; what it does is in `program.trace`.

    Raises:
        CannotTellError: the text has something that is not in the list, or it needs more than the bounds.
    """
    program.names = dict(arguments)
    program.call = lambda function, given: _call_local(program, function.tree, given, {}, program.names)
    try:
        # Numbers of kernels overflow and are divided by zero on purpose, in lanes that are masked.
        with np.errstate(all="ignore"):
            _body(program, kernel.body, program.names)
    except _Return:
        return
    except CannotTellError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, ZeroDivisionError, OverflowError) as error:
        # The text of a golden may be any program; one that makes no sense is not an error of ours.
        raise CannotTellError(f"it cannot be executed ({type(error).__name__}: {error})") from error
    finally:
        program.call = None  # it refers to the program, which would stay until the next collection


def _body(program: Program, body: Iterable[ast.stmt], names: dict[str, Any]) -> None:
    for statement in body:
        program.steps += 1
        if program.steps > _MOST_STEPS:
            raise CannotTellError(f"one program of it takes more than {_MOST_STEPS} steps")
        handler = _STATEMENTS.get(type(statement))
        if handler is None:
            raise CannotTellError(f"a statement `{type(statement).__name__}` is not known")
        handler(program, statement, names)


def _assign(program: Program, node: Any, names: dict[str, Any]) -> None:
    value = evaluate(program, node.value, names)
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        _bind(target, value, names)


def _bind(target: ast.expr, value: Any, names: dict[str, Any]) -> None:
    if isinstance(target, ast.Name):
        names[target.id] = value
    elif isinstance(target, ast.Tuple) and isinstance(value, tuple | list) and len(value) == len(target.elts):
        for part, one in zip(target.elts, value, strict=True):
            _bind(part, one, names)
    else:
        raise CannotTellError(f"an assignment to `{ast.unparse(target)}` is not known")


def _augmented(program: Program, node: Any, names: dict[str, Any]) -> None:
    value = binary_of_blocks(program, type(node.op).__name__, evaluate(program, node.target, names),
                   evaluate(program, node.value, names))  # fmt: skip
    _bind(node.target, value, names)


def _branch(program: Program, node: Any, names: dict[str, Any]) -> None:
    _body(program, node.body if truth(evaluate(program, node.test, names)) else node.orelse, names)


def _for(program: Program, node: Any, names: dict[str, Any]) -> None:
    over = evaluate(program, node.iter, names)
    if isinstance(over, tuple | list):
        for value in over:
            _bind(node.target, value, names)
            _body(program, node.body, names)
        return
    if not isinstance(over, Loop):
        raise CannotTellError(f"a loop over `{ast.unparse(node.iter)}` is not known")
    program.loops += 1
    loop, trace = program.loops, program.trace
    weight, outer = trace.weight, trace.turn
    step = of_multiple(math.gcd(int(over.start), int(over.step)))
    for turn, turns in executed_turns(over):
        value = over.start + turn * over.step
        _bind(node.target, Block((), "i32", np.asarray(int(value)), 0, step), names)
        trace.weight, trace.turn = weight * turns, (*outer, (loop, turn))
        _body(program, node.body, names)
    trace.weight, trace.turn = weight, outer


def executed_turns(loop: Loop) -> Iterator[tuple[int, float]]:
    """The turns of a loop that are executed, each with how many it stands for; a broken number of turns is a mean."""
    turns = (loop.stop - loop.start) / loop.step if loop.step else 0.0
    whole = math.ceil(turns - 1e-9)
    if turns <= 0:
        return
    cut = abs(turns - whole) > 1e-9 and whole > 2 and float(loop.stop).is_integer()
    total = float(whole) if float(loop.stop).is_integer() else turns
    if whole <= 2 or total <= 2:
        yield from ((turn, total / whole) for turn in range(whole))
        return
    yield 0, 1.0
    yield whole // 2, total - 1.0 - cut
    if cut:
        yield whole - 1, 1.0


def _return(program: Program, node: Any, names: dict[str, Any]) -> None:
    raise _Return(None if node.value is None else evaluate(program, node.value, names))


def _define(program: Program, node: Any, names: dict[str, Any]) -> None:
    names[node.name] = Local(node)


def _expression(program: Program, node: Any, names: dict[str, Any]) -> None:
    call = node.value
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "device_assert":
        _bounded(call, names)
        return
    evaluate(program, call, names)


def _bounded(assertion: ast.Call, names: dict[str, Any]) -> None:
    """An index that was loaded is below the number that the kernel asserts: `(0 <= tmp4) & (tmp4 < 4096)`."""
    for node in ast.walk(assertion.args[0]) if assertion.args else ():
        match node:
            case ast.Compare(left=ast.Name(id=name), ops=[ast.Lt()], comparators=[ast.Constant(value=int(limit))]):
                block = names.get(name)
                if isinstance(block, Block) and block.data is not None and block.depth and limit > 0:
                    data = np.where((block.data >= 0) & (block.data < limit), block.data, block.data % limit)
                    names[name] = Block(block.shape, block.dtype, data, block.depth, block.axes)


def _nothing(program: Program, node: Any, names: dict[str, Any]) -> None:
    """A statement that takes no time."""


_STATEMENTS: Mapping[type[ast.stmt], Callable[[Program, Any, dict[str, Any]], None]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _assign,
    ast.AugAssign: _augmented,
    ast.If: _branch,
    ast.For: _for,
    ast.Return: _return,
    ast.FunctionDef: _define,
    ast.Expr: _expression,
    ast.Pass: _nothing,
    ast.Assert: _nothing,
}


def truth(value: Any) -> bool:
    """Whether a branch is taken."""
    if isinstance(value, Block):
        if value.data is None:
            raise CannotTellError("what it executes depends on its data")
        return bool(value.data.any())
    return bool(value)


def evaluate(program: Program, node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression."""
    program.steps += 1
    handler = _EXPRESSIONS.get(type(node))
    if handler is None:
        raise CannotTellError(f"an expression `{type(node).__name__}` is not known")
    return handler(program, node, names)


def _name(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    if node.id in names:
        return names[node.id]
    if node.id in program.functions:
        return Local(program.functions[node.id])
    if found := _GLOBAL.get(node.id):
        return found
    raise CannotTellError(f"`{node.id}` is not known")


def _attribute(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    return attribute(program, evaluate(program, node.value, names), node.attr)


def _call(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    function = evaluate(program, node.func, names)
    arguments = [evaluate(program, argument, names) for argument in node.args]
    named = {keyword.arg: evaluate(program, keyword.value, names) for keyword in node.keywords if keyword.arg}
    if isinstance(function, Local):
        return _call_local(program, function.tree, arguments, named, names)
    return call(program, function, arguments, named)


def _call_local(
    program: Program, tree: ast.FunctionDef | ast.Lambda, given: list[Any], named: dict[str, Any],
    outer: Mapping[str, Any],
) -> Any:  # fmt: skip
    if program.depth >= _DEEPEST:
        raise CannotTellError("its functions call each other too deep")
    parameters = [parameter.arg for parameter in tree.args.args]
    defaults = dict(zip(parameters[::-1], tree.args.defaults[::-1], strict=False))
    local = {name: evaluate(program, default, outer) for name, default in defaults.items()}
    local |= dict(zip(parameters, given, strict=False)) | named
    program.depth += 1
    try:
        if isinstance(tree, ast.Lambda):
            return evaluate(program, tree.body, {**outer, **local})
        _body(program, tree.body, local)
    except _Return as returned:
        return returned.value
    finally:
        program.depth -= 1
    return None


def _binary(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    left, right = evaluate(program, node.left, names), evaluate(program, node.right, names)
    return binary_of_blocks(program, type(node.op).__name__, left, right)


def _unary(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    return unary_of_block(program, type(node.op).__name__, evaluate(program, node.operand, names))


def _compare(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    left, result = evaluate(program, node.left, names), None
    for operator, other in zip(node.ops, node.comparators, strict=True):
        right = evaluate(program, other, names)
        one = compared(program, type(operator).__name__, left, right)
        result = one if result is None else binary_of_blocks(program, "BitAnd", result, one)
        left = right
    return result


def _and_or(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    result: Any = None
    for operand in node.values:
        result = evaluate(program, operand, names)
        if truth(result) is not isinstance(node.op, ast.And):
            return result
    return result


def _choice(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    return evaluate(program, node.body if truth(evaluate(program, node.test, names)) else node.orelse, names)


def _constant(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(node.value, bytes | complex):
        raise CannotTellError("a constant that is no number")
    return node.value


def _sequence(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    return tuple(evaluate(program, element, names) for element in node.elts)


def _subscript(program: Program, node: Any, names: Mapping[str, Any]) -> Any:
    value = evaluate(program, node.value, names)
    keys = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    index = tuple(slice(None) if isinstance(key, ast.Slice) else evaluate(program, key, names) for key in keys)
    if isinstance(value, tuple | list):
        return value[_position(index)]
    if isinstance(value, Block | Pointer) and all(part is None or isinstance(part, slice) for part in index):
        return _with_new_axes(value, index)
    raise CannotTellError(f"`{ast.unparse(node)}` is not known")


def _position(index: tuple[Any, ...]) -> int:
    if len(index) != 1 or isinstance(index[0], slice):
        raise CannotTellError("a part of a tuple is not known")
    return int(index[0])


def _with_new_axes(value: Block | Pointer, index: tuple[Any, ...]) -> Block | Pointer:
    # `tl.arange(0, 8)[:]` of a scalar is a scalar.
    if not value.shape and all(isinstance(part, slice) for part in index):
        return value
    if sum(part is not None for part in index) > len(value.shape):
        raise CannotTellError("a block is indexed along more axes than it has")
    sizes = iter(value.shape)
    shape = tuple([1 if part is None else next(sizes) for part in index] + list(sizes))
    places = tuple([part is None for part in index] + [False] * (len(shape) - len(index)))
    axes = value.axes and with_new_axes(value.axes, places)
    if isinstance(value, Pointer):
        return Pointer(value.buffer, value.dtype, value.offset.reshape(shape), value.depth, axes)
    data = None if value.data is None else value.data.reshape(shape)
    return Block(shape, value.dtype, data, value.depth, axes)


def _joined(program: Program, node: Any, names: Mapping[str, Any]) -> str:
    return ""  # only in messages of assertions


_EXPRESSIONS: Mapping[type[ast.expr], Callable[[Program, Any, Mapping[str, Any]], Any]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _and_or,
    ast.IfExp: _choice,
    ast.Constant: _constant,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.Subscript: _subscript,
    ast.JoinedStr: _joined,
    ast.Lambda: lambda program, node, names: Local(node),
}
# Those of Python, by what they are called in `language`: `tl.min` is a reduction, and `min` is none.
_BUILTINS = {"min": "least", "max": "largest", "float": "float", "int": "int", "range": "range", "bool": "bool"}
_GLOBAL: Mapping[str, Module | Function] = {
    **{name: Module(name) for name in ("tl", "tl_math", "libdevice", "triton_helpers", "triton", "math", "tldevice")},
    **{name: Function(ours) for name, ours in _BUILTINS.items()},
}
