"""Imports run one way: nothing that reads, compares or shows goldens needs torch, pytest or syrupy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
PACKAGE = SOURCE / "kernelsnap"
FILES = sorted(PACKAGE.rglob("*.py"))

# A part may import itself and what stands further down.
LAYERS = (
    ("cli", "pytest", "syrupy_extension"),
    ("doctor",),
    ("bisect", "review"),
    ("report",),
    ("diff",),
    ("golden",),
    ("normalize", "inductor"),
    ("resources",),
    ("virtual", "metrics"),
    ("model", "targets"),
    ("errors", "supported"),
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
NO_TORCH = (
    "model",
    "metrics",
    "resources",
    "errors",
    "targets",
    "normalize",
    "golden",
    "diff",
    "report",
    "review",
    "supported",
)
SHELLS = (*LAYERS[0], "__init__")


def part(path):
    return layer(path.relative_to(PACKAGE).parts[0].removesuffix(".py"))


def layer(name):
    """`pytest_plugin`, `pytest_run` and so on are one part; so are `cli` and `cli_diff`, `targets` and its table."""
    parts = {"pytest_": "pytest", "cli_": "cli", "target_": "targets"}
    return next((whole for prefix, whole in parts.items() if name.startswith(prefix)), name)


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_part_imports_only_what_stands_below_it(path):
    own = part(path)
    if own == "__init__":
        return
    for module in imported(path):
        if module.startswith("kernelsnap."):
            other = layer(module.split(".")[1])
            assert RANK[own] < RANK[other] or own == other or RANK[own] == RANK[other] == 0, f"{own} imports {module}"


@pytest.mark.parametrize(
    "path", [path for path in FILES if part(path) in NO_TORCH], ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_what_works_on_goldens_imports_no_torch(path):
    tops = {module.split(".")[0] for module in imported(path)}
    assert not tops & {"torch", "triton", "pytest", "_pytest", "syrupy"}


@pytest.mark.parametrize(
    "path", [path for path in FILES if part(path) not in SHELLS], ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_the_core_imports_no_pytest(path):
    assert not {module.split(".")[0] for module in imported(path)} & {"pytest", "_pytest", "syrupy"}


@pytest.mark.parametrize(
    "module", ["kernelsnap", "kernelsnap.golden.format", "kernelsnap.golden.build", "kernelsnap.golden.canonical"]
)
def test_importing_it_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit(bool({{'torch', 'triton', 'pytest', 'syrupy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}, check=False).returncode == 0
