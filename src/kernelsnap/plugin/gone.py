"""Which goldens have no test any more: their test is gone, or the assertion in it that compared them.

A test that is there may still have an assertion that this run did not reach. So a golden counts as gone only where no
assertion of its test can have its name: the names are read from the test's source. Where they are computed, the test
has to have run to its end without comparing it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from kernelsnap.golden.allowed import first_of
from kernelsnap.golden.store import Case, readings
from kernelsnap.golden.variants import target_in
from kernelsnap.plugin.run import GoldenRun

FIXTURE = "kernel_snapshot"
#: What can be gone of a golden's case.
TEST, ASSERTION = "test", "assertion"


def whose(gone: Collection[str]) -> str:
    """How goldens are called of which this is gone."""
    return f"whose {' or '.join(what for what in (TEST, ASSERTION) if what in gone)} is gone"


@dataclass
class Owners:
    """The tests of a run, as owners of goldens; asked while it runs, it knows of what was compared until then."""

    run: GoldenRun

    def __post_init__(self) -> None:
        """Note what was compared until now."""
        keys = [key.partition(" ") for key in self.run.compared]
        self._compared = {case for _, _, case in keys}
        self.targets = {target_in(label) for label, _, _ in keys}
        self._sources: dict[str, ast.Module] = {}

    @cached_property
    def _modules(self) -> set[str]:
        """The modules of which tests were collected."""
        return {test.partition("::")[0] for test in self.run.tests}

    def gone(self, case: str, labels: Collection[str]) -> str:
        """`TEST` or `ASSERTION`, whichever is gone of a golden's case; "" where the run has both, or did not look.

        A module that is there, and of which no test was collected, was left out: it skips itself, or is ignored.
        """
        if self.run.was_compared(case, labels):
            return ""
        first = first_of(case) or case
        if first != case and case not in self._compared and first in self._compared:
            return ASSERTION  # one of several allowed goldens, of a test that has fewer of them now
        for reading in readings(first):
            if str(replace(reading, assertion="")) in self.run.tests:
                return ASSERTION if self._is_gone(reading, labels) else ""
        module = case.partition("::")[0]
        return "" if module not in self._modules and (self.run.config.rootpath / module).is_file() else TEST

    def _is_gone(self, case: Case, labels: Collection[str]) -> bool:
        """Whether a test that was collected has no assertion of this name."""
        if str(case) in self._compared:
            return False
        written = _is_written(case.assertion, list(self._names(case)))
        if written is not None:
            return not written
        test, targets = str(replace(case, assertion="")), {target_in(label) for label in labels} & self.targets
        return bool(targets) and all(f"{target} {test}" in self.run.whole for target in targets)

    def _names(self, case: Case) -> Iterator[_Name]:
        """The names of the assertions of a test, by the source of its module."""
        if case.module not in self._sources:
            try:
                self._sources[case.module] = ast.parse((self.run.config.rootpath / case.module).read_bytes())
            except (OSError, SyntaxError, ValueError):  # changed since the test was collected
                self._sources[case.module] = ast.Module([], [])
        function = _function(self._sources[case.module], case.test.partition("[")[0].split("::"))
        yield from [None] if function is None else _names_in(function)


#: The name of an assertion, as a test has it: "" for none, the beginning and the end of one that is put together, None
#: for any other that is computed.
_Name = str | tuple[str, str] | None


def _is_written(name: str, there: Collection[_Name]) -> bool | None:
    """Whether one of these is the name of an assertion; None where one that is computed may be."""
    if name in there:
        return True
    computed = None in there or any(
        isinstance(one, tuple) and name.startswith(one[0]) and name.endswith(one[1]) for one in there
    )
    return None if computed or ("" in there and name.isdecimal()) else False


def _function(module: ast.Module, path: list[str]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The function of a test, which is written in its module or in classes there; None where it is from elsewhere."""
    node: ast.AST = module
    for name in path:
        inside = [
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and child.name == name
        ]
        if not inside:
            return None
        node = inside[-1]
    return node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _names_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[_Name]:
    """The name of each assertion in a test; None where the fixture is given away, and may be used elsewhere.

    Any other text in the test may be given to a helper that makes a name of it.
    """
    if not any(isinstance(node, ast.arg) and node.arg == FIXTURE for node in ast.walk(function.args)):
        yield None
    parents = {child: node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
    for node, parent in parents.items():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            yield node.value, node.value
        if not isinstance(node, ast.Name) or node.id != FIXTURE:
            continue
        if isinstance(parent, ast.Compare):
            yield ""
        elif isinstance(parent, ast.Call) and parent.func is node and isinstance(parents[parent], ast.Compare):
            yield _name_given(parent)
        else:
            yield None


def _name_given(call: ast.Call) -> _Name:
    """The name in `kernel_snapshot(name="small")`."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    value = None if None in given else given.get("name", ast.Constant(""))
    if isinstance(value, ast.JoinedStr) and value.values:
        first, last = (
            part.value if isinstance(part, ast.Constant) else "" for part in (value.values[0], value.values[-1])
        )
        return str(first), str(last)
    text = value.value if isinstance(value, ast.Constant) else None
    # A golden's head has what cannot be printed in another form.
    return text if isinstance(text, str) and text.isprintable() else None
