"""What the plugin uses of pytest, syrupy and pytest-xdist that they do not promise to keep: the names, and their use.

Checked with pytest 8 and 9, syrupy 7, and pytest-xdist 3.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import pytest
from packaging.version import Version
from syrupy.assertion import SnapshotAssertion
from syrupy.session import SnapshotSession

from kernelsnap.shared.distributions import installed_version
from kernelsnap.shared.private_names import Name

_SYRUPY = 7
_ASSERTION = "syrupy.assertion:SnapshotAssertion"
_WORKER = "xdist.workermanage:WorkerController"

EVALUATE_XFAIL = Name("_pytest.skipping", "evaluate_xfail_marks")
CALLSPEC = Name("_pytest.python:Function", "callspec", on_instances=True)
EARLY_ARGUMENTS = Name("_pytest.config:Config", "known_args_namespace", on_instances=True)
ITEM_LOCATION = Name("_pytest.outcomes:Skipped", "_use_item_location", on_instances=True)
COLLECTED_BY = Name("_pytest.reports:CollectReport", "call", optional="assigned while a module is collected")
SESSION = Name("syrupy", "_syrupy")
CUSTOM_INDEX = Name(_ASSERTION, "_custom_index", on_instances=True)
POST_ASSERT_ACTIONS = Name(_ASSERTION, "_post_assert_actions", on_instances=True)
WORKER_INPUT = Name(_WORKER, "workerinput", on_instances=True)
WORKER_OUTPUT = Name(_WORKER, "workeroutput", on_instances=True)


def check_versions(config: pytest.Config) -> None:
    """Refuse a syrupy that is switched off or of another major version than the one whose inside is known."""
    if not config.pluginmanager.hasplugin("syrupy"):
        raise pytest.UsageError("kernel_snapshot needs the pytest plugin syrupy, which is switched off (-p no:syrupy)")
    found = Version(installed_version("syrupy"))
    if found.major != _SYRUPY:
        raise pytest.UsageError(
            f"kernelsnap works with syrupy {_SYRUPY}, not {found}: pip install 'syrupy<{_SYRUPY + 1}'"
        )


def syrupy_session(config: pytest.Config) -> SnapshotSession:
    """Syrupy's session of this run, which its assertions report to."""
    session = SESSION.of(config)
    assert isinstance(session, SnapshotSession)
    return session


def given_name(assertion: SnapshotAssertion) -> str | None:
    """The name that the next assertion was given; None where it has none."""
    name: str | None = CUSTOM_INDEX.of(assertion)
    return name


def after_assertion(assertion: SnapshotAssertion, action: Callable[[], None]) -> None:
    """Do something once the next assertion is over."""
    POST_ASSERT_ACTIONS.of(assertion).append(action)


def expected_to_fail(item: pytest.Item) -> bool:
    """Whether the test is marked xfail and its condition holds, also where the test itself added the mark."""
    if item.config.getoption("runxfail"):
        return False
    if not EVALUATE_XFAIL.is_there():
        # Without the conditions, every mark counts: a golden is kept rather than rewritten.
        return item.get_closest_marker("xfail") is not None
    return EVALUATE_XFAIL.get()(item) is not None


def parameters(item: pytest.Item) -> Mapping[str, Any]:
    """The values that the test is parametrised with."""
    callspec = getattr(item, CALLSPEC.name, None)
    values: Mapping[str, Any] = getattr(callspec, "params", {})
    return values


def early_argument(config: pytest.Config, name: str) -> Any:
    """An option of the command line, while pytest has not parsed all of it."""
    return getattr(EARLY_ARGUMENTS.of(config), name)


def skip_test(message: str) -> NoReturn:
    """Skip the test as `pytest.skip` does, and report the test's own line, not the one that calls this."""
    options: dict[str, Any] = {ITEM_LOCATION.name: True}
    raise pytest.skip.Exception(message, **options)


def collecting_call(report: pytest.CollectReport) -> pytest.CallInfo[object] | None:
    """What happened while a module was collected, with the error that it raised."""
    return getattr(report, COLLECTED_BY.name, None)


def worker_input(config: pytest.Config) -> dict[str, Any] | None:
    """What the controller of pytest-xdist gave this worker; None in any other process."""
    return getattr(config, WORKER_INPUT.name, None)


def worker_output(config: pytest.Config) -> dict[str, Any]:
    """What this worker gives the controller of pytest-xdist when it is done."""
    output: dict[str, Any] = getattr(config, WORKER_OUTPUT.name, {})
    return output


def spare_torch_trace() -> None:
    """Take pytest's log capture off torch's structured trace, for the phase of the test that runs now.

    torch writes this trace, thousands of records per compile, if its logger has any handler. From version 9 on
    pytest adds one to each logger that does not propagate, and shows what it caught under every failure.
    """
    trace = logging.getLogger("torch.__trace")
    for handler in list(trace.handlers):
        if type(handler).__module__.startswith("_pytest."):
            trace.removeHandler(handler)
