"""Work in several processes: in order, with what goes wrong in one of them, and nothing left of them afterwards."""

from __future__ import annotations

import os
import signal
from functools import partial
from multiprocessing import active_children

import pytest

from kernelsnap.shared.processes import mapped
from kernelsnap.shared.workers import WorkerKilledError, in_workers

#: More than a pipe holds.
LARGE = 4_000_000


def squared(number):
    return number * number


def failing(number):
    if number == 5:
        error = KeyError("five")
        error.add_note("while it was five")
        raise error
    return number


def ending(signal_number, number):
    if number == 5:
        os.kill(os.getpid(), signal_number)
    return number


def large(ready, number):
    if number:
        (ready / str(number)).touch()
    return bytes(LARGE)


@pytest.fixture(autouse=True)
def no_worker_is_left():
    yield
    assert not active_children()


@pytest.mark.parametrize("processes", [1, 2, 5, 50])
def test_what_is_made_comes_in_order(processes):
    assert list(in_workers(squared, range(20), processes)) == [number * number for number in range(20)]
    assert list(mapped(squared, range(100), few=10, processes=processes)) == [n * n for n in range(100)]
    assert list(in_workers(squared, [], processes)) == []


def test_an_exception_is_raised_with_its_notes():
    found = in_workers(failing, range(20), 2)
    assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError, match="five") as raised:
        next(found)
    assert raised.value.__notes__ == ["while it was five"]
    assert "in failing\n" in str(raised.value.__cause__)


def test_what_cannot_be_given_back_is_an_error():
    with pytest.raises(RuntimeError, match="pickle"):
        list(in_workers(lambda number: lambda: number, range(2), 2))


def test_who_stops_asking_ends_the_workers():
    found = in_workers(squared, range(20), 2)
    assert next(found) == 0
    found.close()


@pytest.mark.parametrize(("number", "error"), [(signal.SIGKILL, WorkerKilledError), (signal.SIGINT, KeyboardInterrupt)])
def test_a_worker_that_ended_is_told_by_what_ended_it(number, error):
    with pytest.raises(error):
        list(in_workers(partial(ending, number), range(20), 2))


@pytest.mark.parametrize(("number", "error"), [(signal.SIGKILL, WorkerKilledError), (signal.SIGINT, KeyboardInterrupt)])
def test_a_worker_that_ends_in_the_middle_of_a_message_keeps_nobody_waiting(tmp_path, number, error):
    found = in_workers(partial(large, tmp_path), range(6), 2)
    assert len(next(found)) == LARGE
    workers = active_children()
    while not (tmp_path / "2").exists() and not (tmp_path / "1").exists():
        os.sched_yield()
    for worker in workers:  # one of them writes what nobody reads now
        os.kill(worker.pid, number)
    with pytest.raises(error):
        list(found)
