"""Compare many goldens at once, on all processors where it pays."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from itertools import islice

from kernelsnap.diff.change import Change, change_of
from kernelsnap.diff.trees import Contents

#: Fewer pairs than this are compared before another process has started.
_FEW = 24
_AT_ONCE = 64


def changes_of(contents: Iterable[Contents], processes: int | None = None) -> list[Change]:
    """The changes between the two sides of each file, in the order given; files that say the same are left out."""
    rest = iter(contents)
    first = list(islice(rest, _FEW))
    processes = processes or os.cpu_count() or 1
    if processes == 1 or len(first) < _FEW:
        return [change for item in (*first, *rest) if (change := change_of(*item))]
    # Imported late: a comparison of two trees that are the same must not wait for it.
    from concurrent.futures import ProcessPoolExecutor

    found: list[Change] = []
    # Nothing here makes cycles, and looking for them in the caches takes a fifth of the time.
    with ProcessPoolExecutor(processes, initializer=gc.disable) as pool:
        # Chunk by chunk, so that the contents of ten thousand files are never in memory together.
        waiting = []
        for chunk in _chunks(first, rest):
            waiting.append(pool.submit(_changes, chunk))
            if len(waiting) > 2 * processes:
                found += waiting.pop(0).result()
        for future in waiting:
            found += future.result()
    return found


def _chunks(first: list[Contents], rest: Iterator[Contents]) -> Iterator[list[Contents]]:
    yield first
    while chunk := list(islice(rest, _AT_ONCE)):
        yield chunk


def _changes(chunk: list[Contents]) -> list[Change]:
    return [change for item in chunk if (change := change_of(*item))]
