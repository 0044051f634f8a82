"""Read host code: what it launches and calls, in order, and which buffers go in and come out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kernelsnap.inductor.provenance import provenance
from kernelsnap.model import Buffer, Call, FusedOp, Kernel

# Callees that are work of their own, not bookkeeping: extern_kernels.mm(...), torch.ops.aten.sort.default(...).
_EXTERN = ("extern_kernels.", "torch.ops.", "aten.", "inductor_ops.", "_quantized.")
# Views and allocations under those prefixes, which move no data.
_NOT_EXTERN = (
    "torch.ops.inductor._reinterpret_tensor",
    "torch.ops.inductor._alloc_from_pool",
    "inductor_ops._alloc",
)
_ALLOCATORS = ("empty_strided_", "reinterpret_tensor", "alloc_from_pool")
# torch.float32 as the generated code writes it, and the short form of graph dumps.
_DTYPES = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "complex64": "c64", "complex128": "c128",
    "int64": "i64", "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "b8",
}  # fmt: skip


@dataclass(frozen=True)
class HostCode:
    """What the host code of one graph does."""

    calls: tuple[Call, ...]
    inputs: tuple[Buffer, ...]
    outputs: tuple[str, ...]


@dataclass
class _Reader:
    """Walks the statements of `call` in order, and of the partitions that it runs."""

    kernels: Mapping[str, Kernel]
    lines: Sequence[str]
    buffers: dict[str, Buffer]
    calls: list[Call] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)  # buffer -> the buffer whose value it took over

    def statements(self, body: Sequence[ast.stmt]) -> None:
        for node in body:
            match node:
                case ast.With(body=inner) | ast.If(body=inner) | ast.For(body=inner) | ast.While(body=inner):
                    self.statements(inner)
                    self.statements(getattr(node, "orelse", []))
                case ast.Assign(targets=[target], value=ast.Name(id="args")):
                    self.inputs += [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
                case ast.Assign(targets=[target], value=ast.Call() as call):
                    self.assignment(node, target, call)
                # buf2 = buf0; del buf0  # reuse
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=source)):
                    self.values[name] = source
                    self.buffers[name] = replace(self.buffers.get(source, Buffer(source)), name=name)
                # buf5 = buf4[1]
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript(value=ast.Name(id=source))):
                    self.values[name] = source
                case ast.Expr(value=ast.Call() as call):
                    self.call(node, call, ())
                case ast.Return(value=ast.Tuple(elts=elements)):
                    self.outputs = [self.value(base_name(element)) for element in elements]

    def assignment(self, node: ast.stmt, target: ast.expr, call: ast.Call) -> None:
        names = tuple(n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        callee = _dotted(call.func)
        if callee.rpartition(".")[2].startswith(_ALLOCATORS) and names:
            self.buffers[names[0]] = _allocated(names[0], call, self.buffers)
            if "empty_strided" not in callee:
                self.values[names[0]] = base_name(call.args[0])
        else:
            self.call(node, call, names)

    def call(self, node: ast.stmt, call: ast.Call, assigned: tuple[str, ...]) -> None:
        callee = _dotted(call.func)
        kernel = self.kernels.get(callee.removesuffix(".run"))
        if kernel is not None:
            reads, writes = _launch_accesses(kernel, call)
            self.append(Call("launch", kernel.name, reads, self.named(writes + assigned), kernel.ops))
        elif callee.startswith(_EXTERN) and not callee.startswith(_NOT_EXTERN):
            out = [k.value for k in call.keywords if k.arg == "out"]
            rest = [*call.args, *(k.value for k in call.keywords if k.arg != "out")]
            reads = tuple(dict.fromkeys(n for value in rest for n in _buffer_names(value, self.known)))
            writes = tuple(base_name(value) for value in out) + assigned
            # An operator that returns nothing changes its first buffer: aten.index_put_(buf0, ...).
            if not writes and reads:
                writes = reads[:1]
            ops = provenance(list(_comment_before(self.lines, node.lineno))).ops
            # Its comment also names what its inputs came from; its own operation is the last.
            ops = tuple(FusedOp(op.source.rpartition(", ")[2], op.aten[-1:]) for op in ops)
            self.append(Call("extern", callee, reads, self.named(writes), ops))

    def append(self, call: Call) -> None:
        """Reads name the buffer that the value was written to, through reuse, views and tuple items."""
        reads = tuple(dict.fromkeys(self.value(name) for name in call.reads))
        self.calls.append(replace(call, reads=reads))
        for buffer in call.writes:
            self.values.pop(buffer.name, None)

    def value(self, name: str) -> str:
        while name in self.values:
            name = self.values[name]
        return name

    @property
    def known(self) -> set[str]:
        written = {buffer.name for call in self.calls for buffer in call.writes}
        return set(self.buffers) | set(self.inputs) | set(self.values) | written

    def named(self, names: Sequence[str]) -> tuple[Buffer, ...]:
        return tuple(self.buffers.get(name, Buffer(name)) for name in dict.fromkeys(names))


def read_host(host: str, kernels: Sequence[Kernel], harness: ast.FunctionDef | None) -> HostCode:
    """What `host` (the executable part of a generated module) runs, in order."""
    tree = ast.parse(host)
    examples = dict(_examples(harness)) if harness is not None else {}
    reader = _Reader({kernel.name: kernel for kernel in kernels}, host.splitlines(), dict(examples))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    # Partitions (CUDA graphs) are functions of their own, called from `call`, which comes last.
    for function in functions:
        reader.inputs = []
        reader.statements(function.body)
    inputs = tuple(examples.get(name, Buffer(name)) for name in reader.inputs)
    return HostCode(tuple(reader.calls), inputs, tuple(reader.outputs))


def _launch_accesses(kernel: Kernel, call: ast.Call) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which buffers a launch reads and writes: its arguments, held against the kernel's own."""
    given = dict(zip((name for name, _ in kernel.arguments), call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    reads = tuple(dict.fromkeys(base_name(given[name]) for name in kernel.reads if name in given))
    writes = tuple(dict.fromkeys(base_name(given[name]) for name in kernel.writes if name in given))
    return reads, writes


def base_name(node: ast.expr) -> str:
    """The buffer behind an expression: `reinterpret_tensor(buf1, (64, 1), ...)` is `buf1`; a literal is itself."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Call(args=[first, *_]):
            return base_name(first)
        case ast.Attribute(value=value) | ast.Subscript(value=value):
            return base_name(value)
        case ast.Constant(value=value):
            return repr(value)
    return ast.unparse(node)


def _buffer_names(node: ast.expr, known: set[str]) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id in known:
            yield inner.id


def _allocated(name: str, call: ast.Call, buffers: Mapping[str, Buffer]) -> Buffer:
    """`empty_strided_cuda((64, 1), (1, 1), torch.float32)`, or a view of another buffer with a shape of its own."""
    arguments = call.args
    if _dotted(call.func).rpartition(".")[2].startswith("empty_strided_"):
        return Buffer(name, _dtype(arguments[2]), _shape(arguments[0]))
    source = buffers.get(base_name(arguments[0]), Buffer(name))
    return Buffer(name, source.dtype, _shape(arguments[1]) if len(arguments) > 1 else source.shape)


def _examples(harness: ast.FunctionDef) -> Iterator[tuple[str, Buffer]]:
    """`primals_1 = rand_strided((64, 1024), (1024, 1), device='cuda:0', dtype=torch.float32)` in the harness."""
    for node in ast.walk(harness):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            if _dotted(node.value.func) != "rand_strided":
                continue
            dtype = next((k.value for k in node.value.keywords if k.arg == "dtype"), None)
            name = node.targets[0].id
            yield name, Buffer(name, _dtype(dtype) if dtype else "", _shape(node.value.args[0]))


def _shape(node: ast.expr) -> tuple[str, ...] | None:
    return tuple(ast.unparse(e) for e in node.elts) if isinstance(node, ast.Tuple) else None


def _dtype(node: ast.expr) -> str:
    name = _dotted(node).removeprefix("torch.")
    return _DTYPES.get(name, name)


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_dotted(value)}.{attribute}"
    return ""


def _comment_before(lines: Sequence[str], line: int) -> Iterator[str]:
    """The comment above a call; the line that fetches the stream stands between them."""
    position = line - 2
    if position >= 0 and lines[position].strip().startswith("raw_stream"):
        position -= 1
    while position >= 0 and lines[position].strip().startswith("#"):
        yield lines[position]
        position -= 1
