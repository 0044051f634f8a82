"""Imports run one way: nothing that reads, compares or shows goldens needs torch, pytest or syrupy."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
PACKAGE = SOURCE / "kernelsnap"
FILES = sorted(PACKAGE.rglob("*.py"))

# The way of the data, backwards: a package may import itself and those in the lines below its own, nothing else.
LAYERS = (
    ("__main__",),
    ("cli", "plugin"),
    ("upgrade",),
    ("doctor", "bisect"),
    ("pending",),
    ("report",),
    ("diff",),
    ("cost",),
    ("golden",),
    ("capture",),
    ("virtual", "normalize"),
    ("targets",),
    ("model",),
    ("shared",),
    ("errors",),
)
RANK = {package: rank for rank, packages in enumerate(LAYERS) for package in packages}
# The same within `diff`, whose folders and modules are used in this order, last first.
DIFF = (("tree",), ("compare",), ("causes",), ("align", "program"), ("match",), ("text", "metrics", "sides"))
DIFF_RANK = {room: rank for rank, rooms in enumerate(DIFF) for room in rooms}
NO_TORCH = (
    "pending",
    "report",
    "diff",
    "cost",
    "golden",
    "normalize",
    "targets",
    "model",
    "shared",
    "errors",
    "cli",
)
# Runs goldens on a GPU, as only `kernelsnap time` does: what estimates must not need it.
MEASURE = PACKAGE / "cost" / "measure"
NO_PYTEST = tuple(package for package in RANK if package != "plugin")


def package(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """The modules that a file imports when it is imported, or later; what only a type checker sees does not count."""
    tree = ast.parse(path.read_text())
    unseen = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(*packages):
    return [path for path in FILES if package(path) in packages]


def test_every_package_has_its_layer():
    assert {package(path) for path in FILES} - {"__init__"} == set(RANK)


def test_imports_run_downward_only():
    upward = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in modules(*RANK)
        for module in imported(path)
        if module.startswith("kernelsnap.")
        and (other := module.split(".")[1]) != package(path)
        and RANK[other] <= RANK[package(path)]
    ]
    assert not upward


def test_imports_within_diff_run_downward_only():
    rooms = {path: path.relative_to(PACKAGE / "diff").parts[0].removesuffix(".py") for path in modules("diff")}
    assert set(rooms.values()) - {"__init__"} == set(DIFF_RANK)
    assert not [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path, room in rooms.items()
        for module in imported(path)
        if module.startswith("kernelsnap.diff.")
        and (other := module.split(".")[2]) != room
        and DIFF_RANK[other] <= DIFF_RANK[room]
    ]


def test_no_module_imports_itself_in_a_circle():
    below = {
        ".".join(("kernelsnap", *path.relative_to(PACKAGE).with_suffix("").parts)): [*imported(path)] for path in FILES
    }
    TopologicalSorter({name: [other for other in others if other in below] for name, others in below.items()}).prepare()


def test_what_works_on_goldens_imports_no_torch():
    unwanted = {"torch", "triton", "pytest", "_pytest", "syrupy"}
    assert not [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in modules(*NO_TORCH)
        if MEASURE not in path.parents
        for module in imported(path)
        if module.split(".")[0] in unwanted
    ]


def test_an_estimate_needs_nothing_that_measures():
    assert list(MEASURE.glob("*.py"))
    assert not [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in modules("cost")
        if MEASURE not in path.parents
        for module in imported(path)
        if module.startswith(("kernelsnap.cost.measure", "kernelsnap.capture", "kernelsnap.virtual"))
    ]


def test_only_the_plugin_imports_pytest():
    unwanted = {"pytest", "_pytest", "syrupy", "xdist"}
    assert not [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in modules(*NO_PYTEST)
        for module in imported(path)
        if module.split(".")[0] in unwanted
    ]


@pytest.mark.parametrize(
    "module", ["kernelsnap", "kernelsnap.golden.format", "kernelsnap.golden.build", "kernelsnap.golden.canonical"]
)
def test_importing_it_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit(bool({{'torch', 'triton', 'pytest', 'syrupy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}, check=False).returncode == 0
