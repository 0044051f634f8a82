"""Reads host code: what runs on the device, in order, and which buffers are its inputs and outputs.

The code is walked in the order in which it runs, into the partitions and subgraphs that it calls, with what each name
stands for (`host_values`). It is closed: a statement, expression or function that is not known raises
`UnreadableCodeError`, since it might run anything. So every launch is in the plan, and a name in the plan is an input,
is written by a line above, or is memory that no line writes, which the plan lists.

Both branches of an `if` are read, one after the other; the body of a loop is read once, as it first runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import zip_longest

from kernelsnap.capture.read.host_calls import Expressions
from kernelsnap.capture.read.host_expressions import CPU, dotted_name, elements_of, example_inputs, shape_of
from kernelsnap.capture.read.host_result import HostCode, host_result
from kernelsnap.capture.read.host_state import REPORT
from kernelsnap.capture.read.host_values import Items, Memory, Tensor, Value, memories_in
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import Buffer, Kernel

# s77 = arg0_1: a size under the name that shapes know it by.
_SYMBOL = re.compile(r"(?:s|u|zf|zuf)\d+\Z")
# buf2 = buf0; del buf0  # reuse          The old name may live on, for what is returned.
_REUSE = re.compile(r"; del |# reuse\Z")


@dataclass
class _Reader(Expressions):
    """Reads statements."""

    results: dict[str, Value] = field(default_factory=dict)  # what each function returned when it was last called
    conditions: list[str] = field(default_factory=list)  # of the loops around the statement: each counts once
    returned: list[tuple[str, Value]] = field(default_factory=list)  # as it is written, and what it is

    def statements(self, body: Sequence[ast.stmt]) -> None:
        """Read statements in order."""
        following = iter(zip_longest(body, body[1:]))
        for node, after in following:
            self.statement, self.target = node, ""
            match node, after:
                # if not should_loop: ...        while should_loop: ...
                case (
                    ast.If(test=ast.UnaryOp(operand=ast.Name(id=flag)), body=skipped),
                    ast.While(test=ast.Name(id=again)) as loop,
                ) if flag == again:
                    self.truth(node.test)
                    self.branches(partial(self.statements, skipped), partial(self.loop, loop))
                    next(following)
                case _:
                    self.read(node)

    def read(self, node: ast.stmt) -> None:
        """Read one statement."""
        match node:
            case ast.Assign(targets=[target], value=value):
                self.assignment(target, value)
            case ast.Expr(value=value):
                self.evaluate(value)
                self.asserted(value)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.names.pop(dotted_name(target), None)
            case ast.With(items=items, body=inner):
                for item in items:
                    self.evaluate(item.context_expr)
                self.statements(inner)
            case ast.If(test=test, body=inner, orelse=other):
                self.truth(test)
                self.branches(partial(self.statements, inner), partial(self.statements, other))
            case ast.While():
                self.branches(lambda: self.loop(node), lambda: None)
            case ast.For(target=ast.Name(id=name), iter=values, body=inner):
                self.each(name, values, inner)
            case ast.Return(value=ast.Tuple(elts=elements)):
                self.returned = [(ast.unparse(element), self.evaluate(element)) for element in elements]
            case ast.Assert(test=value) | ast.Raise(exc=ast.expr() as value):
                self.evaluate(value)
            case ast.Pass() | ast.Import() | ast.ImportFrom():
                pass
            case _:
                self.fail("holds a statement that kernelsnap does not know")

    def assignment(self, target: ast.expr, value: ast.expr) -> None:
        """`buf0 = ...`, `(buf1, buf2) = ...`, `buf0[1] = ...`, and `arg0_1, arg1_1 = args`."""
        named = next((node.id for node in ast.walk(target) if isinstance(node, ast.Name)), "")
        self.target = named
        if isinstance(value, ast.Name) and value.id == "args":
            self.parameters([node.id for node in ast.walk(target) if isinstance(node, ast.Name)])
            return
        found = self.evaluate(value)
        if isinstance(target, ast.Name) and isinstance(found, Tensor):
            if _REUSE.search(self.lines[target.lineno - 1]):
                found = self.taken_over(found)
            elif _SYMBOL.match(named):
                found = None
        self.assign(target, found)

    def assign(self, target: ast.expr, value: Value) -> None:
        """Let a target stand for a value."""
        match target, value:
            case ast.Name(id=name), _:
                self.bind(name, value)
            case ast.Tuple(elts=targets), Items(elements) if len(targets) == len(elements):
                for one, element in zip(targets, elements, strict=True):
                    self.assign(one, element)
            case ast.Subscript(value=base, slice=ast.Constant(value=int(index))), _ if isinstance(
                items := self.evaluate(base), Items
            ) and index < len(items.elements):
                items.elements[index] = value
            case _:
                self.fail("assigns to something that kernelsnap does not know")

    def parameters(self, names: list[str]) -> None:
        """The inputs of the graph, or what the caller of a subgraph passes."""
        if self.depth:
            passed = self.names.get("args")
            if not isinstance(passed, Items) or len(passed.elements) != len(names):
                self.fail("is given other arguments than it takes")
            self.names |= zip(names, passed.elements, strict=True)
            return
        for name in names:
            buffer = self.types.get(name, Buffer(name))
            memory = Memory(buffer, on_cpu=name in self.on_cpu, given=True)
            self.inputs.append(memory)
            self.filled.add(memory)
            self.names[name] = Tensor((memory,), buffer.dtype, buffer.shape)

    def asserted(self, node: ast.expr) -> None:
        """`assert_size_stride(arg2_1, (s77, 2), (2, 1), 'input')`: the harness has an example of dynamic sizes."""
        match node:
            case ast.Call(func=ast.Name(id="assert_size_stride" | "assert_tensor_metadata"), args=[value, shape, *_]):
                found = [(value, shape)]
            case ast.Call(func=ast.Name(id="assert_size_stride_grouped"), args=[values, shapes, *_]):
                found = list(zip(elements_of(values), elements_of(shapes), strict=True))
            case _:
                return
        for value, shape in found:
            tensor = self.evaluate(value)
            for memory in tensor.memories if isinstance(tensor, Tensor) else ():
                if memory in self.inputs:
                    memory.buffer = replace(memory.buffer, shape=shape_of(shape))

    def each(self, name: str, values: ast.expr, body: Sequence[ast.stmt]) -> None:
        """`for var in return_vars:` runs for each of them; a loop over `globals()` only keeps what was compiled."""
        if ast.unparse(values) == "globals().values()":
            return
        items = self.evaluate(values)
        for value in items.elements if isinstance(items, Items) else self.fail("loops over something unknown"):
            self.names[name] = value
            self.statements(body)

    def loop(self, node: ast.While) -> None:
        """Read the body of a loop once; its condition was read before it."""
        self.statement = node
        self.truth(node.test)
        self.conditions.append(_condition(node))
        self.statements(node.body)
        self.conditions.pop()

    def function(self, name: str, arguments: Sequence[Value]) -> Value:
        """Read a function of the module: a subgraph that is called twice is read twice."""
        if name in self.conditions:
            return self.results[name]
        if name not in self.functions:
            self.fail(f"calls {name}, which is not defined")
        with self.subgraph():
            self.names["args"] = arguments[0] if arguments else None
            self.statements(self.functions[name].body)
            self.results[name] = Items([value for _, value in self.returned])
        return self.results[name]


def _condition(loop: ast.While) -> str:
    """The function that decides whether a loop goes on: `(buf0_cond_result,) = cond_graph_0(cond_graph_0_args)`."""
    flag = dotted_name(loop.test)
    made = {dotted_name(n.targets[0]): n.value for n in loop.body if isinstance(n, ast.Assign)}
    source = dotted_name(made.get(flag, loop.test))
    for node in loop.body:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=name)])], value=ast.Call(func=function)):
                if name == source:
                    return dotted_name(function)
    return ""


def read_host(host: str, kernels: Sequence[Kernel], harness: ast.FunctionDef | None) -> HostCode:
    """What `host` (the executable part of a generated module) runs, in order.

    Raises:
        UnreadableCodeError: it has a form that is not known, so that its launches could be miscounted.
    """
    tree = ast.parse(host)
    examples = dict(example_inputs(harness)) if harness is not None else {}
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    by_name = {kernel.name: kernel for kernel in kernels}
    candidates = dict(_multi_kernels(tree))
    reader = _Reader(
        kernels=by_name | {name: by_name[names[0]] for name, names in candidates.items()},
        functions=functions,
        lines=host.splitlines(),
        globals=dict(_globals(tree, examples, candidates)) | dict(_declared(harness, examples)),
        types={name: buffer for name, (buffer, _) in examples.items()},
        on_cpu=frozenset(name for name, (_, place) in examples.items() if place == CPU),
    )
    reader.names["args"] = None
    reader.filled |= set(memories_in(reader.globals.values()))
    reader.statements(functions["call"].body)
    launched = {step.name for step in reader.steps} | {name for names in candidates.values() for name in names}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & set(by_name)
    if unread := sorted(used - launched):
        raise UnreadableCodeError(f"the host code uses {unread[0]} in a way that kernelsnap cannot read as a launch")
    return host_result(reader.steps, reader.inputs, reader.returned, reader.value)


def _multi_kernels(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Kernels of which one is chosen when it first runs; the first candidate is taken as the one launched.

    multi_kernel_0 = async_compile.multi_kernel('multi_kernel_0', [triton_red_fused_0, triton_per_fused_1], ...)
    """
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Attribute(attr="multi_kernel"), args=[_, ast.List(elts=elements)]),
            ):
                yield name, [element.id for element in elements if isinstance(element, ast.Name)]


