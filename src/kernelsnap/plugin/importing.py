"""Pytest hooks for the time of imports: hide torch's warnings about itself, collect garbage rarely."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from contextlib import ExitStack
from contextvars import ContextVar

import pytest

from kernelsnap.shared.assigned import assigned
from kernelsnap.shared.processes import collecting_garbage_rarely

# Warnings of torch's about its own code: nobody who reads a golden can act on them.
_OF_IMPORT = r"ignore:.torch\.jit\.\w+. is (deprecated|not supported):DeprecationWarning:torch\.jit"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Leave these warnings out of every summary: a conftest may be the first to import torch.

    The outermost wrapper, because pytest's own takes the filters that there are when it begins.
    """
    early_config.addinivalue_line("filterwarnings", _OF_IMPORT)
    with collecting_garbage_rarely():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import test modules without looking for garbage all the time: what they import stays."""
    with collecting_garbage_rarely():
        return (yield)


#: Whether a run of pytest around this one, in the same process, has seen to what was imported.
_SEEN_TO: ContextVar[bool] = ContextVar("kernelsnap_imports_seen_to", default=False)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the collector pass over what was imported, until the run ends: with torch, each time takes it 0.3 seconds.

    Nothing is done where somebody else has frozen something, which must not be thawed with it. To ask for that is to
    count what is frozen, so a run inside a run, as pytester makes them, does not ask.
    """
    if "torch" not in sys.modules or _SEEN_TO.get():
        return
    until_the_end = ExitStack()
    session.config.add_cleanup(until_the_end.close)
    until_the_end.enter_context(assigned(_SEEN_TO, True))
    if not gc.get_freeze_count():
        gc.freeze()
        until_the_end.callback(gc.unfreeze)
