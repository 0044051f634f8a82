"""Streams and events of the virtual GPU, on which nothing runs: objects that can be passed about, and order nothing.

For tests that were written for a real GPU, and for torch's own test classes, which put each CUDA test on a stream. They
are torch's device-independent classes, which work through the C++ device guard; torch's CUDA ones need the driver.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch

from kernelsnap.virtual import private
from kernelsnap.virtual.needs_gpu import NeedsGpuError

# Stream, device and c10's number for CUDA: the default stream.
_DEFAULT_STREAM = (0, 0, 1)


class VirtualStream(torch.Stream):
    """Stands in for ``torch.cuda.Stream``."""

    cuda_stream = 0

    def __new__(cls, device: Any = None, priority: int = 0, **kwargs: Any) -> VirtualStream:
        """Make a stream of the one virtual device, or the one that `stream_id` and its like name."""
        where = kwargs or {"device": torch.device("cuda", 0)}
        return super().__new__(cls, **where)

    def record_event(self, event: Any = None) -> Any:
        """Record an event, a new one if none is given."""
        event = VirtualEvent() if event is None else event
        event.record(self)
        return event


class VirtualEvent(torch.Event):
    """Stands in for ``torch.cuda.Event``."""

    def __new__(cls, enable_timing: bool = False, blocking: bool = False, **kwargs: Any) -> VirtualEvent:
        """Make an event of the virtual device."""
        return super().__new__(cls, device=torch.device("cuda", 0), enable_timing=enable_timing, blocking=blocking)

    def elapsed_time(self, end_event: Any) -> float:
        """Refuse: no time passes where nothing runs."""
        raise NeedsGpuError("torch.cuda.Event.elapsed_time()", "a GPU that something runs on")


def _replaced() -> list[tuple[Any, str, object]]:
    import torch.cuda.streams as streams

    return [
        *((owner, "Stream", VirtualStream) for owner in (torch.cuda, streams)),
        *((owner, "Event", VirtualEvent) for owner in (torch.cuda, streams)),
        *(
            (name.find_owner(), name.name, lambda device: _DEFAULT_STREAM)
            for name in (private.CURRENT_STREAM, private.DEFAULT_STREAM)
        ),
        (private.SET_STREAM.find_owner(), private.SET_STREAM.name, lambda **kwargs: None),
        (private.FAKE_TENSOR.get(), "record_stream", lambda tensor, stream: None),
    ]


@contextlib.contextmanager
def harmless_streams() -> Iterator[None]:
    """Let streams and events be made inside the block, which is to be inside a virtual GPU."""
    with contextlib.ExitStack() as stack:
        for owner, name, value in _replaced():
            # What a build without CUDA lacks, or a class inherits, is removed again.
            stack.enter_context(mock.patch.object(owner, name, value, create=True))
        yield
