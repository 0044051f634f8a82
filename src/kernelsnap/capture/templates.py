"""The templates that Inductor renders kernels from: their names and their text, in Jinja.

A CuteDSL template keeps its text; a Triton template keeps only a hash of it. Its text is therefore taken from where it
was made: `name = TritonTemplate(..., source=...)` at the top of a module, whose argument is computed again and compared
with the hash.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from kernelsnap.capture import private
from kernelsnap.model.capture import Graph
from kernelsnap.shared.private_names import require

# What is above every Triton kernel that came from a template.
_TEMPLATE = "@triton_heuristics.template("


def templates_of(graphs: Iterable[Graph]) -> tuple[tuple[str, str], ...]:
    """The name and text of every template that a kernel of these graphs may have come from, sorted by name.

    Raises:
        UnsupportedTorchError: this torch keeps its templates in another place.
    """
    kernels = [kernel for graph in graphs for kernel in graph.kernels]
    rendered = any(kernel.language == "cutedsl" or _TEMPLATE in kernel.source for kernel in kernels)
    return tuple(sorted(template_sources().items())) if rendered else ()


def template_sources() -> Mapping[str, str]:
    """The text of every template whose text can be known, by name."""
    require(*private.OF_TEMPLATES)
    known: dict[str, str] = {name: made.source for name, made in private.CUTEDSL_TEMPLATES.get().items()}
    return _triton_sources(tuple(private.TRITON_TEMPLATES.get().items())) | known


@cache
def _triton_sources(templates: tuple[tuple[str, Any], ...]) -> dict[str, str]:
    wanted = {id(template): (name, template.src_hash) for name, template in templates}
    found = {}
    for module in list(sys.modules.values()):
        names = list(getattr(module, "__dict__", {}).items())
        made = {variable: wanted[id(value)] for variable, value in names if id(value) in wanted}
        for variable, source in _arguments(module, made) if made else ():
            name, digest = made[variable]
            if hashlib.sha256(source.encode("utf-8")).hexdigest() == digest:
                found[name] = source
    return found


def _arguments(module: ModuleType, variables: Collection[str]) -> Iterator[tuple[str, str]]:
    """What the `source` of each of these templates is in the module that makes them."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError):
        return  # made where there is no file to read: its kernels are stored whole
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(keywords=keywords)) if name in variables:
                sources = (_evaluated(keyword.value, module) for keyword in keywords if keyword.arg == "source")
                yield from ((name, source) for source in sources if isinstance(source, str))


def _evaluated(expression: ast.expr, module: ModuleType) -> object:
    try:
        return eval(compile(ast.Expression(expression), module.__name__, "eval"), dict(vars(module)))
    except Exception:
        # Code of whoever made the template, which may not run twice: its kernels are stored whole.
        return None
