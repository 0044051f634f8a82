"""Private names of torch, triton, pytest, syrupy and pytest-xdist are used through the tables that list them only."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from packaging.version import Version

from kernelsnap.errors import UnsupportedLibraryError, UnsupportedTorchError, UnsupportedTritonError
from kernelsnap.shared.private_names import Name, is_missing, listed, missing, names_in, require

PACKAGE = Path(__file__).parents[2] / "src" / "kernelsnap"
FILES = sorted(PACKAGE.rglob("*.py"))

# Where private names may be written.
TABLES = ("capture/private.py", "virtual/private.py", "virtual/patches.py", "virtual/caches.py", "plugin/private.py")
LIBRARIES = ("torch", "triton", "pytest", "_pytest", "syrupy", "xdist")
# torch._inductor.config   torch.fx.experimental.symbolic_shapes   triton.runtime.driver   _pytest.skipping   x._private
PRIVATE = re.compile(
    r"(.*\.)?_(?!_)\w+(\..*)?|(.*\.)?__C\b.*|torch\.fx\.experimental\b.*"
    r"|triton\.(_C|backends|compiler|knobs|runtime|testing)\b.*|syrupy\.(?!\w+(\.|\Z))|xdist\b.*"
)
# Calls that take the path of something as text.
BY_PATH = {"import_module", "patch", "find_spec", "Name"}
BY_NAME = {"getattr", "hasattr", "setattr", "delattr", "object"}


def path_of(node, names):
    """The dotted path that an expression stands for, from the imports of its module; "" if it is no such thing."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := path_of(node.value, names)):
        return f"{owner}.{node.attr}"
    return ""


def imports(tree):
    """What each imported name of a module stands for."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own(tree):
    """The private names that a module defines itself: functions, classes, variables, fields and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def is_private(path):
    return path.split(".")[0] in LIBRARIES and PRIVATE.fullmatch(path) is not None


