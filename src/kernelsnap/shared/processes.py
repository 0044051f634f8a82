"""Work on many things: in worker processes, and with a garbage collector that looks at them less often."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from kernelsnap.shared.workers import in_workers

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

# Of these a worker is given no more at once.
_AT_ONCE = 32
#: How many new objects the garbage collector waits for, where most of them are still in use.
_GARBAGE = 200_000


def processors() -> int:
    """The processors that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mapped(
    function: Callable[[_Given], _Made], things: Sequence[_Given], *, few: int, processes: int | None = None
) -> Iterable[_Made]:
    """What the function makes of each thing, in order; up to `few` of them, or with one processor, in this process."""
    processes = processes or processors()
    if len(things) <= few or processes < 2:
        return map(function, things)
    chunks = in_chunks(things, processes, 1, _AT_ONCE)
    return [made for of_chunk in in_workers(partial(_of_each, function), chunks, processes) for made in of_chunk]


def in_chunks(things: Sequence[_Given], processes: int, least: int, most: int) -> list[Sequence[_Given]]:
    """Things in the portions that workers are given: few enough that none waits long for the last one."""
    at_once = max(least, min(most, len(things) // (4 * processes)))
    return [things[start : start + at_once] for start in range(0, len(things), at_once)]


def _of_each(function: Callable[[_Given], _Made], things: Sequence[_Given]) -> list[_Made]:
    return [function(thing) for thing in things]


@contextmanager
def collecting_garbage_rarely() -> Iterator[None]:
    """Look for garbage less often: a compile, or a list of 10,000 goldens, makes hundreds of thousands of objects.

    With Python's own threshold the collector takes up to a quarter of the time.
    """
    before = gc.get_threshold()
    if before[0]:  # 0 turns it off
        gc.set_threshold(max(before[0], _GARBAGE), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
