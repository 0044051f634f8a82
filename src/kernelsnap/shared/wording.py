"""Wording that several reports share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: A ratio of two times that is nearer to 1 than this is no change.
SAME = 1.03


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
