"""What the host code of a graph gives to its kernels and libraries: read from its syntax tree, never executed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.errors import CannotTellError

#: What tells shape and stride of a tensor; the second, of torch 2.14 and later, its dtype as well.
LAYOUT_ASSERTIONS = ("assert_size_stride", "assert_tensor_metadata")
_DTYPES = {
    "float32": "fp32", "float64": "fp64", "float16": "fp16", "bfloat16": "bf16", "int64": "i64", "int32": "i32",
    "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "i1", "float8_e4m3fn": "fp8e4nv", "float8_e5m2": "fp8e5",
    "uint32": "u32", "uint64": "u64", "uint16": "u16", "float8_e4m3fnuz": "fp8e4b8", "float8_e5m2fnuz": "fp8e5b16",
}  # fmt: skip
# As a plan names them.
_PLAN_DTYPES = {
    "f64": "fp64", "f32": "fp32", "f16": "fp16", "bf16": "bf16", "i64": "i64", "i32": "i32", "i16": "i16", "i8": "i8",
    "u8": "u8", "b8": "i1", "f8e4m3fn": "fp8e4nv", "f8e5m2": "fp8e5",
}  # fmt: skip
# Before the name of a tensor, where names are kept: no name of Python begins so.
_KIND = "type of "
_MOST_STATEMENTS = 200_000


@dataclass(frozen=True)
class Tensor:
    """A tensor of the host code: where it lives, and how it is laid out."""

    storage: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str = ""
    offset: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no layout. Raises `CannotTellError`."""
        if len(self.shape) != len(self.stride):
            raise CannotTellError(f"a tensor has {len(self.shape)} sizes and {len(self.stride)} strides")

    @property
    def elements(self) -> int:
        """How many elements it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def extent(self) -> int:
        """From its first element to behind its last, in elements."""
        if not self.elements:
            return 0
        return 1 + sum((size - 1) * abs(step) for size, step in zip(self.shape, self.stride, strict=True))


@dataclass(frozen=True)
class HostCall:
    """One call that runs something on the GPU: a kernel, a library, an operation."""

    name: str  # `k0`, `extern_kernels.mm`, `aten.sort`
    arguments: tuple[Any, ...]  # tensors, numbers, None; what is not known is `UNKNOWN`
    named: dict[str, Any] = field(default_factory=dict)
    result: str = ""


class _Unknown:
    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = _Unknown()


def read_host(text: str, kinds: Iterable[tuple[str, str]] = ()) -> list[HostCall]:
    """The calls of a graph's host code, in order, with what they are given.

    Args:
        text: the host code.
        kinds: types of tensors by name, as the plan has them: `f32`. The host code does not give those of inputs.

    Raises:
        CannotTellError: the text is no Python.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CannotTellError(f"the host code is no Python ({type(error).__name__})") from error
    names: dict[str, Any] = {_KIND + name: _PLAN_DTYPES.get(kind, "") for name, kind in kinds}
    function = next(
        (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "call"),
        next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)), None),
    )
    if function is None:
        raise CannotTellError("the host code has no function")
    calls: list[HostCall] = []
    for count, statement in enumerate(_flat(function.body)):
        if count > _MOST_STATEMENTS:
            raise CannotTellError("the host code is too long")
        calls += _statement(statement, names)
    return calls


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.With):
            yield from _flat(statement.body)
        else:
            yield statement


def _statement(statement: ast.stmt, names: dict[str, Any]) -> Iterator[HostCall]:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        result = target.id if isinstance(target, ast.Name) else ""
        value = statement.value
        if isinstance(value, ast.Call) and (found := _device_call(value, names, result)):
            yield found
            # What a call returns is not known, but where the code says so in the lines that follow.
            names[result] = UNKNOWN
            return
        made = _value(value, names, result)
        if isinstance(target, ast.Tuple):
            for index, one in enumerate(target.elts):
                if isinstance(one, ast.Name):
                    names[one.id] = made[index] if isinstance(made, tuple) and index < len(made) else UNKNOWN
        elif result:
            names[result] = made
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        name = _dotted(call.func)
        if name in LAYOUT_ASSERTIONS and len(call.args) > 2 and isinstance(call.args[0], ast.Name):
            about = call.args[0].id
            shape, stride, *others = (_value(argument, names) for argument in call.args[1:4])
            old = names.get(about)
            if _whole(shape) and _whole(stride):
                dtype = others[0] if name == "assert_tensor_metadata" and others else names.get(_KIND + about)
                new = (about, dtype if isinstance(dtype, str) else "", 0)
                kept = (old.storage, old.dtype, old.offset) if isinstance(old, Tensor) else new
                names[about] = Tensor(kept[0], shape, stride, kept[1], kept[2])
        elif found := _device_call(call, names, ""):
            yield found