def _declared(
    harness: ast.FunctionDef | None, examples: Mapping[str, tuple[Buffer, str]]
) -> Iterator[tuple[str, Tensor]]:
    """Parameters of a program that is compiled ahead of time, which only the harness names: `global linear_weight`."""
    for node in ast.walk(harness) if harness is not None else ():
        if isinstance(node, ast.Global):
            yield from ((name, _constant(*examples[name])) for name in node.names if name in examples)


def _constant(buffer: Buffer, place: str) -> Tensor:
    return Tensor((Memory(buffer, on_cpu=place == CPU),), buffer.dtype, buffer.shape)


def _globals(
    tree: ast.Module, examples: Mapping[str, tuple[Buffer, str]], multi_kernels: Mapping[str, object]
) -> Iterator[tuple[str, Value]]:
    """What the module itself gives names to: `_tensor_constant0 = None  # 6b86b273`, and tables of numbers.

    Raises `UnreadableCodeError` for a statement of any other kind.
    """
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=None)):
                yield name, _constant(*examples.get(name, (Buffer(name), "")))
            case ast.Assign(targets=[ast.Name(id=name)]) if name in multi_kernels:
                pass
            # runner = Runner(partitions=[partition_0,])
            case ast.Assign(targets=[ast.Name(id="runner")], value=ast.Call(func=ast.Name(id="Runner"))):
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not any(
                isinstance(inner, ast.Call) and dotted_name(inner.func) != "slice" for inner in ast.walk(value)
            ):
                yield name, None
            case ast.FunctionDef() | ast.ClassDef() | ast.Import() | ast.ImportFrom():
                pass
            case _:
                raise UnreadableCodeError(
                    f"the generated module holds a line that kernelsnap does not know, `{ast.unparse(node)[:200]}`: "
                    f"{REPORT}"
                )
