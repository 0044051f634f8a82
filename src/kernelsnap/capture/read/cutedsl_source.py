"""Read one generated CuteDSL kernel: its arguments, what it reads and writes, and what it asks of the library.

Inductor's CuteDSL kernels are host functions in CUTLASS' Python DSL that call into a library, flash attention:

    def cutedsl_fused_flex_attention_101f4a15_main(arg_Q, arg_K, arg_V, arg_LOGSUMEXP, out_ptr0, stream):
        ...
        _flash_attn_fwd(q_transposed, ..., softmax_scale=0.125, score_mod=score_mod, out=output_transposed, ...)

Checked on torch 2.13 (`torch._inductor.codegen.cutedsl`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kernelsnap.capture.read.host_expressions import DTYPES
from kernelsnap.capture.read.kernel_source import canonical_literal
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import Buffer, FusedOp, Kernel

#: The kernel's own function: its name, then this.
MAIN = "_main"
# Keywords of a library's call that name what it fills.
_OUTPUTS = ("out", "lse", "dq", "dk", "dv")
_LIBRARY = "flash_attn."


def cutedsl_kernel(
    name: str, text: str, metadata: ast.expr | None, inputs: Sequence[Buffer], ops: tuple[FusedOp, ...]
) -> Kernel:
    """The `Kernel` that one `async_compile.cutedsl(name, text, precompile_metadata=metadata)` defines.

    `inputs` are the tensors that the comment above it names: what it is given, in order, where that is known.

    Raises:
        UnreadableCodeError: the text is not Python, or does not define the kernel.
    """
    main = read_cutedsl(name, text)
    parameters = [argument.arg for argument in main.args.args if argument.arg != "stream"]
    writes = _written(main, parameters)
    facts = ast.literal_eval(metadata) if metadata is not None else {}
    return Kernel(
        name=name,
        kind="CuteDSL",
        language="cutedsl",
        source=text,
        ops=ops,
        arguments=tuple((parameter, _type(parameter, facts, typed(parameters, inputs))) for parameter in parameters),
        reads=tuple(parameter for parameter in parameters if parameter not in writes),
        writes=tuple(parameter for parameter in parameters if parameter in writes),
        meta=tuple(_meta(main, facts)),
    )


def read_cutedsl(name: str, text: str) -> ast.FunctionDef:
    """The function of the kernel `name` in its generated text. Raises `UnreadableCodeError`."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise UnreadableCodeError(f"kernel {name}: its generated text is not Python: {error}") from error
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name + MAIN:
            return node
    raise UnreadableCodeError(f"kernel {name}: its generated text defines no function {name}{MAIN}")


def typed(parameters: Sequence[str], inputs: Sequence[Buffer]) -> dict[str, Buffer]:
    """Which tensor of a kernel's comment belongs to which parameter: both are in the order of the call.

    Outputs come last and have no tensor there; where the numbers do not agree, nothing is known.
    """
    given = [parameter for parameter in parameters if not parameter.startswith(("out_ptr", "stream"))]
    return dict(zip(given, inputs, strict=True)) if len(given) == len(inputs) else {}


def _type(parameter: str, facts: dict[str, dict[str, object]], known: dict[str, Buffer]) -> str:
    """`f16[2, 4, 512, 64] strides 131072 32768 64 1`; for a captured buffer without strides, or nothing."""
    key = "output" if parameter.startswith("out_ptr") else parameter.removeprefix("arg_")
    shapes, strides, dtypes = (facts.get(f"precompile_{fact}") or {} for fact in ("shapes", "strides", "dtypes"))
    if key in shapes and key in strides and key in dtypes:
        shape = ", ".join(map(str, shapes[key]))  # type: ignore[call-overload]
        dtype = str(dtypes[key])
        return f"{DTYPES.get(dtype, dtype)}[{shape}] strides {' '.join(map(str, strides[key]))}"  # type: ignore[call-overload]
    return tensor_type(known.get(parameter, Buffer(parameter)))


def tensor_type(buffer: Buffer) -> str:
    """`f16[4]`; `f16[dynamic]` for a symbol, whose name means nothing here; `?` where nothing is known."""
    sizes = buffer.shape and tuple(size if size.isdecimal() else "dynamic" for size in buffer.shape)
    return str(replace(buffer, shape=sizes)).removeprefix(buffer.name).strip() or "?"


def _written(main: ast.FunctionDef, parameters: Sequence[str]) -> set[str]:
    """What the kernel fills: its outputs, and what it hands to the library under the name of a result."""
    origins = {parameter: parameter for parameter in parameters}
    written = {parameter for parameter in parameters if parameter.startswith(("out_ptr", "in_out_ptr"))}
    for statement in main.body:
        match statement:
            # output = out_ptr0   output_transposed = output.transpose(1, 2)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if (source := _base(value)) in origins:
                origins[name] = origins[source]
            case ast.Expr(value=ast.Call(keywords=keywords)):
                filled = (_base(keyword.value) for keyword in keywords if keyword.arg in _OUTPUTS)
                written |= {origins[name] for name in filled if name in origins}
    return written


def _base(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Call(func=ast.Attribute(value=value)):
            return _base(value)
    return ""


def _meta(main: ast.FunctionDef, facts: dict[str, object]) -> Iterator[tuple[str, str]]:
    """What the library is called with, apart from tensors: every literal of its call, block and vector sizes."""
    for name, value in facts.items():
        if name not in ("precompile_shapes", "precompile_strides", "precompile_dtypes"):
            yield f"precompile.{name}", repr(value)
    library = {
        alias.name: node.module
        for node in ast.walk(main)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_LIBRARY)
        for alias in node.names
    }
    for node in ast.walk(main):
        match node:
            case ast.Call(func=ast.Name(id=callee), keywords=keywords) if callee in library:
                yield "calls" if callee.startswith("_") else "uses", f"{library[callee]}.{callee}"
                for keyword in keywords:
                    if keyword.arg and _is_literal(keyword.value):
                        yield keyword.arg, canonical_literal(keyword.value)
            # score_mod.__vec_size__ = 1
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id=function), attr="__vec_size__")], value=ast.Constant() as size
            ):
                yield f"{function}.vec_size", canonical_literal(size)
            # block_sparse_kwargs = {"block_size": (128, 128)}
            case ast.Assign(targets=[ast.Name()], value=ast.Dict(keys=keys, values=values)):
                for key, value in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and _is_literal(value):
                        yield str(key.value), canonical_literal(value)


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True
