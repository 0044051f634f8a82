"""Runs a function on many things in several processes, and ends cleanly when one of them is killed or interrupted.

`concurrent.futures` gives all workers one pipe for what they made. A worker that Ctrl-C ends while it writes there
leaves the rest of a message unwritten, and the first process waits for that for ever.
"""

from __future__ import annotations

import gc
import signal
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from kernelsnap.errors import KernelsnapError

if TYPE_CHECKING:
    from multiprocessing import Process
    from multiprocessing.connection import Connection

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class InWorkerError(Exception):
    """Where in a worker an exception was raised: the cause of that exception, which has no traceback of its own."""


class WorkerKilledError(KernelsnapError):
    """A worker process ended before its work did."""

    def __init__(self) -> None:
        """Say what ends a worker, as a rule."""
        super().__init__("a worker process was killed, most likely for want of memory")


def in_workers(
    function: Callable[[_Given], _Made], things: Sequence[_Given], processes: int
) -> Generator[_Made, None, None]:
    """What the function makes of each thing, in order; Ctrl-C ends all workers without output.

    Raises:
        WorkerKilledError: a worker ended before its work did.
        Exception: what the function raised, in its turn.
    """
    # Imported late: what has little to do must not wait for it.
    from multiprocessing import Pipe, Process
    from multiprocessing.connection import wait

    workers: dict[Connection, Process] = {}
    waiting = enumerate(things)
    made: dict[int, tuple[_Made, Exception | None, str]] = {}
    try:
        with _interrupts_held_back():
            for _ in range(min(processes, len(things))):
                mine, theirs = Pipe()
                workers[mine] = Process(target=_work, args=(function, theirs), daemon=True)
                workers[mine].start()
                theirs.close()
        for connection, worker in workers.items():
            _exchanged(connection, worker, connection.send, next(waiting))
        for number in range(len(things)):
            while number not in made:
                ready = wait([*workers])
                for connection, worker in workers.items():
                    if connection not in ready:
                        continue
                    done, answer = _exchanged(connection, worker, connection.recv)
                    made[done] = answer
                    if (given := next(waiting, None)) is not None:
                        _exchanged(connection, worker, connection.send, given)
            result, error, raised_at = made.pop(number)
            if error is not None:
                raise error from InWorkerError(f"\n{raised_at}")
            yield result
    finally:
        for worker in workers.values():
            worker.kill()
        for connection, worker in workers.items():
            worker.join()
            connection.close()


def _exchanged(connection: Connection, worker: Process, exchange: Callable[..., Any], *given: object) -> Any:
    """What is received from a worker, or that it is given something. Ctrl-C may reach it before this process."""
    try:
        return exchange(*given)
    except (EOFError, OSError):
        worker.join()
        if worker.exitcode == -signal.SIGINT:
            raise KeyboardInterrupt from None
        raise WorkerKilledError from None


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold back Ctrl-C in this process, and in those that it starts until `_work` runs there."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _work(function: Callable[[Any], object], connection: Connection) -> None:
    # Ctrl-C goes to all processes of a terminal: workers end without output, and the first process reports it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # Nothing here makes cycles, and looking for them in the caches takes a fifth of the time.
    gc.disable()
    with suppress(EOFError):  # the first process has ended
        while True:
            number, thing = connection.recv()
            try:
                answer: tuple[object, Exception | None, str] = function(thing), None, ""
            except Exception as error:
                answer = None, error, traceback.format_exc()
            try:
                connection.send((number, answer))
            except (TypeError, ValueError, AttributeError) as error:  # it cannot be pickled
                connection.send((number, (None, RuntimeError(f"{answer[1] or error!r}"), answer[2])))
