"""Reads single expressions of host code: names, types, shapes, what is allocated, and what a call changes in place."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from kernelsnap.model.capture import Buffer

# torch.float32 as the generated code writes it, and the short form of graph dumps.
DTYPES = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "complex64": "c64", "complex128": "c128",
    "int64": "i64", "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "b8",
}  # fmt: skip

# The namespaces of operators, as the generated code abbreviates them.
_ALIASES = {"aten": "torch.ops.aten", "inductor_ops": "torch.ops.inductor", "_quantized": "torch.ops._quantized"}


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


def buffers_in(node: ast.expr, known: set[str]) -> Iterator[str]:
    """The names of known buffers in an expression, each as often as it occurs."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id in known:
            yield inner.id


def allocated(name: str, call: ast.Call, buffers: Mapping[str, Buffer]) -> Buffer:
    """`empty_strided_cuda((64, 1), (1, 1), torch.float32)`, or a view of another buffer with a shape of its own."""
    arguments = call.args
    callee = dotted_name(call.func).rpartition(".")[2]
    if callee.startswith("empty_strided_"):
        return Buffer(name, dtype_of(arguments[2]), shape_of(arguments[0]))
    if callee == "alloc_from_pool":  # alloc_from_pool(pool, 0, torch.float32, (64, 64), (64, 1))
        return Buffer(name, dtype_of(arguments[2]), shape_of(arguments[3]))
    source = buffers.get(base_name(arguments[0]), Buffer(name))
    return Buffer(name, source.dtype, shape_of(arguments[1]) if len(arguments) > 1 else source.shape)


def example_inputs(harness: ast.FunctionDef) -> Iterator[tuple[str, Buffer]]:
    """`primals_1 = rand_strided((64, 1024), (1024, 1), device='cuda:0', dtype=torch.float32)` in the harness."""
    for node in ast.walk(harness):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            if dotted_name(node.value.func) != "rand_strided":
                continue
            dtype = next((k.value for k in node.value.keywords if k.arg == "dtype"), None)
            name = node.targets[0].id
            yield name, Buffer(name, dtype_of(dtype) if dtype else "", shape_of(node.value.args[0]))


def shape_of(node: ast.expr) -> tuple[str, ...] | None:
    """The sizes that a tuple gives, as expressions; None for what is no tuple."""
    return tuple(ast.unparse(e) for e in node.elts) if isinstance(node, ast.Tuple) else None


def elements_of(node: ast.expr) -> list[ast.expr]:
    """What a tuple holds; nothing for what is no tuple."""
    return node.elts if isinstance(node, ast.Tuple) else []


def dtype_of(node: ast.expr) -> str:
    """The short form of `torch.float32`; a type without one as it is written, without `torch.`."""
    name = dotted_name(node).removeprefix("torch.")
    return DTYPES.get(name, name)


def dotted_name(node: ast.expr) -> str:
    """`torch.ops.aten.sort` as it is written; "" for what is no name with attributes."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{dotted_name(value)}.{attribute}"
    return ""


def changed_arguments(callee: str, call: ast.Call) -> list[ast.expr]:
    """The arguments that `callee` writes to, results under `out` not counted; none where it is no known operator."""
    schema = _schema(callee)
    if schema is None:
        return []
    names = [argument.name for argument in schema.arguments]
    given: dict[str, ast.expr] = dict(zip(names, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    changed = [a.name for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    return [given[name] for name in changed if name in given and name != "out"]


def _schema(callee: str) -> Any:
    """The schema of `torch.ops.aten.sort.stable`, or of the default overload of `aten.index_put_`."""
    first, _, rest = callee.partition(".")
    path = f"{_ALIASES.get(first, first)}.{rest}".split(".")
    if path[:2] != ["torch", "ops"]:
        return None
    # Imported late: the rest of this package reads text without torch.
    import torch

    from kernelsnap.capture import private

    operator: Any = torch.ops
    for name in path[2:]:
        operator = getattr(operator, name, None)
    if isinstance(operator, private.OPERATOR_PACKET.get()):
        operator = getattr(operator, "default", None)
    return getattr(operator, private.OPERATOR_SCHEMA.name, None)