def found(source):
    """The private names that a module of the package imports or reaches, in words."""
    tree = ast.parse(source)
    names, defined = imports(tree), set(own(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                yield from (f"import {alias.name}" for alias in aliases if is_private(alias.name))
            case ast.ImportFrom(module=module, names=aliases):
                paths = (f"{module}.{alias.name}" for alias in aliases)
                yield from (f"import {path}" for path in paths if is_private(path))
            case ast.Attribute(attr=attr) if path := path_of(node, names):
                root = path.split(".")[0]
                # argparse._SubParsersAction, sys._getframe: Python's own.
                known = root in sys.stdlib_module_names or root == "kernelsnap"
                if is_private(path) if root in LIBRARIES else not known and re.match(r"_(?!_)", attr):
                    yield path
            case ast.Attribute(attr=attr) if re.match(r"_(?!_)", attr) and attr not in defined:
                yield ast.unparse(node)
            case ast.Call(func=function, args=arguments):
                called = ast.unparse(function).rpartition(".")[2]
                texts = [a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                if called in BY_PATH:
                    yield from (f"{called}({text!r})" for text in texts if is_private(text.replace(":", ".")))
                elif called in BY_NAME:
                    yield from (f"{called}(..., {text!r})" for text in texts if re.match(r"_(?!_)", text))


def test_private_names_are_in_the_tables_only():
    others = [path for path in FILES if path.relative_to(PACKAGE).as_posix() not in TABLES]
    assert not [f"{path.relative_to(PACKAGE)}: {name}" for path in others for name in found(path.read_text())]


@pytest.mark.parametrize(
    "source",
    [
        "from torch._inductor import config",
        "from torch.fx.experimental.symbolic_shapes import ShapeEnv",
        "import torch\ntorch._dynamo.reset()",
        "import torch.cuda\nready = torch.cuda._initialized",
        "import torch as t\nt.library.Library('aten')._destroy()\nt._C",
        "from unittest import mock\nmock.patch('torch._inductor.scheduler.Scheduler.fuse_nodes')",
        "import importlib\nimportlib.import_module('torch._inductor')",
        "getattr(config, '_syrupy', None)",
        "from _pytest.skipping import evaluate_xfail_marks",
        "from triton.runtime import driver",
        "from syrupy.assertion import SnapshotAssertion as Base\nclass Ours(Base):\n  def f(self): self._custom_index",
        "from xdist.workermanage import WorkerController",
        "optimizer._init_group()",
    ],
)
def test_each_way_to_reach_one_is_found(source):
    assert list(found(source))


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.compiler.reset()\ntorch.cuda.is_available()",
        "class Ours:\n  def __init__(self): self._gpu = 1\n  def f(self): return self._gpu",
        "import sys\nsys._getframe(2)",
        "print('torch._inductor.config has no such setting')",
        "from syrupy.assertion import SnapshotAssertion\nfrom triton import Config\nimport pytest\npytest.StashKey",
    ],
)
def test_what_is_public_or_our_own_is_not_found(source):
    assert not list(found(source))


def test_no_name_is_unused():
    """Each name of a table is used, or is among those that are asked for before they are reached without their name."""
    used = Counter(word for path in FILES for word in re.findall(r"\w+", path.read_text()))
    for table in ("capture/private.py", "virtual/private.py", "plugin/private.py"):
        variables = re.findall(r"^([A-Z][A-Z0-9_]+) = ", (PACKAGE / table).read_text(), re.MULTILINE)
        assert variables
        assert not [name for name in variables if used[name] < 2]


# --- the names themselves


class Owner:
    """Stands in for a class of a library."""

    declared: int

    def __init__(self):
        self.assigned = 1


HERE = __name__


@pytest.mark.parametrize(
    ("name", "there"),
    [
        (Name(HERE, "Owner"), True),
        (Name("importlib", "util"), True),
        (Name(f"{HERE}:Owner", "__init__"), True),
        (Name(f"{HERE}:Owner", "assigned", on_instances=True), True),
        (Name(f"{HERE}:Owner", "declared", on_instances=True), True),
        (Name(f"{HERE}:Owner", "assigned"), False),
        (Name(f"{HERE}:Owner", "gone", on_instances=True), False),
        (Name(f"{HERE}:Gone", "name"), False),
        (Name("pytest.gone", "name"), False),
        (Name("pytest", "gone"), False),
    ],
)
def test_whether_a_name_is_there(name, there):
    assert name.is_there() is there


def test_a_name_of_other_releases_or_of_other_builds_is_not_missing():
    gone = {"owner": "pytest", "name": "gone"}
    assert is_missing(Name(**gone))
    assert is_missing(Name(**gone, since="1.0"))
    assert not is_missing(Name(**gone, since="999"))
    assert not is_missing(Name(**gone, until="1.0"))
    assert not is_missing(Name(**gone, optional="only in some builds"))


def test_from_since_on_and_before_until():
    name = Name("torch", "x", since="2.13", until="2.15")
    assert [name.exists_in(Version(text)) for text in ("2.12.1", "2.13", "2.14.3", "2.15.0")] == [
        False,
        True,
        True,
        False,
    ]


def test_what_is_missing_is_named_with_the_version():
    for use in (
        Name("pytest", "gone").get,
        lambda: Name("pytest", "gone").of(3),
        lambda: require(Name("pytest", "gone")),
    ):
        with pytest.raises(
            UnsupportedLibraryError, match=rf"pytest {re.escape(pytest.__version__)} has no pytest\.gone, which"
        ):
            use()
    assert isinstance(missing(Name("torch._C", "x")), UnsupportedTorchError)
    assert isinstance(missing(Name("triton._C", "x")), UnsupportedTritonError)


def test_a_replaced_name_is_put_back():
    name = Name(HERE, "HERE")
    with name.replaced("there"):
        assert name.get() == "there"
    assert name.get() == __name__
    with pytest.raises(UnsupportedLibraryError), Name("pytest", "gone").replaced(1):
        pass
    assert not hasattr(pytest, "gone")


def test_all_names_of_a_table_are_listed_once():
    table = {"ONE": Name("torch._C", "b", since="2.13"), "SOME": (Name("torch._C", "a"), Name("torch._C", "a")), "X": 3}
    assert [(entry["name"], entry["note"]) for entry in listed(names_in(table))] == [
        ("torch._C.a", ""),
        ("torch._C.b", "since 2.13"),
    ]
