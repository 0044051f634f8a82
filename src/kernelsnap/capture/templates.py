"""The templates that Inductor renders kernels from: their names and their text, in Jinja.

Private parts of torch that this needs (checked on torch 2.11, 2.13 and 2.14):

TritonTemplate.all_templates, CuteDSLTemplate.all_templates     every template that was made, by name
CuteDSLTemplate(...).source     its text; a Triton template keeps only a hash of it, `src_hash`

The text of a Triton template is therefore taken from where it was made: `name = TritonTemplate(..., source=...)` at the
top of a module, whose argument is computed again and held against the hash.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from types import ModuleType

import torch
from torch._inductor.codegen.cutedsl.cutedsl_template import CuteDSLTemplate
from torch._inductor.select_algorithm import TritonTemplate

from kernelsnap.model.capture import Graph
from kernelsnap.virtual.support import UnsupportedTorchError

# What stands above every Triton kernel that came from a template.
_TEMPLATE = "@triton_heuristics.template("


def templates_of(graphs: Iterable[Graph]) -> tuple[tuple[str, str], ...]:
    """The name and text of every template that a kernel of these graphs may have come from, sorted by name.

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals above.
    """
    kernels = [kernel for graph in graphs for kernel in graph.kernels]
    rendered = any(kernel.language == "cutedsl" or _TEMPLATE in kernel.source for kernel in kernels)
    return tuple(sorted(template_sources().items())) if rendered else ()


def template_sources() -> Mapping[str, str]:
    """The text of every template whose text can be known, by name."""
    for owner, name in ((TritonTemplate, "all_templates"), (CuteDSLTemplate, "all_templates")):
        if not isinstance(getattr(owner, name, None), dict):
            raise UnsupportedTorchError(
                f"torch {torch.__version__} has no {owner.__name__}.{name}, which names the templates of its kernels: "
                "this torch is not supported yet"
            )
    known: dict[str, str] = {name: template.source for name, template in CuteDSLTemplate.all_templates.items()}
    return _triton_sources(tuple(TritonTemplate.all_templates.items())) | known


@cache
def _triton_sources(templates: tuple[tuple[str, TritonTemplate], ...]) -> dict[str, str]:
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
