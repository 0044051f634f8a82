"""Switches off, while torch compiles for a capture, what it does for its logs and not for the generated code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.settings import SETTINGS_OF_DYNAMO


@contextlib.contextmanager
def nothing_but_code() -> Iterator[None]:
    """Inside the block Dynamo neither times its guards nor looks for garbage, and no script is made that nobody reads.

    To time the guards of a graph, for a line of its log, Dynamo first flushes the processor's caches. The script
    compiles the graph again; it is made for each graph, with a process that asks nvcc for its version, and is written
    where there is a trace (`TORCH_TRACE`) or a `repro_after` alone.

    Raises:
        UnsupportedTorchError: this torch does so in another place.
    """
    config = private.DYNAMO_CONFIG.get()
    with (
        config.patch(dict(SETTINGS_OF_DYNAMO)),
        private.PROFILE_GUARDS.replaced(lambda *args, **kwargs: 0.0),
        private.SAVE_GRAPH_REPRO.replaced(_if_read(private.SAVE_GRAPH_REPRO.get(), config)),
    ):
        yield


def _if_read(save: Callable[..., None], config: Any) -> Callable[..., None]:
    def save_if_read(*args: Any, **kwargs: Any) -> None:
        if private.TRACE_LOG.get().handlers or config.repro_after:
            save(*args, **kwargs)

    return save_if_read
