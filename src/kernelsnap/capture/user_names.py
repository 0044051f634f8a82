"""Finds the names that the user gave the tensors of a graph: parameters, buffers, arguments, and their gradients.

Dynamo knows for each input of a graph where it comes from, its source: `L['self']._modules['a']._parameters['weight']`.
AOTAutograd describes each input and output of the graphs that it makes of that one by these inputs: "the gradient of
input 3". Both together give each tensor its name, the same in the forward and in the backward graph.

A name comes from code that is not ours. It is used as it is, except that

- a character that is a blank, cannot be printed, or is `#`, becomes `_`;
- of a name longer than 100 characters the first 91 stay, then `~` and eight digits of the whole name's SHA-256;
- of several inputs with the same name (an argument `weight` and the module's own `weight`) all but the first have `#2`,
  `#3`, ... at their end;
- one that Dynamo made up, or that holds an address, is no name.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch

from kernelsnap.capture import private

# Where a module keeps what it is made of; no part of a qualified name.
_OF_MODULES = ("_modules", "_parameters", "_buffers")
# An address, or a counter of the process, in a name that Dynamo made up: another one in every run.
_OF_THE_RUN = re.compile(r"\d{9}|0x[0-9a-f]{6}")
_LONGEST, _DIGITS = 100, 8
# getitem_1, backwards: 1_metiteg
_NUMBERED = re.compile(r"(?:\d+_)*")


@dataclass(frozen=True)
class TensorNames:
    """The names of tensors of one graph. What is not known is not there."""

    inputs: tuple[tuple[str, str], ...] = ()  # the generated name of an input, and the user's: ("primals_1", "x")
    outputs: tuple[tuple[str, str], ...] = ()  # the buffer of an output, and what it is: ("buf7", "grad(x)")


UNNAMED = TensorNames()


@dataclass(frozen=True)
class _Inputs:
    """The user's names of what a graph of Dynamo's is given: in its order, and of its own parameters."""

    arguments: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


class NamedGraphs:
    """The names of the inputs of each graph that Dynamo traced, for as long as that is compiled."""

    def __init__(self) -> None:
        """None is known yet."""
        self._inputs: WeakKeyDictionary[Any, _Inputs] = WeakKeyDictionary()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Note the names of every graph that Dynamo gives Inductor inside the block."""
        original = private.COMPILE_FX.get()

        def compile_fx(graph: Any, *args: Any, **kwargs: Any) -> Any:
            context = private.TRACING_CONTEXT.get()()
            if context is not None and isinstance(graph, torch.fx.GraphModule) and context not in self._inputs:
                self._inputs[context] = _names_of_inputs(graph)
            return original(graph, *args, **kwargs)

        with private.COMPILE_FX.replaced(compile_fx):
            yield

    def of(self, graph: Any) -> TensorNames:
        """The names in a graph (`GraphLowering`), while it is compiled; a backward graph has those of its forward."""
        context = private.TRACING_CONTEXT.get()()
        given = self._inputs.get(context, _Inputs()) if context is not None else _Inputs()
        nodes = graph.module.graph.nodes
        inputs, saved = [], Counter[str]()
        for node in nodes:
            if node.op == "placeholder" and _is_tensor(node):
                described = node.meta.get("desc")
                saves = graph.is_backward and described is None
                inputs.append((node.target, _saved(node, saved) if saves else _described(described, given)))
        outputs = [] if graph.is_inference else _outputs(graph, given)
        return TensorNames(*(tuple(pair for pair in pairs if pair[1]) for pairs in (inputs, outputs)))


def _outputs(graph: Any, given: _Inputs) -> list[tuple[str, str]]:
    """What each output of a graph of a training step is; those that it only passes on have the name of the input."""
    (output,) = [node for node in graph.module.graph.nodes if node.op == "output"]
    described, results, names = output.meta.get("desc"), output.args[0], private.OUTPUT_NAMES.of(graph)()
    if described is None or not len(described) == len(results) == len(names):
        return []
    found, saved = [], Counter[str]()
    for one, node, name in zip(described, results, names, strict=True):
        if isinstance(node, torch.fx.Node) and node.op != "placeholder" and _is_tensor(node):
            saves = type(one).__name__ in ("SavedForBackwardsAOTOutput", "SavedForBackwardsNoVcCheckAOTOutput")
            found.append((name, _saved(node, saved) if saves else _described(one, given)))
        elif type(one).__name__ == "GradAOTOutput" and isinstance(node, torch.fx.Node):
            found.append((name, _described(one, given)))
    return found


def _saved(node: torch.fx.Node, seen: Counter[str]) -> str:
    """A tensor that the forward graph computes for the backward graph: `saved(rsqrt)`, and then `saved(rsqrt.1)`."""
    number = _NUMBERED.match(node.name[::-1])
    stem = node.name[: len(node.name) - (number.end() if number else 0)]
    seen[stem] += 1
    return f"saved({stem}.{seen[stem] - 1})" if seen[stem] > 1 else f"saved({stem})"


def _is_tensor(node: torch.fx.Node) -> bool:
    return isinstance(node.meta.get("val"), torch.Tensor)


