"""Splits a generated module into its parts: kernel definitions, host code, and the harness around them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernelsnap.errors import UnreadableCodeError

# Kernel definitions: name = async_compile.triton('name', '''source''', device_str='cuda'); torch 2.11 to 2.13.
_DEFINERS = {"triton": "triton", "cpp_pybinding": "cpp", "cpp": "cpp", "cutedsl": "cutedsl"}
# What else is in a module, apart from kernels and `call`: it never runs when the graph runs.
_HARNESS_FUNCTIONS = ("get_args", "benchmark_compiled_module", "recursively_apply_fns", "__init__")
# Aliases at the top of every module, by the name that they bind, with what they bind it to (torch 2.11 to 2.13).
_PREAMBLE = {
    "aten": "torch.ops.aten",
    "inductor_ops": "torch.ops.inductor",
    "_quantized": "torch.ops._quantized",
    "assert_size_stride": "torch._C._dynamo.guards.assert_size_stride",
    "assert_alignment": "torch._C._dynamo.guards.assert_alignment",
    "empty_strided_cpu": "torch._C._dynamo.guards._empty_strided_cpu",
    "empty_strided_cpu_pinned": "torch._C._dynamo.guards._empty_strided_cpu_pinned",
    "empty_strided_cuda": "torch._C._dynamo.guards._empty_strided_cuda",
    "empty_strided_xpu": "torch._C._dynamo.guards._empty_strided_xpu",
    "empty_strided_mtia": "torch._C._dynamo.guards._empty_strided_mtia",
    "reinterpret_tensor": "torch._C._dynamo.guards._reinterpret_tensor",
    "alloc_from_pool": "torch.ops.inductor._alloc_from_pool",
    "empty_strided_p2p": "torch._C._distributed_c10d._SymmetricMemory.empty_strided_p2p",
    "async_compile": "AsyncCompile()",
    "runner": "Runner(partitions=[])",
    "call": "runner.call",
    "recursively_apply_fns": "runner.recursively_apply_fns",
}
# assert_size_stride_grouped = torch._C._dynamo.guards.assert_size_stride_grouped   (new in torch 2.14)
_GUARDS = "torch._C._dynamo.guards"


@dataclass(frozen=True)
class KernelText:
    """A kernel definition, as written in the module."""

    name: str
    language: str
    source: str
    comment: tuple[str, ...]  # the comment lines right above it
    arguments: tuple[str, ...] = ()  # C++ only: the types of its parameters
    metadata: ast.expr | None = None  # CuteDSL only: the types, shapes and strides of its arguments


@dataclass(frozen=True)
class ModuleText:
    """The parts of a generated module."""

    kernels: tuple[KernelText, ...]
    host: str  # every statement that is no kernel definition, import, alias or harness, comments kept
    harness: ast.FunctionDef | None  # the function that makes example inputs: it names their types and shapes


def read_module(text: str) -> ModuleText:
    """Take a generated module apart. A statement of an unknown form is host code: nothing is dropped by default.

    Raises:
        UnreadableCodeError: the text is not Python (the C++ wrapper, say), or defines no `call`.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise UnreadableCodeError(
            f"the generated module is not Python (is `cpp_wrapper` on? kernelsnap reads the Python wrapper): {error}"
        ) from error
    lines = text.splitlines()
    kernels: list[KernelText] = []
    host: list[str] = []
    harness: ast.FunctionDef | None = None
    calls = 0
    for node in tree.body:
        if (kernel := _kernel(node, lines)) is not None:
            kernels.append(kernel)
        elif isinstance(node, ast.FunctionDef) and node.name in ("get_args", "benchmark_compiled_module"):
            harness = harness or node
        elif isinstance(node, ast.ClassDef) and node.name == "Runner":
            methods = [m for m in node.body if isinstance(m, ast.FunctionDef) and m.name not in _HARNESS_FUNCTIONS]
            calls += sum(method.name == "call" for method in methods)
            for method in methods:
                host += _dedented(lines, method)
        elif not _is_plumbing(node):
            calls += isinstance(node, ast.FunctionDef) and node.name == "call"
            host += _dedented(lines, node)
    if not calls:
        raise UnreadableCodeError("the generated module defines no `call`: nothing in it would run")
    return ModuleText(tuple(kernels), "\n".join(host) + "\n", harness)


def _kernel(node: ast.stmt, lines: Sequence[str]) -> KernelText | None:
    if not (
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name)
    ):
        return None
    function = node.value.func
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
        return None
    if function.value.id != "async_compile" or function.attr not in _DEFINERS:
        return None
    last = node.value.args[-1] if node.value.args else None
    source = last.value if isinstance(last, ast.Constant) else None
    if not isinstance(source, str) or not source.strip():
        raise UnreadableCodeError(f"kernel {node.targets[0].id} is defined with no source text")
    types = next((a for a in node.value.args if isinstance(a, ast.List)), None)
    keywords = {keyword.arg: keyword.value for keyword in node.value.keywords}
    return KernelText(
        name=node.targets[0].id,
        language=_DEFINERS[function.attr],
        source=source,
        comment=tuple(_comment_above(lines, node.lineno)),
        arguments=tuple(ast.literal_eval(types)) if types is not None else (),
        metadata=keywords.get("precompile_metadata"),
    )


def _comment_above(lines: Sequence[str], line: int) -> Iterator[str]:
    start = line - 1
    while start > 0 and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    yield from lines[start : line - 1]


def _is_plumbing(node: ast.stmt) -> bool:
    """Imports, aliases bound to just what their names say, and the `__main__` block."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return _is_alias(node.targets[0].id, ast.unparse(node.value))
    if isinstance(node, ast.Delete):
        return ast.unparse(node) == "del async_compile"
    if isinstance(node, ast.Expr):
        # async_compile.wait(globals()), and the docstring in which compile-time autotuning keeps its own code
        return isinstance(node.value, ast.Constant) or ast.unparse(node) == "async_compile.wait(globals())"
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _is_alias(name: str, value: str) -> bool:
    """Whether a name is bound to its known value; an unknown name, to the C++ helper of that very name."""
    if name in _PREAMBLE:
        return _PREAMBLE[name] == value
    return value in (f"{_GUARDS}.{name}", f"{_GUARDS}._{name}")


def _dedented(lines: Sequence[str], node: ast.stmt) -> list[str]:
    """The lines of a statement, its indentation removed; it starts and ends where Python says that it does."""
    body = lines[node.lineno - 1 : node.end_lineno]
    return [line[node.col_offset :] if not line[: node.col_offset].strip() else line for line in body]
