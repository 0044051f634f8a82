"""Reads one generated Triton kernel: its kind, iteration space, arguments, and what the heuristics are given."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import FusedOp, Kernel

#: The kind of a kernel that the user wrote.
USER_KERNEL = "user Triton"
#: What a heuristics decorator makes of a function; `torch._inductor.runtime.triton_heuristics`, torch 2.11 to 2.13.
KINDS = {
    "pointwise": "pointwise",
    "reduction": "reduction",
    "cooperative_reduction": "cooperative reduction",
    "persistent_reduction": "persistent reduction",
    "split_scan": "split scan",
    "foreach": "foreach",
    "template": "template",
    "fixed_config": "fixed config",
    "user_autotune": USER_KERNEL,
}

_ATOMICS = tuple(f"atomic_{op}" for op in ("add", "and", "cas", "max", "min", "or", "xchg", "xor"))
# The last part of the callee's name decides: tl.load(in_ptr0 + x0, xmask), tl.atomic_add(out_ptr0 + tmp0, tmp1),
# descriptor.gather(rows, column), tl.load_tensor_descriptor(descriptor, [0, 0]).
_LOADS = ("load", "gather", "load_tensor_descriptor", "_experimental_descriptor_load", *_ATOMICS)
_STORES = ("store", "scatter", "store_tensor_descriptor", "_experimental_descriptor_store", *_ATOMICS)
# *fp32   tensordesc<fp32[32, 64]>   nvTmaDesc
_REACHES_MEMORY = ("*", "tensordesc", "nvTmaDesc")
_POINTER_MAKERS = (
    "advance", "make_block_ptr", "make_tensor_descriptor", "max_contiguous", "multiple_of", "to", "cast", "where",
)  # fmt: skip


@dataclass(frozen=True)
class TritonSource:
    """The parts of the text of a generated Triton kernel."""

    decorator: ast.Call
    function: ast.FunctionDef  # the kernel itself
    tree: ast.Module


def read_triton(name: str, text: str) -> TritonSource:
    """Find the kernel `name` and its heuristics decorator in its generated text.

    Raises:
        UnreadableCodeError: the text is not Python, or holds no such kernel. An empty kernel is never returned: two
            of them would compare as unchanged.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise UnreadableCodeError(f"kernel {name}: its generated text is not Python: {error}") from error
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and _last_name(decorator.func) in KINDS:
                    return TritonSource(decorator, node, tree)
    known = ", ".join(KINDS)
    raise UnreadableCodeError(f"kernel {name}: no function decorated with one of triton_heuristics' {known}")


def triton_kernel(name: str, text: str, ops: tuple[FusedOp, ...] = ()) -> Kernel:
    """The `Kernel` that one `async_compile.triton(name, text)` defines. Raises `UnreadableCodeError`."""
    source = read_triton(name, text)
    keywords = {k.arg: k.value for k in source.decorator.keywords if k.arg}
    triton_meta = _dictionary(keywords.get("triton_meta"))
    inductor_meta = _dictionary(keywords.get("inductor_meta"))
    kind = KINDS[_last_name(source.decorator.func)]
    types = {_text(k): _text(v) for k, v in _items(triton_meta.get("signature"))}
    mutated = _names(inductor_meta.get("mutated_arg_names"))
    pointers = [argument for argument, type_ in types.items() if type_.startswith(_REACHES_MEMORY)]
    reads, writes = _accesses(source, kind == "template", pointers, mutated)
    return Kernel(
        name=name,
        kind=kind,
        language="triton",
        source=text,
        ops=ops,
        sizes=tuple(_sizes(source.function, keywords.get("size_hints"))),
        arguments=tuple(_arguments(types, triton_meta)),
        reads=reads,
        writes=writes,
        meta=tuple(_meta(source.decorator, keywords, triton_meta, inductor_meta)),
    )


def _sizes(function: ast.FunctionDef, hints: ast.expr | None) -> Iterator[tuple[str, str]]:
    """`xnumel = 64` in the body is exact; without it the size is dynamic and only its hint is known.

    A combo kernel has a branch for each of its parts, with sizes of its own: `128+64+1`.
    """
    parts = list(_branches(function.body)) or [function.body]
    exact = [dict(_numels(part)) for part in parts]
    for prefix, _ in _items(hints):
        name = _text(prefix)
        sizes = [part.get(name, "dynamic") for part in exact]
        yield name.removesuffix("_"), "+".join(sizes) if set(sizes) != {"dynamic"} else "dynamic"


