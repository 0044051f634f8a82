"""Every regular expression of the package takes time that grows with its text, whatever the text is."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from growing_strings import attacks, grows_too_fast

SOURCE = Path(__file__).parents[2] / "src"
FILES = sorted((SOURCE / "kernelsnap").rglob("*.py"))
#: What is done with a pattern; the others look for it at every place of a text.
ANCHORED = {"match", "fullmatch"}
METHODS = {*ANCHORED, "search", "findall", "finditer", "sub", "subn", "split"}
#: Patterns that are used through other names: all with `match`.
MATCHED = {"diff/causes/line_forms.py _LONE"}
#: Expressions that are made while the program runs, by file: each is made here, of texts that are hard for it.
MADE = {
    "capture/machine_code/machine_code.py": [
        r"Function a:\s*REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)",
        r"(?m)^[ \t]+(?:- )?\.vgpr_count:[ \t]+(\d+)$",
    ],
}
#: Made of what the user gives on the command line, and matched with names of files: not for anybody else to make slow.
GIVEN = {"pending/filters.py"}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def patterns_in(value: object) -> Iterator[re.Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from patterns_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from patterns_in(item)
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        for name in value.__dataclass_fields__:
            yield from patterns_in(getattr(value, name, None))


def uses(tree: ast.Module) -> dict[str, set[str]]:
    """What a file does with each name that may be a pattern."""
    found = defaultdict(set)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS and isinstance(node.value, ast.Name):
            found[node.value.id].add(node.attr)
    return found


def written_in_calls(tree: ast.Module) -> Iterator[tuple[str, str, bool]]:
    """The patterns that are given to `re.search` and the like: the method, the text, and whether all of it is known."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in METHODS
        ):
            known = isinstance(node.args[0], ast.Constant)
            yield node.func.attr, node.args[0].value if known else "", known


def collected() -> dict[str, tuple[re.Pattern, str]]:
    """All expressions by where they are, with the method that looks hardest for them."""
    found = {}
    for path in FILES:
        if path.name == "__main__.py":
            continue
        tree, name = ast.parse(path.read_text()), path.relative_to(SOURCE / "kernelsnap").as_posix()
        methods = uses(tree)
        for variable, value in vars(importlib.import_module(module_of(path))).items():
            for number, pattern in enumerate(patterns_in(value)):
                done = methods.get(variable, set())
                how = "search" if done - ANCHORED or not done else min(done, key=len)
                how = "match" if f"{name} {variable}" in MATCHED else how
                found.setdefault(f"{name} {variable} {number}", (pattern, how))
        for number, (method, text, known) in enumerate(written_in_calls(tree)):
            if known:
                how = method if method in ANCHORED else "search"
                found[f"{name} re.{method} {number}"] = (re.compile(text), how)
        for number, text in enumerate(MADE.get(name, ())):
            found[f"{name} made {number}"] = (re.compile(text), "search" if text[0] in "F(" else "fullmatch")
    return found


@pytest.fixture(scope="module")
def expressions():
    pytest.importorskip("torch", reason="some modules import it")
    return collected()


def run_of(pattern: re.Pattern, how: str):
    def run(text: str) -> object:
        subject = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
        return sum(1 for _ in pattern.finditer(subject)) if how == "search" else getattr(pattern, how)(subject)

    return run


def test_all_are_found(expressions):
    """As many as there are calls of `re.compile` outside of functions: none hides from this test."""
    written = 0
    made = set()
    for path in FILES:
        tree = ast.parse(path.read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        inside = {inner for function in functions for inner in ast.walk(function)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile":
                if node in inside:
                    made.add(path.relative_to(SOURCE / "kernelsnap").as_posix())
                else:
                    written += 1
        made |= {
            path.relative_to(SOURCE / "kernelsnap").as_posix() for _, _, known in written_in_calls(tree) if not known
        }
    assert made - GIVEN == set(MADE)
    assert len({id(pattern) for pattern, _ in expressions.values()}) >= written > 120


def test_none_takes_more_than_linear_time(expressions):
    bad = []
    for name, (pattern, how) in expressions.items():
        run = run_of(pattern, how)
        hard = next((attack for attack in attacks(pattern) if grows_too_fast(run, *attack)), None)
        if hard:
            bad.append(f"{name} ({how}): {pattern.pattern!r:.200} on {hard!r:.100}")
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        (r"(.*?[^\W\d_])(?:_?\d+)*\Z", "match"),  # exponential
        (r"([a-z])((?:_?\d+)+)_handle", "search"),
        (r"\w+\(", "search"),  # quadratic: each place is a start
        (r"\s*(?:\s*x)", "match"),
        (r"^\s+x", "search"),
        (r"a\(.*?\)b", "search"),
        (r"(?:_\d+)+\Z", "search"),
    ],
)
def test_what_takes_more_is_seen(pattern, how):
    found = re.compile(pattern, re.MULTILINE)
    assert any(grows_too_fast(run_of(found, how), *attack) for attack in attacks(found))
