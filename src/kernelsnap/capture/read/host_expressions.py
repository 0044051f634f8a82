"""Reads names, types and shapes in host code, and the inputs that the harness around it makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from kernelsnap.model.capture import Buffer

#: The device whose memory is the host's own.
CPU = "cpu"
# torch.float32 as the generated code writes it, and the short form of graph dumps.
DTYPES = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "complex64": "c64", "complex128": "c128",
    "int64": "i64", "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "b8",
}  # fmt: skip


def example_inputs(harness: ast.FunctionDef) -> Iterator[tuple[str, tuple[Buffer, str]]]:
    """Each tensor that the harness makes, by name, and where it is: `cuda:0`, `cpu`.

    primals_1 = rand_strided((64, 1024), (1024, 1), device='cuda:0', dtype=torch.float32)
    """
    for node in ast.walk(harness):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            if dotted_name(node.value.func) != "rand_strided":
                continue
            given = {keyword.arg: keyword.value for keyword in node.value.keywords}
            dtype, device = given.get("dtype"), given.get("device")
            place = str(device.value) if isinstance(device, ast.Constant) else ""
            name = node.targets[0].id
            yield name, (Buffer(name, dtype_of(dtype) if dtype else "", shape_of(node.value.args[0])), place)


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
