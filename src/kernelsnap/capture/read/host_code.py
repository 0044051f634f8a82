"""Reads host code: what it launches and calls, in order, and which buffers are its inputs and outputs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kernelsnap.capture.read.host_expressions import (
    allocated,
    base_name,
    buffers_in,
    changed_arguments,
    dotted_name,
    elements_of,
    example_inputs,
    shape_of,
)
from kernelsnap.capture.read.provenance import provenance
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import Buffer, Call, FusedOp, Kernel

# Callees that are work of their own, not bookkeeping: extern_kernels.mm(...), torch.ops.aten.sort.default(...).
_EXTERN = ("extern_kernels.", "torch.ops.", "aten.", "inductor_ops.", "_quantized.")
# Views and allocations under those prefixes, which move no data.
_NOT_EXTERN = (
    "torch.ops.inductor._reinterpret_tensor",
    "torch.ops.inductor._alloc_from_pool",
    "inductor_ops._alloc",
)
_ALLOCATORS = ("empty_strided_", "reinterpret_tensor", "alloc_from_pool")
# Callees whose value is a number: a size that is returned.
_NUMBERS = ("abs", "float", "int", "math.", "max", "min", "round")
# s77 = arg0_1: a size under the name that shapes know it by.
_SYMBOL = re.compile(r"(?:s|u|zf|zuf)\d+\Z")
# buf2 = buf0; del buf0  # reuse          The old name may live on, for what is returned.
_REUSE = re.compile(r"; del |# reuse\Z")


@dataclass(frozen=True)
class HostCode:
    """What the host code of one graph does."""

    calls: tuple[Call, ...]
    inputs: tuple[Buffer, ...]
    outputs: tuple[str, ...]


@dataclass
class _Reader:
    """Walks the statements of `call` in the order in which they run, into the partitions and subgraphs it calls."""

    kernels: Mapping[str, Kernel]
    functions: Mapping[str, ast.FunctionDef]
    lines: Sequence[str]
    buffers: dict[str, Buffer]
    calls: list[Call] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)  # buffer -> the buffer whose value it took over
    views: dict[str, str] = field(default_factory=dict)  # view -> the buffer that it is a view of
    lists: dict[str, list[str]] = field(default_factory=dict)  # list or tuple -> the buffers in it
    entered: set[str] = field(default_factory=set)  # functions that were called
    loops: int = 0  # how many loops the statement is in

    def statements(self, body: Sequence[ast.stmt]) -> None:
        for node in body:
            match node:
                case ast.With(body=inner):
                    self.statements(inner)
                case ast.If(body=inner, orelse=other):
                    self.branches(inner, other)
                case ast.For(body=inner, orelse=other) | ast.While(body=inner, orelse=other):
                    self.loops += 1
                    self.statements([*inner, *other])
                    self.loops -= 1
                case ast.Assign(targets=[target], value=ast.Name(id="args")):
                    self.parameters([n.id for n in ast.walk(target) if isinstance(n, ast.Name)])
                case ast.Assign(targets=[target], value=ast.Call() as call):
                    self.assignment(node, target, call)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name()) if _SYMBOL.match(name):
                    pass
                # buf2 = buf0; del buf0  # reuse
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=source)):
                    self.stands_for(name, source, node)
                    self.buffers[name] = replace(self.buffers.get(source, Buffer(source)), name=name)
                # partition0_args = [arg0_1, buf1]
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.List(elts=elements)):
                    self.lists[name] = [self.value(base_name(element)) for element in elements]
                # buf5 = buf4[1]
                case ast.Assign(
                    targets=[ast.Name(id=name)], value=ast.Subscript(value=ast.Name(id=source), slice=index)
                ):
                    self.takes_over(name, self.item(source, index))
                case ast.Expr(value=ast.Call() as call):
                    self.call(node, call, ())
                case ast.Return(value=ast.Tuple(elts=elements)):
                    self.outputs = [self.result(element) for element in elements]

    def branches(self, body: Sequence[ast.stmt], other: Sequence[ast.stmt]) -> None:
        """Both branches of an `if`: what is in a list after it is known only where they agree."""
        before = dict(self.lists)
        self.statements(body)
        after, self.lists = self.lists, before
        self.statements(other)
        self.lists = {name: items for name, items in self.lists.items() if after.get(name) == items}

    def parameters(self, names: list[str]) -> None:
        """`arg0_1, arg1_1 = args`: the inputs of the graph, or what the caller of a subgraph passes."""
        given = self.lists.get("args")
        if given is None:
            self.inputs += names
            return
        for name, value in zip(names, given, strict=False):
            self.takes_over(name, value)

    def assignment(self, node: ast.stmt, target: ast.expr, call: ast.Call) -> None:
        names = tuple(n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        callee = dotted_name(call.func)
        if callee.rpartition(".")[2].startswith(_ALLOCATORS) and names:
            self.buffers[names[0]] = allocated(names[0], call, self.buffers)
            match callee.rpartition(".")[2]:
                case "reinterpret_tensor":
                    self.stands_for(names[0], base_name(call.args[0]), node)
                case "alloc_from_pool":
                    self.takes_over(names[0], base_name(call.args[0]))
                case _:
                    self.is_new(names[0])
        elif (results := self.function(call)) is not None:
            if isinstance(target, ast.Name):
                self.lists[target.id] = results
            elif isinstance(target, ast.Tuple) and all(isinstance(element, ast.Name) for element in target.elts):
                for name, result in zip(names, results, strict=False):
                    self.takes_over(name, result)
                    if result in self.buffers:
                        self.buffers[name] = replace(self.buffers[result], name=name)
        else:
            self.call(node, call, names)

    def function(self, call: ast.Call) -> list[str] | None:
        """Run the statements of a function of the module; what it returns, or None if the callee is no such function.

        A subgraph called twice runs twice. The condition and body of a loop count once, however often they may run.
        """
        match call.func:
            case ast.Name(id=name):
                pass
            # (buf1,) = self.partitions[0](partition0_args)
            case ast.Subscript(value=ast.Attribute(attr="partitions"), slice=ast.Constant(value=int(number))):
                name = f"partition_{number}"
            case _:
                return None
        if name not in self.functions:
            return None
        if name in self.entered and self.loops:
            return []
        self.entered.add(name)
        outer, self.outputs = self.outputs, []
        passed = [self.lists.get(base_name(argument), []) for argument in call.args]
        self.lists["args"] = passed[0] if passed else []
        self.statements(self.functions[name].body)
        results, self.outputs = self.outputs, outer
        return results

    def call(self, node: ast.stmt, call: ast.Call, assigned: tuple[str, ...]) -> None:
        callee = dotted_name(call.func)
        if callee == "assert_size_stride":
            self.asserted(*call.args[:2])
        elif callee == "assert_size_stride_grouped":
            for value, shape in zip(*map(elements_of, call.args[:2]), strict=True):
                self.asserted(value, shape)
        kernel = self.kernels.get(callee.removesuffix(".run"))
        if kernel is not None:
            reads, writes = _launch_accesses(kernel, call)
            # The definition's comment says most; kernels that do several things at once have none there.
            ops = kernel.ops or provenance(list(_comment_before(self.lines, node.lineno))).ops
            self.append(Call("launch", kernel.name, reads, self.written(writes, assigned), ops))
        elif callee.startswith(_EXTERN) and not callee.startswith(_NOT_EXTERN):
            out = [k.value for k in call.keywords if k.arg == "out"]
            rest = [*call.args, *(k.value for k in call.keywords if k.arg != "out")]
            reads = tuple(dict.fromkeys(n for value in rest for n in buffers_in(value, self.known)))
            changed = changed_arguments(callee, call)
            writes = tuple(base_name(value) for value in (*out, *changed))
            # An operator of unknown schema that returns nothing changes its first buffer.
            if not writes and not assigned:
                writes = reads[:1]
            said = provenance(list(_comment_before(self.lines, node.lineno)))
            # Its comment also names what its inputs came from; its own operation is the last.
            ops = tuple(FusedOp(op.source.rpartition(", ")[2], op.aten[-1:]) for op in said.ops)
            if not said.in_order and any(len(op.aten) > 1 for op in said.ops):
                ops = ()  # it is one of them, and nothing says which
            self.append(Call("extern", callee, reads, self.written(writes, assigned), ops))
        elif callee.endswith(".copy_"):  # buf1.copy_(buf0, False): between devices
            self.append(Call("extern", "aten.copy_", (base_name(call.args[0]),), self.written((base_name(call.func),))))

    def asserted(self, value: ast.expr, sizes: ast.expr) -> None:
        """`assert_size_stride(arg2_1, (s77, 2), (2, 1), 'input')`: the harness has an example of dynamic sizes."""
        name, shape = base_name(value), shape_of(sizes)
        if name in self.inputs:
            self.buffers[name] = replace(self.buffers.get(name, Buffer(name)), shape=shape)

    def append(self, call: Call) -> None:
        """Reads name the buffer that the value was written to, through reuse, views and tuple items."""
        reads = tuple(dict.fromkeys(self.value(name) for name in call.reads))
        self.calls.append(replace(call, reads=reads))
        for buffer in call.writes:
            self.is_new(buffer.name)

    def is_new(self, name: str) -> None:
        """From here on `name` is its own value."""
        self.values.pop(name, None)
        self.views.pop(name, None)

    def takes_over(self, name: str, source: str) -> None:
        """From here on `name` has the value that `source` has now."""
        value = self.value(source)
        self.is_new(name)
        if value != name:
            self.values[name] = value

    def stands_for(self, name: str, source: str, node: ast.stmt) -> None:
        """`name` is a view of `source`, so that writing the one writes the other; or it takes over memory.

        buf1 = reinterpret_tensor(buf4, (8, 4), (21, 1), 16)  # alias
        buf7 = reinterpret_tensor(buf2, (64, ), (1, ), 0); del buf2  # reuse
        """
        if _REUSE.search(self.lines[node.lineno - 1]) or name in self.chain(source):
            self.takes_over(name, source)
        else:
            self.is_new(name)
            self.views[name] = source

    def item(self, source: str, index: ast.expr) -> str:
        """The buffer at a place in a list; the list itself where its contents are not known."""
        items = self.lists.get(source, [])
        place = index.value if isinstance(index, ast.Constant) else None
        return items[place] if isinstance(place, int) and place < len(items) else source

    def value(self, name: str) -> str:
        return list(self.chain(name))[-1]

    def chain(self, name: str) -> Iterator[str]:
        """The name, and the names that it took its value from, up to the buffer that the value was written to."""
        yield name
        while (known := self.views.get(name) or self.values.get(name)) is not None:
            yield (name := known)

    def result(self, node: ast.expr) -> str:
        """What is returned: a buffer, a literal, or a size as an expression of symbols."""
        is_number = isinstance(node, ast.Call) and dotted_name(node.func).startswith(_NUMBERS)
        return ast.unparse(node) if is_number else self.value(base_name(node))

    @property
    def known(self) -> set[str]:
        written = {buffer.name for call in self.calls for buffer in call.writes}
        return set(self.buffers) | set(self.inputs) | set(self.values) | set(self.views) | written

    def named(self, names: Sequence[str]) -> tuple[Buffer, ...]:
        return tuple(self.buffers.get(name, Buffer(name)) for name in dict.fromkeys(names))

    def written(self, arguments: Sequence[str], assigned: Sequence[str] = ()) -> tuple[Buffer, ...]:
        """The buffers that a call writes: what its arguments are views of, and what its result is bound to."""
        owners = []
        for name in arguments:
            while name in self.views:
                name = self.views[name]
            owners.append(name)
        return self.named([*owners, *assigned])


def read_host(host: str, kernels: Sequence[Kernel], harness: ast.FunctionDef | None) -> HostCode:
    """What `host` (the executable part of a generated module) runs, in order.

    Raises:
        UnreadableCodeError: it uses a kernel in an unknown way, so that its launches could be miscounted.
    """
    tree = ast.parse(host)
    examples = dict(example_inputs(harness)) if harness is not None else {}
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    by_name = {kernel.name: kernel for kernel in kernels}
    candidates = dict(_multi_kernels(tree))
    known = by_name | {name: by_name[names[0]] for name, names in candidates.items()}
    reader = _Reader(known, functions, host.splitlines(), dict(examples))
    reader.statements(functions["call"].body)
    launched = {call.name for call in reader.calls} | {name for names in candidates.values() for name in names}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & set(by_name)
    if unread := sorted(used - launched):
        raise UnreadableCodeError(f"the host code uses {unread[0]} in a way that kernelsnap cannot read as a launch")
    inputs = reader.named(reader.inputs)
    return HostCode(tuple(reader.calls), inputs, tuple(reader.outputs))


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


def _launch_accesses(kernel: Kernel, call: ast.Call) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which buffers a launch reads and writes: its arguments, held against the kernel's own."""
    given = dict(zip((name for name, _ in kernel.arguments), call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    reads = tuple(dict.fromkeys(base_name(given[name]) for name in kernel.reads if name in given))
    writes = tuple(dict.fromkeys(base_name(given[name]) for name in kernel.writes if name in given))
    return reads, writes


def _comment_before(lines: Sequence[str], line: int) -> Iterator[str]:
    """The comment above a call; the line that fetches the stream is between them."""
    position = line - 2
    if position >= 0 and lines[position].strip().startswith("raw_stream"):
        position -= 1
    while position >= 0 and lines[position].strip().startswith("#"):
        yield lines[position]
        position -= 1
