"""For all tests: pytest's own tool for running pytest in small projects, how hypothesis runs, and what saves time."""

import gc
import os
import sys

# A run of pytest inside a test unloads what it was the first to import, and numpy cannot be imported a second time.
import numpy  # noqa: F401
import pytest
from hypothesis import HealthCheck, settings

from kernelsnap.plugin.private import spare_torch_trace

pytest_plugins = ["pytester"]

# Machines here are noisy: how long an example takes says nothing about the code.
settings.register_profile("noisy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("noisy")

# Importing torch and capturing make hundreds of thousands of objects, most of which stay. With Python's own thresholds
# the collector looks through them again and again: a quarter of the time of a capture.
gc.set_threshold(500_000, 20)


def _keep_what_stays(phase: str, info: dict[str, int]) -> None:
    """What outlives a search through all objects is not looked at again: a worker has millions of them in the end."""
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


gc.callbacks.append(_keep_what_stays)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is imported now stays: the collector need not look at it any more.

    It is also compiled, for all processes that the tests start (pytest would rewrite a plugin's package in each). What
    tests write is not: two versions of a file that are as long and of the same second have the same compiled one.
    """
    gc.collect()
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """A test that captures without a fixture of ours waits for no trace of torch either, which nobody reads."""
    spare_torch_trace()
