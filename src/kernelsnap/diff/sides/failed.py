"""The comparisons that failed when their tests last ran: pytest keeps both sides of them in its cache."""

from __future__ import annotations

from pathlib import Path

from kernelsnap.diff.sides.trees import DiffInputError, Sides, folder
from kernelsnap.golden.store import SUFFIX

#: Where pytest keeps its cache, below the root of a project, unless `cache_dir` says otherwise.
CACHE = ".pytest_cache"
#: Below it, where plugins have folders of their own (`Cache.mkdir`).
BELOW = "d"
NAME = "kernelsnap"
EXPECTED, GOT = "expected", "got"


def failed(cache: str, start: Path) -> Sides:
    """What the goldens say, and what was generated instead.

    `cache` is pytest's cache folder; "" looks for the usual one in `start` and the folders above it.

    Raises:
        DiffInputError: there is no such folder, or no comparison in it has failed.
    """
    places = [Path(cache)] if cache else [place / CACHE for place in (start, *start.parents)]
    found = next((place for place in places if (place / BELOW / NAME).is_dir()), None)
    kept = found and found / BELOW / NAME
    if kept is None or not any(any((kept / side).rglob(f"*{SUFFIX}")) for side in (EXPECTED, GOT)):
        where = cache or f"{CACHE} here or above"
        raise DiffInputError(
            f"{where} holds no comparison that failed: run pytest first (not with -p no:cacheprovider); "
            f"with a cache_dir of its own, give that: --failed FOLDER"
        )
    return Sides(folder(kept / EXPECTED, "the goldens"), folder(kept / GOT, "what pytest got"))
