"""`--kernelsnap-virtual h100`: tests that were written for a GPU run on a virtual one, for the whole session.

The device is there before any test module or conftest.py is imported, because skip conditions are asked at import, and
gone when pytest is. A test that needs what a virtual GPU has not is skipped, or fails, with the operation and the line.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kernelsnap.errors import KernelsnapError
from kernelsnap.plugin.private import collecting_call, early_argument, skip_test, spare_torch_trace
from kernelsnap.targets.lookup import NATIVE, TARGETS

if TYPE_CHECKING:
    from kernelsnap.capture.session import VirtualSession

OPTION = "--kernelsnap-virtual"
VALUES_OPTION = "--kernelsnap-virtual-values"

_SESSION: pytest.StashKey[VirtualSession] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("kernelsnap")
    group.addoption(
        OPTION,
        metavar="TARGET",
        dest="kernelsnap_virtual",
        help="run existing tests that need a GPU to compile on a virtual one, such as h100",
    )
    group.addoption(
        VALUES_OPTION,
        choices=("skip", "fail"),
        default="skip",
        dest="kernelsnap_virtual_values",
        help=f"with {OPTION}: what happens to a test that needs values of tensors, or another thing that only a real "
        "GPU has (default: skip)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Turn the device on before anything of the project is imported; it is turned off with the run."""
    name = early_argument(early_config, "kernelsnap_virtual")
    if name is None:
        return
    if name == NATIVE or (name in TARGETS and not TARGETS[name].is_gpu):
        raise pytest.UsageError(f"{OPTION} {name}: this is no virtual GPU; run the tests without the option")
    stack = contextlib.ExitStack()
    try:
        # Imported late: it imports torch, which a run without the option must not wait for.
        from kernelsnap.capture.session import virtual_session

        early_config.stash[_SESSION] = stack.enter_context(virtual_session(name))
    except KernelsnapError as error:
        raise pytest.UsageError(f"{OPTION} {name}: {error}") from None
    early_config.add_cleanup(stack.close)


def pytest_configure(config: pytest.Config) -> None:
    """Keep quiet about what the device itself asked for."""
    if _SESSION in config.stash:
        config.addinivalue_line("filterwarnings", "ignore:dynamo_pgo force disabled")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say that the GPU is a virtual one."""
    if _SESSION not in config.stash:
        return None
    what = {"skip": "are skipped", "fail": "fail"}[config.getoption("kernelsnap_virtual_values")]
    return f"kernelsnap: virtual {config.getoption('kernelsnap_virtual')}; tests that need a real one {what}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin anew: what was refused before concerns another test."""
    _forget(item.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Begin anew: what was refused in the test is told by its own report."""
    _forget(item.config)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Spare every compile the trace that pytest would keep."""
    # Last, so that pytest's log capture is set up already.
    if _SESSION in item.config.stash:
        spare_torch_trace()
    return (yield)


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Turn what needed a real GPU into a skip or a clear failure, also where the test caught it and went on."""
    # Neither first nor last: after pytest has fetched what unittest kept to itself, before it reads the outcome.
    session = item.config.stash.get(_SESSION, None)
    if session is None:
        return
    needed = _needed(call.excinfo)
    hidden = call.excinfo is None or isinstance(call.excinfo.value, pytest.xfail.Exception)
    if not needed and hidden and session.refusals.errors:
        needed = f"{session.refusals.errors[0]}; the test went on, but what it then saw is not what a GPU shows"
    if needed:
        call.excinfo = _outcome(item.config, needed)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip a module that needs a real GPU as soon as it is imported."""
    report = yield
    if _SESSION not in collector.config.stash:
        return report
    call = collecting_call(report)
    if report.failed and call and (needed := _needed(call.excinfo)):
        if collector.config.getoption("kernelsnap_virtual_values") == "skip":
            report.outcome = "skipped"
            report.longrepr = (str(collector.path), 0, f"Skipped: {_message(needed)}")
        else:
            report.longrepr = _message(needed)
    return report


def _forget(config: pytest.Config) -> None:
    if session := config.stash.get(_SESSION, None):
        session.forget()


def _needed(excinfo: pytest.ExceptionInfo[BaseException] | None) -> str:
    if excinfo is None:
        return ""
    # Torch is there: the session is.
    from kernelsnap.capture.session import needed

    return needed(excinfo.value)


def _outcome(config: pytest.Config, needed: str) -> pytest.ExceptionInfo[BaseException]:
    fails = config.getoption("kernelsnap_virtual_values") == "fail"
    try:
        if fails:
            pytest.fail(_message(needed), pytrace=False)
        # The place of a skip is the test: that of what needed the GPU is in the message.
        skip_test(_message(needed))
    except (pytest.skip.Exception, pytest.fail.Exception) as outcome:
        return pytest.ExceptionInfo.from_exception(outcome)


def _message(needed: str) -> str:
    return f"needs a real GPU: {needed.replace(f'{Path.cwd()}{os.sep}', '')}"
