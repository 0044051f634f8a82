"""Budgets in pytest: those of a marker and of the project's settings, and the list of all with what is left of each."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kernelsnap.model.budget import Use, check, checked
from kernelsnap.model.capture import Capture

MARKER = "kernelsnap_budget"
INI = "kernelsnap_budgets"
OPTION = "--kernelsnap-budgets"


@dataclass(frozen=True)
class BudgetLine:
    """One line of the setting: `test_models.py::* kernels=8 spills=0`."""

    glob: str  # of cases, such as "test_models.py::*"
    limits: dict[str, int]
    text: str

    def __str__(self) -> str:
        """Where the budget is written."""
        return f"{INI}: {self.text}"


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """Add the option and the setting."""
    group.addoption(OPTION, action="store_true", help="after the run, list all budgets with what is left of each")
    parser.addini(
        INI,
        "budgets of many cases, a glob of cases and limits a line: test_models.py::* kernels=8 spills=0",
        type="linelist",
        default=[],
    )


def of_ini(config: pytest.Config) -> Iterator[BudgetLine]:
    """The budgets that the project's settings give to many cases.

    Raises:
        pytest.UsageError: a line is not a glob and limits.
        BudgetError: there is no such budget.
    """
    for text in config.getini(INI):
        glob, *given = text.split()
        limits: dict[str, object] = {}
        for part in given:
            name, separator, number = part.partition("=")
            limits[name] = int(number) if separator and number.isdecimal() and len(number) < 20 else number
        if not limits:
            raise pytest.UsageError(f"{INI}: {text}: expected a glob of cases and limits, such as tests/* kernels=8")
        yield BudgetLine(glob, checked(limits), text)


def check_capture(item: pytest.Item, case: str, capture: Capture) -> None:
    """Hold a capture against the budgets of its test's marker and of the settings, before its golden is compared.

    Raises:
        BudgetExceededError: it needs more than one of them allows.
        BudgetError: the marker names no such budget, or the number that one limits is not to be had.
    """
    for marker in item.iter_markers(MARKER):
        if marker.args or not marker.kwargs:
            raise pytest.UsageError(f"{MARKER} takes limits by name, such as kernels=1: {item.nodeid}")
        check(capture, marker.kwargs, f"@pytest.mark.{MARKER}", case)
    for line in of_ini(item.config):
        if fnmatch.fnmatchcase(case, line.glob):
            check(capture, line.limits, str(line), case)


def table(uses: dict[str, list[Use]], lines: list[BudgetLine]) -> Iterator[str]:
    """All budgets that were checked, the one with the least left first; `uses` is by target and case."""
    rows = [(use.limit - use.used, key, use) for key, some in sorted(uses.items()) for use in some]
    for left, key, use in sorted(rows, key=lambda row: row[0] / max(row[2].limit, 1)):
        what = f"{left:,} left" if left >= 0 else f"{-left:,} too many"
        target, _, test = key.partition(" ")
        yield f"{target} {use.case or test}  {use.budget} {use.used:,} of {use.limit:,}, {what}" + (
            f"  ({use.set_by})" if use.set_by else ""
        )
    cases = {use.case or key.partition(" ")[2] for key, some in uses.items() for use in some}
    for line in lines:
        if not any(fnmatch.fnmatchcase(case, line.glob) for case in cases):
            yield f"{line}: no case of this run"