def _numels(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)) if name.endswith("numel"):
                yield name.removesuffix("numel"), str(value)


def _branches(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """The parts of a combo kernel: `if pid < num_xblocks_0:`, `elif pid < num_xblocks_1:`, or by `pid % 3 == 0`."""
    for statement in body:
        if isinstance(statement, ast.If) and any(
            isinstance(n, ast.Name) and n.id == "pid" for n in ast.walk(statement.test)
        ):
            yield statement.body
            yield from _branches(statement.orelse)


def _arguments(types: dict[str, str], triton_meta: dict[str, ast.expr]) -> Iterator[tuple[str, str]]:
    """Each argument's type, and what the compiler may assume about its value: `*fp32 align 16`, `i32 = 1`."""
    facts: dict[int, list[str]] = {}
    configs = triton_meta.get("configs")
    for config in configs.elts if isinstance(configs, ast.List) else ():
        for position, properties in _items(config):
            (index,) = ast.literal_eval(position)
            for prop in ast.literal_eval(properties):
                label = "align" if prop[0] == "tt.divisibility" else str(prop[0])
                facts.setdefault(index, []).append(f"{label} {prop[1]}")
    constants = {_text(name): canonical_literal(value) for name, value in _items(triton_meta.get("constants"))}
    for place, (argument, type_) in enumerate(types.items()):
        value = f" = {constants[argument]}" if argument in constants else ""
        yield argument, " ".join([type_, *facts.get(place, ())]) + value


def _accesses(
    source: TritonSource, is_template: bool, pointers: list[str], mutated: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which pointers a kernel reads and which it writes, from its loads and stores, and those of its helpers.

    A pointer that is neither loaded from nor stored to (it goes to a function of a library) counts as read, and as
    written if Inductor says that it is mutated or its name says that it is an output.
    """
    helpers = {node.name: node for node in source.tree.body if isinstance(node, ast.FunctionDef)}
    # A template is one kernel in several functions, which hand its arguments on under their own names.
    body, known = (source.tree, {}) if is_template else (source.function, helpers)
    loaded, stored = _touched(body, {pointer: {pointer} for pointer in pointers}, known)
    stored |= mutated | {p for p in pointers if p.startswith(("out_ptr", "in_out_ptr"))}
    reads = tuple(p for p in pointers if p in loaded or p not in stored)
    writes = tuple(p for p in pointers if p in stored)
    return reads, writes


def _touched(
    body: ast.AST, pointing: Mapping[str, set[str]], helpers: Mapping[str, ast.FunctionDef]
) -> tuple[set[str], set[str]]:
    """The arguments of the kernel that a function loads from, and those that it stores to.

    `pointing`: what each parameter of the function points into.
    """
    nodes = [node for node in ast.walk(body) if isinstance(node, ast.Assign | ast.Call)]
    # Functions that are part of the body are read with it.
    inside = {node.name for node in ast.walk(body) if isinstance(node, ast.FunctionDef)}
    origins = _origins(nodes, pointing)
    loaded: set[str] = set()
    stored: set[str] = set()
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        callee = _last_name(node.func)
        if callee in (*_LOADS, *_STORES):
            # tl.load(pointer), descriptor.load([0, 0])
            places = [*node.args[:1], *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
            names = {n.id for place in places for n in ast.walk(place) if isinstance(n, ast.Name)}
            touched = {pointer for name in names for pointer in origins.get(name, ())}
            loaded |= touched if callee in _LOADS else set()
            stored |= touched if callee in _STORES else set()
        elif callee in helpers and isinstance(node.func, ast.Name):
            # A helper that calls itself is read once.
            others = {name: helper for name, helper in helpers.items() if name != callee}
            given = {name: _points_into(value, origins) for name, value in _passed(helpers[callee], node)}
            inner_loaded, inner_stored = _touched(helpers[callee], given, others)
            loaded |= inner_loaded
            stored |= inner_stored
        elif callee not in _POINTER_MAKERS and callee not in inside:
            loaded |= set().union(*(_points_into(value, origins) for value in node.args))
    return loaded, stored


def _passed(function: ast.FunctionDef, call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """The parameters of a function with what a call of it passes."""
    yield from zip((parameter.arg for parameter in function.args.args), call.args, strict=False)
    yield from ((keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg)


def _origins(nodes: Iterable[ast.AST], pointing: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The arguments that each name points into: after `rows = LSE + offset`, `rows` points into what LSE does."""
    origins = {name: set(pointers) for name, pointers in pointing.items()}
    assignments = [
        (target.id, node.value)
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    grown = True
    while grown:
        grown = False
        for name, value in assignments:
            found = _points_into(value, origins) - origins.get(name, set())
            if found:
                origins.setdefault(name, set()).update(found)
                grown = True
    return origins


def _points_into(node: ast.expr, origins: Mapping[str, set[str]]) -> set[str]:
    """The arguments that an expression points into; what is loaded from one points nowhere."""
    match node:
        case ast.Name(id=name):
            return origins.get(name, set())
        case ast.BinOp(left=left, right=right) | ast.IfExp(body=left, orelse=right):
            return _points_into(left, origins) | _points_into(right, origins)
        # ws_ptr.to(tl.pointer_type(tl.uint64))
        case ast.Call(func=ast.Attribute(value=value, attr="to" | "cast")):
            return _points_into(value, origins)
        case ast.Call(func=function, args=arguments, keywords=keywords) if _last_name(function) in _POINTER_MAKERS:
            values = [*arguments, *(keyword.value for keyword in keywords)]
            return set().union(*(_points_into(value, origins) for value in values))
    return set()


@lru_cache(maxsize=1024)
def passed_arguments(kernel: Kernel) -> tuple[str, ...]:
    """The arguments of a kernel that a launch passes, in order: those that its definition does not call constants."""
    names = tuple(name for name, _ in kernel.arguments)
    if kernel.language != "triton" or not kernel.source:
        return names
    parameters = read_triton(kernel.name, kernel.source).function.args.args
    constants = {p.arg for p in parameters if p.annotation is not None and _last_name(p.annotation) == "constexpr"}
    return tuple(name for name in names if name not in constants)


def _meta(
    decorator: ast.Call,
    keywords: dict[str, ast.expr],
    triton_meta: dict[str, ast.expr],
    inductor_meta: dict[str, ast.expr],
) -> Iterator[tuple[str, str]]:
    """Everything else that the decorator says, one flat list; `kernelsnap.normalize.meta` decides what stays."""
    taken = {"triton_meta", "inductor_meta", "filename"}
    for argument in decorator.args:
        yield "argument", canonical_literal(argument)
    for name, value in keywords.items():
        if name not in taken:
            yield name, canonical_literal(value)
    for name, value in triton_meta.items():
        if name not in ("signature", "constants", "configs"):
            yield f"triton.{name}", canonical_literal(value)
    for name, value in inductor_meta.items():
        if name == "config_args":  # what a template was rendered with: each parameter a line of its own
            for parameter, setting in _items(value):
                yield f"template.{_text(parameter)}", canonical_literal(setting)
        else:
            yield name, canonical_literal(value)


def canonical_literal(node: ast.expr) -> str:
    """A literal or enum value as text that does not depend on the Python version, nor on the order of a set or dict."""
    match node:
        case ast.Constant(value=value):
            return repr(value)
        case ast.Dict():
            pairs = sorted((canonical_literal(k), canonical_literal(v)) for k, v in _items(node))
            return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
        case ast.Set(elts=elements):
            return "{" + ", ".join(sorted(canonical_literal(e) for e in elements)) + "}"
        case ast.List(elts=elements):
            return "[" + ", ".join(canonical_literal(e) for e in elements) + "]"
        case ast.Tuple(elts=elements):
            return "(" + ", ".join(canonical_literal(e) for e in elements) + ")"
        case ast.Attribute(value=value, attr=attribute):
            return f"{canonical_literal(value)}.{attribute}"
        case ast.Name(id=name):
            return name
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"-{canonical_literal(operand)}"
        case ast.Call(func=function, args=arguments, keywords=keywords):
            inner = [canonical_literal(a) for a in arguments]
            inner += [f"{k.arg}={canonical_literal(k.value)}" for k in keywords]
            return f"{canonical_literal(function)}({', '.join(inner)})"
    raise UnreadableCodeError(f"a kernel's decorator holds an expression that is no literal: {ast.dump(node)[:200]}")


def _dictionary(node: ast.expr | None) -> dict[str, ast.expr]:
    return {_text(key): value for key, value in _items(node)}


def _items(node: ast.expr | None) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                yield key, value


def _names(node: ast.expr | None) -> set[str]:
    return set(ast.literal_eval(node)) if isinstance(node, ast.List | ast.Set | ast.Tuple) else set()


def _text(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else canonical_literal(node)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
