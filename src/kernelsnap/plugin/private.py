"""The one place that touches what pytest and syrupy do not promise to keep."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pytest
from packaging.version import Version
from syrupy.session import SnapshotSession

_SYRUPY = 7


def check_versions(config: pytest.Config) -> None:
    """Refuse a syrupy that is switched off or of another major version than the one whose inside is known."""
    if not config.pluginmanager.hasplugin("syrupy"):
        raise pytest.UsageError("kernel_snapshot needs the pytest plugin syrupy, which is switched off (-p no:syrupy)")
    found = Version(version("syrupy"))
    if found.major != _SYRUPY:
        raise pytest.UsageError(
            f"kernelsnap works with syrupy {_SYRUPY}, not {found}: pip install 'syrupy<{_SYRUPY + 1}'"
        )


def syrupy_session(config: pytest.Config) -> SnapshotSession:
    """Syrupy's session of this run, which its assertions report to."""
    session = getattr(config, "_syrupy", None)
    assert isinstance(session, SnapshotSession)
    return session


def expected_to_fail(item: pytest.Item) -> bool:
    """Whether the test is marked xfail and its condition holds, also where the test itself added the mark."""
    if item.config.getoption("runxfail"):
        return False
    try:
        from _pytest.skipping import evaluate_xfail_marks
    except ImportError:
        # Without the conditions, every mark counts: a golden is kept rather than rewritten.
        return item.get_closest_marker("xfail") is not None
    return evaluate_xfail_marks(item) is not None


def parameters(item: pytest.Item) -> Mapping[str, Any]:
    """The values that the test is parametrised with."""
    callspec = getattr(item, "callspec", None)
    values: Mapping[str, Any] = getattr(callspec, "params", {})
    return values


def worker_input(config: pytest.Config) -> dict[str, Any] | None:
    """What the controller of pytest-xdist told this worker; None in any other process."""
    return getattr(config, "workerinput", None)


def worker_output(config: pytest.Config) -> dict[str, Any]:
    """What this worker will tell the controller of pytest-xdist when it is done."""
    output: dict[str, Any] = getattr(config, "workeroutput", {})
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
