"""Compare many goldens at once, on all processors where it pays; which of them only changed their name."""

from __future__ import annotations

import gc
import signal
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.sides.trees import Contents, DiffInputError, digest_without_case
from kernelsnap.diff.tree.change import Change, change_of
from kernelsnap.diff.tree.kept import Compared, Keeper, PackedDiffs
from kernelsnap.shared.processes import processors

#: Fewer goldens than this that differ are compared before another process has started.
_FEW = 24
#: Goldens that a worker is given at once: few enough that no worker waits long for the last one.
_LEAST_AT_ONCE, _AT_ONCE = 8, 64


def compared(sides: Sides, processes: int | None = None, every: bool = False) -> Compared:
    """The changes between the two sides of each golden, by path; goldens that are the same are left out.

    With `every`, the comparison of each change is kept, else those that may be the exemplars of their groups. What
    comes out does not depend on `processes`, all processors by default. An exception of a worker is raised here, with
    a note of the golden it was at.
    """
    names = sides.may_differ()
    processes = processes or processors()
    kept = Keeper(every)
    differed = 0
    for name in names:
        if contents := sides.differing(name):
            differed += 1
            if change := _change(*contents):
                kept.add(change)
        if processes > 1 and differed == _FEW:
            break
    if rest := list(names):
        _in_workers(sides, rest, processes, kept)
    return kept.compared


def _in_workers(sides: Sides, names: Sequence[str], processes: int, kept: Keeper) -> None:
    # Imported late: a comparison of two trees that are the same must not wait for it.
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import active_children

    at_once = max(_LEAST_AT_ONCE, min(_AT_ONCE, len(names) // (4 * processes)))
    chunks = [names[start : start + at_once] for start in range(0, len(names), at_once)]
    pool = ProcessPoolExecutor(min(processes, len(chunks)), initializer=_start)
    try:
        with _interrupts_held_back():
            futures = [pool.submit(_chunk, sides.only(chunk), kept.every) for chunk in chunks]
        workers = active_children()
        while futures:
            kept.join(*futures.pop(0).result())
    except BrokenProcessPool as error:
        # Ctrl-C goes to all processes of a terminal, and may reach a worker first.
        if any(worker.exitcode == -signal.SIGINT for worker in workers):
            raise KeyboardInterrupt from None
        raise DiffInputError(
            "a worker process was killed, most likely for want of memory: "
            "compare fewer goldens at once, or one at a time with --jobs 1"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold back Ctrl-C in this process, and in those that it starts until `_start` runs there."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _start() -> None:
    # Ctrl-C goes to all processes of a terminal: workers end without output, and the first process reports it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # Nothing here makes cycles, and looking for them in the caches takes a fifth of the time.
    gc.disable()


def _chunk(sides: Sides, every: bool) -> tuple[list[Change], PackedDiffs]:
    kept = Keeper(every)
    for name in sides:
        if (contents := sides.differing(name)) and (change := _change(*contents)):
            kept.add(change)
    return kept.changes, kept.diffs


def _change(name: str, old: bytes | None, new: bytes | None) -> Change | None:
    try:
        return change_of(name, old, new)
    except Exception as error:
        error.add_note(f"while comparing {name}")
        raise


def renames(changes: Iterable[Change], contents: Mapping[str, Contents]) -> dict[str, str]:
    """The new names of goldens by their old ones, both in order. Of several that say the same, each is paired once."""
    changes = list(changes)
    if not {"new", "gone"} <= {change.status for change in changes}:
        return {}
    new: defaultdict[bytes, list[str]] = defaultdict(list)
    for name in sorted(change.name for change in changes if change.status == "new"):
        new[digest_without_case(contents[name][2] or b"")].append(name)
    found = {}
    for name in sorted(change.name for change in changes if change.status == "gone"):
        if others := new.get(digest_without_case(contents[name][1] or b"")):
            found[name] = others.pop(0)
    return found
