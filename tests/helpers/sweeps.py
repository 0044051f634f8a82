"""Sweeps: one check over many things, such as all labelled pairs, as a few test items that name every failure.

An item of its own for each of a thousand things costs pytest more than the check itself. A sweep has one item a shard,
and a failing shard lists each thing that failed, with what was wrong.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

SHARDS = 4


def over(things: Sequence[T], name: Callable[[T], str] = str, shards: int = SHARDS) -> Callable[..., Callable]:
    """Turn a check of one thing into a test of all `things`; `name` is what a failure calls one.

    The parameter has the scope of the session, so that pytest runs the same shard of all sweeps together: they share
    what `functools.cache` holds, also where xdist gives other shards to another process.
    """
    assert things, "a sweep over nothing passes whatever is wrong"
    shards = min(shards, len(things))

    def sweep(check: Callable[[T], None]) -> Callable[[int], None]:
        def test(shard: int) -> None:
            wrong = {name(thing): failed for thing in things[shard::shards] if (failed := _failure(check, thing))}
            if wrong:
                listed = "\n".join(f"{thing}: {failed}" for thing, failed in wrong.items())
                pytest.fail(f"{len(wrong)} of {len(things[shard::shards])} failed\n{listed}", pytrace=False)

        test.__name__, test.__qualname__, test.__module__ = check.__name__, check.__qualname__, check.__module__
        test.__doc__ = check.__doc__
        names = [f"{number + 1} of {shards}" for number in range(shards)]
        return pytest.mark.parametrize("shard", range(shards), ids=names, scope="session")(test)

    return sweep


def _failure(check: Callable[[T], None], thing: T) -> str:
    """What was wrong with one thing, and in which line of the check; empty if nothing was."""
    try:
        check(thing)
    except (Exception, pytest.fail.Exception) as error:
        (here,) = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name == check.__name__][:1]
        what = "".join(traceback.format_exception_only(error)).strip()
        return f"{Path(inspect.getfile(check)).name}:{here.lineno}: {what}"
    return ""