def _described(one: Any, given: _Inputs) -> str:
    """The name of what AOTAutograd describes (`torch._functorch._aot_autograd.descriptors`); "" where there is none."""
    kind = type(one).__name__
    if kind == "PlainAOTInput":
        return given.arguments[one.idx] if one.idx < len(given.arguments) else ""
    if kind in ("ParamAOTInput", "BufferAOTInput"):
        return given.parameters.get(one.target, "")
    if kind == "PlainAOTOutput":
        return f"output[{one.idx}]"
    if kind in _PARTS:
        part, form = _PARTS[kind]
        name = _described(getattr(one, part), given)
        return form.format(name, getattr(one, "attr", "")) if name else ""
    return ""


#: Descriptions that are made of another one: its attribute, and the name.
_PARTS = {
    "GradAOTOutput": ("grad_of", "grad({0})"),
    "TangentAOTInput": ("output", "grad({0})"),
    "InputMutationAOTOutput": ("mutated_input", "new({0})"),
    "ViewBaseAOTInput": ("base_of", "base({0})"),
    "SyntheticBaseAOTInput": ("base_of", "base({0})"),
    "IntermediateBaseAOTOutput": ("base_of", "base({0})"),
    "SubclassGetAttrAOTInput": ("base", "{0}.{1}"),
    "SubclassGetAttrAOTOutput": ("base", "{0}.{1}"),
}


def _names_of_inputs(graph: torch.fx.GraphModule) -> _Inputs:
    """The user's names for the inputs of a graph of Dynamo's, and for the parameters that it holds itself."""
    owner = _owner(next(iter(private.TRACED_CODE.get()() or ()), None))
    arguments = [getattr(n, private.DYNAMO_SOURCE.name, None) for n in graph.graph.nodes if n.op == "placeholder"]
    parameters = getattr(graph, private.PARAMETER_SOURCES.name, {})
    seen: Counter[str] = Counter()

    def name(source: Any) -> str:
        found = one_token(name_of_source(source.name, owner)) if source is not None else ""
        seen[found] += 1
        return f"{found}#{seen[found]}" if found and seen[found] > 1 else found

    return _Inputs(tuple(map(name, arguments)), {key: name(source) for key, source in parameters.items()})


def one_token(name: str) -> str:
    """The name in one token of a line, and not too long."""
    token = "".join(char if char.isprintable() and not char.isspace() and char != "#" else "_" for char in name)
    if len(token) <= _LONGEST:
        return token
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{token[: _LONGEST - _DIGITS - 1]}~{digest}"


def _owner(code: Any) -> str:
    """The first argument of a method, which its user calls `self`: no part of the name of what is in it."""
    qualified = code.co_qualname.rsplit(".", 2) if code is not None else []
    is_method = len(qualified) > 1 and qualified[-2] != "<locals>" and code.co_argcount
    return str(code.co_varnames[0]) if is_method else ""


class _NoNameError(Exception):
    """A source is no path from something that the user named."""


def name_of_source(source: str, owner: str = "self") -> str:
    """The name in the user's terms of what Dynamo found at `source`; "" where it is not a path.

    `L['x']` is `x`, `L['batch']['ids']` is `batch['ids']`, and a parameter has its qualified name: that of
    `L['self']._modules['layers']._modules['0']._parameters['weight']` is `layers.0.weight`. `owner` is the variable of
    the module or object whose method was compiled.
    """
    try:
        name = _path(ast.parse(source, mode="eval").body)
    except (_NoNameError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    for own in dict.fromkeys((owner, "self")):
        inside, whole = name.startswith(f"grad({own}."), name.startswith(f"{own}.")
        if own and (inside or whole):
            name = name.replace(f"{own}.", "", 1)
            break
    if name.startswith("__") or _OF_THE_RUN.search(name):
        return ""
    return name


def _path(node: ast.expr) -> str:
    match node:
        case ast.Subscript(value=ast.Name(id="L" | "G"), slice=ast.Constant(value=str(name))):
            # __import_torch_dot_nn: a module of Python that the compiled code uses.
            return name.removeprefix("__import_").replace("_dot_", ".") if name.startswith("__import_") else name
        case ast.Subscript(value=ast.Attribute(value=module, attr=attribute), slice=ast.Constant(value=str(name))) if (
            attribute in _OF_MODULES
        ):
            return f"{_path(module)}.{name}"
        case ast.Subscript(value=value, slice=key):
            return f"{_path(value)}[{_key(key)}]"
        case ast.Attribute(value=value, attr="grad"):
            return f"grad({_path(value)})"
        case ast.Attribute(value=value, attr=attribute):
            return f"{_path(value)}.{attribute}"
        # dict.__getitem__(L['x'], 'a')   object.__getattribute__(L['x'], 'a')
        case ast.Call(func=ast.Attribute(value=ast.Name(), attr="__getitem__"), args=[value, key], keywords=[]):
            return f"{_path(value)}[{_key(key)}]"
        case ast.Call(
            func=ast.Name(id="getattr") | ast.Attribute(value=ast.Name(), attr="__getattribute__"),
            args=[value, ast.Constant(value=str(attribute))],
            keywords=[],
        ):
            return f"{_path(value)}.{attribute}"
    raise _NoNameError


def _key(node: ast.expr) -> str:
    match node:
        # list(dict.keys(L['self'].state))[1]: the second key, which is an object, as those of an optimizer's state
        case ast.Subscript(value=ast.Call(func=ast.Name(id="list")), slice=ast.Constant(value=int(place))):
            return str(place)
    return repr(ast.literal_eval(node))
