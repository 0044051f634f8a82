"""Times several functions on the GPU, side by side: each call after a flush of L2, in turns, in one process.

In turns, so that a GPU that gets slower as it gets warm does so for all of them. Every call waits behind a short idle
kernel, so that the host is ahead of the GPU: what is timed is the GPU's time and not how fast Python launches.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kernelsnap.capture import private

#: A function of several parts, each of which is timed by itself as well: the graphs of a training step.
Parts = Sequence[Callable[[], Any]]

# Twice the L2 of any supported GPU.
_FLUSHED_BYTES = 256 * 1024 * 1024
# What `torch.cuda._sleep` launches; nothing else does.
_IDLE_KERNEL = "spin_kernel"
_IDLE_CYCLES = 300_000
# More than a GPU runs through in a microsecond.
_CYCLES_IN_A_MICROSECOND = 2_000
_SHORT_CYCLES = 20_000


@dataclass(frozen=True)
class Spread:
    """Times of one thing, in microseconds."""

    median: float
    low: float  # the first quartile
    high: float  # the third quartile


@dataclass(frozen=True)
class TimedKernel:
    """One launch: its name on the GPU, and its time."""

    part: int
    name: str
    time: Spread


@dataclass(frozen=True)
class Timing:
    """How long one function took."""

    total: Spread  # from its first launch to the end of its last
    kernels: tuple[TimedKernel, ...]  # in the order in which they ran


def time_in_turns(functions: Sequence[Parts], repetitions: int = 11) -> list[Timing]:
    """The time of each function, in the order given."""
    import torch

    flushed = torch.empty(_FLUSHED_BYTES, dtype=torch.int8, device="cuda")
    for parts in functions:
        for part in parts:
            part()
    torch.cuda.synchronize()
    totals = _totals(functions, flushed, repetitions)
    kernels = _kernels(functions, flushed, max(3, repetitions // 2))
    return [Timing(total, found) for total, found in zip(totals, kernels, strict=True)]


def spread(times: Sequence[float]) -> Spread:
    """The median and the quartiles of some times."""
    if len(times) == 1:
        return Spread(times[0], times[0], times[0])
    low, median, high = statistics.quantiles(times, n=4)
    return Spread(median, low, high)


def _totals(functions: Sequence[Parts], flushed: Any, repetitions: int) -> list[Spread]:
    import torch

    events: list[list[tuple[Any, Any]]] = [[] for _ in functions]
    idle = [_IDLE_CYCLES + int(1.5 * _host_time(parts) * _CYCLES_IN_A_MICROSECOND) for parts in functions]
    for _ in range(repetitions):
        for parts, taken, cycles in zip(functions, events, idle, strict=True):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            flushed.zero_()
            private.SLEEP.get()(cycles)
            start.record()
            for part in parts:
                part()
            end.record()
            taken.append((start, end))
        torch.cuda.synchronize()
    return [spread([start.elapsed_time(end) * 1000 for start, end in taken]) for taken in events]


def _host_time(parts: Parts) -> float:
    """How long Python takes to launch everything, in microseconds."""
    start = time.perf_counter()
    for part in parts:
        part()
    return (time.perf_counter() - start) * 1e6


def _kernels(functions: Sequence[Parts], flushed: Any, repetitions: int) -> Iterator[tuple[TimedKernel, ...]]:
    """For each function what ran, with the median of each launch; of a run that launched others, nothing is taken."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*clears events at the end of each cycle")
        profiler = profile(activities=[ProfilerActivity.CUDA])
    with profiler:
        for _ in range(repetitions):
            for parts in functions:
                flushed.zero_()
                for part in parts:
                    private.SLEEP.get()(_SHORT_CYCLES)
                    part()
                private.SLEEP.get()(_SHORT_CYCLES)
        torch.cuda.synchronize()
    segments = iter(_segments(profiler))
    next(segments)  # before the first idle kernel
    runs: list[list[list[tuple[int, str, float]]]] = [[] for _ in functions]
    for _ in range(repetitions):
        for parts, taken in zip(functions, runs, strict=True):
            taken.append([(index, *launch) for index in range(len(parts)) for launch in next(segments)])
            next(segments)  # the flush in front of the next one
    return (_combined(taken) for taken in runs)


def _segments(profiler: Any) -> Iterator[list[tuple[str, float]]]:
    """What ran between two idle kernels: name and microseconds of each launch."""
    from torch.autograd import DeviceType  # type: ignore[attr-defined]  # public, and not in its list of exports

    events = [event for event in profiler.profiler.kineto_results.events() if event.device_type() == DeviceType.CUDA]
    segment: list[tuple[str, float]] = []
    for event in sorted(events, key=lambda event: int(event.start_ns())):
        if _IDLE_KERNEL in event.name():
            yield segment
            segment = []
        else:
            segment.append((event.name(), event.duration_ns() / 1000))
    yield segment


def _combined(runs: list[list[tuple[int, str, float]]]) -> tuple[TimedKernel, ...]:
    first = [(part, name) for part, name, _ in runs[0]]
    alike = [run for run in runs if [(part, name) for part, name, _ in run] == first]
    return tuple(
        TimedKernel(part, name, spread([run[index][2] for run in alike])) for index, (part, name) in enumerate(first)
    )
