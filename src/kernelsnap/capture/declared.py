"""Reads from the source of flash-attn-4 which classes and functions it has: importing it would need CUTLASS.

Inductor writes calls into `flash_attn.cute`, and asks two things of it on the way: which fields a class has, and which
parameters a function has. Importing the library needs CUTLASS's Python package, gigabytes that generating code does not
need otherwise, and a GPU at times. Both facts are in the library's source, from which they are read here: nothing is
made up, and what the source does not declare is missing as it is in the library.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from inspect import Parameter, Signature
from pathlib import Path
from types import ModuleType
from typing import Any

from kernelsnap.errors import CaptureError

#: The package that is only read: its name as a module, and as pip calls it.
PACKAGE, DISTRIBUTION = "flash_attn.cute", "flash-attn-4"

# Defaults are not evaluated: they are the library's code.
_DEFAULT = object()


@dataclass(frozen=True)
class Declared:
    """A name at the top of a module."""

    name: str
    signature: Signature | None = None  # None: it is no function, or what it is called with cannot be read
    fields: tuple[str, ...] = ()  # those of a `NamedTuple`
    imported: tuple[str, str] = ("", "")  # the module, and the name there, that it is taken from


def declared(module: str, name: str) -> Declared | None:
    """What a module of the installed package declares under a name, also where it imports the name from another.

    None where it declares nothing of that name.
    """
    path = _source(module)
    found = _read(path).get(name) if path else None
    if found and found.imported[0].startswith(PACKAGE):
        return declared(*found.imported) or found
    return found


def is_module(name: str) -> bool:
    """Whether the installed package has a module of that name, written in Python."""
    return _source(name) is not None


@contextlib.contextmanager
def declared_modules() -> Iterator[None]:
    """Inside the block, importing a module of the package gives what its source declares; calling it is an error.

    A module that was imported for real before stays what it is.
    """
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, _DeclaredModule)]:
            module = sys.modules.pop(name)
            parent, _, child = name.rpartition(".")
            if vars(sys.modules.get(parent, module)).get(child) is module:
                delattr(sys.modules[parent], child)


class _DeclaredModule(ModuleType):
    """A module of which only the declarations are known; each is read when it is asked for."""

    def __getattr__(self, name: str) -> object:
        found = declared(self.__name__, name)
        if found is None or not (found.signature or found.fields):
            raise AttributeError(f"module {self.__name__!r} declares no function or class {name!r}")
        made = _stand_in(self.__name__, found)
        setattr(self, name, made)
        return made


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = _source(fullname)
        if found is None:
            return None
        spec = ModuleSpec(fullname, self, origin=str(found), is_package=found.name == "__init__.py")
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(str(found.parent))
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _DeclaredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is run."""


def _stand_in(module: str, found: Declared) -> object:
    """A class with the fields, or a function with the signature; neither can be called."""

    def refuse(*args: object, **kwargs: object) -> object:
        raise CaptureError(
            f"{module}.{found.name} was called: on the virtual device {DISTRIBUTION} is read, and none of it runs"
        )

    if found.fields:
        return type(found.name, (), {"_fields": found.fields, "__new__": refuse, "__module__": module})
    function: Any = refuse
    function.__name__ = function.__qualname__ = found.name
    function.__module__, function.__signature__ = module, found.signature
    return function


def _source(module: str) -> Path | None:
    """The file of a module of the package; None where there is none. Nothing is imported for it."""
    if module != PACKAGE and not module.startswith(f"{PACKAGE}."):
        return None
    path: list[str] | None = None
    origin = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        specs = (
            finder.find_spec(".".join(parts[:depth]), path)
            for finder in sys.meta_path
            if not isinstance(finder, _Finder)
        )
        spec = next(filter(None, specs), None)
        if spec is None:
            return None
        path, origin = list(spec.submodule_search_locations or ()), spec.origin
    return Path(origin) if origin and origin.endswith(".py") else None


@cache
def _read(path: Path) -> dict[str, Declared]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = _package_of(path)
    return {found.name: found for node in _top(tree.body) for found in _declarations(node, package)}


def _package_of(path: Path) -> str:
    folders = path.parts[:-1]
    start = len(folders) - folders[::-1].index("flash_attn") - 1
    return ".".join(folders[start:])


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those inside its `if` and `try` too."""
    for node in body:
        yield node
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try):
                yield from _top(getattr(node, part, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _top(handler.body)


def _declarations(node: ast.stmt, package: str) -> Iterator[Declared]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield Declared(node.name, _signature(node.args))
        case ast.ClassDef():
            yield _class(node)
        case ast.ImportFrom(module=module, names=items, level=level):
            parent = ".".join(package.split(".")[: len(package.split(".")) - level + 1]) if level else ""
            origin = ".".join(filter(None, (parent, module)))
            yield from (Declared(item.asname or item.name, imported=(origin, item.name)) for item in items)
        case ast.Import(names=items):
            yield from (Declared(item.asname or item.name.partition(".")[0]) for item in items)
        case ast.Assign(targets=targets):
            names = (name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
            # `made.attribute = ...` assigns none.
            yield from (Declared(name.id) for name in names if isinstance(name.ctx, ast.Store))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield Declared(name)


def _class(node: ast.ClassDef) -> Declared:
    """A class by its fields, or by its `__init__`; of one whose base has either, nothing is known."""
    bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    decorators = {
        ast.unparse(item.func if isinstance(item, ast.Call) else item).rpartition(".")[2]
        for item in node.decorator_list
    }
    fields = [item for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
    parameters = [
        Parameter(ast.unparse(item.target), Parameter.POSITIONAL_OR_KEYWORD, default=_default(item.value))
        for item in fields
    ]
    if bases == {"NamedTuple"}:
        return Declared(node.name, Signature(parameters), tuple(parameter.name for parameter in parameters))
    if "dataclass" in decorators and not bases:
        return Declared(node.name, Signature(parameters))
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            _, *rest = _signature(item.args).parameters.values()
            return Declared(node.name, Signature(rest))
    return Declared(node.name)


def _signature(arguments: ast.arguments) -> Signature:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    made = [
        Parameter(argument.arg, kind, default=_default(default))
        for argument, default in zip(positional, defaults, strict=True)
        for kind in [
            Parameter.POSITIONAL_ONLY if argument in arguments.posonlyargs else Parameter.POSITIONAL_OR_KEYWORD
        ]
    ]
    if arguments.vararg:
        made.append(Parameter(arguments.vararg.arg, Parameter.VAR_POSITIONAL))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        made.append(Parameter(argument.arg, Parameter.KEYWORD_ONLY, default=_default(default)))
    if arguments.kwarg:
        made.append(Parameter(arguments.kwarg.arg, Parameter.VAR_KEYWORD))
    return Signature(made)


def _default(value: ast.expr | None) -> object:
    return Parameter.empty if value is None else _DEFAULT
