"""Checks that the calls into flash-attn-4 in generated kernels fit the signatures of the installed release.

A CuteDSL kernel is a host function that calls `flash_attn.cute`. Inductor writes the calls for the flash-attn-4 of its
own time. Another release may answer them with a `TypeError` on the GPU, and a golden would be of code that cannot run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from importlib import metadata
from inspect import Parameter, Signature

from kernelsnap.capture.declared import DISTRIBUTION, PACKAGE, declared, is_module
from kernelsnap.errors import CaptureError
from kernelsnap.model.capture import Graph
from kernelsnap.shared.private_names import release_of

_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def check_library_calls(graphs: Iterable[Graph]) -> None:
    """Raise `CaptureError` for a kernel that calls what the installed flash-attn-4 has not, or has otherwise."""
    for graph in graphs:
        for kernel in graph.kernels:
            if kernel.language != "cutedsl":
                continue
            for wrong in mismatches(kernel.source):
                raise CaptureError(
                    f"kernel {kernel.name}: {wrong}. torch {release_of('torch')} generates this code, which would fail "
                    f"on a GPU with the installed {DISTRIBUTION} {_version()}: install a release that this torch was "
                    "written for, or choose another backend"
                )


def mismatches(source: str) -> Iterator[str]:
    """What in the text of a kernel the installed package has not: a name, or a call that it does not accept."""
    tree = ast.parse(source)
    aliases = dict(_aliases(tree))
    for full in aliases.values():
        module, _, name = full.rpartition(".")
        if full.startswith(f"{PACKAGE}.") and not (is_module(full) or declared(module, name)):
            yield f"{module} has no {name}"
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        first, _, rest = ast.unparse(call.func).partition(".")
        full = f"{aliases.get(first, '')}.{rest}".strip(".")
        if not full.startswith(f"{PACKAGE}."):
            continue
        module, _, name = full.rpartition(".")
        found = declared(module, name)
        if found is None:
            if rest and is_module(module):
                yield f"{module} has no {name}"
        elif found.signature and (faults := list(_faults(call, found.signature, tree))):
            yield f"{full} does not accept the call: {', '.join(faults)}"


def _aliases(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The name of each import in the code, and what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield (name.asname, name.name) if name.asname else (name.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((name.asname or name.name, f"{node.module}.{name.name}") for name in node.names)


def _faults(call: ast.Call, signature: Signature, tree: ast.Module) -> Iterator[str]:
    """Why Python would refuse the call; what is passed by `*` or an unknown `**` is taken to be right."""
    parameters = list(signature.parameters.values())
    kinds = {parameter.kind for parameter in parameters}
    positional = [parameter.name for parameter in parameters if parameter.kind in _BY_POSITION]
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    given = positional if starred else positional[: len(call.args)]
    keywords = {keyword.arg for keyword in call.keywords if keyword.arg}
    unknown_mapping = False
    for keyword in call.keywords:
        if keyword.arg is None:
            keys = _keys(keyword.value, tree)
            unknown_mapping |= keys is None
            keywords |= keys or set()
    by_name = {parameter.name for parameter in parameters if parameter.kind in _BY_NAME}
    if Parameter.VAR_KEYWORD not in kinds:
        yield from (f"unknown argument {name!r}" for name in sorted(keywords - by_name))
    if Parameter.VAR_POSITIONAL not in kinds and not starred and len(call.args) > len(positional):
        yield f"{len(call.args)} arguments by position, of which it takes {len(positional)}"
    yield from (f"argument {name!r} twice" for name in given if name in keywords and not starred)
    if unknown_mapping or starred:
        return
    for parameter in parameters:
        needed = parameter.default is Parameter.empty and parameter.kind in (*_BY_POSITION, *_BY_NAME)
        if needed and parameter.name not in keywords and parameter.name not in given:
            yield f"missing argument {parameter.name!r}"


def _keys(mapping: ast.expr, tree: ast.Module) -> set[str] | None:
    """The keys of what a call unpacks: a dictionary that the code writes out and adds to; None where it is another."""
    if isinstance(mapping, ast.Dict):
        return _constants(mapping.keys)
    if not isinstance(mapping, ast.Name):
        return None
    keys: set[str] | None = None
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == mapping.id:
                written = _constants(value.keys) if isinstance(value, ast.Dict) else None
                if written is None:
                    return None
                keys = (keys or set()) | written
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=key)]) if name == mapping.id:
                added = _constants([key])
                if added is None:
                    return None
                keys = (keys or set()) | added
    return keys


def _constants(keys: Iterable[ast.expr | None]) -> set[str] | None:
    found = set()
    for key in keys:
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            return None
        found.add(key.value)
    return found


def _version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "(of an unknown version)"
