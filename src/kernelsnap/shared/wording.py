"""Wording that several reports share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol

_PACKAGE = Path(__file__).parents[1]
Direction = Literal["faster", "likely faster", "about the same", "likely slower", "slower"]
# A ratio of two times that is nearer to 1 than this is no change; neither is one that is nearer to 1 than a part of the
# way to the end of its interval, which is as often measured as no change.
_SAME, _PART = 1.03, 0.25


def direction(ratio: float, spread: float = 1.0) -> Direction:
    """Which way a ratio of times goes, new over old; `likely` where 1 is within its interval, a factor either way.

    docs/cost.md tells how often each of these is right.
    """
    moved, uncertain = abs(math.log(ratio)), math.log(spread)
    if moved < max(math.log(_SAME), _PART * uncertain):
        return "about the same"
    if moved > uncertain:
        return "slower" if ratio > 1 else "faster"
    return "likely slower" if ratio > 1 else "likely faster"


def first_few(words: Sequence[str], most: int) -> list[str]:
    """The first words, and `and 3 more` for the others."""
    more = len(words) - most
    return [*words[:most], f"and {more} more"] if more > 0 else list(words)


def listed(words: Iterable[str], most: int = 6) -> str:
    """The words with commas between them: `k0, k1 and 3 more`."""
    named = list(words)
    more = len(named) - most
    return ", ".join(named[:most]) + (f" and {more} more" if more > 0 else "")


def spaced(number: int) -> str:
    """`1 240`."""
    return f"{number:,}".replace(",", " ")


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 golden`, `2 000 goldens`."""
    return f"{spaced(number)} {noun}{'' if number == 1 else 's'}"


def own_version() -> str:
    """Which kernelsnap this is."""
    # It takes a while to be imported, and few commands ask.
    from importlib import metadata

    try:
        return metadata.version("kernelsnap")
    except metadata.PackageNotFoundError:
        return "(run from its source, not installed)"


def micro(time: float) -> str:
    """A time given in microseconds: `83 us`, `1.6 us`, `2.31 ms`."""
    if time >= 1000:
        return f"{time / 1000:.3g} ms"
    return f"{time:.1f} us" if time < 10 else f"{time:.0f} us"


class Counted(Protocol):
    """What is known about a golden, for one target or for several that share it."""

    @property
    def identity(self) -> object:
        """Equal for all that is about one golden."""


def number_of_goldens(found: Iterable[Counted]) -> int:
    """How many goldens these are about: one that several targets share, or are about to share, is one."""
    return len({one.identity for one in found})


def internal_error(error: BaseException, doing: str, how: str) -> list[str]:
    """What a user reads of an error that no part of kernelsnap expected: short, with what is needed to report it.

    Args:
        error: what nobody expected.
        doing: what was going on: a command line, a hook of pytest.
        how: the option that shows the whole trace.
    """
    import traceback  # it takes a while, too

    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    at = f", {Path(own[-1].filename).relative_to(_PACKAGE)}:{own[-1].lineno}" if own else ""
    return [
        f"internal error: {' '.join(traceback.format_exception_only(error)[0].split())}",
        *(f"  {note}" for note in getattr(error, "__notes__", ())),
        f"  in {doing} (kernelsnap {own_version()}{at})",
        "  This is a fault of kernelsnap. Please report it with these lines, the file that they name, and what the "
        f"same with {how} prints.",
    ]