def _whole(value: Any) -> bool:
    return isinstance(value, tuple) and all(type(part) is int for part in value)


def _dotted(node: ast.expr) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *parts[::-1]]) if isinstance(node, ast.Name) else ".".join(["?", *parts[::-1]])


# Calls that launch nothing, or whose result is only another name.
_SILENT = (
    "args.", "torch.cuda.", "get_raw_stream", "assert_", "copy_if_misaligned", "del", "empty_", "reinterpret_tensor",
    "torch._C", "run_intermediate_hooks", "AsyncCompile", "async_compile", "len", "print", "_DeviceGuard", "alloc_",
    "math.", "max", "min", "int", "float", "range", "rand_strided", "streams",
)  # fmt: skip
_VIEWS = ("view", "reshape", "expand", "permute", "as_strided", "detach")


def _device_call(node: ast.Call, names: dict[str, Any], result: str) -> HostCall | None:
    """The call, if it runs something on the GPU."""
    dotted = _dotted(node.func)
    if dotted.startswith(_SILENT) or dotted.rpartition(".")[2] in _VIEWS:
        return None
    name = dotted.removesuffix(".run") if dotted.endswith(".run") else dotted
    arguments = [_value(argument, names) for argument in node.args if not isinstance(argument, ast.Starred)]
    if isinstance(node.func, ast.Attribute) and (
        name.startswith("?") or isinstance(names.get(name.partition(".")[0]), Tensor)
    ):
        # A method of a tensor: `workspace.zero_()`, `workspace[...].view(8, 64).sum(dim=0)`.
        arguments.insert(0, _value(node.func.value, names))
        name = f"tensor.{node.func.attr}"
    named = {keyword.arg: _value(keyword.value, names) for keyword in node.keywords if keyword.arg}
    return HostCall(name, tuple(arguments), named, result)


def _value(node: ast.expr, names: dict[str, Any], result: str = "") -> Any:
    """A number, a tensor or a tuple of such; `UNKNOWN` for anything else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id, UNKNOWN)
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(element, names) for element in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand, names)
        return -value if isinstance(value, int | float) else UNKNOWN
    if isinstance(node, ast.BinOp):
        return _number(node, names)
    if isinstance(node, ast.Call):
        return _made(node, names, result)
    if isinstance(node, ast.Subscript):
        return _slice(node, names)
    if isinstance(node, ast.Attribute) and _dotted(node).startswith("torch."):
        return _DTYPES.get(node.attr, UNKNOWN)
    return UNKNOWN


def _number(node: ast.BinOp, names: dict[str, Any]) -> Any:
    left, right = _value(node.left, names), _value(node.right, names)
    if type(left) is not int or type(right) is not int or abs(left) > 2**62 or abs(right) > 2**62:
        return UNKNOWN
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.FloorDiv) and right:
        return left // right
    return UNKNOWN


def _made(node: ast.Call, names: dict[str, Any], result: str) -> Any:
    name = _dotted(node.func)
    arguments = [_value(argument, names) for argument in node.args]
    last = name.rpartition(".")[2]
    if name.startswith("empty_strided") and len(arguments) >= 3 and _whole(arguments[0]) and _whole(arguments[1]):
        dtype = arguments[2] if isinstance(arguments[2], str) else ""
        return Tensor(result or f"line {node.lineno}", arguments[0], arguments[1], dtype)
    if name == "reinterpret_tensor" and len(arguments) >= 3 and isinstance(arguments[0], Tensor):
        base, shape, stride = arguments[:3]
        offset = arguments[3] if len(arguments) > 3 and type(arguments[3]) is int else 0
        if _whole(shape) and _whole(stride):
            return Tensor(base.storage, shape, stride, base.dtype, offset)
    if name == "copy_if_misaligned" and arguments:
        return arguments[0]
    if last in _VIEWS and isinstance(node.func, ast.Attribute):
        base = _value(node.func.value, names)
        if isinstance(base, Tensor) and _whole(tuple(arguments)) and -1 not in arguments:
            shape = tuple(arguments)
            return Tensor(base.storage, shape, _contiguous(shape), base.dtype, base.offset)
        return base
    return UNKNOWN


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(strides[::-1])


def _slice(node: ast.Subscript, names: dict[str, Any]) -> Any:
    base = _value(node.value, names)
    if isinstance(base, tuple) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int):
        return base[node.slice.value] if -len(base) <= node.slice.value < len(base) else UNKNOWN
    if isinstance(base, Tensor) and isinstance(node.slice, ast.Slice) and node.slice.lower and node.slice.upper:
        low, high = _value(node.slice.lower, names), _value(node.slice.upper, names)
        if type(low) is int and type(high) is int and len(base.shape) == 1:
            return Tensor(base.storage, (max(0, high - low),), (1,), base.dtype, base.offset + low)
    return UNKNOWN
