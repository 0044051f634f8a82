"""Evaluates expressions of host code: which tensors they give, and which launches and operators run on the way."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from kernelsnap.capture.read.host_expressions import dotted_name, dtype_of, shape_of
from kernelsnap.capture.read.host_forms import (
    ALLOCATORS,
    DESCRIPTIONS,
    METHODS,
    REFERENCES,
    RESHAPERS,
    SAME_TYPE,
    SHOWING,
    UNCHANGED,
    is_host_only,
)
from kernelsnap.capture.read.host_state import HostState
from kernelsnap.capture.read.host_values import Items, Reference, Tensor, Value, tensors_in
from kernelsnap.capture.read.kernel_source import USER_KERNEL, passed_arguments
from kernelsnap.capture.read.operators import Effect, effect_of, is_operator, of_torch
from kernelsnap.capture.read.provenance import called_operation, provenance

# Modules that expressions name: torch.float32, math.ceil(s77 / 2), inf.
_MODULES = ("torch", "math", "random", "os", "triton", "tl", "inf", "nan", "nanj", "self", "pickle", "nvtx", "proton")
# What an allocation is told, by name where it is not told by place.
_ALLOCATED = ("size", "dtype")


class Expressions(HostState):
    """Evaluates expressions; what runs on the way is recorded."""

    def function(self, name: str, arguments: Sequence[Value]) -> Value:
        """Read a function of the module that is called with these arguments; what it returns."""
        raise NotImplementedError

    def evaluate(self, node: ast.expr) -> Value:
        """What an expression stands for."""
        match node:
            case ast.Name(id=name):
                return self.name(name)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return Items([self.evaluate(element) for element in elements])
            case ast.Call():
                return self.call(node)
            case ast.Subscript(value=base, slice=place):
                return self.item(self.evaluate(base), place)
            # [None] * 2
            case ast.BinOp(left=ast.List(elts=[ast.Constant(value=None)]), right=ast.Constant(value=int(length))):
                return Items([None] * length)
            # buf0.extend([[] for _ in range(2)])
            case ast.ListComp(elt=ast.List(elts=[]), generators=[ast.comprehension(iter=ast.Call(args=[length]))]):
                return Items([Items([]) for _ in range(ast.literal_eval(length))])
            case ast.Attribute(value=base, attr=attribute):
                return self.attribute(node, base, attribute)
            case ast.Dict(values=values):
                return Items([self.evaluate(value) for value in values])
            case ast.Constant() | ast.JoinedStr() | ast.Slice():
                return None
            case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.BoolOp() | ast.IfExp():
                return self.number(node)
        return self.fail(f"holds an expression that kernelsnap does not know, `{ast.unparse(node)}`,")

    def misused(self, kernel: str) -> NoReturn:
        """Raise the error for a kernel that is neither launched nor chosen from."""
        self.fail(f"uses {kernel} in a way that kernelsnap cannot read as a launch")

    def name(self, name: str) -> Value:
        """What a name stands for where it is used."""
        for names in (self.names, self.globals):
            if name in names:
                return names[name]
        if name in self.kernels:
            self.misused(name)
        if name in _MODULES or hasattr(builtins, name) or name in self.functions or is_operator(f"{name}."):
            return None
        return self.fail(f"uses {name}, which nothing above makes")

    def attribute(self, node: ast.expr, base: ast.expr, attribute: str) -> Value:
        """`torch.float32`; `torch.ops.aten.rand.default`, an operator that another is given; `buf0.shape`."""
        path = dotted_name(node)
        if path.partition(".")[0] in self.kernels:
            self.misused(path.partition(".")[0])
        if isinstance(self.evaluate(base), Tensor) and attribute not in DESCRIPTIONS:
            self.fail(f"asks a tensor for `{attribute}`, which kernelsnap does not know,")
        return None

    def number(self, node: ast.expr) -> Value:
        """An expression of sizes and other numbers: `s77*s27`, `1 if buf0.item() else 0`."""
        for child in ast.iter_child_nodes(node):
            value = self.evaluate(child) if isinstance(child, ast.expr) else None
            # An input may be a number: what it is cannot be seen where it is named.
            if not all(memory.given for tensor in tensors_in(value) for memory in tensor.memories):
                self.fail(f"computes with a tensor, `{ast.unparse(node)}`,")
        return None

    def truth(self, node: ast.expr) -> None:
        """The test of an `if` or a `while`. Whether a tensor is true is known on the device, and fetched from there."""
        if isinstance(node, ast.UnaryOp):
            self.truth(node.operand)
        elif isinstance(value := self.evaluate(node), Tensor) and not value.on_cpu:
            self.step("extern", "aten.item", (value,), ())

    def item(self, base: Value, place: ast.expr) -> Value:
        """`buf4[1]` is one of several results, or an element of a list; `workspace_0[0 : 512]` is a view."""
        match base, place:
            case Items(elements), ast.Constant(value=int(index)) if index < len(elements):
                return elements[index]
            case Items(elements), _:
                return self.fail(f"takes a place of a list that kernelsnap cannot tell, `{ast.unparse(place)}`,")
            case Tensor(), ast.Constant():
                # One of several tensors that a call returned; a name for all was written.
                return replace(self.taken_over(base), dtype="", shape=None)
            case Tensor(), _:
                return replace(base, shape=None)
        return None

    # Calls

    def call(self, node: ast.Call) -> Value:
        """What a call returns; what it runs on the device is recorded."""
        path = dotted_name(node.func)
        root = path.partition(".")[0]
        match node.func:
            # (buf1,) = self.partitions[0](partition0_args)
            case ast.Subscript(value=ast.Attribute(attr="partitions"), slice=ast.Constant(value=int(number))):
                return self.function(f"partition_{number}", self.arguments(node))
            case ast.Attribute(value=base, attr=method) if not root or root in self.names or root in self.globals:
                return self.method(node, self.evaluate(base), method)
        if (kernel := self.kernels.get(root)) is not None and path in (root, f"{root}.run", f"{root}.{root}"):
            self.launch(kernel.name, node)
            return None
        if root in self.kernels:
            self.misused(root)
        if path in self.functions and self.functions[path].args.vararg:
            # def extern_kernels_mm_0(*args, **kwargs): return extern_kernels.mm(*args, **kwargs)
            path = next(
                dotted_name(inner.func) for inner in ast.walk(self.functions[path]) if isinstance(inner, ast.Call)
            )
        elif path in self.functions:
            return self.function(path, self.arguments(node))
        return self.named(path, node)

    def named(self, path: str, node: ast.Call) -> Value:
        """A call of an operator, or of a function that is not the module's own."""
        last = path.rpartition(".")[2]
        kind = "empty_strided" if last.startswith("empty_strided_") else last
        if kind in ALLOCATORS:
            shape, dtype = (
                _passed(node, place, name) for place, name in zip(ALLOCATORS[kind], _ALLOCATED, strict=True)
            )
            pools = [tensor for value in self.arguments(node) for tensor in tensors_in(value)]
            on_cpu = last.startswith("empty_strided_cpu") or any(pool.on_cpu for pool in pools)
            return self.new(dtype_of(dtype), shape_of(shape), on_cpu)
        if path in RESHAPERS and isinstance(base := self.arguments(node)[0], Tensor):
            return replace(base, shape=shape_of(node.args[1]))
        if path in UNCHANGED:
            return self.evaluate(node.args[0])
        if path.startswith(REFERENCES):
            return Reference(tuple(t for value in self.arguments(node) for t in tensors_in(value)))
        if path in SHOWING:
            if shown := [t for value in self.arguments(node) for t in tensors_in(value)]:
                self.step("extern", path, shown, ())
            return None
        if is_host_only(path):
            self.arguments(node)
            return None
        if is_operator(path) or (path.startswith("torch.") and of_torch(path.removeprefix("torch."))):
            operator = path if is_operator(path) else of_torch(path.removeprefix("torch."))
            return self.operator(path, effect_of(operator, self.arguments(node), self.keywords(node)))
        return self.fail(f"calls {path or ast.unparse(node.func)}, which kernelsnap does not know,")

    def method(self, node: ast.Call, base: Value, method: str) -> Value:
        """A method of a tensor, which is an operator: `workspace_0.zero_()`; or of a list, a stream, a number."""
        arguments = self.arguments(node)
        match base, method:
            case Tensor(), "data_ptr":
                return Reference((base,))
            case Tensor(), _ if path := of_torch(method):
                effect = effect_of(path, [base, *arguments], self.keywords(node))
                if not effect.known:  # workspace_0.view(2048, 512): the sizes may be passed one by one
                    effect = effect_of(path, [base, Items(arguments)], self.keywords(node))
                if base.on_cpu and not isinstance(effect.result, Tensor) and method == "item":
                    return None  # the host's own memory: nothing runs
                return _typed(self.operator(path, effect), base, method, node)
            case Items(elements), "append":
                elements += arguments
                return None
            case Items(elements), "extend" if isinstance(arguments[0], Items):
                elements += arguments[0].elements
                return None
            case ((Items() | None), _) if method in METHODS:
                return Reference(tuple(t for value in arguments for t in tensors_in(value))) if arguments else None
        return self.fail(f"calls a method that kernelsnap does not know, `{method}`,")

    def operator(self, path: str, effect: Effect) -> Value:
        """Record the call of an operator, and return what it returns."""
        if not effect.known and not effect.writes and not self.target:
            self.fail(f"calls {path}, which has no schema and returns nothing: what it writes cannot be told,")
        if not effect.runs:
            return replace(effect.result, shape=None) if isinstance(effect.result, Tensor) else effect.result
        made = self.new() if effect.makes else None
        # What goes on inside a line has no name: `assert not buf0.isnan().any().item()`.
        written = [*effect.writes, *([made] if made and self.target else [])]
        read = [tensor for tensor in effect.reads if all(memory.buffer.name for memory in tensor.memories)]
        self.step("extern", path, read, written, called_operation(path, self.comment()))
        return made or effect.result

    def launch(self, name: str, node: ast.Call) -> None:
        """Record the launch of a kernel: its arguments, held against the kernel's own."""
        kernel = self.kernels[name] if name in self.kernels else self.fail(f"launches {name}, which is not defined")
        given: dict[str, Value] = dict(zip(passed_arguments(kernel), self.arguments(node), strict=False))
        given |= {name: value for name, value in self.keywords(node).items() if name != "stream"}
        reads, writes = (
            [tensor for name in names for tensor in tensors_in(given.get(name))]
            for names in (kernel.reads, kernel.writes)
        )
        # The definition's comment says most; kernels that do several things at once have none there. That above the
        # launch of a user's kernel is about what came before it.
        ops = kernel.ops or (() if kernel.kind == USER_KERNEL else provenance(self.comment()).ops)
        self.step("launch", kernel.name, reads, writes, ops)

    def arguments(self, node: ast.Call) -> list[Value]:
        """What is passed by position."""
        return [self.evaluate(argument) for argument in node.args]

    def keywords(self, node: ast.Call) -> dict[str, Value]:
        """What is passed by name."""
        return {keyword.arg: self.evaluate(keyword.value) for keyword in node.keywords if keyword.arg}

    def comment(self) -> list[str]:
        """The comment above the statement; the line that fetches the stream may be between them."""
        position = (self.statement.lineno if self.statement else 1) - 2
        if position >= 0 and re.match(r"\s*(raw_)?stream\w* = get_raw_stream", self.lines[position]):
            position -= 1
        start = position
        while start >= 0 and self.lines[start].lstrip().startswith("#"):
            start -= 1
        return list(self.lines[start + 1 : position + 1])


def _typed(result: Value, base: Tensor, method: str, node: ast.Call) -> Value:
    """What a method of a tensor returned, with the type and the shape that can be seen: `.sum(dim=0).view([8, 4])`."""
    if not isinstance(result, Tensor):
        return result
    match method, node.args:
        case "view", [ast.List(elts=sizes)]:
            return replace(result, shape=tuple(map(ast.unparse, sizes)))
        case "to", [dtype]:
            return replace(result, dtype=dtype_of(dtype), shape=base.shape)
    return replace(result, dtype=base.dtype) if method in SAME_TYPE else result


def _passed(node: ast.Call, place: int, name: str) -> ast.expr:
    """An argument that is passed under its name or by its place."""
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None) or node.args[place]
